"""The part of a recipe that decides what is answered, one model a kind."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SerializeAsAny

from .part import LARGEST, Part, pixels_field, told_apart_by_kind


class TargetPart(Part):
    """What the recipes of all targets have in common."""

    kind: str


class ObjectsTarget(TargetPart):
    """Every object apart: foreground and the distance to each object's own border."""

    kind: Literal["objects"] = "objects"
    ring: int = pixels_field(
        4,
        "Ring of background",
        "How far around a painted object counts as background, where nothing else is painted.",
        ge=0,
        le=50,
    )
    unpainted: float = Field(
        0.01,
        ge=0,
        le=1,
        title="Weight of unpainted",
        description="Where objects are painted and no background at all, what is not painted "
        "counts as background with this small weight.",
    )
    border_weight: float = Field(
        1.0,
        ge=0,
        le=100,
        title="Border weight",
        description="Extra weight of background between two painted objects (w0 of the paper).",
    )
    border_sigma: float = pixels_field(
        3.0, "Border width", "How far that weight reaches (sigma of the paper).", gt=0, le=50
    )


class ClassesTarget(TargetPart):
    """One class a pixel."""

    kind: Literal["classes"] = "classes"


class DenoisedTarget(TargetPart):
    """The image without its noise, Noise2Noise (https://arxiv.org/abs/1803.04189)."""

    kind: Literal["denoised"] = "denoised"
    loss: Literal["l2", "l1", "l0"] = Field(
        "l2",
        title="Loss",
        description="l2 finds the mean of noise: for what a camera adds. l1 finds its median: for "
        "some far outliers. l0 finds its mode: where pixels are replaced by others (impulses).",
    )
    annealing: int = Field(
        2000,
        ge=1,
        le=LARGEST,
        title="Annealing",
        description="Steps in which the exponent of l0 falls from 2; unused by the others.",
    )
    consistency: float = Field(
        0.5,  # on real nuclei and phase contrast more of it was worse, by 0.1 to 4 dB
        ge=0,
        le=100,
        title="Consistency",
        description="Weight of the term that keeps single images from being smoothed, gamma of "
        "Neighbor2Neighbor; unused with pairs.",
    )


Task = Literal["objects", "classes", "denoised"]
TARGET_KINDS: dict[str, type[TargetPart]] = {
    "objects": ObjectsTarget,
    "classes": ClassesTarget,
    "denoised": DenoisedTarget,
}
"""The recipe of each kind of target."""
Target = Annotated[SerializeAsAny[TargetPart], told_apart_by_kind(TARGET_KINDS, "objects")]

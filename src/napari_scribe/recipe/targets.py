"""Describe what a person gets from a network, one model for each task."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SerializeAsAny

from .part import LARGEST, Part, pixels_field, told_apart_by_kind


class TargetPart(Part):
    """Hold what the recipes of all tasks have in common."""

    kind: str


class ObjectsTarget(TargetPart):
    """Describe how objects are told apart (instance segmentation)."""

    kind: Literal["objects"] = "objects"
    encoding: str = Field(
        "distance",
        title="Encoding",
        description="How the network says where one object ends and the next begins.",
    )
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
    """Describe how each pixel gets a class (semantic segmentation)."""

    kind: Literal["classes"] = "classes"


class DenoisedTarget(TargetPart):
    """Describe how noise is removed, Noise2Noise (https://arxiv.org/abs/1803.04189)."""

    kind: Literal["denoised"] = "denoised"
    loss: str = Field(
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


TARGET_KINDS: dict[str, type[TargetPart]] = {
    "objects": ObjectsTarget,
    "classes": ClassesTarget,
    "denoised": DenoisedTarget,
}
"""The model of this part of a recipe, for each task."""
Target = Annotated[SerializeAsAny[TargetPart], told_apart_by_kind(TARGET_KINDS, "objects")]

"""Define the part of a recipe that says what a network is for, one model for each task."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny

from .part import LARGEST, Part, pixels_field, told_apart_by_kind

MAPS = ("probability", "distance", "affinities", "long_range")
"""Names of the maps that can be saved beside labels. Each task and encoding has some of them."""
NEAR = 1.5
"""Sizes that differ by no more than this factor are about the same: such an image is left as it is.
"""


class TargetPart(Part):
    """Define what the recipes of all tasks have in common."""

    kind: str


class ObjectsTarget(TargetPart):
    """Describe how objects are told apart (instance segmentation)."""

    kind: Literal["objects"] = "objects"
    encoding: str = Field(
        "distance",
        title="Encoding",
        description="How the network says where one object ends and the next begins. distance: how "
        "far each pixel is from its object's border; affinities: whether neighbouring pixels lie "
        "in one object; border: objects stay apart by a line of background (border weight).",
        examples=["distance", "affinities", "border"],
    )
    ring: int = pixels_field(
        4,
        "Ring of background",
        "Width of the ring around a painted object that counts as background if it is not painted.",
        ge=0,
        le=50,
    )
    strokes: Literal["auto", "whole", "inside"] = Field(
        "auto",
        title="Painted objects",
        description="inside: strokes inside objects, which teach what is inside, but not where it "
        "ends; whole: objects are drawn whole; auto: what looks like a stroke is taken for one, "
        "and you are told.",
    )
    unpainted: float = Field(
        0.01,
        ge=0,
        le=1,
        title="Weight of unpainted",
        description="If no background is painted at all, or if strokes inside objects stand for "
        "them, unpainted pixels count as background with this small weight.",
    )
    border_weight: float = Field(
        1.0,
        ge=0,
        le=100,
        title="Border weight",
        description="Extra weight of background between two painted objects (w0 of the paper).",
    )
    border_sigma: float = pixels_field(
        3.0, "Border width", "How far the border weight reaches (sigma of the paper).", gt=0, le=50
    )
    object_size: Annotated[float, BeforeValidator(lambda size: 0 if size is None else size)] = (
        pixels_field(
            24.0,
            "Bring objects to",
            "Diameter at which the network sees objects: an image in which they are far from it is "
            "shrunk or grown for the network, and results return on the image's own pixels. How "
            "large they are in the image is measured on the paint. 0: images stay as they are.",
            ge=0,
            le=1000,
        )
    )
    long_range: bool = Field(
        True,
        title="Long-range affinities",
        description="Of the encoding affinities: the network also learns whether pixels that lie "
        "far apart belong to one object (Lee et al. 2017). Objects are found by neighbours alone.",
    )


class ClassesTarget(TargetPart):
    """Describe how each pixel gets a class (semantic segmentation)."""

    kind: Literal["classes"] = "classes"


class DenoisedTarget(TargetPart):
    """Describe how noise is removed, by Noise2Noise (https://arxiv.org/abs/1803.04189)."""

    kind: Literal["denoised"] = "denoised"
    loss: str = Field(
        "l2",
        title="Loss",
        description="l2 finds the mean of noise: for noise of a camera. l1 finds its median: if "
        "there are some far outliers. smooth_l1 lies between them. l0 finds its mode: if pixels "
        "are replaced (impulses).",
    )
    annealing: int = Field(
        2000,
        ge=1,
        le=LARGEST,
        title="Annealing",
        description="Steps in which the exponent of l0 falls from 2. Other losses do not use it.",
    )
    consistency: float = Field(
        0.5,  # larger values were worse by 0.1 to 4 dB, on real nuclei and phase contrast
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

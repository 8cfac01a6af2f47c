"""The part of a recipe that decides which network is trained, one model a kind."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SerializeAsAny, ValidationInfo, field_validator

from .part import Part, told_apart_by_kind


class NetworkPart(Part):
    """What the recipes of all networks have in common."""

    kind: str
    dimensions: int = Field(
        2, ge=2, le=3, title="Dimensions", description="2: slice by slice; 3: Z is depth."
    )


class UNet(NetworkPart):
    """U-Net, Ronneberger et al. 2015 (https://arxiv.org/abs/1505.04597)."""

    kind: Literal["unet"] = "unet"
    depth: int = Field(3, ge=1, le=5, title="Depth", description="How often the image is halved.")
    width: int = Field(
        16, ge=2, le=128, title="Width", description="Features at full resolution; doubled below."
    )
    padding: Literal["same", "valid"] = Field(
        "same",
        title="Padding",
        description="same: convolutions keep the size; valid: they shrink it, as in the paper.",
    )
    normalization: Literal["batch", "none"] = Field(
        "batch",
        title="Normalization",
        description="Of the features after each convolution. none: faster, and exact about "
        "intensities, as denoising needs.",
    )
    flat_levels: int = Field(
        0,
        ge=0,
        le=5,
        title="Flat levels",
        description="For thick slices in 3D: how often the image is halved within its slices only, "
        "before it is in Z, too. 1 where slices are about 2 pixels apart, 2 for 4; in 2D unused.",
    )

    @field_validator("flat_levels")
    @classmethod
    def _levels_there_are(cls, flat_levels: int, others: ValidationInfo) -> int:
        if others.data.get("dimensions") == 2:
            return 0  # so that the same networks have the same recipe
        if flat_levels > (depth := others.data.get("depth", flat_levels)):
            raise ValueError(f"at most the depth, which is {depth}")
        return flat_levels


NETWORK_KINDS: dict[str, type[NetworkPart]] = {"unet": UNet}
"""The recipe of each kind of network."""
Network = Annotated[SerializeAsAny[NetworkPart], told_apart_by_kind(NETWORK_KINDS, "unet")]

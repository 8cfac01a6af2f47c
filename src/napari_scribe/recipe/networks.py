"""Define the part of a recipe that decides which network is trained, one model a kind."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Annotated, Literal

from pydantic import Field, SerializeAsAny, ValidationInfo, field_validator

from .part import Part, told_apart_by_kind


class NetworkPart(Part, ABC):
    """Hold what the recipes of all networks have in common, and what is asked of each."""

    kind: str
    dimensions: int = Field(
        2, ge=2, le=3, title="Dimensions", description="2: slice by slice; 3: Z is depth."
    )

    @property
    @abstractmethod
    def features(self) -> int:
        """Return how many features a pixel has at full resolution: they decide about memory."""

    @property
    def keeps_size(self) -> bool:
        """Return whether the answer is as large as the image that goes in."""
        return True

    def in_words(self) -> str:
        """Describe the network in a few words, its kind first."""
        names = [name for name in type(self).model_fields if name not in ("kind", "dimensions")]
        return ", ".join([self.kind, *(f"{n.replace('_', ' ')} {getattr(self, n)}" for n in names)])

    def for_thick_slices(self, ratio: float) -> dict[str, int]:
        """Return the fields to change for slices that lie `ratio` pixels apart, in 3D."""
        return {}


class UNet(NetworkPart):
    """Describe a U-Net, Ronneberger et al. 2015 (https://arxiv.org/abs/1505.04597)."""

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
    def _check_flat_levels(cls, flat_levels: int, others: ValidationInfo) -> int:
        if others.data.get("dimensions") == 2:
            return 0  # so that the same networks have the same recipe
        if flat_levels > (depth := others.data.get("depth", flat_levels)):
            raise ValueError(f"at most the depth, which is {depth}")
        return flat_levels

    @property
    def features(self) -> int:
        """Return the width: each level below has less of them, pixels counted."""
        return self.width

    @property
    def keeps_size(self) -> bool:
        """Return whether convolutions are padded."""
        return self.padding == "same"

    def in_words(self) -> str:
        """Describe the network in a few words, its kind first."""
        flat = f", {self.flat_levels} of them flat" if self.flat_levels else ""
        return f"{self.kind}, depth {self.depth}{flat}, width {self.width}, padding {self.padding}"

    def for_thick_slices(self, ratio: float) -> dict[str, int]:
        """Leave Z as it is until pixels have been halved to be about as wide as it is."""
        levels = min(self.depth, max(0, round(math.log2(ratio))))
        return (
            {} if "flat_levels" in self.model_fields_set or not levels else {"flat_levels": levels}
        )


NETWORK_KINDS: dict[str, type[NetworkPart]] = {"unet": UNet}
"""The recipe of each kind of network; what builds it is in `networks.NETWORKS`."""
Network = Annotated[SerializeAsAny[NetworkPart], told_apart_by_kind(NETWORK_KINDS, "unet")]

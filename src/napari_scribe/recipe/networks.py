"""Define the part of a recipe that describes the network, one model per kind."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Annotated, ClassVar, Literal

from pydantic import Field, SerializeAsAny, ValidationInfo, field_validator

from .part import Part, told_apart_by_kind


class NetworkPart(Part, ABC):
    """Define what the recipes of all networks have in common."""

    takes_dimensions: ClassVar[tuple[int, ...]] = (2, 3)
    kind: str
    dimensions: int = Field(
        2, ge=2, le=3, title="Dimensions", description="2: slice by slice; 3: Z is depth."
    )

    @field_validator("dimensions")
    @classmethod
    def _check_dimensions(cls, dimensions: int) -> int:
        if dimensions not in cls.takes_dimensions:
            others = [kind for kind, part in NETWORK_KINDS.items() if 3 in part.takes_dimensions]
            raise ValueError(
                f"this network is for planes only (2): for volumes choose {', '.join(others)}"
            )
        return dimensions

    @property
    @abstractmethod
    def features(self) -> int:
        """Return the number of features at full resolution, which decides the memory needed."""

    @property
    def maps_keep_size(self) -> bool:
        """Return whether no convolution changes the size of a map.

        Then a network that takes an image also takes one of twice the size, as learning from single
        images needs, where pictures of half the size are made.
        """
        return True

    def in_words(self) -> str:
        """Describe the network in a few words, its kind first."""
        names = [name for name in type(self).model_fields if name not in ("kind", "dimensions")]
        return ", ".join([self.kind, *(f"{n.replace('_', ' ')} {getattr(self, n)}" for n in names)])

    def for_thick_slices(self, ratio: float) -> dict[str, int]:
        """Return the fields to change for slices that lie `ratio` pixels apart, in 3D."""
        return {}


def checked_flat_levels(flat_levels: int, others: ValidationInfo) -> int:
    """Return the flat levels of a network, or raise a ValueError if there are too many."""
    if others.data.get("dimensions") == 2:
        return 0  # it has no effect in 2D: equal networks get equal recipes
    if flat_levels > (depth := others.data.get("depth", flat_levels)):
        raise ValueError(f"at most the depth, which is {depth}")
    return flat_levels


def flat_levels_for(network: UNet | ResidualSymmetric, ratio: float) -> dict[str, int]:
    """Return the flat levels for slices that lie `ratio` pixels apart, unless they are chosen."""
    levels = min(network.depth, max(0, round(math.log2(ratio))))
    is_kept = "flat_levels" in network.model_fields_set
    return {} if is_kept or levels == network.flat_levels else {"flat_levels": levels}


class UNet(NetworkPart):
    """Describe a U-Net, Ronneberger et al. 2015 (https://arxiv.org/abs/1505.04597)."""

    kind: Literal["unet"] = "unet"
    depth: int = Field(3, ge=1, le=5, title="Depth", description="How often the image is halved.")
    width: int = Field(
        16, ge=2, le=128, title="Width", description="Features at full resolution; doubled below."
    )
    padding: Literal["same", "valid", "full"] = Field(
        "same",
        title="Padding",
        description="same: convolutions keep the size; valid: they shrink it, as in the paper; "
        "full: they enlarge it, and the answer is cropped to the image.",
    )
    block: Literal["plain", "residual", "shared"] = Field(
        "plain",
        title="Block",
        description="What each level is made of. plain: two convolutions; residual: they add to "
        "their input; shared: one convolution is used twice and adds to its input, with half the "
        "parameters, as in LadderNet.",
    )
    skips: Literal["concatenate", "add", "none"] = Field(
        "concatenate",
        title="Skip connections",
        description="How the features of the way down reach the way up. concatenate: beside its "
        "own, as in the paper; add: summed with its own; none: not at all, which leaves an encoder "
        "and a decoder, whose outlines are coarse.",
    )
    normalization: Literal["batch", "instance", "group", "none"] = Field(
        "batch",
        title="Normalization",
        description="How features are normalized after each convolution. batch: by numbers learnt "
        "in training; instance, group: by the image itself, each feature alone or up to 8 groups "
        "of them, for batches of one; none: faster, and exact about intensities, as denoising "
        "needs.",
    )
    upsampling: Literal["transposed", "nearest", "bilinear", "bicubic", "trilinear"] = Field(
        "transposed",
        title="Upsampling",
        description="How coarse features become fine ones. transposed: learnt, as in the paper, "
        "but may learn a checkerboard; nearest, bilinear and bicubic (trilinear in 3D): "
        "interpolated, without one.",
    )
    dropout: float = Field(
        0.0,
        ge=0,
        le=0.9,
        title="Dropout",
        description="Share of the coarsest features that are left out at random while it learns: "
        "against learning few images by heart.",
    )
    flat_levels: int = Field(
        0,
        ge=0,
        le=5,
        title="Flat levels",
        description="For thick slices in 3D: how often the image is halved within its slices only, "
        "before it is halved in Z. 1 if slices are about 2 pixels apart, 2 for 4. Unused in 2D.",
    )

    @field_validator("flat_levels")
    @classmethod
    def _check_flat_levels(cls, flat_levels: int, others: ValidationInfo) -> int:
        return checked_flat_levels(flat_levels, others)

    @field_validator("upsampling")
    @classmethod
    def _check_upsampling(cls, upsampling: str, others: ValidationInfo) -> str:
        dimensions = others.data.get("dimensions")
        if dimensions == 3 and upsampling in ("bilinear", "bicubic"):
            raise ValueError(f"{upsampling} is for 2D: in 3D use trilinear")
        if dimensions == 2 and upsampling == "trilinear":
            raise ValueError("trilinear is for 3D: in 2D use bilinear")
        return upsampling

    @property
    def features(self) -> int:
        """Return the width: coarser levels have more features, but far fewer pixels."""
        return self.width

    @property
    def maps_keep_size(self) -> bool:
        """Return whether no convolution changes the size of a map."""
        return self.padding == "same"

    def in_words(self) -> str:
        """Describe the network in a few words, its kind first."""
        flat = f", {self.flat_levels} of them flat" if self.flat_levels else ""
        words = f"{self.kind}, depth {self.depth}{flat}, width {self.width}, padding {self.padding}"
        others = ("block", "skips", "normalization", "upsampling", "dropout")
        changed = [n for n in others if getattr(self, n) != type(self).model_fields[n].default]
        return ", ".join([words, *(f"{name} {getattr(self, name)}" for name in changed)])

    def for_thick_slices(self, ratio: float) -> dict[str, int]:
        """Halve Z only after pixels have become about as wide as slices are apart."""
        return flat_levels_for(self, ratio)


class SizedPart(NetworkPart, ABC):
    """Define what the recipes of networks with a width and a normalization have in common."""

    width: int = Field(
        16, ge=2, le=128, title="Width", description="Features at full resolution; more below."
    )
    normalization: Literal["batch", "instance", "group", "none"] = Field(
        "batch",
        title="Normalization",
        description="How features are normalized after each convolution; as in the U-Net.",
    )

    @property
    def features(self) -> int:
        """Return the width: coarser levels have more features, but far fewer pixels."""
        return self.width


class FCN(SizedPart):
    """Describe a fully convolutional network, Long et al. 2015 (https://arxiv.org/abs/1411.4038).

    It is 2D: with its halo on all sides, every tile would be a volume of 300 pixels a side.
    """

    takes_dimensions: ClassVar[tuple[int, ...]] = (2,)
    kind: Literal["fcn"] = "fcn"
    stride: Literal[8, 16, 32] = Field(
        8,
        title="Stride",
        description="Pixels per score of the finest map of scores: FCN-8s, FCN-16s or FCN-32s. "
        "Smaller: finer outlines.",
    )
    bottom: Literal[1, 3, 5, 7] = Field(
        3,
        title="Bottom",
        description="Width of the convolution where the image is 32 times smaller. 7, as in the "
        "paper, sees farther and needs a halo of 64 px more.",
    )

    @field_validator("stride", "bottom", mode="before")
    @classmethod
    def _read_number(cls, value: object) -> object:
        return int(value) if isinstance(value, str) and value.isdecimal() else value


class FusionNet(SizedPart):
    """Describe FusionNet, Quan et al. 2016 (https://arxiv.org/abs/1612.05360)."""

    kind: Literal["fusionnet"] = "fusionnet"
    depth: int = Field(3, ge=1, le=5, title="Depth", description="How often the image is halved.")


class ResidualSymmetric(SizedPart):
    """Describe the residual symmetric U-Net, Lee et al. 2017 (https://arxiv.org/abs/1706.00120)."""

    kind: Literal["residual_symmetric"] = "residual_symmetric"
    depth: int = Field(3, ge=1, le=5, title="Depth", description="How often the image is halved.")
    flat_levels: int = Field(
        1,
        ge=0,
        le=5,
        validate_default=True,  # 0 in 2D, as if it were given
        title="Flat levels",
        description="For thick slices in 3D: how often the image is halved within its slices only, "
        "before it is halved in Z. The paper never halves in Z. Unused in 2D.",
    )

    @field_validator("flat_levels")
    @classmethod
    def _check_flat_levels(cls, flat_levels: int, others: ValidationInfo) -> int:
        return checked_flat_levels(flat_levels, others)

    def for_thick_slices(self, ratio: float) -> dict[str, int]:
        """Halve Z only after pixels have become about as wide as slices are apart."""
        return flat_levels_for(self, ratio)


NETWORK_KINDS: dict[str, type[NetworkPart]] = {
    "unet": UNet,
    "fcn": FCN,
    "fusionnet": FusionNet,
    "residual_symmetric": ResidualSymmetric,
}
"""The recipe of each kind of network; `networks.NETWORKS` holds what builds them."""
Network = Annotated[SerializeAsAny[NetworkPart], told_apart_by_kind(NETWORK_KINDS, "unet")]

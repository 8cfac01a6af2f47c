"""Build the U-Net, Ronneberger et al. 2015, and its 3D sibling, Cicek et al. 2016."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn

from ..recipe import UNet as UNetRecipe
from .base import Network
from .blocks import (
    BLOCKS,
    CONVOLUTION,
    POOL,
    TAPS,
    Layers,
    Upsample,
    crop,
    crop_center,
    initialize,
    set_to_zero,
)
from .geometry import Convolve, Down, Geometry, Join, Pad, Step, Up


class UNet(Network):
    """Contract and expand an image, with skip connections between the two.

    Parameters
    ----------
    recipe
        Dimensions, depth, width, padding, and what the levels are made of.
    channels_in, channels_out
        Channels of the input image and of the answer (logits).

    Notes
    -----
    https://arxiv.org/abs/1505.04597 and, in 3D, https://arxiv.org/abs/1606.06650; flat levels for
    thick slices as in nnU-Net, https://arxiv.org/abs/1904.08128.
    """

    def __init__(self, recipe: UNetRecipe, channels_in: int, channels_out: int) -> None:
        super().__init__()
        d = self.dimensions = recipe.dimensions
        layers, block = Layers(recipe.padding, recipe.normalization), BLOCKS[recipe.block]
        self.levels = levels_of(recipe)
        self.geometry = tuple(levels.geometry for levels in self.levels)
        # Per level and axis. Two convolutions that together see `radius` are each 1 + radius wide.
        kernels = [
            tuple(1 + r for r in radii)
            for radii in zip(*(levels.radii for levels in self.levels), strict=True)
        ]
        factors = list(zip(*(levels.factors for levels in self.levels), strict=True))
        widths = [recipe.width * 2**level for level in range(recipe.depth + 1)]
        self.encoder = nn.ModuleList(
            block(layers, k, a, b)
            for k, a, b in zip(kernels, [channels_in, *widths[:-1]], widths, strict=True)
        )
        self.pools = nn.ModuleList(POOL[d](f) for f in factors)
        up = list(zip(factors, kernels, widths, strict=False))[::-1]
        self.dropout = nn.Dropout(recipe.dropout)
        self.joins = nn.ModuleList(
            Upsample(f, w, recipe.upsampling, recipe.skips) for f, _, w in up
        )
        joined = 2 if recipe.skips == "concatenate" else 1
        self.decoder = nn.ModuleList(block(layers, k, joined * w, w) for _, k, w in up)
        self.head = CONVOLUTION[d](widths[0], channels_out, 1)
        initialize(self)

    def forward(self, x: Tensor, margin: Sequence[int] | None = None) -> Tensor:
        """Return logits ``(N, channels_out, *spatial)`` of images ``(N, channels_in, *spatial)``.

        Parameters
        ----------
        margin
            Pixels per axis that are cropped off either side of the answer. The decoder skips what
            only these pixels need.

        Raises
        ------
        ValueError
            If the network does not take images of this size: see `Geometry.takes`.
        """
        self.check_size(x)
        coarsest, upsampled, last = crops_of(self.levels, margin)
        size = x.shape[2:]
        x, skips = contract(x, self.encoder, self.pools)
        x = crop(self.dropout(self.encoder[-1](x)), coarsest)
        for join, level, cut in zip(self.joins, self.decoder, upsampled, strict=True):
            x = level(join(x, skips.pop(), cut))
        answer = cast(Tensor, self.head(x))
        if self.levels[0].padding == "full":
            answer = crop_center(answer, size)
        return crop(answer, last)

    def answer_zero(self) -> None:
        """Set the weights so that the network answers 0 to everything until it is trained."""
        set_to_zero(self.head)


@dataclass(frozen=True)
class Levels:
    """Describe the levels of a U-Net along one axis.

    Parameters
    ----------
    factors
        By how much the size shrinks from each level to the next, the finest first; 1 where this
        axis is not halved.
    radii
        Pixels that the convolutions of each level see to either side (2 for two 3-wide ones); one
        more than there are factors.
    padding
        ``same``: convolutions keep the size of their input; ``valid``: they shrink it, as in the
        paper; ``full``: they enlarge it, padded by all that their kernels see at its ends.
    taps
        As in `Up`.
    """

    factors: tuple[int, ...]
    radii: tuple[int, ...]
    padding: str = "same"
    taps: int = 0

    @property
    def geometry(self) -> Geometry:
        """Return the geometry of these levels."""
        steps: list[Step] = []
        skips: list[int] = []
        down = list(zip(self.factors, self.radii, strict=False))
        for factor, radius in down:
            steps += self._block(radius)
            skips.append(len(steps))
            steps.append(Down(factor))
        steps += self._block(self.radii[-1])
        for factor, radius in reversed(down):
            steps += [Up(factor, self.taps), Join(skips.pop()), *self._block(radius)]
        if self.padding == "full":
            steps.append(Join(0))  # the answer is cropped to the image
        return Geometry.of_steps(steps)

    def _block(self, radius: int) -> list[Step]:
        """Return the steps of a level, whatever its block is."""
        if self.padding == "full":
            return [Pad(2 * radius), Convolve(radius, is_padded=False)]
        return [Convolve(radius, self.padding == "same")]

    def crops(self, margin: int) -> tuple[int, ...]:
        """Return how much the decoder may crop if the outermost `margin` pixels are not needed.

        Returns
        -------
        crops
            Pixels to crop off either side: of the output of the coarsest level, of each upsampled
            output (the coarsest first), and of the answer.
        """
        if (
            self.padding == "full"
        ):  # joins crop what has grown: what could be left out as well is little
            return (0,) * len(self.radii) + (margin,)
        spare = []  # outer pixels of the input of each level, the finest first, that are not needed
        unwanted = margin
        for factor, radius in zip(self.factors, self.radii, strict=False):
            # Padded convolutions spoil the pixels at a cut, so they need `radius` pixels around.
            spare.append(max(0, unwanted - radius) if self.padding == "same" else unwanted)
            unwanted = max(0, Up(factor, self.taps).sources(spare[-1])[0])
        spare.append(unwanted)
        steps = zip(self.factors, spare, spare[1:], strict=False)
        upsampled = [fine - factor * coarse for factor, fine, coarse in steps]
        return (spare[-1], *reversed(upsampled), margin - spare[0])


def crops_of(
    levels: Sequence[Levels], margin: Sequence[int] | None
) -> tuple[tuple[int, ...], list[tuple[int, ...]], tuple[int, ...]]:
    """Return `Levels.crops` of all axes together: of the coarsest level, upsampled, at the end."""
    margins = margin or (0,) * len(levels)
    crops = [axis.crops(m) for axis, m in zip(levels, margins, strict=True)]
    coarsest, *upsampled, last = zip(*crops, strict=True)
    return coarsest, upsampled, last


def contract(
    x: Tensor, encoder: nn.ModuleList, pools: nn.ModuleList
) -> tuple[Tensor, list[Tensor]]:
    """Run all levels of an encoder but the coarsest, each followed by its pooling.

    Returns
    -------
    pooled
        What the coarsest level gets.
    skips
        What each level gave, the finest first.
    """
    skips = []
    for level, pool in zip(encoder[:-1], pools, strict=True):
        skips.append(level(x))
        x = pool(skips[-1])
    return x, skips


def levels_of(recipe: UNetRecipe) -> tuple[Levels, ...]:
    """Return the levels of the network that a recipe describes, one entry per spatial axis."""

    def axis(n_flat: int) -> Levels:
        n_deep = recipe.depth - n_flat
        return Levels(
            factors=(1,) * n_flat + (2,) * n_deep,
            radii=(0,) * n_flat + (2,) * (n_deep + 1),
            padding=recipe.padding,
            taps=TAPS.get(recipe.upsampling, 0),
        )

    plane = axis(0), axis(0)
    return plane if recipe.dimensions == 2 else (axis(recipe.flat_levels), *plane)


def geometry_of(recipe: UNetRecipe) -> tuple[Geometry, ...]:
    """Return the geometry of the network that a recipe describes, one per spatial axis."""
    return tuple(levels.geometry for levels in levels_of(recipe))

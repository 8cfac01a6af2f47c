"""Which input pixels an output pixel sees, and which sizes a network takes: worked out.

All numbers are pixels along one axis; a network has one geometry per spatial axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from ..recipe import UNet


@dataclass(frozen=True)
class Geometry:
    """The geometry of a U-Net along one axis.

    Parameters
    ----------
    factors
        By how much the size shrinks from each level to the next, the finest first; 1 where this
        axis is left as it is.
    radii
        Pixels that the convolutions of each level see to either side (2 for two 3-wide ones); one
        more than there are factors.
    valid
        Whether convolutions shrink their input (as in the paper) or keep its size.
    """

    factors: tuple[int, ...]
    radii: tuple[int, ...]
    valid: bool

    @property
    def stride(self) -> int:
        """Shifting the input by a multiple of this shifts the output by the same."""
        return prod(self.factors)

    @property
    def receptive_field(self) -> int:
        """Farthest input pixel that an output pixel sees, to either side.

        The span of one output pixel is followed backwards through the network, for each of the
        ``stride`` places that it can have on the coarsest grid.
        """
        reach = 0
        for place in range(self.stride):
            start, stop = self._seen(place, place)
            reach = max(reach, place - start, stop - place)
        return reach

    def _seen(self, start: int, stop: int, level: int = 0) -> tuple[int, int]:
        """Input pixels of a level seen from pixels `start` to `stop` of that level's output."""
        radius = self.radii[level]
        if level == len(self.factors):
            return start - radius, stop + radius
        factor = self.factors[level]
        start, stop = start - radius, stop + radius  # the decoder's convolutions
        below = self._seen(start // factor, stop // factor, level + 1)  # up, coarser level, pooling
        start, stop = min(start, factor * below[0]), max(stop, factor * below[1] + factor - 1)
        return start - radius, stop + radius  # the encoder's convolutions

    @property
    def shrinkage(self) -> int:
        """Pixels that the output lacks on either side of the input; 0 for ``same`` padding."""
        if not self.valid:
            return 0
        lost = self.radii[-1]
        for factor, radius in reversed(list(zip(self.factors, self.radii, strict=False))):
            lost = factor * lost + 2 * radius
        return lost

    @property
    def aligned_reach(self) -> int:
        """Pixels seen beyond a stretch that starts and ends on multiples of the stride.

        A little less than the receptive field, because the pixels that see farthest are not the
        outermost ones: 22, 46, 94 for depths 2, 3, 4.
        """
        start, stop = self._seen(0, self.stride - 1)
        return max(-start, stop - (self.stride - 1))

    @property
    def halo(self) -> int:
        """Pixels of input that a tile needs around what it keeps.

        Enough that what is kept never depends on where the tile ends; for ``same`` padding a
        multiple of the stride, so that pooling stays on one grid.
        """
        if self.valid:
            return self.shrinkage
        return -(-self.aligned_reach // self.stride) * self.stride

    def input_size(self, kept: int, halo: int | None = None) -> int:
        """Smallest size the network takes that has a halo around at least `kept` pixels."""
        size = kept + 2 * (self.halo if halo is None else halo)
        while not self.takes(size):
            size += 1
        return size

    def takes(self, size: int) -> bool:
        """Whether the network takes an input of this size and gives something back."""
        if not self.valid:
            return size > 0 and size % self.stride == 0
        for factor, radius in zip(self.factors, self.radii, strict=False):
            size -= 2 * radius
            if size <= 0 or size % factor:
                return False
            size //= factor
        size -= 2 * self.radii[-1]
        for factor, radius in reversed(list(zip(self.factors, self.radii, strict=False))):
            size = factor * size - 2 * radius
        return size > 0

    def output_size(self, size: int) -> int:
        """Size that comes out for a size that goes in."""
        return size - 2 * self.shrinkage

    def crops(self, margin: int) -> tuple[int, ...]:
        """Where the decoder may crop if it is not asked for the outermost `margin` pixels.

        Returns
        -------
        crops
            Pixels off either side of what the coarsest level gives, of what each upsampling
            gives, the coarsest first, and of the answer.
        """
        spare = []  # what each level, the finest first, can do without around what it takes in
        unwanted = margin
        for factor, radius in zip(self.factors, self.radii, strict=False):
            # ``same`` convolutions need what they see, and spoil it where they meet a cut.
            spare.append(unwanted if self.valid else max(0, unwanted - radius))
            unwanted = spare[-1] // factor
        spare.append(unwanted)
        steps = zip(self.factors, spare, spare[1:], strict=False)
        upsampled = [fine - factor * coarse for factor, fine, coarse in steps]
        return (spare[-1], *reversed(upsampled), margin - spare[0])


def geometry_of(recipe: UNet) -> tuple[Geometry, ...]:
    """The geometry of the network that a recipe describes, one per spatial axis."""

    def axis(n_flat: int) -> Geometry:
        n_deep = recipe.depth - n_flat
        return Geometry(
            factors=(1,) * n_flat + (2,) * n_deep,
            radii=(0,) * n_flat + (2,) * (n_deep + 1),
            valid=recipe.padding == "valid",
        )

    plane = axis(0), axis(0)
    return plane if recipe.dimensions == 2 else (axis(recipe.flat_levels), *plane)


def sides(longest: int, geometry: Sequence[Geometry]) -> tuple[int, ...]:
    """Sides of a piece of an image, in pixels; the same length where pixels are not.

    An axis that is halved less often has larger pixels, thick slices: it gets fewer of them.
    """
    coarsest = max(g.stride for g in geometry)
    return tuple(-(-longest * g.stride // coarsest) for g in geometry)

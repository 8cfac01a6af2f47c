"""Which input pixels an output pixel sees, and which sizes a network takes: worked out.

All numbers are pixels along one axis; the same ones hold for every axis of the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ..recipe import UNet


@dataclass(frozen=True)
class Geometry:
    """The geometry of a U-Net along one axis.

    Parameters
    ----------
    depth
        How often the size is halved.
    radius
        Pixels that the convolutions of one level see to either side (2 for two 3-wide ones).
    valid
        Whether convolutions shrink their input (as in the paper) or keep its size.
    """

    depth: int
    radius: int
    valid: bool

    @cached_property
    def stride(self) -> int:
        """Shifting the input by a multiple of this shifts the output by the same."""
        return 1 << self.depth

    @cached_property
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
        if level == self.depth:
            return start - self.radius, stop + self.radius
        start, stop = start - self.radius, stop + self.radius  # the decoder's convolutions
        below = self._seen(start // 2, stop // 2, level + 1)  # upsampling, coarser level, pooling
        start, stop = min(start, 2 * below[0]), max(stop, 2 * below[1] + 1)
        return start - self.radius, stop + self.radius  # the encoder's convolutions

    @cached_property
    def shrinkage(self) -> int:
        """Pixels that the output lacks on either side of the input; 0 for ``same`` padding."""
        if not self.valid:
            return 0
        deepest = self.radius * self.stride
        return deepest + sum(2 * self.radius << level for level in range(self.depth))

    @cached_property
    def aligned_reach(self) -> int:
        """Pixels seen beyond a stretch that starts and ends on multiples of the stride.

        A little less than the receptive field, because the pixels that see farthest are not the
        outermost ones: 22, 46, 94 for depths 2, 3, 4.
        """
        start, stop = self._seen(0, self.stride - 1)
        return max(-start, stop - (self.stride - 1))

    @cached_property
    def halo(self) -> int:
        """Pixels of input that a tile needs around what it keeps.

        Enough that what is kept never depends on where the tile ends; for ``same`` padding a
        multiple of the stride, so that pooling stays on one grid.
        """
        if self.valid:
            return self.shrinkage
        return -(-self.aligned_reach // self.stride) * self.stride

    def input_size(self, kept: int) -> int:
        """Smallest size the network takes that gives at least `kept` exact output pixels."""
        size = kept + 2 * self.halo
        while not self.takes(size):
            size += 1
        return size

    def takes(self, size: int) -> bool:
        """Whether the network takes an input of this size and gives something back."""
        if not self.valid:
            return size > 0 and size % self.stride == 0
        for _ in range(self.depth):
            size -= 2 * self.radius
            if size <= 0 or size % 2:
                return False
            size //= 2
        size -= 2 * self.radius
        for _ in range(self.depth):
            size = 2 * size - 2 * self.radius
        return size > 0

    def output_size(self, size: int) -> int:
        """Size that comes out for a size that goes in."""
        return size - 2 * self.shrinkage


def geometry_of(recipe: UNet) -> Geometry:
    """The geometry of the network that a recipe describes."""
    return Geometry(depth=recipe.depth, radius=2, valid=recipe.padding == "valid")

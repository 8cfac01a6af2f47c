"""Plan where tiles lie.

One axis of a tile::

            halo            kept              halo
        |----------|======================|----------|
        read.start   keep.start   keep.stop   read.stop

Tiles start on multiples of the network's stride, and all have one shape. Pixels of `read` beyond
the image are mirrored. The output does not depend on the size and number of the tiles.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..networks import Geometry, round_up, sides
from ..windows import Window, shape_of, shift, start_of

_Axis = tuple[slice, slice, slice, int]
"""A tile along one axis: keep, read, crop and margin."""


@dataclass(frozen=True)
class Tile:
    """Describe a tile. Each field has one entry per spatial axis.

    Parameters
    ----------
    keep
        Window of the frame that the tile's answer covers.
    read
        Window of the frame that goes into the network. It may begin before 0 and end beyond the
        frame.
    crop
        Window of the network's output that becomes `keep`, after `margin` was cropped. It is the
        whole output, except for tiles at the end of the frame and for ``valid`` networks. Their
        output is larger.
    margin
        Pixels per axis that are cropped from either side of the network's output.
    """

    keep: Window
    read: Window
    crop: Window
    margin: tuple[int, ...]

    @property
    def kept_shape(self) -> tuple[int, ...]:
        """Return the shape of the output, in pixels."""
        return shape_of(self.keep)

    @property
    def read_shape(self) -> tuple[int, ...]:
        """Return the shape of the network's input, in pixels."""
        return shape_of(self.read)

    @property
    def key(self) -> str:
        """Return a text that names the tile within its frame."""
        return ",".join(map(str, start_of(self.keep)))

    def shifted(self, by: Sequence[int]) -> Tile:
        """Return the tile moved by a number of pixels per axis."""
        return Tile(shift(self.keep, by), shift(self.read, by), self.crop, self.margin)


def plan_tiles(
    shape: Sequence[int],
    tile: int | Sequence[int],
    geometry: Sequence[Geometry],
    halo: Sequence[int] | None = None,
) -> list[Tile]:
    """Cut a frame into tiles.

    Parameters
    ----------
    shape
        Shape of the frame, in pixels.
    tile
        Largest side of `keep`, in pixels, or one side per axis. It is rounded up to the stride, and
        the tiles of an axis share its length evenly. A single number is the side along the axes
        that are halved most: see `sides`. Along the others, tiles are at least as long as the
        halo, so that not most of what is read lies in it.
    geometry
        The network's geometry, one per axis.
    halo
        Pixels per axis around `keep`, rounded up to a halo that the network can use. The exact halo
        when None. With a smaller halo the output depends on where the tiles end.
    """
    largest = _sides_of_tile(tile, geometry) if isinstance(tile, int) else tile
    halos = [g.halo for g in geometry] if halo is None else halo
    axes = []
    for n, largest_side, wanted_halo, g in zip(shape, largest, halos, geometry, strict=True):
        count = -(-n // round_up(largest_side, g.stride))
        side = round_up(-(-n // count), g.stride)
        # A margin that is no multiple of the stride would move the grid of pooling.
        margin = round_up(max(0, wanted_halo - g.shrinkage), g.stride)
        axes.append(_cut(slice(0, n), side, g.shrinkage + margin, g))
    return _product(axes)


def _sides_of_tile(longest: int, geometry: Sequence[Geometry]) -> list[int]:
    """Return the sides of a tile, in pixels: none is less than the halo where another is longer."""
    scaled = zip(sides(longest, geometry), geometry, strict=True)
    return [max(side, min(longest, g.halo)) for side, g in scaled]


def split(tile: Tile, geometry: Sequence[Geometry]) -> list[Tile]:
    """Cut a tile across its longest axis into two tiles that are read with one shape.

    A tile with no axis longer than the stride is returned as it is.
    """
    lengths = list(tile.kept_shape)
    divisible = [axis for axis, g in enumerate(geometry) if lengths[axis] > g.stride]
    if not divisible:
        return [tile]
    longest = max(divisible, key=lambda axis: lengths[axis])
    lengths[longest] = -(-lengths[longest] // 2)
    return _product(
        [
            _cut(keep, round_up(side, g.stride), keep.start - read.start, g)
            for keep, side, read, g in zip(tile.keep, lengths, tile.read, geometry, strict=True)
        ]
    )


def _cut(keep: slice, side: int, halo: int, geometry: Geometry) -> list[_Axis]:
    """Cut one axis of a window into pieces of length `side`; the last one may be shorter."""
    size = geometry.input_size(side, halo)
    return [
        (
            slice(start, stop := min(start + side, keep.stop)),
            slice(start - halo, start - halo + size),
            slice(0, stop - start),
            halo - geometry.shrinkage,
        )
        for start in range(keep.start, keep.stop, side)
    ]


def _product(axes: Sequence[Sequence[_Axis]]) -> list[Tile]:
    """Combine the pieces of each axis into tiles."""
    tiles = []
    for pieces in itertools.product(*axes):
        keep, read, crop, margin = zip(*pieces, strict=True)
        tiles.append(Tile(keep, read, crop, margin))
    return tiles


def mirrored(read: slice, n: int) -> npt.NDArray[np.intp]:
    """Return indices for `read` along an axis of length `n`, mirrored at its ends repeatedly."""
    index = np.arange(read.start, read.stop)
    if n == 1:
        return np.zeros_like(index)
    index = np.abs(index) % (2 * (n - 1))
    return np.asarray(np.minimum(index, 2 * (n - 1) - index))

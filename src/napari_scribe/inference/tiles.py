"""Where tiles lie: geometry as data, without tensors.

One axis of a tile::

            halo            kept              halo
        |----------|======================|----------|
        read.start   keep.start   keep.stop   read.stop

Tiles start on multiples of the network's stride and all have one shape. What `read` covers beyond
the image is mirrored; what a tile keeps depends on no other choice than the image.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..networks import Geometry, sides

_Axis = tuple[slice, slice, slice, int]


@dataclass(frozen=True)
class Tile:
    """One tile, one entry per spatial axis in each field.

    Parameters
    ----------
    keep
        What it gives, in the frame.
    read
        What goes into the network; may begin before 0 and end beyond the frame.
    crop
        Where `keep` lies in what the network gives within `margin`: all of it but for tiles at
        the end of the frame, and for what a ``valid`` network gives in excess.
    margin
        Pixels that the network is to leave out on either side of what it could give.
    """

    keep: tuple[slice, ...]
    read: tuple[slice, ...]
    crop: tuple[slice, ...]
    margin: tuple[int, ...]

    @property
    def kept_shape(self) -> tuple[int, ...]:
        """Of what it gives, in pixels."""
        return tuple(s.stop - s.start for s in self.keep)

    @property
    def read_shape(self) -> tuple[int, ...]:
        """Of what goes into the network, in pixels."""
        return tuple(s.stop - s.start for s in self.read)

    def shifted(self, by: Sequence[int]) -> Tile:
        """The same tile further on in the frame, by so many pixels per axis."""

        def move(slices: tuple[slice, ...]) -> tuple[slice, ...]:
            return tuple(slice(s.start + d, s.stop + d) for s, d in zip(slices, by, strict=True))

        return Tile(move(self.keep), move(self.read), self.crop, self.margin)


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
        Of the frame, in pixels.
    tile
        Largest side that is kept, in pixels, or one per axis; rounded up to the stride. The tiles
        of an axis share its length evenly. One number is for the axes that are halved most: see
        `sides`.
    geometry
        Of the network, one per axis.
    halo
        Pixels around what is kept, per axis, rounded up to what the network can do; its own halo
        when None. With less, what is kept depends on where the tiles end.
    """
    largest = sides(tile, geometry) if isinstance(tile, int) else tile
    halos = [g.halo for g in geometry] if halo is None else halo
    axes = []
    for n, most, around, g in zip(shape, largest, halos, geometry, strict=True):
        count = -(-n // _round_up(most, g.stride))
        side = _round_up(-(-n // count), g.stride)
        # Anything but a multiple of the stride would move the grid of pooling.
        margin = _round_up(max(0, around - g.shrinkage), g.stride)
        axes.append(_cut(slice(0, n), side, g.shrinkage + margin, g))
    return _product(axes)


def split(tile: Tile, geometry: Sequence[Geometry]) -> list[Tile]:
    """Two tiles of one shape that together give what this one does.

    It is cut across the longest axis; where none is longer than the stride, it stays one.
    """
    kept = list(tile.kept_shape)
    long = [axis for axis, g in enumerate(geometry) if kept[axis] > g.stride]
    if not long:
        return [tile]
    longest = max(long, key=lambda axis: kept[axis])
    kept[longest] = -(-kept[longest] // 2)
    return _product(
        [
            _cut(keep, _round_up(side, g.stride), keep.start - read.start, g)
            for keep, side, read, g in zip(tile.keep, kept, tile.read, geometry, strict=True)
        ]
    )


def cost(tiles: Sequence[Tile]) -> float:
    """Pixels that go into the network for each pixel that is kept."""
    read = sum(math.prod(tile.read_shape) for tile in tiles)
    return read / sum(math.prod(tile.kept_shape) for tile in tiles)


def _cut(keep: slice, side: int, halo: int, geometry: Geometry) -> list[_Axis]:
    """Cut one axis into pieces of one side."""
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
    """Every combination of the pieces of each axis."""
    tiles = []
    for pieces in itertools.product(*axes):
        keep, read, crop, margin = zip(*pieces, strict=True)
        tiles.append(Tile(keep, read, crop, margin))
    return tiles


def _round_up(n: int, step: int) -> int:
    return -(-n // step) * step


def mirrored(read: slice, n: int) -> npt.NDArray[np.intp]:
    """Indices of `read` in an axis of length `n`, mirrored at its ends as often as needed."""
    index = np.arange(read.start, read.stop)
    if n == 1:
        return np.zeros_like(index)
    index = np.abs(index) % (2 * (n - 1))
    return np.asarray(np.minimum(index, 2 * (n - 1) - index))

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
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..networks import Geometry


@dataclass(frozen=True)
class Tile:
    """One tile, one slice per spatial axis in each field.

    Parameters
    ----------
    keep
        What it gives, in the frame.
    read
        What goes into the network; may begin before 0 and end beyond the frame.
    crop
        Where `keep` lies in what comes out of the network.
    """

    keep: tuple[slice, ...]
    read: tuple[slice, ...]
    crop: tuple[slice, ...]

    @property
    def kept_shape(self) -> tuple[int, ...]:
        """Of what it gives, in pixels."""
        return tuple(s.stop - s.start for s in self.keep)

    def shifted(self, by: Sequence[int]) -> Tile:
        """The same tile further on in the frame, by so many pixels per axis."""

        def move(slices: tuple[slice, ...]) -> tuple[slice, ...]:
            return tuple(slice(s.start + d, s.stop + d) for s, d in zip(slices, by, strict=True))

        return Tile(move(self.keep), move(self.read), self.crop)


def plan_tiles(shape: Sequence[int], tile: int, geometry: Geometry) -> list[Tile]:
    """Cut a frame into tiles.

    Parameters
    ----------
    shape
        Of the frame, in pixels.
    tile
        Largest side that is kept, in pixels; rounded up to the stride. The tiles of an axis share
        its length evenly.
    geometry
        Of the network.
    """
    axes = [_plan_axis(n, tile, geometry) for n in shape]
    return [
        Tile(*(tuple(part) for part in zip(*parts, strict=True)))
        for parts in itertools.product(*axes)
    ]


def _plan_axis(n: int, tile: int, geometry: Geometry) -> list[tuple[slice, slice, slice]]:
    count = -(-n // _round_up(tile, geometry.stride))
    side = _round_up(-(-n // count), geometry.stride)
    size = geometry.input_size(side)
    offset = geometry.halo - geometry.shrinkage
    planned = []
    for start in range(0, n, side):
        stop = min(start + side, n)
        planned.append(
            (
                slice(start, stop),
                slice(start - geometry.halo, start - geometry.halo + size),
                slice(offset, offset + stop - start),
            )
        )
    return planned


def _round_up(n: int, step: int) -> int:
    return -(-n // step) * step


def mirrored(read: slice, n: int) -> npt.NDArray[np.intp]:
    """Indices of `read` in an axis of length `n`, mirrored at its ends as often as needed."""
    index = np.arange(read.start, read.stop)
    if n == 1:
        return np.zeros_like(index)
    index = np.abs(index) % (2 * (n - 1))
    return np.asarray(np.minimum(index, 2 * (n - 1) - index))

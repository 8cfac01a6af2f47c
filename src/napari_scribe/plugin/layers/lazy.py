"""Show arrays on disk to napari, which reads them where it looks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import EllipsisType

import numpy as np
import numpy.typing as npt

from ...arrays import Array, Pixels

Index = int | slice | EllipsisType
"""What may stand for an axis in an index of a view."""


class Lazy:
    """View an array with its axes in another order or repeated, or every n-th pixel.

    Indexing gives another view, and `numpy.asarray` reads. zarr would read all frames of a stack
    where napari asks for a window of them and then takes one frame. dask would build a task a
    chunk, and napari would keep what it read, although a result grows. Nobody can paint on a view.

    Parameters
    ----------
    array
        What is viewed.
    picks
        What is seen of each axis of the array: a range, or one index.
    order
        Axes of the array in the order of the view; None for the axis along which it is repeated.
    repeats
        What is seen of the repeated axis.
    """

    def __init__(
        self,
        array: Array,
        picks: Sequence[range | int] | None = None,
        order: Sequence[int | None] | None = None,
        repeats: range = range(0),
    ) -> None:
        self._array = array
        self._picks = [range(n) for n in array.shape] if picks is None else list(picks)
        self._order = list(range(len(self._picks))) if order is None else list(order)
        self._repeats = repeats

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the length of each axis."""
        return tuple(len(self._seen(axis)) for axis in self._order)

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Return the type of the pixels."""
        return self._array.dtype

    @property
    def ndim(self) -> int:
        """Return the number of axes."""
        return len(self._order)

    @property
    def size(self) -> int:
        """Return the number of pixels."""
        return math.prod(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def _seen(self, axis: int | None) -> range:
        """Return what is seen of an axis in the order of the view."""
        pick = self._repeats if axis is None else self._picks[axis]
        assert isinstance(pick, range)  # an axis of which one index is picked is not in the order
        return pick

    def __getitem__(self, key: Index | tuple[Index, ...]) -> Lazy:
        parts = list(key) if isinstance(key, tuple) else [key]
        if Ellipsis in parts:
            at = parts.index(Ellipsis)
            parts[at : at + 1] = [slice(None)] * (self.ndim - len(parts) + 1)
        parts += [slice(None)] * (self.ndim - len(parts))
        picks, order, repeats = list(self._picks), list(self._order), self._repeats
        for axis, part in zip(self._order, parts, strict=True):
            assert not isinstance(part, EllipsisType)
            pick = self._seen(axis)[part if isinstance(part, slice) else int(part)]
            if axis is not None:
                picks[axis] = pick
            elif isinstance(pick, range):
                repeats = pick
            if not isinstance(pick, range):
                order.remove(axis)
        return Lazy(self._array, picks, order, repeats)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Pixels:
        pixels = np.asarray(self._array[tuple(_index(pick) for pick in self._picks)])
        axes = [axis for axis, pick in enumerate(self._picks) if isinstance(pick, range)]
        pixels = pixels.transpose([axes.index(axis) for axis in self._order if axis is not None])
        for place, axis in enumerate(self._order):
            if axis is None:
                pixels = np.broadcast_to(np.expand_dims(pixels, place), self.shape)
        return pixels if dtype is None else pixels.astype(dtype)


def _index(pick: range | int) -> slice | int:
    return slice(pick.start, pick.stop, pick.step) if isinstance(pick, range) else pick

"""Views of arrays on disk that are read where napari looks, and a small picture of a large one."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

SMALL = 2**24
"""Pixels that are read, drawn and kept without a second thought."""
CELL = 2048
"""Side of what an `Overview` reads at once."""


class Lazy:
    """A view of an array: axes in another order or repeated, every n-th pixel. Nobody can paint it.

    Indexing gives another view; `numpy.asarray` reads. (zarr would read all frames of a stack where
    napari asks for a window of them, and then takes one.)

    Parameters
    ----------
    array
        Any array that indexes like numpy.
    picks
        Of each axis of the array, what is seen: a range, or one index.
    order
        Axes of the array that are kept, in the order of the view; None where it is repeated.
    repeats
        What is seen of the repeated axis.
    """

    def __init__(
        self,
        array: Any,
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
        """Length of each axis."""
        return tuple(len(self._seen(axis)) for axis in self._order)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels."""
        return np.dtype(self._array.dtype)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self._order)

    @property
    def size(self) -> int:
        """Number of pixels."""
        return math.prod(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def _seen(self, axis: int | None) -> Any:
        return self._repeats if axis is None else self._picks[axis]

    def __getitem__(self, key: Any) -> Lazy:
        parts = list(key) if isinstance(key, tuple) else [key]
        if Ellipsis in parts:
            at = parts.index(Ellipsis)
            parts[at : at + 1] = [slice(None)] * (self.ndim - len(parts) + 1)
        parts += [slice(None)] * (self.ndim - len(parts))
        picks, order, repeats = list(self._picks), list(self._order), self._repeats
        for axis, part in zip(self._order, parts, strict=True):
            found = self._seen(axis)[part if isinstance(part, slice) else int(part)]
            if axis is not None:
                picks[axis] = found
            elif isinstance(found, range):
                repeats = found
            if not isinstance(found, range):
                order.remove(axis)
        return Lazy(self._array, picks, order, repeats)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        found = np.asarray(self._array[tuple(_index(pick) for pick in self._picks)])
        left = [axis for axis, pick in enumerate(self._picks) if isinstance(pick, range)]
        found = found.transpose([left.index(axis) for axis in self._order if axis is not None])
        if None in self._order:
            found = np.expand_dims(found, self._order.index(None))
            found = np.broadcast_to(found, self.shape)
        return found if dtype is None else found.astype(dtype)


def _index(pick: range | int) -> slice | int:
    return slice(pick.start, pick.stop, pick.step) if isinstance(pick, range) else pick


class Overview:
    """Every n-th pixel of a large array that is being filled, brought up to date cell by cell.

    Parameters
    ----------
    array
        ``(..., Y, X)``; pixels that are not there yet are 0.

    Attributes
    ----------
    step
        The n of every n-th pixel, a power of two.
    picture
        Those pixels.
    """

    def __init__(self, array: Any) -> None:
        self._array = array
        self.step = 1
        while math.prod(self._thinned()) > SMALL:
            self.step *= 2
        self.picture = np.zeros(self._thinned(), array.dtype)
        self._left = list(self._cells())
        self._at = 0

    def _thinned(self) -> tuple[int, ...]:
        *front, height, width = self._array.shape
        return (*front, -(-height // self.step), -(-width // self.step))

    def _cells(self) -> Iterator[tuple[int | slice, ...]]:
        """Of the picture, row by row."""
        *front, height, width = self.picture.shape
        side = max(1, CELL // self.step)
        for at in np.ndindex(*front):
            for y, x in itertools.product(range(0, height, side), range(0, width, side)):
                yield (*at, slice(y, min(y + side, height)), slice(x, min(x + side, width)))

    def update(self, seconds: float) -> bool:
        """Look for news, for about so many seconds, and go on there next time.

        A cell that was seen filled twice alike is taken for finished.

        Returns
        -------
        has_changed
            Whether there were any.
        """
        end, first_news = time.monotonic() + seconds, None
        for _ in range(len(self._left)):
            self._at %= len(self._left)
            cell = self._left[self._at]
            now, before = self._read(cell), self.picture[cell]
            if not np.array_equal(now, before):
                self.picture[cell] = now
                first_news = self._at if first_news is None else min(first_news, self._at)
                self._at += 1
            elif now.any():
                del self._left[self._at]
            else:
                self._at += 1
            if time.monotonic() > end:
                break
        if first_news is not None:
            self._at = first_news
        return first_news is not None

    def _read(self, cell: tuple[int | slice, ...]) -> npt.NDArray[Any]:
        *front, y, x = cell
        step, window = self.step, []
        for part in (y, x):
            assert isinstance(part, slice)
            window.append(slice(part.start * step, part.stop * step, step))
        return np.asarray(self._array[(*front, *window)])

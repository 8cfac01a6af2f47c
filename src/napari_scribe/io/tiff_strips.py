"""Read compressed TIFFs that are stored in strips as wide as the image."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from ..arrays import Pixels
from .chunks import PiecewiseArray


class Strips:
    """Read windows of an array that is stored in strips.

    The strips that were read last are cached, because windows beside each other need the same ones.

    Parameters
    ----------
    array
        A zarr array whose chunks are as wide as the image.
    y, x
        Numbers of the axes Y and X of `array`.
    """

    def __init__(self, array: PiecewiseArray, y: int, x: int) -> None:
        self.shape: tuple[int, ...] = array.shape
        self.dtype: np.dtype[Any] = array.dtype
        self.ndim: int = array.ndim
        self._array, self._y, self._x = array, y, x
        self._lock = threading.Lock()
        self._place: list[int | slice] = []
        self._rows = range(0)
        self._strips: Pixels = np.zeros(0)

    def __getitem__(self, index: tuple[int | slice, ...]) -> Pixels:
        """Read a window: a number or a slice without steps per axis, as `FileArray` passes it."""
        rows, columns = index[self._y], index[self._x]
        if not isinstance(rows, slice) or not isinstance(columns, slice):
            return np.asarray(self._array[index])
        start, stop, _ = rows.indices(self.shape[self._y])
        with self._lock:
            self._load(list(index), start, stop)
            low = self._rows.start
            window = {self._y: slice(start - low, stop - low), self._x: columns}
            axes = [axis for axis, i in enumerate(index) if isinstance(i, slice)]
            return self._strips[tuple(window.get(axis, slice(None)) for axis in axes)].copy()

    def _load(self, index: list[int | slice], start: int, stop: int) -> None:
        """Read the strips of rows `start` to `stop` in full width, unless they are cached."""
        index[self._x] = slice(None)
        place = [i for axis, i in enumerate(index) if axis != self._y]
        if place == self._place and self._rows.start <= start and stop <= self._rows.stop:
            return
        height = self._array.chunks[self._y]
        low = start // height * height
        high = min(-(-stop // height) * height, self.shape[self._y])
        index[self._y] = slice(low, high)
        self._strips = np.asarray(self._array[tuple(index)])
        self._place, self._rows = place, range(low, high)

"""Read compressed TIFFs that are stored in strips as wide as the image."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from .chunks import PiecewiseArray


class Strips:
    """Hold the strips of the window that was read last, as its neighbours need them too.

    Parameters
    ----------
    array
        A zarr array whose chunks are as wide as the image.
    y, x
        Which of its axes are Y and X.
    """

    def __init__(self, array: PiecewiseArray, y: int, x: int) -> None:
        self.shape: tuple[int, ...] = array.shape
        self.dtype: np.dtype[Any] = array.dtype
        self.ndim: int = array.ndim
        self._array, self._y, self._x = array, y, x
        self._lock = threading.Lock()
        self._key: list[Any] = []
        self._rows = range(0)
        self._strips: npt.NDArray[Any] = np.zeros(0)

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        return np.asarray(self._array[...], dtype)

    def __getitem__(self, index: Any) -> npt.NDArray[Any]:
        index = list(index) if isinstance(index, tuple) else [index]
        if Ellipsis in index or len(index) < self.ndim:
            return np.asarray(self._array[tuple(index)])
        rows, columns = index[self._y], index[self._x]
        if not isinstance(rows, slice) or not isinstance(columns, slice) or rows.step is not None:
            return np.asarray(self._array[tuple(index)])
        start, stop, _ = rows.indices(self.shape[self._y])
        index[self._x] = slice(None)
        with self._lock:
            self._load(index, start, stop)
            axes = [axis for axis, i in enumerate(index) if isinstance(i, slice)]
            low = self._rows.start
            place = {self._y: slice(start - low, stop - low), self._x: columns}
            window = tuple(place.get(axis, slice(None)) for axis in axes)
            return self._strips[window].copy()

    def _load(self, index: list[int | slice], start: int, stop: int) -> None:
        """Read the strips of rows `start` to `stop`, unless they are there."""
        key = [*index[: self._y], *index[self._y + 1 :]]
        if key == self._key and self._rows.start <= start and stop <= self._rows.stop:
            return
        height = self._array.chunks[self._y]
        low = start // height * height
        high = min(-(-stop // height) * height, self.shape[self._y])
        index[self._y] = slice(low, high)
        self._strips = np.asarray(self._array[tuple(index)])
        self._key, self._rows = key, range(low, high)

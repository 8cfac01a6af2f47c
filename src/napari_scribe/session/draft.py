"""Go through the objects of a result one by one: which become paint, and which are none."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..arrays import Pixels

Points = tuple[npt.NDArray[np.intp], ...]
"""Coordinates of pixels, an array per axis."""
KNOWN = 0.5
"""An object of which this share is painted already is not asked about."""


class Draft:
    """Hold the objects of a result that nobody has decided about yet.

    Parameters
    ----------
    labels
        The result: 0 is background, each number an object.
    paint
        What is painted there, of the same shape; it is looked at, and not changed.
    """

    def __init__(self, labels: Pixels, paint: Pixels) -> None:
        self.labels, self.paint = labels, paint
        self._windows = ndimage.find_objects(labels)
        numbers = [n for n, window in enumerate(self._windows, start=1) if window is not None]
        self.waiting = deque(n for n in numbers if not self._is_known(n))
        self.n_objects = len(self.waiting)

    @property
    def current(self) -> int | None:
        """Return the number of the object that is asked about; None at the end."""
        return self.waiting[0] if self.waiting else None

    @property
    def n_decided(self) -> int:
        """Return how many objects have been decided about."""
        return self.n_objects - len(self.waiting)

    def go_on(self, *, is_decided: bool = True) -> None:
        """Ask about the next object; what is not decided comes again in the end."""
        number = self.waiting.popleft()
        if not is_decided:
            self.waiting.append(number)

    def unpainted(self, number: int) -> Points:
        """Return the pixels of an object on which nothing is painted."""
        window = self._windows[number - 1]
        is_free = (self.labels[window] == number) & (self.paint[window] == 0)
        found = np.nonzero(is_free)
        return tuple(at + s.start for at, s in zip(found, window, strict=True))

    def place(self, number: int) -> tuple[int, ...]:
        """Return a pixel in the middle of an object."""
        window = self._windows[number - 1]
        points = np.argwhere(self.labels[window] == number)
        nearest = np.linalg.norm(points - points.mean(axis=0), axis=1).argmin()
        return tuple(int(x) + s.start for x, s in zip(points[nearest], window, strict=True))

    def numbered_from(self, first: int) -> tuple[Points, npt.NDArray[np.int64]]:
        """Give each object that waits a number, and return their unpainted pixels with these."""
        parts = [self.unpainted(number) for number in self.waiting]
        values = np.repeat(first + np.arange(len(parts)), [len(points[0]) for points in parts])
        axes = zip(*parts, strict=True) if parts else [()] * self.labels.ndim
        return tuple(np.concatenate([*axis, np.zeros(0, np.intp)]) for axis in axes), values

    def _is_known(self, number: int) -> bool:
        window = self._windows[number - 1]
        is_own = self.labels[window] == number
        return bool((self.paint[window][is_own] > 0).mean() >= KNOWN)

"""Bring what a run has made on its working grid back to the image's own pixels, by window."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Array as ReadableArray
from ..image import Frame
from ..resampling import Placed, Resampled, ResampledLabels, ResampledPixels
from ..windows import Window, start_of
from .source import Source
from .store.damage import read_written
from .store.sinks import Array, Index

SIDE = {2: (2048, 2048), 3: (32, 512, 512)}
"""Sides of the windows that are written at once, in 2D and 3D. They are multiples of chunks."""


@dataclass(frozen=True)
class OwnPixels:
    """View arrays of a working grid on the image's own pixels.

    Parameters
    ----------
    source
        The source on the working grid.
    """

    source: Source

    def labels(self, array: ReadableArray) -> Resampled:
        """View labels: each pixel gets the label that the pixels around it vote for."""
        placed, factors, shape, start = self._placed(array, ())
        return ResampledLabels(placed, factors, shape, start, is_smooth=True)

    def map(self, array: ReadableArray) -> Any:
        """View a map ``(channels, *labels)``, interpolated, as a dask array of float16."""
        import dask.array as da

        n = int(array.shape[0])
        view = ResampledPixels(*self._placed(array, (n,)))
        sides = (1, 1, *SIDE[self.source.model.dimensions])[1 - view.ndim :]
        return da.from_array(view, (n, *sides), name=False).astype(np.float16)

    def _placed(
        self, array: ReadableArray, front: tuple[int, ...]
    ) -> tuple[Placed, tuple[float, ...], tuple[int, ...], tuple[int, ...]]:
        """Return source, factors, shape and start of a view; `front` axes come before labels'."""
        source, own = self.source, self.source.own
        axes, zeros = source.image.label_axes(), (0,) * len(front)
        factors = tuple(1 / source.factor if a in "YX" else 1.0 for a in axes)
        start = zeros + start_of([source.region[a] for a in axes])
        placed = Placed(array, start, front + source.image.label_shape())
        own_start = zeros + start_of([own.region[a] for a in axes])
        return placed, (1.0,) * len(front) + factors, front + own.label_shape, own_start

    def windows(self) -> Iterator[tuple[Frame, Window, str]]:
        """Yield the windows that are written at once: frame, window in the frame, and a name."""
        own = self.source.own
        steps = SIDE[own.model.dimensions]
        starts = [range(0, n, s) for n, s in zip(own.frame_shape, steps, strict=True)]
        for i, frame in enumerate(own.frames()):
            for corner in itertools.product(*starts):
                ends = zip(corner, steps, own.frame_shape, strict=True)
                window = tuple(slice(a, min(a + s, n)) for a, s, n in ends)
                yield frame, window, f"frame-{i}-" + "-".join(map(str, corner))


@dataclass(frozen=True)
class Written:
    """Read an array in which all has been written: what is missing on disk is damage, not 0."""

    array: Array

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the length of each axis."""
        return self.array.shape

    @property
    def ndim(self) -> int:
        """Return the number of axes."""
        return self.array.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the type of the pixels."""
        return self.array.dtype

    def __getitem__(self, index: Index) -> np.ndarray:
        return read_written(self.array, index)

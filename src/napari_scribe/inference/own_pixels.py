"""Bring what a run has made on its working grid back to the image's own pixels, by window."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arrays import Array as ReadableArray
from ..image import Frame
from ..resampling import NearestLabels, Placed, Resampled, ResampledLabels, ResampledPixels
from ..targets.object_size import per_axis
from ..targets.paint import Labels
from ..windows import Window, start_of
from .source import Source
from .store.damage import OnDisk, read_written
from .store.sinks import Array, Folder, Index, Sink

SIDE = {2: (2048, 2048), 3: (32, 512, 512)}
"""Sides of the windows that are written at once, in 2D and 3D. They are multiples of chunks."""
RESAMPLED = "resampled"
"""Name under which windows are recorded that are on the image's own pixels."""
RENUMBERED = "renumbered"
"""Name under which windows are recorded in which numbers have no gaps, where objects vanished."""
NUMBERS = "renumbering/numbers"
"""Name under which these numbers are saved."""


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

    def rough_labels(self, array: ReadableArray) -> Resampled:
        """View labels quickly, with the corners that outlines have on the working grid."""
        return NearestLabels(*self._placed(array, ()))

    def map(self, array: ReadableArray) -> Any:
        """View a map ``(channels, *labels)``, interpolated, as a dask array of float16."""
        import dask.array as da

        n = int(array.shape[0])
        view = ResampledPixels(*self._placed(array, (n,)))
        sides = (1, 1, *SIDE[self.source.model.dimensions])[1 - view.ndim :]
        return da.from_array(view, (n, *sides), name=False).astype(np.float16)

    def whole_labels(self, labels: Labels) -> Labels:
        """Return labels on the image's own pixels, numbered without gaps."""
        own = np.asarray(self.labels(labels))
        is_left = np.zeros(int(labels.max(initial=0)) + 1, bool)
        is_left[own] = True
        return np.asarray(numbers_without_gaps(is_left)[own])

    def _placed(
        self, array: ReadableArray, front: tuple[int, ...]
    ) -> tuple[Placed, tuple[float, ...], tuple[int, ...], tuple[int, ...]]:
        """Return source, factors, shape and start of a view; `front` axes come before labels'."""
        source, own = self.source, self.source.own
        axes, zeros = source.image.label_axes(), (0,) * len(front)
        finer = per_axis(source.factor, source.along_z)
        factors = tuple(1 / finer.get(a, 1.0) for a in axes)
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
class MapsOnGrid(Mapping[str, ReadableArray]):
    """Hold the maps of a run on its working grid, from which objects can be made again.

    Parameters
    ----------
    maps
        Name -> ``(channels, *labels)``.
    own
        What brings labels that are made of them to the image's own pixels.
    """

    maps: Mapping[str, ReadableArray]
    own: OwnPixels

    def __getitem__(self, name: str) -> ReadableArray:
        return self.maps[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.maps)

    def __len__(self) -> int:
        return len(self.maps)


def numbers_without_gaps(is_left: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    """Return the new number of each label ``(n,)`` of those that are left; 0 stays 0."""
    return np.asarray(np.cumsum(is_left) - is_left[0], np.int32)


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


@dataclass
class OwnLabels:
    """Write labels of a working grid on the image's own pixels.

    An object of a pixel or two may vanish on the way. Then the others get numbers without gaps.

    Parameters
    ----------
    own
        What views labels on own pixels.
    final
        Array of the labels on own pixels.
    sink
        Records of what was written, so that it can be broken off and repeated.
    n_objects
        How many objects there are; None for classes, whose numbers stay.
    """

    own: OwnPixels
    final: Array
    sink: Sink
    n_objects: int | None

    def write(self, labels: Array) -> Iterator[int]:
        """Write labels window by window; yield how many windows are done."""
        view, windows = self.own.labels(Written(labels)), self._windows()
        numbers = self.sink.load(NUMBERS, "numbers")
        if numbers is None:
            is_left = yield from self._write_all(view, windows)
            if is_left[1:].all():
                return
            numbers = numbers_without_gaps(is_left)
            self.sink.save(NUMBERS, numbers=numbers)
            if isinstance(self.sink, Folder):
                self.sink.journal.sync()  # windows that have them do not tell the old ones
        for index, name in windows:
            if not self.sink.is_done(RENUMBERED, name):
                # From the view: a window that was being written when the process died has both.
                self._put(index, numbers[view[index]], RENUMBERED, name)
            yield len(windows)
        self.n_objects = int(numbers[-1])

    def forget_lost(self) -> None:
        """Remove the records of windows that are missing from the labels on own pixels."""
        on_disk, names = OnDisk(), [name for _, name in self._windows()]
        lost = [name for i, name in self._windows() if not on_disk.has([(self.final, i)])]
        if any(self.sink.is_done(RENUMBERED, n) for n in names) and not self.sink.has(NUMBERS):
            lost = names
        for kind in (RESAMPLED, RENUMBERED):
            self.sink.unrecord(kind, [name for name in lost if self.sink.is_done(kind, name)])

    def _write_all(
        self, view: Resampled, windows: Sequence[tuple[Index, str]]
    ) -> Generator[int, None, npt.NDArray[np.bool_]]:
        """Write the windows that are missing; return of which labels there is a pixel."""
        is_left = np.zeros((self.n_objects or 0) + 1, bool)
        for n, (index, name) in enumerate(windows, start=1):
            if self.sink.is_done(RESAMPLED, name):
                part = read_written(self.final, index)
            else:
                part = view[index]
                self._put(index, part, RESAMPLED, name)
            if self.n_objects:
                is_left[part] = True
            yield n
        return is_left

    def _put(self, index: Index, part: np.ndarray, kind: str, name: str) -> None:
        """Write a window, then record it."""
        self.sink.check()
        self.final[index] = part.astype(self.final.dtype, copy=False)
        self.sink.record(kind, name)

    def _windows(self) -> list[tuple[Index, str]]:
        """Return the index in the labels, and the name, of each window."""
        index_of = self.own.source.own.index_of
        return [(index_of(frame, window), name) for frame, window, name in self.own.windows()]

"""One image through one model, from the first tile to the finished output."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np

from ..describe import NOTHING_FOUND
from ..errors import DamagedError
from ..image import Frame
from ..io import (
    add_pyramid,
    create_zarr,
    forget_pyramid,
    is_zarr_name,
    open_levels,
    with_empty_chunks,
)
from ..progress import Job
from .frame import FrameWork, Parts
from .source import Region, Source
from .store.damage import (
    NUMBERED,
    check_final,
    check_recorded,
    forget_lost,
    forget_lost_ids,
    gone_is_damage,
)
from .store.in_memory import Memory
from .store.maps import head_of, read_maps
from .store.results import hand_over, read_answer, smallest_type
from .store.sinks import Folder

Work = Callable[[Sequence[FrameWork]], Generator[tuple[int, int], None, None]]
"""Does the parts of frames; yields which frame, and how many of its parts were done here."""
CHUNK = {2: (1, 1, 512, 512), 3: (1, 16, 128, 128)}
"""Of labels, in TZYX, for 2D and 3D networks; blocks are multiples of it."""


@dataclass(frozen=True)
class SegmentStep:
    """A record of `segment`.

    Parameters
    ----------
    done, total
        Parts: tiles that go through the network, blocks that are made into objects and numbered.
    elapsed
        Seconds since the start.
    frame
        The frame that was worked on.
    tile
        Shape of what a tile keeps, in pixels.
    phase
        ``tiles``, ``numbers``, or ``pyramid``: the copies for display, which are not counted.
    """

    done: int
    total: int
    elapsed: float
    frame: Frame
    tile: tuple[int, ...] = ()
    phase: str = "tiles"


class SegmentJob(Job[SegmentStep, Any]):
    """A running segmentation; its result is the labels, an array of the region's label shape.

    Attributes
    ----------
    region
        What is answered: axis letter -> slice of the image.
    so_far
        The labels while they are made; of objects, numbers that each block counts anew.
    levels
        The result, and where it is a zarr, smaller copies for display after it.
    maps
        What was asked for of ``probability`` (foreground, or one channel a class) and
        ``distance`` (of objects, to their border): ``(channels, *label shape)`` float16.
    is_complete
        False where the job was stopped early: what was not reached is 0, and no output is written.
    goes_on
        Whether the same call goes on where this job was stopped or broke off.
    note
        A word to the user about the image.
    ladder
        What was done when memory ran out, in words.
    n_objects
        How many objects there are; None before that is known, and for classes.
    """

    def __init__(self, body: Callable[..., Generator[SegmentStep, None, Any]]) -> None:
        super().__init__(body)
        self.region: Region = {}
        self.so_far: Any = None
        self.levels: list[Any] = []
        self.maps: dict[str, Any] = {}
        self.is_complete = True
        self.goes_on = False
        self.note = ""
        self.ladder: list[str] = []
        self.n_objects: int | None = None

    @property
    def probability(self) -> Any:
        """The map of that name; None where it was not asked for."""
        return self.maps.get("probability")


@dataclass
class Run:
    """The work of `segment`.

    Parameters
    ----------
    source
        What is run over what.
    parts
        Of each frame.
    sink
        Where it grows.
    out
        Where it goes once it is whole; to a zarr only from a `Folder`.
    maps
        What is kept besides: of ``probability`` and ``distance``.
    overwrite
        Whether it takes the place of what is there by then.
    is_shared
        Whether this process does a share only, and leaves the end to another run.
    patience
        Seconds to wait until what other machines have written is seen.
    """

    source: Source
    parts: Parts
    sink: Memory | Folder
    out: Path | None
    maps: tuple[str, ...]
    overwrite: bool = False
    is_shared: bool = False
    patience: float = 0.0
    _began: float = field(default=0.0, init=False)
    _total: int = field(default=0, init=False)

    def __call__(
        self, job: SegmentJob, work: Work, is_again: bool = False
    ) -> Generator[SegmentStep, None, Any]:
        """Run; the result is the labels.

        Parameters
        ----------
        is_again
            Whether parts of what was done were found to be gone.

        Raises
        ------
        DamagedError
            If they are. Called again, it does them again.
        """
        self._began = time.perf_counter()
        labels, job.maps = self.arrays()
        job.so_far = labels
        frames = self.frames(labels, job.maps)
        self._total = len(frames) * (self._per_frame + len(self.parts.blocks))
        # While others do their parts, the listing of what is there may lag behind.
        if isinstance(self.sink, Folder) and (is_again or not self.is_shared):
            forget_lost(frames, self.sink, self._results)
        yield from self._work(job, frames, work)
        if self.is_shared or (not job.is_complete and isinstance(self.sink, Folder)):
            return labels
        with gone_is_damage():
            if isinstance(self.sink, Folder):
                check_recorded(frames, self.sink, self.patience)
            return (yield from self._finish(job, frames, labels))

    def _finish(
        self, job: SegmentJob, frames: Sequence[FrameWork], labels: Any
    ) -> Generator[SegmentStep, None, Any]:
        """What comes after all parts are done; the result is the labels."""
        final = yield from self._number(job, frames, labels)
        if job.is_complete and self._is_zarr:
            yield from self._pyramid(job)
        if not job.is_complete:
            return final
        if self.out is None:
            job.levels = [final]
            return final
        assert isinstance(self.sink, Folder)
        hand_over(
            self.out,
            final,
            job.maps,
            self.source,
            self.sink,
            self.overwrite,
            check=lambda: self._check_final(final, labels),
        )
        job.levels = (
            open_levels(self.out) if self._is_zarr else [read_answer(self.out, self.source)]
        )
        job.maps = read_maps(self.out, self.maps, self.source)
        return job.levels[0]

    def _check_final(self, final: Any, labels: Any) -> None:
        """Make sure that nothing of the answer was deleted while it was made."""
        assert self.out is not None and isinstance(self.sink, Folder)
        group = self.sink.path / self.out.name
        self.sink.check_arrays()
        try:
            check_final(final, labels)
        except DamagedError:
            if self._is_zarr:
                forget_pyramid(group)  # it may be made of what was not there
            raise
        if self._is_zarr:
            for _ in add_pyramid(group, labels=not self.source.is_image):
                pass  # only what is gone

    @property
    def _is_zarr(self) -> bool:
        return self.out is not None and is_zarr_name(self.out)

    @property
    def _results(self) -> list[str]:
        """Names of what objects are written to when they have their ids."""
        if not self.parts.blocks or self.out is None:
            return []
        return [self.out.name if self._is_zarr else "labels"]

    def arrays(self) -> tuple[Any, dict[str, Any]]:
        """Where labels go as they are found, and the maps that are kept."""
        return self._labels(), {name: self._map(name) for name in self.maps}

    def frames(self, labels: Any, maps: Mapping[str, Any]) -> list[FrameWork]:
        """The work on each frame."""
        by_head = {head_of(name, self.source).name: array for name, array in maps.items()}
        return [
            FrameWork(self.source, frame, f"frame-{i}", self.sink, self.parts, labels, by_head)
            for i, frame in enumerate(self.source.frames())
        ]

    @property
    def _per_frame(self) -> int:
        return len(self.parts.tiles) + len(self.parts.blocks)

    def _step(self, done: int, frame: FrameWork, phase: str = "tiles") -> SegmentStep:
        elapsed, kept = time.perf_counter() - self._began, self.parts.tiles[0].kept_shape
        return SegmentStep(done, self._total, elapsed, frame.frame, kept, phase)

    def _work(
        self, job: SegmentJob, frames: Sequence[FrameWork], work: Work
    ) -> Generator[SegmentStep, None, None]:
        """All parts of all frames; sets whether it came to the end."""
        done = sum(self._n_done(frame) for frame in frames)
        known = [0] * len(frames)
        at = 0
        with closing(work(frames)) as working:
            for at, n in working:
                done += n - known[at]
                known[at] = n
                yield self._step(done, frames[at])
                if job.stop_requested:
                    break
        job.is_complete = not self.is_shared and all(frame.is_whole for frame in frames)
        if not (job.is_complete or job.stop_requested or self.is_shared):
            raise DamagedError("Some parts did not reach the disk.")
        if not job.is_complete and isinstance(self.sink, Memory):
            _find_what_is_there(frames[at])

    def _n_done(self, frame: FrameWork) -> int:
        if frame.is_whole:
            return self._per_frame
        return sum(map(frame.is_predicted, self.parts.tiles)) + sum(
            map(frame.is_found, self.parts.blocks)
        )

    def _labels(self) -> Any:
        """Where labels go as they are found."""
        n, source = self.source.model.dimensions, self.source
        shape = source.shape
        kept = CHUNK[n] if self.parts.blocks else self.parts.tiles[0].kept_shape
        kept = ((1,) * len(shape) + tuple(kept))[-len(shape) :]
        chunks = [min(c, n) for c, n in zip(kept, shape, strict=True)]
        if isinstance(self.sink, Memory):
            dtype = source.dtype if source.is_image else np.int32
            return self.sink.array("labels", shape, dtype, chunks)
        if self.parts.blocks:
            return self.sink.array("provisional", shape, np.int32, chunks)
        if source.is_image:
            return self._output(source.dtype, chunks)
        return self._output(smallest_type(max(source.model.painted) - source.model.offset), chunks)

    def _output(self, dtype: np.dtype[Any], chunks: Sequence[int]) -> Any:
        """An array on disk for the answer."""
        assert isinstance(self.sink, Folder)
        image, source = self.source.image, self.source
        if self.out is None or not self._is_zarr:
            return self.sink.array("labels", source.shape, dtype, chunks)

        def make(path: Path) -> None:
            create_zarr(
                path,
                source.shape,
                dtype,
                source.axes,
                image.scale,
                image.units,
                chunks,
                translate=source.translate,
            )

        array = self.sink.opened(self.out.name, "0", make)
        # With objects, what they were made from tells where there are none.
        return array if self.parts.blocks else with_empty_chunks(array)

    def _map(self, name: str) -> Any:
        """Where a map goes, ``(channels, *label shape)``."""
        n, shape = head_of(name, self.source).channels, self.source.label_shape
        kept = self.parts.tiles[0].kept_shape
        chunks = [n, *[1] * (len(shape) - len(kept)), *kept]
        return self.sink.array(name, (n, *shape), np.float16, chunks)

    def _number(
        self, job: SegmentJob, frames: Sequence[FrameWork], labels: Any
    ) -> Generator[SegmentStep, None, Any]:
        """Give objects their ids, counted on through the frames; can be broken off and repeated."""
        blocks, done = self.parts.blocks, len(frames) * self._per_frame
        if not blocks:
            return labels
        found = list(frames)
        if not job.is_complete:  # stopped, in memory: nothing after the frame that it was at
            found = list(takewhile(lambda frame: frame.is_found(blocks[-1]), frames))
        tables = [frame.tables() for frame in found]
        in_place = isinstance(self.sink, Memory)
        n_objects = sum(n for _, n in tables)
        final = labels if in_place else self._output(smallest_type(n_objects), labels.chunks)
        if isinstance(self.sink, Folder):
            forget_lost_ids(found, final, self.sink)
        n_before = 0
        for frame, (of_blocks, n_objects) in zip(found, tables, strict=True):
            for block in blocks:
                if not self.sink.is_done(NUMBERED, frame.block_name(block)):
                    table = of_blocks[block.index]
                    table[1:] += n_before
                    self.sink.check()
                    frame.number(block, table, final)
                    self.sink.record(NUMBERED, frame.block_name(block))
                done += 1
                if job.is_complete:
                    yield self._step(done, frame, "numbers")
                if job.stop_requested and not in_place:
                    job.is_complete = False
                    return final
            n_before += n_objects
        job.n_objects = n_before
        if job.is_complete and not n_before:
            job.note = job.note or NOTHING_FOUND
        return final

    def _pyramid(self, job: SegmentJob) -> Generator[SegmentStep, None, None]:
        assert self.out is not None and isinstance(self.sink, Folder)
        last = self.frames(None, {})[-1]
        for _ in add_pyramid(self.sink.path / self.out.name, labels=not self.source.is_image):
            yield self._step(self._total, last, "pyramid")
            if job.stop_requested:
                job.is_complete = False
                return


def _find_what_is_there(frame: FrameWork) -> None:
    """Make objects of what a stopped run has; where it was not, there are none."""
    for block in frame.parts.blocks:
        if not frame.is_found(block):
            frame.find_objects(block)

"""Run a model over an image, from the first tile to the finished output."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..arrays import Array as ReadableArray
from ..describe import NOTHING_FOUND
from ..errors import DamagedError, InputError, InUseError
from ..image import Frame
from ..io import is_zarr_name
from ..io.ngff_labels import levels_of
from ..io.ngff_writer import add_pyramid, forget_pyramid
from ..progress import Abandoned, Job
from .cluster import run_on_workers
from .object_size import estimated_size
from .own_pixels import MapsOnGrid, OwnLabels, Written
from .plan import Plan, Settings, choose_factor, make_plan, make_predictor
from .room import check_disk, check_grid
from .source import Region, Source
from .store.damage import check_final, missing_is_damage
from .store.lock import RunLock
from .store.results import hand_over, open_results, write_results
from .store.sinks import Array, Folder, Memory, Record, Sink
from .work import FrameWork, Progress, Work

ATTEMPTS = 3
"""Number of attempts, if parts are deleted or damaged meanwhile. Then the user gets an error."""
PATIENCE = 30.0
"""Seconds to wait until this machine sees what other machines have written to a network disk."""


@dataclass(frozen=True)
class InferenceStep:
    """Record a step of `segment` or `denoise`.

    Parameters
    ----------
    done, total
        Number of parts: tiles that go through the network, blocks that are decoded, and blocks that
        are numbered.
    elapsed
        Seconds since the start.
    frame
        The frame that was worked on.
    tile
        Shape of the output of a tile, in pixels.
    phase
        ``tiles``, ``numbers``, ``pixels`` (objects are brought from the grid that the network sees
        to the image's own pixels) or ``pyramid``. The last stands for smaller copies for display,
        which are not counted as parts.
    n_tiles, n_parts
        Number of tiles; number of tiles and of blocks that are decoded.
    """

    done: int
    total: int
    elapsed: float
    frame: Frame
    tile: tuple[int, ...] = ()
    phase: str = "tiles"
    n_tiles: int = 0
    n_parts: int = 0


class InferenceJob(Job[InferenceStep, Any]):
    """Run a model over an image; the result is an array of the region's shape.

    Parameters
    ----------
    body
        Do the work, as for `Job`.
    region
        Region of the image that the result covers: axis letter -> slice.
    note
        A sentence for the user about the image.
    can_resume
        Whether the same call resumes the work that this job leaves if it is stopped or broken off.

    Attributes
    ----------
    so_far
        The part of the answer that is made. Labels of objects are counted from 1 in each block.
    levels
        The result. For a zarr, smaller copies for display follow it.
    maps
        The maps that were asked for, ``(channels, *label shape)`` float16: ``probability`` (of the
        foreground, or one channel a class), ``distance`` (of pixels to their object's border), and
        ``affinities`` and ``long_range`` (that two pixels, near or far, lie in one object).
    maps_on_grid
        The same maps on the grid that the network sees, of a run in memory over an image that is
        shrunk or grown for it; else None.
    is_complete
        False if the job was stopped early. Then pixels that were not reached are 0, and no output
        is written.
    memory_notes
        Sentences for the user on what was done when memory ran out.
    n_objects
        Number of objects; None until it is known, and always None for classes.
    object_size
        Diameter of the objects in the image, in its pixels, as it was given or estimated; None
        before the first step, and if it is not known.
    size_note
        A sentence for the user on that.
    """

    def __init__(
        self,
        body: Callable[..., Generator[InferenceStep, None, Any]],
        region: Region | None = None,
        note: str = "",
        can_resume: bool = False,
    ) -> None:
        super().__init__(body)
        self.region: Region = region or {}
        self.note = note
        self.can_resume = can_resume
        self.so_far: Any = None
        self.levels: list[Any] = []
        self.maps: Mapping[str, Any] = {}
        self.maps_on_grid: MapsOnGrid | None = None
        self.is_complete = True
        self.memory_notes: list[str] = []
        self.n_objects: int | None = None
        self.object_size: float | None = None
        self.size_note = ""

    @property
    def probability(self) -> Any:
        """Return the map ``probability``; None if it was not asked for."""
        return self.maps.get("probability")

    @property
    def maps_to_decode(self) -> Mapping[str, Any]:
        """Return what `decode` makes the same objects of."""
        return self.maps if self.maps_on_grid is None else self.maps_on_grid


@dataclass
class Run:
    """Do the work of an `InferenceJob`.

    Parameters
    ----------
    source
        A model, and the region of an image that it is applied to, on the image's own pixels.
    settings
        Settings of the run. Links in the path of the output are resolved.
    sink
        Storage of the work until the output is whole.
    device
        Device of the network in this process.
    lock
        Lock that keeps other processes from the same work; None for work in memory.
    """

    source: Source
    settings: Settings
    sink: Sink
    device: torch.device
    lock: RunLock | None
    _began: float = field(default=0.0, init=False)
    _grid: Source | None = field(default=None, init=False)

    def __call__(self, job: InferenceJob) -> Generator[InferenceStep, None, Any]:
        """Run the model; do again what was deleted or damaged meanwhile.

        Returns
        -------
        answer
            Labels, or the denoised image.

        Raises
        ------
        DamagedError
            If parts are lost in the last attempt, too.
        """
        try:
            for n in range(ATTEMPTS):
                try:
                    return (yield from self._attempt(job, is_first=n == 0))
                except DamagedError as error:
                    reason = error
                    self._release()
            storage = self.sink.path if isinstance(self.sink, Folder) else "memory"
            raise DamagedError(
                f"{reason} It was done again and lost again: keep programs that clean up or "
                f"synchronize away from {storage}, or choose another folder."
            )
        except InUseError:
            raise
        except (Abandoned, InputError):
            # Work that was closed, or that ended at bad input, is of no more use. A job that is
            # only deleted, as by an error in the loop over it, ends with a GeneratorExit. Its work
            # stays, and can be resumed.
            self._remove_own_work()
            raise
        finally:
            self._release()

    def _attempt(self, job: InferenceJob, is_first: bool) -> Generator[InferenceStep, None, Any]:
        """Do all parts that are not done, then finish the output."""
        settings, sink = self.settings, self.sink
        plan = Plan.from_record(sink.begin(self._decide), settings.batch)
        if settings.object_size is None and plan.object_size is not None:
            # Only now it is known how fine the grid is, also of a run that was begun before.
            check_disk(self.source, replace(settings, object_size=plan.object_size))
        source = self._on_grid(plan.factor)
        job.object_size = plan.object_size
        words = plan.size_in_words(self.source.model.object_size), source.slices_in_words()
        job.size_note = " ".join(filter(None, words))
        if is_first:
            job.note = f"{job.note} {plan.note}".strip()
        do_parts = self._start(job, source, plan)
        self._began = time.perf_counter()
        work = Work(source, plan, sink, settings.out, settings.maps)
        job.so_far, job.maps = work.so_far, work.maps_so_far
        is_shared = settings.part is not None
        # While other processes work, the listing of a network disk may lag behind: parts that are
        # missing from it need not be lost.
        if isinstance(sink, Folder) and not (is_first and is_shared):
            work.forget_lost()
        done, frame = sum(frame.n_done for frame in work.frames), work.frames[0]
        with closing(do_parts(work)) as progress:
            for frame, n in progress:
                done += n
                yield self._step(work, done, frame)
                if job.stop_requested:
                    break
        job.is_complete = not is_shared and work.is_whole
        if isinstance(sink, Memory):
            return (yield from self._finish_in_memory(job, work, frame))
        if job.is_complete:
            with missing_is_damage():
                work.check_recorded(PATIENCE if settings.is_on_cluster else 0.0)
                return (yield from self._finish(job, work, sink))
        if not (is_shared or job.stop_requested):
            raise DamagedError("Some parts did not reach the disk.")
        return work.answer

    def _decide(self) -> Record:
        """Decide what does not change once the run has begun; estimate what nobody has said."""
        settings = self.settings
        if settings.object_size is None:
            size = estimated_size(self.source, self.device)
            settings = replace(settings, object_size=size)
            check_grid(self.source, settings)
        factor = choose_factor(self.source, settings.object_size)
        return make_plan(self._on_grid(factor), settings, self.device).record

    def _on_grid(self, factor: float) -> Source:
        """Return the source on the working grid, which is measured once."""
        if self._grid is None or self._grid.factor != factor:
            self._grid = self.source.on_grid(factor)
        return self._grid

    def _start(self, job: InferenceJob, source: Source, plan: Plan) -> Callable[[Work], Progress]:
        """Lock the work, and return a function that does its parts: here, or on a cluster."""
        settings, lock = self.settings, self.lock
        if settings.is_on_cluster:
            if lock is not None:
                lock.hold(0)
            return lambda work: run_on_workers(work, settings, plan, job.memory_notes, PATIENCE)
        predictor = make_predictor(
            source,
            plan,
            settings.maps,
            self.device,
            job.memory_notes,
            None if lock is None else lock.killed_at,
            (lambda _reductions: None) if lock is None else lock.hold,
        )
        if lock is not None:
            lock.hold(predictor.reductions)
        return lambda work: work.run(predictor, *(settings.part or ()))

    def _finish_in_memory(
        self, job: InferenceJob, work: Work, last: FrameWork
    ) -> Generator[InferenceStep, None, Any]:
        """Give the objects their ids, as far as the work was done; return the answer."""
        if not job.is_complete:
            last.decode_partly()
        final = yield from self._number(job, work)
        final = yield from self._to_own_pixels(job, work, final)
        if job.is_complete:
            job.levels = [final]
        if work.own is not None:
            job.maps_on_grid = MapsOnGrid(work.maps, work.own)
            job.maps = {name: np.asarray(view) for name, view in work.maps_so_far.items()}
        return final

    def _finish(
        self, job: InferenceJob, work: Work, sink: Folder
    ) -> Generator[InferenceStep, None, Any]:
        """Give the objects their ids, and hand the results over; return the answer."""
        settings, source = self.settings, self.source
        assert settings.out is not None
        final = yield from self._number(job, work)
        if job.is_complete:
            final = yield from self._to_own_pixels(job, work, final)
        if job.is_complete:
            yield from self._pyramid(job, work)
        if not job.is_complete:
            return final
        made = write_results(settings.out, final, self._maps(work), source, sink)
        # Checked after writing: chunks that were deleted before it are missing from the results.
        self._check_final(final, work, sink)
        if not all(path.exists() for path in made.values()):
            raise DamagedError(f"Parts of the result in {sink.path} were deleted.")
        hand_over(settings.out, made, sink, settings.overwrite)
        job.levels, job.maps = open_results(settings.out, settings.maps, source)
        return job.levels[0]

    def _number(self, job: InferenceJob, work: Work) -> Generator[InferenceStep, None, Array]:
        """Give objects their ids, which go on from frame to frame.

        This can be broken off and repeated.
        """
        blocks, final, done = work.parts.blocks, work.labels, work.n_parts
        if not blocks:
            return final
        frames = [frame for frame in work.frames if frame.is_whole]  # all, unless it was stopped
        merged = [frame.merge_blocks() for frame in frames]
        if isinstance(self.sink, Folder):
            final = work.ids(np.min_scalar_type(sum(n for _, n in merged)))
            work.forget_lost_ids(final, frames)
        n_before = 0
        for frame, (tables, n_objects) in zip(frames, merged, strict=True):
            for block in blocks:
                if not frame.is_numbered(block):
                    table = tables[block.index]
                    table[1:] += n_before
                    frame.write_ids(block, table, final)
                done += 1
                if job.is_complete:
                    yield self._step(work, done, frame, "numbers")
                if job.stop_requested and isinstance(self.sink, Folder):
                    job.is_complete = False
                    return final
            n_before += n_objects
        self._count(job, n_before)
        return final

    def _to_own_pixels(
        self, job: InferenceJob, work: Work, labels: Array
    ) -> Generator[InferenceStep, None, Array]:
        """Bring labels from the working grid to the image's own pixels, window by window.

        This can be broken off and repeated.
        """
        if work.own is None:
            return labels
        final: Array
        if isinstance(self.sink, Folder):
            final = work.output(labels.dtype)
        else:
            final = np.zeros(self.source.shape, labels.dtype)
        own = OwnLabels(work.own, final, self.sink, job.n_objects)
        if isinstance(self.sink, Folder):
            own.forget_lost()
        n_before = work.n_steps - len(work.own_windows)
        for done in own.write(labels):
            if job.is_complete:
                yield self._step(work, n_before + done, work.frames[-1], "pixels")
            if job.stop_requested and isinstance(self.sink, Folder):
                job.is_complete = False
                return final
        self._count(job, own.n_objects)
        return final

    def _count(self, job: InferenceJob, n_objects: int | None) -> None:
        """Tell how many objects there are."""
        job.n_objects = n_objects
        if job.is_complete and n_objects == 0:
            job.note = job.note or NOTHING_FOUND

    def _maps(self, work: Work) -> Mapping[str, ReadableArray]:
        """Return the finished maps, on the image's own pixels."""
        if work.own is None:
            return work.maps
        return {name: work.own.map(Written(array)) for name, array in work.maps.items()}

    def _pyramid(self, job: InferenceJob, work: Work) -> Generator[InferenceStep, None, None]:
        """Add smaller copies for display to a zarr."""
        for _ in self._add_pyramid():
            yield self._step(work, work.n_steps, work.frames[-1], "pyramid")
            if job.stop_requested:
                job.is_complete = False
                return

    def _add_pyramid(self) -> Iterable[object]:
        """Make what is missing of the smaller copies in a zarr; a TIFF has none."""
        group, out = self._group, self.settings.out
        if group is None or out is None:
            return ()
        return add_pyramid(group, not self.source.is_image, levels_of(out))

    def _check_final(self, final: Array, work: Work, sink: Folder) -> None:
        """Check that nothing of the answer was deleted while it was made."""
        sink.check_arrays()
        try:
            check_final(final, work.labels if work.own is None else final, work.maps.values())
        except DamagedError:
            if self._group is not None:
                forget_pyramid(self._group)  # it may have been made from the missing chunks
            raise
        for _ in self._add_pyramid():
            pass  # only missing chunks are written

    @property
    def _group(self) -> Path | None:
        """Return the folder of a zarr while it is made; None if the output is none."""
        out, sink = self.settings.out, self.sink
        if out is None or not is_zarr_name(out) or not isinstance(sink, Folder):
            return None
        return sink.path / out.name

    def _remove_own_work(self) -> None:
        """Delete the folder of the work, if all work in it is that of this run."""
        sink, is_shared = self.sink, self.settings.part is not None
        if isinstance(sink, Folder) and not is_shared and sink.is_new and sink.is_mine():
            sink.remove()

    def _step(self, work: Work, done: int, frame: FrameWork, phase: str = "tiles") -> InferenceStep:
        elapsed = time.perf_counter() - self._began
        shape = work.parts.tiles[0].kept_shape
        numbers = work.n_tiles, work.n_parts
        return InferenceStep(done, work.n_steps, elapsed, frame.frame, shape, phase, *numbers)

    def _release(self) -> None:
        if isinstance(self.sink, Folder) and self.sink.path.exists():
            self.sink.journal.sync()
        if self.lock is not None:
            self.lock.release()

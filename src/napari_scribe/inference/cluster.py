"""Do the parts of a run on many processes or machines, with dask.distributed.

Each worker opens image and model once, runs tiles, decodes blocks, and writes to the folder that
all workers share. Nothing large goes through the scheduler. A worker that dies costs only the part
that it was working on.
"""

from __future__ import annotations

import os
import pickle
import threading
import time
import uuid
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..device import all_like, pick_device
from ..errors import InputError, InUseError
from ..image import Image
from ..io import read_image
from .denoise.denoised_image import DenoisedPixels
from .plan import Plan, Settings, make_predictor
from .source import Source
from .store.journal import boot
from .store.lock import RunLock
from .store.sinks import Folder
from .work import FrameWork, Progress, Work

if TYPE_CHECKING:
    from distributed import Client, Future

    Task = Future[Any]


def check_cluster(settings: Settings) -> None:
    """Check, before any work, that dask.distributed is installed and the scheduler answers.

    Raises
    ------
    InputError
        If it is not, or does not.
    """
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise InputError(
            "More workers need dask.distributed: pip install 'napari-scribe[cluster]'."
        ) from error
    if settings.scheduler is not None:
        with _client(settings):
            pass


@contextmanager
def _client(settings: Settings) -> Generator[Client, None, None]:
    """Connect to the scheduler, or start workers that end with the connection.

    Raises
    ------
    InputError
        If the scheduler does not answer.
    """
    from distributed import Client, LocalCluster

    if settings.scheduler is not None:
        try:
            client = Client(settings.scheduler, timeout="15s")  # a busy scheduler answers late
        except (OSError, ValueError) as error:
            raise InputError(
                f"No dask scheduler answers at {settings.scheduler}: check the address."
            ) from error
        with client:
            yield client
        return
    options = {
        "threads_per_worker": 1,
        "memory_limit": 0,  # dask would stop workers for memory that torch caches
        "dashboard_address": "127.0.0.1:0",  # the usual port may be another cluster's
    }
    with LocalCluster(n_workers=settings.workers, **options) as local, Client(local) as client:
        yield client


@dataclass(frozen=True)
class SharedRun:
    """Hold all that a worker needs to take part in a run.

    Parameters
    ----------
    source
        The `Source` of the run, pickled. It is unpickled by the workers only, which open the image.
    settings, plan
        Settings of the run, and the plan that the leading process has made.
    folder, identity
        Path and identity of the sink.
    name
        Name that no other run has. A worker that stays open tells a new run by its name.
    boot
        Result of `journal.boot` on the leading machine. Records of other machines count there only
        once they have reached the disk.
    """

    source: bytes
    settings: Settings
    plan: Plan
    folder: Path
    identity: str
    name: str
    boot: str


def run_on_workers(
    work: Work, settings: Settings, plan: Plan, notes: list[str], patience: float
) -> Progress:
    """Do the remaining parts on a cluster.

    Parameters
    ----------
    notes
        List that sentences for the user are added to: what workers did when memory ran out.
    patience
        Seconds to wait until this machine sees what other machines have written.
    """
    from distributed import as_completed

    sink = work.sink
    assert isinstance(sink, Folder)
    shared = SharedRun(
        source=pickle.dumps(work.source.with_image(_portable(work.source.own.image))),
        settings=settings,
        plan=plan,
        folder=sink.path,
        identity=sink.identity,
        name=uuid.uuid4().hex,
        boot=boot(),
    )
    with _client(settings) as client:
        shared_task = _submit_shared(client, shared)
        tasks = _submit(client, shared_task, work.frames)
        n_left = Counter(frame.name for frame, _ in tasks.values())
        for future in as_completed(list(tasks)):
            frame, n = tasks.pop(future)
            notes.extend(note for note in future.result() if note not in notes)
            n_left[frame.name] -= 1
            if not n_left[frame.name] and _wait_until_whole(frame, sink, patience):
                frame.finish()
            yield frame, n


def _submit_shared(client: Client, shared: SharedRun) -> Task:
    """Submit a task that returns the shared run. The other tasks take its result.

    When all workers that hold the result have died, dask runs the task again.
    """
    import dask

    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}):
        return client.submit(_identity, shared, pure=False)


def _identity(shared: SharedRun) -> SharedRun:
    return shared


def _submit(
    client: Client, shared: Task, frames: Sequence[FrameWork]
) -> dict[Task, tuple[FrameWork, int]]:
    """Submit a task for the tiles of each block, and one for the block itself.

    The task of a block begins when those of its tiles have ended. Without blocks each tile has a
    task.

    Returns
    -------
    tasks
        Task -> its frame, and its number of parts.
    """
    tasks: dict[Task, tuple[FrameWork, int]] = {}
    for i, frame in enumerate(frames):
        parts = frame.parts
        task_of: dict[int, Task] = {}
        for numbers in parts.units:
            todo = [n for n in numbers if not frame.is_predicted(parts.tiles[n])]
            if todo and not frame.is_whole:
                future = client.submit(_predict, shared, i, todo, pure=False)
                tasks[future] = (frame, len(todo))
                task_of |= dict.fromkeys(todo, future)
        for n, block in enumerate(parts.blocks):
            if not frame.is_decoded(block):
                awaited = {task_of[t] for t in parts.tiles_of[block.index] if t in task_of}
                future = client.submit(_decode, shared, i, n, list(awaited), pure=False)
                tasks[future] = (frame, 1)
    return tasks


def _wait_until_whole(frame: FrameWork, sink: Folder, patience: float) -> bool:
    """Wait until this machine sees every part of a frame as recorded; return whether it does."""
    end = time.monotonic() + patience
    while True:
        sink.journal.reload()
        if frame.is_whole or time.monotonic() > end:
            return frame.is_whole
        time.sleep(0.5)


class WorkerState:
    """Hold what a worker keeps open between tasks."""

    def __init__(self, shared: SharedRun) -> None:
        settings = shared.settings
        if settings.workers is not None:  # they share this machine
            torch.set_num_threads(max(1, (os.cpu_count() or 1) // settings.workers))
        self.in_use = threading.Lock()
        self.sink = Folder(shared.folder, shared.identity)
        if Plan.from_record(self.sink.join(), shared.plan.batch) != shared.plan:
            raise InUseError(f"{self.sink.path} is no longer of this job.")
        self._shared, self._is_elsewhere = shared, shared.boot != boot()
        self._source: Source = pickle.loads(shared.source)
        self._device = _pick_device(settings.device)
        self._lock: RunLock | None = None
        self.notes: list[str] = []
        self.work = Work(self._source, shared.plan, self.sink, settings.out, settings.maps)
        self._make_predictor(None)

    def _make_predictor(self, killed_at: int | None) -> None:
        self.predictor = make_predictor(
            self._source,
            self._shared.plan,
            self._shared.settings.maps,
            self._device,
            self.notes,
            killed_at,
            self._on_reduction,
        )

    def _on_reduction(self, reductions: int) -> None:
        if self._lock is not None:
            self._lock.hold(reductions)

    def sync(self) -> None:
        """Wait until all records are on the disk, unless this is the leading machine.

        The leading machine does not trust records of others before that.
        """
        if self._is_elsewhere:
            self.sink.journal.sync()

    @contextmanager
    def locked(self, task: str) -> Generator[None, None, None]:
        """Lock a task while it runs; reduce the load if the task has killed a worker before."""
        folder = self.sink.path / "tried"
        folder.mkdir(exist_ok=True)
        try:
            self._lock = RunLock(folder, task)
            self._lock.hold(self.predictor.reductions)
        except InUseError:  # a worker that dask has given up still does it: go on without a lock
            self._lock = None
        try:
            killed_at = None if self._lock is None else self._lock.killed_at
            if killed_at is not None and killed_at >= self.predictor.reductions:
                self._make_predictor(killed_at)
                self._on_reduction(self.predictor.reductions)
            yield
        finally:
            if self._lock is not None:
                self._lock.release()
            self._lock = None


_states: dict[str, WorkerState] = {}
"""The state of this worker, by the name of the run."""
_opening = threading.Lock()


@contextmanager
def _state_of(shared: SharedRun) -> Generator[WorkerState, None, None]:
    """Open the state of this worker once per run; let one task use it at a time."""
    with _opening:
        if shared.name not in _states:
            _states.clear()  # the run before is over
            _states[shared.name] = WorkerState(shared)
        state = _states[shared.name]
    with state.in_use:
        state.sink.check()  # the job may have been stopped
        state.sink.journal.reload()  # another worker may have done the task meanwhile
        yield state
        state.sync()


def _predict(shared: SharedRun, frame: int, tiles: Sequence[int]) -> list[str]:
    """Run the network over tiles, in a worker."""
    with _state_of(shared) as state, state.locked(f"{frame}-{tiles[0]}"):
        work = state.work.frames[frame]
        todo = [t for i in tiles if not work.is_predicted(t := work.parts.tiles[i])]
        read = work.source.reader(work.frame)
        for _ in state.predictor.predict(todo, read, work.write_tile):
            pass
        return state.notes


def _decode(shared: SharedRun, frame: int, block: int, _after: Sequence[object]) -> list[str]:
    """Decode a block, in a worker; `_after` are the tasks that dask waits for."""
    with _state_of(shared) as state:
        work = state.work.frames[frame]
        if not (work.is_whole or work.is_decoded(work.parts.blocks[block])):
            work.decode_block(work.parts.blocks[block])
        return state.notes


def _pick_device(name: str | None) -> torch.device:
    """Return the worker's device. Workers take the cuda cards of a machine in turn."""
    from distributed import get_worker

    device = pick_device(name)
    number = get_worker().name
    if isinstance(number, int) and len(cards := all_like(device)) > 1:
        return cards[number % len(cards)]
    return device


@dataclass(frozen=True)
class _PixelsOnDisk:
    """Stand in for the pixels of an image while it is sent: each worker opens the file itself."""

    path: Path
    axes: str
    level: int
    series: int
    shape: tuple[int, ...]
    dtype: np.dtype

    def __reduce__(self) -> tuple[object, ...]:
        return _open_pixels, (self.path, self.axes, self.level, self.series)


def _open_pixels(path: Path, axes: str, level: int, series: int) -> object:
    return read_image(path, axes, level, series).data


def _portable(image: Image) -> Image:
    """Return an image that can be sent to workers: with its path, or with pixels if it has none."""
    if isinstance(pixels := image.data, DenoisedPixels):
        noisy = replace(pixels.source, image=_portable(pixels.source.image))
        return image.selected(data=DenoisedPixels(noisy, pixels.device))
    if image.source is None:
        return image
    path = image.source.absolute()
    on_disk = _PixelsOnDisk(path, image.axes, image.level, image.series, image.shape, image.dtype)
    return image.selected(data=on_disk, source=path)

"""The same parts on many processes or machines, by dask.distributed.

Each worker opens image and model once, runs tiles and finds objects, and writes them to the folder
that all share; nothing large goes through the scheduler. A worker that dies costs what it was at.
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

import torch

from ..device import all_like, pick_device
from ..errors import InputError, InUseError
from ..image import Image
from ..io import read_image
from .denoise.denoised_image import DenoisedPixels
from .frame import FrameWork
from .ladder import Ladder
from .run import Work
from .store.journal import boot
from .store.lock import Presence
from .store.sinks import Folder

if TYPE_CHECKING:
    from distributed import Client

    from .execute import Execution


PATIENCE = 30.0
"""Seconds to wait until what other machines have written is seen."""


@dataclass(frozen=True)
class Cluster:
    """Where the work goes.

    Parameters
    ----------
    workers
        So many processes on this machine; or
    scheduler
        address of a dask scheduler, as ``tcp://host:8786``.

    Raises
    ------
    InputError
        If dask.distributed is not installed.
    """

    workers: int | None = None
    scheduler: str | None = None

    def __post_init__(self) -> None:
        try:
            import distributed  # noqa: F401
        except ImportError as error:
            raise InputError(
                "More workers need dask.distributed: pip install 'napari-scribe[cluster]'."
            ) from error

    def check(self) -> None:
        """Make sure that the scheduler answers, before any work.

        Raises
        ------
        InputError
            If it does not.
        """
        if self.scheduler is not None:
            with self.client():
                pass

    @contextmanager
    def client(self) -> Generator[Client, None, None]:
        """Connect to the scheduler, or start workers that end with it.

        Raises
        ------
        InputError
            If the scheduler does not answer.
        """
        from distributed import Client, LocalCluster

        if self.scheduler is not None:
            try:
                client = Client(self.scheduler, timeout="15s")  # it may be busy
            except (OSError, ValueError) as error:
                raise InputError(
                    f"No dask scheduler answers at {self.scheduler}: check the address."
                ) from error
            with client:
                yield client
            return
        options = {
            "threads_per_worker": 1,
            "memory_limit": 0,  # it would stop workers for what torch holds on to
            "dashboard_address": "127.0.0.1:0",  # the usual port may be another cluster's
        }
        with LocalCluster(n_workers=self.workers, **options) as local, Client(local) as client:
            yield client

    @property
    def threads(self) -> int | None:
        """Of torch, in each worker; what the worker has by its own setting when None."""
        if self.workers is None:
            return None
        return max(1, (os.cpu_count() or 1) // self.workers)


@dataclass(frozen=True)
class Ticket:
    """All that a worker needs to take part.

    Parameters
    ----------
    execution
        As in the process that leads, without what belongs to that process; pickled, so that only
        workers open the image.
    folder, identity
        Of the sink.
    attempt
        A name that no other job has, so that workers that stay open begin anew with each.
    decided
        By the process that leads.
    device
        As the user named it.
    threads
        Of torch.
    boot
        Of the machine that leads: what other machines record must have reached the disk.
    """

    execution: bytes
    folder: Path
    identity: str
    attempt: str
    decided: dict[str, Any]
    device: str | None
    threads: int | None
    boot: str


def on_workers(
    cluster: Cluster, execution: Execution, decided: dict[str, Any], ladder: list[str]
) -> Work:
    """Work on a cluster; what its ladders had to do is added to `ladder`."""
    assert isinstance(execution.sink, Folder)
    source = replace(execution.source, image=_portable(execution.source.image))
    plain = replace(execution, source=source, sink=None, presence=None, cluster=None)
    sink = execution.sink
    ticket = Ticket(
        pickle.dumps(plain),
        sink.path,
        sink.identity,
        uuid.uuid4().hex,
        decided,
        execution.device_name,
        cluster.threads,
        boot(),
    )

    def work(frames: Sequence[FrameWork]) -> Generator[tuple[int, int], None, None]:
        from distributed import as_completed

        with cluster.client() as client:
            shared = _handed_out(client, ticket)
            known = [0] * len(frames)
            futures = _submitted(client, shared, frames)
            left = Counter(i for i, _ in futures.values())
            for future in as_completed(list(futures)):
                i, n = futures.pop(future)
                ladder.extend(word for word in future.result() if word not in ladder)
                known[i] += n
                left[i] -= 1
                if not left[i] and _is_seen_whole(frames[i], sink):
                    frames[i].close()
                yield i, known[i]

    return work


def _handed_out(client: Client, ticket: Ticket) -> Any:
    """The ticket, as a task's result: when all workers that hold it have died, it is made again."""
    import dask

    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}):
        return client.submit(_same, ticket, pure=False)


def _same(ticket: Ticket) -> Ticket:
    return ticket


def _is_seen_whole(frame: FrameWork, sink: Folder) -> bool:
    """Whether all that workers recorded of a frame is there; a network disk may show it late."""
    end = time.monotonic() + PATIENCE
    while True:
        sink.journal.look_again()
        if frame.is_whole or time.monotonic() > end:
            return frame.is_whole
        time.sleep(0.5)


def _submitted(client: Client, ticket: Any, frames: Sequence[FrameWork]) -> dict[Any, Any]:
    """One task for the tiles of each block, and one for its objects once all its tiles are done.

    Returns
    -------
    futures
        Each with the number of its frame, and how many parts it does.
    """
    futures: dict[Any, tuple[int, int]] = {}
    for i, frame in enumerate(frames):
        parts = frame.parts
        of_tile: dict[int, Any] = {}
        for unit in range(parts.n_units):
            mine = parts.numbers_for({unit})
            todo = [t for t in mine if not frame.is_predicted(parts.tiles[t])]
            if todo and not frame.is_whole:
                future = client.submit(_predict, ticket, i, todo, pure=False)
                futures[future] = (i, len(todo))
                of_tile |= dict.fromkeys(todo, future)
        for n, block in enumerate(parts.blocks):
            if not frame.is_found(block):
                after = {of_tile[t] for t in parts.tiles_of[block.index] if t in of_tile}
                future = client.submit(_find, ticket, i, n, list(after), pure=False)
                futures[future] = (i, 1)
    return futures


class _Hands:
    """What a worker keeps open between tasks."""

    def __init__(self, ticket: Ticket) -> None:
        if ticket.threads is not None:
            torch.set_num_threads(ticket.threads)
        self.lock = threading.Lock()
        self.sink = Folder(ticket.folder, ticket.identity)
        self._decided = ticket.decided
        if self.sink.join() != ticket.decided:
            raise InUseError(f"{self.sink.path} is no longer of this job.")
        self._is_elsewhere = ticket.boot != boot()
        execution: Execution = pickle.loads(ticket.execution)
        self._execution = replace(execution, sink=self.sink, device=_device(ticket.device))
        run = self._execution.run_for(ticket.decided)
        self.words: list[str] = []
        self.ladder: Ladder = self._execution.ladder_for(ticket.decided, self.words)
        self.frames = run.frames(*run.arrays())

    def settle(self) -> None:
        """Wait for the disk, where the machine that leads asks for that, or all counts as lost."""
        if self._is_elsewhere:
            self.sink.journal.sync()

    @contextmanager
    def trying(self, task: str) -> Generator[None, None, None]:
        """Note what is worked on; if that killed a worker for memory, begin a rung lower."""
        folder = self.sink.path / "tried"
        folder.mkdir(exist_ok=True)
        try:
            presence = Presence(folder, task)
            presence.note(self.ladder.descended)
        except InUseError:  # a worker that was given up, but lives on
            yield
            return
        self._execution.presence = presence
        try:
            killed_on = presence.killed_on
            if killed_on is not None and killed_on >= self.ladder.descended:
                self.ladder = self._execution.ladder_for(self._decided, self.words)
                presence.note(self.ladder.descended)
            yield
        finally:
            presence.leave()
            self._execution.presence = None


_hands: dict[str, _Hands] = {}
_opening = threading.Lock()


def _opened(ticket: Ticket) -> _Hands:
    with _opening:
        if ticket.attempt not in _hands:
            _hands.clear()  # the job before is over
            _hands[ticket.attempt] = _Hands(ticket)
        return _hands[ticket.attempt]


@contextmanager
def _working(ticket: Ticket) -> Generator[_Hands, None, None]:
    """One task at a time; what it has recorded counts when it ends."""
    hands = _opened(ticket)
    with hands.lock:
        hands.sink.check()  # the job may have been stopped
        hands.sink.journal.look_again()  # another may have done it meanwhile
        yield hands
        hands.settle()


def _predict(ticket: Ticket, frame: int, tiles: Sequence[int]) -> list[str]:
    """Run the network over tiles; in a worker."""
    with _working(ticket) as hands, hands.trying(f"{frame}-{tiles[0]}"):
        work = hands.frames[frame]
        chosen = [t for i in tiles if not work.is_predicted(t := work.parts.tiles[i])]
        for _ in hands.ladder.predict(chosen, work.source.reader(work.frame), work.keep_answer):
            pass
        return hands.words


def _find(ticket: Ticket, frame: int, block: int, _after: Sequence[Any]) -> list[str]:
    """Find the objects of a block; in a worker."""
    with _working(ticket) as hands:
        work = hands.frames[frame]
        if not (work.is_whole or work.is_found(work.parts.blocks[block])):
            work.find_objects(work.parts.blocks[block])
        return hands.words


def _device(name: str | None) -> torch.device:
    """The worker's device: of several cuda cards on a machine, each worker takes another."""
    from distributed import get_worker

    device = pick_device(name)
    number = get_worker().name
    if isinstance(number, int) and len(cards := all_like(device)) > 1:
        return cards[number % len(cards)]
    return device


@dataclass(frozen=True)
class _OnDisk:
    """Stands in for pixels that each worker opens by itself."""

    path: Path
    axes: str
    level: int
    series: int
    shape: tuple[int, ...]
    dtype: Any

    def __reduce__(self) -> Any:
        return _pixels, (self.path, self.axes, self.level, self.series)


def _pixels(path: Path, axes: str, level: int, series: int) -> Any:
    return read_image(path, axes, level, series).data


def _portable(image: Image) -> Image:
    """An image that can be sent to a worker: its place on disk, or its pixels where it has none."""
    if isinstance(pixels := image.data, DenoisedPixels):
        noisy = replace(pixels.source, image=_portable(pixels.source.image))
        return image.selected(data=DenoisedPixels(noisy, pixels.device))
    if image.source is None:
        return image
    path = image.source.absolute()
    on_disk = _OnDisk(path, image.axes, image.level, image.series, image.shape, image.dtype)
    return image.selected(data=on_disk, source=path)

"""Run a request's job in a thread, and bring its records back to the main thread."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from napari import Viewer
from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, QThreadPool, Signal
from superqt.utils import WorkerBase

from ...errors import InputError
from ...progress import Job
from ..messages import explain
from .mailbox import Mailbox
from .progress import JobClock
from .queue import Turn, queue_of
from .request import Ended, Question, Request, Step, Value
from .short_collections import short_collections
from .torch_loader import load_torch

log = logging.getLogger("napari_scribe")

INTERVAL = 0.05
"""Seconds between ordinary records: more of them would only fill the main thread's queue."""
SHOWING = 1.0
"""Seconds that a job waits at most while the viewer shows its preview."""
PATIENCE = 30.0
"""Seconds that closing a viewer waits until the job has saved its result."""


def _nothing() -> None:
    """Do nothing."""


class Runner(QObject):
    """Control one job at a time: start it in a thread, let it pause, stop it, close it.

    Attributes
    ----------
    clock
        Of the job that runs, or of the last one.
    queue
        Says when a job begins: those of a viewer take turns.

    Signals
    -------
    record
        Each record of a job that is worth showing.
    ended
        `Ended`, once a job, whatever happened.
    """

    record = Signal(object)
    ended = Signal(object)

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.queue = queue_of(id(viewer))
        self._turn: Turn | None = None
        self._worker: Worker | None = None
        self.clock = JobClock()

    @property
    def is_running(self) -> bool:
        """Return whether a job runs, is paused or is being prepared."""
        return self._turn is not None

    @property
    def is_busy(self) -> bool:
        """Return whether a job runs, or waits for its turn."""
        return bool(self.queue.turns_of(self))

    @property
    def title(self) -> str:
        """Return what runs, as in "Training on nuclei"; empty where nothing does."""
        return "" if self._turn is None else self._turn.request.title

    @property
    def waiting(self) -> list[Turn]:
        """Return the jobs that wait for their turn."""
        return [turn for turn in self.queue.turns_of(self) if not turn.has_begun]

    @property
    def is_paused(self) -> bool:
        """Return whether a job waits for `resume`."""
        return self._worker is not None and not self._worker.may_go_on.is_set()

    @property
    def job(self) -> Any:
        """Return the job that runs, of whatever kind; None while it is prepared."""
        return self._worker.job if self._worker else None

    def start(
        self,
        request: Request[Step, Value],
        on_record: Callable[[Step], None],
        on_end: Callable[[Ended[Value]], None],
        on_begin: Callable[[], None] = _nothing,
    ) -> None:
        """Start the job of a request, now or when it is its turn.

        All callbacks are called in the main thread. Where `on_begin` raises an `InputError`, the
        job ends with it.

        Raises
        ------
        InputError
            If it would have to wait and cannot.
        """
        self.queue.add(Turn(self, request, self._begin, on_begin, on_record, on_end))

    def pause(self) -> None:
        """Let the job wait before its next step. It keeps its memory, but computes nothing."""
        if self._worker is not None and not self._worker.is_stopped:
            self._worker.may_go_on.clear()
            self.clock.pause()

    def resume(self) -> None:
        """Let the job go on."""
        if self._worker is not None:
            self.clock.resume()
            self._worker.may_go_on.set()

    def stop(self) -> None:
        """Ask the job for an early end that keeps the best so far; else leave the line."""
        if self._worker is not None:
            self._worker.quit()
            return
        for turn in self.waiting:
            self._end(turn, Ended())

    def close(self) -> None:
        """Stop the job, ignore what it still sends, and wait until its result is saved."""
        for turn in self.queue.turns_of(self):
            self.queue.remove(turn)
        worker, self._worker, self._turn = self._worker, None, None
        if worker is None:
            return
        worker.mailbox.delivered.disconnect(self._receive)
        worker.quit()
        if not worker.over.wait(PATIENCE):
            log.warning("%s has not ended after %g s", worker.title, PATIENCE)

    def _begin(self, turn: Turn) -> None:
        self._turn, self.clock = turn, JobClock()
        try:
            turn.on_begin()
        except InputError as error:
            self._end(turn, Ended(error=str(error)))
            return
        except Exception as error:  # the others in the line would wait for ever
            self._end(turn, Ended(error=explain(error, turn.request.title)))
            return
        title = turn.request.title
        # napari shows the title as that of a function where it lists what runs.
        self._worker = create_worker(title, turn.request, _worker_class=Worker, _start_thread=False)
        self._worker.mailbox.delivered.connect(self._receive)
        self._worker.start()

    def _end(self, turn: Turn, ended: Ended[Any]) -> None:
        if turn is self._turn:
            self._turn = self._worker = None
        with self.queue.ending(turn):
            turn.on_end(ended)
            self.ended.emit(ended)

    def _receive(self, delivery: tuple[Worker, object]) -> None:
        worker, record = delivery
        if worker is not self._worker:
            return  # sent before its job was closed
        assert self._turn is not None
        if isinstance(record, Ended):
            self._end(self._turn, record)
        else:
            self._turn.on_record(record)
            self.record.emit(record)
            worker.is_shown.set()


class Worker(WorkerBase[None]):
    """Run one job in a thread.

    `run` takes the place of that of the base class, which swaps Python's warning filters while it
    runs, for all threads. Quitting stops the job, which then ends by itself and saves its result;
    napari's own workers leave it where it is.

    Parameters
    ----------
    title
        For messages.
    request
        Whose job this runs.
    """

    def __init__(self, title: str, request: Request[Any, Any]) -> None:
        super().__init__()
        self.title = title
        self.request: Request[Any, Any] | None = request
        self.job: Job[Any, Any] | None = None
        self.mailbox = Mailbox()
        self.over = threading.Event()
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.is_shown = threading.Event()
        self.is_stopped = False

    def quit(self) -> None:
        """Ask the job for an early end, paused or not; napari calls this when its window closes."""
        self.is_stopped = True
        if (job := self.job) is not None:
            job.stop()
        self.may_go_on.set()
        self.is_shown.set()

    def run(self) -> None:
        """Make, run and finish the job. Errors are no exceptions here, but a part of `Ended`."""
        # The pool has as many threads as there are cores, and a training may take hours: it does
        # not count there, so that what runs beside it, and other plugins, begin.
        pool = QThreadPool.globalInstance()
        pool.releaseThread()
        self.started.emit()
        request, ended = self.request, Ended[Any]()
        assert request is not None
        try:
            if request.needs_torch:
                load_torch()
            with short_collections():
                self.job = job = request.begin()
                if not self.is_stopped:
                    self._send_records(job)
                    ended = Ended(request.finish(job))
        except Question as question:
            ended = Ended(question=question)
        except InputError as error:
            ended = Ended(error=str(error))
        except Exception as error:
            ended = Ended(error=explain(error, self.title))
        finally:
            self._send(ended)
            # napari keeps every worker as long as its window: it must hold nothing large.
            self.request = self.job = request = job = None  # type: ignore[assignment]
            pool.reserveThread()
            self.over.set()
            self.finished.emit()
            self._finished.emit(self)  # superqt lets go of the worker

    def _send_records(self, job: Job[Any, Any]) -> None:
        """Run a job, waiting where it is paused; send an ordinary record once an `INTERVAL`."""
        last, request = 0.0, self.request
        assert request is not None
        self.may_go_on.wait()
        for record in job:
            request.between_steps(job)
            now = time.perf_counter()
            extras = (getattr(record, name, None) for name in ("preview", "validation", "note"))
            is_special = any(extra not in (None, "") for extra in extras)
            # What a paused job did last is shown at once: nothing comes after it.
            if is_special or not self.may_go_on.is_set() or now - last >= INTERVAL:
                last = now
                self.is_shown.clear()
                self._send(record)
                # Adding the layers of the first preview takes the viewer a third of a second; with
                # a network computing beside it, it would stand still for a whole one.
                if getattr(record, "preview", None) is not None and not self.is_stopped:
                    self.is_shown.wait(SHOWING)
            self.may_go_on.wait()

    def _send(self, record: object) -> None:
        self.mailbox.send((self, record))

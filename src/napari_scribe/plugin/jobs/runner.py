"""Run a request's job in a thread, and bring its records back to the main thread."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

from napari import Viewer
from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal
from superqt.utils import WorkerBase

from ...errors import InputError
from ...progress import Job
from ..messages import explain
from .progress import JobClock
from .request import Ended, Question, Request, Step, Value
from .torch_loader import load_torch

log = logging.getLogger("napari_scribe")

INTERVAL = 0.05
"""Seconds between ordinary records: more of them would only fill the main thread's queue."""
SHOWING = 1.0
"""Seconds that a job waits at most while the viewer shows its preview."""
PATIENCE = 30.0
"""Seconds that closing a viewer waits until the job has saved its result."""


class Runner(QObject):
    """Control one job at a time: start it in a thread, let it pause, stop it, close it.

    Attributes
    ----------
    clock
        Of the job that runs, or of the last one.

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
        self._key = id(viewer)
        self._worker: Worker | None = None
        self._on_record: Callable[[Any], None] = _ignore
        self._on_end: Callable[[Any], None] = _ignore
        self.title = ""
        self.clock = JobClock()

    @property
    def is_running(self) -> bool:
        """Return whether a job runs, is paused or is being prepared."""
        return self._worker is not None

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
    ) -> None:
        """Start the job of a request; both callbacks are called in the main thread.

        Raises
        ------
        InputError
            If a job runs for this viewer already.
        """
        self.check_free()
        _running[self._key] = self
        self.title, self.clock = request.title, JobClock()
        self._on_record, self._on_end = on_record, on_end
        # napari shows the title as that of a function where it lists what runs.
        self._worker = create_worker(
            request.title, request, _worker_class=Worker, _start_thread=False
        )
        self._worker.mailbox.delivered.connect(self._receive)
        self._worker.start()

    def check_free(self) -> None:
        """Check that no job runs for this viewer.

        Raises
        ------
        InputError
            If one does.
        """
        other = _running.get(self._key)
        if other is not None:
            raise InputError(
                f"{other.title} is still running. Stop it first, or wait until it has ended."
            )

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
        """Ask the job for an early end that keeps the best so far."""
        if self._worker is not None:
            self._worker.quit()

    def close(self) -> None:
        """Stop the job, ignore what it still sends, and wait until its result is saved."""
        worker = self._worker
        if worker is None:
            return
        worker.mailbox.delivered.disconnect(self._receive)
        self._forget()
        worker.quit()
        if not worker.over.wait(PATIENCE):
            log.warning("%s has not ended after %g s", self.title, PATIENCE)

    def _receive(self, delivery: tuple[Worker, object]) -> None:
        worker, record = delivery
        if worker is not self._worker:
            return  # sent before its job was closed
        if isinstance(record, Ended):
            on_end = self._on_end
            self._forget()
            on_end(record)
            self.ended.emit(record)
        else:
            self._on_record(record)
            self.record.emit(record)
            worker.is_shown.set()

    def _forget(self) -> None:
        self._worker = None
        self._on_record = self._on_end = _ignore
        _running.pop(self._key, None)


_running: WeakValueDictionary[int, Runner] = WeakValueDictionary()
"""The runner of each viewer in which a job runs, by the viewer's id."""


def _ignore(_record: object) -> None:
    """Do nothing with a record."""


class _Mailbox(QObject):
    """Deliver from the thread of a worker, which is no QObject itself, to the main thread."""

    delivered = Signal(object)


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
        self.mailbox = _Mailbox()
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
        self.started.emit()
        request, ended = self.request, Ended[Any]()
        assert request is not None
        try:
            if request.needs_torch:
                load_torch()
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
        self.mailbox.delivered.emit((self, record))

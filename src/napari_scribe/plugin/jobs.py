"""Core jobs in a thread: their records on the main thread, stop, errors in words, a clean end."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

from napari.qt.threading import GeneratorWorker, create_worker
from qtpy.QtCore import QObject, Signal

from ..errors import InputError
from ..progress import Job
from .ready import load_torch
from .wording import explain, for_the_viewer

log = logging.getLogger("napari_scribe")

INTERVAL = 0.05
"""Seconds between ordinary records: more of them would only fill the main thread's queue."""
NICENESS = 10
PATIENCE = 30.0
"""Seconds that closing a viewer waits for a job to keep what it has."""


class Question(Exception):
    """Something that only the user can decide; raised while a job is prepared.

    Parameters
    ----------
    text
        The question.
    yes, no
        What the two buttons say.
    """

    def __init__(self, text: str, yes: str, no: str) -> None:
        super().__init__(text)
        self.text, self.yes, self.no = text, yes, no


@dataclass(frozen=True)
class Ended:
    """The last record of a job.

    Parameters
    ----------
    value
        What `finish` gave; None where there is nothing.
    error
        What went wrong, in words; empty if nothing did.
    question
        What has to be answered before the job can begin.
    """

    value: Any = None
    error: str = ""
    question: Question | None = None


class Runner(QObject):
    """Runs one job at a time in a thread.

    Signals
    -------
    record
        Each record of the job that is worth showing.
    ended
        `Ended`, once, whatever happened.
    """

    record = Signal(object)
    ended = Signal(object)

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._key = id(viewer)
        self._control: _Control | None = None
        self._worker: Any = None
        self.what = ""

    @property
    def is_running(self) -> bool:
        """Whether a job runs or is being prepared."""
        return self._control is not None

    @property
    def job(self) -> Any:
        """The job that runs; None while it is prepared."""
        return self._control.job if self._control else None

    def start(
        self, what: str, begin: Callable[[], Job[Any, Any]], finish: Callable[[Any], Any]
    ) -> None:
        """Start a job.

        Parameters
        ----------
        what
            What it is, for messages: "Training on nuclei".
        begin
            Makes the job; called in the thread. May raise `InputError` or `Question`.
        finish
            Called in the thread with the job when it has ended or was stopped; what it returns
            becomes `Ended.value`. It is called even if the viewer is gone by then.

        Raises
        ------
        InputError
            If a job runs for this viewer already.
        """
        other = _running.get(self._key)
        if other is not None:
            raise InputError(
                f"{other.what} is still running. Stop it first, or wait until it has ended."
            )
        self.what = what
        _running[self._key] = self
        self._control = _Control(what, begin, finish)
        self._worker = create_worker(
            _named(self._control), _worker_class=_Worker, _start_thread=False
        )
        self._worker.control = self._control
        self._worker.yielded.connect(self._receive)
        self._worker.start()

    def stop(self) -> None:
        """Ask the job for an early end that keeps the best so far."""
        if self._control is not None:
            self._control.stop()

    def close(self) -> None:
        """Stop, hear no more of it, and wait until what there is has been kept."""
        control, worker = self._control, self._worker
        if control is None:
            return
        worker.yielded.disconnect(self._receive)
        self._forget()
        control.stop()
        if not control.over.wait(PATIENCE):
            log.warning("%s has not ended after %g s", control.what, PATIENCE)

    def _receive(self, delivery: tuple[_Control, Any]) -> None:
        control, record = delivery
        if control is not self._control:
            return  # on its way when its job was closed
        if isinstance(record, Ended):
            self._forget()
            self.ended.emit(record)
        else:
            self.record.emit(record)

    def _forget(self) -> None:
        self._control = self._worker = None
        _running.pop(self._key, None)


_running: WeakValueDictionary[int, Runner] = WeakValueDictionary()


class _Control:
    """What the main thread and the job's thread share."""

    def __init__(
        self, what: str, begin: Callable[[], Job[Any, Any]], finish: Callable[[Any], Any]
    ) -> None:
        self.what, self.begin, self.finish = what, begin, finish
        self.job: Job[Any, Any] | None = None
        self.over = threading.Event()
        self.is_stopped = False

    def stop(self) -> None:
        self.is_stopped = True
        if (job := self.job) is not None:
            job.stop()

    def let_go(self) -> None:
        """Forget the job and all it holds: napari keeps every worker as long as its window."""
        self.job = None
        self.begin = self.finish = _nothing
        self.over.set()


def _nothing(*_args: Any) -> Any:
    return None


class _Worker(GeneratorWorker):
    """napari's worker, without two habits of its base class.

    That one swaps Python's warning filters while it runs, for all threads, and on quit it leaves
    the generator where it is. Here quit stops the job, which then ends by itself.
    """

    control: _Control

    def run(self) -> None:
        """Drive the generator to its end."""
        self.started.emit()
        self._running = True
        _let_the_viewer_go_first()
        try:
            for record in self._gen:
                self.yielded.emit((self.control, record))
        finally:
            self._running = False
            self._gen = None
            self.control.let_go()
            self.finished.emit()
            self._finished.emit(self)

    def quit(self) -> None:
        """Stop the job; napari calls this when its window closes."""
        self.control.stop()


class _named(partial):
    """What runs in the thread, with a name that a user can read when napari asks about it."""

    def __new__(cls, control: _Control) -> _named:
        return super().__new__(cls, _drive, control)

    def __repr__(self) -> str:
        return str(self.args[0].what)


def _drive(control: _Control) -> Generator[Any, None, None]:
    """The whole of a job, in its thread. Never raises: errors are records."""
    try:
        load_torch()
        control.job = job = control.begin()
        if control.is_stopped:
            yield Ended()
            return
        yield from _worth_showing(job)
        yield Ended(control.finish(job))
    except Question as question:
        yield Ended(question=question)
    except InputError as error:
        yield Ended(error=for_the_viewer(str(error)))
    except Exception as error:
        log.error("%s failed\n%s", control.what, traceback.format_exc())
        yield Ended(error=explain(error))


def _worth_showing(job: Iterable[Any]) -> Iterator[Any]:
    """Drive a job; of its ordinary records only one per `INTERVAL`."""
    last = 0.0
    for record in job:
        now = time.perf_counter()
        extras = (getattr(record, name, None) for name in ("preview", "validation", "note"))
        special = any(extra not in (None, "") for extra in extras)
        if special or now - last >= INTERVAL:
            last = now
            yield record


def _let_the_viewer_go_first() -> None:
    """Make this thread, and those that torch starts from it, give way to the main thread.

    Linux alone has a niceness of each thread. It cannot be taken back: the pool ends its threads
    when they have been idle for a while.
    """
    if sys.platform.startswith("linux"):
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)

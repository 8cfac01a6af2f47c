"""The thread of a job: what it shares with the main thread, its pace, its errors in words."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from napari.qt.threading import GeneratorWorker

from ...errors import InputError
from ...progress import Job
from ..messages import explain
from .torch_loader import load_torch

log = logging.getLogger("napari_scribe")

INTERVAL = 0.05
"""Seconds between ordinary records: more of them would only fill the main thread's queue."""


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


class Control:
    """What the main thread and the job's thread share."""

    def __init__(
        self, what: str, begin: Callable[[], Job[Any, Any]], finish: Callable[[Any], Any]
    ) -> None:
        self.what, self.begin, self.finish = what, begin, finish
        self.job: Job[Any, Any] | None = None
        self.over = threading.Event()
        self.go = threading.Event()
        self.go.set()
        self.is_stopped = False

    @property
    def is_paused(self) -> bool:
        """Whether the job's thread waits before its next step, or is about to."""
        return not self.go.is_set()

    def pause(self) -> None:
        """Let the thread wait where it would ask for the next step."""
        if not self.is_stopped:
            self.go.clear()

    def stop(self) -> None:
        """Ask the job for an early end, paused or not."""
        self.is_stopped = True
        if (job := self.job) is not None:
            job.stop()
        self.go.set()

    def let_go(self) -> None:
        """Forget the job and all it holds: napari keeps every worker as long as its window."""
        self.job = None
        self.begin = self.finish = _nothing
        self.over.set()


def _nothing(*_args: Any) -> Any:
    return None


class Worker(GeneratorWorker):
    """napari's worker, without two habits of its base class.

    That one swaps Python's warning filters while it runs, for all threads, and on quit it leaves
    the generator where it is. Here quit stops the job, which then ends by itself.
    """

    control: Control

    def run(self) -> None:
        """Drive the generator to its end."""
        self.started.emit()
        self._running = True
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


class Driven(partial):
    """What runs in the thread, with a name that a user can read when napari asks about it."""

    def __new__(cls, control: Control) -> Driven:
        """For one job."""
        return super().__new__(cls, _drive, control)

    def __repr__(self) -> str:
        return str(self.args[0].what)


def _drive(control: Control) -> Generator[Any, None, None]:
    """The whole of a job, in its thread. Never raises: errors are records."""
    try:
        load_torch()
        control.job = job = control.begin()
        if control.is_stopped:
            yield Ended()
            return
        yield from _worth_showing(job, control)
        yield Ended(control.finish(job))
    except Question as question:
        yield Ended(question=question)
    except InputError as error:
        yield Ended(error=str(error))
    except Exception as error:
        log.error("%s failed\n%s", control.what, traceback.format_exc())
        yield Ended(error=explain(error))


def _worth_showing(job: Job[Any, Any], control: Control) -> Iterator[Any]:
    """Drive a job at the user's pace; of its ordinary records only one per `INTERVAL`."""
    last = 0.0
    control.go.wait()
    for record in job:
        now = time.perf_counter()
        extras = (getattr(record, name, None) for name in ("preview", "validation", "note"))
        special = any(extra not in (None, "") for extra in extras)
        if special or control.is_paused or now - last >= INTERVAL:
            last = now
            yield record
        control.go.wait()

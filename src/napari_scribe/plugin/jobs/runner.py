"""Core jobs in a thread: their records on the main thread, pause, stop, a clean end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal

from ...errors import InputError
from ...progress import Job
from .remaining_time import Pace, Progressed
from .worker import Control, Driven, Ended, Question, Worker

__all__ = ["Ended", "JobRun", "Question", "Runner"]

log = logging.getLogger("napari_scribe")

PATIENCE = 30.0
"""Seconds that closing a viewer waits for a job to keep what it has."""


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
        self._control: Control | None = None
        self._worker: Any = None
        self.what = ""

    @property
    def is_running(self) -> bool:
        """Whether a job runs, is paused or is being prepared."""
        return self._control is not None

    @property
    def is_paused(self) -> bool:
        """Whether a job waits for `resume`."""
        return self._control is not None and self._control.is_paused

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
        self.check_free()
        self.what = what
        _running[self._key] = self
        self._control = Control(what, begin, finish)
        self._worker = create_worker(
            Driven(self._control), _worker_class=Worker, _start_thread=False
        )
        self._worker.control = self._control
        self._worker.yielded.connect(self._receive)
        self._worker.start()

    def check_free(self) -> None:
        """Make sure that a job can be started.

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

    def pause(self) -> None:
        """Let the job wait before its next step. It keeps its memory, but computes nothing."""
        if self._control is not None:
            self._control.pause()

    def resume(self) -> None:
        """Let it go on."""
        if self._control is not None:
            self._control.go.set()

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

    def _receive(self, delivery: tuple[Control, Any]) -> None:
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


class JobRun(QObject):
    """Drives one kind of job on a runner, and hears of its own jobs alone.

    Its records have ``done`` and ``total``. What differs between kinds is in `_on_record` and
    `_on_ended`.

    Attributes
    ----------
    is_mine
        Whether what runs is of this kind.

    Signals
    -------
    stepped
        `Progressed`, now and then.
    ended
        `Ended`, once.
    """

    stepped = Signal(object)
    ended = Signal(object)
    part = "tile"
    """What is counted."""

    def __init__(self, runner: Runner) -> None:
        super().__init__()
        self.runner = runner
        self.pace = Pace()
        self.is_mine = False

    def begin(
        self, what: str, begin: Callable[[], Job[Any, Any]], finish: Callable[[Any], Any]
    ) -> None:
        """Start a job, as `Runner.start`."""
        self.runner.start(what, begin, finish)
        self.pace = Pace()
        self.is_mine = True
        self.runner.record.connect(self._on_record)
        self.runner.ended.connect(self._on_ended)

    def pause(self) -> None:
        """Let it wait, and its clock with it."""
        self.runner.pause()
        self.pace.pause()

    def resume(self) -> None:
        """Let it go on."""
        self.pace.resume()
        self.runner.resume()

    def close(self) -> None:
        """Stop, and hear no more of it."""
        if self.is_mine:
            self._drop()
            self.runner.close()

    def _drop(self) -> None:
        self.is_mine = False
        self.runner.record.disconnect(self._on_record)
        self.runner.ended.disconnect(self._on_ended)

    def _on_record(self, record: Any) -> None:
        self.pace.add(record.done, record.total)
        self.stepped.emit(Progressed(self.pace.fraction, self.pace.in_words(self.part)))

    def _on_ended(self, ended: Ended) -> None:
        self._drop()
        self.ended.emit(ended)

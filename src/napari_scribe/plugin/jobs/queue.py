"""Let the jobs of a viewer take turns: what a person asks for is never refused, it waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from qtpy.QtCore import QObject, QTimer, Signal

from ...errors import InputError
from .request import Ended, Request


@dataclass(eq=False)
class Turn:
    """Hold a job that was asked for, from the click to its end.

    Parameters
    ----------
    runner
        Runs it, and one job at a time.
    request
        What was asked for.
    begin
        Called with this turn once nothing is before it.
    on_begin, on_record, on_end
        Called when it begins, with each record, and when it has ended. It does not begin where
        `on_begin` raises an `InputError`.
    has_begun
        Whether it has left the line.
    """

    runner: object
    request: Request[Any, Any]
    begin: Callable[[Turn], None]
    on_begin: Callable[[], None]
    on_record: Callable[[Any], None]
    on_end: Callable[[Ended[Any]], None]
    has_begun: bool = False

    def comes_after(self, other: Turn) -> bool:
        """Return whether it cannot run beside another one, asked for earlier.

        Two networks at once would each take memory, and more than twice the time. What needs none,
        as measuring, goes on beside a training, which may last for hours.
        """
        both_compute = self.request.needs_torch and other.request.needs_torch
        return both_compute or self.runner is other.runner


class JobQueue(QObject):
    """Hold the jobs of a viewer that run, and those that wait for them.

    Signals
    -------
    moved
        Somebody's place in the line may be another one.
    """

    moved = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._turns: list[Turn] = []
        self._place_of_ended: int | None = None
        # Not at once: where docks close one after the other, nothing may begin between two.
        self._soon = QTimer(self, interval=0, singleShot=True)
        self._soon.timeout.connect(self._begin_next)

    def turns_of(self, runner: object) -> list[Turn]:
        """Return what a runner runs, and then what it waits for."""
        return [turn for turn in self._turns if turn.runner is runner]

    def before(self, turn: Turn) -> list[Turn]:
        """Return what a job waits for; what runs comes first."""
        earlier = self._turns[: self._turns.index(turn)]
        return [other for other in earlier if turn.comes_after(other)]

    def add(self, turn: Turn) -> None:
        """Let a job begin, or put it at the end of the line.

        Raises
        ------
        InputError
            If it would have to wait and cannot.
        """
        place = len(self._turns) if self._place_of_ended is None else self._place_of_ended
        self._turns.insert(place, turn)
        if not (before := self.before(turn)):
            self._begin(turn)
        elif not turn.request.can_wait:
            self._turns.remove(turn)
            raise InputError(
                f"{before[0].request.title} is still running. Stop it first, or wait until it has "
                "ended."
            )
        self.moved.emit()

    def remove(self, turn: Turn) -> None:
        """Take a job out, whether it runs or waits."""
        self._turns.remove(turn)
        self._soon.start()

    @contextmanager
    def ending(self, turn: Turn) -> Iterator[None]:
        """Take a job out; what is added meanwhile goes on from it, and takes its place."""
        self._place_of_ended = self._turns.index(turn)
        self.remove(turn)
        try:
            yield
        finally:
            self._place_of_ended = None

    def in_words(self, turn: Turn) -> str:
        """Return what a job waits for, and its place in the line."""
        before = self.before(turn)
        title = before[0].request.title
        place = "next" if len(before) == 1 else _ordinal(len(before))
        return f"Waiting for {title[:1].lower()}{title[1:]} to end ({place} in line)."

    def _begin(self, turn: Turn) -> None:
        turn.has_begun = True
        turn.begin(turn)

    def _begin_next(self) -> None:
        """Begin what nothing is before any more."""
        for turn in [*self._turns]:
            if not turn.has_begun and turn in self._turns and not self.before(turn):
                self._begin(turn)
        self.moved.emit()


def queue_of(key: int) -> JobQueue:
    """Return the queue of a viewer, by the viewer's id; it lives as long as a runner has it."""
    queue = _queues.get(key)
    if queue is None:
        queue = _queues[key] = JobQueue()
    return queue


_queues: WeakValueDictionary[int, JobQueue] = WeakValueDictionary()


def _ordinal(number: int) -> str:
    """Return "2nd" for 2."""
    is_teen = number % 100 in (11, 12, 13)
    return f"{number}{'th' if is_teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"

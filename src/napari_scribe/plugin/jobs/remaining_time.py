"""How fast a job goes and how long it will take, pauses left out."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ..model_library import duration

WINDOW = 30.0
"""Seconds looked back: long enough to be calm, short enough to follow a machine that gets busy."""
SETTLED = 0.5
"""Seconds of work before a pace is told."""


@dataclass(frozen=True)
class Progressed:
    """A state of a progress bar.

    Parameters
    ----------
    fraction
        Share that is done, 0 to 1.
    text
        In words.
    detail
        What it says where somebody points at it.
    """

    fraction: float
    text: str
    detail: str = ""


class Pace:
    """Parts done over seconds of work.

    What was there at the first record is not counted as work: an earlier run may have done it.

    Parameters
    ----------
    clock
        Seconds since whenever.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._rest = 0.0
        self._paused_at: float | None = None
        self._seen: deque[tuple[float, float]] = deque()
        self.done = self.total = 0.0

    @property
    def active(self) -> float:
        """Seconds since the start, without pauses."""
        now = self._clock() if self._paused_at is None else self._paused_at
        return now - self._began - self._rest

    @property
    def fraction(self) -> float:
        """Share that is done, 0 to 1."""
        return self.done / self.total if self.total else 0.0

    @property
    def rate(self) -> float | None:
        """Parts a second, of late; None while nobody can know."""
        if len(self._seen) < 2:
            return None
        (then, before), (now, done) = self._seen[0], self._seen[-1]
        return (done - before) / (now - then) if done > before and now - then >= SETTLED else None

    @property
    def is_paused(self) -> bool:
        """Whether the clock stands."""
        return self._paused_at is not None

    def turn(self) -> None:
        """Begin something of another speed: that of before tells nothing about it."""
        self._seen.clear()

    def pause(self) -> None:
        """Stop the clock."""
        if self._paused_at is None:
            self._paused_at = self._clock()

    def resume(self) -> None:
        """Let the clock run again."""
        if self._paused_at is not None:
            self._rest += self._clock() - self._paused_at
            self._paused_at = None

    def add(self, done: float, total: float) -> None:
        """Take down how much is done."""
        self.done, self.total = done, total
        self._seen.append((self.active, done))
        while len(self._seen) > 2 and self._seen[-1][0] - self._seen[1][0] >= WINDOW:
            self._seen.popleft()

    def in_words(self, part: str, is_brief: bool = False) -> str:
        """As in "tile 120 of 900, 3.1 tiles/s, 4:10 min left"; without the speed where brief."""
        speed = "" if is_brief else self._speed(part)
        return f"{part} {self.done:.0f} of {self.total:.0f}{speed}{self.left}"

    def _speed(self, part: str) -> str:
        rate = self.rate
        if rate is None:
            return ""
        if rate < 1:
            return f", {1 / rate:.{1 if rate > 0.1 else 0}f} s a {part}"
        return f", {rate:.{1 if rate < 10 else 0}f} {part}s/s"

    @property
    def left(self) -> str:
        """As in ", 4:10 min left"; empty while nobody can know."""
        rate = self.rate
        return f", {duration((self.total - self.done) / rate)} left" if rate else ""

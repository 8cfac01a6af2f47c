"""Measure how fast a job works and how long it will take, pauses left out."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ..model_library import duration

WINDOW = 30.0
"""Seconds looked back: long enough to be calm, short enough to notice a machine that gets busy."""
SETTLED = 0.5
"""Seconds of work before a speed is shown."""


@dataclass(frozen=True)
class Progressed:
    """Hold a state of a progress bar.

    Parameters
    ----------
    fraction
        Share that is done, 0 to 1.
    text
        In words.
    detail
        The tooltip.
    """

    fraction: float
    text: str
    detail: str = ""


class JobClock:
    """Measure the parts of a job that are done against the seconds of work.

    What was done at the first record is not counted: an earlier run may have done it.

    Parameters
    ----------
    now
        Returns seconds since some fixed moment.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began = now()
        self._paused = 0.0
        self._paused_at: float | None = None
        self._phase = ""
        self._samples: deque[tuple[float, float]] = deque()
        self.done = self.total = 0.0

    @property
    def seconds(self) -> float:
        """Return the seconds of work since the start, without pauses."""
        now = self._now() if self._paused_at is None else self._paused_at
        return now - self._began - self._paused

    @property
    def fraction(self) -> float:
        """Return the share that is done, 0 to 1."""
        return self.done / self.total if self.total else 0.0

    @property
    def speed(self) -> float | None:
        """Return the parts done in a second, of late; None while too little is known."""
        if len(self._samples) < 2:
            return None
        (then, before), (now, done) = self._samples[0], self._samples[-1]
        return (done - before) / (now - then) if done > before and now - then >= SETTLED else None

    @property
    def is_paused(self) -> bool:
        """Return whether the clock stands still."""
        return self._paused_at is not None

    def pause(self) -> None:
        """Stop the clock."""
        if self._paused_at is None:
            self._paused_at = self._now()

    def resume(self) -> None:
        """Start the clock again."""
        if self._paused_at is not None:
            self._paused += self._now() - self._paused_at
            self._paused_at = None

    def add(self, done: float, total: float, phase: str = "") -> None:
        """Record how much is done; the speed of another phase is measured anew."""
        if phase != self._phase:
            self._samples.clear()
        self._phase, self.done, self.total = phase, done, total
        self._samples.append((self.seconds, done))
        while len(self._samples) > 2 and self._samples[-1][0] - self._samples[1][0] >= WINDOW:
            self._samples.popleft()

    def in_words(self, part: str, *, with_speed: bool = True) -> str:
        """Return how far it is, as in "tile 120 of 900, 3.1 tiles/s, 4:10 min left"."""
        speed = self._speed_in_words(part) if with_speed else ""
        return f"{part} {self.done:.0f} of {self.total:.0f}{speed}{self.time_left}"

    def _speed_in_words(self, part: str) -> str:
        speed = self.speed
        if speed is None:
            return ""
        if speed < 1:
            return f", {1 / speed:.{1 if speed > 0.1 else 0}f} s a {part}"
        return f", {speed:.{1 if speed < 10 else 0}f} {part}s/s"

    @property
    def time_left(self) -> str:
        """Return the time left, as in ", 4:10 min left"; empty while too little is known."""
        speed = self.speed
        return f", {duration((self.total - self.done) / speed)} left" if speed else ""

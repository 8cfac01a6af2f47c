"""Show a job in napari's activity area, too, where other plugins show theirs."""

from __future__ import annotations

from napari.utils import progress
from qtpy.QtCore import QObject, QTimer

from .progress import Progressed

TICK = 1000
"""Milliseconds between two states. What takes less time is not shown there."""
PARTS = 1000
"""Parts of the bar."""


class Activity(QObject):
    """Show one job at a time.

    napari lets all waiting events happen each time it draws such a bar. So it is drawn by a timer
    of its own, and never while a record of the job is handled.
    """

    def __init__(self) -> None:
        super().__init__()
        self._title = ""
        self._state = Progressed(0.0, "")
        self._bar: progress | None = None
        self._tick = QTimer(self, interval=TICK)
        self._tick.timeout.connect(self._show)

    def begin(self, title: str) -> None:
        """Begin to show a job."""
        self.end()
        self._title, self._state = title, Progressed(0.0, "")
        self._tick.start()

    def tell(self, state: Progressed) -> None:
        """Take how far the job is; it is shown with the next tick."""
        self._state = state

    def end(self) -> None:
        """Take the bar away."""
        self._tick.stop()
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()

    def _show(self) -> None:
        if self._bar is None:
            bar = progress(total=PARTS, desc=self._title)
            if not self._tick.isActive():  # the job has ended while napari made the bar
                bar.close()
                return
            self._bar = bar
        bar = self._bar
        n = round(PARTS * self._state.fraction)
        bar.n = n
        bar.events.eta(value=self._state.text)
        bar.events.value(value=n)  # the last act: anything may happen in there

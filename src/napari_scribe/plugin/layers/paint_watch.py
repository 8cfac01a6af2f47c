"""Count what is painted on a layer whenever that has changed, in a thread."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import numpy as np
from napari.layers import Labels as LabelsLayer
from qtpy.QtCore import QObject, QTimer, Signal

from ...arrays import Pixels
from ...errors import InputError
from ...session.paint_state import COUNTED, PaintCounter, PaintState
from ..jobs.mailbox import Mailbox
from .conversion import paint_events

SETTLED = 300
"""Milliseconds without a stroke after which the paint is counted."""


class PaintWatch(QObject):
    """Follow the paint of a layer.

    Signals
    -------
    counted
        A `PaintState`; None where there is no layer, or its paint does not fit, is not in memory,
        or is too large to be counted while somebody paints.
    """

    counted = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._events: list[Any] = []
        self._read: Callable[[], Pixels] | None = None
        self._counter = PaintCounter()
        self._pool = ThreadPoolExecutor(1)
        self._soon = QTimer(self, interval=SETTLED, singleShot=True)
        self._soon.timeout.connect(self._count)
        self._is_closed = False
        self._mailbox = Mailbox()
        self._mailbox.delivered.connect(self._on_done)

    def follow(self, layer: LabelsLayer | None, read: Callable[[], Pixels]) -> None:
        """Follow a layer, and the one of before no more.

        Parameters
        ----------
        read
            Return its paint, without a copy; an `InputError` is that it does not fit.
        """
        self._leave()
        self._counter = PaintCounter()
        self._read = None if layer is None else read
        if layer is not None:  # undo is told of by set_data alone
            self._events = [*paint_events(layer), layer.events.set_data]
        for event in self._events:
            event.connect(self._on_paint)
        self._count()

    def close(self) -> None:
        """Let go of the layer, and of its reader."""
        self._leave()
        self._read, self._is_closed = None, True
        self._soon.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _leave(self) -> None:
        for event in self._events:
            event.disconnect(self._on_paint)
        self._events = []

    def _on_paint(self, _event: Any = None) -> None:
        self._soon.start()  # anew with each stroke

    def _count(self) -> None:
        self._soon.stop()
        paint = None
        if self._read is not None:
            with suppress(InputError):  # it is told where Train is pressed
                paint = self._read()
        if paint is None or math.prod(paint.shape) > COUNTED:
            self.counted.emit(None)
            return
        if not self._is_closed:
            self._pool.submit(_count, self._counter, paint, self._mailbox.send)

    def _on_done(self, answer: tuple[PaintCounter, PaintState]) -> None:
        counter, state = answer
        if counter is self._counter:  # else another layer is followed by now
            self.counted.emit(state)


def _count(counter: PaintCounter, paint: np.ndarray, tell: Callable[[object], None]) -> None:
    tell((counter, counter.count(paint)))

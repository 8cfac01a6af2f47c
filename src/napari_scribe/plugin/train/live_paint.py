"""Hand new paint to a training while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from napari import Viewer
from napari.utils.events import Event
from qtpy.QtCore import QTimer

from ...errors import InputError
from ..jobs.previews import LivePreviews
from ..jobs.runner import Runner
from ..layers.conversion import paint_events, paint_of
from .job import TrainRequest

SETTLED = 1.0
"""Seconds without a stroke after which new paint is taken: a half drawn object teaches nonsense."""


class LivePaint(LivePreviews):
    """Connect a training that runs with the viewer: paint goes in, previews come out."""

    request: TrainRequest

    def __init__(
        self, viewer: Viewer, runner: Runner, request: TrainRequest, warn: Callable[[str], None]
    ) -> None:
        super().__init__(viewer, runner, request, warn)
        self._sent = request.paint
        self._settle = QTimer(self, interval=int(1000 * SETTLED), singleShot=True)
        self._settle.timeout.connect(self._send_paint)
        layer = request.paint_layer
        self._events = [*paint_events(layer), layer.events.set_data]
        for event in self._events:
            event.connect(self._on_paint)

    def close(self) -> None:
        """Let go of the viewer and of the paint."""
        super().close()
        self._settle.stop()
        for event in self._events:
            event.disconnect(self._on_paint)
        self._events = []

    def on_removed(self, event: Event) -> None:
        """Take no paint any more where a layer of the training is removed."""
        if event.value in self.request.layers:
            self._settle.stop()
        super().on_removed(event)

    def _on_paint(self, _event: Any = None) -> None:
        self._settle.start()  # anew with each stroke

    def _send_paint(self) -> None:
        """Hand a snapshot of the paint to the training, if it differs from the last one."""
        job, request = self.runner.job, self.request
        if request.paint_layer not in self.viewer.layers:
            return
        if job is None:  # still being prepared
            self._settle.start()
            return
        from ...targets import Paint

        try:
            paint = paint_of(request.paint_layer, request.image_layer, request.image)
            if not np.array_equal(paint, self._sent):
                job.update_paint([Paint(paint, request.complete or None)])
                self._sent = paint
        except InputError as error:
            self.warn(f"{error} Training goes on with the paint from before.")

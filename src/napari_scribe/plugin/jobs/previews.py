"""Show previews of what is visible while a training runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari import Viewer
from napari.utils.events import Event
from qtpy.QtCore import QObject, QTimer

from ..layers.purpose import is_preview
from ..layers.results import set_previews_visible
from .request import Ended
from .runner import Runner
from .training import TrainingRequest

if TYPE_CHECKING:
    from ...training.job import TrainStep

PREVIEW_EVERY = 1.0
PREVIEW_SHARE = 0.13
"""Previews come every second at most, and take at most about this share of the time."""
TICK = 100
"""Milliseconds between two looks whether a preview is due; the first one is due at once."""


class LivePreviews(QObject):
    """Connect a training that runs with the viewer: previews come out, removed layers are noticed.

    Parameters
    ----------
    warn
        Tells the user something while it runs.
    """

    def __init__(
        self,
        viewer: Viewer,
        runner: Runner,
        request: TrainingRequest,
        warn: Callable[[str], None],
    ) -> None:
        super().__init__()
        self.viewer, self.runner, self.request, self.warn = viewer, runner, request, warn
        self._latency = 0.0
        self._asked_at: float | None = None
        self._answered_at: float | None = None
        self._is_waiting = False
        self._tick = QTimer(self, interval=TICK)
        self._tick.timeout.connect(self._ask_for_preview)
        set_previews_visible(viewer, request.image_layer, True)
        viewer.layers.events.removed.connect(self.on_removed)
        # A 3D network on an image without Z is an error, which the job reports.
        if request.has_previews and ("Z" in request.image.axes or request.dimensions == 2):
            self._tick.start()

    def step(self, record: TrainStep) -> None:
        """Show the preview of a record, and tell its note."""
        if record.preview is not None or record.has_no_preview:
            now = time.monotonic()
            # The first one waits for the network to be made: that says nothing about the next.
            if self._answered_at is not None and self._asked_at is not None:
                self._latency = now - self._asked_at
            if record.preview is not None and self.request.image_layer in self.viewer.layers:
                self.request.show_preview(self.viewer, record.preview)
            self._answered_at, self._is_waiting = time.monotonic(), False
        if record.note:
            self.warn(record.note)

    def end(self, ended: Ended[Any]) -> Ended[Any]:
        """Let go of the viewer; how the job ended stays as it is."""
        self.close()
        return ended

    def close(self) -> None:
        """Let go of the viewer."""
        self._tick.stop()
        self.viewer.layers.events.removed.disconnect(self.on_removed)

    def on_removed(self, event: Event) -> None:
        """Tell the user that a layer of the training was removed; preview no more what is gone."""
        layer = event.value
        if layer in self.request.layers:
            if layer is self.request.image_layer:
                self._tick.stop()
            self.warn(
                f"{layer.name} was removed. Training goes on with what it had; Stop keeps the "
                "model."
            )
        elif is_preview(layer):
            self._tick.stop()  # whoever removes the preview does not want it back

    def _ask_for_preview(self) -> None:
        job = self.runner.job
        if job is None or self._is_waiting:
            return
        pause = max(PREVIEW_EVERY, self._latency * (1 / PREVIEW_SHARE - 1))
        if self._answered_at is None or time.monotonic() - self._answered_at >= pause:
            self._asked_at, self._is_waiting = time.monotonic(), True
            job.request_preview(0, *self.request.visible_field(self.viewer))

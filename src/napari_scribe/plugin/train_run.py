"""A training and the layers it belongs to: paint goes in while it runs, previews come out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from ..errors import InputError
from .jobs import Ended, Runner
from .layers import note, paint_of
from .results import set_previews_visible, show_window
from .train_work import TrainInput, begin, finish
from .view import visible_field

if TYPE_CHECKING:
    from ..training.train import Preview, TrainStep

SETTLED = 1.0
"""Seconds without a stroke after which new paint is taken: a half drawn object teaches nonsense."""
PREVIEW_EVERY = 1.0
PREVIEW_SHARE = 0.2
"""Previews come every second at most, and take at most about this share of the time."""


class TrainRun(QObject):
    """Drives one training at a time for a viewer.

    Signals
    -------
    stepped
        Each `TrainStep` that is worth showing.
    ended
        `Ended`, with `Trained` as its value.
    told
        A word to the user while it runs.
    """

    stepped = Signal(object)
    ended = Signal(object)
    told = Signal(str)

    def __init__(self, viewer: Any, runner: Runner) -> None:
        super().__init__()
        self.viewer, self.runner = viewer, runner
        self.given: TrainInput | None = None
        self._connections: list[tuple[Any, Any]] = []
        self._settle = QTimer(self, interval=int(1000 * SETTLED), singleShot=True)
        self._settle.timeout.connect(self.take_paint)
        self._tick = QTimer(self, interval=200)
        self._tick.timeout.connect(self._ask_for_preview)

    def start(self, given: TrainInput) -> None:
        """Begin.

        Raises
        ------
        InputError
            If another job runs.
        """
        field = None
        if given.has_previews:
            layer, dimensions = given.image_layer, given.recipe.network.dimensions
            if "Z" in given.image.axes or dimensions == 2:
                field = visible_field(self.viewer, layer, given.image, dimensions)
        self.runner.start(
            f"Training on {given.image.name}",
            lambda: begin(given, field),
            lambda job: finish(job, given),
        )
        self.given, self._sent = given, given.paint
        self._asked_at: float | None = None
        self._arrived_at: float | None = None
        self._latency = 0.0
        set_previews_visible(self.viewer, given.image_layer, True)
        self._connect()

    def _connect(self) -> None:
        """The one list of what is listened to while a training runs; `_drop` ends it all."""
        given = self.given
        assert given is not None
        events, layers = given.paint_layer.events, self.viewer.layers.events
        self._connections = [
            (events.paint, self._on_paint),
            (events.labels_update, self._on_paint),
            (events.data, self._on_paint),
            (events.set_data, self._on_paint),  # undo tells by nothing else
            (layers.removed, self._on_removed),
            (self.runner.record, self._on_record),
            (self.runner.ended, self._on_ended),
        ]
        for emitter, slot in self._connections:
            emitter.connect(slot)
        if given.has_previews:
            self._tick.start()

    def _drop(self) -> None:
        for emitter, slot in self._connections:
            emitter.disconnect(slot)
        self._connections = []
        self._settle.stop()
        self._tick.stop()

    def close(self) -> None:
        """Stop, keep the model, and hear no more of it."""
        if self._connections:
            self._drop()
            self.runner.close()

    def take_paint(self) -> None:
        """Hand a snapshot of the paint to the training, if it differs from the last one."""
        job, given = self.runner.job, self.given
        if given is None or given.paint_layer not in self.viewer.layers:
            return
        if job is None:  # still being prepared
            self._settle.start()
            return
        from ..targets import Paint

        try:
            paint = paint_of(given.paint_layer, given.image_layer, given.image)
            if not np.array_equal(paint, self._sent):
                job.update_paint([Paint(paint)])
                self._sent = paint
        except InputError as error:
            self.told.emit(f"{error} Training goes on with the paint from before.")

    def _on_paint(self, _event: Any = None) -> None:
        self._settle.start()  # anew with each stroke

    def _ask_for_preview(self) -> None:
        job, given = self.runner.job, self.given
        if given is None or job is None or self._arrived_at is None:
            return
        pause = max(PREVIEW_EVERY, self._latency * (1 / PREVIEW_SHARE - 1))
        if time.monotonic() - self._arrived_at < pause:
            return
        field = visible_field(
            self.viewer, given.image_layer, given.image, given.recipe.network.dimensions
        )
        self._asked_at, self._arrived_at = time.monotonic(), None
        job.request_preview(0, *field)

    def _on_record(self, step: TrainStep) -> None:
        if step.preview is not None:
            if self._asked_at is not None:  # the first one was asked for before the job began
                self._latency = time.monotonic() - self._asked_at
            self._show(step.preview)
            self._arrived_at = time.monotonic()
        if step.note:
            self.told.emit(step.note)
        self.stepped.emit(step)

    def _show(self, preview: Preview) -> None:
        from .colors import paint_colormap, preview_colormap

        given = self.given
        if given is None or given.image_layer not in self.viewer.layers:
            return
        look: dict[str, Any] = (
            {"colormap": preview_colormap(), "opacity": 0.9, "contour": 2}
            if given.recipe.task == "objects"
            else {"colormap": paint_colormap(hide_background=True), "opacity": 0.35}
        )
        show_window(
            self.viewer,
            given.image_layer,
            given.image,
            preview.frame,
            preview.window,
            preview.labels,
            "preview",
            **look,
        )

    def _on_removed(self, event: Any) -> None:
        given = self.given
        if given is None:
            return
        if event.value is given.image_layer or event.value is given.paint_layer:
            self._settle.stop()
            if event.value is given.image_layer:
                self._tick.stop()
            self.told.emit(
                f"{event.value.name} was removed. Training goes on with what it had; Stop keeps "
                "the model."
            )
        elif note(event.value).get("purpose") == "preview":
            self._tick.stop()  # whoever removes the preview does not want it back

    def _on_ended(self, ended: Ended) -> None:
        self._drop()
        self.ended.emit(ended)

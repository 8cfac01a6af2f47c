"""A training and the image it belongs to: previews of what is visible come out while it runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from ..layers.conversion import note
from ..layers.results import set_previews_visible
from ..layers.visible import visible_field
from .runner import Ended, Runner

if TYPE_CHECKING:
    from ...training.trainer import TrainStep
    from ..train.job import Trained
    from ..widgets.feedback import Message

PREVIEW_EVERY = 1.0
PREVIEW_SHARE = 0.2
"""Previews come every second at most, and take at most about this share of the time."""
GONE = "{} was removed since this training began: it goes on, without a preview."


class TrainingRun(QObject):
    """Drives one training at a time for a viewer.

    What differs between kinds of training is in `make`, `take`, `show` and `listened`.

    Signals
    -------
    stepped
        Each `TrainStep` that is worth showing.
    ended
        `Ended`, with what `take` gave as its value.
    told
        A word to the user while it runs.
    """

    stepped = Signal(object)
    ended = Signal(object)
    told = Signal(str)

    def __init__(self, viewer: Any, runner: Runner) -> None:
        super().__init__()
        self.viewer, self.runner = viewer, runner
        self.given: Any = None
        self._connections: list[tuple[Any, Any]] = []
        self._tick = QTimer(self, interval=200)
        self._tick.timeout.connect(self._ask_for_preview)

    @staticmethod
    def make(given: Any, field: Any) -> Any:
        """Make the job, with a first preview of a field asked for; in its thread."""
        raise NotImplementedError

    @staticmethod
    def take(job: Any, given: Any) -> Any:
        """Keep what it gave; in its thread."""
        raise NotImplementedError

    def show(self, given: Any, preview: Any) -> None:
        """Show a preview."""
        raise NotImplementedError

    def listened(self, given: Any) -> list[tuple[Any, Any]]:
        """Signals and slots besides those of all trainings."""
        return []

    @property
    def has_image(self) -> bool:
        """Whether the image of the last training is still there."""
        return self.given is not None and self.given.image_layer in self.viewer.layers

    def field(self, given: Any) -> Any:
        """What is previewed: frame and window."""
        return visible_field(self.viewer, given.image_layer, given.image, given.dimensions)

    def start(self, given: Any) -> None:
        """Begin.

        Raises
        ------
        InputError
            If another job runs.
        """
        field, make, take = None, self.make, self.take
        is_gone = given.image_layer not in self.viewer.layers
        if is_gone:
            given = given.changed(has_previews=False)
        if given.has_previews and ("Z" in given.image.axes or given.dimensions == 2):
            field = self.field(given)
        self.runner.start(
            f"Training on {given.image.name}",
            lambda: make(given, field),
            lambda job: take(job, given),
        )
        self.given = given
        self._asked_at: float | None = None
        self._arrived_at: float | None = None
        self._latency = 0.0
        if not is_gone:
            set_previews_visible(self.viewer, given.image_layer, True)
        self._connect()
        if is_gone:
            self.told.emit(GONE.format(given.image_layer.name))

    def _connect(self) -> None:
        """The one list of what is listened to while a training runs; `_drop` ends it all."""
        self._connections = [
            *self.listened(self.given),
            (self.viewer.layers.events.removed, self._on_removed),
            (self.runner.record, self._on_record),
            (self.runner.ended, self._on_ended),
        ]
        for emitter, slot in self._connections:
            emitter.connect(slot)
        if self.given.has_previews:
            self._tick.start()

    def _drop(self) -> None:
        for emitter, slot in self._connections:
            emitter.disconnect(slot)
        self._connections = []
        self._tick.stop()

    def close(self) -> None:
        """Stop, keep the model, and hear no more of it."""
        if self._connections:
            self._drop()
            self.runner.close()

    def _ask_for_preview(self) -> None:
        job, given = self.runner.job, self.given
        if given is None or job is None or self._arrived_at is None:
            return
        pause = max(PREVIEW_EVERY, self._latency * (1 / PREVIEW_SHARE - 1))
        if time.monotonic() - self._arrived_at < pause:
            return
        field = self.field(given)
        self._asked_at, self._arrived_at = time.monotonic(), None
        job.request_preview(0, *field)

    def _on_record(self, step: TrainStep) -> None:
        if step.preview is not None:
            if self._asked_at is not None:  # the first one was asked for before the job began
                self._latency = time.monotonic() - self._asked_at
            if self.given is not None and self.given.image_layer in self.viewer.layers:
                self.show(self.given, step.preview)
            self._arrived_at = time.monotonic()
        if step.note:
            self.told.emit(step.note)
        self.stepped.emit(step)

    def _on_removed(self, event: Any) -> None:
        given = self.given
        if given is None:
            return
        if event.value in given.layers:
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


def tell_kept(message: Message, trained: Trained, on: str) -> None:
    """Say where a trained model is kept; `on` is what it was trained on."""
    if trained.is_parent:
        message.info(
            f"Training on {on} did not improve the model it started from, so that one is kept."
        )
    elif trained.path is None:
        message.error(f"{trained.problem} The model is there until the dock is closed.")
    elif trained.problem:
        message.error(f"{trained.problem} The best model is kept as {trained.path.stem}.")
    else:
        message.info(f"Kept as {trained.path.stem}.")
        message.setToolTip(str(trained.path))

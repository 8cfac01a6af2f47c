"""A training on paint and its layers: paint goes in while it runs, previews come out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer

from ...errors import InputError
from ..jobs.runner import Runner
from ..jobs.training import TrainingRun
from ..layers.colors import preview_look
from ..layers.conversion import paint_events, paint_of
from ..layers.results import show_window
from .job import TrainInput, begin, finish

if TYPE_CHECKING:
    from ...training.train import Preview

SETTLED = 1.0
"""Seconds without a stroke after which new paint is taken: a half drawn object teaches nonsense."""


class TrainRun(TrainingRun):
    """Drives one training on paint at a time for a viewer; its `ended` comes with `Trained`."""

    def __init__(self, viewer: Any, runner: Runner) -> None:
        super().__init__(viewer, runner)
        self._settle = QTimer(self, interval=int(1000 * SETTLED), singleShot=True)
        self._settle.timeout.connect(self.take_paint)

    @staticmethod
    def make(given: TrainInput, field: Any) -> Any:
        """Make the job; in its thread."""
        return begin(given, field)

    @staticmethod
    def take(job: Any, given: TrainInput) -> Any:
        """Keep the model; in its thread."""
        return finish(job, given)

    def start(self, given: TrainInput) -> None:
        """Begin.

        Raises
        ------
        InputError
            If another job runs.
        """
        super().start(given)
        self._sent = given.paint

    def listened(self, given: TrainInput) -> list[tuple[Any, Any]]:
        """Everything that tells of new paint."""
        events = [*paint_events(given.paint_layer), given.paint_layer.events.set_data]
        return [(event, self._on_paint) for event in events]

    def _drop(self) -> None:
        super()._drop()
        self._settle.stop()

    def take_paint(self) -> None:
        """Hand a snapshot of the paint to the training, if it differs from the last one."""
        job, given = self.runner.job, self.given
        if given is None or given.paint_layer not in self.viewer.layers:
            return
        if job is None:  # still being prepared
            self._settle.start()
            return
        from ...targets import Paint

        try:
            paint = paint_of(given.paint_layer, given.image_layer, given.image)
            if not np.array_equal(paint, self._sent):
                job.update_paint([Paint(paint)])
                self._sent = paint
        except InputError as error:
            self.told.emit(f"{error} Training goes on with the paint from before.")

    def _on_paint(self, _event: Any = None) -> None:
        self._settle.start()  # anew with each stroke

    def _on_removed(self, event: Any) -> None:
        if self.given is not None and event.value in self.given.layers:
            self._settle.stop()
        super()._on_removed(event)

    def show(self, given: TrainInput, preview: Preview) -> None:
        """Show what the network finds, by now."""
        show_window(
            self.viewer,
            given.image_layer,
            given.image,
            preview.frame,
            preview.window,
            preview.labels,
            "preview",
            **preview_look(given.recipe.task),
        )

"""Give the docks that train the curve, Continue, and previews while they train."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Generic

from napari import Viewer
from napari.layers import Image as ImageLayer
from qtpy.QtWidgets import QLabel, QWidget

from .dock import Dock
from .jobs.previews import LivePreviews
from .jobs.request import Ended
from .jobs.training import Asked, Trained
from .widgets.basics import Hint, button, row, stack, step
from .widgets.curves import Curves

if TYPE_CHECKING:
    from ..training.trainer import TrainStep

NO_TRAINING = "There is no training yet that could go on"
REMOVED = (
    "{} was removed, on which this was trained. To go on with its model on another image, choose "
    "it under More settings, Start from, and press Train"
)
NOTHING_TO_KEEP = "Stopped before the first step: there is nothing to keep yet."


class TrainingDock(Dock, Generic[Asked]):
    """Show what belongs to a training, beside what every dock shows.

    Attributes
    ----------
    trained
        What the last training gave.
    data
        What is trained on, in a word: "paint", or "pairs".
    train_tip, continue_tip
        Tooltips of the buttons.
    previews
        What connects a training with the viewer.
    """

    previews: type[LivePreviews] = LivePreviews
    data: str
    train_tip: str
    continue_tip: str

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(viewer)
        self.trained: Trained[Asked] | None = None
        self._trained_layer: ImageLayer | None = None
        self.curves = Curves(self.colors, self.data)
        self.curves.hide()
        self.status = Hint()
        self.train_button = button("Train", self.train_tip, self.train, is_main=True)
        self.continue_button = button("Continue", self.continue_tip, self.go_on)

    def training_parts(self) -> tuple[QWidget, ...]:
        """Return the step "Train", for how long and its buttons, and below it the curve."""
        minutes = row(QLabel("for"), self.form.more.minutes, 1)
        buttons = row(self.train_button, self.continue_button)
        return step("4", "Train", stack(minutes, buttons)), self.curves, self.status

    def train(self) -> None:
        """Train on what the form holds."""
        raise NotImplementedError

    def go_on(self) -> None:
        """Continue the last training."""
        raise NotImplementedError

    def go_on_as_it_was(self, request: Asked) -> None:
        """Continue the last training with a request, which the form then shows."""
        raise NotImplementedError

    def continued(self, now: Asked) -> Asked | None:
        """Return the request that goes on with the last training; None where the user is asked.

        Parameters
        ----------
        now
            What the form holds.
        """
        trained = self.trained
        assert trained is not None
        request, changes = now.continuing(trained), list(now.changes_since(trained.request))
        if not changes:
            return request
        before, new = (", ".join(words) for words in zip(*changes, strict=True))
        text = f"Go on with {before}, as it was trained, or train anew with {new}?"
        go_on = partial(self.go_on_as_it_was, request)
        self.ask(text, {"Go on as it was": go_on, "Train anew": self.train})
        return None

    def why_not_continue(self) -> str:
        """Return why there is nothing that Continue could go on with; empty where there is."""
        trained = self.trained
        if trained is None or trained.checkpoint is None:
            return NO_TRAINING
        if trained.request.image_layer not in self.viewer.layers:
            return REMOVED.format(trained.request.image.name)
        return ""

    def start_training(
        self, request: Asked, on_end: Callable[[Ended[Trained[Asked]]], None]
    ) -> None:
        """Start a training, with previews; the curve goes on where that continues another one."""

        def previews(request: Asked) -> LivePreviews:
            return self.previews(self.viewer, self.runner, request, self.message.warn)

        self.start(request, on_end, view=previews, on_step=self.show_training)
        self._trained_layer = request.image_layer
        if request.resume is None:
            self.curves.clear()
        self.status.setText("")

    def show_training(self, record: TrainStep) -> None:
        """Show a step in the curve."""
        self.curves.show()
        self.curves.add(record.index, record.loss, record.validation)
        if record.validation is not None:
            self.status.setText(f"Loss on held-out {self.data}: {record.validation:.3f}")

    def trained_by(self, ended: Ended[Trained[Asked]]) -> Trained[Asked] | None:
        """Return what a training gave, once the user is told of it."""
        self.curves.redraw()
        trained = self.result_of(ended, NOTHING_TO_KEEP)
        if trained is None:
            if ended.error and not self.has_stepped:
                self.until_changed()
            return None
        self.trained = trained
        self.form.more.start.reset_choices()
        self._tell_saved(trained)
        return trained

    def _tell_saved(self, trained: Trained[Any]) -> None:
        what = f"these {self.data}" if self.data.endswith("s") else f"this {self.data}"
        if trained.is_parent:
            self.message.info(
                f"Training on {what} did not improve the model it started from, so that one is "
                "kept."
            )
        elif trained.path is None:
            self.message.error(f"{trained.problem} The model is there until the dock is closed.")
        elif trained.problem:
            self.message.error(f"{trained.problem} The best model is kept as {trained.path.stem}.")
        else:
            self.message.info(f"Kept as {trained.path.stem}. {trained.note}".strip())
            self.message.setToolTip(str(trained.path))

    def set_colors(self, colors: dict[str, str]) -> None:
        """Take on the colours of a theme."""
        super().set_colors(colors)
        self.curves.set_colors(colors)

    def show_state(self) -> None:
        """Enable the buttons that make sense now; show the curve of an image that is there."""
        super().show_state()
        running = self.runner.is_running
        reason = self.why_not_continue()
        self.train_button.setEnabled(self.form.image.layer.value is not None and not running)
        self.continue_button.setEnabled(not reason and not running)
        self.continue_button.setToolTip(reason or self.continue_tip)
        belongs = running or self._trained_layer in self.viewer.layers
        self.curves.setVisible(belongs and bool(self.curves.steps))
        self.status.setVisible(belongs and bool(self.status.text()))

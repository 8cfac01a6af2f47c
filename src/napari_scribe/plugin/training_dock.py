"""Give the docks that train the curve, Continue, and previews while they train."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any, Generic

from napari import Viewer
from napari.layers import Image as ImageLayer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QWidget

from ..errors import InputError
from ..session.trainings import KeptTraining, kept_training, kept_trainings
from ..wording import counted
from .dock import Dock
from .jobs.previews import LivePreviews
from .jobs.request import Ended
from .jobs.training import Asked, Earlier, Trained
from .layers.visible import SIDE
from .model_library import duration, sentence
from .widgets.basics import Hint, button, layout_of, row, stack, step
from .widgets.curves import Course, Curves

if TYPE_CHECKING:
    from ..training.job import TrainStep

NO_TRAINING = "There is no training yet that could go on"
NO_CHECKPOINT = (
    "This model was trained earlier. To go on from it, choose it under More settings, Start from, "
    "and press Train"
)
REMOVED = (
    "{} was removed, on which this was trained. To go on with its model on another image, choose "
    "it under More settings, Start from, and press Train"
)
STILL_LEARNING = 0.9
"""A training whose best step lies in its last tenth has not ended learning."""
NOTHING_TO_KEEP = "Stopped before the first step: there is nothing to keep yet."


class TrainingDock(Dock, Generic[Asked]):
    """Show what belongs to a training, beside what every dock shows.

    Attributes
    ----------
    trained
        What the last training gave, or what Revert went back to.
    before
        What Revert goes to: the model before the last training, or after it.
    kept
        A training on disk that Continue goes on with, as after a restart.
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
        self.before: Trained[Asked] | None = None
        self.kept: KeptTraining | None = None
        self._course_before = Course()
        self._trained_layer: ImageLayer | None = None
        self.curves = Curves(self.colors, self.data)
        self.curves.hide()
        self.status = Hint()
        self.what_next = Hint()
        self.train_button = button("Train", self.train_tip, self.train, is_main=True)
        self.continue_button = button("Continue", self.continue_tip, self.go_on)
        self.revert_button = button("Revert", "", self.revert)
        self._outcome = row(self.status, self.revert_button, wide=0)
        at_the_right = Qt.AlignmentFlag.AlignRight  # as wide as its word where it stands alone
        layout_of(self._outcome).setAlignment(self.revert_button, at_the_right)

    def training_parts(self) -> tuple[QWidget, ...]:
        """Return the step "Train", for how long and its buttons, and below it the curve."""
        minutes = row(QLabel("for"), self.form.more.minutes, 1)
        buttons = row(self.train_button, self.continue_button)
        train = stack(minutes, buttons, self.what_next)
        self.look_for_kept()
        self.form.more.start.changed.connect(self.on_form)
        return step("4", "Train", train), self.curves, self._outcome

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
        earlier = self.earlier(now)
        assert earlier is not None
        if self.kept is not None and now.start == self.kept.model:
            now = now.changed(start=self.kept.about.start)  # it was chosen to go on with it
        request, changes = now.continuing(earlier), list(now.changes_since(earlier.request))
        if not changes:
            return request
        before, new = (", ".join(words) for words in zip(*changes, strict=True))
        text = f"Go on with {before}, as it was trained, or train anew with {new}?"
        go_on = partial(self.go_on_as_it_was, request)
        self.ask(text, {"Go on as it was": go_on, "Train anew": self.train})
        return None

    def earlier(self, now: Asked) -> Earlier[Asked] | None:
        """Return what Continue goes on with: the last training here, or one on disk.

        Parameters
        ----------
        now
            What the form holds.
        """
        if self.trained is None and self.kept is not None:
            return now.earlier(self.kept)
        return self.trained

    def look_for_kept(self) -> None:
        """Look for a training on disk to go on with: of the model to start from, or of the image.

        What was trained in this dock comes first.
        """
        self.kept = None
        if self.trained is not None:
            return
        if (start := self.form.more.start.value()) is not None:
            self.kept = kept_training(start)
            return
        try:
            image = self.form.image.image()
        except InputError:
            return
        alike = (image.name, tuple(image.shape))
        tasks = {"denoised"} if self.data == "pairs" else {"objects", "classes"}
        found = (
            kept
            for kept in kept_trainings()
            if (kept.about.image, kept.about.shape) == alike and kept.about.task in tasks
        )
        self.kept = next(found, None)

    def revert(self) -> None:
        """Go back to the model before the last training, or forward again."""
        if self.before is None or self.runner.is_busy:
            return
        assert self.trained is not None
        self.trained, self.before = self.before, self.trained
        course, self._course_before = self._course_before, self.curves.course
        self.curves.show_course(course)
        self._tell_what_it_can(self.trained)
        self.message.info(
            f"Back to {self.trained.name}. Revert goes to {self.before.name} again; both stay in "
            "the list of models."
        )
        self.show_state()

    def why_not_continue(self) -> str:
        """Return why there is nothing that Continue could go on with; empty where there is."""
        trained = self.trained
        if trained is None:
            return "" if self.kept is not None else NO_TRAINING
        if trained.checkpoint is None:
            return NO_CHECKPOINT if self.before is not None else NO_TRAINING
        if trained.request.image_layer not in self.viewer.layers:
            return REMOVED.format(trained.request.image.name)
        return ""

    def start_training(
        self, request: Asked, on_end: Callable[[Ended[Trained[Asked]]], None]
    ) -> None:
        """Start a training, with previews; the curve goes on where that continues another one."""

        def previews(request: Asked) -> LivePreviews:
            self._show_start(request)
            return self.previews(self.viewer, self.runner, request, self.message.warn)

        self._course_at_start = self.curves.course
        self.start(request, on_end, view=previews, on_step=self.show_training)

    def _show_start(self, request: Asked) -> None:
        """Show an empty curve, or that which goes on."""
        self._trained_layer = request.image_layer
        if request.resume is None:
            self.curves.clear()
        elif self.trained is None and self.kept is not None:
            validation = list(self.kept.history)
            self.curves.show_course(Course(validation=validation, best=self.kept.best))
        else:  # the course of the model before stays as it was
            self.curves.show_course(deepcopy(self.curves.course))
        self.status.setText("")
        self.what_next.setText(self._about_previews(request))

    def show_training(self, record: TrainStep) -> None:
        """Show a step in the curve."""
        self.curves.show()
        self.curves.add(record.index, record.loss, record.validation, record.best)
        if record.validation is None:
            return
        text = f"Loss on held-out {self.data}: {record.validation:.3f}"
        if record.best == record.index:
            text += ", the lowest by now"
        elif record.best is not None:
            text += f"; the model of step {record.best} was better and is kept"
        self.status.setText(f"{text}.")
        self._outcome.show()

    def _about_previews(self, request: Asked) -> str:
        """Say how much of a large image a preview covers."""
        image, dimensions = request.image, request.dimensions
        sides = dict(zip(image.spatial_axes(dimensions), SIDE[dimensions], strict=True))
        if not request.has_previews or all(image.length(a) <= n for a, n in sides.items()):
            return ""
        size = " x ".join(map(str, sides.values()))
        return f"The preview covers {size} px in the middle of what you look at, and follows you."

    def trained_by(self, ended: Ended[Trained[Asked]]) -> Trained[Asked] | None:
        """Return what a training gave, once the user is told of it."""
        self.curves.redraw()
        trained = self.result_of(ended, NOTHING_TO_KEEP)
        if trained is None:
            if not self.has_stepped:
                self.curves.show_course(self._course_at_start)
            if ended.error and not self.has_stepped:
                self.until_changed()
            return None
        parent = trained.before()
        self._course_before = self._course_at_start if parent is None else Course()
        self.before = self._earlier_of(trained) if parent is None else parent
        self.trained, self.kept = trained, None
        self.form.more.start.reset_choices()
        self._tell_what_it_can(trained)
        self._tell_saved(trained)
        return trained

    def _earlier_of(self, trained: Trained[Asked]) -> Trained[Asked] | None:
        """Return the last training of the same image, which Revert goes to."""
        earlier = self.trained
        is_alike = earlier and earlier.request.image_layer is trained.request.image_layer
        return earlier if is_alike else None

    def _tell_what_it_can(self, trained: Trained[Asked]) -> None:
        """Say what the model can do of what was held out, and what helps if that is not enough."""
        from ..describe import too_little_learnt

        held_out, made = trained.held_out, trained.model.provenance
        words, loss = sentence(held_out.in_words()), made.get("best_validation")
        if not words and loss is not None and not trained.is_parent:
            words = f"Loss on held-out {self.data}: {loss:.3f}."
        learns = (made.get("best_step") or 0) >= STILL_LEARNING * made.get("steps", 0)
        advice = held_out.advice(is_learning=learns)
        if not advice and (reason := too_little_learnt(trained.model)):
            advice = f"{reason}: Continue for some minutes."
        self.status.setText(" ".join(filter(None, (words, advice))))

    def _tell_saved(self, trained: Trained[Any]) -> None:
        what = f"these {self.data}" if self.data.endswith("s") else f"this {self.data}"
        if trained.is_too_short:
            self.message.info(
                f"The training was too short to learn from {what}, so the model it started from "
                "is kept. Continue goes on."
            )
        elif trained.is_parent:
            texts = (
                trained.problem,
                f"Training on {what} did not improve the model it started from, so that one is "
                "kept.",
                trained.note,
                "What helps: objects where it is wrong, on several images.",
            )
            self.message.info(" ".join(filter(None, texts)))
        elif trained.path is None:
            self.message.error(f"{trained.problem} The model is there until the dock is closed.")
        elif trained.problem:
            self.message.error(f"{trained.problem} The best model is kept as {trained.path.stem}.")
        else:
            self.message.info(f"The model is kept as {trained.path.stem}. {trained.note}".strip())
            self.message.setToolTip(str(trained.path))

    def set_colors(self, colors: dict[str, str]) -> None:
        """Take on the colours of a theme."""
        super().set_colors(colors)
        self.curves.set_colors(colors)

    def show_state(self) -> None:
        """Enable the buttons that make sense now; show the curve of an image that is there."""
        super().show_state()
        running = self.runner.is_busy
        reason = self.why_not_continue()
        self.train_button.setEnabled(self.form.image.layer.value is not None and not running)
        self.continue_button.setEnabled(not reason and not running)
        self.continue_button.setToolTip(reason or self.continue_tip)
        if not running:
            self.what_next.setText(self._next_in_words(reason))
        self._show_revert()
        belongs = self.runner.is_running or self._trained_layer in self.viewer.layers
        course = self.curves.course
        self.curves.setVisible(belongs and bool(course.steps or course.validation))
        self.status.setVisible(belongs and bool(self.status.text()))
        self._outcome.setVisible(belongs and not (self.status.isHidden() and self.before is None))

    def _show_revert(self) -> None:
        """Offer Revert where there is a model before; say which, and what it can do."""
        before = self.before
        self.revert_button.setVisible(before is not None)
        self.revert_button.setEnabled(before is not None and not self.runner.is_busy)
        if before is not None:
            can = before.held_out.in_words()
            tip = f"Go to {before.name}{f', which {can}' if can else ''}. Press again to go back"
            self.revert_button.setToolTip(tip)

    def _next_in_words(self, why_not_continue: str) -> str:
        """Say where Train starts, and what Continue goes on with."""
        start = self.form.more.start.value()
        train = "Train starts over." if start is None else f"Train starts from {start.stem}."
        if why_not_continue:
            return "" if start is None else train
        return f"{train} Continue goes on with {self._to_go_on_with()}."

    def _to_go_on_with(self) -> str:
        """Say what Continue goes on with: the last model, or what was learnt and refused."""
        trained, kept, done = self.trained, self.kept, []
        if trained is not None and trained.is_parent:
            return "what was learnt"
        if trained is not None:
            name, made = trained.name, trained.model.provenance
            if (steps := made.get("steps")) is not None:
                done = [counted(steps, "step"), duration(made.get("seconds", 0))]
        else:
            assert kept is not None
            name, done = kept.model.stem, [counted(kept.steps, "step"), duration(kept.seconds)]
        return f"{name} ({', '.join(done)})"

    def on_form(self) -> None:
        """Look for what Continue could go on with; take away a message about the form."""
        if not self.runner.is_busy:
            self.look_for_kept()
        super().on_form()

"""Show the Denoise dock: image, pairs, Check, Train, Apply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari import Viewer

from ...errors import InputError
from ..jobs.request import Ended
from ..jobs.training import Trained
from ..model_library import trained_on
from ..training_dock import TrainingDock
from ..widgets.basics import Hint, button, stack, step
from .fitness_view import FitnessView
from .form import DenoiseForm
from .job import Checked, CheckRequest, Denoised, DenoiserRequest

if TYPE_CHECKING:
    from ...model import Model

CHANGED = (
    "{} was removed while it was checked, or other pairs were chosen: press Check or Train for "
    "what is chosen now."
)
UNCHECKED = "Stopped before the pairs were checked."
ELSEWHERE = (
    "This denoiser was trained on {}: where noise is not the same, train one on this image. Look "
    "at what was removed."
)


class DenoiseDock(TrainingDock[DenoiserRequest]):
    """Check noisy pairs, train a denoiser on them, and apply it.

    Parameters
    ----------
    napari_viewer
        Given by napari.
    """

    form: DenoiseForm
    data = "pairs"
    train_tip = "Train a denoiser on the pairs"
    continue_tip = "Go on where the training stopped, with the same pairs"

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.checked: Checked | None = None
        self._chosen_before: Path | None = None  # when a model could not be saved
        self.form = DenoiseForm(self.viewer)
        self.findings = FitnessView(self.colors)
        self.check_button = button(
            "Check", "See whether these pairs are fit to learn from; takes seconds", self.check
        )
        self.caution = Hint()
        self.caution.setProperty("scribe", "caution")
        tip = "Denoise the image with this model"
        self.apply_button = button("Apply", tip, self.apply, is_main=True)
        form = self.form
        apply = form.model, self.caution, form.scope, form.removed.native, self.apply_button
        self.lay_out(
            step("1", "Image", form.image),
            step("2", "Pairs", form.pairs),
            step("3", "Check", self.check_button),
            self.findings,
            *self.training_parts(),
            step("5", "Apply", stack(*apply)),
        )

    def check(self) -> None:
        """Check the pairs."""
        with self.preparing("Checking the pairs"):
            self.start(CheckRequest(self.form.source()), partial(self._on_checked, None))

    def train(self) -> None:
        """Train on the pairs, which are checked first where they were not yet."""
        self.form.more.remember()
        with self.preparing():
            if self._checks_first(self.train):
                return
            assert self.checked is not None
            if self.checked.fitness.hopeless:
                raise InputError(self.checked.fitness.hopeless)
            request = self.form.for_training(self.checked, self.findings.remedies())
            self.start_training(request, self._on_trained)

    def _checks_first(self, then: Callable[[], None]) -> bool:
        """Check the pairs, and go on from there, where they were not checked yet; return whether.

        Raises
        ------
        InputError
            If no pairs can be made of what is chosen.
        """
        source = self.form.source()
        if self.checked is not None and self.checked.source.is_same(source):
            return False
        self.start(CheckRequest(source), partial(self._on_checked, then))
        return True

    def go_on(self) -> None:
        """Continue the last training on its own pairs; one on disk on those that are chosen."""
        if not self.why_not_continue():
            with self.preparing():
                if self.trained is None and self._checks_first(self.go_on):
                    return
                request = self.continued(self._chosen_now())
                if request is not None:
                    self.start_training(request, self._on_trained)

    def go_on_as_it_was(self, request: DenoiserRequest) -> None:
        """Continue the last training with a request, which the form then shows."""
        with self.preparing():
            if reason := self.why_not_continue():
                raise InputError(f"{reason}.")
            self.form.fill_in(request)
            if request.checked.source.is_same(self.form.source()):
                self.checked = request.checked
                self.findings.show_fitness(request.checked.fitness)
                self.findings.tick(request.remedies)
            self.start_training(request, self._on_trained)

    def revert(self) -> None:
        """Go back to the denoiser before the last training, or forward again."""
        super().revert()
        if self.trained is not None and self.trained.path is not None:
            self.form.model.set_value(self.trained.path)

    def apply(self) -> None:
        """Denoise what is chosen with the chosen model."""
        self.form.more.remember()
        with self.preparing("Denoising"):
            request = self.form.for_denoising(self._unsaved_model())
            self.start(request, self._on_applied, view=self.live_result)

    def set_colors(self, colors: dict[str, str]) -> None:
        """Take on the colours of a theme."""
        super().set_colors(colors)
        self.findings.set_colors(colors)

    def on_form(self) -> None:
        """Forget a check of other pairs, and a message about the form; update the buttons."""
        if self.checked is not None:
            try:
                is_same = self.checked.source.is_same(self.form.source())
            except InputError:
                is_same = False
            if not is_same:
                self.checked = None
                self.findings.clear()
        super().on_form()

    def show_state(self) -> None:
        """Enable the buttons that make sense now."""
        super().show_state()
        has_image = self.form.image.layer.value is not None
        running = self.runner.is_busy
        self.check_button.setEnabled(has_image and not running)
        self.caution.setText(self._caution())
        has_model = self.form.model.value() is not None or self._unsaved_model() is not None
        self.apply_button.setEnabled(
            has_image and has_model and not self.is_asked(self.form.image.layer.value)
        )

    def _chosen_now(self) -> DenoiserRequest:
        """Return what the form holds, with the check of the last training for its pairs."""
        if self.trained is None:
            assert self.checked is not None
            return self.form.for_training(self.checked, self.findings.remedies())
        before, source = self.trained.request, self.form.source()
        is_same = before.checked.source.is_same(source)
        remedies = self.findings.remedies() if is_same and self.checked else before.remedies
        return self.form.for_training(replace(before.checked, source=source), remedies)

    def _on_checked(self, then: Callable[[], None] | None, ended: Ended[Checked | None]) -> None:
        checked = self.result_of(ended, UNCHECKED)
        if checked is None:
            return
        self.checked = checked
        self.findings.show_fitness(checked.fitness)
        self.scroll_to(self.findings)
        self.on_form()
        if self.checked is not checked:
            self.message.warn(CHANGED.format(checked.source.image.name))
        elif then is not None and self.is_stopping:
            self.message.info("Stopped: the pairs were checked, but nothing was trained.")
        elif then is not None and checked.fitness.is_fit:
            then()
        elif then is not None and checked.fitness.hopeless:
            self.message.error(checked.fitness.hopeless)
        elif then is not None:
            has_remedy = " with what is ticked there" if self.findings.boxes else " all the same"
            text = f"The check found something: see step 3. Train{has_remedy}?"
            self.message.ask(text, {"Train": then, "Not yet": lambda: None})

    def _on_trained(self, ended: Ended[Trained[DenoiserRequest]]) -> None:
        if (trained := self.trained_by(ended)) is not None:
            self.form.model.reset_choices()
            self._chosen_before = self.form.model.value()
            if trained.path is not None:
                self.form.model.set_value(trained.path)

    def _on_applied(self, ended: Ended[Denoised]) -> None:
        if (done := self.result_of(ended)) is not None:
            self.message.say(done.in_words(), warns=not done.is_noise)

    def _unsaved_model(self) -> Model | None:
        """Return the trained model if it could not be written, until another one is chosen."""
        trained = self.trained
        if trained is None or trained.path is not None:
            return None
        return trained.model if self._chosen_before == self.form.model.value() else None

    def _caution(self) -> str:
        """Return a caution where the denoiser has seen something else than the image."""
        trained, path, layer = self.trained, self.form.model.value(), self.form.image.layer.value
        if self._unsaved_model() is None and (trained is None or trained.path != path):
            trained = None  # another model is chosen than the one trained here
        if layer is None or (trained is None and path is None):
            return ""
        if trained is not None and not trained.is_parent:
            if trained.request.image_layer is layer:
                return ""
            names = [trained.request.image.name]
        else:
            try:
                names = trained_on(path) if path is not None else []
            except InputError:
                names = []
        if not names or (trained is None and layer.name in names):
            return ""
        if layer.name in names:
            return ELSEWHERE.format(f"another {layer.name}")
        images = names[0] if len(names) == 1 else f"{len(names)} others"
        return ELSEWHERE.format(f"{images}, not on {layer.name}")

"""The Denoise dock: image, pairs, Check, Train, Apply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QLabel

from ...errors import InputError
from ..dock import Dock
from ..jobs.continuing import ask_to_go_on, changes_of_pairs, show_curve, trained_elsewhere, why_not
from ..jobs.remaining_time import Progressed
from ..jobs.runner import Ended, Question
from ..jobs.training import tell_kept
from ..train.job import Trained
from ..widgets.basics import button, hint, row, stack, step
from ..widgets.curves import Curves
from .fitness_view import FitnessView
from .form import DenoiseForm
from .job import Checked, Denoised, DenoiserInput
from .run import ApplyRun, CheckRun, DenoiserRun

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from ...training.trainer import TrainStep


GO_ON = "Go on where the training stopped, with the same pairs"
CHANGED = (
    "{} was removed while it was checked, or other pairs were chosen: press Check or Train for "
    "what is chosen now."
)


class DenoiseDock(Dock):
    """Check noisy pairs, train a denoiser on them, and apply it.

    Parameters
    ----------
    napari_viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.trained: Trained | None = None
        self.checked: Checked | None = None
        self._trains_next = self._is_stopped = False
        self._other: Any = None  # what was chosen when a model could not be kept
        self.checking = CheckRun(self.runner)
        self.training = DenoiserRun(self.viewer, self.runner)
        self.applying = ApplyRun(self.viewer, self.runner)
        self.form = DenoiseForm(self.viewer)
        self.findings = FitnessView(self.colors)
        self.curves = Curves(self.colors, "pairs")
        self.status = hint()
        self.check_button = button(
            "Check", "See whether these pairs are fit to learn from; takes seconds", self.check
        )
        self.train_button = button("Train", "Train a denoiser on the pairs", self.train)
        self.stop_button = button("Stop", "Stop, and keep what is done", self.stop)
        self.continue_button = button("Continue", GO_ON, self.go_on)
        self.caution = hint()
        self.apply_button = button("Apply", "Denoise the image with this model", self.apply)
        self._arrange()
        self._connect()
        self._on_form()

    def _arrange(self) -> None:
        for main in (self.train_button, self.apply_button):
            main.setProperty("scribe", "main")
        minutes = self.form.more.minutes.native
        buttons = row(self.train_button, self.continue_button)
        self.curves.hide()
        self.status.setText("")
        form = self.form
        apply = form.model, self.caution, form.where, form.removed.native, self.apply_button
        self.lay_out(
            step("1", "Image", self.form.image),
            step("2", "Pairs", self.form.pairs),
            step("3", "Check", self.check_button),
            self.findings,
            step("4", "Train", stack(row(QLabel("for"), minutes, 1), buttons)),
            self.curves,
            self.status,
            step("5", "Apply", stack(*apply)),
            self.form.more,
            ends=[self.stop_button],
        )

    def _connect(self) -> None:
        self.form.changed.connect(self._on_form)
        self.form.image.layer.changed.connect(self.on_other_image)
        self.form.more.reset.clicked.connect(self.form.reset)
        self.checking.ended.connect(self._on_checked)
        self.training.stepped.connect(self._on_step)
        self.training.told.connect(self.message.warn)
        self.training.ended.connect(self._on_trained)
        self.applying.stepped.connect(self._on_tile)
        self.applying.ended.connect(self._on_applied)

    def reset_choices(self, event: Any = None) -> None:
        """Follow the viewer's layers; called by napari."""
        self.form.reset_choices(event)

    def check(self) -> None:
        """Look at the pairs."""
        self._trains_next = False
        self._begin("Checking the pairs", lambda: self.checking.start(self.form.source()))

    def train(self) -> None:
        """Train on the pairs, which are checked first where they were not yet."""
        self.form.remember()

        def start() -> None:
            source = self.form.source()
            if self.checked is not None and self.checked.source.is_same(source):
                if self.checked.fitness.hopeless:
                    raise InputError(self.checked.fitness.hopeless)
                self._start(self.form.for_training(self.checked, self.findings.remedies()))
            else:
                self.checking.start(source)
                self._trains_next = True

        self._begin("Preparing", start)

    def go_on(self) -> None:
        """Continue the last training on its own pairs."""
        if not why_not(self.trained, self.viewer):
            self._begin("Preparing", self._go_on)

    def stop(self) -> None:
        """Stop what runs; what is done is kept."""
        self._is_stopped = True
        self.runner.stop()
        self.stop_button.setEnabled(False)
        self.progress.busy("Stopping")

    def apply(self) -> None:
        """Denoise what is chosen with the chosen model."""
        self.form.remember()
        model = self._unkept()
        self._begin("Denoising", lambda: self.applying.start(self.form.for_denoising(model)))

    def wear(self, colors: dict[str, str]) -> None:
        """Take on the colours of a theme."""
        super().wear(colors)
        self.curves.wear(colors)
        self.findings.wear(colors)

    def close_down(self) -> None:
        """End what runs, keep what it has, and let go of the viewer."""
        for run in (self.checking, self.training, self.applying):
            run.close()
        super().close_down()

    def _unkept(self) -> Any:
        """The trained model where it could not be written, until another one is chosen."""
        trained = self.trained
        if trained is None or trained.path is not None or self._other != self.form.model.value():
            return None
        return trained.model

    def _begin(self, text: str, start: Callable[[], None]) -> None:
        """Start; what keeps it from starting is said."""
        self._is_stopped = False
        self.message.clear()
        self.progress.busy(text)
        try:
            start()
        except InputError as error:
            self.progress.rest()
            self.message.error(str(error))
            self.until_changed()
        self._show_state()

    def _go_on(self) -> None:
        """Go on with the last training, unless the form asks for another one."""
        trained, settings = self.trained, self.form.more.for_training()
        assert trained is not None
        was = trained.given
        given = was.changed(**settings).gone_on(trained)
        source = self.form.source()
        is_same = was.checked.source.is_same(source)
        remedies = self.findings.remedies() if is_same and self.checked else was.remedies
        now = self.form.for_training(replace(was.checked, source=source), remedies)
        if changes := list(changes_of_pairs(was, now)):
            self.progress.rest()
            go_on = partial(self._begin, "Preparing", partial(self._go_on_as_it_was, given))
            ask_to_go_on(self.message, changes, go_on, self.train)
            self.until_changed()
        else:
            self._start(given)

    def _go_on_as_it_was(self, given: DenoiserInput) -> None:
        if reason := why_not(self.trained, self.viewer):
            raise InputError(f"{reason}.")
        self.form.fill_in(given)
        if given.checked.source.is_same(self.form.source()):
            self.checked = given.checked
            self.findings.show_fitness(given.checked.fitness)
            self.findings.tick(given.remedies)
        self._start(given)

    def _start(self, given: DenoiserInput) -> None:
        self.training.start(given)
        if given.resume is None:
            self.curves.clear()
        self.status.setText("")

    def _on_form(self) -> None:
        """What was checked may be something else by now, what was wrong may be mended."""
        self.settle()
        if self.checked is not None:
            try:
                is_same = self.checked.source.is_same(self.form.source())
            except InputError:
                is_same = False
            if not is_same:
                self.checked = None
                self.findings.clear()
        self._show_state()

    def _on_checked(self, ended: Ended) -> None:
        trains, self._trains_next = self._trains_next, False
        self.progress.rest()
        if ended.error:
            self.message.error(ended.error)
        elif isinstance(ended.value, Checked):
            self.checked = ended.value
            self.findings.show_fitness(ended.value.fitness)
            self.scroll_to(self.findings)
            self._on_form()
            if self.checked is None:
                self.message.warn(CHANGED.format(ended.value.source.image.name))
            elif trains and self._is_stopped:
                self.message.info("Stopped: the pairs were checked, but nothing was trained.")
            elif trains:
                self._train_checked(self.checked)
        else:
            self.message.info("Stopped before anything was done.")
        self._show_state()

    def _train_checked(self, checked: Checked) -> None:
        """Go on to the training, unless the user should read first what was found."""
        if checked.fitness.is_fit:
            self.train()
        elif not checked.fitness.hopeless:
            has_remedy = " with what is ticked there" if self.findings.boxes else " all the same"
            text = f"The check found something: see step 3. Train{has_remedy}?"
            self.message.ask(text, {"Train": self.train, "Not yet": lambda: None})
        else:
            self.message.error(checked.fitness.hopeless)

    def _on_step(self, record: TrainStep) -> None:
        self.progress.advance(record.fraction, record.elapsed, f"step {record.index}")
        self.curves.show()
        self.curves.add(record.index, record.loss, record.validation)
        if record.validation is not None:
            self.status.setText(f"Loss on held-out pairs: {record.validation:.3f}")
        if self._is_stopped:
            self.progress.busy("Stopping")

    def _on_trained(self, ended: Ended) -> None:
        self.progress.rest()
        self.curves.redraw()
        if ended.error:
            self.message.error(ended.error)
        elif isinstance(ended.value, Trained):
            self.trained = ended.value
            self.form.more.start.reset_choices()
            self.form.model.reset_choices()
            self._other = self.form.model.value()
            if ended.value.path is not None:
                self.form.model.set_value(ended.value.path)
            tell_kept(self.message, ended.value, "these pairs")
        else:
            self.message.info("Stopped before the first step: there is nothing to keep yet.")
        self._show_state()

    def _on_tile(self, state: Progressed) -> None:
        if not self._is_stopped:
            self.progress.tell(state.fraction, state.text)
            self.progress.setToolTip(state.detail)

    def _on_applied(self, ended: Ended) -> None:
        self.progress.rest()
        if ended.question is not None:
            self._ask(ended.question)
        elif ended.error:
            self.message.error(ended.error)
        elif isinstance(ended.value, Denoised):
            say = self.message.info if ended.value.is_noise else self.message.warn
            say(ended.value.in_words())
        else:
            self.message.info("Stopped before anything was done.")
        self._show_state()

    def _ask(self, question: Question) -> None:
        """Offer to replace what lies there, whatever the form says by then."""
        again = replace(self.applying.given, overwrite=True)
        yes = partial(self._begin, "Denoising", partial(self.applying.start, again))
        self.message.ask(question.text, {question.yes: yes, question.no: lambda: None})

    def _of_model(self) -> str:
        """A caution where the denoiser has seen something else than the image."""
        trained, path = self.trained, self.form.model.value()
        if self._unkept() is None and (trained is None or trained.path != path):
            trained = None
        return trained_elsewhere(trained, path, self.form.image.layer.value)

    def _show_state(self) -> None:
        """Which buttons make sense now."""
        running = self.runner.is_running
        has_image = self.form.image.layer.value is not None
        reason = why_not(self.trained, self.viewer)
        self.check_button.setEnabled(has_image and not running)
        self.train_button.setEnabled(has_image and not running)
        self.stop_button.setEnabled(running and not self._is_stopped)
        self.continue_button.setEnabled(not reason and not running)
        self.continue_button.setToolTip(reason or GO_ON)
        show_curve(self.curves, self.status, running or self.training.has_image)
        self.caution.setText(self._of_model())
        has_model = self.form.model.value() is not None or self._unkept() is not None
        self.apply_button.setEnabled(has_image and has_model and not running)

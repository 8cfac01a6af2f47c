"""The Train dock: image, annotations, paint, Train; then Segment."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QLabel

from ...errors import InputError
from ..dock import Dock
from ..jobs.continuing import ask_to_go_on, changes_of_paint, show_curve, why_not
from ..jobs.remaining_time import Progressed
from ..jobs.runner import Ended, Question
from ..jobs.training import tell_kept
from ..layers.annotations import (
    annotations_from,
    convert_to_objects,
    doubt_about_image,
    doubt_about_place,
    doubt_about_result,
    lay_over,
    note_settings,
)
from ..layers.conversion import add_note, paint_of
from ..segment.job import Segmented, SegmentInput
from ..segment.run import SegmentRun
from ..widgets.basics import button, hint, row, stack, step
from ..widgets.curves import Curves
from .form import TrainForm
from .job import PaintQuestion, Trained, TrainInput
from .run import TrainRun

if TYPE_CHECKING:
    from napari.layers import Labels as LabelsLayer
    from napari.viewer import Viewer

    from ...training.train import TrainStep

GO_ON = "Go on where the training stopped, with the image and the paint that are chosen now"
SAVE_TO = "in the Segment dock, under More settings, Save to"


class TrainDock(Dock):
    """Train a network on what was painted, watch it learn, segment with it.

    Parameters
    ----------
    napari_viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.trained: Trained | None = None
        self._has_stepped = False
        self.training = TrainRun(self.viewer, self.runner)
        self.segmenting = SegmentRun(self.viewer, self.runner)
        self.form = TrainForm(self.viewer)
        self.curves = Curves(self.colors)
        self.status = hint()
        self.train_button = button("Train", "Train a network on the paint", self.train)
        self.stop_button = button("Stop", "Stop, and keep the best model so far", self.stop)
        self.continue_button = button("Continue", GO_ON, self.go_on)
        self.segment_button = button(
            "Segment", "Segment the image with the model that was trained", self.segment
        )
        self.model_hint = hint()
        self._arrange()
        self._connect()
        self._show_state()

    def _arrange(self) -> None:
        for main in (self.train_button, self.segment_button):
            main.setProperty("scribe", "main")
        minutes = self.form.more.minutes.native
        buttons = row(self.train_button, self.continue_button)
        self.curves.hide()
        self.status.setText("")
        self.lay_out(
            self.form,
            step("4", "Train", stack(row(QLabel("for"), minutes, 1), buttons)),
            self.curves,
            self.status,
            step("5", "Segment", stack(self.segment_button, self.model_hint)),
            self.form.more,
            ends=[self.stop_button],
        )

    def _connect(self) -> None:
        self.form.changed.connect(self._on_form)
        self.form.image.layer.changed.connect(self.on_other_image)
        self.form.painted.connect(self.settle)
        self.form.more.reset.clicked.connect(self.form.reset)
        self.training.stepped.connect(self._on_step)
        self.training.told.connect(self.message.warn)
        self.training.ended.connect(self._on_trained)
        self.segmenting.stepped.connect(self._on_tile)
        self.segmenting.ended.connect(self._on_segmented)

    def reset_choices(self, event: Any = None) -> None:
        """Follow the viewer's layers; called by napari."""
        self.form.reset_choices(event)
        self._show_state()

    def train(self) -> None:
        """Train from nothing, or from the model to start from."""
        self.form.remember()
        self.begin(lambda given: given)

    def go_on(self) -> None:
        """Continue the last training with the paint as it is now."""
        if not why_not(self.trained, self.viewer):
            self.begin(lambda given: given, self._go_on_with)

    def begin(
        self,
        adapted: Callable[[TrainInput], TrainInput],
        start: Callable[[TrainInput], None] | None = None,
    ) -> None:
        """Train on what the form holds, once nothing about the annotations is doubtful.

        Parameters
        ----------
        adapted
            Makes of what the form holds what is trained.
        start
            Begins with it, if not as a new training.
        """
        start = start or self._start
        layer, paint = self.form.image.layer.value, self.form.paint.value
        self.progress.busy("Preparing")
        try:
            image = self.form.image.image()
            if doubt := doubt_about_place(paint, layer, image):
                self._ask(doubt, "Lay it over", lambda: self._lay_over(adapted, start))
                return
            if doubt := doubt_about_result(paint):
                self._ask_about_result(doubt, adapted, start)
                return
            given = adapted(self.form.value())
        except InputError as error:
            self._refuse(error)
            return
        if doubt := doubt_about_image(self.viewer, given.paint_layer, given.image_layer):
            self._ask(doubt, "Use them", lambda: start(given))
        else:
            start(given)

    def stop(self) -> None:
        """Stop what runs; what is done is kept."""
        self.runner.stop()
        self.stop_button.setEnabled(False)
        self.progress.busy("Stopping")

    def segment(self, device: str | None = None) -> None:
        """Segment the chosen image with the model that was trained last."""
        if self.trained is None:
            return
        self.message.clear()
        self.progress.busy("Segmenting")
        try:
            image = self.form.image.image()
            device = device or self.form.more.device.value or None
            layer = self.form.image.layer.value
            self.segmenting.start(SegmentInput(layer, image, self.trained.model, device=device))
        except InputError as error:
            self._refuse(error)
        self._show_state()

    def wear(self, colors: dict[str, str]) -> None:
        """Take on the colours of a theme."""
        super().wear(colors)
        self.curves.wear(colors)

    def close_down(self) -> None:
        """End what runs, keep what it has, and let go of the viewer."""
        self.form.close_down()
        self.training.close()
        self.segmenting.close()
        super().close_down()

    def follow(self, layer: Any) -> None:
        """Go to the image, or the annotations, that the user has selected."""
        self.form.follow(layer, only_see=self.runner.is_running)

    def _on_form(self) -> None:
        """What was wrong with the form, or asked about it, may be something else by now."""
        self.settle()
        self._show_state()

    def _refuse(self, error: InputError) -> None:
        """Say what keeps it from starting, until that is changed."""
        self.progress.rest()
        self.message.error(str(error))
        self.until_changed()

    def _ask(self, doubt: str, yes: str, then: Callable[[], None]) -> None:
        self.progress.rest()
        self.message.ask(doubt, {yes: then, "Choose others": lambda: None})
        self.until_changed()

    def _ask_about_result(
        self,
        doubt: str,
        adapted: Callable[[TrainInput], TrainInput],
        start: Callable[[TrainInput], None],
    ) -> None:
        paint, layer = self.form.paint.value, self.form.image.layer.value

        def yes() -> None:
            try:
                image, settings = self.form.image.image(), self.form.settings()
                self.form.choose(annotations_from(self.viewer, paint, layer, image, **settings))
                paint.visible = False  # two colours on each object would be in the way
            except InputError as error:
                self._refuse(error)
            else:
                self.begin(adapted, start)

        def no() -> None:
            add_note(paint, purpose="annotations", source=layer.name)
            self.begin(lambda given: adapted(given).changed(is_asked=True), start)

        self.progress.rest()
        self.message.ask(doubt, {"Make annotations of it": yes, "No, it is paint": no})
        self.until_changed()

    def _lay_over(
        self,
        adapted: Callable[[TrainInput], TrainInput],
        start: Callable[[TrainInput], None],
    ) -> None:
        try:
            lay_over(self.form.paint.value, self.form.image.layer.value, self.form.image.image())
        except InputError as error:
            self._refuse(error)
        else:
            self.begin(adapted, start)

    def _go_on_with(self, now: TrainInput) -> None:
        """Go on with the last training on this paint, unless the form asks for another one."""
        trained = self.trained
        assert trained is not None
        given = trained.gone_on(now)

        def as_it_was() -> None:
            if reason := why_not(trained, self.viewer):
                self.message.error(f"{reason}.")
            else:
                self.form.fill_in(given)
                self.begin(trained.gone_on)

        if changes := list(changes_of_paint(trained.given, now)):
            self.progress.rest()
            ask_to_go_on(self.message, changes, as_it_was, self.train)
            self.until_changed()
        else:
            self._start(given)

    def _start(self, given: TrainInput) -> None:
        self.message.clear()
        self.progress.busy("Preparing")
        try:
            self.training.start(given)
        except InputError as error:
            self._refuse(error)
            return
        self._has_stepped = False
        recipe = given.recipe
        settings = {"task": recipe.task, "dimensions": recipe.network.dimensions}
        note_settings(given.paint_layer, given.image_layer, **settings)
        if given.resume is None:
            self.curves.clear()
        self.status.setText("")
        self._show_state()

    def _on_step(self, record: TrainStep) -> None:
        self._has_stepped = True
        self.progress.advance(record.fraction, record.elapsed, f"step {record.index}")
        self.curves.show()
        self.curves.add(record.index, record.loss, record.validation)
        if record.validation is not None:
            self.status.setText(f"Loss on held-out paint: {record.validation:.3f}")
        if not self.stop_button.isEnabled():
            self.progress.busy("Stopping")

    def _on_trained(self, ended: Ended) -> None:
        self.progress.rest()
        self.curves.redraw()
        if ended.question is not None and self.training.given is not None:
            self._ask_about_paint(ended.question, self.training.given)
        elif ended.error:
            self.message.error(ended.error)
            if not self._has_stepped:
                self.until_changed()
        elif isinstance(ended.value, Trained):
            self._keep(ended.value)
        else:
            self.message.info("Stopped before the first step: there is nothing to keep yet.")
        self._show_state()

    def _keep(self, trained: Trained) -> None:
        self.trained = trained
        self.form.more.start.reset_choices()
        tell_kept(self.message, trained, "this paint")

    def _ask_about_paint(self, question: Question, given: TrainInput) -> None:
        def yes() -> None:
            kind = question.kind if isinstance(question, PaintQuestion) else ""
            try:
                if kind == "classes":
                    self._start(self._as_objects(given))
                else:
                    self._answered(given, self._mended(kind, given))
            except InputError as error:
                self._refuse(error)

        def no() -> None:
            self._answered(given, given.paint_layer)

        self.message.ask(question.text, {question.yes: yes, question.no: no})
        self.until_changed()

    def _as_objects(self, given: TrainInput) -> TrainInput:
        """The same anew, for objects: about which there may be more to ask."""
        self.form.task.value = "objects"
        recipe = self.form.more.recipe.value("objects")
        paint = paint_of(given.paint_layer, given.image_layer, given.image)
        return given.changed(recipe=recipe, paint=paint, resume=None)

    def _mended(self, kind: str, given: TrainInput) -> LabelsLayer:
        """Annotations that say what was meant."""
        paint, task = given.paint_layer, given.recipe.task
        if kind == "mask":
            where = given.image_layer, given.image
            layer = annotations_from(self.viewer, paint, *where, task=task)
        else:
            layer = convert_to_objects(self.viewer, paint, given.dimensions)
        self.form.choose(layer)
        return layer

    def _answered(self, given: TrainInput, layer: LabelsLayer) -> None:
        """Begin what was asked about, with the paint as the layer now holds it."""
        try:
            paint = paint_of(layer, given.image_layer, given.image)
        except InputError as error:
            self._refuse(error)
        else:
            self._start(given.changed(paint_layer=layer, paint=paint, is_asked=True))

    def _on_tile(self, step: Progressed) -> None:
        if self.stop_button.isEnabled():
            self.progress.tell(step.fraction, step.text)

    def _on_segmented(self, ended: Ended) -> None:
        self.progress.rest()
        if ended.error:
            self.message.error(ended.error)
        elif isinstance(ended.value, Segmented):
            self._tell_found(ended.value)
        else:
            self.message.info("Stopped before anything was done.")
        self._show_state()

    def _tell_found(self, done: Segmented) -> None:
        """Say what was found, and what to do where the network knows too little for that."""
        from ...describe import too_little_learnt

        text = done.in_words(save_to=SAVE_TO)
        if self.trained is not None and too_little_learnt(self.trained.model):
            go_on = " Continue goes on where it stopped." if self.trained.checkpoint else ""
            self.message.warn(f"{text}{go_on}")
        else:
            self.message.info(text)

    def _of_model(self) -> str:
        """What the model was trained on, where that is not the chosen image."""
        layer = self.form.image.layer.value
        if self.trained is None or layer in (None, self.trained.given.image_layer):
            return ""
        return f"The model was trained on {self.trained.given.image.name}."

    def _show_state(self) -> None:
        """Which buttons make sense now."""
        running = self.runner.is_running
        has_image = self.form.image.layer.value is not None
        has_paint = self.form.paint.value is not None
        self.train_button.setEnabled(has_image and not running)
        self.stop_button.setEnabled(running)
        reason = why_not(self.trained, self.viewer)
        self.continue_button.setEnabled(not reason and has_paint and not running)
        self.continue_button.setToolTip(reason or GO_ON)
        show_curve(self.curves, self.status, running or self.training.has_image)
        self.model_hint.setText(self._of_model())
        self.segment_button.setEnabled(self.trained is not None and has_image and not running)

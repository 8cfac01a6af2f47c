"""Show the Train dock: image, annotations, paint, Train; then Segment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from napari import Viewer
from napari.layers import Image as ImageLayer

from ...errors import InputError
from ...session.project import Project
from ..jobs.request import Ended
from ..jobs.training import Trained
from ..layers.annotations import (
    annotations_from,
    convert_to_objects,
    doubt_about_image,
    doubt_about_place,
    doubt_about_result,
    lay_over,
    note_settings,
)
from ..layers.purpose import ANNOTATIONS, add_note, made_of
from ..model_library import fits_channels, task_of
from ..segment.decoding import DecodingFold
from ..segment.job import Segmented, SegmentRequest
from ..training_dock import TrainingDock
from ..widgets.basics import Hint, button, row, stack, step
from .form import TrainForm
from .job import PaintQuestion, TrainRequest
from .live_paint import LivePaint
from .other_images import OtherImages
from .project_panel import ProjectPanel
from .recovery import RecoveryOffer

SAVE_TO = "in the Segment dock, under More settings, Save to"
SEGMENT_TIP = "Segment the image with the model that was trained"
NOT_TRAINED = "Train first. Models that are there already segment images in the Segment dock"
NO_ANNOTATIONS = "There are no annotations yet: press New, and paint on them"
CHOOSE_OTHERS: dict[str, Callable[[], None]] = {"Choose others": lambda: None}

Adapt = Callable[[TrainRequest], TrainRequest | None]
"""Makes of what the form holds what is trained; None where it has asked the user instead."""


class TrainDock(TrainingDock[TrainRequest]):
    """Train a network on what was painted, watch it learn, segment with it.

    Parameters
    ----------
    napari_viewer
        Given by napari.
    """

    form: TrainForm
    previews = LivePaint
    data = "paint"
    train_tip = "Train a network on the paint"
    continue_tip = (
        "Go on where the training stopped, with the image and the paint that are chosen now"
    )

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.form = TrainForm(self.viewer)
        self._offered_start: Path | None = None
        self.stop_button.setToolTip("Stop, and keep the best model so far")
        self.segment_button = button("Segment", "", self.segment, is_main=True)
        self.model_hint = Hint()
        self.decoding = DecodingFold(self.viewer)
        self.decoding.kept.connect(self._on_kept)
        self.decoding.failed.connect(self.message.error)
        form = self.form
        self.recovery = RecoveryOffer(self.viewer, self.colors)
        self.others = OtherImages(self.viewer)
        self.project = ProjectPanel(self.viewer, self.autosave, self.form.recipe)
        self.others.in_files = self.project.closed_images
        self.project.opened.connect(self._on_project)
        self.project.failed.connect(self.message.error)
        self.autosave.failed.connect(self.message.warn)
        self.lay_out(
            self.recovery,
            step("1", "Image", form.image),
            step("2", "Annotations", row(form.paint, form.new, wide=0)),
            step("3", "Paint", stack(row(form.task, 1), form.about_paint)),
            self.others,
            *self.training_parts(),
            step("5", "Segment", stack(self.segment_button, self.model_hint)),
            self.decoding,
            self.project,
        )
        form.painted.connect(self.settle)

    def train(self, adapt: Adapt | None = None, *, is_checked: bool = False) -> None:
        """Train on what the form holds, once nothing about the annotations is doubtful.

        Parameters
        ----------
        adapt
            Makes another request of that of the form. None: that of the form, whose settings are
            remembered for the next time.
        is_checked
            Whether the user has answered what is doubtful about the annotations.
        """
        if adapt is None:
            self.form.more.remember()
        with self.preparing():
            if not is_checked and self._asks_before(adapt):
                return
            self.show_state()  # which other images fit depends on all that is filled in
            now = self.others.added_to(self.form.value())
            if not is_checked and self._asks_whose(adapt):
                return
            request = _adapted(adapt, now)
            if request is None:
                return
            self.start_training(request, partial(self._on_trained, request))
            recipe = request.recipe
            settings = {"task": recipe.task, "dimensions": recipe.network.dimensions}
            note_settings(request.paint_layer, request.image_layer, **settings)

    def go_on(self) -> None:
        """Continue the last training with the paint as it is now."""
        if not self.why_not_continue():
            self.train(self.continued)

    def go_on_as_it_was(self, request: TrainRequest) -> None:
        """Continue the last training with a request, which the form then shows."""
        if reason := self.why_not_continue():
            self.message.error(f"{reason}.")
        else:
            kept = self.kept
            self.form.fill_in(request)  # after which another one is looked for
            self.kept = kept
            self.train(self._as_it_was)

    def _as_it_was(self, now: TrainRequest) -> TrainRequest | None:
        earlier = self.earlier(now)
        return None if earlier is None else now.continuing(earlier)

    def why_not_continue(self) -> str:
        """Return why there is nothing that Continue could go on with; empty where there is."""
        return NO_ANNOTATIONS if self.form.paint.value is None else super().why_not_continue()

    def start_from(self, model: Path) -> None:
        """Let Train start from a model whose result was corrected.

        Not where another is chosen, where Continue goes on with it, where it was offered before and
        not taken, or where it cannot learn from this image.
        """
        is_trained_here = self.trained is not None and self.trained.path == model
        is_busy = self.runner.is_busy or self.form.more.start.value() is not None
        if is_busy or is_trained_here or model == self._offered_start:
            return
        try:
            image, channels = self.form.image.image(), self.form.image.channels.value()
        except InputError:
            return
        if task_of(model) == "objects" and fits_channels(model, image, channels):
            self._offered_start = model
            self.form.more.start.set_value(model)

    def segment(self, device: str | None = None) -> None:
        """Segment the chosen image with the model that was trained last."""
        if self.trained is None:
            return
        path, model = self.trained.path, self.trained.model
        with self.preparing("Segmenting"):
            self.decoding.offer(None)
            request = SegmentRequest(
                self.form.image.layer.value,
                self.form.image.image(),
                path if path is not None and path.exists() else model,
                device=device or self.form.more.device.value or None,
                object_size=self.form.known_size(model),
            )
            self.start(request, self._on_segmented, view=self.live_result)

    def close_down(self) -> None:
        """End the job, which saves what it has, and let go of the viewer."""
        self.decoding.close_down()
        self.form.close_down()
        self.recovery.close_down()
        self.project.close_down()
        super().close_down()

    def set_colors(self, colors: dict[str, str]) -> None:
        """Take on the colours of a theme."""
        super().set_colors(colors)
        self.recovery.set_colors(colors)

    def select(self, layer: ImageLayer) -> None:
        """Show the image, or the annotations, that the user has selected."""
        self.form.select(layer, only_see=self.runner.is_busy)

    def show_state(self) -> None:
        """Enable the buttons that make sense now."""
        super().show_state()
        running = self.runner.is_busy
        image = self.form.image.layer.value
        self.others.look(image, self.form.paint.value, **self.form.settings())
        trained, text = self.trained, ""
        if trained is not None and image not in (None, trained.request.image_layer):
            text = f"The model was trained on {trained.request.image.name}."
        self.model_hint.setText(text)
        self.segment_button.setEnabled(trained is not None and image is not None and not running)
        self.segment_button.setToolTip(NOT_TRAINED if trained is None else SEGMENT_TIP)

    def _asks_before(self, adapt: Adapt | None) -> bool:
        """Ask where it is doubtful that the layer of annotations is one; return whether."""
        layer, paint = self.form.image.layer.value, self.form.paint.value
        image = self.form.image.image()

        def lay_it_over() -> None:
            with self.preparing():
                lay_over(paint, layer, image)
                self.train(adapt)

        def make_annotations() -> None:
            with self.preparing():
                settings = self.form.settings()
                self.form.choose(annotations_from(self.viewer, paint, layer, image, **settings))
                paint.visible = False  # two colours on each object would be in the way
                self.train(adapt)

        def take_for_paint() -> None:
            add_note(paint, purpose=ANNOTATIONS, **made_of(layer))
            not_a_mask = frozenset({("mask", "")})  # that is what was answered
            self.train(lambda now: _adapted(adapt, now.changed(answered=not_a_mask)))

        if doubt := doubt_about_place(paint, layer, image):
            self.ask(doubt, {"Lay it over": lay_it_over, **CHOOSE_OTHERS})
        elif doubt := doubt_about_result(paint):
            answers = {
                "Make annotations of it": make_annotations,
                "No, it is paint": take_for_paint,
            }
            self.ask(doubt, answers)
        return bool(doubt)

    def _asks_whose(self, adapt: Adapt | None) -> bool:
        """Ask where the annotations were made for another image; return whether."""
        doubt = doubt_about_image(self.viewer, self.form.paint.value, self.form.image.layer.value)
        if doubt:
            use_them = partial(self.train, adapt, is_checked=True)
            self.ask(doubt, {"Use them": use_them, **CHOOSE_OTHERS})
        return bool(doubt)

    def _on_trained(self, request: TrainRequest, ended: Ended[Trained[TrainRequest]]) -> None:
        if isinstance(ended.question, PaintQuestion):
            self._ask_about_paint(ended.question, request)
        if (trained := self.trained_by(ended)) is not None:
            self.project.note_trained(trained)

    def _on_project(self, project: Project) -> None:
        """Show how the images of a project are trained."""
        if project.recipe is not None:
            self.form.fill_in_recipe(project.recipe)
        self.form.more.start.reset_choices()

    def _ask_about_paint(self, question: PaintQuestion, request: TrainRequest) -> None:
        """Ask whether the paint of a request means what it says; train on it in either case."""

        def train_anew() -> None:
            self.form.task.value = "objects"
            self.train(
                lambda now: request.changed(recipe=now.recipe, paint=now.paint, resume=None),
                is_checked=True,
            )

        def train_on_it() -> None:
            self.train(
                lambda now: request.changed(
                    paint_layer=now.paint_layer,
                    paint=now.paint,
                    answered=request.answered | {question.about},
                ),
                is_checked=True,
            )

        def make_objects() -> None:
            with self.preparing():
                if question.kind == "mask":
                    place = request.image_layer, request.image
                    task = request.recipe.task
                    layer = annotations_from(self.viewer, request.paint_layer, *place, task=task)
                else:
                    layer = convert_to_objects(self.viewer, request.paint_layer, request.dimensions)
                self.form.choose(layer)
                train_on_it()

        answers = {"classes": train_anew, "sizes": lambda: None}
        yes = (lambda: None) if question.other else answers.get(question.kind, make_objects)
        self.ask(question.text, {question.yes: yes, question.no: train_on_it})

    def _on_segmented(self, ended: Ended[Segmented]) -> None:
        done = self.result_of(ended)
        if done is None:
            return
        self.decoding.offer(done.decodable)
        text = done.in_words(save_to=SAVE_TO)
        if done.is_undertrained:
            can_go_on = self.trained is not None and self.trained.checkpoint is not None
            go_on = " Continue goes on where it stopped." if can_go_on else ""
            self.message.warn(f"{text}{go_on}")
        else:
            self.message.info(text)

    def _on_kept(self, path: Path) -> None:
        """Segment with the values of the decoding from now on, and tell where they are."""
        if self.trained is not None:
            self.trained = replace(self.trained, path=path)
        self.message.info(f"The model is kept as {path.stem}, with these values.")
        self.message.setToolTip(str(path))


def _adapted(adapt: Adapt | None, request: TrainRequest) -> TrainRequest | None:
    return request if adapt is None else adapt(request)

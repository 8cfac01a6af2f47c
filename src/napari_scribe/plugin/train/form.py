"""Ask for what the Train dock trains on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import ref

from magicgui.widgets import CheckBox, RadioButtons
from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from napari.layers import Layer
from napari.utils.events import Event
from qtpy.QtCore import QObject, QTimer, Signal

from ...errors import InputError
from ...recipe import ObjectsTarget, Recipe
from ...windows import shape_of
from ..jobs.torch_loader import found_devices
from ..layers.annotations import annotations_of, is_made_on, note_settings, settings_of
from ..layers.brush import width_for
from ..layers.complete_regions import complete_boxes
from ..layers.conversion import add_annotations, paint_events, paint_of
from ..layers.object_size import SizeCircle, found_size, painted_size
from ..layers.purpose import add_note, is_paint, made_of, note, rank_of_paint, source_of
from ..layers.visible import visible_field
from ..model_library import dimensions_of, object_size_of
from ..widgets.basics import Hint, NamedPart, button, named, stack
from ..widgets.layer_pickers import ImagePicker, LayerPicker
from ..widgets.model_picker import DENOISING, FINDING, ModelPicker
from ..widgets.object_size import ObjectSizePicker
from ..widgets.recipe_form import RecipeForm
from ..widgets.settings_fold import WIDTH
from ..widgets.training_settings import TrainingSettings
from .job import TrainRequest
from .painting import PaintingHelp

if TYPE_CHECKING:
    from ...model import Model

HINTS = {
    "objects": "Paint a few objects whole, each with a number of its own (N: the next one), and "
    "some strokes of background (B: to it and back).",
    "classes": "A few strokes of each class will do. 1 is the first class, the background as a "
    "rule (B: to it and back), 2, 3 ... are others (N: the next one).",
}
PAINT_TIP = "The labels layer that you paint on: annotations, or labels of your own"
NEW_TIP = (
    "A labels layer for the image that was selected last, with the brush ready, as wide as suits "
    "the objects where their size is known. What is painted is guarded from the brush"
)
TASKS = [("Objects", "objects"), ("Classes", "classes")]
SIZE_TIP = (
    "Diameter of the objects in this image, in pixels. If it is far from the size that the network "
    "likes, the image is shrunk or grown for it. It is measured on objects that are painted whole"
)
MEASURE_AFTER = 500
"""Milliseconds without a stroke after which painted objects are measured."""


class TrainForm(QObject):
    """Ask for image, annotations and task; folded away, for everything else.

    Signals
    -------
    changed
        Another image, other annotations, another task.
    painted
        Something is painted on the annotations.
    """

    changed = Signal()
    painted = Signal()

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.viewer = viewer
        self.image = ImagePicker(viewer)
        self.paint = LayerPicker(viewer, is_paint, PAINT_TIP, rank_of_paint)
        self.new = button("New", NEW_TIP, self._new)
        self.task = RadioButtons(choices=TASKS, orientation="horizontal")
        self.task.value = "objects"
        self.task.tooltip = "Objects: each one apart. Classes: which kind of thing each pixel is"
        box = self.task.native
        box.setStyleSheet("QGroupBox { border: none; margin: 0; padding: 0; }")
        box.layout().setContentsMargins(0, 0, 0, 0)
        self.hint = Hint()
        self.more = TrainSettings()
        self.size = ObjectSizePicker("as painted", SIZE_TIP)
        self._size_row = named("Object size", self.size)
        self.painting = PaintingHelp(viewer)
        self.painting.slices.taken.linkActivated.connect(self._take_dimensions)
        self.about_paint = stack(self.hint, self.painting, self._size_row)
        self._circle = SizeCircle(viewer)
        # It ends with the widget that shows what was measured.
        self._measure_soon = QTimer(self.size.native, interval=MEASURE_AFTER, singleShot=True)
        self._measure_soon.timeout.connect(self._measure)
        for signal in (self.size.changed, self.more.start.changed, self.more.recipe.changed):
            signal.connect(self._show_size)
        self.image.changed.connect(self._on_image)
        self.task.changed.connect(self._show_task)
        self.paint.changed.connect(self._on_annotations)
        for signal in (self.changed, self.more.dimensions.changed, self.more.start.changed):
            signal.connect(self._show_painting)
        self._listened: list[Any] = []
        self._had_paint = False
        self._shown: Callable[[], ImageLayer | None] = lambda: None  # the image
        self.more.recall()
        self.more.reset.clicked.connect(self._on_reset)
        self._show_task()
        self._on_image()
        self._on_annotations()
        self.select(viewer.layers.selection.active)

    def value(self) -> TrainRequest:
        """Return what is filled in, with a snapshot of the paint.

        Raises
        ------
        InputError
            If something is missing or does not fit.
        """
        image = self.image.image()
        if self.paint.value is None:
            raise InputError("There are no annotations yet: press New, and paint on them.")
        start = self.more.start.value()
        recipe = self.recipe()
        if start is not None:  # which decides about the network
            recipe = recipe.changed({"network.dimensions": dimensions_of(start)})
        return TrainRequest(
            image_layer=self.image.layer.value,
            paint_layer=self.paint.value,
            image=image,
            paint=paint_of(self.paint.value, self.image.layer.value, image),
            complete=complete_boxes(self.viewer, self.image.layer.value, image),
            recipe=recipe,
            seconds=60 * self.more.minutes.value or None,
            channels=self.image.channels.value(),
            device=self.more.device.value or None,
            start=start,
            has_previews=bool(self.more.previews.value),
            denoiser=self.more.denoiser.value(),
            object_size=self.size.value() if self._uses_size() else None,
        )

    def known_size(self, model: Model) -> float | None:
        """Return how large the objects in the image are, as chosen or painted, for a model."""
        is_used = model.object_size is not None and self._uses_size()
        return self.size.known() if is_used else None

    def select(self, selected: Layer | None, *, only_see: bool = False) -> None:
        """Show the image, or the annotations, that the user has selected among the layers.

        Parameters
        ----------
        only_see
            As for `ImagePicker.follow`.
        """
        if selected is None:
            return
        before, paint = self.image.layer.value, self.paint.value
        self.image.follow(selected, only_see=only_see)
        image = self.image.layer.value
        if image is not before and is_made_on(paint, before):
            note_settings(paint, before)  # so that it is not taken for paint of another
        if not only_see and image is not None and selected in self._made_for(image):
            self.choose(selected)

    def choose(self, annotations: LabelsLayer) -> None:
        """Choose annotations that may be new."""
        self.paint.reset_choices()
        self.paint.value = annotations

    def settings(self) -> dict[str, Any]:
        """Return what belongs to the annotations: the task, and whether Z is depth."""
        return {"task": str(self.task.value), "dimensions": int(self.more.dimensions.value)}

    def close_down(self) -> None:
        """Let go of the annotations, and remove the circle."""
        self._listen([])
        self.painting.close_down()
        self._circle.close()

    def reset_choices(self, event: object = None) -> None:
        """Offer the viewer's layers."""
        self.image.reset_choices(event)
        before = self.paint.value
        self.paint.reset_choices()
        if self.paint.value is not before:
            self._on_image()

    def recipe(self) -> Recipe:
        """Return how the form trains.

        Raises
        ------
        InputError
            If some value does not fit.
        """
        return self.more.recipe.value(str(self.task.value))

    def fill_in_recipe(self, recipe: Recipe) -> None:
        """Show how something is trained."""
        self.task.value = recipe.task
        self.more.dimensions.value = recipe.network.dimensions
        self.more.recipe.set_value(recipe)

    def fill_in(self, request: TrainRequest) -> None:
        """Show what a training was, where that stays as long as it goes on."""
        self.fill_in_recipe(request.recipe)
        self.image.channels.set_value(request.channels)
        self.more.start.set_value(request.start)
        self.more.denoiser.set_value(request.denoiser)
        self.size.set_value(request.object_size)

    def _new(self) -> None:
        """Add annotations of the chosen kind; if there are such ones already, of objects."""
        self.select(self.image.latest)
        if not self.new.isEnabled():  # the picker says why
            return
        is_used = self.paint.value is not None and self.settings() == settings_of(self.paint.value)
        noted = {} if is_used else self.settings()
        layer, image = self.image.layer.value, self.image.image()
        paint = add_annotations(self.viewer, layer, image.axes, **noted)
        _, window = visible_field(self.viewer, layer, image, 2)
        paint.brush_size = width_for(self._known_diameter(), min(shape_of(window)))
        self.choose(paint)

    def _known_diameter(self) -> float | None:
        """Return the diameter of objects, as chosen, painted, found, or known to the model."""
        if not self._uses_size():
            return None
        known = self.size.known() or found_size(self.viewer, self.image.layer.value)
        start = self.more.start.value()
        return known or (None if start is None else object_size_of(start))

    def _show_painting(self, _value: object = None) -> None:
        """Help with the annotations that are chosen."""
        start, source = self.more.start.value(), self.image.layer.value
        image, dimensions = None, int(self.more.dimensions.value)
        with suppress(InputError):  # the picker says why
            image = self.image.image()
            dimensions = dimensions if start is None else dimensions_of(start)
        task, is_free = str(self.task.value), start is None
        self.painting.follow(self.paint.value, source, image, task, dimensions, is_free=is_free)

    def _take_dimensions(self, dimensions: str) -> None:
        """Choose slices or depth, as More settings does."""
        self.more.dimensions.value = int(dimensions)

    def _on_image(self) -> None:
        """Offer the annotations that were made for the image, if there are any."""
        image = self.image.layer.value
        try:
            axes = self.image.image().axes
        except InputError:  # the picker says why
            axes = ""
        self.new.setEnabled(bool(axes))
        self.more.show_depth("Z" in axes)
        made_for = [] if image is None else self._made_for(image)
        for layer in made_for:
            add_note(layer, **made_of(image))  # samples know names alone
        chosen = self.paint.value
        if made_for and (chosen is None or source_of(chosen, self.viewer.layers) is not image):
            self.paint.value = made_for[-1]
        if image is not None and image is not self._shown():
            self._shown = ref(image)
            if self.paint.value is not None:  # what was chosen for the other image, but not used
                self._show_settings()
        self._show_size()
        self.changed.emit()

    def _on_annotations(self, _layer: object = None) -> None:
        """Show what the annotations are for, and listen to what is painted on them."""
        layer = self.paint.value
        self._listen([] if layer is None else paint_events(layer))
        if self._had_paint or (layer is not None and "task" in note(layer)):
            self._show_settings()
        self._had_paint = layer is not None
        self._measure_soon.start()
        self.changed.emit()

    def _made_for(self, image: ImageLayer) -> list[LabelsLayer]:
        """Return the annotations of an image that are offered."""
        return [a for a in annotations_of(image, self.viewer.layers) if a in self.paint.choices]

    def _show_settings(self) -> None:
        settings = settings_of(self.paint.value)
        self.task.value = settings["task"]
        self.more.dimensions.value = settings["dimensions"]

    def _listen(self, events: list[Any]) -> None:
        for event in self._listened:
            event.disconnect(self._on_stroke)
        for event in events:
            event.connect(self._on_stroke)
        self._listened = events

    def _on_stroke(self, event: Event) -> None:
        image = self.image.layer.value
        if event.type == "paint" and image is not None:  # by the user
            note_settings(self.paint.value, image, **self.settings())
        self._measure_soon.start()
        self.painted.emit()

    def _measure(self) -> None:
        """Show how large the painted objects are, once torch is there: that takes a while."""
        if not found_devices():
            self._measure_soon.start()
            return
        size = None
        if self._uses_size():
            with suppress(InputError):  # it is told where Train is pressed
                layers = self.paint.value, self.image.layer.value
                size = painted_size(*layers, self.image.image(), int(self.more.dimensions.value))
        self.size.show_measured(size)

    def _uses_size(self) -> bool:
        """Return whether images are brought to a size of objects."""
        if str(self.task.value) != "objects":
            return False
        if (start := self.more.start.value()) is not None:
            return object_size_of(start) is not None
        with suppress(InputError):  # it is told where Train is pressed
            target = self.more.recipe.value("objects").target
            return isinstance(target, ObjectsTarget) and target.object_size > 0
        return False

    def _show_size(self, _value: object = None) -> None:
        """Ask for the size where it is used, and draw the circle that is asked for."""
        uses_size = self._uses_size()
        if uses_size == self._size_row.isHidden():
            self._size_row.setVisible(uses_size)
            self._measure_soon.start()
        layer, axes = self.image.layer.value, self.image.axes.text()
        self._circle.show(layer, axes, self.size.drawn() if uses_size else None)

    def _on_reset(self) -> None:
        self.task.value = "objects"

    def _show_task(self, _value: object = None) -> None:
        task = str(self.task.value)
        self.hint.setText(HINTS[task])
        self.more.folds["target"].setVisible(task == "objects")
        self._show_size()
        self.changed.emit()


class TrainSettings(TrainingSettings):
    """Ask for what has good defaults."""

    section = "train"

    def __init__(self) -> None:
        super().__init__(RecipeForm(), FINDING)
        tip = (
            "A denoiser that the image goes through first, here and wherever the model is used: it "
            "becomes part of the model. Denoisers are trained in the Denoise dock"
        )
        self.denoiser = ModelPicker(none="no", tasks=DENOISING, tooltip=tip)
        self.previews = CheckBox(value=True, text="Preview while it trains")
        self.previews.tooltip = "Show what the network finds in what is visible, while it learns"
        self.remembers("previews")
        self.lay_out(NamedPart("Denoise first", self.denoiser, WIDTH), self.previews.native)

"""Ask what is measured: which labels, in which images, and how far."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from magicgui.widgets import CheckBox
from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from napari.layers import Layer
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QCheckBox, QWidget

from ...errors import InputError
from ...image import Image
from ..layers.conversion import image_of
from ..layers.purpose import is_paint, note, rank_of_objects
from ..model_library import names_of_channels, size_in_words
from ..widgets.basics import Column, Hint, NameBox, empty, fill_column, layout_of, named, stack
from ..widgets.inputs import Choice, narrow
from ..widgets.layer_pickers import LayerPicker
from ..widgets.settings_fold import SettingsFold
from .folder import FolderPicker
from .job import MeasureRequest
from .layers import (
    frame_in_view,
    images_like,
    images_on,
    labels_of,
    letters_of,
    own_image,
    results_among,
)

NO_LABELS = "Open or make labels of objects first, for example with the Segment dock."
TIME, DEPTH, SLICES = "T", "Z", "slices"
STACKS = {
    TIME: "time: each frame by itself",
    DEPTH: "depth: objects in 3D",
    SLICES: "slices: each by itself",
}
STACK_TIP = "What the slider goes through, and so what belongs to one object"
ALL, IN_VIEW, OPEN, FOLDER = "all", "in view", "open", "folder"


class LabelsPicker(Column):
    """Ask for a labels layer, and what its stack is."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer, self._letters = viewer, ""
        tip = "The objects to measure: the labels selected last, here or in the list of layers"
        self.layer = LayerPicker(viewer, is_paint, tip, rank_of_objects)
        self.info = Hint()
        self.stack = Choice(self._stacks, STACK_TIP)
        narrow(self.stack.native)
        self._row = named("Stack is", self.stack, 64)
        self.layer.changed.connect(self._show_layer)
        super().__init__(self.layer, self.info, self._row)
        self.stack.changed.connect(lambda _value: self.changed.emit(self))
        self._show_layer()

    @property
    def slices(self) -> bool:
        """Return whether Z is a list of slices with objects of their own."""
        return bool(self.stack.value == SLICES)

    def letters(self, layer: LabelsLayer | None = None) -> str:
        """Return a letter per axis of a layer, with what the user says of the stack.

        Parameters
        ----------
        layer
            Other labels than the chosen ones.
        """
        letters = self._letters if layer is None else letters_of(layer, self._viewer)
        has_choice = all(len(x.replace("C", "")) == 3 for x in (letters, self._letters))
        if not has_choice or not self.stack.value:
            return letters
        other = next(a for a in letters if a in "TZ")
        return letters.replace(other, TIME if self.stack.value == TIME else DEPTH)

    def image(self) -> Image:
        """Return the labels.

        Raises
        ------
        InputError
            If there are none.
        """
        if self.layer.value is None:
            raise InputError(NO_LABELS)
        return labels_of(self.layer.value, self.letters())

    def follow(self, layer: Layer, **_options: object) -> None:
        """Go to labels that the user has selected in the list of layers."""
        if is_paint(layer) and layer is not self.layer.value:
            self.layer.reset_choices()
            self.layer.value = layer

    def reset_choices(self, *_: object) -> None:
        """Offer the viewer's layers."""
        self.layer.reset_choices()
        self._show_layer()

    def _stacks(self) -> list[tuple[str, str]]:
        n = len(self._letters.replace("C", ""))
        kinds = {3: (TIME, DEPTH, SLICES), 4: (DEPTH, SLICES)}.get(n, ())
        return [(STACKS[kind], kind) for kind in kinds]

    def _show_layer(self, _layer: object = None) -> None:
        layer = self.layer.value
        before = self._letters
        self._letters = ""
        with suppress(InputError):  # it is told below
            self._letters = "" if layer is None else letters_of(layer, self._viewer)
        with self.stack.changed.blocked():
            self.stack.reset_choices()
            if self._letters != before and self.stack.choices:
                is_timed = "T" in self._letters and "Z" not in self._letters
                self.stack.value = TIME if is_timed else DEPTH
        self._row.setVisible(bool(self.stack.choices))
        try:
            self.info.setText(size_in_words(self.image()))
        except InputError as error:
            self.info.setText(str(error))


class ImageTicks(QWidget):
    """Offer a box to tick for each image that lies on the labels.

    Signals
    -------
    changed
        Another box is ticked, or other images are offered.
    """

    changed = Signal()

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._boxes = stack()
        self.hint = Hint()
        self.boxes: list[tuple[ImageLayer, QCheckBox]] = []
        self._ticked: dict[int, bool] = {}
        fill_column(self, self._boxes, self.hint)

    def show_for(self, layer: LabelsLayer | None) -> None:
        """Offer the images that lie on these labels; the user's own are ticked at first."""
        self._ticked |= {id(image): box.isChecked() for image, box in self.boxes}
        images = [] if layer is None else images_on(layer, self._viewer)
        empty(layout_of(self._boxes))
        self.boxes = []
        for image in images:
            box = NameBox(image.name)
            box.setToolTip(
                f"{image.name}\nMeasure the intensity of {_channels(image)} in every object"
            )
            box.setChecked(self._ticked.get(id(image), _is_ticked_first(image, images)))
            box.toggled.connect(lambda _is_ticked: self.changed.emit())
            layout_of(self._boxes).addWidget(box)
            self.boxes.append((image, box))
        none = "No image lies on these labels: sizes and shapes alone are measured."
        self.hint.setText("" if images or layer is None else none)

    def value(self) -> list[ImageLayer]:
        """Return the ticked images that are still open."""
        return [i for i, box in self.boxes if box.isChecked() and i in self._viewer.layers]


def _channels(image: ImageLayer) -> str:
    """Return the channels of an image in words."""
    names = names_of_channels(image_of(image))
    return "this image" if len(names) == 1 else f"its {len(names)} channels"


def _is_ticked_first(image: ImageLayer, images: list[ImageLayer]) -> bool:
    """Return whether an image is the user's own, or the only one."""
    return not note(image) or len(images) == 1


class MeasureForm(QObject):
    """Ask for labels, images and frames; folded away, for what is left out.

    Signals
    -------
    changed
        Other labels, images or frames.
    """

    changed = Signal()

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.viewer = viewer
        self.image = LabelsPicker(viewer)
        self.images = ImageTicks(viewer)
        tip = (
            "What is measured: all of these labels, the frame that is shown, all results that are "
            "open (each with the intensity in its own image), or files in a folder"
        )
        self.scope = Choice(self._scopes, tip)
        self.folder = FolderPicker()
        self.more = MeasureSettings()
        self.more.recall()
        active = viewer.layers.selection.active
        if active is not None:
            self.image.follow(active)
        self.image.changed.connect(self._show)
        self.images.changed.connect(self.changed.emit)
        self.scope.changed.connect(self._on_scope)
        self.folder.changed.connect(lambda _value: self.changed.emit())
        self._show()

    def reset_choices(self, event: object = None) -> None:
        """Offer the viewer's layers."""
        self.image.reset_choices(event)
        self._show()

    def value(self, pieces: bool | None = None) -> MeasureRequest:
        """Return what is measured.

        Parameters
        ----------
        pieces
            As `measuring` takes it.

        Raises
        ------
        InputError
            If there are no labels.
        """
        slices, at = self.image.slices, None
        if self.scope.value == OPEN:
            subjects = [self._with_own_image(layer) for layer in self.layers()]
            return MeasureRequest(tuple(subjects), slices, None, pieces)
        labels = self.image.image()
        if self.scope.value == IN_VIEW:
            letters = self.image.letters()
            in_view = frame_in_view(self.viewer, self.image.layer.value, letters)
            at = {a: i for a, i in in_view.items() if a == "T" or (a == "Z" and slices)}
        images = images_like(self.images.value(), labels)
        return MeasureRequest(((labels, images),), slices, at, pieces)

    def layers(self) -> list[LabelsLayer]:
        """Return the layers that are measured: the chosen one, or all results."""
        if self.scope.value == OPEN:
            return results_among(self.image.layer.choices, self.viewer)
        return [self.image.layer.value]

    def _with_own_image(self, layer: LabelsLayer) -> tuple[Image, Mapping[str, Image]]:
        labels = labels_of(layer, self.image.letters(layer))
        return labels, images_like(own_image(layer, self.viewer), labels)

    def _scopes(self) -> list[tuple[str, str]]:
        letters = self.image.letters()
        has_frames = "T" in letters or ("Z" in letters and self.image.slices)
        in_view = "This frame" if "T" in letters else "This slice"
        alone = [(in_view, IN_VIEW)] if has_frames else []
        whole = ("All frames" if "T" in letters else "All") if has_frames else "These labels"
        has_more = len(results_among(self.image.layer.choices, self.viewer)) > 1
        together = [("All open results", OPEN)] if has_more else []
        return [(whole, ALL), *alone, *together, ("A folder...", FOLDER)]

    def _show(self, _value: Any = None) -> None:
        self.images.show_for(self.image.layer.value)
        with self.scope.changed.blocked():
            self.scope.reset_choices()
        self._on_scope()

    def _on_scope(self, _value: Any = None) -> None:
        """Ask for folders where files are measured; layers do not matter then."""
        self.folder.visible = self.is_folder
        is_one = self.scope.value in (ALL, IN_VIEW)
        self.image.enabled = not self.is_folder
        self.image.layer.enabled = is_one
        self.image.info.setVisible(bool(self.image.info.text()) and not self.is_folder)
        self.images.setEnabled(is_one)
        self.changed.emit()

    @property
    def is_folder(self) -> bool:
        """Return whether files in a folder are measured."""
        return bool(self.scope.value == FOLDER)


class MeasureSettings(SettingsFold):
    """Ask, folded away, which objects are left out."""

    section = "measure"
    has_device = False

    def __init__(self) -> None:
        super().__init__()
        self.edge = CheckBox(value=False, text="Leave out what touches the edge")
        self.edge.tooltip = (
            "Objects at the edge of the image are cut, so that their size and shape are not known: "
            "leave them out of table, counts and file"
        )
        self.remembers("edge")
        self.addWidget(self.edge.native)

"""What the Segment dock asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from ...errors import InputError
from ...image import Image
from ..layers.conversion import guess_layer_axes, image_of
from ..layers.visible import slice_region, visible_region
from ..model_library import channels_to_tick, dimensions_of
from ..widgets.basics import hint
from ..widgets.folder_channels import FolderChannels
from ..widgets.layer_pickers import ImagePicker, is_image
from ..widgets.model_picker import ModelPicker
from ..widgets.scope_picker import FOLDER, LAYERS, SLICE, VISIBLE, ScopePicker
from .folder import FolderInput
from .job import SegmentInput
from .settings import SegmentSettings

if TYPE_CHECKING:
    from napari import Viewer


PARTS = {SLICE: (slice_region, "slice"), VISIBLE: (visible_region, "visible")}


class SegmentForm(QObject):
    """Image, model, what of the image; folded away, everything else.

    Parameters
    ----------
    test_for_seams
        Called when that button is pressed.

    Signals
    -------
    changed
        Another image, model or part.
    """

    changed = Signal()

    def __init__(self, viewer: Viewer, test_for_seams: Callable[[], Any]) -> None:
        super().__init__()
        self.viewer = viewer
        self.image = ImagePicker(viewer)
        self.needs = hint()
        self.model = ModelPicker()
        self.where = ScopePicker()
        self.folder_channels = FolderChannels()
        self.more = SegmentSettings(test_for_seams)
        self.more.recall()
        for part in (self.image, self.model, self.where):
            part.changed.connect(self._show)
        self._show()

    def reset_choices(self, event: Any = None) -> None:
        """Follow the viewer's layers, and the folder of models."""
        self.image.reset_choices(event)
        self.model.reset_choices()
        self._show()

    @property
    def is_filled(self) -> bool:
        """Whether there is an image and a model for it."""
        has_image = self.where.value() == FOLDER or self.image.layer.value is not None
        return has_image and self.model.value() is not None

    def model_file(self) -> Path:
        """The model.

        Raises
        ------
        InputError
            If there is none.
        """
        path = self.model.value()
        if path is None:
            raise InputError("There is no model yet: train one, or choose a file.")
        return path

    def value(self) -> SegmentInput:
        """What is segmented of the chosen layer.

        Raises
        ------
        InputError
            If something is missing, or nothing of the image is in view.
        """
        model, layer, image = self.model_file(), self.image.layer.value, self.image.image()
        region, part = self._region(layer, image, model)
        return SegmentInput(
            layer,
            image,
            model,
            channels=self.image.channels.value() if self.needs.text() else None,
            region=region,
            part=part,
            out=self.more.save_to.value,
            **self.more.values(),
        )

    def layers(self) -> list[Any]:
        """All image layers.

        Raises
        ------
        InputError
            If there is none.
        """
        self.image.image()  # says so
        return [layer for layer in self.viewer.layers if is_image(layer)]

    def value_of(self, layer: Any) -> SegmentInput:
        """All of another layer; with axes and channels as chosen, where it is like the chosen one.

        Raises
        ------
        InputError
            If it is no image for this.
        """
        chosen, axes, channels = self.image.layer.value, guess_layer_axes(layer), None
        if chosen is not None and axes == guess_layer_axes(chosen):
            axes = self.image.axes.text()
        image = image_of(layer, axes)
        boxes = self.image.channels.boxes
        if self.needs.text() and len(boxes) == image.n_channels:
            channels = self.image.channels.value()
        return SegmentInput(
            layer, image, self.model_file(), channels=channels, **self.more.values()
        )

    def folder(self) -> FolderInput:
        """A folder of images.

        Raises
        ------
        InputError
            If something is missing.
        """
        model, images, out = self.model_file(), self.where.images.value, self.where.out.value
        if images is None or out is None:
            raise InputError("Choose a folder of images, and one for the results.")
        channels, n = self.folder_channels.value()
        series = self.folder_channels.series.value()
        return FolderInput(images, out, model, channels, n, series, **self.more.values())

    def _region(self, layer: Any, image: Image, model: Path) -> tuple[dict[str, slice] | None, str]:
        """Which part of an image, and what it is called."""
        where = self.where.value()
        if where not in PARTS:
            return None, ""
        find, name = PARTS[where]
        region = find(self.viewer, layer, image, dimensions_of(model))
        # Named by where it is, so that another part does not take its place.
        return region, f"{name} {', '.join(f'{a} {s.start}' for a, s in region.items())}"

    def _show(self) -> None:
        """What goes with image and model: parts that there are, channels that have to be chosen."""
        path, layer, where = self.model.value(), self.image.layer.value, self.where.value()
        has_both = path is not None and layer is not None
        self.where.offer_slices(has_both and self._has_slices(path))
        self.image.enabled = where != FOLDER
        self.image.layer.enabled = where not in (LAYERS, FOLDER)
        self.more.save_to.enabled = where not in (LAYERS, FOLDER)
        text = self._channels_needed(path) if has_both and where != FOLDER else ""
        self.needs.setText(text)
        self.image.channels.visible = bool(text)
        self.folder_channels.follow(self.where.images.value if where == FOLDER else None, path)
        self.changed.emit()

    def _has_slices(self, path: Path) -> bool:
        try:
            image = self.image.image()
            return any(image.length(a) > 1 for a in image.iterated_axes(dimensions_of(path)))
        except InputError:
            return False

    def _channels_needed(self, path: Path) -> str:
        """What to say where the model needs other channels than the image has; else nothing."""
        try:
            return channels_to_tick(path, self.image.image().n_channels)
        except InputError:
            return ""

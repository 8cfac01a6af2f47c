"""Ask for what the Segment dock segments: image, model, what of the image; the settings."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import ref

from magicgui.widgets import CheckBox, ComboBox
from napari import Viewer
from napari.layers import Image as ImageLayer
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QLineEdit

from ...errors import InputError
from ...io import labels_path
from ...io.ngff_labels import image_group
from ..layers.conversion import guess_layer_axes, image_of
from ..layers.object_size import SizeCircle
from ..layers.purpose import is_image
from ..model_library import channels_to_tick, dimensions_of, object_size_of
from ..widgets.basics import Hint, button, named, stack
from ..widgets.folder_channels import FolderChannels
from ..widgets.inputs import result_file, tile_choice
from ..widgets.layer_pickers import ImagePicker
from ..widgets.model_picker import ModelPicker
from ..widgets.object_size import ObjectSizePicker
from ..widgets.scope_picker import FOLDER, LAYERS, ScopePicker, has_frames
from ..widgets.settings_fold import WIDTH, SettingsFold
from .folder import FolderRequest, with_results
from .job import SegmentRequest

HALOS = [("exact", "exact"), ("quick", "quick")]
SIZE_TIP = (
    "Diameter of the objects in the image, in pixels. If it is far from that of the objects that "
    "the model has learnt, the image is shrunk or grown for the model, and labels return on the "
    "image's own pixels. automatic: it is estimated from what the model finds at several scales"
)


INTO_IMAGE_TIP = (
    "Write the labels into the OME-Zarr of the image, as its labels of this name: programs that "
    "open the image find them in it. All of the image is segmented for that"
)


OWN_READER = (
    "napari opens an OME-Zarr with labels with the plugin napari-ome-zarr; its own reader stops at "
    "them."
)


class SegmentForm(QObject):
    """Ask for image, model, what of the image; folded away, for everything else.

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

    def __init__(self, viewer: Viewer, test_for_seams: Callable[[], None]) -> None:
        super().__init__()
        self.viewer = viewer
        self.image = ImagePicker(viewer)
        self.needs = Hint()
        self.model = ModelPicker()
        self.scope = ScopePicker()
        self.folder_channels = FolderChannels()
        self.more = SegmentSettings(test_for_seams)
        self.size = self.more.size_picker
        self._size_row = named("Object size", self.size)
        self.what = stack(self.model, self._size_row)
        self._circle = SizeCircle(viewer)
        self._estimated_for: tuple[object, object] | None = None
        self._layer: Callable[[], ImageLayer | None] = lambda: None  # of which the store is
        self._store: Path | None = None
        self.more.recall()
        for part in (self.image, self.model, self.scope):
            part.changed.connect(self._show)
        self.size.changed.connect(self._draw_circle)
        self._show()

    def reset_choices(self, event: object = None) -> None:
        """Offer the viewer's layers, and the models in their folder."""
        self.image.reset_choices(event)
        self.model.reset_choices()
        self._show()

    @property
    def is_filled(self) -> bool:
        """Return whether there is an image and a model for it."""
        has_image = self.scope.value() == FOLDER or self.image.layer.value is not None
        return has_image and self.model.value() is not None

    def model_file(self) -> Path:
        """Return the model.

        Raises
        ------
        InputError
            If there is none.
        """
        path = self.model.value()
        if path is None:
            raise InputError("There is no model yet: train one, or choose a file.")
        return path

    def value(self) -> SegmentRequest:
        """Return what is segmented of the chosen layer.

        Raises
        ------
        InputError
            If something is missing, or nothing of the image is in view.
        """
        model, layer, image = self.model_file(), self.image.layer.value, self.image.image()
        region, part = self.scope.region(self.viewer, layer, image, model)
        return SegmentRequest(
            layer,
            image,
            model,
            channels=self.image.channels.value() if self.needs.text() else None,
            region=region,
            part=part,
            out=self._out(),
            **self.for_segmenting(),
        )

    def _out(self) -> Path | None:
        """Return where labels are written; None where they are only shown.

        Raises
        ------
        InputError
            If there are two places, or labels cannot have this name.
        """
        name, file = self.more.into_image.text().strip(), self.more.save_to.value
        if not name or self._store is None:
            return file
        if file is not None:
            raise InputError(
                "The labels can go to a file or into the image: clear one of Save to and Into "
                "image."
            )
        return labels_path(self._store, name)

    def layers(self) -> list[ImageLayer]:
        """Return all image layers.

        Raises
        ------
        InputError
            If there is none.
        """
        self.image.image()  # says so
        return [layer for layer in self.viewer.layers if is_image(layer)]

    def value_of(self, layer: ImageLayer) -> SegmentRequest:
        """Return all of another layer.

        Axes and channels are as chosen, where the layer is like the chosen one.

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
        return SegmentRequest(
            layer, image, self.model_file(), channels=channels, **self.for_segmenting()
        )

    def folder(self) -> FolderRequest:
        """Return a folder of images.

        Raises
        ------
        InputError
            If something is missing.
        """
        model, images, out = self.model_file(), self.scope.images.value, self.scope.out.value
        if images is None or out is None:
            raise InputError("Choose a folder of images, and one for the results.")
        channels, n = self.folder_channels.value()
        series = self.folder_channels.series.value()
        pairs = with_results(images, out)
        return FolderRequest(
            images, out, pairs, model, channels, n, series, **self.for_segmenting()
        )

    def for_segmenting(self) -> dict[str, Any]:
        """Return the settings as `SegmentRequest` and `FolderRequest` take them."""
        size = self.size.value() if self._model_size() is not None else None
        return {"object_size": size, **self.more.for_segmenting()}

    def show_estimate(self, request: SegmentRequest, diameter: float | None) -> None:
        """Show the size that was estimated for an image and a model, while both are chosen."""
        if request.object_size is None:
            self._estimated_for = request.image_layer.unique_id, request.model
            if self._estimated_for == self._chosen():
                self.size.show_measured(diameter)

    def close_down(self) -> None:
        """Remove the circle."""
        self._circle.close()

    def _chosen(self) -> tuple[object, object]:
        """Return what an estimate belongs to: the image and the model."""
        layer = self.image.layer.value
        return None if layer is None else layer.unique_id, self.model.value()

    def _model_size(self) -> float | None:
        """Return the size of objects that the model knows; None if it knows none."""
        path = self.model.value()
        return None if path is None else object_size_of(path)

    def _draw_circle(self) -> None:
        is_layer = self.scope.value() != FOLDER and self._model_size() is not None
        layer, axes = self.image.layer.value, self.image.axes.text()
        self._circle.show(layer, axes, self.size.drawn() if is_layer else None)

    def _show(self) -> None:
        """Offer what goes with image and model: parts, and channels that have to be chosen."""
        path, scope = self.model.value(), self.scope.value()
        has_slices, channels_needed = False, ""
        with suppress(InputError):  # the pickers say what is wrong
            image = self.image.image()
            if path is not None:
                channels_needed = channels_to_tick(path, image.n_channels)
                has_slices = has_frames(image, dimensions_of(path))
        if scope == FOLDER:
            channels_needed = ""
        self.scope.offer_slices(has_slices)
        self.image.enabled = scope != FOLDER
        self.image.layer.enabled = scope not in (LAYERS, FOLDER)
        self.more.save_to.enabled = scope not in (LAYERS, FOLDER)
        self._show_store(scope)
        self.needs.setText(channels_needed)
        self.image.channels.visible = bool(channels_needed)
        self.folder_channels.follow(self.scope.images.value if scope == FOLDER else None, path)
        self._size_row.setVisible(self._model_size() is not None)
        if self._estimated_for != self._chosen():
            self.size.show_measured(None)
        self._draw_circle()
        self.changed.emit()

    def _show_store(self, scope: str) -> None:
        """Offer to write into the image where that is an OME-Zarr."""
        layer = self.image.layer.value
        if layer is not None and layer is not self._layer():
            self._layer = ref(layer)
            self._store = image_group(layer.source.path) if layer.source.path else None
        is_one = layer is not None and scope not in (LAYERS, FOLDER)
        is_offered = is_one and self._store is not None
        self.more.into_image_row.setVisible(is_offered)
        is_own = layer is not None and layer.source.reader_plugin == "napari"
        self.more.own_reader.setText(OWN_READER if is_offered and is_own else "")


class SegmentSettings(SettingsFold):
    """Ask for the size of objects, tiles, device, what is saved; offer the test for seams.

    Parameters
    ----------
    test_for_seams
        Called when that button is pressed.
    """

    section = "segment"

    def __init__(self, test_for_seams: Callable[[], None]) -> None:
        super().__init__()
        self.size_picker = ObjectSizePicker("automatic", SIZE_TIP)
        self.object_size = self.size_picker.box
        self.tile = tile_choice()
        self.halo = ComboBox(choices=HALOS, value="exact", nullable=False)
        self.halo.tooltip = (
            "How far tiles overlap. exact: so far that nobody can tell where they met. quick: "
            "less, which is faster; probabilities may differ by 0.02 where they meet, as measured "
            "on this image"
        )
        self.save_to = result_file()
        self.into_image = QLineEdit()
        self.into_image.setPlaceholderText("a name, as nuclei")
        self.into_image.setToolTip(INTO_IMAGE_TIP)
        self.own_reader = Hint()
        line = named("Into image", self.into_image, WIDTH)
        self.into_image_row = stack(line, self.own_reader)
        self.probability = CheckBox(value=False, text="Show the probability too")
        self.probability.tooltip = (
            "How sure the network is of each pixel: one more image layer; of a folder, or where "
            "labels are saved, one more file beside them"
        )
        self.seams = button(
            "Test for seams",
            "Run the model twice over places of the image, with tiles that lie elsewhere, and see "
            "by how much the answers differ",
            test_for_seams,
        )
        self.remembers("object_size", "tile", "halo", "probability")
        for line in (
            named("Tile (px)", self.tile.native, WIDTH),
            named("Tile halo", self.halo.native, WIDTH),
            named("Device", self.device, WIDTH),
            named("Save to", self.save_to, WIDTH),
            self.into_image_row,
            self.probability.native,
            self.seams,
        ):
            self.addWidget(line)

    def for_segmenting(self) -> dict[str, Any]:
        """Return the settings as `SegmentRequest` and `FolderRequest` take them."""
        return {
            "tile": int(self.tile.value) or None,
            "halo": str(self.halo.value),
            "device": self.device.value or None,
            "with_probability": bool(self.probability.value),
        }

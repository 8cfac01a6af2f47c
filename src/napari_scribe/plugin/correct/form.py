"""Ask which result is corrected, of which image, and which model adds objects."""

from __future__ import annotations

from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Layer
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QLabel

from ..layers.purpose import is_corrected, layers_of, rank_of_objects, source_of
from ..widgets.basics import named, stack
from ..widgets.layer_pickers import ImagePicker, LayerPicker
from ..widgets.model_picker import ModelPicker
from ..widgets.settings_fold import WIDTH, SettingsFold
from .layers import can_be_corrected

RESULT_TIP = "The labels to correct: a result, or one that is being corrected"
MODEL_TIP = "Finds the outline of an object that is added by a click"


class ResultPicker(LayerPicker):
    """Offer the labels that can be corrected; of the likeliest, the newest."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(viewer, can_be_corrected, RESULT_TIP, rank_of_objects)

    def likeliest(self) -> Layer | None:
        """Return the layer that is chosen where the one of before is gone, if any."""
        return max(reversed(self.choices), key=rank_of_objects, default=None)


class CorrectForm(QObject):
    """Ask for image and result; folded away, for the model.

    Signals
    -------
    changed
        Another image or result.
    """

    changed = Signal()

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.viewer = viewer
        self.image = ImagePicker(viewer)
        self.result = ResultPicker(viewer)
        self.more = CorrectSettings()
        self.more.recall()
        self.result.reset_choices()
        self.result.changed.connect(self._on_result)
        self.image.changed.connect(lambda _: self.changed.emit())
        self._on_result()

    def reset_choices(self, event: object = None) -> None:
        """Offer the viewer's layers, and the models in their folder."""
        self.image.reset_choices(event)
        self.result.reset_choices()
        self.more.model.reset_choices()

    def follow(self, layer: Layer) -> None:
        """Go to the result that a user has selected in the list of layers."""
        if can_be_corrected(layer) and layer is not self.result.value:
            self.result.reset_choices()
            self.result.value = layer

    def prefer(self, image: ImageLayer) -> None:
        """Go to the newest result of an image, what was corrected first."""
        chosen = self.result.value
        of_image = layers_of(image, self.viewer.layers)
        own = [layer for layer in self.result.choices if layer in of_image]
        if own and chosen not in own:
            self.result.value = max(own, key=is_corrected)

    def _on_result(self, _value: object = None) -> None:
        """Show the image of which the result is."""
        images = [layer for layer in self.image.layer.choices if layer is not None]
        if self.result.value is not None and (image := source_of(self.result.value, images)):
            self.image.layer.value = image
        self.changed.emit()


class CorrectSettings(SettingsFold):
    """Ask for the model that adds objects, and the device."""

    section = "correct"

    def __init__(self) -> None:
        super().__init__()
        self.model = ModelPicker(tooltip=MODEL_TIP)
        for line in (
            stack(QLabel("Add objects with"), self.model),  # a dock of 300 px has no room beside it
            named("Device", self.device, WIDTH),
        ):
            self.addWidget(line)

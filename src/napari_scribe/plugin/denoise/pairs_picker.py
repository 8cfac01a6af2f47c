"""Let the user choose where noisy pairs come from: guessed from the axes of the image."""

from __future__ import annotations

from magicgui.widgets import ComboBox
from napari import Viewer
from napari.layers import Image as ImageLayer
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from ...errors import InputError
from ...image import Image
from ...targets.denoised import check_colours
from ..layers.conversion import image_of
from ..model_library import names_of_channels
from ..widgets.basics import hint, row
from ..widgets.layer_pickers import LayerPicker, is_image
from .pairs import CHANNELS, LAYER, SINGLE, WAYS, PairSource, offered_ways


class PairsPicker(QWidget):
    """Show where pairs come from, and when to choose that."""

    changed = Signal()

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._image: Image | None = None
        self._layer: ImageLayer | None = None
        self._offered = [SINGLE]
        self.way = ComboBox(choices=self._choices, nullable=False)
        self.way.tooltip = "Where two noisy pictures of the same thing come from"
        self.other = LayerPicker(viewer, self._is_other, "The other picture of the same thing")
        self.first = ComboBox(choices=self._channel_choices, nullable=False)
        self.second = ComboBox(choices=self._channel_choices, nullable=False)
        self.first.tooltip, self.second.tooltip = "What is denoised", "What it is compared with"
        self._two = row(self.first.native, self.second.native)
        self.hint = hint()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        for part in (self.way.native, self.other.native, self._two, self.hint):
            layout.addWidget(part)
        for widget in (self.way, self.other, self.first, self.second):
            widget.changed.connect(self._show)
        self.offer(None, None)

    def source(self, image: Image, channels: list[int] | None, dimensions: int) -> PairSource:
        """Return where pairs come from, of the image as it is now.

        Raises
        ------
        InputError
            If something is missing.
        """
        if self._layer is not None and self._layer.rgb:
            check_colours(image, range(image.n_channels))
        way = str(self.way.value)
        other = None
        if way == LAYER:
            if self.other.value is None:
                raise InputError("There is no other image layer: open it, or choose other pairs.")
            other = image_of(self.other.value, image.axes)
        two = (int(self.first.value), int(self.second.value)) if way == CHANNELS else (0, 1)
        return PairSource(way, image, channels, dimensions, other, two)

    def set_value(self, source: PairSource, other: ImageLayer | None) -> None:
        """Choose where pairs come from, and the other layer, as far as they are offered."""
        if source.way in self._offered:
            self.way.value = source.way
        if source.way == LAYER and other in self.other.choices:
            self.other.value = other
        if source.way == CHANNELS:
            self.first.value, self.second.value = source.two

    def offer(self, layer: ImageLayer | None, image: Image | None, dimensions: int = 2) -> None:
        """Offer what an image has; what was chosen stays while it still is the same image."""
        is_new = layer is not self._layer
        before = self._image
        same_axes = before is not None and image is not None and before.axes == image.axes
        self._layer, self._image = layer, image
        self.setEnabled(image is not None)
        self.other.reset_choices()
        offered = offered_ways(image, dimensions, self.other.value is not None)
        chosen = self.way.value
        if offered != self._offered or is_new or not same_axes:
            self._offered = offered
            with self.way.changed.blocked():
                self.way.native.clear()  # magicgui would put new ones last
                self.way.reset_choices()
                stays = chosen in offered and same_axes and not is_new
                self.way.value = chosen if stays else offered[0]
            for i, way in enumerate(offered):
                self.way.native.setItemData(i, WAYS[way][1], Qt.ItemDataRole.ToolTipRole)
        self._offer_channels()
        self._show()

    def _offer_channels(self) -> None:
        names = [name for name, _ in self._channel_choices()]
        if names == [self.first.native.itemText(i) for i in range(self.first.native.count())]:
            return
        for i, combo in enumerate((self.first, self.second)):
            with combo.changed.blocked():
                combo.native.clear()
                combo.reset_choices()
                if i < len(names):
                    combo.value = i

    def _choices(self, _widget: object = None) -> list[tuple[str, str]]:
        return [(WAYS[way][0], way) for way in self._offered]

    def _channel_choices(self, _widget: object = None) -> list[tuple[str, int]]:
        if self._image is None or self._image.n_channels < 2:
            return []
        return [(name, i) for i, name in enumerate(names_of_channels(self._image))]

    def _is_other(self, layer: object) -> bool:
        return is_image(layer) and layer is not self._layer

    def _show(self, _value: object = None) -> None:
        way = str(self.way.value or SINGLE)
        self.other.native.setVisible(way == LAYER)
        self._two.setVisible(way == CHANNELS)
        self.hint.setText(WAYS[way][1] if self._image is not None else "")
        self.changed.emit()

"""Let the user choose where noisy pairs come from: guessed from the axes of the image."""

from __future__ import annotations

from napari import Viewer
from napari.layers import Image as ImageLayer
from qtpy.QtCore import Qt

from ...errors import InputError
from ...image import Image
from ...targets.denoised import check_colours
from ..layers.conversion import image_of
from ..layers.purpose import is_image
from ..model_library import names_of_channels
from ..widgets.basics import Column, Hint, row
from ..widgets.inputs import Choice
from ..widgets.layer_pickers import LayerPicker
from .pairs import CHANNELS, LAYER, SINGLE, WAYS, PairSource, offered_ways


class PairsPicker(Column):
    """Show where pairs come from, and when to choose that."""

    def __init__(self, viewer: Viewer) -> None:
        self._image: Image | None = None
        self._layer: ImageLayer | None = None
        self._offered = [SINGLE]
        tip = "Where two noisy pictures of the same thing come from"
        self.way = Choice(self._choices, tip)
        self.other = LayerPicker(viewer, self._is_other, "The other picture of the same thing")
        self.first = Choice(self._channel_choices, "What is denoised")
        self.second = Choice(self._channel_choices, "What it is compared with")
        self._two = row(self.first, self.second)
        self.hint = Hint()
        self.way.changed.connect(self._show_way)
        super().__init__(self.way, self.other, self._two, self.hint)
        for channel in (self.first, self.second):
            channel.changed.connect(lambda: self.changed.emit(self))
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
        self.enabled = image is not None
        self.other.reset_choices()
        offered = offered_ways(image, dimensions, self.other.value is not None)
        if offered != self._offered or is_new or not same_axes:
            self._offered = offered
            with self.way.changed.blocked():
                self.way.reset_choices()
                if is_new or not same_axes:
                    self.way.value = offered[0]
            for i, way in enumerate(offered):
                self.way.native.setItemData(i, WAYS[way][1], Qt.ItemDataRole.ToolTipRole)
        self._offer_channels()
        self._show_way()

    def _offer_channels(self) -> None:
        names = [name for name, _ in self._channel_choices()]
        if names == [self.first.native.itemText(i) for i in range(self.first.native.count())]:
            return
        for i, combo in enumerate((self.first, self.second)):
            with combo.changed.blocked():
                combo.reset_choices()
                if i < len(names):
                    combo.value = i

    def _choices(self) -> list[tuple[str, str]]:
        return [(WAYS[way][0], way) for way in self._offered]

    def _channel_choices(self) -> list[tuple[str, int]]:
        if self._image is None or self._image.n_channels < 2:
            return []
        return [(name, i) for i, name in enumerate(names_of_channels(self._image))]

    def _is_other(self, layer: object) -> bool:
        return is_image(layer) and layer is not self._layer

    def _show_way(self) -> None:
        way = str(self.way.value or SINGLE)
        self.other.native.setVisible(way == LAYER)
        self._two.setVisible(way == CHANNELS)
        self.hint.setText(WAYS[way][1] if self._image is not None else "")

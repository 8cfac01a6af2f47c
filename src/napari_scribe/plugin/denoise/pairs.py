"""Where noisy pairs come from: offered as far as an image has them, guessed from its axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from ...errors import InputError
from ...image import Image
from ...targets.denoised import check_colours
from ..layers.conversion import image_of
from ..widgets.basics import hint, row
from ..widgets.layer_pickers import LayerPicker, is_image, names_of_channels

if TYPE_CHECKING:
    from napari import Viewer

    from ...training.pairs.sources import Pairs, Way

FRAMES, NEAR, TWO_BY_TWO, REPEATS = "consecutive", "near", "even-odd", "all"
SLICES, CHANNELS, LAYER, SINGLE = "slices", "channels", "layer", "single"
WAYS = {
    FRAMES: (
        "Each frame with the next",
        "For a movie in which little changes from one frame to the next.",
    ),
    NEAR: (
        "Frames up to three apart",
        "For a movie of few frames in which hardly anything moves: more pairs to learn from.",
    ),
    TWO_BY_TWO: (
        "Frames two by two",
        "For a movie that was taken in twos: the first with the second, the third with the fourth.",
    ),
    SLICES: (
        "Neighbouring slices",
        "For a z-stack with slices so close that neighbours look alike. A movie? Then write T for "
        "its axis.",
    ),
    REPEATS: (
        "Repeated shots",
        "For the same thing taken several times without a change: each shot with each.",
    ),
    CHANNELS: (
        "Two channels",
        "For two detectors that see the same thing. Not for two dyes.",
    ),
    LAYER: (
        "Another layer",
        "For two images of the same thing, such as two exposures, in two layers of one size.",
    ),
    SINGLE: (
        "The image itself",
        "For a single noisy image: its neighbouring pixels make the pairs. Finest details may "
        "suffer, so take another way where there is one.",
    ),
}
"""What each way is called, and when to choose it."""


@dataclass(frozen=True, eq=False)
class PairSource:
    """Where pairs come from.

    Parameters
    ----------
    way
        One of `WAYS`.
    image
        What is denoised.
    channels
        Which of its channels; all when None.
    dimensions
        Of the network.
    other
        The other layer's image.
    two
        The two channels.
    """

    way: str
    image: Image
    channels: list[int] | None = None
    dimensions: int = 2
    other: Image | None = None
    two: tuple[int, int] = (0, 1)

    def make(self) -> Pairs:
        """The pairs; loads torch.

        Raises
        ------
        InputError
            If there are none.
        """
        from ...training.pairs import sources as pairs

        space: dict[str, Any] = {"dimensions": self.dimensions}
        if self.way == CHANNELS:
            return pairs.channel_pairs(self.image, *self.two, **space)
        if self.way == LAYER:
            return pairs.layer_pairs(self.image, self.other, channels=self.channels, **space)
        if self.way == SINGLE:
            return pairs.single_pairs(self.image, channels=self.channels, **space)
        if self.way == SLICES:
            return pairs.slice_pairs(self.image, channels=self.channels)
        how: Way = self.way
        return pairs.frame_pairs(self.image, how, channels=self.channels, **space)

    def is_same(self, other: PairSource) -> bool:
        """Whether both make the same pairs."""
        mine, theirs = (
            (s.way, s.image.axes, s.channels, s.dimensions, s.two) for s in (self, other)
        )
        data = [
            (s.image.data, s.other.data if s.other is not None else None) for s in (self, other)
        ]
        return mine == theirs and all(a is b for a, b in zip(*data, strict=True))


def offered_ways(image: Image | None, dimensions: int, has_other: bool) -> list[str]:
    """The ways that an image has, the likeliest first."""
    if image is None:
        return [SINGLE]
    is_volume = dimensions == 3 and "Z" in image.axes
    iterated = image.iterated_axes(3 if is_volume else 2)
    lengths = {a: image.length(a) for a in iterated}
    ways: list[str] = []
    if lengths.get("T", 1) > 1:
        ways += [FRAMES, NEAR, TWO_BY_TWO]
    if lengths.get("Z", 1) > 1:
        ways.append(SLICES)
    if max(lengths.values(), default=1) > 1:
        ways.append(REPEATS)
    if image.n_channels > 1:
        ways.append(CHANNELS)
    ways += [LAYER] if has_other else []
    alone = SINGLE if ways[:1] in ([], [CHANNELS], [LAYER]) else ""
    return [alone, *ways] if alone else [*ways, SINGLE]


class PairsPicker(QWidget):
    """Where pairs come from, and when to choose that."""

    changed = Signal()

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._image: Image | None = None
        self._layer: Any = None
        self._offered = [SINGLE]
        self.way = ComboBox(choices=self._choices, nullable=False)
        self.way.tooltip = "Where two noisy pictures of the same thing come from"
        self.other = LayerPicker(viewer, self._is_other, "The other picture of the same thing")
        names = {"choices": self._channel_choices, "nullable": False}
        self.first, self.second = ComboBox(**names), ComboBox(**names)
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
        self.follow(None, None)

    def source(self, image: Image, channels: list[int] | None, dimensions: int) -> PairSource:
        """Where pairs come from, of the image as it is now.

        Raises
        ------
        InputError
            If something is missing.
        """
        if self._layer.rgb:
            check_colours(image, range(image.n_channels))
        way = str(self.way.value)
        other = None
        if way == LAYER:
            if self.other.value is None:
                raise InputError("There is no other image layer: open it, or choose other pairs.")
            other = image_of(self.other.value, image.axes)
        two = (int(self.first.value), int(self.second.value)) if way == CHANNELS else (0, 1)
        return PairSource(way, image, channels, dimensions, other, two)

    def set_value(self, source: PairSource, other: Any) -> None:
        """Choose where pairs come from, and the other layer, as far as they are offered."""
        if source.way in self._offered:
            self.way.value = source.way
        if source.way == LAYER and other in self.other.choices:
            self.other.value = other
        if source.way == CHANNELS:
            self.first.value, self.second.value = source.two

    def follow(self, layer: Any, image: Image | None, dimensions: int = 2) -> None:
        """Offer what an image has; what was chosen stays while it still is the same image."""
        is_new = layer is not self._layer
        same_axes = self._image is not None and image is not None
        same_axes = same_axes and self._image.axes == image.axes
        self._layer, self._image = layer, image
        self.setEnabled(image is not None)
        self.other.reset_choices()
        offered = offered_ways(image, dimensions, self.other.value is not None)
        before = self.way.value
        if offered != self._offered or is_new or not same_axes:
            self._offered = offered
            with self.way.changed.blocked():
                self.way.native.clear()  # magicgui would put new ones last
                self.way.reset_choices()
                keeps = before in offered and same_axes and not is_new
                self.way.value = before if keeps else offered[0]
            for i, way in enumerate(offered):
                self.way.native.setItemData(i, WAYS[way][1], Qt.ItemDataRole.ToolTipRole)
        self._follow_channels()
        self._show()

    def _follow_channels(self) -> None:
        names = [name for name, _ in self._channel_choices()]
        if names == [self.first.native.itemText(i) for i in range(self.first.native.count())]:
            return
        for i, combo in enumerate((self.first, self.second)):
            with combo.changed.blocked():
                combo.native.clear()
                combo.reset_choices()
                if i < len(names):
                    combo.value = i

    def _choices(self, _widget: Any = None) -> list[tuple[str, str]]:
        return [(WAYS[way][0], way) for way in self._offered]

    def _channel_choices(self, _widget: Any = None) -> list[tuple[str, int]]:
        if self._image is None or self._image.n_channels < 2:
            return []
        return [(name, i) for i, name in enumerate(names_of_channels(self._image))]

    def _is_other(self, layer: Any) -> bool:
        return is_image(layer) and layer is not self._layer

    def _show(self, _value: Any = None) -> None:
        way = str(self.way.value or SINGLE)
        self.other.native.setVisible(way == LAYER)
        self._two.setVisible(way == CHANNELS)
        self.hint.setText(WAYS[way][1] if self._image is not None else "")
        self.changed.emit()

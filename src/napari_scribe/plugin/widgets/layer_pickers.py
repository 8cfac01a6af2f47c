"""Ask which image is used, which of its channels, and which labels layer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from weakref import ref

from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Layer
from qtpy.QtWidgets import QCheckBox, QGridLayout, QLabel, QLineEdit, QWidget

from ...errors import InputError
from ...image import Image
from ..layers.conversion import guess_layer_axes, image_of
from ..layers.purpose import image_meant, is_from_user, is_image, kind_of
from ..model_library import names_of_channels, size_in_words
from .basics import Column, Hint, NameBox, empty, row
from .inputs import Choice, narrow

NO_IMAGE = "Open an image first, or try File > Open Sample > Scribe > {}."
ONLY_RESULTS = "Only results are open: choose one if you mean it, or open an image."
ONLY_COMPANIONS = (
    "What is open belongs to an image, as a preview or the truth does. Open that image, or try "
    "File > Open Sample > Scribe > {}."
)
PER_ROW = 4
"""Boxes to tick beside each other, if their names are short."""
SHORT = 3
"""Letters of a short name."""


class LayerPicker(Choice):
    """Offer the viewer's layers of one kind, those first that fit best.

    Parameters
    ----------
    viewer
        Whose layers.
    accepts
        Return whether a layer is offered.
    rank
        Return how well a layer fits. With 0 it comes last, its name says what it is, and it is
        chosen by hand alone.
    """

    def __init__(
        self,
        viewer: Viewer,
        accepts: Callable[[Layer], bool],
        tooltip: str,
        rank: Callable[[Layer], int] = is_from_user,
    ) -> None:
        def choices() -> list[tuple[str, Layer]]:
            layers = sorted(filter(accepts, viewer.layers), key=rank, reverse=True)
            return [(layer.name if rank(layer) else _with_kind(layer), layer) for layer in layers]

        self._rank = rank
        super().__init__(choices, tooltip)
        self.native.setPlaceholderText("none chosen")
        narrow(self.native)

    def reset_choices(self, *_: object) -> None:
        """Offer the viewer's layers; a renamed one stays chosen."""
        before = self.value
        with self.changed.blocked():
            super().reset_choices()
            if self.value is not before:
                likeliest = self.likeliest()
                if likeliest is None:
                    self.native.setCurrentIndex(-1)
                else:
                    self.value = likeliest
        if self.value is not before:
            self.changed.emit(self.value)

    def likeliest(self) -> Layer | None:
        """Return the layer that is chosen where the one of before is gone, if any."""
        return next(filter(self._rank, self.choices), None)


def _with_kind(layer: Layer) -> str:
    """Return the name of a layer, which says what it is."""
    kind = kind_of(layer)
    return layer.name if kind in layer.name else f"{layer.name} ({kind})"


class ImagePicker(Column):
    """Ask for an image layer, what its axes mean, and which channels are used.

    Parameters
    ----------
    sample
        What to try where no image is open.
    """

    def __init__(self, viewer: Viewer, sample: str = "Nuclei, 512 x 512") -> None:
        self._viewer, self._sample = viewer, sample
        self.layer = LayerPicker(
            viewer,
            is_image,
            "The image to work on: the one selected last, here or in the list of layers",
        )
        self._latest: Callable[[], ImageLayer | None] = lambda: None
        self.axes = QLineEdit()  # magicgui's has no signal for the end of typing
        self.axes.setMaximumWidth(70)
        self.axes.setToolTip(
            "A letter per axis of the image: T time, C channels, Z slices or depth, Y, X"
        )
        self.info = Hint()
        self._axes_row = row(QLabel("Axes"), self.axes, 1)
        self.channels = ChannelPicker()
        self.layer.changed.connect(self._show_layer)
        super().__init__(self.layer, self.info, self._axes_row, self.channels)
        self.axes.editingFinished.connect(self._on_axes)
        self._show_layer()
        self.follow(viewer.layers.selection.active)

    def image(self) -> Image:
        """Return the image as chosen.

        Raises
        ------
        InputError
            If there is none, or its axes do not fit.
        """
        if self.layer.value is None:
            raise InputError(self._missing().format(self._sample))
        return image_of(self.layer.value, self.axes.text())

    @property
    def latest(self) -> ImageLayer | None:
        """Return the image that was selected last, here or in the list of layers."""
        layer = self._latest()
        return layer if layer in self._viewer.layers else self.layer.value

    def follow(self, selected: Layer | None, *, only_see: bool = False) -> None:
        """Go to the image that a user has selected in the list of layers, or its annotations.

        Results and previews are no reason to leave an image.

        Parameters
        ----------
        only_see
            Whether the image stays for now, and the selected one is only noted as the `latest`.
        """
        image = image_meant(self._viewer, selected)
        if image is None:
            return
        self._latest = ref(image)
        if not only_see and image is not self.layer.value:
            self.layer.reset_choices()
            self.layer.value = image

    def reset_choices(self, *_: object) -> None:
        """Offer the viewer's layers."""
        self.layer.reset_choices()
        if self.layer.value is None:
            self._describe()
            self.changed.emit(self)

    def _missing(self) -> str:
        """Return what to say where no image is chosen."""
        if self.layer.choices:
            return ONLY_RESULTS
        has_images = any(isinstance(layer, ImageLayer) for layer in self._viewer.layers)
        return ONLY_COMPANIONS if has_images else NO_IMAGE

    def _show_layer(self) -> None:
        layer = self.layer.value
        if layer is not None:
            self._latest = ref(layer)
            self.axes.setText("")
            with suppress(InputError):  # it is told below
                self.axes.setText(guess_layer_axes(layer))
        self._axes_row.setVisible(layer is not None and layer.ndim > 2)
        self._describe()

    def _on_axes(self) -> None:
        self._describe()
        self.changed.emit(self)

    def _describe(self) -> None:
        try:
            image = self.image()
        except InputError as error:
            self.info.setText(str(error))
            self.channels.show_channels([])
        else:
            self.info.setText(size_in_words(image))
            self.channels.show_channels(names_of_channels(image))


class ChannelPicker(Column):
    """Offer a box to tick for each channel, in a grid; hidden where there is one channel."""

    def __init__(self) -> None:
        boxes = QWidget()
        self._grid = QGridLayout(boxes)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._names: list[str] = []
        self.boxes: list[QCheckBox] = []
        super().__init__(boxes)
        self.hide()

    def show_channels(self, names: list[str]) -> None:
        """Offer these channels, ticked; where they are the same as before, the ticks stay.

        One alone is no choice.
        """
        names = names if len(names) > 1 else []
        if names == self._names:
            return
        self._names = names
        empty(self._grid)
        self.boxes = [NameBox(name) for name in names]
        per_row = PER_ROW if all(len(name) <= SHORT for name in names) else 1
        if names:
            self._grid.addWidget(QLabel("Channels"), 0, 0, 1, per_row)
        for i, box in enumerate(self.boxes):
            box.setChecked(True)
            box.setToolTip(f"Whether the network sees channel {names[i]}")
            box.toggled.connect(lambda _is_ticked: self.changed.emit(self))
            self._grid.addWidget(box, 1 + i // per_row, i % per_row)
        self.visible = bool(names)

    def set_value(self, channels: list[int] | None) -> None:
        """Tick these channels; all of them for None."""
        for i, box in enumerate(self.boxes):
            box.setChecked(channels is None or i in channels)

    def value(self) -> list[int] | None:
        """Return the ticked channels; None for all of them.

        Raises
        ------
        InputError
            If none is ticked.
        """
        ticked = [i for i, box in enumerate(self.boxes) if box.isChecked()]
        if self.boxes and not ticked:
            raise InputError(
                "No channel is ticked: tick at least one that shows what you look for."
            )
        return None if len(ticked) == len(self.boxes) else ticked

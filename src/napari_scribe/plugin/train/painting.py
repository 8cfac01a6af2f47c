"""Help to paint: say what the brush paints, and what is painted so far."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPixmap
from qtpy.QtWidgets import QLabel, QWidget

from ...arrays import Pixels
from ...image import Image
from ...session.paint_state import PaintState, Slip, in_several_pieces, in_words, is_enough
from ..layers.brush import (
    BACKGROUND,
    DRAWING,
    bind_keys,
    next_object,
    switch_background,
)
from ..layers.complete_regions import draw_regions
from ..layers.conversion import has_pixels_of, paint_in
from ..layers.paint_watch import PaintWatch
from ..widgets.basics import NEUTRAL, Fold, Hint, button, fill_column, row
from .draft import DraftReview
from .painted_slices import PaintedSlices

Source = tuple[ImageLayer, Image] | None
"""The layer of an image, and what it holds."""
MOST_CAUTIONS = 2
NEXT_TIP = "Take the brush for the next {}: a number that is not painted yet (N)"
BACKGROUND_TIP = "Take the brush for {}; once more, back to the {} (B)"
EDGE_TIP = "Objects that the edge of the image cuts say nothing about the size of objects"
AT_REST = "Take the brush again to paint: N for the next {0}, B for {1}"
REGIONS_TIP = (
    "Draw rectangles in which every object is painted: there, all that is not painted is "
    "background. They hold from the next Train or Continue"
)
OUR_NAME = re.compile(r"background|(object|class) \d+")
"""Names that painted numbers get here."""
SWATCH = 12
"""Side of the square in the colour of the brush, in pixels."""


class PaintingHelp(QWidget):
    """Show what the brush paints, what is painted and what is missing, and on which slices.

    Signals
    -------
    counted
        What is painted was counted anew.
    """

    counted = Signal()

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.viewer = viewer
        self._layer: LabelsLayer | None = None
        self._source: Source = None
        self._task = "objects"
        self._state: PaintState | None = None
        self._events: list[Any] = []
        self._is_closed = False
        self._swatch, self.brush = QLabel(), QLabel()
        self.next = button("Next object", "", lambda: self._press(next_object))
        self.background = button("Background", "", lambda: self._press(switch_background))
        self.count = Hint()
        self.cautions = Hint()
        self.cautions.setProperty("scribe", "caution")
        self.cautions.setTextInteractionFlags(
            Qt.TextInteractionFlag.LinksAccessibleByMouse
            | Qt.TextInteractionFlag.LinksAccessibleByKeyboard
        )
        self.cautions.linkActivated.connect(self._look)
        self.slices = PaintedSlices(viewer)
        self.draft = DraftReview(viewer)
        self.regions = button("Complete regions", REGIONS_TIP, self._draw_regions)
        self.more = Fold("More ways to paint")
        for part in (self.draft, row(self.regions, 1)):
            self.more.addWidget(part)
        fill_column(
            self,
            row(self._swatch, self.brush, 1),
            row(self.next, self.background, 1),
            self.count,
            self.cautions,
            self.slices,
            self.more,
        )
        self._watch = PaintWatch()
        self._watch.counted.connect(self._on_counted)
        viewer.layers.selection.events.active.connect(self._show_brush)
        self.hide()

    def follow(
        self,
        layer: LabelsLayer | None,
        source: ImageLayer | None,
        image: Image | None,
        task: str,
        dimensions: int = 2,
        *,
        is_free: bool = True,
    ) -> None:
        """Help with the annotations of an image.

        Parameters
        ----------
        layer
            The annotations; what cannot be painted on gets no help.
        source, image
            The layer of the image and what it holds; None where that is not clear.
        task, dimensions
            What the paint is for, and the dimensions of the network.
        is_free
            Whether the dimensions can still be chosen.
        """
        if self._is_closed:  # the form goes on following the layers
            return
        if layer is not None and (layer.multiscale or not isinstance(layer.data, np.ndarray)):
            layer = None
        self._task = task
        of_image = None if source is None or image is None else (source, image)
        if layer is not self._layer or not _is_alike(of_image, self._source):
            self._source = of_image
            self._listen(layer)
            self._watch.follow(layer, self._paint)
            # A mask of a projection beside a stack, say: Train tells what is wrong.
            if layer is not None and of_image is not None and not has_pixels_of(layer, *of_image):
                layer = None
            self.slices.follow(layer, self._source)
            self.draft.follow(layer, self._source)
        self.slices.show_depth(dimensions, is_free=is_free)
        self._show()

    @property
    def is_enough(self) -> bool | None:
        """Return whether enough is painted to train on; None while nobody has counted."""
        return None if self._state is None else is_enough(self._state, self._task)

    def close_down(self) -> None:
        """Let go of the viewer and of the annotations, and follow none any more."""
        self._is_closed = True
        self.viewer.layers.selection.events.active.disconnect(self._show_brush)
        self._listen(None)
        self._watch.close()
        self.slices.close_down()
        self.draft.close_down()

    def _listen(self, layer: LabelsLayer | None) -> None:
        for event in self._events:
            event.disconnect(self._show_brush)
        self._layer, self._state = layer, None
        self._events = []
        if layer is not None:
            bind_keys(layer)
            self._events = [layer.events.selected_label, layer.events.mode, layer.events.colormap]
        for event in self._events:
            event.connect(self._show_brush)

    def _paint(self) -> Pixels:
        assert self._layer is not None
        if self._source is None:
            return np.asarray(self._layer.data)
        return paint_in(self._layer, *self._source)

    def _press(self, key: Any) -> None:
        """Do as a key does, with the annotations selected, so that the brush is at hand."""
        if self._layer is not None:
            self.viewer.layers.selection.active = self._layer
            key(self._layer)

    def _draw_regions(self) -> None:
        if self._layer is not None and self._source is not None:
            draw_regions(self.viewer, self._layer, self._source[0])

    def _on_counted(self, state: PaintState | None) -> None:
        self._state = state
        self.slices.show_state(state)
        self._show()
        if self._layer is not None and state is not None:
            _name_numbers(self._layer, state, self._task)
        self.counted.emit()

    def _show(self) -> None:
        self.setVisible(self._layer is not None)
        self.more.setVisible(self._task == "objects" and self._source is not None)
        kind, background = self._words()
        self.next.setText(f"Next {kind}")
        self.next.setToolTip(NEXT_TIP.format(kind))
        self.background.setText(background.capitalize())
        self.background.setToolTip(BACKGROUND_TIP.format(background, kind))
        state = self._state
        self.count.setText("" if state is None else in_words(state, self._task))
        self.count.setToolTip(EDGE_TIP if state is not None and state.at_edge else "")
        slips = state.slips if state is not None and self._task == "objects" else []
        more = len(slips) - MOST_CAUTIONS
        cautions = [*map(_linked, slips[:MOST_CAUTIONS]), *([f"{more} more."] if more > 0 else [])]
        self.cautions.setText("<br>".join(cautions))
        self._show_brush()

    def _words(self) -> tuple[str, str]:
        return ("object", "background") if self._task == "objects" else ("class", "class 1")

    def _show_brush(self, _event: Any = None) -> None:
        """Say what the brush paints now."""
        layer = self._layer
        if layer is None:
            return
        kind, background = self._words()
        number = layer.selected_label
        name = background if number == BACKGROUND else f"{kind} {number}"
        mode = str(layer.mode)
        if self.viewer.layers.selection.active is not layer or mode not in (*DRAWING, "erase"):
            text = f"Not painting. Brush: {name}"
            self.brush.setToolTip(AT_REST.format(kind, background))
        elif mode == "erase" or number == 0:
            text = f"Erasing: {name}" if number and layer.preserve_labels else "Erasing"
            self.brush.setToolTip("What has another number is guarded: select that to erase it")
        else:
            text = f"Painting: {name}"
            self.brush.setToolTip("What is painted already is guarded from the brush")
        self.brush.setText(text)
        self._swatch.setPixmap(_square(layer.get_color(number)))

    def _look(self, place: str) -> None:
        self.slices.look_at(tuple(int(x) for x in place.split(",")))


def _is_alike(source: Source, other: Source) -> bool:
    """Return whether two are the same layer, understood in the same way."""
    if source is None or other is None:
        return source is other
    (layer, image), (other_layer, other_image) = source, other
    is_same_shape = (image.axes, image.shape) == (other_image.axes, other_image.shape)
    return layer is other_layer and is_same_shape


def _linked(slip: Slip) -> str:
    """Say what is doubtful, with a link to the place."""
    place = ",".join(map(str, slip.place))
    return f'{in_several_pieces(slip)} <a href="{place}" style="color: {NEUTRAL}">Show</a>'


def _square(color: Any) -> QPixmap:
    """Draw a square in a colour of napari's; an empty one where there is none."""
    pixmap = QPixmap(SWATCH, SWATCH)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    if color is None:
        painter.setPen(QColor("grey"))
        painter.drawRect(0, 0, SWATCH - 1, SWATCH - 1)
    else:
        painter.fillRect(0, 0, SWATCH, SWATCH, QColor.fromRgbF(*map(float, color)))
    painter.end()
    return pixmap


def _name_numbers(layer: LabelsLayer, state: PaintState, task: str) -> None:
    """Name each painted number, so that napari says what is under the cursor.

    A table of features that is not of this kind, or has names of the user's, is left as it is.
    """
    features = layer.features
    is_ours = all(OUR_NAME.fullmatch(str(name)) for name in features.get("name", ()))
    if set(features.columns) - {"index", "name"} or not is_ours:
        return
    numbers = sorted(state.numbers)
    kind, first = ("object", "background") if task == "objects" else ("class", "class 1")
    names = [first if n == BACKGROUND else f"{kind} {n}" for n in numbers]
    if "name" not in features or list(features["name"]) != names:
        layer.features = {"index": numbers, "name": names}

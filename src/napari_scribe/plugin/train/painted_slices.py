"""Say which slices are painted, go from one to the next, and fill in an object between them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable

import numpy as np
from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget

from ...image import Image
from ...session.interpolate import fill_between
from ...session.paint_state import Index, PaintState
from ..layers.brush import BACKGROUND
from ..layers.conversion import paint_in, painted_axes
from ..layers.places import go_to, position
from ..widgets.basics import NEUTRAL, Hint, button, fill_column, row

LISTED = 8
"""Painted slices that are named one by one."""
WORDS = {"T": "frame", "Z": "slice"}
BEFORE_TIP = "Go to the painted {} before this one (Page up)"
AFTER_TIP = "Go to the painted {} after this one (Page down)"
ONE_BY_ONE = "{}s are taken one by one: paint objects on any of them."
IS_DEPTH = (
    "Z is depth: paint an object on every slice that it is on, or on some of them and interpolate."
)
AS_DEPTH, AS_SLICES = (
    f'<a href="{dimensions}" style="color: {NEUTRAL}">{text}</a>'
    for dimensions, text in ((3, "Take Z as depth"), (2, "Take slices one by one"))
)
"""Links with the dimensions of the network; More settings has the same choice."""
FILL_TIP = (
    "Fill in the object of the brush on the {0}s between those on which it is painted; other paint "
    "stays, and Ctrl+Z takes it back (I)"
)


class PaintedSlices(QWidget):
    """Show the painted slices of a stack; nothing for a single plane."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.viewer = viewer
        self._layer: LabelsLayer | None = None
        self._source: tuple[ImageLayer, Image] | None = None
        self._state: PaintState | None = None
        self.taken, self.listed = Hint(), Hint()
        self.taken.setTextInteractionFlags(
            Qt.TextInteractionFlag.LinksAccessibleByMouse
            | Qt.TextInteractionFlag.LinksAccessibleByKeyboard
        )
        self.before = button("\N{BLACK LEFT-POINTING TRIANGLE}", "", lambda: self.step(-1))
        self.after = button("\N{BLACK RIGHT-POINTING TRIANGLE}", "", lambda: self.step(1))
        self.fill = button("Interpolate", "", self.interpolate)
        fill_column(self, self.taken, self.listed, row(self.before, self.after, self.fill, 1))
        self._keys: dict[str, Callable[[LabelsLayer], None]] = {
            "PageUp": lambda _layer: self.step(-1),
            "PageDown": lambda _layer: self.step(1),
            "I": lambda _layer: self.interpolate(),
        }
        self.hide()

    def follow(self, layer: LabelsLayer | None, source: tuple[ImageLayer, Image] | None) -> None:
        """Show the slices of other annotations."""
        self.close_down()
        self._layer, self._source, self._state = layer, source, None
        if layer is not None:
            layer.events.selected_label.connect(self._enable)
        is_stack = self._planes_along() != ""
        self._bind(layer if is_stack else None)
        word = self._word()
        self.before.setToolTip(BEFORE_TIP.format(word))
        self.after.setToolTip(AFTER_TIP.format(word))
        self.fill.setToolTip(FILL_TIP.format(word))
        self.setVisible(is_stack)
        self._enable()

    def show_depth(self, dimensions: int, *, is_free: bool = True) -> None:
        """Say how a network of 2 or 3 dimensions takes the slices, and what to paint.

        Parameters
        ----------
        is_free
            Whether that can still be chosen: a link offers the other way.
        """
        has_z = self._planes_along().endswith("Z")
        is_depth = dimensions == 3 and has_z
        text = IS_DEPTH if is_depth else ONE_BY_ONE.format(self._word().capitalize())
        self.taken.setText(
            f"{text} {AS_SLICES if is_depth else AS_DEPTH}" if has_z and is_free else text
        )

    def show_state(self, state: PaintState | None) -> None:
        """Show what is painted."""
        self._state = state
        planes = [] if state is None else sorted(state.planes)
        axes = self._planes_along()
        if not axes:
            return
        if len(axes) == 1 and self._source is not None:
            names = [str(*plane) for plane in planes[:LISTED]]
            start, total = f"{self._word()}s ", f" of {self._source[1].length(axes)}"
        else:
            names = [_named(axes, plane) for plane in planes[:LISTED]]
            start = total = ""
        more = f" and {len(planes) - LISTED} more" if len(planes) > LISTED else ""
        listed = f"{start}{', '.join(names)}{more}{total}" if planes else f"no {self._word()} yet"
        self.listed.setText("" if state is None else f"Painted: {listed}")
        self._enable()

    def close_down(self) -> None:
        """Let go of the annotations."""
        self._bind(None)
        if self._layer is not None:
            self._layer.events.selected_label.disconnect(self._enable)
            self._layer = None

    def step(self, by: int) -> None:
        """Go to the painted plane before (-1) or after (1) the one that is shown."""
        planes = [] if self._state is None else sorted(self._state.planes)
        here = self._here()
        at = bisect_left(planes, here) - 1 if by < 0 else bisect_right(planes, here)
        if 0 <= at < len(planes):
            self.look_at(planes[at])

    def look_at(self, place: Index) -> None:
        """Go to a plane, or a pixel, by its index in the paint along TZYX."""
        if self._layer is not None and self._source is not None:
            at = dict(zip(self._source[1].label_axes(), place, strict=False))
            axes = painted_axes(self._layer, self._source[0], self._source[1].axes)
            go_to(self.viewer, self._layer, [at.get(axis) for axis in axes])

    def interpolate(self) -> None:
        """Fill in the object of the brush between the planes on which it is painted."""
        if self._layer is None or self._source is None or self._state is None:
            return
        number = self._layer.selected_label
        if number <= BACKGROUND or not self._planes_along():
            return
        image = self._source[1]
        front = self._here()[:-1]
        paint = paint_in(self._layer, *self._source)[front]
        # Not those that were counted: a stroke from just now is not among them yet.
        painted = [z for z, plane in enumerate(paint) if (plane == number).any()]
        points = fill_between(paint, number, painted)
        label_axes = image.label_axes()
        at = dict(zip(label_axes, (*front, *points.T), strict=True))
        axes = painted_axes(self._layer, self._source[0], image.axes)
        indices = tuple(np.broadcast_to(at.get(axis, 0), len(points)).copy() for axis in axes)
        self._layer.data_setitem(indices, number)

    def _bind(self, layer: LabelsLayer | None) -> None:
        """Give a layer the keys, and take them from the one of before."""
        for key, press in self._keys.items():
            if layer is not None:
                layer.bind_key(key, press, overwrite=True)
            elif self._layer is not None:
                self._layer.bind_key(key, None)

    def _planes_along(self) -> str:
        """Return the axes along which planes lie; none where there is a single one."""
        if self._layer is None or self._source is None:
            return ""
        axes = self._source[1].label_axes()[:-2]
        return axes if any(self._source[1].length(axis) > 1 for axis in axes) else ""

    def _word(self) -> str:
        return WORDS.get(self._planes_along()[-1:], "slice")

    def _here(self) -> Index:
        """Return the index of the plane that is shown."""
        assert self._layer is not None
        assert self._source is not None
        axes = painted_axes(self._layer, self._source[0], self._source[1].axes)
        at = dict(zip(axes, position(self.viewer, self._layer), strict=True))
        return tuple(round(at[axis]) for axis in self._planes_along())

    def _own_planes(self) -> list[Index]:
        """Return the planes of the object of the brush, along the last axis from the shown one."""
        number = 0 if self._layer is None else self._layer.selected_label
        if self._state is None or self._source is None or number <= BACKGROUND:
            return []
        front = self._here()[:-1]
        return [plane for plane in self._state.planes_of(number) if plane[:-1] == front]

    def _gaps(self) -> int:
        """Return how many planes the object of the brush lacks between those that it is on."""
        planes = self._own_planes()
        if not planes or not self._planes_along():
            return 0
        return planes[-1][-1] - planes[0][-1] + 1 - len(planes)

    def _enable(self, _event: object = None) -> None:
        self.fill.setEnabled(self._gaps() > 0)
        has_planes = self._state is not None and bool(self._state.planes)
        self.before.setEnabled(has_planes)
        self.after.setEnabled(has_planes)


def _named(axes: str, plane: Index) -> str:
    return " ".join(f"{WORDS[axis]} {i}" for axis, i in zip(axes, plane, strict=True))

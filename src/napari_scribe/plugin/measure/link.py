"""Link the rows of a table with the objects of a labels layer, both ways."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Labels as LabelsLayer
from qtpy.QtCore import QObject, Signal

from ...arrays import Pixels
from ...evaluation.table import COLUMN_ALONG, LABEL, Measurements
from ..layers.conversion import paint_events
from ..layers.mouse import is_beyond_click, on_canvas
from ..layers.places import go_to, position
from ..layers.ring import Ring
from .layers import frame_in_view

INDEX = "index"
"""Column of a layer's features in which napari looks for the number of an object."""


class Edits:
    """Notice whether layers are painted on, until `stop` is called."""

    def __init__(self, layers: Sequence[LabelsLayer]) -> None:
        self.any = False
        self._events = [event for layer in layers for event in paint_events(layer)]
        for event in self._events:
            event.connect(self._on_edited)

    def stop(self) -> None:
        """Let go of the layers."""
        for event in self._events:
            event.disconnect(self._on_edited)

    def _on_edited(self, _event: object) -> None:
        self.any = True


class Link(QObject):
    """Link a table with the layer that was measured; a ring marks the object of the chosen row.

    The measurements become the layer's features, which napari shows under the mouse. Where the same
    number is an object in several frames, they are those of the frame in view.

    Parameters
    ----------
    letters
        A letter per axis of the layer.
    ring
        What marks an object; taken away when the link is closed.
    linked
        The layers of all open links, this one's too: a click means an object of one of them.
    has_features
        Whether the table goes into the layer's features.

    Signals
    -------
    picked
        The row of the object that the user has clicked or picked in the viewer.
    outdated
        The labels have been changed since.
    """

    picked = Signal(int)
    outdated = Signal()

    def __init__(
        self,
        viewer: Viewer,
        layer: LabelsLayer,
        letters: str,
        table: Measurements,
        ring: Ring,
        linked: list[LabelsLayer],
        *,
        has_features: bool = True,
    ) -> None:
        super().__init__()
        self.viewer, self.layer, self.letters, self.table = viewer, layer, letters, table
        self.ring, self._linked, self._has_features = ring, linked, has_features
        linked.append(layer)
        numbers = table[LABEL]
        self._repeats = len(np.unique(numbers)) < len(numbers)
        self._frame: dict[str, int] = {}
        self._is_going = False
        layer.events.selected_label.connect(self._on_selected)
        for event in paint_events(layer):
            event.connect(self._on_edited)
        viewer.mouse_drag_callbacks.append(self._on_mouse)
        viewer.dims.events.current_step.connect(self._on_frame)
        self.show_features()

    def close(self) -> None:
        """Let go of the layer and of the viewer, and mark nothing."""
        self.ring.remove()
        self._linked.remove(self.layer)
        self.layer.events.selected_label.disconnect(self._on_selected)
        for event in paint_events(self.layer):
            event.disconnect(self._on_edited)
        if self._on_mouse in self.viewer.mouse_drag_callbacks:
            self.viewer.mouse_drag_callbacks.remove(self._on_mouse)
        self.viewer.dims.events.current_step.disconnect(self._on_frame)

    def go_to(self, row: int) -> None:
        """Show the object of a row in the middle of the canvas; mark it, and select its label."""
        if self.layer not in self.viewer.layers:
            return
        self._is_going = True
        try:
            go_to(self.viewer, self.layer, self._pixel(row), self._diameter(row))
            self._mark(row)
            if number := int(self.table[LABEL][row]):
                self.layer.selected_label = number
        finally:
            self._is_going = False

    def _mark(self, row: int) -> None:
        """Show the ring round the object of a row."""
        self.ring.show(self.layer, [round(x) for x in self._pixel(row)], self._diameter(row))

    def _pixel(self, row: int) -> list[float]:
        """Return where an object is, per axis of the layer."""
        pixel = self.table.pixel(row)
        current = position(self.viewer, self.layer)
        return [pixel.get(axis, at) for axis, at in zip(self.letters, current, strict=True)]

    def _diameter(self, row: int) -> float:
        """Return the diameter of an object in pixels; 0 where it was not measured."""
        diameters = self.table.diameters
        return 0.0 if diameters is None else float(diameters[row])

    def row_of(self, number: int) -> int | None:
        """Return the row of a number; where several frames have it, that of the frame in view."""
        is_it = self.table[LABEL] == number
        if self._repeats:
            is_it &= self._is_in_view()
        rows = np.flatnonzero(is_it)
        return int(rows[0]) if len(rows) and number else None

    def show_features(self) -> None:
        """Put the measurements into the layer's features, and keep those of others."""
        if not self._has_features:
            return
        rows = self._is_in_view() if self._repeats else np.ones(len(self.table), bool)
        numbers = self.table[LABEL][rows]
        ours = {name: v[rows] for name, v in self.table.columns.items() if name != LABEL}
        self.layer.features = {INDEX: numbers, **self._others(numbers, ours), **ours}

    def _others(self, numbers: Pixels, ours: dict[str, Pixels]) -> dict[str, Any]:
        """Return the features that others gave to the same objects."""
        before = self.layer.features
        before = before.set_index(INDEX) if INDEX in before else before
        names = [name for name in before if name not in ours]
        kept = before.loc[~before.index.duplicated(), names].reindex(numbers)
        return {name: kept[name].to_numpy() for name in names}

    def _is_in_view(self) -> Pixels:
        """Return which rows belong to the frame on which the sliders stand."""
        in_view = frame_in_view(self.viewer, self.layer, self.letters)
        is_shown = np.ones(len(self.table), bool)
        for axis, name in COLUMN_ALONG.items():
            if name in self.table.columns:
                is_shown &= self.table[name] == in_view.get(axis, 0)
        return is_shown

    def _on_frame(self, _event: object = None) -> None:
        """Show the features of another frame, where numbers mean other objects there."""
        if not self._repeats or self.layer not in self.viewer.layers:
            return
        frame = frame_in_view(self.viewer, self.layer, self.letters)
        frame = {axis: i for axis, i in frame.items() if axis in COLUMN_ALONG}
        if frame != self._frame:
            self._frame = frame
            self.show_features()

    def _on_selected(self, _event: object = None) -> None:
        self._pick(int(self.layer.selected_label))

    def _on_mouse(self, viewer: Viewer, event: Any) -> Generator[None, None, None]:
        """Choose the object that is clicked while nothing is painted."""
        active = viewer.layers.selection.active
        begin = on_canvas(event)
        yield
        while event.type == "mouse_move":
            yield
        if is_beyond_click(begin, on_canvas(event)) or event.button != 1:
            return
        if getattr(active, "mode", "") != "pan_zoom":
            return
        numbers = {
            layer: number
            for layer in reversed(viewer.layers)
            if layer in self._linked and layer.visible and (number := _number_at(layer, event))
        }
        meant = active if active in numbers else next(iter(numbers), None)  # else the topmost
        if meant is self.layer:
            self._pick(numbers[meant])

    def _pick(self, number: int) -> None:
        if self._is_going or self.layer not in self.viewer.layers:
            return
        if (row := self.row_of(number)) is not None:
            self._mark(row)
            self.picked.emit(row)

    def _on_edited(self, _event: object = None) -> None:
        self.outdated.emit()


def _number_at(layer: LabelsLayer, event: Any) -> int:
    """Return the number of the object under the mouse; 0 where there is none."""
    number = layer.get_value(
        event.position,
        view_direction=event.view_direction,
        dims_displayed=event.dims_displayed,
        world=True,
    )
    number = number[1] if isinstance(number, tuple) else number  # of a pyramid
    return int(number or 0)

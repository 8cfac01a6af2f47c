"""Correct the objects in a labels layer, and remember how, to undo it and to teach it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Labels as LabelsLayer
from napari.utils.events import Event
from qtpy.QtCore import QObject, Signal

from ...arrays import Pixels
from ...errors import InputError
from ...session.edits import (
    Edit,
    Mask,
    Point,
    Stroke,
    add,
    bounding_window,
    delete,
    edit_to,
    fill,
    free_number,
    merge,
    numbers_along,
    pixels_along,
    split,
)
from ...session.history import History
from ...session.strokes import numbers_in
from ...windows import Window, relative_to
from ...wording import counted
from ..layers.purpose import add_note, note


class Corrections(QObject):
    """Correct the objects of one layer.

    Everything is done in the slice that is shown. Where objects run through slices, deleting,
    merging and splitting mean all of them.

    Parameters
    ----------
    viewer
        Which slice it shows is asked when it is needed.
    layer
        Is changed in place.

    Signals
    -------
    changed
        Something was corrected, undone or done again.
    """

    changed = Signal()

    def __init__(self, viewer: Viewer, layer: LabelsLayer) -> None:
        super().__init__()
        self.viewer, self.layer = viewer, layer
        self.history = History(note(layer).get("corrected", ()))
        layer.events.paint.connect(self._on_paint)

    @property
    def labels(self) -> Pixels:
        """Return the labels."""
        labels: Pixels = self.layer.data
        return labels

    @property
    def runs_through(self) -> bool:
        """Return whether objects run through slices."""
        return self.layer.ndim > 2 and note(self.layer).get("dimensions") == 3

    def close(self) -> None:
        """Let go of the layer."""
        self.layer.events.paint.disconnect(self._on_paint)

    def pixel_at(self, position: Sequence[float]) -> Point:
        """Return the place in the layer, in pixels, of a place in the viewer."""
        return np.asarray(self.layer.world_to_data(position), float)

    def delete_at(self, point: Point) -> str:
        """Delete the object at a pixel; return what was done, in words."""
        numbers = numbers_along(self.labels, pixels_along(point[np.newaxis], self.slice_at(point)))
        if not numbers:
            raise InputError("No object here: click one, or draw a line round several.")
        return self._delete(numbers, point)

    def delete_in(self, stroke: Stroke) -> str:
        """Delete the objects in a loop."""
        numbers = numbers_in(self.labels, stroke, self.slice_at(stroke[0]))
        if not numbers:
            raise InputError("No object lies in the loop with more than half of it.")
        return self._delete(numbers, stroke[0])

    def merge_along(self, stroke: Stroke) -> str:
        """Make one object of all that a stroke touches."""
        line = pixels_along(stroke, self.slice_at(stroke[0]))
        numbers = numbers_along(self.labels, line)
        self.do(merge(self.labels, numbers, self._meant_at(stroke[0])))
        return f"Merged {len(numbers)} objects."

    def split_along(self, stroke: Stroke) -> str:
        """Cut the objects that a stroke crosses."""
        here = self._meant_at(stroke[0])
        through = [axis for axis in self._volume_axes() if axis not in self._shown_axes()]
        edit = split(self.labels, stroke, here, through if self.runs_through else ())
        self.do(edit)
        n = len(np.unique(edit.after))
        return f"Split: {counted(n, 'object')} more."

    def fill_holes(self) -> str:
        """Fill the holes of all objects in the slice that is shown."""
        point = self.pixel_at(self.viewer.dims.point)
        edit = fill(self.labels, self.slice_at(point))
        self.do(edit)
        n = len(np.unique(edit.after))
        return f"Filled the holes of {counted(n, 'object')}."

    def add_at(self, point: Point, mask: Mask, window: Window) -> None:
        """Put an object where nothing is yet, around a pixel."""
        seed = np.round(point).astype(int).tolist()
        if not self.runs_through:  # what a 3D model has found in other slices is left out
            here = self.slice_at(point)
            kept = tuple(
                w if h.stop - h.start > 1 else h for w, h in zip(window, here, strict=True)
            )
            mask, window = mask[relative_to(kept, window)], kept
        self.do(add(self.labels, mask, window, seed=seed))

    def do(self, edit: Edit) -> None:
        """Apply an edit, and remember it."""
        edit.apply(self.labels)
        self.history.add(edit)
        self._show()

    def undo(self) -> None:
        """Undo what was done last."""
        if self.history.undo(self.labels) is not None:
            self._show()

    def redo(self) -> None:
        """Do again what was undone last."""
        if self.history.redo(self.labels) is not None:
            self._show()

    def slice_at(self, point: Point) -> Window:
        """Return the window of the slice that is shown, through a pixel."""
        return self._window(point, self._shown_axes())

    def _meant_at(self, point: Point) -> Window:
        """Return where objects are changed: in a slice, or in the volume around it."""
        axes = self._volume_axes() if self.runs_through else self._shown_axes()
        return self._window(point, axes)

    def _window(self, point: Point, axes: Sequence[int]) -> Window:
        at = np.round(point).astype(int).tolist()
        return tuple(
            slice(0, n) if axis in axes else slice(max(0, min(i, n - 1)), max(0, min(i, n - 1)) + 1)
            for axis, (i, n) in enumerate(zip(at, self.labels.shape, strict=True))
        )

    def _shown_axes(self) -> list[int]:
        """Return the axes of the layer that lie on the canvas."""
        offset = self.viewer.dims.ndim - self.layer.ndim  # a layer's axes are the viewer's last
        return [axis - offset for axis in self.viewer.dims.displayed if axis >= offset]

    def _volume_axes(self) -> list[int]:
        return list(range(self.layer.ndim))[-3:]

    def _delete(self, numbers: list[int], point: Point) -> str:
        self.do(delete(self.labels, numbers, self._meant_at(point)))
        return "Deleted 1 object." if len(numbers) == 1 else f"Deleted {len(numbers)} objects."

    def _on_paint(self, event: Event) -> None:
        """Remember what was done with napari's own brush, bucket or polygon."""
        edit = painted(self.labels, event.value)
        if edit is not None:
            self.history.add(edit)
            self._note()

    def _show(self) -> None:
        """Draw the labels anew; the brush draws a new object next."""
        self.layer.selected_label = free_number(self.labels)
        self.layer.refresh(extent=False)
        self.layer.events.paint(value=[])  # tells others of new labels
        self._note()

    def _note(self) -> None:
        """Note which objects were corrected."""
        add_note(self.layer, corrected=self.history.numbers(), taught=False)
        self.changed.emit()


def painted(labels: Pixels, atoms: Sequence[Any]) -> Edit | None:
    """Return the edit that napari's tools have made, or are about to make.

    Parameters
    ----------
    atoms
        The value of napari's event ``paint``: for each dab of the brush the window, the mask (None
        for all of it), the values before and the new value; or indices and the values before and
        after, for `data_setitem`.
    """
    dabs = [_dab(*atom) for atom in atoms]
    if not dabs:
        return None
    window = bounding_window([where for where, *_ in dabs])
    before = labels[window].copy()
    for where, at, old, _ in reversed(dabs):
        before[relative_to(where, window)][at] = old
    after = before.copy()
    for where, at, _, new in dabs:
        after[relative_to(where, window)][at] = new
    return edit_to(before, after, window)


def _dab(where: Any, *values: Any) -> tuple[Window, Any, Any, Any]:
    """Return the window of a dab, where in it labels change, and their values before and after."""
    if len(values) == 3:
        mask, old, new = values
        return tuple(where), ... if mask is None else mask, old, new
    old, new = values
    window = tuple(slice(int(np.min(i)), int(np.max(i)) + 1) for i in where)
    at = tuple(np.asarray(i) - s.start for i, s in zip(where, window, strict=True))
    return window, at, old, new

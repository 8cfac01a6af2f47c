"""Let mouse and keys correct the objects of a layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Labels as LabelsLayer
from napari.utils.events import Event
from qtpy.QtCore import QObject, Signal

from ...errors import InputError
from ...session.edits import Stroke
from ...session.strokes import meaning_of
from ..layers.mouse import is_beyond_click, on_canvas
from .corrections import Corrections
from .stroke_view import StrokeView

IN_3D = "Objects are corrected in slices: show the layer in 2D (Ctrl+Y)."


@dataclass(frozen=True)
class Tool:
    """Describe a tool.

    Parameters
    ----------
    name, title
        What it is called in the code, and on its button.
    key
        Chooses it while the layer is selected.
    tip
        What it does.
    """

    name: str
    title: str
    key: str
    tip: str


TOOLS = (
    Tool(
        "quick",
        "Quick",
        "Q",
        "Click an object to delete it. Draw from one into another to merge them, through one to "
        "split it, round several to delete them",
    ),
    Tool("delete", "Delete", "D", "Click an object, or draw a line round several"),
    Tool("merge", "Merge", "G", "Draw over objects: they are glued into one"),
    Tool("split", "Split", "S", "Draw through an object: it becomes two"),
    Tool("add", "Add", "A", "Click where an object is missing: the model finds its outline"),
)
BY_NAME = {tool.name: tool for tool in TOOLS}


class Tools(QObject):
    """Bind tools to a layer: keys that choose them, and what the mouse does then.

    A tool takes the place of napari's color picker. Every other of napari's tools puts it away.

    Parameters
    ----------
    viewer
        Where strokes are shown.

    Signals
    -------
    chosen
        Another tool, or none.
    said, failed
        What was done; why it could not be.
    add_wanted
        The pixel of the layer, and the place in the viewer, where an object is to be added.
    """

    chosen = Signal()
    said = Signal(str)
    failed = Signal(str)
    add_wanted = Signal(object, object)

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.viewer = viewer
        self.corrections: Corrections | None = None
        self.tool: Tool | None = None
        self._is_choosing = False
        self._keys: dict[str, Callable[[LabelsLayer], Any]] = {
            **{tool.key: self._key_of(tool) for tool in TOOLS},
            "Control-Z": self._undo,
            "Control-Shift-Z": self._redo,
            "Space": self._hold_to_move,
        }

    def attach(self, corrections: Corrections | None) -> None:
        """Work on a layer; on none for None."""
        if corrections is self.corrections:
            return
        self._detach()
        self.corrections = corrections
        if corrections is not None:
            layer = corrections.layer
            for key, function in self._keys.items():
                layer.bind_key(key, function, overwrite=True)
            layer.mouse_drag_callbacks.append(self._on_drag)
            layer.events.mode.connect(self._on_mode)

    def choose(self, name: str | None) -> None:
        """Take a tool; move the image with the mouse for None."""
        corrections = self.corrections
        if corrections is None:
            return
        layer = corrections.layer
        if name is not None and layer in self.viewer.layers:
            layer.visible = True
            self.viewer.layers.selection.active = layer
        self._is_choosing = True
        layer.mode = "pan_zoom" if name is None else "pick"
        self._is_choosing = False
        self.tool = BY_NAME[name] if name is not None and layer.mode == "pick" else None
        self.chosen.emit()

    def _detach(self) -> None:
        if self.corrections is None:
            return
        layer = self.corrections.layer
        if self.tool is not None:
            self.choose(None)
        for key in self._keys:
            layer.bind_key(key, None)
        layer.mouse_drag_callbacks.remove(self._on_drag)
        layer.events.mode.disconnect(self._on_mode)
        self.corrections = None

    def _key_of(self, tool: Tool) -> Callable[[LabelsLayer], None]:
        """Return what a key does; napari asks for its name, which no partial function has."""

        def choose(_layer: LabelsLayer) -> None:
            self.choose(tool.name)

        return choose

    def _hold_to_move(self, layer: LabelsLayer) -> Iterator[None]:
        """Move the image while Space is held, as everywhere in napari; then take the tool again."""
        mode, tool = layer.mode, self.tool
        layer.mode = "pan_zoom"
        yield
        if tool is None:
            layer.mode = mode
        else:
            self.choose(tool.name)

    def _on_mode(self, _event: Event) -> None:
        """Put the tool away where the user takes one of napari's."""
        if not self._is_choosing:
            self.tool = None
            self.chosen.emit()

    def _undo(self, _layer: LabelsLayer) -> None:
        if self.corrections is not None:
            self.corrections.undo()

    def _redo(self, _layer: LabelsLayer) -> None:
        if self.corrections is not None:
            self.corrections.redo()

    def _on_drag(self, layer: LabelsLayer, event: Event) -> Iterator[None]:
        """Follow the mouse from press to release."""
        corrections, tool = self.corrections, self.tool
        if corrections is None or tool is None or event.button != 1 or event.modifiers:
            return
        if self.viewer.dims.ndisplay == 3:
            self.failed.emit(IN_3D)
            return
        begin = on_canvas(event)
        points = [corrections.pixel_at(event.position)]
        position, label = event.position, layer.selected_label
        view = StrokeView(self.viewer)
        is_stroke = False
        try:
            view.add(begin, "")
            yield
            layer.selected_label = label  # napari's picker has taken that under the mouse
            while event.type == "mouse_move":
                is_stroke |= is_beyond_click(begin, on_canvas(event))
                points.append(corrections.pixel_at(event.position))
                word = self._meaning(corrections, tool, np.array(points)) if is_stroke else ""
                view.add(on_canvas(event), word)
                yield
            is_stroke |= is_beyond_click(begin, on_canvas(event))
            points.append(corrections.pixel_at(event.position))  # where the button is let go
        finally:
            view.remove()
        stroke = np.array(points if is_stroke else points[:1])
        self._do(corrections, tool, stroke, position)

    def _meaning(self, corrections: Corrections, tool: Tool, stroke: Stroke) -> str:
        """Return what a tool does with a stroke: delete, merge or split; empty for nothing."""
        if tool.name != "quick":
            return "" if tool.name == "add" else tool.name
        return str(meaning_of(corrections.labels, stroke, corrections.slice_at(stroke[0])))

    def _do(self, corrections: Corrections, tool: Tool, stroke: Stroke, position: Any) -> None:
        """Do what a tool does with a click or a stroke."""
        is_click = len(stroke) == 1
        if tool.name == "add":
            self.add_wanted.emit(stroke[0], position)
            return
        try:
            meaning = "delete" if is_click and tool.name == "quick" else ""
            meaning = meaning or self._meaning(corrections, tool, stroke)
            self.said.emit(_correct(corrections, meaning, stroke))
        except InputError as error:
            self.failed.emit(str(error))


def _correct(corrections: Corrections, meaning: str, stroke: Stroke) -> str:
    if meaning == "merge":
        return corrections.merge_along(stroke)
    if meaning == "split":
        return corrections.split_along(stroke)
    return corrections.delete_at(stroke[0]) if len(stroke) == 1 else corrections.delete_in(stroke)

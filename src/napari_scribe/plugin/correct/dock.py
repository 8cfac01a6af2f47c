"""Show the Correct dock: image, result, tools, what is taught."""

from __future__ import annotations

from functools import partial
from typing import Any

from magicgui.widgets import CheckBox
from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from qtpy.QtCore import Signal
from qtpy.QtGui import QHideEvent
from qtpy.QtWidgets import QGridLayout, QPushButton, QSizePolicy, QWidget

from ...errors import InputError
from ...wording import counted
from ..dock import NOTHING_DONE, Dock
from ..jobs.request import Ended, Value
from ..layers.annotations import annotations_from
from ..layers.purpose import add_note, is_corrected, note
from ..widgets.basics import Hint, button, stack, step
from .adding import AddingByClick
from .corrections import Corrections
from .doubtful import DoubtfulPlaces
from .form import CorrectForm
from .layers import editable_copy, teach
from .tools import TOOLS, Tools

EMPTY = "Segment an image first; its objects can be corrected here."
PRESS_CORRECT = "Press Correct first: tools work on a copy of the result."
UNDONE = "What was taught is undone: Teach these takes it out of the annotations."
COLUMNS = 3
"""Buttons beside each other."""


class CorrectDock(Dock):
    """Correct the objects of a result, and make paint of what was corrected.

    Parameters
    ----------
    napari_viewer
        Given by napari.

    Signals
    -------
    corrected
        Something was corrected, undone or taught.
    taught
        Something was taught: the file of the model whose result was corrected; empty for none.
    """

    corrected = Signal()
    taught = Signal(str)
    form: CorrectForm

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.form = CorrectForm(self.viewer)
        self.tools = Tools(self.viewer)
        self._known: dict[LabelsLayer, Corrections] = {}
        tip = "Make a copy of the result that can be corrected; the result itself stays as it is"
        self.correct_button = button("Correct", tip, self.correct, is_main=True)
        self.empty = Hint()
        self.doubtful = DoubtfulPlaces(self)
        self.adding = AddingByClick(self, self.tools)
        self.lay_out(
            step("1", "Image", self.form.image),
            step("2", "Result", stack(self.form.result, self.correct_button, self.empty)),
            self.doubtful,
            step("3", "Correct", self._tools_part()),
            step("4", "Teach", self._teaching_part()),
        )
        self.tools.chosen.connect(self.show_state)
        self.tools.said.connect(self.tell)
        self.adding.added.connect(self.tell)
        self.tools.failed.connect(self.message.warn)
        self.tools.add_wanted.connect(self.adding.add_at)
        self.through.changed.connect(self._on_through)
        self.viewer.layers.selection.events.active.connect(self._on_active)
        self.viewer.layers.events.removed.connect(self._on_removed)
        self._follow_result()

    def _tools_part(self) -> QWidget:
        """Return what corrects objects."""
        self.tool_buttons = {tool.name: self._tool_button(i) for i, tool in enumerate(TOOLS)}
        self.about_tool = Hint()
        self.undo_button = button("Undo", "Undo the last correction (Ctrl+Z)", self.undo)
        self.redo_button = button("Redo", "Do it again (Ctrl+Shift+Z)", self.redo)
        tip = "Fill the holes of all objects in the slice that is shown"
        self.fill_button = button("Fill", tip, self.fill_holes)
        self.through = CheckBox(value=False, text="Through all slices")
        self.through.tooltip = (
            "Objects run through slices: delete, merge and split mean the whole object; else only "
            "what the shown slice has of it"
        )
        edits = (self.fill_button, self.undo_button, self.redo_button)
        buttons = _grid(*self.tool_buttons.values(), *edits)
        return stack(buttons, self.about_tool, self.through)

    def _teaching_part(self) -> QWidget:
        """Return what makes paint of what was corrected."""
        self.at_once = CheckBox(value=False, text="Teach as I correct")
        self.at_once.tooltip = "Teach each correction as soon as it is made"
        tip = (
            "Add the corrected objects to the annotations of the image, and background where "
            "objects were deleted. What you have painted stays"
        )
        self.teach_button = button("Teach these", tip, self.teach, is_main=True)
        tip = "Make new annotations of all objects as they are now, with background around them"
        self.teach_all_button = button("Teach all", tip, self.teach_all)
        self.about_teaching = Hint()
        buttons = stack(self.teach_button, self.teach_all_button)
        return stack(buttons, self.at_once, self.about_teaching)

    @property
    def corrections(self) -> Corrections | None:
        """Return the corrections of the chosen layer; None where it is not being corrected."""
        return self.tools.corrections

    def correct(self) -> None:
        """Make a copy of the chosen result that can be corrected, and take the first tool."""
        with self.preparing():
            result = self.form.result.value
            if result is None:
                raise InputError(EMPTY)
            layer = editable_copy(self.viewer, result, self.form.image.layer.value)
            self.form.follow(layer)
            self.tools.choose(TOOLS[0].name)
            self.progress.clear()
            self.message.info(f"{result.name} stays as it is; {layer.name} is yours to correct.")

    def undo(self) -> None:
        """Undo the last correction."""
        if self.corrections is not None:
            self.corrections.undo()

    def redo(self) -> None:
        """Do again what was undone last."""
        if self.corrections is not None:
            self.corrections.redo()

    def fill_holes(self) -> None:
        """Fill the holes of all objects in the slice that is shown."""
        if self.corrections is not None:
            try:
                self.tell(self.corrections.fill_holes())
            except InputError as error:
                self.message.warn(str(error))

    def teach(self) -> None:
        """Paint what was corrected into the annotations of the image."""
        with self.preparing():
            self._teach()

    def teach_all(self) -> None:
        """Make annotations of all objects."""
        corrections, layer = self.corrections, self.form.image.layer.value
        with self.preparing():
            if corrections is None:
                raise InputError(EMPTY)
            image = self.form.image.image()
            settings = {"task": "objects", "dimensions": note(corrections.layer)["dimensions"]}
            numbers = corrections.history.numbers()
            corrected = [n + 1 for n in numbers]  # 1 is background in paint
            made = annotations_from(
                self.viewer, corrections.layer, layer, image, **settings, corrected=corrected
            )
            self._on_taught(corrections)
            self.message.info(
                f"{made.name} holds all objects, and background around them. Train with it."
            )

    def tell(self, text: str) -> None:
        """Say what was corrected, where nothing else is said of it."""
        if not self.at_once.value:
            self.message.info(f"{text} Ctrl+Z undoes it.")
            self.until_changed()

    def show_state(self) -> None:
        """Enable the buttons that make sense now."""
        super().show_state()
        self.doubtful.show_state()
        result, corrections = self.form.result.value, self.corrections
        has_layer = corrections is not None
        tool = self.tools.tool
        self.correct_button.setEnabled(result is not None and not has_layer)
        self.empty.setText(EMPTY if result is None else "")
        for name, made in self.tool_buttons.items():
            made.setEnabled(has_layer)
            made.setChecked(tool is not None and tool.name == name)
        no_tool = "" if result is None or has_layer else PRESS_CORRECT
        self.about_tool.setText(no_tool if tool is None else f"{tool.tip}.")
        self.undo_button.setEnabled(corrections is not None and corrections.history.can_undo)
        self.redo_button.setEnabled(corrections is not None and corrections.history.can_redo)
        self.fill_button.setEnabled(has_layer)
        self.through.visible = corrections is not None and corrections.layer.ndim > 2
        n = 0 if corrections is None else len(corrections.history.numbers())
        has_image = self.form.image.layer.value is not None
        state = {} if corrections is None else note(corrections.layer)
        taught = state.get("taught", False)
        is_undone = n == 0 and state.get("was_taught", False) and not taught
        self.teach_button.setEnabled((n > 0 or is_undone) and has_image)
        self.teach_all_button.setEnabled(has_layer and has_image)
        self.at_once.enabled = has_layer and has_image
        nothing = UNDONE if is_undone else "Nothing is corrected yet."
        changed = f"{counted(n, 'object')} changed." if n else nothing
        about = "All that is corrected is taught." if taught else changed
        self.about_teaching.setText(about if has_layer else "")

    def on_form(self) -> None:
        """Follow the chosen result; take away a message about another."""
        super().on_form()
        self._follow_result()

    def select(self, layer: ImageLayer) -> None:
        """Show the image that the user has selected, and its result."""
        super().select(layer)
        self.form.prefer(layer)

    def hideEvent(self, event: QHideEvent) -> None:
        """Put the tool away where it is not seen that clicks correct objects, and the ring."""
        super().hideEvent(event)
        if event.spontaneous():  # the window was minimized
            return
        self.doubtful.hide_ring()
        if self.tools.tool is not None:
            self.tools.choose(None)

    def close_down(self) -> None:
        """Let go of the viewer and of the layers."""
        self.viewer.layers.selection.events.active.disconnect(self._on_active)
        self.viewer.layers.events.removed.disconnect(self._on_removed)
        self.adding.clear()
        self.doubtful.clear()
        self.tools.attach(None)
        for corrections in self._known.values():
            corrections.close()
        self._known.clear()
        super().close_down()

    def _follow_result(self) -> None:
        """Bind the tools to the chosen layer, where it is one to correct."""
        layer, corrections = self.form.result.value, None
        if layer is not None and is_corrected(layer):
            corrections = self._known.get(layer)
            if corrections is None:
                corrections = self._known[layer] = Corrections(self.viewer, layer)
                corrections.changed.connect(self._on_changed)
        self.tools.attach(corrections)
        self.doubtful.follow(layer, None if corrections is None else corrections.history)
        if corrections is not None:
            with self.through.changed.blocked():
                self.through.value = corrections.runs_through
        self.show_state()

    def _on_changed(self) -> None:
        self.settle()  # what was said of the correction before, or of one undone
        self.doubtful.on_corrected()
        if self.at_once.value and self.corrections is not None:
            try:
                self._teach()
                return
            except InputError as error:
                self.message.warn(str(error))
        self.show_state()
        self.corrected.emit()

    def _teach(self) -> None:
        corrections, layer = self.corrections, self.form.image.layer.value
        if corrections is None:
            raise InputError(EMPTY)
        annotations, made = teach(self.viewer, corrections, layer, self.form.image.image())
        self._on_taught(corrections)
        n = len(made.numbers)
        objects = counted(n, "object") if n else ""
        taught = " and ".join(
            part for part in (objects, "background" * bool(made.n_deleted)) if part
        )
        if not taught and made.n_taken_out:
            self.message.info(f"What was undone is taken out of {annotations.name}.")
        else:
            self.message.info(f"Taught {taught or 'nothing new'}, in {annotations.name}.")

    def _on_taught(self, corrections: Corrections) -> None:
        add_note(corrections.layer, taught=True, was_taught=True)
        self.progress.clear()
        self.show_state()
        self.corrected.emit()
        self.taught.emit(note(corrections.layer).get("model", ""))

    def _on_through(self, runs_through: bool) -> None:
        if self.corrections is not None:
            add_note(self.corrections.layer, dimensions=3 if runs_through else 2)

    def _on_active(self, _event: object = None) -> None:
        """Go to the result that is selected in the list of layers."""
        layer = self.viewer.layers.selection.active
        if isinstance(layer, LabelsLayer):
            self.form.follow(layer)

    def _on_removed(self, event: Any) -> None:
        """Let go of a layer that was removed."""
        corrections = self._known.pop(event.value, None)
        if corrections is not None:
            if corrections is self.corrections:
                self.tools.attach(None)
            corrections.close()
            self.show_state()

    def result_of(self, ended: Ended[Value], nothing: str = NOTHING_DONE) -> Value | None:
        """Return what a job gave, as all docks do; then add what was clicked meanwhile."""
        self.adding.resume_soon()
        return super().result_of(ended, nothing)

    def _tool_button(self, index: int) -> QPushButton:
        tool = TOOLS[index]
        made = button(tool.title, f"{tool.tip} ({tool.key})", partial(self._on_tool, tool.name))
        made.setCheckable(True)
        return made

    def _on_tool(self, name: str) -> None:
        """Take a tool, or put it away where it is taken."""
        tool = self.tools.tool
        self.tools.choose(None if tool is not None and tool.name == name else name)


def _grid(*buttons: QPushButton) -> QWidget:
    """Lay buttons out in columns of the same width, however narrow the dock is."""
    widget = QWidget()
    layout = QGridLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for index, made in enumerate(buttons):
        made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        layout.addWidget(made, index // COLUMNS, index % COLUMNS)
    return widget

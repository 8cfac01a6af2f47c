"""Which model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

from magicgui.widgets import ComboBox
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from ...errors import InputError
from ...io.model_folder import list_models
from ..model_library import in_words, task_of
from .basics import button, hint, narrow, row

FINDING = frozenset({"objects", "classes"})
"""Tasks of models that find something."""
DENOISING = frozenset({"denoised"})
NEWEST_FIRST = "Models that were trained here are kept, the newest first"


def _told_apart(files: list[Path]) -> list[str]:
    """A name for each file: its stem, with its folder or all of its path where others share it."""
    ways = (lambda file: file.stem, lambda file: f"{file.stem} ({file.parent.name})", str)
    counts = [(way, Counter(map(way, files))) for way in ways]
    return [next(way(file) for way, n in counts if n[way(file)] == 1) for file in files]


class ModelPicker(QWidget):
    """A kept model, newest first, or a file.

    Parameters
    ----------
    none
        What the choice of no model is called; empty where a model is needed.
    tasks
        Models for others are not offered. (One that cannot be read is: it says why.)
    tooltip
        Beneath the whole name.
    """

    changed = Signal()

    def __init__(
        self, none: str = "", tasks: Collection[str] = FINDING, tooltip: str = NEWEST_FIRST
    ) -> None:
        super().__init__()
        self._none, self._tasks, self._tooltip = none, {*tasks, ""}, tooltip
        self._files: list[Path] = []
        self._is_chosen = False
        self.combo = ComboBox(choices=self._choices, nullable=False)
        narrow(self.combo.native)
        self.info = hint()
        file = button("File...", "Choose a model that lies elsewhere", self._choose_file)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        line = row(self.combo.native, file)
        line.layout().setStretch(0, 1)
        layout.addWidget(line)
        layout.addWidget(self.info)
        self.combo.changed.connect(self._describe)
        self.combo.native.activated.connect(self._on_chosen)
        self._describe()

    def value(self) -> Path | None:
        """The file of the model; None for none."""
        found = self.combo.value
        return found if isinstance(found, Path) else None

    def set_value(self, path: Path | None) -> None:
        """Choose a file; None where no model is a choice."""
        self._is_chosen = True
        if path is not None and path not in self._choice_values():
            self._files.insert(0, path)
        self.combo.reset_choices()
        self.combo.value = self._none if path is None else path
        self._describe()

    def refresh(self) -> None:
        """Look for kept models again; the newest is chosen, unless the user chose another."""
        choices, before = self._choice_values(), self.combo.value
        if choices == list(self.combo.choices):
            return
        with self.combo.changed.blocked():
            self.combo.native.clear()  # magicgui would put new ones last
            self.combo.reset_choices()
            if (self._is_chosen or self._none) and before in choices:
                self.combo.value = before
        self._describe()

    def showEvent(self, event: Any) -> None:
        """Look for new models whenever it comes up."""
        self.refresh()
        super().showEvent(event)

    def enterEvent(self, event: Any) -> None:
        """The same where it is always up, beside the dock that trains them."""
        self.refresh()
        super().enterEvent(event)

    def _on_chosen(self, _index: int) -> None:
        self._is_chosen = True

    def _choices(self, _widget: Any = None) -> list[tuple[str, Any]]:
        first = [(self._none, self._none)] if self._none else []
        listed = [path for path in list_models() if task_of(path) in self._tasks]
        others = [path for path in self._files if path not in listed]
        files = [*others, *listed]
        return [*first, *zip(_told_apart(files), files, strict=True)]

    def _choice_values(self) -> list[Any]:
        return [value for _, value in self._choices()]

    def _describe(self, _value: Any = None) -> None:
        path = self.value()
        name = f"{self.combo.current_choice}\n" if path is not None else ""
        self.combo.tooltip = name + self._tooltip
        if path is None:
            self.info.setText("" if self._none else "No model yet: train one, or choose a file.")
        else:
            try:
                self.info.setText(in_words(path))
            except InputError as error:
                self.info.setText(str(error))
        self.info.setVisible(bool(self.info.text()))
        self.changed.emit()

    def _choose_file(self) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self, "Choose a model", "", "napari-scribe models (*.zip)"
        )
        if name:
            self.set_value(Path(name))

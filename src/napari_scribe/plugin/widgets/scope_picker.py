"""What is segmented: a layer, a part of it, all layers, or a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from magicgui.widgets import ComboBox
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from .basics import button, named, stack

LAYER, SLICE, VISIBLE, LAYERS, FOLDER = "layer", "slice", "visible", "layers", "folder"
CHOICES = {
    LAYER: "Whole layer",
    SLICE: "This slice",
    VISIBLE: "What is visible",
    LAYERS: "All image layers",
    FOLDER: "A folder...",
}


class PathLine(QWidget):
    """A path that can be written, or chosen in a dialog.

    Parameters
    ----------
    kind
        ``folder``, or ``save`` for a file to write.
    title
        Of the dialog.
    """

    changed = Signal()

    def __init__(self, kind: str, title: str, tooltip: str, empty: str = "") -> None:
        super().__init__()
        self._kind, self._title = kind, title
        self.line = QLineEdit()
        self.line.setToolTip(tooltip)
        self.line.setPlaceholderText(empty)
        self.line.textChanged.connect(lambda _text: self.changed.emit())
        browse = button("...", title, self.choose)
        browse.setFixedWidth(32)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.line)
        layout.addWidget(browse)
        self.setToolTip(tooltip)

    def value(self) -> Path | None:
        """The path; None where there is none."""
        text = self.line.text().strip()
        return Path(text).expanduser() if text else None

    def choose(self) -> None:
        """Let the user choose."""
        if self._kind == "folder":
            name = QFileDialog.getExistingDirectory(self, self._title, self.line.text())
        else:
            name, _ = QFileDialog.getSaveFileName(
                self, self._title, self.line.text(), "zarr (*.zarr);;TIFF (*.tif)"
            )
        if name:
            self.line.setText(name)


class Where(QWidget):
    """What is worked on; where it is a folder, which one, and where results go.

    Parameters
    ----------
    choices
        Some of `CHOICES`, and what they are called.
    """

    changed = Signal()

    def __init__(
        self, choices: Mapping[str, str] = CHOICES, tooltip: str = "What is segmented"
    ) -> None:
        super().__init__()
        self._has_slices = False
        self._texts = choices
        self._proposed: Path | None = None
        self.combo = ComboBox(choices=self._choices, nullable=False)
        self.combo.tooltip = tooltip
        self.images = PathLine("folder", "A folder of images", "Each image that lies in it")
        self.out = PathLine(
            "folder",
            "A folder for the results",
            "Each result is a .tif with the name of its image. The same again goes on where it "
            "was stopped",
        )
        self._folders = stack(
            named("Images", self.images, width=56), named("Results", self.out, width=56)
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.combo.native)
        layout.addWidget(self._folders)
        self._folders.hide()
        self.combo.changed.connect(self._show_folders)
        self.images.changed.connect(self._propose_out)
        for line in (self.images, self.out):
            line.changed.connect(self.changed)
        self.combo.native.activated.connect(self._ask_for_folder)

    def value(self) -> str:
        """One of `CHOICES`."""
        return str(self.combo.value or LAYER)

    def offer_slices(self, has_slices: bool) -> None:
        """Whether there are slices to choose one of."""
        if has_slices != self._has_slices:
            self._has_slices = has_slices
            before = self.value()
            with self.combo.changed.blocked():
                self.combo.native.clear()  # magicgui would put new ones last
                self.combo.reset_choices()
            self.combo.value = before if before in self.combo.choices else LAYER
            self._show_folders()

    def _choices(self, _widget: Any = None) -> list[tuple[str, str]]:
        offered = self._texts.items()
        return [(text, key) for key, text in offered if key != SLICE or self._has_slices]

    def _show_folders(self, _value: Any = None) -> None:
        self._folders.setVisible(self.value() == FOLDER)
        self.changed.emit()

    def _ask_for_folder(self, _index: int) -> None:
        if self.value() == FOLDER and self.images.value() is None:
            self.images.choose()

    def _propose_out(self) -> None:
        """Results lie in the folder of the images, unless the user wants them elsewhere."""
        images, out = self.images.value(), self.out.value()
        if images is not None and (out is None or out == self._proposed):
            self._proposed = images / "labels"
            self.out.line.setText(str(self._proposed))

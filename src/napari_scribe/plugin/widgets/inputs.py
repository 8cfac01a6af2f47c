"""Provide the widgets that ask for a choice or a path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from magicgui.types import FileDialogMode
from magicgui.widgets import ComboBox, FileEdit
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter, QWidget

from .basics import Part, native

TILES = [("automatic", 0), *((str(n), n) for n in (64, 128, 256, 512, 1024, 2048, 4096))]
"""Sides of tiles that are offered, in pixels; 0 lets one be chosen for the machine."""

NARROWEST = 72
"""Least width of a combo, in pixels."""


class Choice(ComboBox):
    """Offer what a function lists, in its order.

    `reset_choices` keeps what was chosen while it is offered, where magicgui's would keep the text
    and put new choices last.

    Parameters
    ----------
    choices
        List the names and the values that are offered now.
    """

    def __init__(
        self, choices: Callable[[], Sequence[tuple[str, object]]], tooltip: str = ""
    ) -> None:
        super().__init__(choices=lambda _widget: choices(), tooltip=tooltip, nullable=False)

    def reset_choices(self, *_: object) -> None:
        """Offer what there is now; the first choice where that of before is gone."""
        before = self.value
        with self.changed.blocked():
            self.native.clear()
            super().reset_choices()
            if before in self.choices:
                self.value = before
        if self.value != before:
            self.changed.emit(self.value)


def tile_choice() -> ComboBox:
    """Offer sides of tiles."""
    choice = ComboBox(choices=TILES, value=0, nullable=False)
    choice.tooltip = (
        "Side of the tiles that the image is cut into. The result does not depend on it; smaller "
        "ones take less memory, larger ones less time"
    )
    return choice


class PathEdit(FileEdit):
    """Ask for a path, which can be typed or chosen in a dialog; None where there is none.

    Parameters
    ----------
    mode
        ``d`` for a folder, ``w`` for a file to write, as magicgui calls them.
    title
        What is chosen: the title of the dialog, shown over its button too.
    placeholder
        What is shown where there is no path.
    filter
        Kinds of files that the dialog offers, as Qt takes them.
    """

    value: Path | None

    def __init__(
        self,
        mode: str,
        title: str,
        tooltip: str,
        placeholder: str = "",
        filter: str | None = None,
    ) -> None:
        self._title = title
        super().__init__(FileDialogMode(mode), filter, nullable=True, tooltip=tooltip)
        self.native.layout().setSpacing(6)
        self.line_edit.tooltip = tooltip
        self.line_edit.native.setPlaceholderText(placeholder)
        self.choose_btn.text, self.choose_btn.tooltip = "...", title
        self.choose_btn.native.setFixedWidth(32)

    @property
    def _btn_text(self) -> str:
        """Return the title of the dialog; magicgui asks for it by this name."""
        return self._title

    def get_value(self) -> Path | None:
        """Return the path; None where there is none."""
        text = self.line_edit.value.strip()
        return Path(text).expanduser() if text else None


def result_file() -> PathEdit:
    """Ask for the file that a result is written to."""
    return PathEdit(
        "w",
        "Save the result as",
        "A .zarr or .tif that the result is written to. A run to a .zarr that was stopped goes on "
        "when it is started again",
        "only shown; on disk if large",
        "zarr (*.zarr);;TIFF (*.tif)",
    )


class _MiddleElided(QObject):
    """Draw a combo so that both ends of a long name can be read; Qt would cut off its end."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() != QEvent.Type.Paint or not isinstance(watched, QComboBox):
            return False
        option, control = QStyleOptionComboBox(), QStyle.ComplexControl.CC_ComboBox
        watched.initStyleOption(option)
        field = QStyle.SubControl.SC_ComboBoxEditField
        width = watched.style().subControlRect(control, option, field, watched).width() - 2
        text = option.currentText or watched.placeholderText()
        middle = Qt.TextElideMode.ElideMiddle
        option.currentText = watched.fontMetrics().elidedText(text, middle, width)
        painter = QStylePainter(watched)
        painter.drawComplexControl(control, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
        painter.end()
        return True


def narrow(combo: QComboBox) -> None:
    """Let a combo be as narrow as its dock, however long its names are."""
    combo.setMinimumContentsLength(8)
    combo.setMinimumWidth(NARROWEST)
    combo.setSizeAdjustPolicy(combo.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.view().setTextElideMode(Qt.TextElideMode.ElideMiddle)
    combo.installEventFilter(_MiddleElided(combo))


class _Watcher(QObject):
    """Call a function whenever a widget comes up, or the mouse enters it."""

    def __init__(self, widget: QWidget, look: Callable[[], object]) -> None:
        super().__init__(widget)
        self._look = look
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.Show, QEvent.Type.Enter):
            self._look()
        return False


def refresh_when_seen(part: Part, refresh: Callable[[], object]) -> None:
    """Call a function whenever a widget comes up, or the mouse enters it."""
    _Watcher(native(part), refresh)

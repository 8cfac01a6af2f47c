"""Leave to napari what fields have no use for: the wheel over them, letters, keys after Return."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent, QWheelEvent
from qtpy.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QListWidget,
    QScrollBar,
    QTableView,
    QWidget,
)

FIELDS = QAbstractSpinBox, QComboBox, QAbstractSlider
LISTS = QListWidget, QTableView
WRITTEN = QAbstractSpinBox, QLineEdit
PLAIN = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier


class _Guard(QObject):
    """Ignore the wheel over what has not the focus, and letters where no text is written.

    What is ignored goes to the parents, and in the end to napari. Else N and B would do nothing
    after a number was typed, and choose by name what begins with them after a combo was used.
    """

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        is_unwanted = False
        if isinstance(event, QWheelEvent):
            is_unwanted = isinstance(watched, FIELDS) and not watched.hasFocus()
        elif isinstance(event, QKeyEvent):
            is_unwanted = _is_letter(event) and not isinstance(watched, QLineEdit)
            if _is_end(event) and isinstance(watched, WRITTEN):
                watched.clearFocus()
        if is_unwanted:
            event.ignore()
        return is_unwanted


def _is_letter(event: QKeyEvent) -> bool:
    is_press = event.type() == QEvent.Type.KeyPress
    return is_press and event.text().isalpha() and event.modifiers() in PLAIN


def _is_end(event: QKeyEvent) -> bool:
    """Return whether Return is let go of: the field has taken in what was written by then."""
    is_release = event.type() == QEvent.Type.KeyRelease
    return is_release and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)


def calm(widget: QWidget) -> None:
    """Let the fields in a widget take only what they need; all else is for the dock, or napari.

    The wheel scrolls the dock, unless it is over the field that has the focus. Letters go to napari
    from all that has no text to write; after Return, all keys do. A field that is made later needs
    another call.
    """
    guard = _Guard(widget)
    for kind in (*FIELDS, QLineEdit, *LISTS):
        for field in widget.findChildren(kind):
            if isinstance(field, QScrollBar):  # turning it is what the wheel is for
                continue
            if field.focusPolicy() == Qt.FocusPolicy.WheelFocus:
                field.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            field.installEventFilter(guard)

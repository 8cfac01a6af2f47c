"""List places with ticks for those that are done."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from qtpy.QtWidgets import QListView, QWidget

Index = QModelIndex | QPersistentModelIndex
NOWHERE = QModelIndex()


class PlaceModel(QAbstractListModel):
    """Offer the lines of a list to Qt.

    Attributes
    ----------
    done
        Whether each place is done.

    Signals
    -------
    ticked
        A place is done, or not done any more.
    """

    ticked = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._texts: list[tuple[str, str]] = []
        self.done: list[bool] = []

    def show_lines(self, texts: list[tuple[str, str]]) -> None:
        """Show other lines, none of them done: for each its text, and its tooltip."""
        self.beginResetModel()
        self._texts, self.done = texts, [False] * len(texts)
        self.endResetModel()

    def tick(self, row: int, is_done: bool = True) -> None:
        """Tick a line, or take the tick away."""
        self.done[row] = is_done
        index = self.index(row)
        self.dataChanged.emit(index, index)
        self.ticked.emit()

    def rowCount(self, parent: Index = NOWHERE) -> int:
        """Return the number of lines."""
        return 0 if parent.isValid() else len(self._texts)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text of a line, its tooltip, and whether it is ticked."""
        text, tip = self._texts[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return text
        if role == Qt.ItemDataRole.ToolTipRole:
            return tip
        if role == Qt.ItemDataRole.CheckStateRole:
            is_done = self.done[index.row()]
            return (Qt.CheckState.Checked if is_done else Qt.CheckState.Unchecked).value
        return None

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Let the user tick a line."""
        if role != Qt.ItemDataRole.CheckStateRole:
            return False
        self.tick(index.row(), Qt.CheckState(value) == Qt.CheckState.Checked)
        return True

    def flags(self, _index: Index) -> Qt.ItemFlag:
        """Return that every line can be chosen and ticked."""
        flags = Qt.ItemFlag
        return flags.ItemIsEnabled | flags.ItemIsSelectable | flags.ItemIsUserCheckable


class PlaceList(QListView):
    """Show places, one a line; a click, or the arrow keys, go to one, and Space ticks it.

    Parameters
    ----------
    tooltip
        Where no line is under the mouse.
    height
        In pixels.

    Signals
    -------
    chosen
        The line that was gone to.
    ticked
        A place is done, or not done any more.
    """

    chosen = Signal(int)
    ticked = Signal()

    def __init__(self, tooltip: str, height: int) -> None:
        super().__init__()
        self._model = PlaceModel(self)
        self.setModel(self._model)
        self.setToolTip(tooltip)
        self.setFixedHeight(height)
        self.selectionModel().currentRowChanged.connect(self._on_current)
        self._model.ticked.connect(self.ticked)

    @property
    def done(self) -> list[bool]:
        """Return for each line whether it is done."""
        return self._model.done

    @property
    def texts(self) -> list[str]:
        """Return what the lines say."""
        return [self._model.data(self._model.index(row)) for row in range(len(self.done))]

    @property
    def row(self) -> int:
        """Return the line that is chosen; -1 where none is."""
        return self.currentIndex().row()

    def show_lines(self, texts: list[tuple[str, str]]) -> None:
        """Show other lines, of which none is chosen or done: for each its text, and its tooltip."""
        self._model.show_lines(texts)

    def go_to(self, row: int) -> None:
        """Choose a line."""
        self.setCurrentIndex(self._model.index(row))

    def tick(self, row: int) -> None:
        """Tick a line."""
        self._model.tick(row)

    def _on_current(self, index: QModelIndex, _before: QModelIndex) -> None:
        if index.isValid():
            self.chosen.emit(index.row())

"""Show a table of objects: it scrolls and sorts a hundred thousand rows at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from qtpy.QtWidgets import QHeaderView, QTableView, QWidget

from ...arrays import Pixels
from ...evaluation.table import Measurements, in_digits

Index = QModelIndex | QPersistentModelIndex
NOWHERE = QModelIndex()
COLUMN_WIDTH = 84


class TableModel(QAbstractTableModel):
    """Offer the columns of a table to Qt, in an order that changes without moving the rows.

    Attributes
    ----------
    order
        The row of the table that is shown in each line.
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._names: list[str] = []
        self._columns: list[Pixels] = []
        self.order = np.arange(0)

    def show_table(self, table: Measurements | None, hidden: tuple[str, ...] = ()) -> None:
        """Show another table, or none."""
        columns = {} if table is None else table.columns
        self.beginResetModel()
        self._names = [name for name in columns if name not in hidden]
        self._columns = [columns[name] for name in self._names]
        self.order = np.arange(0 if table is None else len(table))
        self.endResetModel()

    @property
    def names(self) -> list[str]:
        """Return the names of the columns."""
        return self._names

    def rowCount(self, parent: Index = NOWHERE) -> int:
        """Return the number of objects."""
        return 0 if parent.isValid() else len(self.order)

    def columnCount(self, parent: Index = NOWHERE) -> int:
        """Return the number of columns."""
        return 0 if parent.isValid() else len(self._names)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text of a cell, and on which side it stands."""
        values = self._columns[index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return in_words(values[self.order[index.row()]])
        if role == Qt.ItemDataRole.TextAlignmentRole and values.dtype.kind in "iuf":
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Return the name of a column; whole as its tooltip, where it may be cut."""
        shown = Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole
        if orientation == Qt.Orientation.Horizontal and role in shown:
            is_tip = role == Qt.ItemDataRole.ToolTipRole
            return f"{self._names[section]}: click to sort" if is_tip else self._names[section]
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; what is not defined comes last."""
        if not 0 <= column < len(self._columns):
            return
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        rows = [self.order[index.row()] for index in before]
        values = self._columns[column]
        ranks = np.unique(values, return_inverse=True)[1] if values.dtype.kind == "O" else values
        if order == Qt.SortOrder.AscendingOrder:
            self.order = np.argsort(ranks, kind="stable")
        else:
            self.order = np.argsort(-ranks.astype(np.float64), kind="stable")
        lines = self.lines()
        after = [
            self.index(int(lines[row]), index.column())
            for row, index in zip(rows, before, strict=True)
        ]
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def lines(self) -> Pixels:
        """Return the line in which each row of the table is shown."""
        lines = np.empty_like(self.order)
        lines[self.order] = np.arange(len(self.order))
        return lines


def in_words(value: Any) -> str:
    """Return a value as the table shows it: four digits, yes or no."""
    if isinstance(value, np.bool_):
        return "yes" if value else "no"
    if isinstance(value, np.floating):
        return in_digits(float(value))
    return str(value)


class TableView(QTableView):
    """Show a table, sorted by a click on the name of a column.

    Signals
    -------
    chosen
        The row of the table that the user has gone to, by mouse or key.
    sorted_by
        The name of the column by which the user has sorted.
    """

    chosen = Signal(int)
    sorted_by = Signal(str)

    def __init__(self, tooltip: str, height: int = 220) -> None:
        super().__init__()
        self._model = TableModel(self)
        self.setModel(self._model)
        self.setToolTip(tooltip)
        self.setFixedHeight(height)
        self.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QTableView.SelectionMode.SingleSelection)
        self.setTabKeyNavigation(False)  # Tab leaves the table
        self.setWordWrap(False)
        self.setHorizontalScrollMode(QTableView.ScrollMode.ScrollPerPixel)
        lines, columns = self.verticalHeader(), self.horizontalHeader()
        lines.hide()
        lines.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        lines.setDefaultSectionSize(22)
        columns.setDefaultSectionSize(COLUMN_WIDTH)
        columns.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        columns.setSectionsClickable(True)
        columns.setHighlightSections(False)
        self.setSortingEnabled(True)
        columns.sectionClicked.connect(self._on_head)
        self._is_silent = False
        self.selectionModel().currentRowChanged.connect(self._on_current)

    @property
    def names(self) -> list[str]:
        """Return the names of the columns that are shown."""
        return self._model.names

    def show_table(self, table: Measurements | None, hidden: tuple[str, ...] = ()) -> None:
        """Show another table in its own order, or none."""
        self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self._model.show_table(table, hidden)
        columns = self.horizontalHeader()
        for i, name in enumerate(self.names):
            wide = self.fontMetrics().horizontalAdvance(name) + 30
            columns.resizeSection(i, max(wide, 60))

    def sort_by(self, name: str) -> None:
        """Sort by the column of this name, the smallest first."""
        if name in self.names:
            self.sortByColumn(self.names.index(name), Qt.SortOrder.AscendingOrder)

    def go_to(self, row: int) -> None:
        """Show a row of the table, without telling of it."""
        lines = np.flatnonzero(self._model.order == row)
        if len(lines):
            index = self._model.index(int(lines[0]), max(self.currentIndex().column(), 0))
            self._is_silent = True
            self.setCurrentIndex(index)
            self.scrollTo(index, QTableView.ScrollHint.EnsureVisible)
            self._is_silent = False

    def row(self) -> int | None:
        """Return the row of the table that is chosen; None where none is."""
        index = self.currentIndex()
        return int(self._model.order[index.row()]) if index.isValid() else None

    def order(self) -> Pixels:
        """Return the rows of the table in the order in which they are shown."""
        return self._model.order

    def _on_current(self, index: QModelIndex, _before: QModelIndex) -> None:
        if index.isValid() and not self._is_silent:
            self.chosen.emit(int(self._model.order[index.row()]))

    def _on_head(self, section: int) -> None:
        self.sorted_by.emit(self.names[section])

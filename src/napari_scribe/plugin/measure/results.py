"""Show what was measured: counts, a table, a histogram; save the table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from ...evaluation.table import CLASS, EDGE, IMAGE, Measurements
from ..widgets.basics import Hint, button, fill_column, named
from ..widgets.inputs import Choice, narrow
from .plots import Histogram
from .table import TableView

TABLE_TIP = (
    "A row for each object. Click a row to go to its object, and an object to go to its row; click "
    "the name of a column to sort by it"
)
COLUMN_TIP = "The column by which the table is sorted, and whose histogram is shown"


class Results(QWidget):
    """Show a table of measurements with its counts and a histogram.

    Signals
    -------
    chosen
        The row of the table that the user has gone to.
    wants_save
        The file into which the table is to be saved.

    Attributes
    ----------
    table
        What is shown; None where nothing is measured.
    class_colors
        Of the classes of objects, by name.
    """

    chosen = Signal(int)
    wants_save = Signal(object)

    def __init__(self, colors: dict[str, str]) -> None:
        super().__init__()
        self.table: Measurements | None = None
        self.class_colors: dict[str, str] = {}
        self.counts, self.outdated = Hint(), Hint()
        self.outdated.setProperty("scribe", "caution")
        self.view = TableView(TABLE_TIP)
        self.column = Choice(self._columns, COLUMN_TIP)
        narrow(self.column.native)
        self.histogram = Histogram(colors)
        self.save_button = button(
            "Save table...", "Save the table as CSV, which Excel, R and Python open", self.save
        )
        fill_column(
            self,
            self.counts,
            self.outdated,
            self.view,
            named("Histogram", self.column),
            self.histogram,
            self.save_button,
        )
        self.view.chosen.connect(self.chosen)
        self.view.chosen.connect(self._mark)
        self.view.sorted_by.connect(self._on_sorted)
        self.column.changed.connect(self._on_column)
        self.show_table(None)

    def show_table(self, table: Measurements | None) -> None:
        """Show a table, or none."""
        self.table = table
        self.setVisible(table is not None)
        self.outdated.setText("")
        is_one = table is None or len(set(table.columns.get(IMAGE, ()))) <= 1
        self.view.show_table(table, (IMAGE,) if is_one else ())
        with self.column.changed.blocked():
            before = self.column.value
            self.column.reset_choices()
            if table is not None and before not in self.column.choices:
                self.column.value = table.size_name
        if table is not None:
            self.counts.setText(f"<b>{table.in_words()}</b>{_at_edge(table)}")
            self._draw()

    def go_to(self, row: int) -> None:
        """Show the row of an object that was clicked in the viewer."""
        self.view.go_to(row)
        self._mark(row)

    def save(self) -> None:
        """Ask for the file into which the table is saved."""
        if self.table is None:
            return
        names = [*dict.fromkeys(self.table.columns.get(IMAGE, ["objects"]))]
        name = f"{names[0] if len(names) == 1 else 'objects'}.csv"
        path, _ = QFileDialog.getSaveFileName(self, "Save the table as", name, "CSV (*.csv)")
        if path:
            self.wants_save.emit(Path(path))

    def as_shown(self) -> Measurements | None:
        """Return the table in the order in which it is shown."""
        return None if self.table is None else self.table.selected(self.view.order())

    def _columns(self) -> list[tuple[str, str]]:
        names = [] if self.table is None else self.table.numeric_names
        return [(name, name) for name in names]

    def _on_sorted(self, name: str) -> None:
        """Show the histogram of the column by which the table was sorted."""
        if name in self.column.choices:
            with self.column.changed.blocked():
                self.column.value = name
            self._draw()

    def _on_column(self, name: str | None) -> None:
        if name is not None:
            self.view.sort_by(name)
            self._draw()

    def _draw(self) -> None:
        if self.table is not None and (name := self.column.value) is not None:
            classes = self.table.columns.get(CLASS)
            self.histogram.show_values(name, self.table[name], classes, self.class_colors)
            self._mark(self.view.row())

    def _mark(self, row: int | None) -> None:
        if self.table is not None and (name := self.column.value) is not None:
            self.histogram.mark(None if row is None else float(self.table[name][row]))


def _at_edge(table: Measurements) -> str:
    """Return words on objects that the edge cuts, if there are any."""
    n = int(np.count_nonzero(table[EDGE]))
    return f"; {n:,} touch{'es' if n == 1 else ''} the edge" if n else ""

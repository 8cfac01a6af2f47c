"""List places with ticks for those that are done."""

from __future__ import annotations

from collections.abc import Iterator

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QListWidget, QListWidgetItem
from superqt.utils import signals_blocked


class PlaceList(QListWidget):
    """Show places, one a line; a click, or the arrow keys, go to one, and Space ticks it.

    Parameters
    ----------
    tooltip
        Where no line is under the mouse.

    Signals
    -------
    chosen
        The line that was gone to.
    ticked
        A place is done, or not done any more.
    """

    chosen = Signal(int)
    ticked = Signal()

    def __init__(self, tooltip: str) -> None:
        super().__init__()
        self.setToolTip(tooltip)
        self.setFixedHeight(130)
        self.currentRowChanged.connect(self._on_row)
        self.itemChanged.connect(self._on_changed)

    @property
    def done(self) -> list[bool]:
        """Return for each line whether it is done."""
        return [item.checkState() == Qt.CheckState.Checked for item in self._items()]

    @property
    def texts(self) -> list[str]:
        """Return what the lines say."""
        return [item.text() for item in self._items()]

    def show_lines(self, texts: list[tuple[str, str]]) -> None:
        """Show other lines, of which none is chosen or done: for each its text, and its tooltip."""
        with signals_blocked(self):  # taking lines away goes to others
            self.clear()
            for text, tip in texts:
                item = QListWidgetItem(text)
                item.setToolTip(tip)
                item.setCheckState(Qt.CheckState.Unchecked)
                self.addItem(item)

    def tick(self, row: int) -> None:
        """Tick a line."""
        self.item(row).setCheckState(Qt.CheckState.Checked)

    def _items(self) -> Iterator[QListWidgetItem]:
        return (self.item(row) for row in range(self.count()))

    def _on_row(self, row: int) -> None:
        if row >= 0:
            self.chosen.emit(row)

    def _on_changed(self, _item: QListWidgetItem) -> None:
        self.ticked.emit()  # nothing else of an item changes

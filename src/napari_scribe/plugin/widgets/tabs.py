"""Let docks of the plugin share a side of the window as tabs, and notice that they are closed.

napari puts a new dock below the others there, and makes those as low as they can be.
"""

from __future__ import annotations

from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

PACKAGE = __name__.partition(".")[0]


class Docked(QWidget):
    """Join the tabs of the plugin when it is docked, and close down when it is closed."""

    _is_docked = False

    def close_down(self) -> None:
        """End what runs, which saves what it has, and let go of the viewer."""
        raise NotImplementedError

    def changeEvent(self, event: QEvent) -> None:
        """Notice that it is closed: napari takes its widget out then."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is not None:
                self._is_docked = True
                QTimer.singleShot(0, self._join_tabs)  # once it has its place
            elif self._is_docked:
                self._is_docked = False
                self.close_down()
                QTimer.singleShot(0, self._delete_orphan)

    def _join_tabs(self) -> None:
        """Become the front tab among those of the plugin on the same side of the window."""
        own, window = self.parent(), self.window()
        if not isinstance(own, QDockWidget) or not isinstance(window, QMainWindow):
            return
        side = window.dockWidgetArea(own)
        for other in window.findChildren(QDockWidget):
            is_there = not (other is own or other.isHidden() or other.isFloating())
            if is_there and _is_ours(other.widget()) and window.dockWidgetArea(other) == side:
                window.tabifyDockWidget(other, own)
                own.show()
                own.raise_()
                return

    def _delete_orphan(self) -> None:
        """Delete a widget that nobody shows any more: Qt's connections would keep it."""
        if self.parent() is None:
            self.deleteLater()


def _is_ours(widget: QWidget | None) -> bool:
    return type(widget).__module__.partition(".")[0] == PACKAGE

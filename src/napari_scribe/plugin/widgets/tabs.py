"""Let docks of the plugin share a side of the window as tabs.

napari puts a new dock below the others there, and makes those as low as they can be.
"""

from __future__ import annotations

from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

PACKAGE = __name__.partition(".")[0]


def join_tabs(dock: QWidget) -> None:
    """Make a dock the front tab among those of the plugin on its side of the window."""
    own, window = dock.parent(), dock.window()
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


def _is_ours(widget: QWidget | None) -> bool:
    return type(widget).__module__.partition(".")[0] == PACKAGE

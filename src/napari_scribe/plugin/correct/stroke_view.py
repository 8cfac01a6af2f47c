"""Show a stroke on the canvas while it is drawn."""

from __future__ import annotations

from napari import Viewer
from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QWidget

COLORS = {"delete": "#ff5964", "merge": "#5fe08a", "split": "#ffd23f"}
"""Colour of a stroke, by what it will do."""
WIDTH = 2.5
"""Width of the line, in pixels of the screen."""


class StrokeView(QWidget):
    """Draw a line over the canvas, and beside its end what it will do; the mouse passes through.

    It is no layer: the list of layers, what is selected and what is undone stay as they are.
    """

    def __init__(self, viewer: Viewer) -> None:
        # napari has no public name for the widget that it draws on.
        canvas: QWidget = viewer.window._qt_viewer.canvas.native
        super().__init__(canvas)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setGeometry(canvas.rect())
        self._points: list[QPointF] = []
        self._word = ""
        self.show()

    def add(self, point: tuple[float, float], word: str) -> None:
        """Draw the line on to a pixel of the canvas."""
        self._points.append(QPointF(*point))
        self._word = word
        self.update()

    def remove(self) -> None:
        """Take it away."""
        self.hide()
        self.deleteLater()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw a dark line, and a bright one on it: one of both is seen on any image."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        color = QColor(COLORS.get(self._word, "#ffffff"))
        for ink, width in ((QColor(0, 0, 0, 160), WIDTH + 2), (color, WIDTH)):
            pen = QPen(ink, width)
            pen.setCapStyle(Qt.PenCapStyle.RoundCap)
            pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
            painter.setPen(pen)
            painter.drawPolyline(QPolygonF(self._points))
        if self._points:
            end = self._points[-1] + QPointF(14, -8)
            painter.setPen(QColor(0, 0, 0))
            painter.drawText(end + QPointF(1, 1), self._word)
            painter.setPen(color)
            painter.drawText(end, self._word)
        painter.end()

"""Small widgets that the docks are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from qtpy.QtCore import QEvent, QObject, QPointF, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap, QPolygonF
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible


def theme_colors(viewer: Any) -> dict[str, str]:
    """Colours of napari's theme by name, as hex codes."""
    from napari.utils.theme import get_theme

    theme = get_theme(viewer.theme)
    names = ("background", "foreground", "primary", "secondary", "highlight", "text")
    names += ("icon", "warning", "error", "current")
    return {name: getattr(theme, name).as_hex(format="long") for name in names}


class Hint(QLabel):
    """A wrapped line in a quieter colour; takes no room while it says nothing."""

    def setText(self, text: str) -> None:
        """Say something else."""
        super().setText(text)
        self.setVisible(bool(text))


def hint(text: str = "") -> Hint:
    """A `Hint`."""
    label = Hint(text)
    label.setWordWrap(True)
    label.setProperty("scribe", "hint")
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label


def row(*parts: QWidget | int) -> QWidget:
    """Widgets side by side; a number is a stretch."""
    widget = QWidget()
    layout = QHBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(6)
    for part in parts:
        if isinstance(part, int):
            layout.addStretch(part)
        else:
            layout.addWidget(part)
    return widget


def stack(*parts: QWidget) -> QWidget:
    """Widgets one under the other."""
    widget = QWidget()
    layout = QVBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for part in parts:
        layout.addWidget(part)
    return widget


def named(name: str, part: QWidget, width: int = 78) -> QWidget:
    """A widget with its name on the left, level with its first line."""
    label = QLabel(name)
    label.setToolTip(part.toolTip())
    label.setFixedWidth(width)
    label.setMinimumHeight(LINE)
    widget = row(label, part)
    widget.layout().setStretch(1, 1)
    widget.layout().setAlignment(label, Qt.AlignmentFlag.AlignTop)
    return widget


def step(number: str, name: str, part: QWidget) -> QWidget:
    """A numbered step with what belongs to it."""
    return named(f"<b>{number}</b>&nbsp; {name}", part, width=106)


def button(text: str, tooltip: str, pressed: Callable[[], Any]) -> QPushButton:
    """A push button."""
    made = QPushButton(text)
    made.setToolTip(tooltip)
    made.clicked.connect(lambda _checked=False: pressed())
    return made


NEUTRAL = "#8b939f"
"""To be seen on dark and on light."""
LINE = 26
"""Height of a button, in pixels, so that names stand level with it."""


class Fold(QCollapsible):
    """A part that is folded away until its title is clicked, or chosen by Tab and Space or Enter.

    What is folded away is hidden, not only low: Tab passes over it, and no key changes it.
    """

    def __init__(self, title: str) -> None:
        super().__init__(title, expandedIcon=_triangle(True), collapsedIcon=_triangle(False))
        self.toggleButton().setStyleSheet(
            "QPushButton { text-align: left; border: none; background: transparent;"
            " padding: 3px 0px; } QPushButton:focus { text-decoration: underline; }"
        )
        self.toggleButton().setAutoDefault(True)  # Enter opens it, too
        self.content().hide()
        self.toggled.connect(self.content().setVisible)
        self.setDuration(0)
        self.layout().setContentsMargins(0, 0, 0, 0)
        self.layout().setSpacing(2)
        self.content().layout().setContentsMargins(16, 2, 0, 4)
        self.content().layout().setSpacing(4)


def _triangle(is_open: bool) -> QIcon:
    pixmap = QPixmap(24, 24)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(QColor(NEUTRAL))
    painter.setPen(Qt.PenStyle.NoPen)
    places = [(5, 8), (19, 8), (12, 17)] if is_open else [(8, 5), (17, 12), (8, 19)]
    painter.drawPolygon(QPolygonF([QPointF(x, y) for x, y in places]))
    painter.end()
    return QIcon(pixmap)


class _MiddleElided(QObject):
    """Draws a combo so that of a long name both ends can be read; Qt would cut off its end."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() != QEvent.Type.Paint or not isinstance(watched, QComboBox):
            return False
        option, what = QStyleOptionComboBox(), QStyle.ComplexControl.CC_ComboBox
        watched.initStyleOption(option)
        part = QStyle.SubControl.SC_ComboBoxEditField
        width = watched.style().subControlRect(what, option, part, watched).width() - 2
        text = option.currentText or watched.placeholderText()
        middle = Qt.TextElideMode.ElideMiddle
        option.currentText = watched.fontMetrics().elidedText(text, middle, width)
        painter = QStylePainter(watched)
        painter.drawComplexControl(what, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
        painter.end()
        return True


def narrow(combo: QComboBox) -> None:
    """Let a combo be as narrow as its dock, however long its names are."""
    combo.setMinimumContentsLength(8)
    combo.setSizeAdjustPolicy(combo.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.view().setTextElideMode(Qt.TextElideMode.ElideMiddle)
    combo.installEventFilter(_MiddleElided(combo))


class _CalmWheel(QObject):
    """Scrolling over a spin box or combo scrolls the dock; it changes the value only in focus."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Wheel and not watched.hasFocus():
            event.ignore()
            return True
        return False


def scrolled(content: QWidget) -> QScrollArea:
    """A widget in an area that scrolls up and down where the dock is too low for it."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(content)
    calm = _CalmWheel(area)
    for kind in (QAbstractSpinBox, QComboBox):
        for widget in content.findChildren(kind):
            widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            widget.installEventFilter(calm)
    return area


def chain(widget: QWidget) -> None:
    """Let Tab go through what is in a widget in the order in which it is laid out."""
    for before, after in pairwise(_in_order(widget)):
        QWidget.setTabOrder(before, after)


def _in_order(widget: QWidget) -> Iterator[QWidget]:
    """What Tab can reach."""
    if isinstance(widget, QScrollArea):
        widget = widget.widget()
    layout = widget.layout()
    if widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
        yield widget
    elif layout is not None:
        yield from _laid_out(layout)


def _laid_out(layout: QLayout) -> Iterator[QWidget]:
    for item in map(layout.itemAt, range(layout.count())):
        if item.widget() is not None:
            yield from _in_order(item.widget())
        elif item.layout() is not None:
            yield from _laid_out(item.layout())

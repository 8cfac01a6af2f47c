"""Provide the layouts and the small widgets that the docks are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

from magicgui.widgets import Container, Widget
from napari import Viewer
from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent, QPointF, QSize, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap, QPolygonF, QResizeEvent
from qtpy.QtWidgets import (
    QBoxLayout,
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from .calm import calm

Part = QWidget | Widget
"""A widget of Qt or of magicgui."""
NEUTRAL = "#8b939f"
"""A grey that is seen on dark and on light."""
LINE = 26
"""Height of a button in pixels, so that names stand level with it."""
BOX = 28
"""Width of a box to tick without its text, in pixels."""
THEME_COLORS = ("background", "foreground", "highlight", "text", "icon", "warning", "current")


def theme_colors(viewer: Viewer) -> dict[str, str]:
    """Return the colours of napari's theme by name, as hex codes."""
    theme = get_theme(viewer.theme)
    return {name: getattr(theme, name).as_hex(format="long") for name in THEME_COLORS}


def native(part: Part) -> QWidget:
    """Return the Qt widget of a part."""
    widget: QWidget = part.native if isinstance(part, Widget) else part
    return widget


def layout_of(widget: QWidget) -> QLayout:
    """Return the layout of a widget that has one."""
    layout = widget.layout()
    assert layout is not None
    return layout


def empty(layout: QLayout) -> None:
    """Delete the widgets in a layout.

    They are hidden at once. Qt deletes them later, and would draw them over new ones until then.
    """
    while (item := layout.takeAt(0)) is not None:
        if (widget := item.widget()) is not None:
            widget.hide()
            widget.deleteLater()


class Hint(QLabel):
    """Show a wrapped line in a quieter colour; take no room while there is nothing to say.

    It appears only where it has a parent: without one it would be a window of its own.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setProperty("scribe", "hint")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)

    def setText(self, text: str) -> None:
        """Say something else."""
        super().setText(text)
        self._appear()

    def changeEvent(self, event: QEvent) -> None:
        """Notice that it is laid out."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ParentChange:
            self._appear()

    def _appear(self) -> None:
        if self.parent() is not None:
            self.setVisible(bool(self.text()))


class NameBox(QCheckBox):
    """Offer to tick what has a name, of which both ends are shown where there is little room."""

    def __init__(self, name: str) -> None:
        super().__init__(name.replace("&", "&&"))
        self._name = name
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Shorten the name to the width."""
        super().resizeEvent(event)
        middle = Qt.TextElideMode.ElideMiddle
        shown = self.fontMetrics().elidedText(self._name, middle, self.width() - BOX)
        self.setText(shown.replace("&", "&&"))

    def minimumSizeHint(self) -> QSize:
        """Return the size of the box and a few letters."""
        return QSize(2 * BOX, super().minimumSizeHint().height())


def row(*parts: Part | int, wide: int | None = None) -> QWidget:
    """Lay widgets side by side.

    Parameters
    ----------
    *parts
        A number is empty space that stretches.
    wide
        Index of the part that takes all the width that is left.
    """
    widget = QWidget()
    layout = QHBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(6)
    for part in parts:
        if isinstance(part, int):
            layout.addStretch(part)
        else:
            layout.addWidget(native(part))
    if wide is not None:
        layout.setStretch(wide, 1)
    return widget


def stack(*parts: Part) -> QWidget:
    """Lay widgets one under the other."""
    widget = QWidget()
    fill_column(widget, *parts)
    return widget


def fill_column(
    widget: QWidget,
    *parts: Part,
    margins: tuple[int, int, int, int] = (0, 0, 0, 0),
    spacing: int = 4,
) -> QVBoxLayout:
    """Lay parts one under the other in a widget, and return its layout.

    Parameters
    ----------
    margins
        Left, top, right and bottom, in pixels.
    spacing
        Pixels between two parts.
    """
    layout = QVBoxLayout(widget)
    layout.setContentsMargins(*margins)
    layout.setSpacing(spacing)
    for part in parts:
        layout.addWidget(native(part))
    return layout


def fill_height(widget: QWidget) -> None:
    """Let a dock fill its height: beneath others, napari adds more room each time one opens."""
    widget.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)


def named(name: str, part: Part, width: int = 78) -> QWidget:
    """Put a name on the left of a widget, level with its first line.

    magicgui's labels stand level with the middle of what they name.
    """
    label = QLabel(name)
    label.setWordWrap(True)
    label.setToolTip(native(part).toolTip())
    label.setFixedWidth(width)
    label.setMinimumHeight(LINE)
    widget = row(label, part, wide=1)
    layout_of(widget).setAlignment(label, Qt.AlignmentFlag.AlignTop)
    return widget


class NamedPart(QWidget):
    """Put a name on the left of a widget, or above it where the dock is narrow."""

    def __init__(self, name: str, part: Part, width: int) -> None:
        super().__init__()
        label = QLabel(name)
        label.setToolTip(native(part).toolTip())
        label.setMinimumSize(width, LINE)
        self._layout = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.addWidget(label, 0, Qt.AlignmentFlag.AlignTop)
        self._layout.addWidget(native(part), 1)
        self.put_name(above=False)

    def put_name(self, *, above: bool) -> None:
        """Put the name above the part, or beside it."""
        direction = QBoxLayout.Direction
        self._layout.setDirection(direction.TopToBottom if above else direction.LeftToRight)
        self._layout.setSpacing(0 if above else 6)


def step(number: str, name: str, part: Part) -> NamedPart:
    """Put the number and the name of a step on the left of what belongs to it."""
    return NamedPart(f"<b>{number}</b>&nbsp; {name}", part, 106)


def button(
    text: str, tooltip: str, pressed: Callable[[], object], *, is_main: bool = False
) -> QPushButton:
    """Make a push button that calls a function; the main one of a step is in bold."""
    made = QPushButton(text)
    made.setAutoDefault(True)  # Enter presses it, too
    made.setProperty("scribe", "main" if is_main else "")
    made.setToolTip(tooltip)
    made.clicked.connect(lambda _checked=False: pressed())
    return made


class Column(Container[Widget]):
    """Lay widgets one under the other in a container of magicgui.

    Its `changed` comes after every `changed` of a part, and `reset_choices` goes to every part.

    Parameters
    ----------
    *parts
        Widgets of magicgui, and Qt's where magicgui has none; these have no `changed`.
    spacing
        Pixels between two parts.
    """

    def __init__(self, *parts: Part, spacing: int = 3) -> None:
        widgets = [part for part in parts if isinstance(part, Widget)]
        super().__init__(widgets=widgets, labels=False)
        self.margins = (0, 0, 0, 0)
        layout = self.native.layout()
        layout.setSpacing(spacing)
        for index, part in enumerate(parts):
            if isinstance(part, QWidget):
                layout.insertWidget(index, part)


class Fold(QCollapsible):
    """Fold a part away until its title is clicked, or chosen by Tab and Space or Enter.

    What is folded away is hidden, not only low: Tab passes over it, and no key changes it.
    """

    def __init__(self, title: str) -> None:
        super().__init__(title, expandedIcon=_triangle(True), collapsedIcon=_triangle(False))
        self.toggleButton().setStyleSheet(
            "QPushButton { text-align: left; border: none; background: transparent;"
            " padding: 3px 0px; } QPushButton:focus { text-decoration: underline; }"
        )
        self.toggleButton().setAutoDefault(True)
        self.content().hide()
        self.toggled.connect(self.content().setVisible)
        self.setDuration(0)
        outer, inner = layout_of(self), layout_of(self.content())
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(2)
        inner.setContentsMargins(16, 2, 0, 4)
        inner.setSpacing(4)


def _triangle(is_open: bool) -> QIcon:
    pixmap = QPixmap(24, 24)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(QColor(NEUTRAL))
    painter.setPen(Qt.PenStyle.NoPen)
    corners = [(5, 8), (19, 8), (12, 17)] if is_open else [(8, 5), (17, 12), (8, 19)]
    painter.drawPolygon(QPolygonF([QPointF(x, y) for x, y in corners]))
    painter.end()
    return QIcon(pixmap)


def scrolled(content: QWidget) -> QScrollArea:
    """Put a widget into an area that scrolls up and down where the dock is too low for it."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(content)
    calm(content)
    return area


def chain(widget: QWidget) -> None:
    """Let Tab go through what is in a widget in the order in which it is laid out."""
    for before, after in pairwise(_in_order(widget)):
        QWidget.setTabOrder(before, after)


def _in_order(widget: QWidget) -> Iterator[QWidget]:
    """Yield what Tab can reach."""
    if isinstance(widget, QScrollArea) and (content := widget.widget()) is not None:
        widget = content
    layout = widget.layout()
    if widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
        yield widget
    elif layout is not None:
        yield from _laid_out(layout)


def _laid_out(layout: QLayout) -> Iterator[QWidget]:
    for index in range(layout.count()):
        item = layout.itemAt(index)
        widget, inner = (None, None) if item is None else (item.widget(), item.layout())
        if widget is not None:
            yield from _in_order(widget)
        elif inner is not None:
            yield from _laid_out(inner)

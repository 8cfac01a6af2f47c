"""Show what a dock says at its foot: one message, one progress bar."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QPaintEvent, QResizeEvent
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QStyle,
    QStyleOptionProgressBar,
    QStylePainter,
    QVBoxLayout,
    QWidget,
)

from .basics import button, empty, fill_column, row

ERROR = "#e0414f"
"""napari's own is too dark for a line on a dark ground."""
SHOW_EVERY = 0.25
"""Seconds between two states of a progress bar: each one makes the window draw itself anew."""
_NO_BAR = Qt.ScrollBarPolicy.ScrollBarAlwaysOff


class _Text(QScrollArea):
    """Show wrapped text, as high as it needs; scroll where that is more than `highest` pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.highest = 2**20
        self.label = QLabel()
        self.label.setWordWrap(True)
        self.label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setWidget(self.label)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(_NO_BAR)
        policy = self.sizePolicy()
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def show_bar_if_needed(self) -> None:
        """Decide on the scroll bar by the whole text: a bar that is there makes the text higher."""
        is_high = self.label.heightForWidth(self.width()) > self.highest
        needed = Qt.ScrollBarPolicy.ScrollBarAsNeeded if is_high else _NO_BAR
        self.setVerticalScrollBarPolicy(needed)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Decide anew at another width."""
        super().resizeEvent(event)
        self.show_bar_if_needed()

    def heightForWidth(self, width: int) -> int:
        """Return the height of the text at this width, at most the highest."""
        edge = self.contentsMargins()
        text = self.label.heightForWidth(width - edge.left() - edge.right())
        return min(text + edge.top() + edge.bottom(), self.highest)

    def sizeHint(self) -> QSize:
        """Return the size of the text where it is not wrapped."""
        size = self.label.sizeHint()
        return QSize(size.width(), min(size.height(), self.highest))

    def minimumSizeHint(self) -> QSize:
        """Return the size of a line."""
        return QSize(0, self.fontMetrics().height())


class Message(QFrame):
    """Show one message, with buttons where it is a question; hidden while there is none.

    Signals
    -------
    shown
        With whether it says something now.

    Attributes
    ----------
    answers
        The buttons of a question, by what they say.
    """

    shown = Signal(bool)

    def __init__(self, colors: dict[str, str]) -> None:
        super().__init__()
        self._colors = colors
        self._kind = "current"
        self.setObjectName("scribe_message")
        self._text = _Text()
        self._label = self._text.label
        self._buttons = QHBoxLayout()
        self.answers: dict[str, QPushButton] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.addWidget(self._text)
        layout.addLayout(self._buttons)
        self.clear()

    @property
    def text(self) -> str:
        """Return what it says; empty while hidden."""
        return self._label.text()

    def info(self, text: str) -> None:
        """Say how things are."""
        self._show(text, "current")

    def warn(self, text: str) -> None:
        """Say what the user should know."""
        self._show(text, "warning")

    def error(self, text: str) -> None:
        """Say what went wrong."""
        self._show(text, "error")

    def say(self, text: str, *, warns: bool) -> None:
        """Say how things are, as a warning or not."""
        (self.warn if warns else self.info)(text)

    def ask(self, text: str, answers: dict[str, Callable[[], None]]) -> None:
        """Ask a question; each answer is a button, which also takes the question away."""
        self._show(text, "warning")
        for label, then in answers.items():
            self.answers[label] = button(label, "", partial(self._answer, then))
            self._buttons.addWidget(self.answers[label])

    def clear(self) -> None:
        """Say nothing."""
        self._drop_buttons()
        self.setToolTip("")
        self._label.clear()
        self.hide()
        self.shown.emit(False)

    def limit(self, highest: int) -> None:
        """Let the text scroll where it is higher than so many pixels; the buttons stay in sight."""
        self._text.highest = highest
        self._text.show_bar_if_needed()
        self._text.updateGeometry()

    def _answer(self, then: Callable[[], None]) -> None:
        self.clear()
        then()

    def _show(self, text: str, kind: str) -> None:
        self._drop_buttons()
        self.setToolTip("")
        self._label.setText(text)
        self._kind = kind
        self.set_colors(self._colors)
        self._text.verticalScrollBar().setValue(0)
        self._text.show_bar_if_needed()
        self._text.updateGeometry()
        self.show()
        self.shown.emit(True)

    def set_colors(self, colors: dict[str, str]) -> None:
        """Take on the colours of a theme."""
        self._colors = colors
        edge = colors.get(self._kind, ERROR)
        self.setStyleSheet(
            f"#scribe_message {{ border: none; border-left: 3px solid {edge};"
            f" background: {colors['foreground']}; }}"
            "#scribe_message QScrollArea, #scribe_message #qt_scrollarea_viewport,"
            " #scribe_message QLabel { background: transparent; }"
        )

    def _drop_buttons(self) -> None:
        empty(self._buttons)
        self.answers = {}


class Progress(QProgressBar):
    """Show how far something is, in a bar with words.

    Signals
    -------
    working
        With whether something is going on now.
    """

    working = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self._shown = 0.0
        self.setTextVisible(True)
        self.clear()

    def clear(self) -> None:
        """Show that nothing is going on."""
        self.setRange(0, 1000)
        self.setValue(0)
        self.setFormat("")
        self.working.emit(False)

    def busy(self, text: str) -> None:
        """Show at once that something is going on, nobody knows how long."""
        self.setRange(0, 0)
        self.setFormat(text)
        self.working.emit(True)
        self.repaint()

    def initStyleOption(self, option: QStyleOptionProgressBar) -> None:
        """Shorten words that are longer than the bar: the time left, at their end, stays."""
        super().initStyleOption(option)
        middle, width = Qt.TextElideMode.ElideMiddle, self.width() - 8
        option.text = self.fontMetrics().elidedText(self.format(), middle, width)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Write the words over a bar without an end, too, where Qt leaves them out."""
        super().paintEvent(event)
        if self.maximum() == 0:
            option = QStyleOptionProgressBar()
            self.initStyleOption(option)
            option.textAlignment = Qt.AlignmentFlag.AlignCenter
            label = QStyle.ControlElement.CE_ProgressBarLabel
            QStylePainter(self).drawControl(label, option)

    def wait(self, text: str) -> None:
        """Show that something waits for its turn; the tooltip says for what."""
        self.clear()
        self.setFormat("Waiting")
        self.setToolTip(text)
        self.working.emit(True)

    def say(self, text: str) -> None:
        """Show other words at once; the share that is done stays."""
        if self.maximum() == 0:  # it would go on moving
            self.setRange(0, 1000)
        self.setFormat(text)

    def tell(self, fraction: float, text: str) -> None:
        """Show a share that is done, with these words."""
        now = time.monotonic()
        if now - self._shown < SHOW_EVERY and self.maximum() > 0:
            return
        self._shown = now
        self.setRange(0, 1000)
        self.setValue(round(1000 * fraction))
        self.setFormat(text)
        self.working.emit(True)


def paused(text: str) -> str:
    """Return the words of a pause: how far it is, without speed and time left."""
    return f"Paused: {text.partition(',')[0]}"


class Footer(QWidget):
    """Hold what a person waits for, always in sight at the foot of a dock.

    It takes no room while there is nothing to show.

    Parameters
    ----------
    message, progress
        Shown while they say something.
    buttons
        What ends the work, beside its progress.
    """

    def __init__(
        self, message: Message, progress: Progress, buttons: Sequence[QPushButton]
    ) -> None:
        super().__init__()
        self._message = message
        self._work = row(progress, *buttons, wide=0)
        fill_column(self, message, self._work, margins=(8, 6, 8, 8), spacing=6)
        self._work.hide()
        progress.working.connect(self._show_work)
        message.shown.connect(self._show)
        self._show()

    def _show_work(self, is_working: bool) -> None:
        self._work.setVisible(is_working)
        self._show()

    def _show(self) -> None:
        self.setHidden(self._message.isHidden() and self._work.isHidden())

"""What a dock says: one message, one progress bar."""

from __future__ import annotations

import time
from collections.abc import Callable

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout

from .kept import duration
from .parts import button
from .wording import for_the_viewer

ERROR = "#e0414f"
"""napari's own is too dark for a line on a dark ground."""
SHOW_EVERY = 0.25
"""Seconds between two states of a progress bar: each one makes the window draw itself anew."""


class Message(QFrame):
    """One message to the user, with buttons where it is a question; hidden while there is none."""

    shown = Signal()

    def __init__(self, colors: dict[str, str]) -> None:
        super().__init__()
        self._colors = colors
        self._color = colors["current"]
        self.setObjectName("scribe_message")
        self._label = QLabel()
        self._label.setWordWrap(True)
        self._label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._buttons = QHBoxLayout()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.addWidget(self._label)
        layout.addLayout(self._buttons)
        self.clear()

    @property
    def text(self) -> str:
        """What it says; empty while hidden."""
        return self._label.text()

    @property
    def answers(self) -> dict[str, QPushButton]:
        """The buttons of a question, by what they say."""
        found = (self._buttons.itemAt(i).widget() for i in range(self._buttons.count()))
        return {button.text(): button for button in found}

    def info(self, text: str) -> None:
        """Say how things are."""
        self._show(text, self._colors["current"])

    def warn(self, text: str) -> None:
        """Say what the user should know."""
        self._show(text, self._colors["warning"])

    def error(self, text: str) -> None:
        """Say what went wrong."""
        self._show(for_the_viewer(text), ERROR)

    def ask(self, text: str, answers: dict[str, Callable[[], None]]) -> None:
        """Ask; each answer is a button, which also takes the question away."""
        self._show(text, self._colors["warning"])
        for say, then in answers.items():
            self._buttons.addWidget(button(say, "", lambda then=then: self._answer(then)))

    def clear(self) -> None:
        """Say nothing."""
        self._drop_buttons()
        self._label.clear()
        self.hide()

    def _answer(self, then: Callable[[], None]) -> None:
        self.clear()
        then()

    def _show(self, text: str, color: str) -> None:
        self._drop_buttons()
        self._label.setText(text)
        self._color = color
        self.wear(self._colors)
        self.show()
        self.shown.emit()

    def wear(self, colors: dict[str, str]) -> None:
        """Take on the colours of a theme."""
        self._colors = colors
        self.setStyleSheet(
            f"#scribe_message {{ border: none; border-left: 3px solid {self._color};"
            f" background: {colors['foreground']}; }}"
            "#scribe_message > QLabel { background: transparent; }"
        )

    def _drop_buttons(self) -> None:
        while self._buttons.count():
            answer = self._buttons.takeAt(0).widget()
            answer.hide()
            answer.deleteLater()


class Progress(QProgressBar):
    """A bar that says how far it is."""

    def __init__(self) -> None:
        super().__init__()
        self._shown = 0.0
        self.setTextVisible(True)
        self.rest()

    def rest(self) -> None:
        """Nothing is going on."""
        self.setRange(0, 1000)
        self.setValue(0)
        self.setFormat("")
        self.setVisible(False)

    def busy(self, text: str) -> None:
        """Something is going on, nobody knows how long."""
        self.setVisible(True)
        self.setRange(0, 0)
        self.setFormat(text)

    def advance(self, fraction: float | None, elapsed: float, text: str) -> None:
        """Show a share that is done, and the time that is left; None where there is no end."""
        if fraction is None:
            text = f"{text}, {duration(elapsed)}"
        elif fraction > 0.01 or elapsed > 2:
            text = f"{text}, {duration(elapsed * (1 - fraction) / max(fraction, 1e-6))} left"
        self.tell(fraction or 0, text)

    def say(self, text: str) -> None:
        """Other words at once, whatever is done."""
        if self.maximum() == 0:  # it would go on moving
            self.setRange(0, 1000)
        self.setFormat(text)

    def tell(self, fraction: float, text: str) -> None:
        """Show a share that is done, in these words."""
        now = time.monotonic()
        if now - self._shown < SHOW_EVERY and self.maximum() > 0:
            return
        self._shown = now
        self.setVisible(True)
        self.setRange(0, 1000)
        self.setValue(round(1000 * fraction))
        self.setFormat(text)

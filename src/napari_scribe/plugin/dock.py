"""What the docks have in common: one job, one message, one progress bar, a clean end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from weakref import ref

from qtpy.QtCore import QEvent, QSize, QTimer, Signal
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QApplication, QPushButton, QVBoxLayout, QWidget

from .jobs.runner import Runner
from .jobs.torch_loader import found_devices, warm_up
from .layers.conversion import real_viewer
from .widgets.basics import LINE, chain, scrolled, theme_colors
from .widgets.feedback import Footer, Message, Progress
from .widgets.layer_pickers import is_from_user

WIDTH = 380
WARM_UP_AFTER = 300
"""Milliseconds from opening a dock until torch is imported, in a thread."""


class Dock(QWidget):
    """A dock with a scrolling column of widgets, and below it a foot that stays in sight.

    Closing it, its viewer or the application stops its job and keeps what the job has.
    """

    form: Any
    _about_form = ""
    _torch_loaded = Signal(str)
    _is_docked = False

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self.viewer = real_viewer(viewer)
        self.colors = theme_colors(self.viewer)
        self.runner = Runner(self.viewer)
        self.message = Message(self.colors)
        self.progress = Progress()
        self.setMinimumSize(WIDTH - 40, 220)
        Dock.wear(self, self.colors)
        self.viewer.events.theme.connect(self._follow_theme)
        # A slot of the dying widget itself would not be called any more.
        self.destroyed.connect(partial(Runner.close, self.runner))
        self._selected: Callable[[], Any] = lambda: None
        self.viewer.layers.selection.events.active.connect(self._on_selected)
        QApplication.instance().aboutToQuit.connect(self.runner.close)
        self._torch_loaded.connect(self._on_torch)
        QTimer.singleShot(WARM_UP_AFTER, self._warm_up)

    def lay_out(self, *parts: QWidget, ends: Sequence[QPushButton]) -> None:
        """Put widgets one under the other; below them message, progress, and what ends a job."""
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(8, 8, 8, 8)
        column.setSpacing(8)
        for part in parts:
            column.addWidget(part)
        column.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        self._area = scrolled(content)
        self._footer = Footer(self.message, self.progress, ends)
        outer.addWidget(self._area, 1)
        outer.addWidget(self._footer)
        self._content = content
        self._wanted = content
        self._soon = QTimer(self, interval=0, singleShot=True)  # ends with the dock
        self._soon.timeout.connect(self._scroll_to_wanted)

    def scroll_to(self, part: QWidget) -> None:
        """Bring a part into view, once it has its height."""
        self._wanted = part
        self._soon.start()

    def _scroll_to_wanted(self) -> None:
        self._area.ensureWidgetVisible(self._wanted)

    def sizeHint(self) -> QSize:
        """As high as what is in it: a scrolling area alone would ask for next to nothing."""
        return QSize(WIDTH, self._content.sizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave most of a low dock to what can be filled in, however long a message is."""
        super().resizeEvent(event)
        self.message.limit(max(LINE, 2 * self.height() // 5))

    def focusNextPrevChild(self, is_next: bool) -> bool:
        """Let Tab follow the eye, whenever the parts of the dock were made."""
        chain(self)
        return super().focusNextPrevChild(is_next)

    def wear(self, colors: dict[str, str]) -> None:
        """Take on the colours of a theme."""
        self.colors = colors
        self.message.wear(colors)
        self.setStyleSheet(
            f'*[scribe="hint"] {{ color: {_mixed(colors)}; }}'
            '*[scribe="main"] { font-weight: bold; }'
        )

    def until_changed(self) -> None:
        """Let the message go as soon as the form, which it is about, is changed (see `settle`)."""
        self._about_form = self.message.text

    def settle(self) -> None:
        """Take away a message about the form, which may be mended by now."""
        if self._about_form and self._about_form == self.message.text:
            self.message.clear()
        self._about_form = ""

    def on_other_image(self, _layer: Any = None) -> None:
        """Take away what was said, or asked, about another image."""
        if not self.runner.is_running:
            self.message.clear()

    def catch_up(self) -> None:
        """Go to the image that the user has selected while a job ran."""
        if (layer := self._selected()) is not None and layer in self.viewer.layers:
            self.follow(layer)

    def follow(self, layer: Any) -> None:
        """Go to the image that the user has selected, unless a job of this dock runs."""
        self.form.image.follow(layer, only_see=self.runner.is_running)

    def _on_selected(self, _event: Any = None) -> None:
        """Hear what the user selects; results come and go, and leave what was selected before."""
        layer = self.viewer.layers.selection.active
        if is_from_user(layer) and layer is not self._selected():
            self._selected = ref(layer)
            self.follow(layer)

    def close_down(self) -> None:
        """End the job, keep what it has, and let go of everything outside."""
        self.viewer.layers.selection.events.active.disconnect(self._on_selected)
        self.viewer.events.theme.disconnect(self._follow_theme)
        self.runner.close()

    def _follow_theme(self, _event: Any = None) -> None:
        self.wear(theme_colors(self.viewer))

    def changeEvent(self, event: QEvent) -> None:
        """See the dock being closed: napari takes its widget out then."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is not None:
                self._is_docked = True
            elif self._is_docked:
                self.close_down()
                QTimer.singleShot(0, self._delete_orphan)

    def _delete_orphan(self) -> None:
        """Qt's connections hold on to a widget that nobody has any more."""
        if self.parent() is None:
            self.deleteLater()

    def _warm_up(self) -> None:
        """Get torch ready before it is needed; what fails here is told when a job begins."""
        if not found_devices():
            threading.Thread(target=_warm_up, args=(self._torch_loaded,)).start()

    def _on_torch(self, gpu: str) -> None:
        """Offer the devices that there are; a word about a GPU that is not used."""
        self.form.more.device.reset_choices()
        if gpu and not self.message.text:
            self.message.warn(gpu)


_warming = threading.Lock()


def _warm_up(loaded: Any) -> None:
    try:
        with _warming:  # another dock has done it by then
            text = "" if found_devices() else warm_up()
    except (ImportError, OSError, RuntimeError):
        return
    with suppress(RuntimeError):  # the dock is gone
        loaded.emit(text)


def _mixed(colors: dict[str, str]) -> str:
    """A colour between text and background."""
    pairs = [
        (int(colors["text"][i : i + 2], 16), int(colors["background"][i : i + 2], 16))
        for i in (1, 3, 5)
    ]
    return "#" + "".join(f"{round(0.65 * a + 0.35 * b):02x}" for a, b in pairs)

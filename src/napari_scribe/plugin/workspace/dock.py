"""Show all steps from image to table in one dock, and say what is next."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from napari import Viewer
from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QStackedWidget, QTabBar, QWidget

from ...io.model_folder import shipped_models
from ...session.next_step import Situation, next_step
from ..correct.dock import CorrectDock
from ..denoise.dock import DenoiseDock
from ..dock import WIDTH, Dock
from ..layers.conversion import real_viewer
from ..layers.purpose import is_image
from ..measure.dock import MeasureDock
from ..segment.dock import SegmentDock
from ..train.dock import TrainDock
from ..train.recovery import in_words, wanted_back
from ..widgets.basics import Hint, button, chain, fill_column, fill_height, row
from ..widgets.style import FOCUSED, MAIN
from ..widgets.tabs import Docked
from .situation import situation
from .welcome import Welcome

DOCKS: dict[str, tuple[type[Dock], str]] = {
    "Train": (TrainDock, "Paint, and train a network on it"),
    "Segment": (SegmentDock, "Find objects with a model"),
    "Correct": (CorrectDock, "Mend what a model found, and teach it"),
    "Measure": (MeasureDock, "Measure objects, and compare them with the truth"),
    "Denoise": (DenoiseDock, "Train a denoiser, and apply it"),
}
SAMPLE = "nuclei"
KEY = "Alt"
"""With the number of a step it leads there."""
GO_TIP = "Go to the step that is next"
RESTORE_TIP = "See what can be restored, and restore it or not"
HEIGHT = 700


class Workspace(Docked):
    """Hold the docks of the plugin as pages, one for each step, and show what is next.

    A page is made when it is first shown. While no image is open, a welcome takes their place.

    Parameters
    ----------
    napari_viewer
        Given by napari.

    Attributes
    ----------
    pages
        The docks that were shown, by the name of their step.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.viewer = real_viewer(napari_viewer)
        self.pages: dict[str, Dock] = {}
        fill_height(self)
        self.steps = QTabBar()
        self.steps.setExpanding(True)
        self.steps.setUsesScrollButtons(False)
        self.setStyleSheet(f"{FOCUSED} {MAIN} QTabBar::tab {{ padding: 4px 3px; margin: 0px; }}")
        self.steps.setElideMode(Qt.TextElideMode.ElideNone)
        for number, (name, (_, tip)) in enumerate(DOCKS.items(), 1):
            key = f"{KEY}+{number}"
            self.steps.setTabToolTip(self.steps.addTab(name), f"{tip} ({key})")
            # In the whole window: from the canvas it leads here.
            QShortcut(QKeySequence(key), self).activated.connect(partial(self.go_to, name))
        self.hint = Hint()
        self.go = button("", GO_TIP, self._go_on)
        self.advice = row(self.hint, self.go, wide=0)
        self.stack = QStackedWidget()
        self.welcome = Welcome(self._open_sample, self.find_nuclei)
        self.stack.addWidget(self.welcome)
        top = QWidget()
        fill_column(top, self.steps, self.advice, margins=(8, 4, 8, 0))
        fill_column(self, top, self.stack, spacing=0).setStretch(1, 1)
        self._lost: str | None = None  # nobody has looked yet
        self._ended = ""
        self._soon = QTimer(self, interval=0, singleShot=True)
        self._soon.timeout.connect(self.show_state)
        self._events = [
            self.viewer.layers.events.inserted,
            self.viewer.layers.events.removed,
            self.viewer.layers.selection.events.active,
        ]
        for event in self._events:
            event.connect(self._on_layers)
        self.steps.currentChanged.connect(self._on_step)
        self.show_state()

    def page(self, name: str) -> Dock:
        """Show the dock of a step, and return it."""
        dock = self._made(name)
        names = list(DOCKS)
        if self.steps.currentIndex() != names.index(name):
            self.steps.setCurrentIndex(names.index(name))
        self.stack.setCurrentWidget(dock)
        return dock

    def _made(self, name: str) -> Dock:
        """Return the dock of a step, which is made the first time."""
        if name in self.pages:
            return self.pages[name]
        dock = self.pages[name] = DOCKS[name][0](self.viewer)
        self.stack.addWidget(dock)
        dock.runner.ended.connect(self._on_ended)
        dock.progress.working.connect(self._on_news)
        dock.form.changed.connect(self._on_news)
        if isinstance(dock, CorrectDock):
            dock.corrected.connect(self._on_news)
            dock.taught.connect(self._on_taught)
        if isinstance(dock, TrainDock):
            dock.form.painting.counted.connect(self._on_news)
            dock.recovery.shown.connect(self._on_news)
            dock.recovery.look()  # by itself it would do that a moment later
        return dock

    def go_to(self, name: str) -> None:
        """Show a step, from where Tab goes on; called by its key."""
        if self.steps.isEnabled():
            self.page(name)
            self.show_state()
            self.steps.setFocus(Qt.FocusReason.ShortcutFocusReason)
        else:
            self.welcome.find_button.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def focusNextPrevChild(self, is_next: bool) -> bool:
        """Let Tab go from the steps to the page that is shown, whenever that was made."""
        chain(self)
        return super().focusNextPrevChild(is_next)

    def find_nuclei(self) -> None:
        """Open the sample, and segment it with the model that ships."""
        self._open_sample()
        dock = self.page("Segment")
        assert isinstance(dock, SegmentDock)
        dock.form.model.set_value(shipped_models()[0])
        dock.segment()

    def show_state(self) -> None:
        """Show the welcome or the chosen step, and what is next."""
        has_image = any(is_image(layer) for layer in self.viewer.layers)
        is_running = any(dock.runner.is_busy for dock in self.pages.values())
        has_pages = has_image or is_running or self._asks_about_paint()
        self.steps.setEnabled(has_pages)
        if not has_pages:
            self.stack.setCurrentWidget(self.welcome)
        elif self.stack.currentWidget() is self.welcome:
            self.page(self._current() if self.pages else self._page_of_next())
        self._advise(has_image)

    def _advise(self, has_image: bool) -> None:
        """Say what is next; without an image, what can be restored or what became of a job."""
        now = self._situation()
        text, step = next_step(now)
        if has_image:
            self._ended = ""
        elif not (now.running or step == "Restore"):
            text, step = self._ended, ""
        self.hint.setText(text)
        self.go.setText(step)
        self.go.setToolTip(RESTORE_TIP if step == "Restore" else GO_TIP)
        self.go.setVisible(step not in ("", self._current()))
        self.advice.setVisible(bool(text))

    def _asks_about_paint(self) -> bool:
        """Return whether the Train page is shown, and asks about paint that was not saved."""
        train = self.pages.get("Train")
        is_shown = train is not None and self.stack.currentWidget() is train
        return is_shown and isinstance(train, TrainDock) and bool(train.recovery.text)

    def reset_choices(self, event: object = None) -> None:
        """Offer the viewer's layers; called by napari."""
        for dock in self.pages.values():
            dock.reset_choices(event)

    def sizeHint(self) -> QSize:
        """Return what most pages need."""
        return QSize(WIDTH, HEIGHT)

    def close_down(self) -> None:
        """End what runs, which saves what it has, and let go of the viewer."""
        for event in self._events:
            event.disconnect(self._on_layers)
        self._events = []
        self._soon.stop()  # it would make a page that nobody closes
        for dock in self.pages.values():
            dock.close_down()

    def _current(self) -> str:
        return list(DOCKS)[self.steps.currentIndex()]

    def _situation(self) -> Situation:
        """Return what there is; paint on disk is looked for where layers have changed."""
        train = self.pages.get("Train")
        if isinstance(train, TrainDock):
            self._lost = train.recovery.text  # which knows what was put off
        elif self._lost is None:
            self._lost = next(map(in_words, wanted_back(self.viewer)), "")
        page = "" if self.stack.currentWidget() is self.welcome else self._current()
        return situation(self.viewer, self.pages, page, self._lost)

    def _page_of_next(self) -> str:
        """Return the page of what is next."""
        step = next_step(self._situation())[1]
        return "Train" if step == "Restore" else step

    def _open_sample(self) -> None:
        self.viewer.open_sample("napari-scribe", SAMPLE)
        self.show_state()

    def _go_on(self) -> None:
        self.page(self._page_of_next())
        self.show_state()

    def _on_step(self, _index: int) -> None:
        if self.steps.isEnabled():
            self.page(self._current())
        self.show_state()

    def _on_layers(self, _event: Any = None) -> None:
        self._lost = None
        self._soon.start()  # notes are made after a layer is added

    def _on_news(self, _news: Any = None) -> None:
        self._soon.start()

    def _on_taught(self, model: str) -> None:
        """Let Train start from the model whose result was corrected."""
        if not model:
            return
        train = self._made("Train")
        assert isinstance(train, TrainDock)
        train.start_from(Path(model))

    def _on_ended(self, _ended: Any) -> None:
        """Keep what a page says in the end: without an image, the page is not seen any more."""
        ran = (dock for dock in self.pages.values() if dock.runner is self.sender())
        self._ended = next((dock.message.text for dock in ran), "")
        self._soon.start()

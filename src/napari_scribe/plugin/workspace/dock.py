"""Show all steps from image to table in one dock, and say what is next."""

from __future__ import annotations

from functools import partial
from typing import Any

from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from napari.layers import Layer
from qtpy.QtCore import QEvent, QSize, Qt, QTimer
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QStackedWidget, QTabBar, QWidget

from ...evaluation.table import DIAMETER
from ...io.model_folder import shipped_models
from ...session.next_step import Situation, next_step
from ..correct.dock import CorrectDock
from ..denoise.dock import DenoiseDock
from ..dock import WIDTH, Dock
from ..layers.conversion import real_viewer
from ..layers.purpose import (
    image_meant,
    is_annotations,
    is_corrected,
    is_found,
    is_image,
    layers_of,
)
from ..measure.dock import MeasureDock
from ..segment.dock import SegmentDock
from ..train.dock import TrainDock
from ..widgets.basics import FOCUSED, Hint, button, chain, fill_column, row
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
HEIGHT = 700


class Workspace(QWidget):
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

    _is_docked = False

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.viewer = real_viewer(napari_viewer)
        self.pages: dict[str, Dock] = {}
        self.steps = QTabBar()
        self.steps.setExpanding(True)
        self.steps.setUsesScrollButtons(False)
        self.setStyleSheet(f"{FOCUSED} QTabBar::tab {{ padding: 4px 3px; margin: 0px; }}")
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
        if name not in self.pages:
            dock = DOCKS[name][0](self.viewer)
            self.pages[name] = dock
            self.stack.addWidget(dock)
            dock.runner.ended.connect(self._on_layers)
        names = list(DOCKS)
        if self.steps.currentIndex() != names.index(name):
            self.steps.setCurrentIndex(names.index(name))
        self.stack.setCurrentWidget(self.pages[name])
        return self.pages[name]

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
        self.steps.setEnabled(has_image or is_running)
        self.advice.setVisible(has_image)
        if not has_image:
            if not is_running:
                self.stack.setCurrentWidget(self.welcome)
            return
        if self.stack.currentWidget() is self.welcome:
            self.page(self._next()[1] if not self.pages else self._current())
        text, step = self._next()
        self.hint.setText(text)
        self.go.setText(step)
        self.go.setVisible(step != self._current())

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
        for dock in self.pages.values():
            dock.close_down()

    def changeEvent(self, event: QEvent) -> None:
        """Notice that it is closed: napari takes its widget out then."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is not None:
                self._is_docked = True
            elif self._is_docked and self._events:
                self.close_down()
                QTimer.singleShot(0, self._delete_orphan)

    def _delete_orphan(self) -> None:
        """Delete a widget that nobody shows any more: Qt's connections would keep it."""
        if self.parent() is None:
            self.deleteLater()

    def _current(self) -> str:
        return list(DOCKS)[self.steps.currentIndex()]

    def _next(self) -> tuple[str, str]:
        text, step = next_step(self._situation())
        return text, step if step in DOCKS else "Segment"

    def _situation(self) -> Situation:
        """Return what there is of the image that is worked on."""
        image = image_meant(self.viewer, self.viewer.layers.selection.active)
        image = image or next(filter(is_image, reversed(self.viewer.layers)))
        mine = layers_of(image, self.viewer.layers)
        return Situation(
            has_annotations=any(map(is_annotations, mine)),
            is_trained=self._is_trained_on(image),
            has_result=any(map(is_found, mine)),
            is_corrected=any(map(is_corrected, mine)),
            is_measured=any(map(_has_measurements, mine)),
        )

    def _is_trained_on(self, image: ImageLayer) -> bool:
        dock = self.pages.get("Train")
        trained = dock.trained if isinstance(dock, TrainDock) else None
        return trained is not None and trained.request.image_layer is image

    def _open_sample(self) -> None:
        self.viewer.open_sample("napari-scribe", SAMPLE)
        self.show_state()

    def _go_on(self) -> None:
        self.page(self._next()[1])
        self.show_state()

    def _on_step(self, _index: int) -> None:
        if self.steps.isEnabled():
            self.page(self._current())
        self.show_state()

    def _on_layers(self, _event: Any = None) -> None:
        self._soon.start()  # notes are made after a layer is added


def _has_measurements(layer: Layer) -> bool:
    return isinstance(layer, LabelsLayer) and any(
        str(name).startswith(DIAMETER) for name in layer.features.columns
    )

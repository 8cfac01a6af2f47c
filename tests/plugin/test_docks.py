"""What holds for every dock that there is, and for one that is made after the recipe."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from magicgui.widgets import Container
from napari import Viewer
from qtpy.QtCore import QEvent, QObject
from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QApplication, QLabel, QWidget

from napari_scribe.plugin.correct.dock import CorrectDock
from napari_scribe.plugin.denoise.dock import DenoiseDock
from napari_scribe.plugin.dock import Dock
from napari_scribe.plugin.jobs import torch_loader
from napari_scribe.plugin.measure.dock import MeasureDock
from napari_scribe.plugin.segment.dock import SegmentDock
from napari_scribe.plugin.train.dock import TrainDock
from napari_scribe.plugin.widgets.basics import Hint, fill_column
from napari_scribe.plugin.widgets.feedback import ERROR, Message
from napari_scribe.plugin.widgets.layer_pickers import ImagePicker
from napari_scribe.plugin.widgets.settings_fold import SettingsFold
from napari_scribe.plugin.workspace.dock import Workspace


class Shown(QObject):
    """Takes down what is shown as a window of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.windows: list[str] = []

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Show and isinstance(watched, QWidget) and watched.isWindow():
            self.windows.append(f"{type(watched).__name__} {getattr(watched, 'text', str)()}")
        return False


@pytest.fixture
def shown() -> Any:
    """The windows that are shown meanwhile."""
    heard, application = Shown(), QApplication.instance()
    assert application is not None
    application.installEventFilter(heard)
    yield heard
    application.removeEventFilter(heard)


@pytest.mark.parametrize(
    "kind", [TrainDock, SegmentDock, CorrectDock, MeasureDock, DenoiseDock, Workspace]
)
def test_nothing_of_a_dock_is_a_window_for_a_moment(
    docks: Callable[[type], Any], shown: Shown, kind: type
) -> None:
    docks(kind)
    assert shown.windows == []


def test_a_hint_takes_room_only_where_it_says_something(qtbot: Any) -> None:
    column, silent, early, late = QWidget(), Hint(), Hint(), Hint()
    qtbot.addWidget(column)
    early.setText("")
    early.setText("said before it is laid out")
    fill_column(column, silent, early, late)
    late.setText("said later")
    assert [hint.isHidden() for hint in (silent, early, late)] == [True, False, False]
    late.setText("")
    assert late.isHidden()


class NoDevice(SettingsFold):
    """Settings of a dock that computes nothing on a device."""

    section = "example"
    has_device = False


class ExampleForm(Container[Any]):
    """As little as a form has."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.image, self.more = ImagePicker(viewer), NoDevice()


class ExampleDock(Dock):
    """A dock after the recipe."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.form = ExampleForm(self.viewer)
        self.lay_out(self.form.image.native)


def test_a_dock_without_a_device_loads_no_torch(
    docks: Callable[[type], Any], monkeypatch: pytest.MonkeyPatch, qtbot: Any
) -> None:
    monkeypatch.setattr(torch_loader, "_known", [])
    dock = docks(ExampleDock)
    heard: list[str] = []
    dock._warmed_up.delivered.connect(heard.append)
    before = threading.active_count()
    dock._warm_up()
    assert threading.active_count() == before
    assert heard == []


def test_the_edge_of_a_message_takes_the_colour_of_another_theme(qtbot: Any) -> None:
    dark = {"current": "#0000ff", "warning": "#ffff00", "foreground": "#222222"}
    message = Message(dark)
    qtbot.addWidget(message)
    message.warn("The image is gone.")
    message.set_colors({**dark, "warning": "#aa6600"})
    assert "3px solid #aa6600" in message.styleSheet()
    message.error("It cannot be read.")
    assert f"3px solid {ERROR}" in message.styleSheet()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_cautions_and_hints_can_be_read(
    docks: Callable[[type], Any], painted: Any, theme: str
) -> None:
    painted.theme = theme
    dock = docks(ExampleDock)
    for kind in ("hint", "caution"):
        line = QLabel("Paint is in several pieces.", dock)
        line.setProperty("scribe", kind)
        line.ensurePolished()
        ink = line.palette().color(QPalette.ColorRole.WindowText)
        assert contrast(ink, QColor(dock.colors["background"])) > 4, kind


def contrast(ink: QColor, ground: QColor) -> float:
    """Return the contrast of two colours as the Web Content Accessibility Guidelines define it."""
    high, low = sorted(map(luminance, (ink, ground)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(color: QColor) -> float:
    parts = [((x + 0.055) / 1.055) ** 2.4 for x in (color.redF(), color.greenF(), color.blueF())]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_the_tooltip_of_a_message_goes_with_it(qtbot: Any) -> None:
    message = Message(dict.fromkeys(("current", "warning", "foreground"), "#808080"))
    qtbot.addWidget(message)
    message.info("The model is kept as nuclei.")
    message.setToolTip("/models/nuclei.zip")
    message.warn("The image is gone.")
    assert message.toolTip() == ""
    message.setToolTip("/models/nuclei.zip")
    message.clear()
    assert message.toolTip() == ""

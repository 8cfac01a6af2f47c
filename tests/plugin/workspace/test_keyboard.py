"""From an opened image to objects and their table with the keys alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QPushButton, QWidget

from napari_scribe.plugin.workspace.dock import DOCKS, Workspace

ALT = Qt.KeyboardModifier.AltModifier


@pytest.fixture
def workspace(make_napari_viewer: Any, qtbot: Any, sample: Any) -> Iterator[Workspace]:
    """The workspace beside an image, with the focus where napari has it: on the canvas."""
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1100, 900)
    viewer.add_image(sample.image[:128, :128], name="nuclei")
    made = Workspace(viewer)
    viewer.window.add_dock_widget(made)
    qtbot.waitExposed(viewer.window._qt_window)
    viewer.window.activate()
    viewer.window._qt_viewer.canvas.native.setFocus()
    qtbot.waitUntil(lambda: QApplication.focusWidget() is not None)
    yield made
    made.close_down()


def press(key: Qt.Key, modifier: Any = Qt.KeyboardModifier.NoModifier) -> None:
    """Press a key where the focus is."""
    focused = QApplication.focusWidget()
    assert focused is not None
    QTest.keyClick(focused, key, modifier)


def tab_to(wanted: QWidget) -> None:
    """Press Tab until a control has the focus, and see that it shows it."""
    for _ in range(60):
        press(Qt.Key.Key_Tab)
        if QApplication.focusWidget() is wanted:
            break
    assert wanted.hasFocus()
    focused = wanted.grab().toImage()
    wanted.clearFocus()
    assert wanted.grab().toImage() != focused
    wanted.setFocus()


def test_from_an_image_to_a_table(workspace: Workspace, qtbot: Any) -> None:
    press(Qt.Key.Key_2, ALT)
    dock = workspace.pages["Segment"]
    tab_to(dock.segment_button)
    press(Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "nuclei labels" in workspace.viewer.layers)
    qtbot.waitUntil(lambda: not dock.runner.is_busy)
    press(Qt.Key.Key_4, ALT)
    dock = workspace.pages["Measure"]
    tab_to(dock.measure_button)
    press(Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: bool(dock.shown))
    table = dock.results.view
    tab_to(table)
    press(Qt.Key.Key_Down)
    number = dock.shown[0].table["label"][table.row()]
    assert workspace.viewer.layers["nuclei labels"].selected_label == number


def test_each_page_by_its_key_and_by_the_arrows(workspace: Workspace) -> None:
    for number, name in enumerate(DOCKS):
        press(Qt.Key(Qt.Key.Key_1 + number), ALT)
        assert workspace.stack.currentWidget() is workspace.pages[name]
        assert workspace.steps.hasFocus()
    press(Qt.Key.Key_Left)
    assert workspace.stack.currentWidget() is workspace.pages["Measure"]


def test_where_no_image_is_open_the_keys_lead_to_the_sample(
    workspace: Workspace, qtbot: Any
) -> None:
    workspace.viewer.layers.clear()
    qtbot.waitUntil(lambda: workspace.welcome.isVisible())
    press(Qt.Key.Key_1, ALT)
    assert workspace.welcome.find_button.hasFocus()
    press(Qt.Key.Key_Tab)
    assert workspace.welcome.sample_button.hasFocus()
    assert isinstance(QApplication.focusWidget(), QPushButton)

"""Keys of the layers hold beside the docks: a field keeps only those that it has a use for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget

from napari_scribe.plugin.correct.place_list import PlaceList
from napari_scribe.plugin.layers.brush import BACKGROUND, prepare_brush
from napari_scribe.plugin.train.dock import TrainDock
from napari_scribe.plugin.widgets.basics import scrolled, stack


@pytest.fixture
def press(painted: Any, docks: Callable[[type], Any], qtbot: Any) -> Callable[..., None]:
    """Press a key in the window of the viewer: what has the focus gets it, or else the window."""
    window = painted.window._qt_window
    with qtbot.waitExposed(window):
        window.show()
    painted.window.activate()
    qtbot.waitUntil(window.isActiveWindow)

    def key(key: Qt.Key, text: QWidget | None = None) -> None:
        if text is not None:
            text.setFocus()
            qtbot.waitUntil(text.hasFocus)
        QTest.keyClick(QApplication.focusWidget() or painted.window._qt_window, key)

    return key


def test_a_field_leaves_letters_to_the_brush(
    painted: Any, docks: Callable[[type], Any], press: Callable[..., None]
) -> None:
    layer = painted.layers["nuclei annotations"]
    dock = docks(TrainDock)
    prepare_brush(layer)
    painted.layers.selection.active = layer
    number = layer.selected_label
    minutes, image = dock.form.more.minutes.native, dock.form.image.layer.native
    press(Qt.Key.Key_3, minutes)
    press(Qt.Key.Key_B)
    assert layer.selected_label == BACKGROUND
    assert minutes.hasFocus() and "3" in minutes.text()
    painted.add_image(painted.layers["nuclei"].data, name="brain")
    painted.layers.selection.active = layer
    chosen = image.currentText()
    press(Qt.Key.Key_B, image)
    assert layer.selected_label == number
    assert image.currentText() == chosen == "nuclei"  # not what begins with the letter
    press(Qt.Key.Key_Return, minutes)
    layer.mode = "paint"
    press(Qt.Key.Key_4)  # napari's
    assert layer.mode == "fill" and "4" not in minutes.text()


def test_text_is_written_until_return(
    painted: Any, docks: Callable[[type], Any], press: Callable[..., None]
) -> None:
    layer = painted.layers["nuclei annotations"]
    dock = docks(TrainDock)
    prepare_brush(layer)
    painted.layers.selection.active = layer
    number, axes = layer.selected_label, dock.form.image.axes
    dock.form.more.expand()
    axes.selectAll()
    press(Qt.Key.Key_Y, axes)
    press(Qt.Key.Key_B)
    assert axes.text().lower() == "yb" and layer.selected_label == number
    press(Qt.Key.Key_Backspace)
    press(Qt.Key.Key_X)
    press(Qt.Key.Key_Return)
    press(Qt.Key.Key_B)
    assert axes.text().lower() == "yx" and layer.selected_label == BACKGROUND


def test_a_list_leaves_letters_to_the_layer(qtbot: Any) -> None:
    places = PlaceList("")
    places.show_lines([("at 1, 2", ""), ("wide", "")])
    places.setCurrentRow(0)
    area = scrolled(stack(places))
    qtbot.addWidget(area)
    event = QKeyEvent(QKeyEvent.Type.KeyPress, Qt.Key.Key_W, Qt.KeyboardModifier.NoModifier, "w")
    QApplication.sendEvent(places, event)
    assert places.currentRow() == 0 and not event.isAccepted()

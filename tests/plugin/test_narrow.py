"""All docks at 300 pixels: nothing is cut off, however long names and messages are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QCheckBox,
    QLabel,
    QPushButton,
    QRadioButton,
    QWidget,
)

from napari_scribe.plugin.dock import Dock
from napari_scribe.plugin.widgets.basics import Fold, NameBox
from napari_scribe.plugin.workspace.dock import DOCKS, Workspace

ROOM = 300
LONG_NAME = "2026-11-29_experiment-3_well-B07_field-12_dapi-max-projection"
SPIN_BUTTONS = 24
"""Pixels that the buttons of a spin box take."""


@pytest.fixture
def narrow(make_napari_viewer: Any, qtbot: Any, sample: Any) -> Iterator[Workspace]:
    """The workspace, as narrow as it goes, with a movie of two channels and its labels."""
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1000, 900)
    pixels = np.broadcast_to(sample.image[:64, :64], (3, 2, 64, 64)).copy()
    viewer.add_image(pixels, axis_labels=("t", "c", "y", "x"), name=LONG_NAME)
    labels = np.broadcast_to(sample.truth[:64, :64], (3, 64, 64)).astype(np.uint16)
    viewer.add_labels(labels, name=f"{LONG_NAME} labels")
    workspace = Workspace(viewer)
    docked = viewer.window.add_dock_widget(workspace)
    qtbot.waitExposed(viewer.window._qt_window)
    viewer.window._qt_window.resizeDocks([docked], [1], Qt.Orientation.Horizontal)
    qtbot.waitUntil(lambda: workspace.width() <= ROOM)
    yield workspace
    workspace.close_down()


def test_nothing_is_cut_off_at_300_px(narrow: Workspace, qtbot: Any) -> None:
    for name in DOCKS:
        dock = narrow.page(name)
        for fold in dock.findChildren(Fold):
            fold.expand()
        dock.message.ask(
            f"Waiting for training on {LONG_NAME} to end (2nd in line).",
            {"Make annotations of it": lambda: None, "No, it is paint": lambda: None},
        )
        dock.progress.tell(0.4, "tile 120 of 900, 3.1 tiles/s, 4:10 min left")
        qtbot.waitUntil(dock._footer.isVisible)
        QApplication.processEvents()
        assert narrow.width() <= ROOM, name
        assert dock._content.width() == dock._area.viewport().width(), name
        assert list(cut_off(dock)) == [], name


def cut_off(dock: Dock) -> Iterator[tuple[str, str, int]]:
    """Yield what is narrower than its text, or ends outside of what it is in."""
    for around in (dock._content, dock._footer):
        for part in around.findChildren(QWidget):
            if not part.isVisible():
                continue
            text = words_of(part)
            end = part.mapTo(around, part.rect().topRight()).x()
            if part.width() < width_of(part, text) or end > around.width():
                yield type(part).__name__, text, part.width()


def words_of(part: QWidget) -> str:
    has_text = QAbstractButton | QLabel | QAbstractSpinBox
    return part.text() if isinstance(part, has_text) else ""


def width_of(part: QWidget, text: str) -> int:
    """Return the pixels that a part needs for its text; what wraps or is shortened needs none."""
    if not text or isinstance(part, NameBox):
        return 0
    if isinstance(part, QAbstractSpinBox):
        return part.fontMetrics().horizontalAdvance(text) + SPIN_BUTTONS
    if isinstance(part, QLabel) and part.wordWrap():
        longest = max(text.replace(LONG_NAME, "").split(), key=len)
        return 0 if "<" in text else part.fontMetrics().horizontalAdvance(longest)
    if isinstance(part, QPushButton | QCheckBox | QRadioButton | QLabel):
        return part.sizeHint().width()
    return 0

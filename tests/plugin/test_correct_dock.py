"""The Correct dock, driven by mouse and keys on the canvas of a real viewer."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_scribe.image import Image
from napari_scribe.plugin.correct.dock import CorrectDock
from napari_scribe.plugin.jobs.request import Request
from napari_scribe.plugin.jobs.runner import Runner
from napari_scribe.plugin.layers.annotations import doubt_about_result
from napari_scribe.plugin.layers.purpose import is_corrected, note
from napari_scribe.plugin.layers.results import show_labels
from napari_scribe.progress import Job

LONG = 60_000
LEFT = Qt.MouseButton.LeftButton


class Hand:
    """A hand on mouse and keys, which counts what it does: a key, a click, a stroke each."""

    def __init__(self, viewer: Any) -> None:
        self.canvas = viewer.window._qt_viewer.canvas
        self.n_actions = 0

    def _at(self, pixel: tuple[float, float]) -> QPoint:
        """Return where a pixel of the sample, of half a micrometre, lies on the canvas."""
        origin, unit = (
            np.array(self.canvas._map_canvas2world(at, self.canvas.view)[-2:])
            for at in ((0, 0), (1, 1))
        )
        y, x = (np.array(pixel) * 0.5 - origin) / (unit - origin)
        return QPoint(round(x), round(y))

    def click(self, y: float, x: float) -> None:
        self.n_actions += 1
        QTest.mouseClick(self.canvas.native, LEFT, pos=self._at((y, x)))
        QApplication.processEvents()

    def stroke(self, *pixels: tuple[float, float]) -> None:
        self.n_actions += 1
        widget = self.canvas.native
        points = [self._at(pixel) for pixel in pixels]
        QTest.mousePress(widget, LEFT, pos=points[0])
        for before, after in pairwise(points):
            for part in (0.3, 0.7, 1.0):
                QTest.mouseMove(widget, before + (after - before) * part)
                QTest.qWait(20)  # moves that come faster are taken together
        QTest.mouseRelease(widget, LEFT, pos=points[-1])
        QApplication.processEvents()

    def key(self, key: Qt.Key, modifier: Any = Qt.KeyboardModifier.NoModifier) -> None:
        self.n_actions += 1
        QTest.keyClick(self.canvas.native, key, modifier)
        QApplication.processEvents()

    def undo(self) -> None:
        self.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)


@pytest.fixture
def found() -> np.ndarray:
    """Four rectangles, the first two side by side."""
    labels = np.zeros((256, 256), np.int32)
    labels[20:60, 20:60], labels[20:60, 60:100] = 1, 2
    labels[100:140, 20:100], labels[160:200, 150:200] = 3, 4
    return labels


def show_result(viewer: Any, labels: np.ndarray, image: str = "nuclei") -> Labels:
    layer = viewer.layers[image]
    return show_labels(viewer, layer, Image(layer.data, "ZYX"[-layer.ndim :]), labels, "labels")


@pytest.fixture(autouse=True)
def no_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch is loaded where a test needs it: most do not."""
    monkeypatch.setattr("napari_scribe.plugin.dock.WARM_UP_AFTER", 2**30)


@pytest.fixture
def correct(
    painted: Any, found: np.ndarray, docks: Callable[[type], Any], qtbot: Any
) -> Iterator[CorrectDock]:
    """The dock, with a result that is being corrected."""
    show_result(painted, found.copy())
    painted.window._qt_window.resize(1300, 700)
    with qtbot.waitExposed(painted.window._qt_window, timeout=LONG):
        painted.window._qt_window.show()
    dock: CorrectDock = docks(CorrectDock)
    assert dock.about_tool.text().startswith("Press Correct first")
    assert not dock.about_teaching.text()
    dock.correct_button.click()
    assert dock.about_tool.text().startswith("Click an object")
    assert dock.about_teaching.text() == "Nothing is corrected yet."
    painted.reset_view()
    QApplication.processEvents()
    yield dock
    painted.window._qt_window.hide()


@pytest.fixture
def hand(correct: CorrectDock) -> Hand:
    return Hand(correct.viewer)


def test_the_tool_is_put_away_where_the_dock_is_not_seen(
    correct: CorrectDock, hand: Hand, found: np.ndarray
) -> None:
    """A click on an object, to find its row in a table, does not delete it."""
    layer = correct.corrections.layer
    assert correct.tools.tool is not None
    correct.hide()
    assert correct.tools.tool is None and layer.mode == "pan_zoom"
    hand.click(40, 40)
    assert np.array_equal(layer.data, found)
    correct.show()
    correct.tool_buttons["quick"].click()
    hand.click(40, 40)
    assert not np.array_equal(layer.data, found)


def test_what_is_said_of_a_correction_goes_with_it(correct: CorrectDock, hand: Hand) -> None:
    hand.click(40, 40)
    assert correct.message.text.endswith("Ctrl+Z undoes it.")
    hand.undo()
    assert not correct.message.text
    hand.click(40, 40)
    assert correct.message.text
    correct.form.result.value = next(v for v in correct.form.result.choices if not is_corrected(v))
    assert not correct.message.text


def labels_in(dock: CorrectDock) -> np.ndarray:
    assert dock.corrections is not None
    return np.asarray(dock.corrections.layer.data)


def test_one_stroke_or_click_is_one_correction(
    correct: CorrectDock, hand: Hand, found: np.ndarray
) -> None:
    hand.stroke((40, 40), (40, 80))
    assert np.all(labels_in(correct)[20:60, 20:100] == 1)
    assert hand.n_actions == 1
    hand.stroke((90, 60), (150, 60))
    assert set(np.unique(labels_in(correct)[100:140, 20:100])) == {3, 5}
    assert hand.n_actions == 2
    hand.click(180, 175)
    assert not (labels_in(correct) == 4).any()
    assert hand.n_actions == 3
    assert "Deleted 1 object" in correct.message.text
    for _ in range(3):
        hand.undo()
    assert np.array_equal(labels_in(correct), found)
    hand.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert np.all(labels_in(correct)[20:60, 20:100] == 1)
    result = correct.viewer.layers["nuclei labels"]
    assert np.array_equal(result.data, found)  # it stays as it is
    assert not result.visible


def test_tools_by_their_keys(correct: CorrectDock, hand: Hand, found: np.ndarray) -> None:
    ring = [(90, 10), (90, 115), (205, 115), (205, 205), (150, 205), (150, 10), (92, 10)]
    hand.key(Qt.Key.Key_D)
    assert correct.tool_buttons["delete"].isChecked()
    hand.stroke(*ring)
    assert np.array_equal(np.unique(labels_in(correct)), [0, 1, 2])
    hand.undo()
    hand.key(Qt.Key.Key_G)
    hand.stroke((40, 40), (40, 80), (120, 80))
    assert np.array_equal(np.unique(labels_in(correct)), [0, 1, 4])
    hand.undo()
    hand.key(Qt.Key.Key_S)
    hand.stroke((40, 30), (40, 50))  # too short: drawn on to the border
    assert np.array_equal(np.unique(labels_in(correct)), [0, 1, 2, 3, 4, 5])
    assert np.array_equal(labels_in(correct) == 2, found == 2)
    hand.stroke((5, 5), (5, 50))
    assert "Nothing is cut" in correct.message.text
    layer = correct.corrections.layer  # type: ignore[union-attr]
    assert layer.selected_label == 6  # the brush draws a new object, wherever the mouse was
    QTest.keyPress(hand.canvas.native, Qt.Key.Key_Space)
    assert layer.mode == "pan_zoom"
    QTest.keyRelease(hand.canvas.native, Qt.Key.Key_Space)
    assert correct.tool_buttons["split"].isChecked()
    correct.tool_buttons["split"].click()
    assert layer.mode == "pan_zoom"
    before = labels_in(correct).copy()
    hand.click(40, 40)
    assert np.array_equal(labels_in(correct), before)


def test_napari_s_brush_is_undone_with_the_rest(
    correct: CorrectDock, hand: Hand, found: np.ndarray
) -> None:
    layer = correct.corrections.layer  # type: ignore[union-attr]
    hand.click(180, 175)
    hand.key(Qt.Key.Key_P)
    assert not any(button.isChecked() for button in correct.tool_buttons.values())
    layer.selected_label = 1
    hand.stroke((150, 150), (150, 200), (190, 200))
    layer.fill((120, 50), 7)
    layer.data_setitem((np.array([0, 1]), np.array([0, 1])), np.array([8, 9]))
    layer.paint_polygon([(210, 10), (210, 50), (250, 50)], 6)
    after = labels_in(correct).copy()
    assert {1, 2, 6, 7, 8, 9} == {*np.unique(after)} - {0}
    for _ in range(5):
        hand.undo()
    assert np.array_equal(labels_in(correct), found)
    assert not correct.undo_button.isEnabled()
    for _ in range(5):
        correct.redo_button.click()
    assert np.array_equal(labels_in(correct), after)
    assert note(layer)["corrected"] == [1, 3, 4, 6, 7, 8, 9]


class Waiting(Request[None, None]):
    """A job that does nothing until it is stopped."""

    title = "Waiting"

    def begin(self) -> Job[None, None]:
        def wait(job: Any) -> Generator[None, None, None]:
            while not job.stop_requested:
                time.sleep(0.01)
                yield

        return Job(wait)


def test_add_takes_a_key_and_a_click(
    correct: CorrectDock, hand: Hand, painted: Any, sample: Any, qtbot: Any
) -> None:
    """And does not wait for another job."""
    numbers, counts = np.unique(sample.truth[70:95, 120:250], return_counts=True)
    number = int(numbers[1:][counts[1:].argmax()])
    truth = sample.truth == number
    y, x = np.argwhere(truth).mean(axis=0)
    hand.key(Qt.Key.Key_A)
    hand.click(y, x)
    assert hand.n_actions == 2
    qtbot.waitUntil(lambda: not correct.runner.is_running, timeout=LONG)
    added = labels_in(correct) == 5
    assert (added & truth).sum() > 0.5 * (added | truth).sum()
    assert correct.message.text.startswith("Added an object")
    hand.click(240, 20 if not sample.truth[240, 20] else 120)
    qtbot.waitUntil(lambda: not correct.runner.is_running, timeout=LONG)
    assert (labels_in(correct) == 6).any()
    other = Runner(painted)
    other.start(Waiting(), lambda _record: None, lambda _ended: None)
    hand.click(220, 60)
    assert other.is_running
    other.close()
    added = labels_in(correct) == 7
    assert 15 < np.sqrt(added.sum() / np.pi) < 30  # a disk, as large as the other objects
    assert "Waiting is still running" in correct.message.text


def test_corrections_become_paint(correct: CorrectDock, hand: Hand, painted: Any) -> None:
    annotations = painted.layers["nuclei annotations"]
    annotations.data[...] = 0
    annotations.data[230:240, 10:100] = 2  # by hand
    hand.stroke((40, 40), (40, 80))
    hand.click(180, 175)
    correct.teach_button.click()
    paint = annotations.data
    assert np.all(paint[20:60, 20:100] == 3)
    assert np.all(paint[160:200, 150:200] == 1)
    assert np.all(paint[230:240, 10:100] == 2)
    assert not paint[100:140, 20:100].any()  # nobody has changed it
    assert note(annotations)["corrected"] == [3]
    assert "1 object and background" in correct.message.text
    assert correct.about_teaching.text() == "All that is corrected is taught."
    hand.click(120, 60)
    assert correct.about_teaching.text() == "4 objects changed."
    hand.undo()
    correct.at_once.value = True
    hand.stroke((90, 60), (150, 60))
    assert len(np.unique(annotations.data[100:140, 20:100])) == 2
    annotations.undo()
    assert not annotations.data[100:140, 20:100].any()
    correct.teach_all_button.click()
    everything = painted.layers["nuclei annotations [1]"].data
    assert np.array_equal(everything, labels_in(correct) + 1)


def test_corrections_of_before_are_taught_in_a_new_dock(
    correct: CorrectDock, hand: Hand, painted: Any, docks: Callable[[type], Any]
) -> None:
    painted.layers["nuclei annotations"].data[...] = 0
    hand.stroke((40, 40), (40, 80))
    corrected = correct.corrections.layer  # type: ignore[union-attr]
    painted.window.remove_dock_widget(correct.parent())
    anew: CorrectDock = docks(CorrectDock)
    anew.form.follow(corrected)
    assert anew.about_teaching.text() == "2 objects changed."
    anew.tools.choose("merge")
    hand.stroke((120, 60), (180, 175))
    anew.teach_button.click()
    assert note(painted.layers["nuclei annotations"])["corrected"] == [2, 3]


def test_what_was_taught_and_undone_can_be_taken_out(
    correct: CorrectDock, hand: Hand, painted: Any
) -> None:
    annotations = painted.layers["nuclei annotations"]
    annotations.data[...] = 0
    correct.tools.choose("delete")
    hand.click(180, 175)
    correct.teach_button.click()
    assert np.all(annotations.data[160:200, 150:200] == 1)
    correct.undo()
    assert correct.about_teaching.text().startswith("What was taught is undone")
    correct.teach_button.click()
    assert np.all(annotations.data[160:200, 150:200] == 2)
    assert not correct.teach_button.isEnabled()


def test_a_result_never_goes_to_a_corrected_layer_and_closing_leaves_nothing(
    correct: CorrectDock, hand: Hand, painted: Any, found: np.ndarray
) -> None:
    corrected = correct.corrections.layer  # type: ignore[union-attr]
    show_result(painted, found * 2)
    assert np.array_equal(corrected.data, found)
    painted.layers.remove("nuclei labels")
    corrected.name = "nuclei labels"
    hand.click(180, 175)
    before = corrected.data.copy()
    made = show_result(painted, found * 3)
    assert made is not corrected
    assert np.array_equal(corrected.data, before)
    assert painted.layers.index(corrected) > painted.layers.index(made)
    assert "is a result, not paint" in doubt_about_result(corrected)
    n_callbacks = len(corrected.events.paint.callbacks)
    painted.window.remove_dock_widget(correct.parent())
    assert not corrected.keymap
    assert len(corrected.events.paint.callbacks) == n_callbacks - 2  # and what keeps paint
    hand.click(180, 175)
    assert np.array_equal(corrected.data, before)


def test_slices_and_volumes(
    correct: CorrectDock, hand: Hand, painted: Any, sample: Any, found: np.ndarray
) -> None:
    stack = np.stack([sample.image] * 3)
    painted.add_image(stack, name="stack", scale=(2, 0.5, 0.5))
    slices = show_result(painted, np.stack([found, found + 4 * (found > 0), found]), "stack")
    painted.layers.selection.active = slices
    assert correct.form.image.layer.value.name == "stack"
    correct.correct_button.click()
    assert not correct.through.value
    painted.dims.set_current_step(0, 1)
    hand.click(180, 175)
    assert not (labels_in(correct) == 8).any()
    assert (labels_in(correct) == 4).any()
    painted.dims.set_current_step(0, 0)  # another slice, another time: nothing is forgotten
    hand.undo()
    assert np.array_equal(labels_in(correct), slices.data)
    slices.data = np.stack([found] * 3)
    painted.layers.selection.active = slices
    correct.correct_button.click()
    assert correct.through.value
    hand.stroke((40, 40), (40, 80))
    hand.stroke((90, 60), (150, 60))
    hand.click(180, 175)
    for plane in labels_in(correct):
        assert np.array_equal(np.unique(plane), [0, 1, 3, 5])
    for layer in painted.layers:
        if isinstance(layer, Labels):
            layer.contour = 0  # napari warns of it in 3D
    painted.dims.ndisplay = 3
    hand.click(180, 175)
    assert "show the layer in 2D" in correct.message.text
    painted.dims.ndisplay = 2


def test_without_a_result(docks: Callable[[type], Any]) -> None:
    dock = docks(CorrectDock)
    assert "Segment an image first" in dock.empty.text()
    assert not dock.correct_button.isEnabled()
    assert not dock.teach_button.isEnabled()

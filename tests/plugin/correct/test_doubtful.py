"""Where to look next, in the Correct dock of a real viewer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from napari.layers import Image as ImageLayer
from napari.layers import Labels, Points
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_scribe.errors import InputError
from napari_scribe.image import Image
from napari_scribe.plugin.correct import doubtful
from napari_scribe.plugin.correct.dock import CorrectDock
from napari_scribe.plugin.correct.doubtful_job import DoubtRequest
from napari_scribe.plugin.layers.purpose import add_note, note
from napari_scribe.plugin.layers.results import show_labels

LONG = 60_000


@pytest.fixture(autouse=True)
def no_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch is loaded where a test needs it."""
    monkeypatch.setattr("napari_scribe.plugin.dock.WARM_UP_AFTER", 2**30)


@pytest.fixture
def wrong(sample: Any) -> np.ndarray:
    """The truth, but one object is missing and another is cut in two."""
    labels = np.array(sample.truth, np.int32)
    numbers, sizes = np.unique(labels[labels > 0], return_counts=True)
    missing, cut = numbers[np.argsort(-sizes)[:2]]
    labels[labels == missing] = 0
    right = np.arange(labels.shape[1]) > np.argwhere(labels == cut)[:, 1].mean()
    labels[(labels == cut) & right] = labels.max() + 1
    return labels


def show_result(viewer: Any, labels: np.ndarray, image: str = "nuclei", **part: Any) -> Labels:
    layer = viewer.layers[image]
    return show_labels(
        viewer, layer, Image(layer.data, "ZYX"[-layer.ndim :]), labels, "labels", **part
    )


@pytest.fixture
def dock(painted: Any, docks: Callable[[type], Any]) -> CorrectDock:
    """The dock, with a model that ships."""
    made: CorrectDock = docks(CorrectDock)
    return made


def find(dock: CorrectDock, qtbot: Any) -> list[str]:
    """Find doubtful places; return what the list says."""
    dock.doubtful.find_button.click()
    qtbot.waitUntil(lambda: not dock.runner.is_running, timeout=LONG)
    return dock.doubtful.list.texts


def first(reasons: list[str], reason: str) -> int:
    """Return the first line that tells a reason."""
    return next(line for line, text in enumerate(reasons) if text.startswith(reason))


def is_done(dock: CorrectDock, row: int) -> bool:
    return dock.doubtful.list.done[row]


def center(viewer: Any) -> np.ndarray:
    return np.array(viewer.scene.camera.center[-2:])


def press(viewer: Any, key: Qt.Key, qtbot: Any) -> None:
    """Press a key over the canvas."""
    window = viewer.window._qt_window
    with qtbot.waitExposed(window, timeout=LONG):
        window.show()
    QTest.keyClick(viewer.window._qt_viewer.canvas.native, key)
    QApplication.processEvents()
    window.hide()


def rings(viewer: Any) -> list[Points]:
    return [layer for layer in viewer.layers if isinstance(layer, Points)]


def test_next_goes_from_place_to_place(
    painted: Any, dock: CorrectDock, wrong: np.ndarray, sample: Any, qtbot: Any
) -> None:
    assert not dock.doubtful.find_button.isEnabled()
    result = show_result(painted, wrong)
    dock.reset_choices()
    assert dock.doubtful.find_button.isEnabled()
    before = list(painted.layers)
    reasons = find(dock, qtbot)
    missed, piece = reasons.index("perhaps missed"), first(reasons, "perhaps a piece")
    assert not rings(painted)
    assert dock.message.text.endswith("press Next.")
    dock.doubtful.next_button.click()
    assert not dock.message.text
    (ring,) = rings(painted)
    assert center(painted) == pytest.approx(ring.data[0] * 0.5)
    assert painted.layers.selection.active is result
    at = tuple(np.round(ring.data[0]).astype(int))
    assert (wrong[at] > 0) == (reasons[0] != "perhaps missed")
    assert not is_done(dock, 0)
    dock.doubtful.list.setCurrentRow(missed)
    (ring,) = rings(painted)
    at = tuple(np.round(ring.data[0]).astype(int))
    assert wrong[at] == 0
    assert sample.truth[at] > 0
    dock.doubtful.list.setCurrentRow(piece)
    (ring,) = rings(painted)
    at = tuple(np.round(ring.data[0]).astype(int))
    assert reasons[piece] == f"perhaps a piece: object {wrong[at]}"
    assert (wrong == wrong[at]).sum() < (sample.truth == sample.truth[at]).sum()
    for _ in reasons:
        dock.doubtful.next_button.click()
    assert all(is_done(dock, row) for row in range(len(reasons)))
    assert not rings(painted)
    assert not dock.doubtful.next_button.isEnabled()
    assert dock.doubtful.about.text() == f"{len(reasons)} of {len(reasons)} places done."
    dock.doubtful.with_uncertainty.setChecked(True)
    shown = painted.layers["nuclei uncertainty"]
    assert isinstance(shown, ImageLayer)
    assert shown.data.shape == wrong.shape
    assert 0 <= shown.data.min() < shown.data.max() <= 1
    dock.doubtful.list.setCurrentRow(0)
    dock.doubtful.clear()
    assert list(painted.layers) == before  # nothing stays
    assert not result.keymap
    assert not dock.doubtful.list.texts


def test_corrected_places_are_done_and_the_key_goes_on(
    painted: Any, dock: CorrectDock, wrong: np.ndarray, sample: Any, qtbot: Any
) -> None:
    show_result(painted, wrong)
    dock.reset_choices()
    reasons = find(dock, qtbot)
    dock.correct_button.click()  # a copy has the same places
    assert dock.doubtful.list.texts == reasons
    corrections = dock.corrections
    assert corrections is not None
    assert dock.doubtful.layer is corrections.layer
    press(painted, Qt.Key.Key_W, qtbot)
    assert dock.doubtful.list.currentRow() == 0
    piece, missed = first(reasons, "perhaps a piece"), reasons.index("perhaps missed")
    dock.doubtful.list.setCurrentRow(piece)
    y, x = rings(painted)[0].data[0]
    corrected = [(y, x)]
    corrections.delete_at(np.array([y, x]))
    assert is_done(dock, piece)
    dock.doubtful.list.setCurrentRow(missed)
    y, x = np.round(rings(painted)[0].data[0]).astype(int)
    corrected.append((y, x))
    object_there = np.nonzero(sample.truth == sample.truth[y, x])
    corrections.layer.data_setitem(object_there, np.full(len(object_there[0]), 99))
    assert is_done(dock, missed)
    left = find(dock, qtbot)  # what was corrected is not doubtful any more
    assert len(left) < len(reasons)
    for line in range(len(left)):
        dock.doubtful.list.setCurrentRow(line)
        assert tuple(rings(painted)[0].data[0]) not in corrected


def test_slices_and_the_visible_part(
    painted: Any,
    dock: CorrectDock,
    wrong: np.ndarray,
    sample: Any,
    qtbot: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    part = {"Z": slice(1, 3), "Y": slice(64, 256), "X": slice(0, 256)}
    painted.add_image(
        np.stack([sample.image] * 3), name="stack", scale=(2, 0.5, 0.5), axis_labels=tuple("zyx")
    )
    labels = np.stack([sample.truth[64:], wrong[64:]]).astype(np.int32)
    layer = show_result(painted, labels, "stack", region=part)
    dock.reset_choices()
    dock.form.result.value = layer
    monkeypatch.setattr(doubtful, "AT_ONCE", 1000)
    painted.dims.set_current_step(0, 2)
    found = find(dock, qtbot)
    assert all(text.endswith("slice 1") for text in found)
    assert "only what is in view" in dock.message.text
    painted.dims.set_current_step(0, 0)
    row = found.index("perhaps missed, slice 1")
    dock.doubtful.list.setCurrentRow(row)
    assert painted.dims.current_step[0] == 2  # of the image
    (ring,) = rings(painted)
    _, y, x = np.round(ring.data[0]).astype(int)
    assert labels[1, y, x] == 0
    assert sample.truth[y + 64, x] > 0
    assert center(painted) == pytest.approx([(y + 64) * 0.5, x * 0.5])


def test_what_cannot_be_done_is_said(
    painted: Any, dock: CorrectDock, wrong: np.ndarray, qtbot: Any, tmp_path: Any
) -> None:
    result = show_result(painted, wrong)
    dock.reset_choices()
    add_note(result, model=str(tmp_path / "gone.zip"))
    assert doubtful.model_for(result, tmp_path) == tmp_path
    with pytest.raises(InputError, match="no model yet"):
        doubtful.model_for(result, None)
    result.translate = (3.3, 0)
    dock.doubtful.find_button.click()
    assert "does not lie on the pixels" in dock.message.text
    assert not dock.runner.is_running
    assert note(result)["model"]


def test_a_stop_is_heard_between_the_decodings_of_a_frame(sample: Any, kept: Any) -> None:
    image = Image(sample.image, "YX")
    region = {axis: slice(0, n) for axis, n in zip("YX", image.data.shape, strict=True)}
    job = DoubtRequest(image, np.array(sample.truth, np.int32), region, kept).begin()
    next(record for record in job if record.what == "frame")
    job.stop()
    assert list(job) == [] and job.result is None

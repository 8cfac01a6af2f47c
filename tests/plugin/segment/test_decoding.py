"""The objects of a finished segmentation follow the sliders of its decoding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QSlider

import napari_scribe as ns
from napari_scribe.io.model_folder import shipped_models
from napari_scribe.plugin.segment import job

LONG = 60_000


@pytest.fixture
def fold(dock: Any, idle: Callable[[], None]) -> Any:
    """The section of a dock that has segmented the sample."""
    assert not dock.decoding.isVisibleTo(dock)
    dock.segment()
    idle()
    assert dock.decoding.isVisibleTo(dock)
    return dock.decoding


@pytest.fixture
def still(fold: Any, qtbot: Any) -> Callable[[], None]:
    """Wait until the objects are those of the newest values."""

    def wait() -> None:
        qtbot.waitUntil(lambda: fold._running is None, timeout=LONG)

    return wait


def height(part: Any, fold: Any) -> int:
    """Return how far below the top of the fold a part of it is."""
    fold.expand()
    fold.grab()  # lays out what is hidden, too
    return int(part.mapTo(fold, QPoint(0, 0)).y())


def sliders(fold: Any) -> dict[str, float]:
    return {name: field.value for name, field in fold.fields.items()}


def test_objects_follow_the_sliders(
    fold: Any, still: Callable[[], None], painted: Any, model: Any
) -> None:
    layer = painted.layers["nuclei labels"]
    first = layer.data.copy()
    assert sliders(fold).keys() == {"merge", "foreground", "peak", "min_size"}
    assert fold.fields["merge"].value == pytest.approx(model.parameters["merge"])
    assert not fold.reset_button.isEnabled() and not fold.keep_button.isEnabled()
    for value in (0.6, 0.7, 0.8, 0.9):  # faster than objects are made: the last one counts
        fold.fields["foreground"].value = value
    still()
    assert painted.layers["nuclei labels"] is layer
    other = ns.run(ns.segment(model, painted.layers["nuclei"].data, decoding=fold.values()))
    np.testing.assert_array_equal(layer.data, other)
    assert (layer.data > 0).sum() < (first > 0).sum()
    assert fold.found.text() == f"{other.max()} objects."
    fold.reset_button.click()
    still()
    np.testing.assert_array_equal(layer.data > 0, first > 0)
    assert not fold.reset_button.isEnabled()


def test_objects_of_an_image_that_was_shrunk_follow_the_sliders(
    fold: Any, dock: Any, still: Callable[[], None], painted: Any, model: Any, idle: Any
) -> None:
    dock.form.size.box.value = 52
    dock.segment()
    idle()
    assert "were brought to" in dock.message.text and dock.decoding.isVisibleTo(dock)
    fold.fields["foreground"].value = 0.7
    still()
    image, layer = painted.layers["nuclei"].data, painted.layers["nuclei labels"]
    other = ns.run(ns.segment(model, image, object_size=52, decoding=fold.values()))
    np.testing.assert_array_equal(layer.data, other)
    assert fold.found.text() == f"{other.max()} objects."


def test_what_the_user_painted_stays_and_can_be_undone(
    fold: Any, still: Callable[[], None], painted: Any
) -> None:
    layer = painted.layers["nuclei labels"]
    before = layer.data.copy()
    layer.selected_label = 9
    layer.fill((3, 3), 9)
    edited = layer.data.copy()
    assert (edited != before).any()
    for value in (0.7, 0.8):
        fold.fields["foreground"].value = value
        still()
    np.testing.assert_array_equal(layer.data, edited)
    beside = [other for other in painted.layers if "nuclei labels" in other.name]
    assert len(beside) == 2
    assert "yours stays as it is" in fold.found.text() or "objects." in fold.found.text()
    assert height(fold.found, fold) > height(fold.keep_button, fold)  # which it does not move
    layer.undo()
    np.testing.assert_array_equal(layer.data, before)


def test_values_are_kept_in_the_model(
    fold: Any, dock: Any, still: Callable[[], None], kept: Path, idle: Callable[[], None]
) -> None:
    fold.fields["merge"].value = 0.7
    fold.fields["min_size"].value = 33
    still()
    fold.keep_button.click()
    assert ns.load_model(kept).parameters["merge"] == pytest.approx(0.7)
    assert ns.load_model(kept).parameters["min_size"] == 33
    assert dock.form.model.value() == kept
    assert dock.message.text.startswith("The model is kept as nuclei 2026, with")
    assert dock.message.toolTip() == str(kept)
    assert not fold.keep_button.isEnabled()
    dock.segment()
    idle()
    assert fold.fields["min_size"].value == 33


def test_a_model_of_the_program_is_copied(
    fold: Any, dock: Any, still: Callable[[], None], idle: Callable[[], None]
) -> None:
    (shipped,) = shipped_models()
    before = shipped.read_bytes()
    dock.form.model.set_value(shipped)
    dock.segment()
    idle()
    fold.fields["merge"].value = 0.7
    still()
    fold.keep_button.click()
    assert shipped.read_bytes() == before
    copy = dock.form.model.value()
    assert copy != shipped and copy.stem.startswith("nuclei (")
    assert ns.load_model(copy).parameters["merge"] == pytest.approx(0.7)


def test_nothing_is_offered_where_nothing_is_kept(
    fold: Any, dock: Any, idle: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "KEPT", 100)
    dock.segment()
    assert not dock.decoding.isVisibleTo(dock)
    idle()
    assert not dock.decoding.isVisibleTo(dock) and fold.decodable is None


def test_an_image_that_is_gone_is_decoded_no_more(
    fold: Any, still: Callable[[], None], painted: Any
) -> None:
    painted.layers.remove("nuclei")
    n = len(painted.layers)
    fold.fields["foreground"].value = 0.8
    still()
    assert len(painted.layers) == n and fold.decodable is None


def test_the_wheel_over_the_dock_changes_no_objects(fold: Any) -> None:
    before = sliders(fold)
    fields = [field.native for field in fold.fields.values()]
    for field in (inner for outer in fields for inner in (outer, *outer.findChildren(QSlider))):
        no = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase
        turned = QWheelEvent(QPointF(), QPointF(), QPoint(), QPoint(0, -120), *no, False)
        QApplication.sendEvent(field, turned)
        assert not turned.isAccepted()
    assert sliders(fold) == before
    assert fold._running is None

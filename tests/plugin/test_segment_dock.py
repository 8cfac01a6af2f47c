"""The Segment dock: image, model, Segment."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPointF
from qtpy.QtGui import QEnterEvent
from qtpy.QtWidgets import QApplication

from napari_scribe.evaluation.metrics import evaluate
from napari_scribe.model import model_folder
from napari_scribe.plugin.segment_dock import SegmentDock
from napari_scribe.plugin.train_dock import TrainDock
from napari_scribe.samples import Sample

LONG = 60_000


@pytest.fixture
def kept(model: Any) -> Any:
    """The model, in the model folder."""
    return model.save(model_folder() / "nuclei 2026.zip")


@pytest.fixture
def dock(kept: Any, docks: Callable[[type], Any]) -> Any:
    return docks(SegmentDock)


@pytest.fixture
def idle(dock: Any, qtbot: Any) -> Callable[[], None]:
    def wait() -> None:
        qtbot.waitUntil(lambda: not dock.runner.is_running, timeout=LONG)

    return wait


def test_segment(dock: Any, idle: Callable[[], None], painted: Any, sample: Sample) -> None:
    assert dock.model.combo.current_choice == "nuclei 2026"
    assert dock.model.info.text().startswith("Objects, 2D, 1 channel. Trained on image, 150 steps")
    dock.segment()
    assert not dock.segment_button.isEnabled()
    idle()
    result = painted.layers["nuclei labels"]
    assert evaluate(result.data, sample.truth).ap[0] > 0.5
    assert result.units == painted.layers["nuclei"].units
    assert "objects in" in dock.message.text
    assert dock.segment_button.isEnabled()
    before = result.data.copy()
    dock.tile.value = 64
    dock.segment()
    idle()
    assert [layer.name for layer in painted.layers].count("nuclei labels") == 1
    assert np.array_equal(painted.layers["nuclei labels"].data, before)


def test_the_newest_model_comes_first(dock: Any, model: Any, kept: Any) -> None:
    newer = model.save(model_folder() / "newer.zip")
    os.utime(newer, (2e9, 2e9))
    dock.model.refresh()
    assert [path.stem for path in dock.model.combo.choices] == ["newer", "nuclei 2026"]
    assert dock.model.value() == newer
    dock.model.combo.value = kept
    dock.model.combo.native.activated.emit(1)  # what a click does
    newest = model.save(model_folder() / "newest.zip")
    os.utime(newest, (3e9, 3e9))
    dock.model.refresh()
    assert dock.model.combo.choices[0] == newest
    assert dock.model.value() == kept  # what was chosen stays


def test_models_of_one_name_are_told_apart(dock: Any, model: Any, tmp_path: Any) -> None:
    files = [model.save(tmp_path / folder / "model.zip") for folder in ("a/x", "b/x", "b/y")]
    for path in files:
        dock.model.set_value(path)
        assert dock.model.value() == path
    first, second, third = files
    shown = {dock.model.combo.get_choice(name) for name in (str(first), str(second), "model (y)")}
    assert shown == {first, second, third}
    dock.model.combo.value = first
    dock.model.refresh()
    assert dock.model.value() == first


def test_a_model_trained_beside_the_dock_appears(dock: Any, model: Any) -> None:
    newer = model.save(model_folder() / "newer.zip")
    os.utime(newer, (2e9, 2e9))
    middle = QPointF(20, 20)
    QApplication.sendEvent(dock, QEnterEvent(middle, middle, middle))
    assert dock.model.value() == newer


def test_a_newer_model_among_the_kept_ones(docks: Callable[[type], Any]) -> None:
    model_folder().mkdir(parents=True)
    with zipfile.ZipFile(model_folder() / "new.zip", "w") as archive:
        archive.writestr("model.json", '{"format": "napari-scribe model", "version": 99}')
    dock = docks(SegmentDock)
    assert "newer napari-scribe" in dock.model.info.text()
    assert dock.needs.text() == ""


def test_without_a_model(docks: Callable[[type], Any], model: Any) -> None:
    dock = docks(SegmentDock)
    assert dock.model.info.text() == "No model yet: train one, or choose a file."
    assert not dock.segment_button.isEnabled()
    dock.segment()
    assert "no model yet" in dock.message.text
    model.save(model_folder() / "first.zip")
    dock.model.refresh()
    assert dock.segment_button.isEnabled()


def test_a_file_that_is_no_model(dock: Any, idle: Callable[[], None], tmp_path: Any) -> None:
    path = tmp_path / "photo.zip"
    path.write_bytes(b"JPEG")
    dock.model.set_value(path)
    assert "is not a model" in dock.model.info.text()
    dock.segment()
    idle()
    assert "is not a model of napari-scribe" in dock.message.text


def test_a_model_that_was_deleted(dock: Any, idle: Callable[[], None], kept: Any) -> None:
    kept.unlink()
    dock.segment()
    idle()
    assert "There is no model" in dock.message.text


def test_a_stack_is_segmented_slice_by_slice(
    dock: Any, idle: Callable[[], None], painted: Any, sample: Sample
) -> None:
    stack = np.stack([sample.image, sample.image[::-1]])
    layer = painted.add_image(stack, axis_labels=("t", "y", "x"), scale=(3, 0.5, 0.5), name="film")
    dock.image.layer.value = layer
    assert dock.image.axes.text() == "TYX"
    dock.segment()
    idle()
    result = painted.layers["film labels"]
    assert result.data.shape == stack.shape
    assert result.data[0].any()
    assert result.data[1].any()
    assert np.allclose(result.scale, (3, 0.5, 0.5))


def test_probability_too(dock: Any, idle: Callable[[], None], painted: Any) -> None:
    dock.probability.value = True
    dock.segment()
    idle()
    shown = painted.layers["nuclei probability"]
    assert 0 <= shown.data.min() < 0.2 < 0.8 < shown.data.max() <= 1


def test_channels_that_the_model_does_not_know(
    dock: Any, idle: Callable[[], None], painted: Any, sample: Sample
) -> None:
    grey = (sample.image / sample.image.max() * 255).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 255, grey.shape, np.uint8)
    colours = painted.add_image(np.stack([noise, grey, noise], -1), rgb=True, name="slide")
    dock.image.layer.value = colours
    assert dock.needs.text() == "The model needs 1 of these 3 channels: tick which."
    assert dock.image.channels.isVisibleTo(dock)
    dock.segment()
    idle()
    assert "slide has 3 channels, but this model was trained on 1 channel" in dock.message.text
    assert "--" not in dock.message.text
    for i, box in enumerate(dock.image.channels.boxes):
        box.setChecked(i == 1)
    dock.segment()
    idle()
    assert evaluate(painted.layers["slide labels"].data, sample.truth).ap[0] > 0.3
    dock.image.layer.value = painted.layers["nuclei"]
    assert dock.needs.text() == ""
    assert not dock.image.channels.isVisibleTo(dock)


def test_pixels_that_are_no_numbers(dock: Any, idle: Callable[[], None], painted: Any) -> None:
    pixels = painted.layers["nuclei"].data.astype(np.float32)
    pixels[3, 3] = np.nan
    painted.layers["nuclei"].data = pixels
    dock.segment()
    idle()
    assert "NaN or infinite pixels" in dock.message.text


def test_stop_keeps_what_is_done(
    dock: Any, idle: Callable[[], None], painted: Any, qtbot: Any, sample: Sample
) -> None:
    stack = np.stack([sample.image] * 60)
    dock.image.layer.value = painted.add_image(stack, axis_labels=("t", "y", "x"), name="film")
    dock.segment()
    qtbot.waitUntil(lambda: dock.progress.format().startswith("part"), timeout=LONG)
    dock.stop()
    idle()
    assert dock.message.text.startswith("Stopped: only a part was segmented.")
    result = painted.layers["film labels so far"].data
    assert result[0].any()
    assert not result[-1].any()


def test_the_image_is_removed_while_it_is_segmented(
    dock: Any, idle: Callable[[], None], painted: Any, qtbot: Any, sample: Sample
) -> None:
    stack = np.stack([sample.image] * 10)
    dock.image.layer.value = painted.add_image(stack, axis_labels=("t", "y", "x"), name="film")
    dock.segment()
    qtbot.waitUntil(lambda: dock.progress.format().startswith("part"), timeout=LONG)
    painted.layers.remove("film")
    idle()
    assert painted.layers["film labels"].data.shape == stack.shape


def test_one_job_at_a_time(
    dock: Any, idle: Callable[[], None], docks: Callable[[type], Any], qtbot: Any
) -> None:
    other = docks(TrainDock)
    other.form.more.recipe.set_changes({"network.width": 4, "training.patch": 32})
    other.train()
    dock.segment()
    assert "Training on nuclei is still running" in dock.message.text
    other.stop()
    qtbot.waitUntil(lambda: not other.runner.is_running, timeout=LONG)
    dock.segment()
    idle()
    assert "in" in dock.message.text


def test_the_dock_is_closed_while_it_segments(
    dock: Any, painted: Any, qtbot: Any, sample: Sample
) -> None:
    stack = np.stack([sample.image] * 60)
    dock.image.layer.value = painted.add_image(stack, axis_labels=("t", "y", "x"), name="film")
    dock.segment()
    qtbot.waitUntil(lambda: dock.progress.format().startswith("part"), timeout=LONG)
    painted.window.remove_dock_widget(dock.parent())
    assert not dock.runner.is_running
    assert "film labels" not in painted.layers


def test_settings_are_remembered(
    dock: Any, idle: Callable[[], None], docks: Callable[[type], Any]
) -> None:
    dock.tile.value = 128
    dock.probability.value = True
    dock.segment()
    idle()
    again = docks(SegmentDock)
    assert (again.tile.value, again.probability.value) == (128, True)

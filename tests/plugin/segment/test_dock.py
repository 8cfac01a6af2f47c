"""The Segment dock: image, model, Segment."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPointF
from qtpy.QtGui import QEnterEvent
from qtpy.QtWidgets import QApplication, QLabel

from napari_scribe.evaluation.metrics import evaluate
from napari_scribe.io.model_folder import is_shipped, model_folder, shipped_models
from napari_scribe.plugin.segment.dock import SegmentDock
from napari_scribe.samples import Sample

Begin = Callable[[int], None]


@pytest.fixture
def segment_film(dock: Any, painted: Any, sample: Sample, qtbot: Any) -> Begin:
    """Begin to segment a film of so many frames."""

    def begin(n: int) -> None:
        film = np.stack([sample.image] * n)
        layer = painted.add_image(film, axis_labels=("t", "y", "x"), name="film")
        dock.form.image.layer.value = layer
        dock.segment()
        qtbot.waitUntil(lambda: dock.progress.format().startswith("tile"))

    return begin


def test_segment(dock: Any, idle: Callable[[], None], painted: Any, sample: Sample) -> None:
    assert dock.form.model.combo.current_choice == "nuclei 2026"
    said = dock.form.model.info.text()
    assert said.startswith("Objects, 2D, 1 channel. Trained on image, 150 steps")
    dock.segment()
    assert not dock.segment_button.isEnabled()
    idle()
    result = painted.layers["nuclei labels"]
    assert evaluate(result.data, sample.truth).ap[0] > 0.5
    assert result.units == painted.layers["nuclei"].units
    assert "objects in" in dock.message.text
    assert dock.segment_button.isEnabled()
    before = result.data.copy()
    result.visible = False  # to paint beneath it
    dock.form.more.tile.value = 64
    dock.segment()
    idle()
    assert [layer.name for layer in painted.layers].count("nuclei labels") == 1
    assert np.array_equal(painted.layers["nuclei labels"].data, before)
    assert painted.layers["nuclei labels"].visible


def test_the_newest_model_comes_first(dock: Any, model: Any, kept: Any) -> None:
    newer = model.save(model_folder() / "newer.zip")
    os.utime(newer, (2e9, 2e9))
    dock.form.model.reset_choices()
    own = [path.stem for path in dock.form.model.combo.choices if not is_shipped(path)]
    assert own == ["newer", "nuclei 2026"]
    assert dock.form.model.value() == newer
    dock.form.model.combo.value = kept
    dock.form.model.combo.native.activated.emit(1)  # what a click does
    newest = model.save(model_folder() / "newest.zip")
    os.utime(newest, (3e9, 3e9))
    dock.form.model.reset_choices()
    own = [path for path in dock.form.model.combo.choices if not is_shipped(path)]
    assert own[0] == newest
    assert dock.form.model.value() == kept  # what was chosen stays


def test_a_model_that_has_hardly_begun_is_not_chosen(dock: Any, model: Any, kept: Any) -> None:
    picker = dock.form.model
    begun = model.changed(provenance={**model.provenance, "steps": 9})
    newer = begun.save(model_folder() / "newer.zip")
    os.utime(newer, (2e9, 2e9))
    picker.reset_choices()
    assert newer in picker.combo.choices
    assert picker.value() == kept
    kept.unlink()
    picker.reset_choices()
    assert is_shipped(picker.value())
    model.save(newer)  # the training goes on
    os.utime(newer, (3e9, 3e9))
    picker.reset_choices()
    assert picker.value() == newer
    assert "150 steps" in picker.info.text()
    begun.save(newer)
    os.utime(newer, (4e9, 4e9))
    picker.combo.native.activated.emit(1)  # what a click does
    picker.reset_choices()
    assert picker.value() == newer  # what was chosen stays


def test_models_of_one_name_are_told_apart(dock: Any, model: Any, tmp_path: Any) -> None:
    files = [model.save(tmp_path / folder / "model.zip") for folder in ("a/x", "b/x", "b/y")]
    for path in files:
        dock.form.model.set_value(path)
        assert dock.form.model.value() == path
    first, second, third = files
    combo = dock.form.model.combo
    shown = {combo.get_choice(name) for name in (str(first), str(second), "model (y)")}
    assert shown == {first, second, third}
    dock.form.model.combo.value = first
    dock.form.model.reset_choices()
    assert dock.form.model.value() == first


def test_a_model_trained_beside_the_dock_appears(dock: Any, model: Any) -> None:
    newer = model.save(model_folder() / "newer.zip")
    os.utime(newer, (2e9, 2e9))
    middle = QPointF(20, 20)
    QApplication.sendEvent(dock, QEnterEvent(middle, middle, middle))
    assert dock.form.model.value() == newer
    model.changed(provenance={**model.provenance, "steps": 60}).save(newer)
    os.utime(newer, (3e9, 3e9))
    QApplication.sendEvent(dock, QEnterEvent(middle, middle, middle))
    assert "Trained on image, 60 steps in" in dock.form.model.info.text()


def test_a_model_appears_where_the_tab_is_chosen(dock: Any, model: Any, painted: Any) -> None:
    painted.window._qt_window.show()
    beside = painted.window.add_dock_widget(QLabel("beside"), name="beside", tabify=True)
    beside.raise_()
    QApplication.processEvents()
    newer = model.save(model_folder() / "newer.zip")
    os.utime(newer, (2e9, 2e9))
    assert dock.form.model.value() != newer
    dock.parent().raise_()
    QApplication.processEvents()
    assert dock.form.model.value() == newer


def test_a_newer_model_among_the_kept_ones(docks: Callable[[type], Any]) -> None:
    model_folder().mkdir(parents=True)
    with zipfile.ZipFile(model_folder() / "new.zip", "w") as archive:
        archive.writestr("model.json", '{"format": "napari-scribe model", "version": 99}')
    dock = docks(SegmentDock)
    assert "newer napari-scribe" in dock.form.model.info.text()
    assert dock.form.needs.text() == ""


def test_the_first_click_needs_no_paint(
    docks: Callable[[type], Any], qtbot: Any, painted: Any, sample: Sample
) -> None:
    dock = docks(SegmentDock)
    assert dock.form.model.combo.current_choice == "nuclei (shipped)"
    assert dock.form.model.info.text().startswith("Objects, 2D, 1 channel. For fluorescent nuclei")
    dock.segment_button.click()
    qtbot.waitUntil(lambda: not dock.runner.is_running)
    assert evaluate(painted.layers["nuclei labels"].data, sample.truth).ap[0] > 0.5


def test_models_that_ship_are_first_and_own_ones_are_chosen(dock: Any, kept: Any) -> None:
    picker = dock.form.model
    assert picker.combo.choices == (*shipped_models(), kept)
    assert picker.value() == kept
    picker.set_value(shipped_models()[0])
    assert picker.combo.choices == (*shipped_models(), kept)
    assert picker.value() == shipped_models()[0]


def test_a_model_of_the_name_of_one_that_ships(docks: Callable[[type], Any], model: Any) -> None:
    own = model.save(model_folder() / "nuclei.zip")
    picker = docks(SegmentDock).form.model
    assert picker.value() == own
    assert picker.combo.get_choice("nuclei") == own
    assert is_shipped(picker.combo.get_choice("nuclei (shipped)"))


def test_without_a_model(
    docks: Callable[[type], Any], model: Any, tmp_path: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("napari_scribe.io.model_folder.SHIPPED", tmp_path / "none")
    dock = docks(SegmentDock)
    assert dock.form.model.info.text() == "No model yet: train one, or choose a file."
    assert not dock.segment_button.isEnabled()
    dock.segment()
    assert "no model yet" in dock.message.text
    model.save(model_folder() / "first.zip")
    dock.form.model.reset_choices()
    assert dock.segment_button.isEnabled()


def test_what_cannot_be_segmented_is_said(
    dock: Any, idle: Callable[[], None], painted: Any, kept: Any, tmp_path: Any
) -> None:
    def expect(said: str) -> None:
        dock.segment()
        idle()
        assert said in dock.message.text

    image = painted.layers["nuclei"]
    pixels, with_nan = image.data, image.data.astype(np.float32)
    with_nan[3, 3] = np.nan
    image.data = with_nan
    expect("NaN or infinite pixels")
    image.data = pixels
    photo = tmp_path / "photo.zip"
    photo.write_bytes(b"JPEG")
    dock.form.model.set_value(photo)
    assert "is not a model" in dock.form.model.info.text()
    expect("is not a model of napari-scribe")
    dock.form.model.set_value(kept)
    kept.unlink()
    expect("There is no model")


def test_a_stack_is_segmented_slice_by_slice(
    dock: Any, idle: Callable[[], None], painted: Any, sample: Sample
) -> None:
    stack = np.stack([sample.image, sample.image[::-1]])
    layer = painted.add_image(stack, axis_labels=("z", "y", "x"), scale=(3, 0.5, 0.5), name="film")
    dock.form.image.layer.value = layer
    assert dock.form.image.axes.text() == "ZYX"
    dock.segment()
    idle()
    assert "The model is 2D: the 2 slices are segmented slice by slice" in dock.message.text
    result = painted.layers["film labels"]
    assert result.data.shape == stack.shape
    assert result.data[0].any()
    assert result.data[1].any()
    assert np.allclose(result.scale, (3, 0.5, 0.5))


def test_probability_too(dock: Any, idle: Callable[[], None], painted: Any) -> None:
    dock.form.more.probability.value = True
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
    dock.form.image.layer.value = colours
    assert (
        dock.form.needs.text() == "The model needs 1 of these 3 channels: tick only the right one."
    )
    assert dock.form.image.channels.native.isVisibleTo(dock)
    dock.segment()
    idle()
    assert "slide has 3 channels, but this model was trained on 1 channel" in dock.message.text
    assert "--" not in dock.message.text
    for i, box in enumerate(dock.form.image.channels.boxes):
        box.setChecked(i == 1)
    dock.segment()
    idle()
    assert evaluate(painted.layers["slide labels"].data, sample.truth).ap[0] > 0.3
    dock.form.image.layer.value = painted.layers["nuclei"]
    assert dock.form.needs.text() == ""
    assert not dock.form.image.channels.native.isVisibleTo(dock)


def test_stop_keeps_what_is_done(
    dock: Any, idle: Callable[[], None], painted: Any, segment_film: Begin
) -> None:
    segment_film(60)
    dock.stop()
    assert not dock.pause_button.isEnabled()
    idle()
    assert dock.message.text.startswith("Stopped: only a part was segmented, and")
    result = painted.layers["film labels so far"].data
    assert result[0].any()
    assert not result[-1].any()
    dock.segment()
    idle()
    assert "film labels so far" not in painted.layers  # the whole has taken its place
    assert painted.layers["film labels"].data[-1].any()


def test_pause(
    dock: Any, idle: Callable[[], None], painted: Any, qtbot: Any, segment_film: Begin
) -> None:
    segment_film(20)
    dock.pause_button.click()
    assert dock.pause_button.text() == "Continue"
    assert re.fullmatch(r"Paused: tile \d+ of 20", dock.progress.format())

    def is_still() -> bool:
        done = dock.runner.clock.done
        qtbot.wait(200)
        return bool(dock.runner.clock.done == done)

    qtbot.waitUntil(is_still)  # once the tile at hand is done
    assert dock.runner.clock.done < 20
    assert dock.stop_button.isEnabled()
    assert not dock.segment_button.isEnabled()
    active = dock.runner.clock.seconds
    qtbot.wait(100)
    assert dock.runner.clock.seconds == active  # the pause is left out
    dock.pause_button.click()
    assert dock.pause_button.text() == "Pause"
    assert not dock.progress.format().startswith("Paused")
    idle()
    assert dock.runner.clock.seconds > active
    assert painted.layers["film labels"].data[-1].any()
    assert dock.pause_button.text() == "Pause"


def test_stop_while_paused(
    dock: Any, idle: Callable[[], None], painted: Any, qtbot: Any, segment_film: Begin
) -> None:
    segment_film(60)
    dock.pause_button.click()
    dock.stop()
    idle()
    assert "film labels so far" in painted.layers
    assert dock.pause_button.text() == "Pause"
    dock.segment()  # and the next run is not paused
    qtbot.waitUntil(lambda: dock.progress.format().startswith("tile"))
    painted.window.remove_dock_widget(dock.parent())
    assert not dock.runner.is_running


def test_the_viewer_is_closed_while_paused(
    dock: Any, painted: Any, qtbot: Any, segment_film: Begin
) -> None:
    segment_film(60)
    dock.pause_button.click()
    runner = dock.runner
    painted.close()
    qtbot.waitUntil(lambda: not runner.is_running)


def test_seams(dock: Any, idle: Callable[[], None]) -> None:
    dock.form.more.tile.value = 64
    dock.form.more.seams.click()
    assert dock.stop_button.isEnabled()
    idle()
    assert "No seams" in dock.message.text
    assert dock.form.more.seams.isEnabled()


def test_a_quick_halo(dock: Any, idle: Callable[[], None], painted: Any) -> None:
    dock.form.more.halo.value = "quick"
    dock.segment()
    idle()
    assert "halo" in dock.message.text
    assert painted.layers["nuclei labels"].data.any()


def test_the_image_is_removed_while_it_is_segmented(
    idle: Callable[[], None], painted: Any, segment_film: Begin
) -> None:
    segment_film(10)
    painted.layers.remove("film")
    idle()
    assert len(painted.layers["film labels"].data) == 10


def test_settings_are_remembered(
    dock: Any, idle: Callable[[], None], docks: Callable[[type], Any]
) -> None:
    dock.form.more.tile.value = 128
    dock.form.more.probability.value = True
    dock.segment()
    idle()
    again = docks(SegmentDock)
    assert (again.form.more.tile.value, again.form.more.probability.value) == (128, True)

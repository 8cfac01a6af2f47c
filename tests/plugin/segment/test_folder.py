"""All images of a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import napari_scribe as ns
from napari_scribe.evaluation.metrics import evaluate
from napari_scribe.io.model_folder import model_folder
from napari_scribe.plugin.widgets.scope_picker import FOLDER
from napari_scribe.samples import Sample


@pytest.fixture
def folder(tmp_path: Path, sample: Sample) -> Path:
    images = tmp_path / "plate"
    images.mkdir()
    for name in ("a", "b", "d"):
        tifffile.imwrite(images / f"{name}.tif", sample.image)
    (images / "c.tif").write_bytes(b"no image")
    return images


def test_a_folder(dock: Any, idle: Callable[[], None], folder: Path, sample: Sample) -> None:
    for layer in list(dock.viewer.layers):  # it takes no layer
        dock.viewer.layers.remove(layer)
    dock.form.scope.combo.value = FOLDER
    dock.segment()
    assert "Choose a folder of images" in dock.message.text
    dock.form.scope.images.value = folder
    out = folder / "labels"
    assert dock.form.scope.out.value == out
    assert dock.message.text == ""  # it is mended
    assert dock.segment_button.isEnabled()
    dock.segment()
    idle()
    assert sorted(path.name for path in out.glob("*")) == ["a.tif", "b.tif", "d.tif"]
    assert tifffile.imread(out / "d.tif").shape == sample.image.shape
    assert "3 of 4 images segmented" in dock.message.text
    assert "1 failed: c.tif (Could not read" in dock.message.text
    (out / "b.tif").unlink()
    dock.segment()
    idle()
    assert "1 of 4 images segmented" in dock.message.text
    assert ", 2 done before. Results are in" in dock.message.text


def test_a_folder_is_stopped_and_goes_on(
    dock: Any, idle: Callable[[], None], folder: Path, qtbot: Any
) -> None:
    (folder / "c.tif").unlink()
    dock.form.scope.combo.value = FOLDER
    dock.form.scope.images.value = folder
    dock.segment()
    qtbot.waitUntil(lambda: dock.progress.format().startswith("image 1 of 3"))
    dock.pause_button.click()
    dock.stop()
    idle()
    assert dock.message.text.startswith("Stopped: ")
    assert "Segment goes on from here" in dock.message.text
    dock.segment()
    idle()
    assert len(list((folder / "labels").glob("*.tif"))) == 3


def test_results_do_not_go_among_the_images(dock: Any, folder: Path) -> None:
    dock.form.scope.combo.value = FOLDER
    dock.form.scope.images.value = folder
    dock.form.scope.out.value = folder
    dock.segment()
    assert "another folder for the results" in dock.message.text


def test_two_images_of_one_name(dock: Any, folder: Path) -> None:
    tifffile.imwrite(folder / "a.tiff", np.zeros((9, 9)))
    dock.form.scope.combo.value = FOLDER
    dock.form.scope.images.value = folder
    dock.segment()
    assert "More than one image would become a.tif" in dock.message.text


@pytest.fixture
def choose(dock: Any, folder: Path) -> None:
    """Three images that can be read, chosen in the dock."""
    (folder / "c.tif").unlink()
    dock.form.scope.combo.value = FOLDER
    dock.form.scope.images.value = folder


@pytest.fixture
def other(model: Any, sample: Sample) -> Path:
    """Another model, which has learned next to nothing."""
    worse = ns.run(ns.train([sample.image], [sample.paint], model.recipe, steps=2))
    return worse.save(model_folder() / "other.zip")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_results_of_another_model_are_asked_about_before_any_work(
    dock: Any, idle: Callable[[], None], choose: None, folder: Path, other: Path
) -> None:
    out = folder / "labels"
    dock.segment()
    idle()
    (out / "a.tif").unlink()
    before = contents(out)
    dock.form.model.set_value(other)
    dock.segment()
    idle()
    assert dock.message.text == (
        f"{out} has other results already, of another model, image or setting, for 2 of 3 images. "
        "Replace them?"
    )
    dock.message.answers["Cancel"].click()
    assert dock.message.text == ""
    assert contents(out) == before
    dock.segment()
    idle()
    dock.form.scope.images.value = None  # what was asked about is what is done
    dock.message.answers["Replace all"].click()
    idle()
    assert "3 of 3 images segmented" in dock.message.text
    after = contents(out)
    assert after.keys() == before.keys() | {"a.tif"}
    assert all(after[name] != before[name] for name in before)


def test_what_this_model_made_stays_when_the_others_are_replaced(
    dock: Any, idle: Callable[[], None], choose: None, folder: Path
) -> None:
    out = folder / "labels"
    dock.segment()
    idle()
    (out / "b.tif").write_bytes(b"something dear")
    unchanged = (out / "a.tif").stat().st_mtime_ns
    dock.segment()
    idle()
    assert "for 1 of 3 images. Replace it?" in dock.message.text
    assert (out / "b.tif").read_bytes() == b"something dear"
    dock.message.answers["Replace it"].click()
    idle()
    assert "1 of 3 images segmented" in dock.message.text
    assert ", 2 done before" in dock.message.text
    assert (out / "a.tif").stat().st_mtime_ns == unchanged
    assert tifffile.imread(out / "b.tif").any()


def test_an_unfinished_result_of_another_setting_is_asked_about_too(
    dock: Any, idle: Callable[[], None], choose: None, folder: Path, qtbot: Any
) -> None:
    dock.segment()
    qtbot.waitUntil(lambda: dock.progress.format().startswith("image 1 of 3"))
    dock.pause_button.click()
    dock.stop()
    idle()
    assert not list((folder / "labels").glob("[abd].tif"))
    dock.form.more.probability.value = True
    dock.segment()
    idle()
    assert "for 1 of 3 images. Replace it?" in dock.message.text


def test_channels_of_a_folder(
    dock: Any, idle: Callable[[], None], folder: Path, sample: Sample
) -> None:
    grey = (sample.image / sample.image.max() * 255).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 255, grey.shape, np.uint8)
    for name in "abd":
        colours = np.stack([noise, grey, noise], -1)
        tifffile.imwrite(folder / f"{name}.tif", colours, photometric="rgb")
    tifffile.imwrite(folder / "e.tif", sample.image)  # has one channel: no choice
    chosen = dock.form.folder_channels
    dock.form.scope.images.value = folder
    assert not chosen.native.isVisibleTo(dock)
    dock.form.scope.combo.value = FOLDER
    assert chosen.native.isVisibleTo(dock)
    assert chosen.needs.text() == "The model needs 1 of these 3 channels: tick only the right one."
    dock.segment()  # no more of them are ticked than that, or all images would fail
    assert dock.message.text == chosen.needs.text()
    assert not dock.runner.is_running
    for box in chosen.picker.boxes:
        box.setChecked(False)
    dock.segment()
    assert "No channel is ticked" in dock.message.text
    chosen.picker.boxes[1].setChecked(True)
    dock.segment()
    idle()
    assert "4 of 5 images segmented" in dock.message.text
    for name in "abe":
        labels = tifffile.imread(folder / "labels" / f"{name}.tif")
        assert evaluate(labels, sample.truth).ap[0] > 0.3
    dock.form.scope.images.value = folder / "labels"  # these have one channel
    assert not chosen.native.isVisibleTo(dock)


def test_notes_of_single_images_are_told(
    dock: Any, idle: Callable[[], None], choose: None, folder: Path
) -> None:
    tifffile.imwrite(folder / "blank.tif", np.full((64, 64), 7, np.uint8))
    dock.segment()
    idle()
    assert "4 of 4 images segmented" in dock.message.text
    assert "Notes: blank.tif (blank was taken for empty" in dock.message.text
    assert "a.tif" not in dock.message.text


def test_a_place_where_nothing_can_be_written(
    dock: Any, idle: Callable[[], None], choose: None, folder: Path
) -> None:
    (folder / "labels").write_bytes(b"a file")
    dock.segment()
    idle()
    assert "is not a folder" in dock.message.text


def test_one_of_several_images_in_the_files_of_a_folder(
    dock: Any, idle: Callable[[], None], tmp_path: Path, sample: Sample
) -> None:
    """The choice is hidden where files hold one image; what is left out and unclear is told."""
    images = tmp_path / "several"
    images.mkdir()
    for name in ("a", "b"):
        with tifffile.TiffWriter(images / f"{name}.tif", ome=True) as file:
            for rows in (64, 96):
                file.write(sample.image[:rows, :96], metadata={"Name": f"{rows} rows"})
    tifffile.imwrite(images / "a_masks.tif", sample.truth)
    picker = dock.form.folder_channels.series
    dock.form.scope.combo.value = FOLDER
    assert picker.native.isHidden()
    dock.form.scope.images.value = images
    assert not picker.native.isHidden() and not dock.form.folder_channels.native.isHidden()
    assert [picker.combo.native.itemText(i)[:10] for i in range(len(picker.combo))] == [
        "0: 64 rows",
        "1: 96 rows",
    ]
    dock.segment()
    idle()
    assert tifffile.imread(images / "labels" / "a.tif").shape == (64, 96)
    assert "a_masks.tif (left out, as labels of an image here)" in dock.message.text
    assert "it holds 2 images, of which the first was taken: series 0: 64 rows" in dock.message.text
    picker.combo.value = 1
    dock.segment()
    idle()
    assert "other results already" in dock.message.text  # they are of the other images
    dock.form.scope.out.value = tmp_path / "second"
    dock.segment()
    idle()
    assert tifffile.imread(tmp_path / "second" / "b.tif").shape == (96, 96)
    dock.form.scope.images.value = tmp_path
    assert picker.native.isHidden() and picker.value() == 0

"""The Measure dock measures the files of a folder, as the command does, into one table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_scribe.plugin.measure.dock import MeasureDock
from napari_scribe.plugin.measure.form import FOLDER

LONG = 60_000


@pytest.fixture
def dock(viewer: Any) -> Any:
    """The dock in a viewer with nothing open."""
    made = MeasureDock(viewer)
    viewer.window.add_dock_widget(made)
    made.form.scope.value = FOLDER
    yield made
    made.close_down()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images, and labels of two objects in each; they have units."""
    labels = np.zeros((32, 40), np.uint16)
    labels[2:8, 3:9], labels[12:20, 20:30] = 1, 2
    options: Any = {"resolution": (2, 2), "metadata": {"axes": "YX", "unit": "um"}, "imagej": True}
    for kind in ("labels", "images"):
        (tmp_path / kind).mkdir()
    for i, name in enumerate("abc", start=1):
        tifffile.imwrite(tmp_path / "labels" / f"{name}_labels.tif", labels, **options)
        tifffile.imwrite(tmp_path / "images" / f"{name}.tif", labels * 10 * i, **options)
    return tmp_path


def test_a_folder_becomes_the_table_of_the_command(
    dock: Any, idle: Callable[[], None], qtbot: Any, folder: Path, call: Any, viewer: Any
) -> None:
    form = dock.form
    assert dock.measure_button.isEnabled() and not form.folder.native.isHidden()
    assert not form.image.enabled and not form.images.isEnabled()
    dock.measure_button.click()
    assert dock.message.text == "Choose a folder of labels."
    form.folder.label_folder.value = folder / "labels"
    form.folder.image_folder.value = folder / "images"
    dock.measure_button.click()
    idle()
    assert dock.message.text == ""
    table = dock.results.table
    assert list(table["image"]) == ["a", "a", "b", "b", "c", "c"]
    assert "6 objects, median area 14.5 µm²" in dock.results.counts.text()
    dock.save(folder / "dock.csv")
    idle()
    out = folder / "command.csv"
    said = call("measure", folder / "labels", folder / "images", "--out", out)
    assert said.code == 0, said.err
    assert (folder / "dock.csv").read_bytes() == out.read_bytes()

    viewer.add_labels(np.ones((9, 9), int))  # the table stays, and is of no layer
    assert dock.results.table is table and not dock.links
    dock.sort()
    assert "files are not sorted into classes" in dock.message.text
    form.more.edge.value = True
    assert len(dock.results.table) == 6
    form.folder.image_folder.value = None
    dock.measure_button.click()
    idle()
    assert not any(name.startswith("intensity") for name in dock.results.table.columns)
    form.scope.value = "all"
    assert form.image.enabled and form.folder.native.isHidden()
    dock.measure_button.click()
    idle()
    assert len(dock.results.table) == 0  # what touches the edge is left out


def test_what_is_wrong_with_a_file_is_told(
    dock: Any, idle: Callable[[], None], folder: Path
) -> None:
    form = dock.form
    form.folder.label_folder.value = folder / "labels"
    form.folder.image_folder.value = folder / "images"
    (folder / "labels" / "b_labels.tif").unlink()
    dock.measure_button.click()
    idle()
    assert "b.tif" in dock.message.text
    tifffile.imwrite(folder / "labels" / "b_labels.tif", np.zeros((9, 9), np.uint16))
    dock.measure_button.click()
    idle()
    assert "b_labels" in dock.message.text
    assert dock.results.table is None


def test_pieces_are_asked_about_once_for_all_files(
    dock: Any, idle: Callable[[], None], qtbot: Any, folder: Path
) -> None:
    mask = np.zeros((64, 64), np.uint8)
    for y in range(4, 60, 12):
        for x in range(4, 60, 12):
            mask[y : y + 5, x : x + 5] = 1
    for name in "ab":
        tifffile.imwrite(folder / "labels" / f"{name}_labels.tif", mask)
    dock.form.folder.label_folder.value = folder / "labels"
    dock.measure_button.click()
    idle()
    assert set(dock.message.answers) == {"Each piece", "Each number"}
    dock.message.answers["Each piece"].click()
    idle()
    assert list(dock.results.table["image"]).count("a_labels") == 25
    assert len(dock.results.table) == 52


def test_stop_keeps_what_was_measured(
    dock: Any, idle: Callable[[], None], qtbot: Any, folder: Path
) -> None:
    from napari_scribe.evaluation.measure_files import FilesStep

    steps: list[Any] = []

    def on_step(step: Any) -> None:
        steps.append(step)
        if isinstance(step, FilesStep) and step.number == 1 and not dock.is_stopping:
            dock.stop()

    labels = np.kron(np.arange(1, 901).reshape(30, 30), np.ones((10, 10), int)).astype(np.uint16)
    for name in "abc":
        tifffile.imwrite(folder / "labels" / f"{name}_labels.tif", labels)
    dock.runner.record.connect(on_step)
    dock.form.folder.label_folder.value = folder / "labels"
    dock.measure_button.click()
    idle()
    assert 0 < len(dock.results.table) < 3 * 900
    assert "Stopped" in dock.message.text

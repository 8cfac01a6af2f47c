"""The Measure dock: objects become a table that is linked with the layer, and are compared."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_scribe.evaluation.table import Measurements
from napari_scribe.plugin.measure.dock import MeasureDock
from napari_scribe.plugin.measure.table import TableView
from napari_scribe.samples import Sample

LONG = 60_000


@pytest.fixture
def dock(painted: Any, docks: Callable[[type], Any], sample: Sample) -> Any:
    """The dock, with the true objects as labels."""
    image = painted.layers["nuclei"]
    place = {"scale": image.scale, "units": image.units, "axis_labels": image.axis_labels}
    painted.add_labels(sample.truth.copy(), name="objects", **place)
    return docks(MeasureDock)


@pytest.fixture
def idle(dock: Any, qtbot: Any) -> Callable[[], None]:
    def wait() -> None:
        qtbot.waitUntil(lambda: not dock.runner.is_running, timeout=LONG)

    return wait


@pytest.fixture
def measured(dock: Any, idle: Callable[[], None]) -> Any:
    dock.measure()
    idle()
    assert dock.results.table is not None, dock.message.text
    return dock


def n_true(sample: Sample) -> int:
    return len(np.unique(sample.truth)) - 1


def test_labels_and_image_are_chosen_and_measured(
    measured: Any, painted: Any, sample: Sample
) -> None:
    assert measured.form.image.layer.value is painted.layers["objects"]
    assert [box.text() for _, box in measured.form.images.boxes] == ["nuclei"]
    table = measured.results.table
    assert len(table) == n_true(sample)
    assert {"area (µm²)", "intensity mean", "touches edge"} <= set(table.columns)
    assert f"{len(table)} objects, median area" in measured.results.counts.text()
    assert "µm²" in measured.results.counts.text()
    first = table["label"][0]
    of_it = sample.truth == first
    assert table["area (µm²)"][0] == of_it.sum() / 4
    assert table["intensity mean"][0] == pytest.approx(sample.image[of_it].mean())
    features = painted.layers["objects"].features
    assert features["index"].tolist() == table["label"].tolist()
    assert features["area (µm²)"].tolist() == table["area (µm²)"].tolist()


def test_a_row_goes_to_its_object_and_an_object_to_its_row(measured: Any, painted: Any) -> None:
    layer, view = painted.layers["objects"], measured.results.view
    view.sort_by("area (µm²)")
    areas = measured.results.table["area (µm²)"]
    index = view.model().index(len(areas) - 1, 0)
    view.setCurrentIndex(index)  # as a click or a key does
    largest = int(areas.argmax())
    table = measured.results.table
    assert layer.selected_label == table["label"][largest]
    center = painted.scene.camera.center[-2:]
    wanted = [table[f"centroid {a} (µm)"][largest] for a in "yx"]
    assert np.allclose(center, wanted)
    other = int(areas.argmin())
    layer.selected_label = int(table["label"][other])  # picked in the viewer
    assert view.row() == other
    assert np.allclose(painted.scene.camera.center[-2:], wanted)  # what is looked at stays


def test_a_click_in_the_viewer_goes_to_the_row(
    make_napari_viewer: Callable[..., Any], qtbot: Any, sample: Sample
) -> None:
    viewer = make_napari_viewer(show=True)
    layer = viewer.add_labels(sample.truth.copy(), name="objects")
    dock = MeasureDock(viewer)
    viewer.window.add_dock_widget(dock)
    dock.measure()
    qtbot.waitUntil(lambda: dock.results.table is not None, timeout=LONG)
    row = len(dock.results.table) // 2
    number = int(dock.results.table["label"][row])
    dock.results.view.setCurrentIndex(dock.results.view.model().index(row, 0))
    dock.results.view.clearSelection()
    dock.results.view.setCurrentIndex(dock.results.view.model().index(0, 0))
    dock.link.go_to(row)  # into the middle of the canvas
    qtbot.wait(50)
    canvas = viewer.window._qt_viewer.canvas.native
    middle = QPoint(canvas.width() // 2, canvas.height() // 2)
    layer.selected_label = 1
    QTest.mouseMove(canvas, middle)
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=middle)
    found = dock.results.view.row()
    assert dock.results.table["label"][found] == number
    dock.close_down()
    assert not [c for c in viewer.mouse_drag_callbacks if "Link" in repr(c)]


def test_the_table_is_saved_as_it_is_shown(measured: Any, tmp_path: Path) -> None:
    measured.results.view.sort_by("area (µm²)")
    measured.results.save_to(tmp_path / "table.csv")
    with open(tmp_path / "table.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    areas = [float(row["area (µm²)"]) for row in rows]
    assert areas == sorted(areas) and {row["image"] for row in rows} == {"nuclei"}
    assert "table.csv" in measured.message.text


def test_the_histogram_follows_the_column(measured: Any) -> None:
    measured.results.column.value = "eccentricity"
    assert measured.results.histogram.axes.get_xlabel() == "eccentricity"
    counted = sum(patch.get_height() for patch in measured.results.histogram.axes.patches)
    assert counted == len(measured.results.table)
    head = measured.results.view.horizontalHeader()
    head.sectionClicked.emit(measured.results.view.names.index("solidity"))
    assert measured.results.column.value == "solidity"


def test_what_touches_the_edge_is_left_out_on_request(measured: Any) -> None:
    n_cut = int(measured.shown.table["touches edge"].sum())
    assert n_cut and f"{n_cut} touch" in measured.results.counts.text()
    measured.form.more.edge.value = True
    assert len(measured.results.table) == len(measured.shown.table) - n_cut


def test_edited_labels_are_told_to_be_outdated(measured: Any, painted: Any) -> None:
    assert not measured.results.outdated.text()
    painted.layers["objects"].paint((100, 100), 3)
    assert "press Measure again" in measured.results.outdated.text()


def test_features_of_others_stay(dock: Any, painted: Any, idle: Callable[[], None]) -> None:
    layer = painted.layers["objects"]
    numbers = np.unique(layer.data)[1:]
    layer.features = {"index": numbers[::-1], "mine": numbers[::-1] * 10}
    for _ in range(2):
        dock.measure()
        idle()
    assert (layer.features["mine"] == layer.features["index"] * 10).all()


def test_a_movie_has_rows_a_frame_and_features_of_the_frame_in_view(
    dock: Any, painted: Any, idle: Callable[[], None], sample: Sample
) -> None:
    place = {"axis_labels": ("t", "y", "x"), "scale": (1, 0.5, 0.5)}
    labels = np.stack([sample.truth, np.roll(sample.truth, 9, axis=0) * (sample.truth != 3)])
    images = np.stack([sample.image, sample.image * 2])
    painted.add_image(images, name="movie", **place)
    painted.add_labels(labels, name="tracks", **place)
    form = dock.form
    assert form.image.layer.value is painted.layers["tracks"]
    assert form.image.stack.value == "T"
    assert [box.text() for _, box in form.images.boxes] == ["movie"]
    dock.measure()
    idle()
    table = dock.results.table
    assert set(table["frame"]) == {0, 1}
    assert len(table) == sum(len(np.unique(frame)) - 1 for frame in labels)
    layer = painted.layers["tracks"]
    painted.dims.set_point(0, 0)
    assert len(layer.features) == (table["frame"] == 0).sum()
    rows = np.flatnonzero(table["frame"] == 1)
    dock.results.view.setCurrentIndex(dock.results.view.model().index(int(rows[2]), 0))
    assert painted.dims.current_step[0] == 1
    assert layer.features["intensity mean"].tolist() == table["intensity mean"][rows].tolist()
    form.scope.value = "in view"
    dock.measure()
    idle()
    assert set(dock.results.table["frame"]) == {1}


def test_pieces_of_a_mask_become_objects_on_request(
    dock: Any, painted: Any, idle: Callable[[], None], sample: Sample
) -> None:
    painted.add_labels((sample.truth > 0).astype(np.uint8), name="mask")
    dock.measure()
    idle()
    assert "separate pieces" in dock.message.text
    dock.message.answers["Each piece"].click()
    idle()
    assert "mask objects" in painted.layers
    assert len(dock.results.table) == painted.layers["mask objects"].data.max() > 3


def test_the_truth_says_what_is_found_false_and_missed(
    dock: Any, painted: Any, idle: Callable[[], None], sample: Sample
) -> None:
    labels = sample.truth.copy()
    numbers = np.unique(labels)[1:]
    missed = int(numbers[3])
    labels[labels == missed] = 0
    free = np.argwhere(
        np.lib.stride_tricks.sliding_window_view(sample.truth, (9, 9)).max((2, 3)) == 0
    )[0]
    labels[free[0] : free[0] + 9, free[1] : free[1] + 9] = 5000
    painted.add_labels(labels, name="result", scale=(0.5, 0.5))
    dock.comparison.truth.value = painted.layers["objects"]
    assert dock.form.image.layer.value is painted.layers["result"]
    dock.compare()
    idle()
    n = n_true(sample)
    words = dock.comparison.words.text()
    assert f"{n} true objects: {n - 1} found, 1 missed; 1 false" in words, dock.message.text
    shown = painted.layers["result compared"]
    assert (shown.data == 2).sum() == (sample.truth == missed).sum()
    assert (shown.data == 1).sum() == 81
    view = dock.comparison.table
    assert [view.model().index(i, 0).data() for i in range(3)] == ["false", "missed", "found"]
    view.setCurrentIndex(view.model().index(1, 0))
    center = np.argwhere(sample.truth == missed).mean(0) / 2
    assert np.allclose(painted.scene.camera.center[-2:], center)
    dock.compare()  # again: one layer, not two
    idle()
    assert [layer.name for layer in painted.layers].count("result compared") == 1


def test_objects_are_sorted_by_painted_examples(
    measured: Any, painted: Any, idle: Callable[[], None], sample: Sample
) -> None:
    measured.sort()
    assert "Press New" in measured.message.text
    measured.new_examples()
    layer = painted.layers["objects class examples"]
    assert layer.mode == "paint" and painted.layers.selection.active is layer
    assert measured.form.image.layer.value is painted.layers["objects"]  # as before
    table = measured.results.table
    rows = np.argsort(table["area (µm²)"])
    large = rows >= 0
    large[rows[: len(rows) // 2]] = False
    for row in [*rows[:4], *rows[-4:]]:
        layer.data[sample.truth == table["label"][row]] = 1 + large[row]
    measured.classes.names.setText("small, large")
    measured.sort()
    idle()
    kinds = measured.results.table["class"]
    assert set(kinds) == {"small", "large"}, measured.message.text
    assert (kinds[rows[:4]] == "small").all() and (kinds[rows[-4:]] == "large").all()
    assert np.mean((kinds == "large") == large) > 0.8
    shown = painted.layers["objects classes"].data
    assert (shown[sample.truth == table["label"][rows[0]]] == 1).all()
    assert painted.layers["objects"].features["class"].tolist() == kinds.tolist()
    assert "8 examples" in measured.classes.found.text()
    heights = [c for c in measured.results.histogram.axes.containers]
    assert len(heights) == 2  # a colour each


def test_what_cannot_be_done_is_said(dock: Any, painted: Any, idle: Callable[[], None]) -> None:
    painted.layers.remove("nuclei annotations")
    assert dock.comparison.truth.value is None  # the measured labels are no truth
    dock.compare()
    assert "in a layer other than" in dock.message.text
    painted.add_labels(np.zeros((256, 256), int), name="empty")
    dock.measure()
    idle()
    assert "no objects" in dock.message.text
    painted.layers.remove("empty")
    assert dock.results.table is None


def test_nothing_is_left_when_the_dock_is_closed(measured: Any, painted: Any) -> None:
    layer = painted.layers["objects"]
    before = len(painted.mouse_drag_callbacks)
    measured.close_down()
    assert len(painted.mouse_drag_callbacks) == before - 1
    layer.selected_label = 7
    layer.paint((9, 9), 2)
    assert not measured.results.outdated.text()


def test_a_hundred_thousand_rows_sort_without_moving_a_row(qtbot: Any) -> None:
    rng = np.random.default_rng(0)
    n = 100_000
    values = rng.normal(size=n)
    values[:5] = np.nan
    names = rng.choice(["a", "b"], n).astype(object)
    table = Measurements({"label": np.arange(n), "area (px²)": values, "class": names})
    view = TableView("")
    qtbot.addWidget(view)
    view.show_table(table)
    view.show()
    view.go_to(77)
    view.sort_by("area (px²)")
    assert view.row() == 77  # what was chosen stays chosen
    order = view.order()
    assert (np.diff(values[order][:-5]) >= 0).all() and np.isnan(values[order][-5:]).all()
    view.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    order = view.order()
    assert (np.diff(values[order][:-5]) <= 0).all() and np.isnan(values[order][-5:]).all()
    view.sort_by("class")
    assert (names[view.order()] == np.sort(names)).all()

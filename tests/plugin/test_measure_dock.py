"""The Measure dock: objects become a table that is linked with the layer, and are compared.

Each test plays a sitting, as a viewer takes longer to open than all that is asked of the dock.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Points
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_scribe.evaluation.table import Measurements
from napari_scribe.image import Image
from napari_scribe.plugin.correct.layers import editable_copy
from napari_scribe.plugin.layers.purpose import MARK
from napari_scribe.plugin.measure.dock import MeasureDock
from napari_scribe.plugin.measure.job import MeasureRequest
from napari_scribe.plugin.measure.table import TableView
from napari_scribe.plugin.train.form import TrainForm
from napari_scribe.samples import Sample, nuclei

LONG = 60_000
PLACE: dict[str, Any] = {"scale": (0.5, 0.5), "units": ("um", "um"), "axis_labels": ("y", "x")}


@pytest.fixture(scope="module")
def small() -> Sample:
    """Some twenty nuclei."""
    return nuclei((192, 192), seed=1)


@pytest.fixture
def dock(viewer: Any, small: Sample, qtbot: Any) -> Any:
    """The dock, with nuclei and their true objects as labels."""
    viewer.add_image(small.image, name="nuclei", **PLACE)
    viewer.add_labels(small.truth.copy(), name="objects", **PLACE)
    made = MeasureDock(viewer)
    viewer.window.add_dock_widget(made)
    yield made
    made.close_down()


def rings(viewer: Any) -> list[Points]:
    """The layers that say where to look."""
    return [layer for layer in viewer.layers if isinstance(layer, Points)]


def go_to(view: TableView, row: int) -> None:
    """Go to a row as a click or a key does."""
    line = int(np.flatnonzero(view.order() == row)[0])
    view.setCurrentIndex(view.model().index(line, 0))


def click_in_the_middle(viewer: Any, qtbot: Any) -> None:
    """Click the pixel in the middle of the canvas, once what was changed is drawn."""
    qtbot.wait(50)
    canvas = viewer.window._qt_viewer.canvas.native
    middle = QPoint(canvas.width() // 2, canvas.height() // 2)
    QTest.mouseMove(canvas, middle)
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=middle)


def test_objects_are_measured_looked_at_and_saved(
    make_napari_viewer: Callable[..., Any], qtbot: Any, small: Sample, tmp_path: Path
) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.add_image(small.image, name="nuclei", **PLACE)
    layer = viewer.add_labels(small.truth.copy(), name="objects", **PLACE)
    dock = MeasureDock(viewer)
    viewer.window.add_dock_widget(dock)
    callbacks = len(viewer.mouse_drag_callbacks)
    assert dock.form.image.layer.value is layer
    assert [box.text() for _, box in dock.form.images.boxes] == ["nuclei"]
    dock.measure_button.click()
    qtbot.waitUntil(lambda: not dock.runner.is_running, timeout=LONG)

    table, view = dock.results.table, dock.results.view
    assert len(table) == len(np.unique(small.truth)) - 1 > 9
    assert f"{len(table)} objects, median area" in dock.results.counts.text()
    of_it = small.truth == table["label"][0]
    assert table["area (µm²)"][0] == of_it.sum() / 4
    assert table["intensity mean"][0] == pytest.approx(small.image[of_it].mean())
    assert layer.features["index"].tolist() == table["label"].tolist()
    assert layer.features["area (µm²)"].tolist() == table["area (µm²)"].tolist()

    # a row goes to its object, and an object to its row
    view.sort_by("area (µm²)")
    row = int(np.flatnonzero(~table["touches edge"])[3])
    go_to(view, row)
    wanted = [table[f"centroid {a} (µm)"][row] for a in "yx"]
    assert layer.selected_label == table["label"][row]
    assert np.allclose(viewer.scene.camera.center[-2:], wanted)
    (ring,) = rings(viewer)
    assert np.allclose(ring.data_to_world(ring.data[0]), wanted, atol=0.26)  # half a pixel
    assert viewer.layers.selection.active is layer
    layer.selected_label = int(table["label"][0])  # picked in the viewer
    assert view.row() == 0
    first = [table[f"centroid {a} (µm)"][0] for a in "yx"]
    assert rings(viewer) == [ring]
    assert np.allclose(ring.data_to_world(ring.data[0]), first, atol=0.26)
    assert np.allclose(viewer.scene.camera.center[-2:], wanted)  # what is looked at stays
    click_in_the_middle(viewer, qtbot)
    assert view.row() == row

    # the histogram follows the column, and the file the order
    dock.results.column.value = "eccentricity"
    axes = dock.results.histogram.axes
    assert axes.get_xlabel() == "eccentricity"
    assert sum(patch.get_height() for patch in axes.patches) == len(table)
    view.horizontalHeader().sectionClicked.emit(view.names.index("solidity"))
    assert dock.results.column.value == "solidity"
    view.sort_by("area (µm²)")
    dock.save(tmp_path / "table.csv")
    qtbot.waitUntil(lambda: not dock.runner.is_running, timeout=LONG)
    with open(tmp_path / "table.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    areas = [float(row["area (µm²)"]) for row in rows]
    assert areas == sorted(areas) and {row["image"] for row in rows} == {"nuclei"}
    assert "table.csv" in dock.message.text
    written = (tmp_path / "table.csv").read_bytes()
    view.sort_by("solidity")
    dock.save(tmp_path / "table")  # no dialog has asked about the file with the suffix
    qtbot.waitUntil(lambda: not dock.runner.is_running, timeout=LONG)
    assert "exists already" in dock.message.text
    assert (tmp_path / "table.csv").read_bytes() == written
    view.sort_by("area (µm²)")

    # what the edge cuts is left out on request; edits make the table old
    n_cut = int(table["touches edge"].sum())
    assert n_cut and f"{n_cut} touch" in dock.results.counts.text()
    dock.form.more.edge.value = True
    assert len(dock.results.table) == len(table) - n_cut
    assert not rings(viewer)  # the rows are others
    go_to(view, 0)
    assert rings(viewer)
    assert not dock.results.outdated.text()
    layer.paint((100, 100), 3)
    assert "press Measure again" in dock.results.outdated.text()
    dock.measure()
    layer.paint((120, 100), 3)  # while it is measured
    qtbot.waitUntil(lambda: not dock.runner.is_running, timeout=LONG)
    assert "press Measure again" in dock.results.outdated.text()
    dock.measure()
    qtbot.waitUntil(lambda: not dock.runner.is_running, timeout=LONG)
    assert not dock.results.outdated.text()
    layer.paint((100, 100), 3)

    # of two objects under the mouse, that of the selected layer is meant, else the topmost one
    above = viewer.add_labels(small.truth.copy(), name="above", **PLACE)
    dock.form.scope.value = "open"
    dock.measure_button.click()
    qtbot.waitUntil(lambda: not dock.runner.is_running, timeout=LONG)
    go_to(view, int(np.flatnonzero(dock.results.table["image"] == "objects")[0]))
    image = viewer.layers["nuclei"]
    for selected, is_shown, meant in (
        (layer, True, "objects"),
        (image, False, "objects"),
        (image, True, "above"),
    ):
        viewer.layers.selection.active, above.visible = selected, is_shown
        click_in_the_middle(viewer, qtbot)
        assert dock.results.table["image"][view.row()] == meant
    assert rings(viewer)
    viewer.layers.remove(above)  # the ring goes with it
    qtbot.waitUntil(lambda: not rings(viewer), timeout=LONG)
    go_to(view, 0)
    assert rings(viewer)
    dock.hide()  # and with the table
    assert not rings(viewer)
    dock.show()

    dock.results.outdated.setText("")
    dock.close_down()
    assert not rings(viewer)
    assert len(viewer.mouse_drag_callbacks) == callbacks
    layer.paint((90, 90), 3)
    assert not dock.results.outdated.text()


def test_movies_masks_and_features_of_others(
    dock: Any, viewer: Any, idle: Callable[[], None], small: Sample
) -> None:
    layer = viewer.layers["objects"]
    numbers = np.unique(layer.data)[1:]
    layer.features = {"index": numbers[::-1], "mine": numbers[::-1] * 10}
    for _ in range(2):
        dock.measure()
        idle()
    assert (layer.features["mine"] == layer.features["index"] * 10).all()
    assert "area (µm²)" in layer.features

    place = {"axis_labels": ("t", "y", "x"), "scale": (1, 0.5, 0.5)}
    labels = np.stack([small.truth, small.truth * (small.truth != numbers[2])])
    viewer.add_image(np.stack([small.image, small.image * 2]), name="movie", **place)
    layer = viewer.add_labels(labels, name="tracks", **place)
    form = dock.form
    assert form.image.layer.value is layer and dock.results.table is None
    assert form.image.stack.value == "T"
    assert [box.text() for _, box in form.images.boxes] == ["movie"]
    dock.measure()
    idle()
    table = dock.results.table
    assert np.bincount(table["frame"]).tolist() == [len(numbers), len(numbers) - 1]
    viewer.dims.set_point(0, 0)
    assert len(layer.features) == len(numbers)
    rows = np.flatnonzero(table["frame"] == 1)
    go_to(dock.results.view, int(rows[2]))
    assert viewer.dims.current_step[0] == 1
    assert layer.features["intensity mean"].tolist() == table["intensity mean"][rows].tolist()
    form.scope.value = "in view"
    dock.measure()
    idle()
    assert set(dock.results.table["frame"]) == {1}

    viewer.add_labels((small.truth > 0).astype(np.uint8), name="mask")
    dock.measure()
    idle()
    assert "separate pieces" in dock.message.text
    dock.message.answers["Each piece"].click()
    idle()
    pieces = viewer.layers["mask objects"]
    assert dock.form.image.layer.value is pieces
    assert len(dock.results.table) == pieces.data.max() > 3

    mark = {MARK: {"purpose": "annotations", "source": "nuclei"}}
    viewer.add_labels(small.paint, name="paint", metadata=mark, **PLACE)
    assert dock.form.image.layer.value is pieces  # somebody paints, and goes on looking at these
    dock.form.image.layer.value = viewer.layers["paint"]
    dock.measure()
    idle()
    assert dock.results.table["label"].tolist() == np.unique(small.paint)[2:].tolist()  # no 0, 1

    viewer.add_labels(np.zeros((192, 192), int), name="empty")
    dock.measure()
    idle()
    assert "no objects" in dock.message.text


def test_objects_are_compared_with_the_truth_and_sorted(
    dock: Any, viewer: Any, idle: Callable[[], None], small: Sample
) -> None:
    dock.compare()
    assert "in a layer other than" in dock.message.text
    labels = small.truth.copy()
    numbers = np.unique(labels)[1:]
    missed = int(numbers[3])
    labels[labels == missed] = 0
    windows = np.lib.stride_tricks.sliding_window_view(small.truth, (9, 9))
    free = np.argwhere(windows.max((2, 3)) == 0)[0]
    labels[free[0] : free[0] + 9, free[1] : free[1] + 9] = 5000
    viewer.add_labels(labels, name="result", **PLACE)
    dock.comparison.truth.value = viewer.layers["objects"]
    for _ in range(2):  # the second time in the place of the first
        dock.compare()
        idle()
    n = len(numbers)
    words = dock.comparison.words.text()
    assert f"{n} true objects: {n - 1} found, 1 missed; 1 false" in words, dock.message.text
    assert [layer.name for layer in viewer.layers].count("result compared") == 1
    shown = viewer.layers["result compared"].data
    assert np.array_equal(shown == 2, small.truth == missed)
    assert np.array_equal(shown == 1, labels == 5000)
    view = dock.comparison.table
    assert [view.model().index(i, 0).data() for i in range(3)] == ["false", "missed", "found"]
    view.setCurrentIndex(view.model().index(1, 0))
    center = np.argwhere(small.truth == missed).mean(0) / 2
    assert np.allclose(viewer.scene.camera.center[-2:], center)

    dock.sort()
    assert "Measure the objects first" in dock.message.text
    dock.measure()
    idle()
    dock.sort()
    assert "Press New" in dock.message.text
    dock.new_examples()
    layer = viewer.layers["result class examples"]
    assert layer.mode == "paint" and viewer.layers.selection.active is layer
    assert dock.form.image.layer.value is viewer.layers["result"]  # as before
    table = dock.results.table
    rows = np.argsort(table["area (µm²)"])
    for row in [*rows[:4], *rows[-4:]]:
        layer.data[labels == table["label"][row]] = 1 if row in rows[:4] else 2
    dock.classes.names.setText("small, large")
    dock.sort()
    idle()
    kinds = dock.results.table["class"]
    assert set(kinds) == {"small", "large"}, dock.message.text
    assert (kinds[rows[:4]] == "small").all() and (kinds[rows[-4:]] == "large").all()
    classes = viewer.layers["result classes"].data
    assert (classes[labels == table["label"][rows[0]]] == 1).all()
    names = [layer.name for layer in viewer.layers]
    assert names.index("result classes") < names.index("result class examples")
    assert viewer.layers["result"].features["class"].tolist() == kinds.tolist()
    assert "8 examples" in dock.classes.found.text()
    assert len(dock.results.histogram.axes.containers) == 2  # a colour each


def test_all_open_results_come_into_one_table(
    dock: Any, viewer: Any, idle: Callable[[], None], small: Sample
) -> None:
    form = dock.form
    assert "open" not in form.scope.choices  # one is not several
    viewer.layers.remove("objects")
    for place, (name, gain) in enumerate({"nuclei": 1, "treated": 2}.items()):
        if name not in viewer.layers:
            viewer.add_image(small.image * gain, name=name, translate=(0, 99), **PLACE)
        mark = {"purpose": "labels", "source": name}
        at = {**PLACE, "translate": (0, 99 * place)}
        viewer.add_labels(small.truth.copy(), name=f"{name} labels", metadata={MARK: mark}, **at)
    mark = {MARK: {"purpose": "annotations", "source": "nuclei"}}
    viewer.add_labels(small.paint, name="paint", metadata=mark, **PLACE)
    form.scope.value = "open"
    assert not form.image.layer.enabled
    dock.measure_button.click()
    idle()
    table, n = dock.results.table, len(np.unique(small.truth)) - 1
    assert list(table["image"]) == ["nuclei"] * n + ["treated"] * n, dock.message.text
    assert "image" in dock.results.view.names
    mean = table["intensity mean"]
    assert np.allclose(mean[n:], 2 * mean[:n])

    go_to(dock.results.view, n + 2)
    treated = viewer.layers["treated labels"]
    assert viewer.layers.selection.active is treated
    assert treated.selected_label == table["label"][n + 2]
    (ring,) = rings(viewer)
    center = [table[f"centroid {a} (µm)"][n + 2] for a in "yx"]
    assert np.allclose(ring.data_to_world(ring.data[0]), np.add(center, (0, 99)), atol=0.26)
    treated.selected_label = int(table["label"][n + 4])
    assert dock.results.view.row() == n + 4
    assert dock.results.table is table  # whichever labels are looked at
    dock.sort()
    assert "one result alone" in dock.message.text

    # a corrected copy takes the place of its result; two results of one image are told apart
    copy = editable_copy(viewer, treated, None)
    viewer.layers["nuclei labels"].metadata.clear()
    copy.data[copy.data == table["label"][0]] = 0
    viewer.add_labels(small.truth.copy(), name="nuclei again", **PLACE)
    form.scope.value = "open"
    dock.measure_button.click()
    viewer.layers.remove("nuclei again")  # its rows stay
    idle()
    names = list(dock.results.table["image"])
    assert names == ["treated"] * (n - 1) + ["nuclei labels"] * n + ["nuclei again"] * n


def test_pieces_of_all_open_results_are_asked_about_once(
    dock: Any, viewer: Any, idle: Callable[[], None], small: Sample
) -> None:
    mask = (small.truth > 0).astype(np.uint8)
    for name in "ab":
        viewer.add_labels(mask, name=name, **PLACE)
    dock.form.scope.value = "open"
    dock.measure_button.click()
    idle()
    dock.message.answers["Each piece"].click()
    idle()
    names = [layer.name for layer in viewer.layers]
    assert names == ["nuclei", "objects", "a", "b", "a objects", "b objects"]
    numbers = viewer.layers["b objects"].data
    last = dock.results.table["label"][-1]
    assert last == numbers.max() > 3
    assert set(dock.results.table["image"]) == {"objects", "a", "b"}


def test_a_stop_is_heard_while_the_pieces_of_results_are_numbered(small: Sample) -> None:
    mask = Image((small.truth > 0).astype(np.uint8), "YX")
    job = MeasureRequest(tuple((mask, {}) for _ in range(9)), pieces=True).begin()
    next(job)
    job.stop()
    assert list(job) == [] and job.result is None


def test_what_can_be_meant_is_offered_first(dock: Any, viewer: Any, small: Sample) -> None:
    def add(name: str, purpose: str) -> Any:
        mark = {MARK: {"purpose": purpose, "source": "nuclei"}}
        return viewer.add_labels(small.truth, name=name, metadata=mark, **PLACE)

    picker = dock.form.image.layer
    found, paint = add("u-net", "labels"), add("mine", "annotations")
    copy, _ = add("nuclei corrected", "corrected"), add("nuclei classes", "classes")
    combo = picker.native
    offered = [combo.itemText(i) for i in range(combo.count())]
    assert offered == ["nuclei corrected", "u-net", "objects", "mine (annotations)"]
    viewer.layers.remove(copy)
    assert picker.value is found
    train = TrainForm(viewer).paint
    offered = [train.native.itemText(i) for i in range(train.native.count())]
    assert offered == ["mine", "objects", "u-net (result)"]
    for layer in (found, viewer.layers["objects"]):
        viewer.layers.remove(layer)
    assert picker.choices == (paint,) and picker.value is None  # by hand alone
    assert dock.form.image.info.text().startswith("Open or make labels")


def test_a_hundred_thousand_rows_sort_without_losing_the_chosen_one(qtbot: Any) -> None:
    rng = np.random.default_rng(0)
    n = 100_000
    values = rng.normal(size=n)
    values[:5] = np.nan
    names = rng.choice(["a", "b"], n).astype(object)
    view = TableView("")
    qtbot.addWidget(view)
    view.show_table(Measurements({"label": np.arange(n), "area (px²)": values, "class": names}))
    view.show()
    view.go_to(77)
    view.sort_by("area (px²)")
    assert view.row() == 77
    order = view.order()
    assert (np.diff(values[order][:-5]) >= 0).all() and np.isnan(values[order][-5:]).all()
    view.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    order = view.order()
    assert (np.diff(values[order][:-5]) <= 0).all() and np.isnan(values[order][-5:]).all()
    view.sort_by("class")
    assert (names[view.order()] == np.sort(names)).all()

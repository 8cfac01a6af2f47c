"""Painting in a real viewer: the brush by keys, what is painted in words, slices, interpolation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_scribe.plugin.layers.brush import width_for
from napari_scribe.plugin.layers.complete_regions import complete_boxes, draw_regions
from napari_scribe.plugin.layers.conversion import add_annotations, image_of
from napari_scribe.plugin.train.dock import TrainDock
from napari_scribe.plugin.train.draft import LOOK
from napari_scribe.plugin.train.painting import PaintingHelp

Key = Qt.Key


def disk(shape: tuple[int, ...], centre: tuple[int, int], radius: float) -> np.ndarray:
    y, x = np.indices(shape[-2:])
    return np.hypot(y - centre[0], x - centre[1]) <= radius


def put(layer: Any, mask: np.ndarray, number: int, z: int | None = None) -> None:
    """Paint as a tool would, so that it can be undone."""
    where = np.nonzero(mask)
    layer.data_setitem(where if z is None else (np.full(len(where[0]), z), *where), number)


def press(viewer: Any, *keys: Qt.Key) -> None:
    for key in keys:
        QTest.keyClick(viewer.window._qt_viewer.canvas.native, key)


@pytest.fixture
def helped(viewer: Any, qtbot: Any) -> Iterator[Callable[..., Any]]:
    """Make annotations of an image, and the help for them."""
    made = []

    def make(shape: tuple[int, ...] = (90, 120), axes: str = "", task: str = "objects") -> Any:
        image = viewer.add_image(np.random.default_rng(0).random(shape), name="cells")
        description = image_of(image, axes)
        layer = add_annotations(viewer, image, axes, task=task)
        panel = PaintingHelp(viewer)
        qtbot.addWidget(panel)
        made.append(panel)
        panel.follow(layer, image, description, task)
        return layer, panel

    yield make
    for panel in made:
        panel.close_down()


def test_labels_of_other_axes_than_the_image_get_no_slices(helped: Any, viewer: Any) -> None:
    _, panel = helped((5, 90, 120))
    assert not panel.slices.isHidden()
    cells = viewer.layers["cells"]
    flat = viewer.add_labels(np.zeros((90, 120), np.uint8), name="mask of a projection")
    panel.follow(flat, cells, image_of(cells), "objects")
    assert panel.slices.isHidden()
    flat.selected_label = 3  # as N does
    panel.slices.look_at((2,))
    draw_regions(viewer, flat, cells)
    viewer.layers.selection.active.add_rectangles([[2, 2], [9, 9]])
    assert complete_boxes(viewer, cells, image_of(cells)) == ()


def test_names_of_the_users_stay(helped: Any, viewer: Any, qtbot: Any) -> None:
    layer, panel = helped()
    layer.features = {"index": [2], "name": ["nucleus"]}
    put(layer, disk((90, 120), (30, 30), 9), 2)
    put(layer, disk((90, 120), (60, 60), 9), 3)
    qtbot.waitUntil(lambda: panel.count.text().startswith("2 objects"))
    assert list(layer.features["name"]) == ["nucleus"]


def until_counted(qtbot: Any, panel: Any, text: str) -> None:
    qtbot.waitUntil(lambda: panel.count.text() == text)


def test_keys_take_the_next_object_background_and_the_object_again(
    viewer: Any, helped: Callable[..., Any]
) -> None:
    layer, panel = helped()
    assert (layer.selected_label, layer.mode, layer.preserve_labels) == (2, "paint", True)
    assert panel.brush.text() == "Painting: object 2"
    press(viewer, Key.Key_N)  # 2 is not painted yet
    assert layer.selected_label == 2
    put(layer, disk((90, 120), (30, 30), 8), 2)
    press(viewer, Key.Key_N)
    assert panel.brush.text() == "Painting: object 3"
    press(viewer, Key.Key_B)
    assert layer.selected_label == 1
    assert panel.brush.text() == "Painting: background"
    press(viewer, Key.Key_B)
    assert layer.selected_label == 3
    layer.selected_label = 2  # an object that is painted already
    assert panel.brush.text() == "Painting: object 2"
    layer.selected_label = 3
    press(viewer, Key.Key_X)
    assert layer.selected_label == 1
    press(viewer, Key.Key_M)
    assert layer.selected_label == 3
    assert layer.preserve_labels  # napari's B would have taken the guard away
    press(viewer, Key.Key_E)
    assert panel.brush.text() == "Erasing: object 3"
    press(viewer, Key.Key_B)
    assert (layer.mode, layer.selected_label) == ("paint", 1)


def test_buttons_bring_the_brush_back_and_classes_have_words_of_their_own(
    viewer: Any, qtbot: Any, helped: Callable[..., Any]
) -> None:
    layer, panel = helped()
    viewer.layers.selection.active = viewer.layers["cells"]
    assert panel.brush.text() == "Not painting. Brush: object 2"
    panel.background.click()
    assert viewer.layers.selection.active is layer
    assert panel.brush.text() == "Painting: background"
    panel.next.click()
    assert panel.brush.text() == "Painting: object 2"
    cells = viewer.layers["cells"]
    cells.data = np.zeros((90, 120))
    panel.follow(layer, cells, image_of(cells), "classes")
    assert (panel.next.text(), panel.background.text()) == ("Next class", "Class 1")
    put(layer, disk((90, 120), (30, 30), 8), 2)
    until_counted(qtbot, panel, "1 class, 1 stroke: paint a second class to start.")
    panel.background.click()
    assert panel.brush.text() == "Painting: class 1"


def test_what_is_painted_is_counted_and_undo_too(qtbot: Any, helped: Callable[..., Any]) -> None:
    layer, panel = helped()
    until_counted(qtbot, panel, "Nothing is painted yet. Paint 3 objects whole to start.")
    for number in (2, 3, 4):
        put(layer, disk((90, 120), (30, 25 * (number - 1)), 8), number)
    layer.preserve_labels = False
    put(layer, disk((90, 120), (30, 50), 30) & (np.indices((90, 120))[1] // 2 == 25), 1)
    text = "3 objects, 1 background stroke: enough to start. 10 objects are better."
    until_counted(qtbot, panel, text)
    assert panel.cautions.text().startswith("Background cuts object 3 in pieces. <a href=")
    assert list(layer.features["name"]) == ["background", "object 2", "object 3", "object 4"]
    layer.undo()
    text = "3 objects, no background strokes: enough to start. 10 objects are better."
    until_counted(qtbot, panel, text)
    assert panel.cautions.text() == ""


def test_painted_slices_are_jumped_to_and_an_object_is_interpolated_between_them(
    viewer: Any, qtbot: Any, helped: Any
) -> None:
    layer, panel = helped((12, 90, 120), "ZYX")
    for z in (3, 9):
        put(layer, disk((90, 120), (30 + z, 40), 10), 2, z)
    put(layer, disk((90, 120), (36, 40), 3), 5, 6)
    text = "Painted: slices 3, 6, 9 of 12"
    qtbot.waitUntil(lambda: panel.slices.listed.text() == text)
    viewer.dims.set_point(0, 5)
    for key, z in ((Key.Key_PageUp, 3), (Key.Key_PageUp, 3), (Key.Key_PageDown, 6)):
        press(viewer, key)
        assert viewer.dims.point[0] == z
    cells = viewer.layers["cells"]
    assert panel.slices.taken.text().startswith("Slices are taken one by one")
    panel.follow(layer, cells, image_of(cells, "ZYX"), "objects", 3)
    assert panel.slices.taken.text().startswith("Z is depth: paint an object on every slice")
    put(layer, disk((90, 120), (41, 40), 10), 2, 11)  # a stroke that is not counted yet
    before = layer.data.copy()
    press(viewer, Key.Key_I)
    assert (np.unique(np.nonzero(layer.data == 2)[0]) == np.arange(3, 12)).all()
    assert ((layer.data[6] == 2) & disk((90, 120), (36, 40), 8)).sum() > 150
    np.testing.assert_array_equal(layer.data[before > 0], before[before > 0])
    viewer.dims.set_point(0, 7)
    layer.undo()
    np.testing.assert_array_equal(layer.data, before)
    layer.selected_label = 5
    assert not panel.slices.fill.isEnabled()  # it is painted on one slice


def test_time_and_channels_among_the_axes(viewer: Any, qtbot: Any, helped: Any) -> None:
    """Frames lie in front of channels here, along which paint is shared."""
    layer, panel = helped((5, 2, 40, 50), "TCYX")
    for t in (0, 4):
        layer.data[t, 0, 10:20, 10:20] = 2
    layer.refresh()
    qtbot.waitUntil(lambda: panel.slices.listed.text() == "Painted: frames 0, 4 of 5")
    panel.slices.interpolate()
    assert (layer.data[2, :, 10:20, 10:20] == 2).all()


def test_a_slip_is_shown_where_it_is(viewer: Any, qtbot: Any, helped: Any) -> None:
    layer, panel = helped((6, 90, 120), "ZYX")
    put(layer, disk((90, 120), (20, 20), 8), 2, 4)
    put(layer, disk((90, 120), (70, 100), 6), 2, 4)
    qtbot.waitUntil(lambda: "far apart" in panel.cautions.text())
    link = panel.cautions.text().split('"')[1]
    panel.cautions.linkActivated.emit(link)
    assert viewer.dims.point[0] == 4
    np.testing.assert_allclose(viewer.scene.camera.center[1:], (70, 100), atol=6)
    panel.close_down()  # nothing is left behind but the brush's keys, which need no dock
    press(viewer, Key.Key_B)
    assert layer.selected_label == 1
    assert panel.brush.text() == "Painting: object 2"
    assert {str(key) for key in layer.keymap} == {"N", "M", "B", "X"}
    cells = viewer.layers["cells"]
    panel.follow(layer, cells, image_of(cells, "ZYX"), "objects")  # as a closed dock's form does
    assert panel.brush.text() == "Painting: object 2"


def test_the_brush_is_as_wide_as_suits_the_objects() -> None:
    assert width_for(30.0, 512) == 10
    assert width_for(2.0, 512) == 1
    assert width_for(None, 2048) == 8
    assert width_for(None, 128) == 2


def test_the_train_dock_sets_the_brush_and_trains_on_complete_regions(
    docks: Any, painted: Any
) -> None:
    dock = docks(TrainDock)
    dock.form.size.set_value(36)
    dock.form.new.click()
    layer = dock.form.paint.value
    assert layer.name == "nuclei annotations [1]"
    assert (layer.brush_size, layer.preserve_labels) == (12, True)
    assert dock.form.painting.brush.text() == "Painting: object 2"
    dock.form.choose(painted.layers["nuclei annotations"])
    press(painted, Key.Key_B)  # the keys are those of the layer that is selected
    assert layer.selected_label == 1
    assert dock.form.value().complete == ()
    dock.form.painting.regions.click()
    box = np.array([(10, 20), (10, 60), (50, 60), (50, 20)])
    painted.layers.selection.active.add_rectangles([box])
    assert dock.form.value().complete == (((10, 51), (20, 61)),)


def test_a_result_is_reviewed_object_by_object(viewer: Any, helped: Any) -> None:
    layer, panel = helped()
    panel.draft.review.click()
    assert panel.draft.said.text().startswith("There is no result of this image yet.")
    labels = np.zeros((90, 120), np.int32)
    for number in (1, 2, 3, 4):
        labels[disk((90, 120), (30, 25 * number), 8)] = number
    mark = {"napari-scribe": {"purpose": "labels", "source": "cells"}}
    result = viewer.add_labels(labels.copy(), name="cells labels", metadata=mark)
    result.visible, result.show_selected_label, result.selected_label = False, True, 2
    look = {name: getattr(result, name) for name in LOOK}
    panel.draft.review.click()
    assert panel.draft.said.text() == "cells labels: object 1 of 4" and result.visible
    assert (result.selected_label, result.show_selected_label) == (1, True)
    assert viewer.layers.selection.active is layer
    press(viewer, Key.Key_A)
    np.testing.assert_array_equal(layer.data == 2, labels == 1)
    np.testing.assert_allclose(viewer.scene.camera.center[1:], (30, 50), atol=1)
    press(viewer, Key.Key_R)
    np.testing.assert_array_equal(layer.data == 1, labels == 2)
    press(viewer, Key.Key_S, Key.Key_C)
    assert panel.draft.said.text() == "cells labels: object 3 of 4"
    np.testing.assert_array_equal(layer.data == 3, labels == 4)
    assert layer.selected_label == 3  # the brush corrects it
    layer.data[30, 100] = 0
    press(viewer, Key.Key_A)  # it stays as it was corrected
    assert layer.data[30, 100] == 0
    panel.draft.buttons["Accept all"].click()
    np.testing.assert_array_equal(layer.data == 4, labels == 3)
    assert panel.draft.said.text() == "cells labels: 4 objects decided."
    assert {name: getattr(result, name) for name in LOOK} == look
    np.testing.assert_array_equal(result.data, labels)
    layer.undo()
    assert not (layer.data == 4).any()
    mark = {"napari-scribe": {"purpose": "corrected", "source": "cells"}}
    viewer.add_labels(labels.copy(), name="cells corrected", metadata=mark)
    panel.draft.review.click()  # what is seen: a corrected copy hides its result
    assert panel.draft.said.text() == "cells corrected: object 1 of 1"


def test_complete_regions_are_drawn_and_read(viewer: Any, helped: Any) -> None:
    layer, panel = helped((6, 90, 120), "ZYX")
    image = viewer.layers["cells"]
    panel.regions.click()
    regions = viewer.layers.selection.active
    assert (regions.name, regions.mode) == ("cells complete regions", "add_rectangle")
    corners = [(2, 9.6, 19.6), (2, 9.6, 130), (2, 50.4, 130), (2, 50.4, 19.6)]
    outside = [(2, 9.6, 140), (2, 9.6, 150), (2, 50.4, 150), (2, 50.4, 140)]
    regions.add_rectangles([np.array(corners), np.array(outside)])
    boxes = complete_boxes(viewer, image, image_of(image, "ZYX"))
    assert boxes == (((2, 3), (10, 51), (20, 120)),)
    viewer.layers.selection.active = layer
    panel.regions.click()  # there is one layer of them
    assert viewer.layers.selection.active is regions

"""Complete regions are kept with the paint: through a closed window, and in projects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_scribe.io import write_tiff
from napari_scribe.plugin.layers.complete_regions import complete_boxes, draw_regions, regions_of
from napari_scribe.plugin.layers.conversion import add_annotations, image_of
from napari_scribe.plugin.layers.restore import show_paint
from napari_scribe.plugin.train.dock import TrainDock
from napari_scribe.session.autosave import list_kept, read_kept
from napari_scribe.session.painted import PaintedLayer
from napari_scribe.session.project import Project
from napari_scribe.targets import Paint

pytestmark = pytest.mark.usefixtures("soon", "untrained")

BOX = ((10, 51), (20, 61))
CORNERS = np.array([(10, 20), (10, 60), (50, 60), (50, 20)])


def draw(dock: Any, corners: np.ndarray = CORNERS) -> Any:
    """Draw a rectangle as the button lets a user do; return its layer."""
    dock.form.painting.regions.click()
    layer = dock.viewer.layers.selection.active
    layer.add_rectangles([corners])
    return layer


def until_kept(qtbot: Any, complete: tuple[Any, ...]) -> None:
    qtbot.waitUntil(lambda: [k.complete for k in list_kept()] == [complete])


def test_regions_follow_what_a_user_draws_and_removes(
    docks: Callable[[type], Any], painted: Any, qtbot: Any
) -> None:
    regions = draw(docks(TrainDock))
    until_kept(qtbot, (BOX,))
    regions.add_rectangles([CORNERS + 100])
    second = tuple((start + 100, stop + 100) for start, stop in BOX)
    until_kept(qtbot, (BOX, second))
    regions.selected_data = {0}
    regions.remove_selected()
    until_kept(qtbot, (second,))
    painted.layers.remove(regions)
    until_kept(qtbot, ())


def test_a_closed_viewer_keeps_the_last_region(make_napari_viewer: Any, qtbot: Any) -> None:
    """On a stack on which nothing is painted yet: it is offered with the image."""
    pixels = np.random.default_rng(0).random((4, 80, 90), np.float32)
    viewer = make_napari_viewer()
    viewer.add_image(pixels, name="cells", axis_labels=("z", "y", "x"), scale=(2, 0.5, 0.5))
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock)
    dock.form.new.click()
    on_slice = [np.c_[np.full(4, z), CORNERS] for z in (1, 3)]
    draw(dock, on_slice[0])
    boxes = (((1, 2), *BOX), ((3, 4), *BOX))
    until_kept(qtbot, boxes[:1])
    draw(dock, on_slice[1])
    viewer.close()
    until_kept(qtbot, boxes)
    qtbot.waitUntil(lambda: list_kept()[0].is_closed)

    viewer = make_napari_viewer()
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock)
    image = viewer.add_image(pixels, name="cells", axis_labels=("z", "y", "x"), scale=(2, 0.5, 0.5))
    qtbot.waitUntil(lambda: bool(dock.recovery.answers))
    dock.recovery.answers["Restore"].click()
    assert complete_boxes(viewer, image, image_of(image)) == boxes
    regions = regions_of(image, viewer.layers)
    assert regions is not None and regions.nshapes == 2
    assert np.allclose(regions.scale, image.scale)
    dock.close_down()


def test_regions_are_in_the_project(
    docks: Callable[[type], Any], painted: Any, qtbot: Any, tmp_path: Path, make_napari_viewer: Any
) -> None:
    """Those drawn before and after it was saved; they come back, and are trained on when closed."""
    dock, folder = docks(TrainDock), tmp_path / "project"
    draw(dock)
    dock.project.save_to(folder)

    def complete() -> list[Any]:
        return [image.complete for image in Project.open(folder).images]

    qtbot.waitUntil(lambda: complete() == [(BOX,)])
    qtbot.waitUntil(lambda: not list_kept())
    draw(dock, CORNERS + 100)
    second = tuple((start + 100, stop + 100) for start, stop in BOX)
    qtbot.waitUntil(lambda: complete() == [(BOX, second)])

    viewer = make_napari_viewer()
    other = TrainDock(viewer)
    viewer.window.add_dock_widget(other)
    other.project.open_folder(folder)
    assert other.form.value().complete == (BOX, second)
    for name in ("nuclei annotations", "nuclei complete regions", "nuclei"):
        viewer.layers.remove(name)
    (offered,) = other.project.closed_images(None, "objects")
    assert offered.read().complete == (BOX, second)
    other.close_down()
    _images, paints = Project.open(folder).training_set()
    assert isinstance(paints[0], Paint) and paints[0].complete == [BOX, second]


def test_regions_on_channels_between_other_axes_are_trained_on(viewer: Any, tmp_path: Path) -> None:
    """Their box has a side along the channels, which paint has not."""
    path = tmp_path / "cells.tif"
    write_tiff(path, np.zeros((3, 2, 40, 50), np.uint16), "ZCYX")
    image = viewer.add_image(np.zeros((3, 2, 40, 50)), axis_labels=("z", "c", "y", "x"))
    paint = add_annotations(viewer, image)
    regions = draw_regions(viewer, paint, image)
    regions.add_rectangles([np.array([(2, 1, y, x) for y, x in ((3, 4), (3, 9), (8, 9), (8, 4))])])
    from napari_scribe.plugin.layers.painted import described

    kept = described(paint, viewer.layers)
    assert kept.complete == (((2, 3), (1, 2), (3, 9), (4, 10)),)
    project = Project.create(tmp_path / "project")
    said = PaintedLayer(
        name="paint",
        image="cells",
        image_path=str(path),
        shape=kept.shape,
        complete=kept.complete,
    )
    entry = project.put(said, paint.data, {})
    _, array, boxes = project.painted(entry)
    assert array.shape == (3, 40, 50) and boxes == (((2, 3), (3, 9), (4, 10)),)


def test_a_region_of_several_slices_is_shown_on_each(viewer: Any) -> None:
    image = viewer.add_image(np.zeros((4, 60, 70)), name="cells", axis_labels=("z", "y", "x"))
    said = PaintedLayer(name="p", image="cells", shape=(4, 60, 70), complete=(((1, 3), *BOX),))
    show_paint(viewer, image, said, np.zeros((4, 60, 70), np.uint16))
    shown = complete_boxes(viewer, image, image_of(image))
    assert shown == (((1, 2), *BOX), ((2, 3), *BOX))
    show_paint(viewer, image, said, np.zeros((4, 60, 70), np.uint16))  # it is there already
    assert complete_boxes(viewer, image, image_of(image)) == shown


def test_notes_from_before_still_open(
    docks: Callable[[type], Any], painted: Any, qtbot: Any
) -> None:
    """They say nothing of complete regions."""
    docks(TrainDock)
    painted.layers["nuclei annotations"].paint((5, 5), 91)
    qtbot.waitUntil(lambda: bool(list_kept()))
    import json

    note = list_kept()[0].note
    values = json.loads(note.read_text())
    del values["complete"]
    note.write_text(json.dumps(values))
    (kept,) = list_kept()
    assert kept.complete == () and (read_kept(kept) == 91).any()

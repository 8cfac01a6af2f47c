"""What belongs to an image is found after the image was renamed, and after it was opened again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_scribe.io import write_tiff
from napari_scribe.plugin.correct.layers import editable_copy
from napari_scribe.plugin.layers.annotations import annotations_of, doubt_about_image
from napari_scribe.plugin.layers.conversion import add_annotations
from napari_scribe.plugin.layers.purpose import MARK, image_meant, layers_of, note, source_of
from napari_scribe.plugin.train.dock import TrainDock
from napari_scribe.session.autosave import list_kept
from napari_scribe.session.project import Project

pytestmark = pytest.mark.usefixtures("soon", "untrained")


def test_layers_are_found_by_id_and_else_by_name(viewer: Any) -> None:
    pixels = np.zeros((40, 50))
    image = viewer.add_image(pixels, name="cells")
    paint = add_annotations(viewer, image)
    mark = {MARK: {"purpose": "annotations", "source": "cells"}}
    of_before = viewer.add_labels(np.zeros((40, 50), int), name="of before", metadata=mark)
    assert annotations_of(image, viewer.layers) == [paint, of_before]
    result = viewer.add_labels(
        np.ones((40, 50), int), metadata={MARK: {**note(paint), "purpose": "labels"}}
    )
    image.name = "DAPI"
    other = viewer.add_image(pixels, name="cells")  # not the one that was painted
    assert annotations_of(image, viewer.layers) == [paint]
    assert source_of(of_before, viewer.layers) is other
    assert layers_of(image, viewer.layers) == [paint, result]
    viewer.layers.selection.active = paint
    assert image_meant(viewer, paint) is image
    assert doubt_about_image(viewer, paint, image) == ""
    assert "was made for DAPI" in doubt_about_image(viewer, paint, other)
    corrected = editable_copy(viewer, result, other)
    assert (corrected.name, source_of(corrected, viewer.layers)) == ("DAPI corrected", image)
    viewer.layers.remove(image)
    viewer.layers.remove(other)
    again = viewer.add_image(pixels, name="cells")  # opened again, it is known by its name
    assert annotations_of(again, viewer.layers) == [paint, of_before]


def test_the_train_dock_goes_on_with_a_renamed_image(
    docks: Callable[[type], Any], painted: Any, qtbot: Any
) -> None:
    """Here of the sample, whose note has a name alone; the recovery knows the new name."""
    dock, image = docks(TrainDock), painted.layers["nuclei"]
    paint = painted.layers["nuclei annotations"]
    other = painted.add_image(image.data[::-1].copy(), name="other")
    painted.layers.selection.active = image
    assert dock.form.paint.value is paint
    paint.paint((5, 5), 91)
    qtbot.waitUntil(lambda: [k.image for k in list_kept()] == ["nuclei"])
    image.name = "DAPI"
    qtbot.waitUntil(lambda: [k.image for k in list_kept()] == ["DAPI"])
    painted.layers.selection.active = other
    dock.form.new.click()
    assert dock.form.paint.value is not paint
    painted.layers.selection.active = image
    assert dock.form.paint.value is paint
    assert [box.text() for box in dock.others.boxes] == ["other"]
    painted.layers.remove(image)
    again = painted.add_image(image.data, name="DAPI")
    assert annotations_of(again, painted.layers) == [paint]


def test_paint_of_a_renamed_image_comes_back_on_its_file(
    make_napari_viewer: Any, sample: Any, qtbot: Any, tmp_path: Path
) -> None:
    write_tiff(tmp_path / "cells.tif", sample.image)
    viewer = make_napari_viewer()
    (image,) = viewer.open(tmp_path / "cells.tif", plugin="napari")
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock)
    dock.form.new.click()
    viewer.layers["cells annotations"].paint((5, 5), 91)
    image.name = "DAPI"
    qtbot.waitUntil(lambda: [k.image for k in list_kept()] == ["DAPI"])
    viewer.close()
    qtbot.waitUntil(lambda: list_kept()[0].is_closed)

    viewer = make_napari_viewer()
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock)
    (image,) = viewer.open(tmp_path / "cells.tif", plugin="napari")  # as its file is called
    assert_offered(dock, qtbot)
    assert list_kept()[0].image == "DAPI"
    dock.recovery.answers["Not now"].click()
    viewer.close()

    note = list_kept()[0].note  # as a process leaves it that was killed
    values = {**json.loads(note.read_text()), "is_closed": False, "started": 0.0}
    note.write_text(json.dumps(values))
    viewer = make_napari_viewer()
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock)
    assert_offered(dock, qtbot)
    dock.recovery.answers["Restore"].click()
    assert [layer.name for layer in viewer.layers] == ["DAPI", "cells annotations"]
    assert annotations_of(viewer.layers["DAPI"], viewer.layers)
    dock.close_down()


def assert_offered(dock: Any, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: bool(dock.recovery.answers))
    assert dock.recovery.text.startswith("Annotations of DAPI from ")


def test_a_project_follows_a_renamed_image(
    viewer: Any, sample: Any, qtbot: Any, tmp_path: Path, make_napari_viewer: Any
) -> None:
    """Before and after it is painted: there is one entry for it, and one layer."""
    folder = tmp_path / "cells"
    for name in ("a", "b"):
        write_tiff(folder / f"{name}.tif", sample.image[:96, :96], "YX")
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock)
    panel = dock.project
    panel.open_folder(folder)
    viewer.layers["a"].name = "DAPI"
    viewer.layers["a annotations"].paint((9, 9), 5)

    def said() -> list[tuple[str, str, str]]:
        images = Project.open(folder).images
        return [(Path(i.image_path).name, i.image, i.paint) for i in images]

    b = ("b.tif", "b", "")
    qtbot.waitUntil(lambda: said() == [("a.tif", "DAPI", "paint/DAPI.tif"), b])
    viewer.layers["DAPI"].name = "nuclei"
    qtbot.waitUntil(lambda: said() == [("a.tif", "nuclei", "paint/DAPI.tif"), b])
    panel.next.click()
    shown = [layer.name for layer in viewer.layers if layer.visible]
    assert shown == ["b", "b annotations"]
    panel.previous.click()
    shown = [layer.name for layer in viewer.layers if layer.visible]
    assert shown == ["nuclei", "a annotations"] and len(viewer.layers) == 4
    assert not list(panel.closed_images(None, "objects"))
    dock.close_down()

    viewer = make_napari_viewer()
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock)
    dock.project.open_folder(folder)
    assert [layer.name for layer in viewer.layers] == ["nuclei", "a annotations"]
    assert Project.open(folder).images[0].name_in_file == "a"
    dock.close_down()

"""Projects in the Train dock: saved, autosaved, opened, browsed, trained on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_scribe.io import write_tiff
from napari_scribe.io.model_folder import list_models
from napari_scribe.plugin.train.dock import TrainDock
from napari_scribe.samples import Sample
from napari_scribe.session.autosave import list_kept
from napari_scribe.session.painted import PaintedLayer
from napari_scribe.session.project import Project
from napari_scribe.training.job import TrainStep

pytestmark = pytest.mark.usefixtures("soon")

SMALL = {"network.width": 4, "network.depth": 1, "training.patch": 32, "training.batch": 2}
PAINT = "nuclei annotations"


@pytest.fixture
def folder(tmp_path: Path, sample: Sample) -> Path:
    """A folder of three images."""
    for name in ("a", "b", "c"):
        write_tiff(tmp_path / "cells" / f"{name}.tif", sample.image[:96, :96], "YX")
    return tmp_path / "cells"


@pytest.fixture
def dock(viewer: Any) -> Any:
    made = new_dock(viewer)
    yield made
    made.close_down()


def new_dock(viewer: Any) -> Any:
    made = TrainDock(viewer)
    viewer.window.add_dock_widget(made)
    return made


def largest(folder: Path) -> list[int]:
    """The largest number in the paint of each image of a project; 0 where there is none."""
    project = Project.open(folder)
    return [int(project.read_paint(i).max()) if i.paint else 0 for i in project.images]


def test_what_is_painted_is_in_the_project(
    docks: Callable[[type], Any], painted: Any, qtbot: Any, tmp_path: Path, make_napari_viewer: Any
) -> None:
    """Saved once, it takes in strokes, images and models by itself; another viewer shows them."""
    dock, folder = docks(TrainDock), tmp_path / "project"
    dock.form.more.recipe.set_changes(SMALL)
    dock.project.save_to(folder)
    paint = painted.layers[PAINT]
    first = int(paint.data.max())
    qtbot.waitUntil(lambda: largest(folder) == [first])
    paint.paint((9, 9), first + 1)
    qtbot.waitUntil(lambda: largest(folder) == [first + 1])
    painted.add_image(painted.layers["nuclei"].data[::-1].copy(), name="other")
    dock.form.new.click()
    painted.layers["other annotations"].paint((9, 9), 44)
    qtbot.waitUntil(lambda: largest(folder) == [first + 1, 44])
    qtbot.waitUntil(lambda: not list_kept())

    steps: list[Any] = []
    dock.runner.record.connect(lambda r: steps.append(r) if isinstance(r, TrainStep) else None)
    dock.form.image.layer.value = painted.layers["nuclei"]
    dock.train()
    qtbot.waitUntil(lambda: bool(steps))
    dock.stop()
    qtbot.waitUntil(lambda: not dock.runner.is_running)
    qtbot.waitUntil(lambda: bool(Project.open(folder).history))
    (model,) = Project.open(folder).models()
    assert model.name == dock.trained.path.name
    last = f"Last model: {model.stem}"
    qtbot.waitUntil(lambda: last in dock.project.hint.text())
    list_models()[0].unlink()

    viewer = make_napari_viewer()
    other = new_dock(viewer)
    other.project.open_folder(folder)
    assert [layer.name for layer in viewer.layers] == ["other", "other annotations"]
    other.project.images.activated.emit(0)
    assert np.array_equal(viewer.layers[PAINT].data, paint.data)
    assert np.allclose(viewer.layers["nuclei"].scale, (0.5, 0.5))
    assert viewer.layers["nuclei"].units == painted.layers["nuclei"].units
    assert not viewer.layers["other"].visible
    assert other.form.image.layer.value is viewer.layers["nuclei"]
    assert other.form.paint.value is viewer.layers[PAINT]
    assert other.form.more.recipe.changes() == SMALL
    assert [path.name for path in list_models()] == [model.name]
    other.close_down()


def test_a_folder_of_images_is_browsed(dock: Any, viewer: Any, qtbot: Any, folder: Path) -> None:
    """Each image has annotations of its own, which are there when one comes back."""
    panel = dock.project
    assert not panel.isVisibleTo(dock) or panel.images.count() == 0
    panel.open_folder(folder)
    assert [layer.name for layer in viewer.layers] == ["a", "a annotations"]
    viewer.layers["a annotations"].paint((9, 9), 5)
    panel.next.click()
    assert panel.images.currentText() == "b"
    assert [layer.name for layer in viewer.layers if layer.visible] == ["b", "b annotations"]
    viewer.layers["b annotations"].paint((9, 9), 6)
    qtbot.waitUntil(lambda: largest(folder) == [5, 6, 0])
    qtbot.waitUntil(lambda: panel.images.itemText(1).startswith("b "))
    panel.previous.click()
    assert [layer.name for layer in viewer.layers if layer.visible] == ["a", "a annotations"]
    assert viewer.layers["a annotations"].mode == "paint"
    panel.previous.click()
    assert panel.images.currentText() == "c"
    for name in ("a", "a annotations", "b", "b annotations"):
        viewer.layers.remove(name)
    qtbot.wait(200)
    assert largest(folder) == [5, 6, 0]  # removed layers stay in the project
    viewer.layers["c annotations"].paint((9, 9), 7)
    dock.form.reset_choices()
    dock.show_state()
    assert [(box.text(), box.isChecked()) for box in dock.others.boxes] == [
        ("a", True),
        ("b", True),
    ]
    request = dock.others.added_to(dock.form.value())
    assert [int(other.paint.max()) for other in request.painted] == [7, 5, 6]
    assert [other.image.name for other in request.painted] == ["c", "a", "b"]


def test_bad_folders_and_missing_images_are_told(
    dock: Any, viewer: Any, qtbot: Any, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    dock.project.open_folder(tmp_path / "empty")
    assert "has no image in it" in dock.message.text
    dock.project.open_folder(folder)
    (folder / "b.tif").unlink()
    dock.message.clear()
    dock.project.next.click()
    assert dock.message.text.startswith("b.tif is missing: it was looked for in ")
    assert dock.project.images.currentText() == "b"
    dock.project.next.click()
    assert [layer.name for layer in viewer.layers if layer.visible] == ["c", "c annotations"]
    dock.project.project = None
    dock.project.save_to(folder)
    assert "is a project already" in dock.message.text


def test_a_closed_image_that_does_not_fit_is_told_of_before_anything_is_trained(
    dock: Any, tmp_path: Path, sample: Sample
) -> None:
    grey, folder = sample.image[:64, :64], tmp_path / "slides"
    write_tiff(folder / "colour.tif", np.stack([grey, grey]), "CYX")
    write_tiff(folder / "grey.tif", grey, "YX")
    project, paint = Project.of_images(folder), sample.paint[:64, :64].astype(np.uint16)
    for entry in list(project.images):
        name, path = entry.image, entry.image_path
        project.put(
            PaintedLayer(name=f"{name} paint", image=name, image_path=path, shape=paint.shape),
            paint,
            {},
        )
    project.save()
    dock.project.open_folder(folder)  # shows the last one
    assert dock.form.image.layer.value.name == "grey"
    assert [box.text() for box in dock.others.boxes] == ["colour"]
    dock.train()
    assert dock.message.text.startswith("colour has 2 channels, grey has 1 channel:")
    assert not dock.runner.is_running
    dock.others.boxes[0].click()
    assert not dock.others.added_to(dock.form.value()).others

"""The line above the pages says what is next, what runs, what can be restored, what was kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from napari_scribe.plugin import dock as dock_module
from napari_scribe.plugin.workspace.dock import Workspace
from napari_scribe.samples import Sample
from napari_scribe.session.autosave import KeptPaint, keep, note_closed

SMALL = {"network.width": 4, "network.depth": 2, "training.patch": 32, "training.batch": 2}
Says = Callable[[str], None]


@pytest.fixture
def calm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is trained here: torch is not loaded."""
    monkeypatch.setattr(dock_module, "WARM_UP_AFTER", 3_600_000)


@pytest.fixture
def open_workspace(viewer: Any) -> Iterator[Callable[[], Workspace]]:
    made = []

    def make() -> Workspace:
        made.append(Workspace(viewer))
        viewer.window.add_dock_widget(made[-1], name="Workspace")
        return made[-1]

    yield make
    for workspace in made:
        workspace.close_down()


@pytest.fixture
def workspace(open_workspace: Callable[[], Workspace]) -> Workspace:
    return open_workspace()


@pytest.fixture
def says(workspace: Workspace, qtbot: Any) -> Says:
    """Wait until the line says something."""

    def wait(text: str) -> None:
        qtbot.waitUntil(lambda: text in workspace.hint.text())

    return wait


def add_sample(viewer: Any, sample: Sample) -> tuple[Any, Any]:
    image = viewer.add_image(sample.image, name="nuclei")
    mark = {"napari-scribe": {"purpose": "annotations", "source": "nuclei"}}
    paint = sample.paint.astype(np.uint16)
    return image, viewer.add_labels(paint, name="nuclei annotations", metadata=mark)


def kept(purpose: str, key: str, paint: Any) -> KeptPaint:
    place = {"scale": [1.0, 1.0], "translate": [0.0, 0.0]}
    noted = {"purpose": purpose}
    name = f"nuclei {purpose}"
    made = KeptPaint(key=key, name=name, image="nuclei", shape=(256, 256), layer=place, noted=noted)
    return keep(made, paint.astype(np.uint16))


@pytest.mark.usefixtures("calm")
def test_what_is_painted_counts(
    workspace: Workspace, viewer: Any, qtbot: Any, sample: Sample, says: Says
) -> None:
    _, paint = add_sample(viewer, sample)
    says("Enough is painted")
    paint.data_setitem(np.nonzero(paint.data > 2), 0)
    says("Paint a few objects")
    paint.undo()
    says("Enough is painted")
    workspace.page("Segment")
    says("Enough is painted")
    assert workspace.go.text() == "Train"
    workspace.page("Denoise")
    says("show the same, and press Train")
    assert not workspace.go.isVisibleTo(workspace)


@pytest.mark.usefixtures("calm")
def test_every_page_tells_of_paint_that_was_not_saved(
    workspace: Workspace, viewer: Any, qtbot: Any, sample: Sample, says: Says
) -> None:
    """Annotations and corrections of one image are both given back."""
    for purpose in ("annotations", "corrected"):
        note_closed(kept(purpose, f"key-of-{purpose}", sample.paint).key)
    viewer.add_image(sample.image, name="nuclei")
    qtbot.waitUntil(lambda: "Train" in workspace.pages)
    recovery = workspace.pages["Train"].recovery  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: bool(recovery.text))
    workspace.page("Segment")
    says(" of nuclei from ")
    assert workspace.go.text() == "Restore"
    workspace.go.click()
    assert workspace.stack.currentWidget() is workspace.pages["Train"]

    offered = []
    while len(offered) < 2:
        qtbot.waitUntil(lambda: bool(recovery.text))
        offered.append(recovery.text.split(" from ")[0])
        recovery.answers["Restore"].click()
    assert sorted(offered) == ["Annotations of nuclei", "The corrected result of nuclei"]
    names = {layer.name for layer in viewer.layers}
    assert names == {"nuclei", "nuclei annotations", "nuclei corrected"}
    for purpose in ("annotations", "corrected"):
        np.testing.assert_array_equal(viewer.layers[f"nuclei {purpose}"].data, sample.paint)
    assert viewer.layers["nuclei corrected"].contour > viewer.layers["nuclei annotations"].contour
    says("Enough is painted")


@pytest.mark.usefixtures("calm")
def test_what_a_crash_left_is_told_of_without_an_image(
    open_workspace: Callable[[], Workspace], qtbot: Any, sample: Sample
) -> None:
    note = kept("annotations", "crashed", sample.paint).note
    values = json.loads(note.read_text())
    note.write_text(json.dumps({**values, "started": 0.0}))  # its process is another one by now
    workspace = open_workspace()
    assert "Annotations of nuclei from " in workspace.hint.text()
    assert workspace.stack.currentWidget() is workspace.welcome
    workspace.go.click()
    recovery = workspace.pages["Train"].recovery  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: "Not now" in recovery.answers)
    workspace.show_state()
    assert workspace.stack.currentWidget() is workspace.pages["Train"]
    recovery.answers["Not now"].click()
    qtbot.waitUntil(lambda: workspace.stack.currentWidget() is workspace.welcome)
    assert not workspace.hint.text()


def test_a_training_is_told_of_to_its_end(
    workspace: Workspace, viewer: Any, qtbot: Any, sample: Sample, says: Says
) -> None:
    """It goes on with its image while another is selected, which the page shows in the end."""
    image, paint = add_sample(viewer, sample)
    dock = workspace.page("Train")
    dock.form.more.recipe.set_changes(SMALL)

    def until_idle() -> None:
        qtbot.waitUntil(lambda: not dock.runner.is_running)

    dock.train_button.click()  # type: ignore[attr-defined]
    says("paint on where it is wrong")
    other = viewer.add_image(sample.image[::-1], name="other")
    workspace.page("Segment")
    says("Training on nuclei: step ")
    assert workspace.go.text() == "Train"
    assert dock.form.image.layer.value is image
    dock.stop()
    until_idle()
    assert dock.form.image.layer.value is other
    viewer.layers.selection.active = image
    says("The network has learnt")
    assert dock.form.image.layer.value is image and dock.form.paint.value is paint

    dock.train_button.click()  # type: ignore[attr-defined]
    says("Training on nuclei: step ")
    viewer.layers.clear()
    dock.stop()
    until_idle()
    says("The model is kept as nuclei objects")
    assert workspace.stack.currentWidget() is workspace.welcome
    viewer.add_image(sample.image, name="nuclei")
    says("Segment with a model")

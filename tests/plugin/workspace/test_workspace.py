"""All steps are in one dock, which says what is next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_scribe.samples import Sample


@pytest.fixture
def workspace(viewer: Any) -> Iterator[Any]:
    """The workspace, in a viewer without layers."""
    from napari_scribe.plugin.workspace.dock import Workspace

    made = Workspace(viewer)
    viewer.window.add_dock_widget(made, name="Workspace")
    yield made
    made.close_down()


@pytest.fixture
def click(qtbot: Any) -> Callable[[Any], None]:
    """Click a button with the mouse, and count."""

    def press(button: Any) -> None:
        assert button.isEnabled() and button.isVisibleTo(button.window())
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    return press


def test_without_an_image_it_teaches(workspace: Any, viewer: Any, qtbot: Any, click: Any) -> None:
    assert workspace.stack.currentWidget() is workspace.welcome
    assert not workspace.steps.isEnabled() and not workspace.pages
    welcome = workspace.welcome
    for button in (welcome.find_button, welcome.sample_button):
        button.ensurePolished()
    assert welcome.find_button.font().bold() and not welcome.sample_button.font().bold()
    click(welcome.sample_button)
    assert {layer.name for layer in viewer.layers} == {"nuclei", "nuclei annotations"}
    assert list(workspace.pages) == ["Train"] and "press Train" in workspace.hint.text()
    viewer.layers.clear()
    qtbot.waitUntil(lambda: workspace.stack.currentWidget() is workspace.welcome)


def test_from_an_image_to_objects_in_one_click(
    workspace: Any, viewer: Any, qtbot: Any, click: Any, sample: Sample
) -> None:
    viewer.add_image(sample.image, name="nuclei")
    qtbot.waitUntil(lambda: list(workspace.pages) == ["Segment"])
    dock = workspace.pages["Segment"]
    click(dock.segment_button)
    qtbot.waitUntil(lambda: "Segmenting nuclei: " in workspace.hint.text())
    qtbot.waitUntil(lambda: "nuclei labels" in viewer.layers)
    qtbot.waitUntil(lambda: not dock.runner.is_running)
    assert len(np.unique(viewer.layers["nuclei labels"].data)) > 15
    qtbot.waitUntil(lambda: workspace.go.text() == "Correct")
    click(workspace.go)
    assert workspace.steps.tabText(workspace.steps.currentIndex()) == "Correct"
    assert workspace.stack.currentWidget() is workspace.pages["Correct"]
    correct = workspace.pages["Correct"]
    click(correct.correct_button)
    qtbot.waitUntil(lambda: "teach" in workspace.hint.text())
    corrected = viewer.layers["nuclei corrected"]
    assert corrected.visible and not viewer.layers["nuclei labels"].visible
    y, x = np.argwhere(corrected.data)[0].tolist()
    correct.corrections.delete_at(np.array([y, x]))
    click(correct.teach_all_button)
    qtbot.waitUntil(lambda: "what you taught: press Train" in workspace.hint.text())
    click(workspace.go)
    train = workspace.pages["Train"]
    assert train.what_next.text() == "Train starts from nuclei."
    click(train.train_button)
    qtbot.waitUntil(lambda: "nuclei preview" in viewer.layers)
    assert not corrected.visible  # it would cover the preview
    click(train.stop_button)
    qtbot.waitUntil(lambda: not train.runner.is_busy)


def test_every_step_is_a_page_that_is_made_once(
    workspace: Any, viewer: Any, sample: Sample
) -> None:
    viewer.add_image(sample.image, name="nuclei")
    workspace.show_state()
    for index in range(workspace.steps.count()):
        workspace.steps.setCurrentIndex(index)
        name = workspace.steps.tabText(index)
        assert workspace.stack.currentWidget() is workspace.pages[name]
    made = dict(workspace.pages)
    workspace.steps.setCurrentIndex(0)
    assert workspace.pages == made and len(made) == 5


def test_an_image_that_is_picked_on_one_page_is_that_of_the_others(
    workspace: Any, viewer: Any, sample: Sample, qtbot: Any
) -> None:
    first = viewer.add_image(sample.image, name="first")
    viewer.add_image(sample.image[::-1], name="second")
    segment, correct = workspace.page("Segment"), workspace.page("Correct")
    workspace.page("Segment")
    box = segment.form.image.layer.native
    qtbot.keyClick(box, Qt.Key.Key_Home)
    assert segment.form.image.layer.value is first
    assert viewer.layers.selection.active is first
    assert correct.form.image.layer.value is first


def test_docks_fill_their_height_however_often_one_was_opened(viewer: Any) -> None:
    """napari puts room beneath docks that do not, and more of it each time."""
    from napari_scribe.plugin.segment.dock import SegmentDock
    from napari_scribe.plugin.workspace.dock import Workspace

    for kind in (Workspace, SegmentDock):
        made = kind(viewer)
        viewer.window.add_dock_widget(made)
        layout = made.layout()
        assert all(layout.itemAt(i).spacerItem() is None for i in range(layout.count()))
        made.close_down()


def listeners(viewer: Any) -> set[str]:
    """What of the plugin hears of layers; napari itself lets `reset_choices` of docks hear."""
    layers = viewer.layers
    told = layers.events.inserted, layers.events.removed, layers.selection.events.active
    bound = [
        callback
        for emitter in told
        for callback in emitter.callbacks
        if isinstance(callback, tuple)
    ]
    ours = [(who(), name) for who, name in bound if name != "reset_choices"]
    return {
        f"{type(who).__name__}.{name}"
        for who, name in ours
        if type(who).__module__.startswith("napari_scribe")
    }


def test_closing_it_ends_what_runs(viewer: Any, qtbot: Any, sample: Sample) -> None:
    from napari_scribe.plugin.workspace.dock import Workspace

    viewer.add_image(sample.image, name="nuclei")
    made = Workspace(viewer)
    docked = viewer.window.add_dock_widget(made, name="Workspace")
    dock = made.page("Segment")
    dock.segment()
    assert dock.runner.is_running
    assert {"Workspace._on_layers", "SegmentDock._on_selected"} <= listeners(viewer)
    viewer.window.remove_dock_widget(docked)
    qtbot.waitUntil(lambda: not dock.runner.is_running)
    assert listeners(viewer) == set()

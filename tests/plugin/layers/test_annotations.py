"""What annotations are for, which image the docks follow, and what is asked about paint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import napari_scribe as ns
from napari_scribe.plugin.denoise.dock import DenoiseDock
from napari_scribe.plugin.layers.conversion import image_of
from napari_scribe.plugin.layers.purpose import note
from napari_scribe.plugin.layers.results import show_image, show_labels
from napari_scribe.plugin.segment.dock import SegmentDock
from napari_scribe.plugin.settings import recall
from napari_scribe.plugin.train.dock import TrainDock
from napari_scribe.samples import Sample

SMALL = {"network.width": 4, "network.depth": 2, "training.patch": 32, "training.batch": 2}


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Any]) -> Any:
    """A viewer with a window, which docks need."""
    return make_napari_viewer()


@pytest.fixture
def dock(docks: Callable[[type], Any]) -> Any:
    """The Train dock, set to a small network."""
    made = docks(TrainDock)
    made.form.more.recipe.set_changes(SMALL)
    return made


@pytest.fixture
def steps(dock: Any) -> list[Any]:
    """The steps of its training."""
    seen: list[Any] = []
    dock.runner.record.connect(seen.append)
    return seen


def train(dock: Any, steps: list[Any], qtbot: Any, answer: str = "") -> None:
    """Press Train, or an answer, and stop after two steps."""
    n = len(steps)
    (dock.message.answers[answer] if answer else dock.train_button).click()
    qtbot.waitUntil(lambda: len(steps) > n + 1)
    dock.stop_button.click()
    qtbot.waitUntil(lambda: not dock.runner.is_running)


def asked(dock: Any, qtbot: Any) -> str:
    """Press Train; what is asked or said."""
    dock.train_button.click()
    qtbot.waitUntil(lambda: not dock.runner.is_running)
    return str(dock.message.text)


# Which image


def test_the_docks_follow_the_selected_image(docks: Callable[[type], Any], painted: Any) -> None:
    """Image 1 in the dock, image 2 opened: New makes annotations for image 2."""
    made = [docks(kind) for kind in (TrainDock, SegmentDock, DenoiseDock)]
    assert {dock.form.image.layer.value.name for dock in made} == {"nuclei"}
    train = made[0]
    for name, shape in (("same", (256, 256)), ("other", (90, 70)), ("stack", (5, 90, 70))):
        other = painted.add_image(np.zeros(shape), name=name)
        assert all(dock.form.image.layer.value is other for dock in made)
        train.form.new.click()
        assert train.form.paint.value.name == f"{name} annotations"
        assert train.form.paint.value.data.shape == shape
        painted.layers.selection.active = painted.layers["nuclei annotations"]
        assert all(dock.form.image.layer.value.name == "nuclei" for dock in made)
        assert train.form.paint.value.name == "nuclei annotations"
    assert SegmentDock(painted).form.image.layer.value.name == "nuclei"


def test_docks_open_where_nothing_or_something_else_is_selected(
    docks: Callable[[type], Any], painted: Any
) -> None:
    points = painted.add_points([[1, 2]])
    for active in (points, None):
        painted.layers.selection.active = active
        for kind in (TrainDock, SegmentDock, DenoiseDock):
            assert docks(kind).form.image.layer.value.name == "nuclei"


def test_what_the_plugin_made_does_not_take_the_place_of_an_image(
    docks: Callable[[type], Any], painted: Any
) -> None:
    made = [docks(kind) for kind in (TrainDock, SegmentDock, DenoiseDock)]
    image = painted.layers["nuclei"]
    show_labels(painted, image, image_of(image), np.ones((256, 256), np.int32), "labels")
    for purpose in ("denoised", "probability", "preview"):
        show_image(painted, image, image_of(image), np.ones((256, 256)), purpose)
    for layer in list(painted.layers):
        painted.layers.selection.active = layer
        assert all(dock.form.image.layer.value is image for dock in made)
    assert made[0].form.paint.value.name == "nuclei annotations"


def test_what_is_chosen_in_the_dock_stays_until_something_else_is_selected(
    dock: Any, painted: Any, sample: Sample
) -> None:
    other = painted.add_image(sample.image, name="other", scale=(0.5, 0.5))
    image = painted.layers["nuclei"]
    dock.form.image.layer.value = image  # by hand
    show_labels(painted, image, image_of(image), np.ones((256, 256), np.int32), "labels")
    assert painted.layers.selection.active is other
    assert dock.form.image.layer.value is image
    dock.form.new.click()
    assert note(dock.form.paint.value)["source"] == "nuclei"


def test_a_running_training_keeps_its_image_and_new_follows(
    dock: Any, painted: Any, steps: list[Any], qtbot: Any
) -> None:
    dock.train_button.click()
    qtbot.waitUntil(lambda: bool(steps))
    other = painted.add_image(np.zeros((30, 40)), name="other")
    assert dock.form.image.layer.value.name == "nuclei"
    dock.form.new.click()
    assert dock.form.image.layer.value is other
    assert dock.form.paint.value.data.shape == (30, 40)
    dock.stop_button.click()
    qtbot.waitUntil(lambda: not dock.runner.is_running)


def test_paint_of_nobody_knows_what_is_asked_about_once_another_image_is_selected(
    dock: Any, painted: Any, sample: Sample, qtbot: Any
) -> None:
    """A labels layer that the user made stays with the image that it was chosen with."""
    paint = painted.layers["nuclei annotations"]
    paint.metadata.clear()
    painted.add_image(sample.image, name="other", scale=(0.5, 0.5), units=("um", "um"))
    assert asked(dock, qtbot) == "nuclei annotations was made for nuclei. Use it for other?"


# What for


def test_the_task_belongs_to_the_annotations(
    dock: Any, docks: Callable[[type], Any], painted: Any, steps: list[Any], qtbot: Any
) -> None:
    """Classes once, and objects on another day: nothing silent from settings."""
    paint = painted.layers["nuclei annotations"]
    paint.data = np.minimum(paint.data, 2)
    dock.form.task.value = "classes"
    train(dock, steps, qtbot)
    assert not {"task", "dimensions"} & set(recall("train"))
    dock.form.new.click()
    assert dock.form.task.value == "objects"
    dock.form.paint.value = paint
    assert dock.form.task.value == "classes"
    painted.add_image(np.zeros((9, 40, 50)), name="volume", axis_labels=("z", "y", "x"))
    dock.form.new.click()
    assert (dock.form.task.value, dock.form.more.dimensions.value) == ("objects", 2)
    dock.form.more.dimensions.value = 3
    dock.form.paint.value.paint((4, 20, 20), 2)  # so that it is used
    dock.form.paint.value = paint
    assert dock.form.more.dimensions.value == 2
    dock.form.paint.value = painted.layers["volume annotations"]
    assert dock.form.more.dimensions.value == 3
    again = docks(TrainDock)
    again.form.paint.value = paint
    assert again.form.task.value == "classes"


def test_another_day_begins_with_objects(
    dock: Any, docks: Callable[[type], Any], painted: Any, steps: list[Any], qtbot: Any
) -> None:
    paint = painted.layers["nuclei annotations"]
    paint.data = np.minimum(paint.data, 2)
    dock.form.task.value = "classes"
    dock.form.more.minutes.value = 7.5
    train(dock, steps, qtbot)
    painted.layers.clear()
    again = docks(TrainDock)
    assert (again.form.task.value, again.form.more.minutes.value) == ("objects", 7.5)
    painted.add_image(np.zeros((40, 50)), name="next")
    again.form.new.click()
    assert again.form.task.value == "objects"


def test_a_task_chosen_before_new_is_meant_for_it(dock: Any, painted: Any) -> None:
    dock.form.task.value = "classes"
    dock.form.new.click()
    assert dock.form.task.value == "classes"
    dock.form.paint.value = painted.layers["nuclei annotations"]
    assert dock.form.task.value == "objects"  # it was not used for these
    dock.form.task.value = "classes"
    painted.add_image(np.zeros((40, 50)), name="next")
    dock.form.new.click()
    assert dock.form.task.value == "objects"  # it was chosen for another image


@pytest.mark.parametrize("with_background", [False, True])
def test_objects_painted_as_classes_are_asked_about(
    dock: Any, painted: Any, steps: list[Any], qtbot: Any, with_background: bool
) -> None:
    paint = painted.layers["nuclei annotations"]
    if not with_background:
        paint.data = np.where(paint.data > 1, paint.data, 0).astype(np.uint16)
    dock.form.task.value = "classes"
    assert "Are these objects?" in asked(dock, qtbot)
    train(dock, steps, qtbot, "They are objects")
    assert dock.trained.model.recipe.task == "objects"
    assert (dock.form.task.value, note(paint)["task"]) == ("objects", "objects")


# Results as annotations


@pytest.mark.parametrize("task", ["objects", "classes"])
def test_a_result_chosen_as_annotations_is_asked_about(
    dock: Any, painted: Any, sample: Sample, steps: list[Any], qtbot: Any, task: str
) -> None:
    image = painted.layers["nuclei"]
    truth = sample.truth if task == "objects" else np.minimum(sample.truth, 2)
    result = show_labels(painted, image, image_of(image), truth.astype(np.int32), "labels")
    before = result.data.copy()
    dock.form.paint.value = result
    dock.form.task.value = task
    assert "is a result, not paint" in asked(dock, qtbot)
    train(dock, steps, qtbot, "Make annotations of it")
    made = dock.form.paint.value
    assert made is not result
    assert np.array_equal(made.data, truth + 1)
    assert np.array_equal(result.data, before)
    assert note(made)["purpose"] == "annotations" and dock.form.task.value == task
    assert np.array_equal(dock.trained.request.paint, truth + 1)
    dock.form.paint.value = result
    dock.form.task.value = task  # else many pieces of one number would be asked about
    assert "is a result" in asked(dock, qtbot)
    train(dock, steps, qtbot, "No, it is paint")
    assert np.array_equal(dock.trained.request.paint, truth)
    other = show_labels(painted, image, image_of(image), 2 * before, "labels")
    assert other is not result and np.array_equal(result.data, before)


def test_a_result_of_a_part_becomes_annotations_of_that_part(
    dock: Any, painted: Any, sample: Sample, qtbot: Any
) -> None:
    image = painted.layers["nuclei"]
    image.affine = painted.layers["nuclei annotations"].affine = [[1, 0.2, 5], [0, 1, 3], [0, 0, 1]]
    part = {"Y": slice(10, 110), "X": slice(50, 250)}
    cut = sample.truth[10:110, 50:250].astype(np.int32)
    name = "labels (visible Y 10, X 50)"
    result = show_labels(painted, image, image_of(image), cut, name, region=part)
    dock.form.paint.value = result
    assert "is a result" in asked(dock, qtbot)
    dock.message.answers["Make annotations of it"].click()
    dock.stop()
    qtbot.waitUntil(lambda: not dock.runner.is_running)
    paint = dock.form.paint.value.data
    assert np.array_equal(paint[10:110, 50:250], cut + 1)
    assert paint.sum() == (cut + 1).sum()


@pytest.mark.parametrize("suffix", ["tif", "zarr"])
def test_a_result_from_a_file_is_known_too(
    dock: Any, painted: Any, model: Any, sample: Sample, tmp_path: Any, qtbot: Any, suffix: str
) -> None:
    out = tmp_path / f"found.{suffix}"
    image = ns.Image(sample.image, "YX", scale=dict.fromkeys("YX", 0.5))
    ns.run(ns.segment(model, image, out=out))
    opened = out if suffix == "tif" else out / "0"
    (result,) = painted.open(opened, layer_type="labels")
    dock.form.paint.value = result
    said = asked(dock, qtbot)
    if "Lay it over" in dock.message.answers:
        dock.message.answers["Lay it over"].click()
        said = dock.message.text
    assert "is a result" in said


def test_an_ordinary_mask_becomes_complete_annotations(
    dock: Any, painted: Any, sample: Sample, steps: list[Any], qtbot: Any
) -> None:
    place = {"scale": (0.5, 0.5), "units": ("um", "um")}
    objects = np.unique(sample.truth[sample.paint > 1])
    mask = np.where(np.isin(sample.truth, objects), sample.truth, 0)
    mask = np.searchsorted([0, *objects], mask)
    layer = painted.add_labels(mask, name="mask", **place)
    dock.form.paint.value = layer
    assert "ordinary mask" in asked(dock, qtbot)
    train(dock, steps, qtbot, "They are objects")
    assert np.array_equal(dock.form.paint.value.data, mask + 1)
    assert np.array_equal(layer.data, mask)


# What was said


def test_an_error_goes_once_what_it_says_has_changed(
    dock: Any, painted: Any, steps: list[Any], qtbot: Any
) -> None:
    painted.layers.remove("nuclei annotations")
    assert "There are no annotations yet" in asked(dock, qtbot)
    dock.form.new.click()
    assert dock.message.text == ""
    assert "Nothing is painted yet" in asked(dock, qtbot)
    paint = dock.form.paint.value
    paint.data_setitem((np.arange(9), np.arange(9)), 2)
    assert dock.message.text == ""
    dock.form.image.axes.setText("TYX")
    assert "has 2 axes" in asked(dock, qtbot)
    dock.form.image.axes.setText("YX")
    dock.form.image.axes.editingFinished.emit()
    assert dock.message.text == ""


def test_a_question_about_another_image_goes_with_it(
    dock: Any, painted: Any, sample: Sample, qtbot: Any
) -> None:
    painted.add_image(sample.image, name="other", scale=(0.5, 0.5), units=("um", "um"))
    assert "Use it for other?" in asked(dock, qtbot)
    painted.layers.selection.active = painted.layers["nuclei"]
    assert dock.message.text == ""


@pytest.mark.parametrize("change", ["task", "image", "clear"])
def test_a_question_about_paint_goes_with_what_it_was_about(
    dock: Any, painted: Any, qtbot: Any, change: str
) -> None:
    dock.form.task.value = "classes"
    assert "Are these objects?" in asked(dock, qtbot)
    if change == "task":
        dock.form.task.value = "objects"
    elif change == "image":
        painted.add_image(np.zeros((40, 50)), name="next")
    else:
        painted.layers.clear()
    assert dock.message.text == ""


def test_a_task_does_not_outlive_the_layers_it_was_for(dock: Any, painted: Any) -> None:
    dock.form.task.value = "classes"
    dock.form.more.dimensions.value = 3
    painted.layers.clear()
    painted.add_image(np.zeros((40, 50)), name="next")
    dock.form.new.click()
    assert note(dock.form.paint.value)["task"] == "objects"
    assert (dock.form.task.value, dock.form.more.dimensions.value) == ("objects", 2)


def test_the_segment_dock_catches_up_with_what_was_selected_meanwhile(
    kept: Any, docks: Callable[[type], Any], painted: Any, qtbot: Any
) -> None:
    dock = docks(SegmentDock)
    painted.layers.selection.active = painted.layers["nuclei"]
    dock.segment_button.click()
    other = painted.add_image(np.zeros((40, 50)), name="next")
    qtbot.waitUntil(lambda: not dock.runner.is_running)
    assert dock.form.image.layer.value is other
    assert "objects in" in dock.message.text  # of the one before


def test_what_was_trained_and_found_stays_said(
    dock: Any, painted: Any, steps: list[Any], qtbot: Any
) -> None:
    train(dock, steps, qtbot)
    assert dock.message.text.startswith("The model is kept as")
    painted.layers["nuclei annotations"].paint((5, 5), 3)
    assert dock.message.text.startswith("The model is kept as")
    dock.segment_button.click()
    qtbot.waitUntil(lambda: not dock.runner.is_running)
    assert "steps only, too few to judge" in dock.message.text or (
        "step only, too few to judge" in dock.message.text
    )
    assert dock.message.text.endswith("Continue goes on where it stopped.")


def test_the_preview_is_that_of_the_task(
    dock: Any, painted: Any, steps: list[Any], qtbot: Any
) -> None:
    """Areas for classes, outlines for objects; what the user has chosen stays."""
    paint = painted.layers["nuclei annotations"]
    whole = paint.data.copy()
    paint.data = np.minimum(whole, 2)
    dock.form.task.value = "classes"

    def preview_of(task: str) -> Any:
        n = len(steps)
        dock.train_button.click()
        shown = lambda: any(s.preview is not None for s in steps[n:])  # noqa: E731
        qtbot.waitUntil(shown)
        dock.stop_button.click()
        qtbot.waitUntil(lambda: not dock.runner.is_running)
        return painted.layers["nuclei preview"]

    assert preview_of("classes").contour == 0
    paint.data = whole
    dock.form.task.value = "objects"
    preview = preview_of("objects")
    assert (preview.contour, preview.opacity, preview.colormap.name) == (2, 0.9, "preview")
    preview.opacity = 0.2
    paint.data = np.minimum(whole, 2)
    dock.form.task.value = "classes"
    preview = preview_of("classes")
    assert (preview.contour, preview.opacity, preview.colormap.name) == (0, 0.2, "classes")

"""The Train dock: the four steps, and everything that can go wrong on the way."""

from __future__ import annotations

import gc
import shutil
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from napari_scribe.evaluation.metrics import evaluate
from napari_scribe.io.model_folder import list_models
from napari_scribe.model import load_model
from napari_scribe.plugin.jobs import previews
from napari_scribe.plugin.layers.purpose import add_note, note
from napari_scribe.plugin.train.dock import TrainDock
from napari_scribe.samples import Sample, nuclei
from napari_scribe.training.checkpoint import WARM_UP
from napari_scribe.training.job import TrainStep

SMALL = {"network.width": 4, "network.depth": 2, "training.patch": 32, "training.batch": 2}
QUICK = {"network.width": 8, "network.depth": 2, "training.patch": 64}
"""Large enough to find the sample's nuclei."""


@pytest.fixture
def dock(docks: Callable[[type], Any]) -> Any:
    """The Train dock, set to a small network."""
    made = docks(TrainDock)
    made.form.more.recipe.set_changes(SMALL)
    return made


class Watch:
    """What a dock's training tells."""

    def __init__(self, dock: Any, qtbot: Any) -> None:
        self.dock, self.qtbot = dock, qtbot
        self.steps: list[Any] = []
        dock.runner.record.connect(self.take)

    def take(self, record: Any) -> None:
        if isinstance(record, TrainStep):
            self.steps.append(record)

    def until_step(self, n: int) -> None:
        self.qtbot.waitUntil(lambda: bool(self.steps) and self.steps[-1].index >= n)

    def until_idle(self) -> None:
        self.qtbot.waitUntil(lambda: not self.dock.runner.is_running)

    def previews(self) -> list[Any]:
        return [step.preview for step in self.steps if step.preview is not None]


@pytest.fixture
def watch(dock: Any, qtbot: Any) -> Watch:
    return Watch(dock, qtbot)


def layer(viewer: Any, name: str) -> Any:
    return viewer.layers[name]


def click(button: Any) -> None:
    """As a user does: what is greyed out does nothing."""
    assert button.isEnabled()
    button.click()


def overlap(labels: Any, place: Any) -> float:
    """How well the best fitting label fits a place, as intersection over union."""
    found = np.unique(labels[place])
    parts = [labels == value for value in found[found > 0]]
    return max(((part & place).sum() / (part | place).sum() for part in parts), default=0.0)


def test_the_four_steps(viewer: Any, qtbot: Any) -> None:
    """Open, paint, train, paint what is missed, stop, continue, segment: and it is right."""
    truth, strokes = nuclei().truth, nuclei().paint
    viewer.open_sample("napari-scribe", "nuclei")
    viewer.layers.remove("nuclei annotations")
    _, dock = viewer.window.add_plugin_dock_widget("napari-scribe", "Train")
    dock.form.more.recipe.set_changes(QUICK)
    watch = Watch(dock, qtbot)

    click(dock.form.new)
    paint = viewer.layers["nuclei annotations"]
    where = np.nonzero(strokes)
    paint.data_setitem(where, strokes[where])
    click(dock.train_button)
    qtbot.waitUntil(lambda: len(watch.previews()) > 2)
    assert not dock.train_button.isEnabled()
    preview = viewer.layers["nuclei preview"]
    unpainted = np.setdiff1d(truth[truth > 0], truth[strokes > 0])
    missed = min(unpainted, key=lambda value: overlap(preview.data, truth == value))
    place = truth == missed
    before = overlap(preview.data, place)
    paint.data_setitem(np.nonzero(place), 99)
    qtbot.waitUntil(lambda: overlap(preview.data, place) > max(before, 0.5))

    click(dock.stop_button)
    watch.until_idle()
    assert dock.message.text.startswith("The model is kept as nuclei objects")
    assert not dock.stop_button.isEnabled()
    stopped_at = watch.steps[-1].index
    click(dock.continue_button)
    watch.until_step(max(280, stopped_at + 20))
    click(dock.stop_button)
    watch.until_idle()
    assert watch.steps[-1].index > stopped_at
    assert len(list_models()) == 2
    assert dock.curves.course.steps[0] < stopped_at < dock.curves.course.steps[-1]
    assert dock.curves.course.validation

    click(dock.segment_button)
    watch.until_idle()
    assert evaluate(viewer.layers["nuclei labels"].data, truth).ap[0] >= 0.8
    assert "objects in" in dock.message.text
    assert not preview.visible
    dock.close_down()


def test_results_lie_on_the_image(dock: Any, watch: Watch, painted: Any) -> None:
    painted.layers["nuclei"].translate = (30, 40)
    painted.layers["nuclei annotations"].translate = (30, 40)
    dock.train()
    watch.until_step(5)
    dock.stop()
    watch.until_idle()
    dock.segment()
    watch.until_idle()
    image = painted.layers["nuclei"]
    for name in ("nuclei preview", "nuclei labels"):
        made = painted.layers[name]
        assert np.allclose(made.scale, image.scale)
        assert np.allclose(made.translate, image.translate)
        assert made.units == image.units
        assert note(made)["source"] == "nuclei"


def test_training_ends_by_itself_and_says_when(dock: Any, watch: Watch) -> None:
    dock.form.more.minutes.value = 0.1  # the shortest time that the field shows
    dock.train()
    watch.qtbot.waitUntil(lambda: dock.progress.format().endswith("s left"))
    watch.until_idle()
    assert watch.steps[-1].fraction > 0.9
    assert watch.steps[-1].elapsed > 4
    assert dock.trained.path.exists()
    assert load_model(dock.trained.path).provenance["steps"] >= watch.steps[-1].index


def test_classes(dock: Any, watch: Watch, painted: Any, sample: Sample) -> None:
    paint = painted.layers["nuclei annotations"]
    paint.data = np.minimum(paint.data, 2)
    dock.form.task.value = "classes"
    assert "first class" in dock.form.hint.text()
    dock.train()
    watch.until_step(150)
    dock.stop()
    watch.until_idle()
    dock.segment()
    watch.until_idle()
    found = painted.layers["nuclei labels"].data
    assert set(np.unique(found)) == {1, 2}
    assert ((found == 2) == (sample.truth > 0)).mean() > 0.8
    assert "2 classes in" in dock.message.text


def test_a_stack_is_previewed_where_one_looks(
    dock: Any, watch: Watch, painted: Any, sample: Sample, qtbot: Any
) -> None:
    stack = np.stack([sample.image] * 4)
    film = painted.add_image(stack, axis_labels=("t", "y", "x"), name="film")
    dock.form.image.layer.value = film
    dock.form.new.click()
    painted.layers["film annotations"].data[1] = sample.paint
    painted.dims.set_current_step(0, 2)
    dock.train()
    qtbot.waitUntil(lambda: "film preview" in painted.layers)
    preview = painted.layers["film preview"]
    assert preview.data.shape == (1, 256, 256)
    assert preview.translate[0] == 2
    painted.dims.set_current_step(0, 3)
    qtbot.waitUntil(lambda: preview.translate[0] == 3)
    dock.stop()
    watch.until_idle()


def test_a_volume_in_3d(dock: Any, watch: Watch, painted: Any, qtbot: Any) -> None:
    volume = nuclei((16, 48, 48))
    layer = painted.add_image(volume.image, name="volume", axis_labels=("z", "y", "x"))
    dock.form.image.layer.value = layer
    dock.form.new.click()
    painted.layers["volume annotations"].data[:] = volume.paint
    dock.form.more.expand()
    assert dock.form.more.dimensions.native.isVisibleTo(dock.form.more)
    dock.form.more.dimensions.value = 3
    dock.form.more.recipe.set_changes({**SMALL, "network.depth": 1, "training.patch": 16})
    dock.train()
    qtbot.waitUntil(lambda: "volume preview" in painted.layers)
    assert painted.layers["volume preview"].data.shape == (16, 48, 48)
    dock.stop()
    watch.until_idle()
    dock.segment()
    watch.until_idle()
    assert painted.layers["volume labels"].data.shape == (16, 48, 48)


def test_some_channels_of_a_colour_picture(
    dock: Any, watch: Watch, painted: Any, sample: Sample
) -> None:
    grey = (sample.image / sample.image.max() * 255).astype(np.uint8)
    picture = painted.add_image(np.stack([grey, grey // 2, grey * 0], -1), rgb=True, name="slide")
    dock.form.image.layer.value = picture
    red, _, blue = dock.form.image.channels.boxes
    assert (red.text(), blue.text()) == ("red", "blue")
    blue.setChecked(False)
    dock.form.new.click()
    painted.layers["slide annotations"].data[:] = sample.paint
    dock.train()
    watch.until_step(5)
    dock.stop()
    watch.until_idle()
    assert dock.trained.model.channels == (0, 1)
    dock.segment()
    watch.until_idle()
    assert painted.layers["slide labels"].data.shape == sample.truth.shape


def test_a_model_of_one_channel_goes_on_with_a_chosen_one(
    dock: Any, watch: Watch, painted: Any, sample: Sample
) -> None:
    dock.train()
    watch.until_step(5)
    dock.stop()
    watch.until_idle()
    start = dock.trained.path.with_name("another.zip")
    shutil.copy(dock.trained.path, start)
    channels = np.stack([sample.image * 0, sample.image, sample.image // 2])
    layer = painted.add_image(channels, name="stained", metadata={"axes": "CYX"})
    dock.form.image.layer.value = layer
    dock.form.image.axes.value = "CYX"
    dock.form.new.click()
    painted.layers["stained annotations"].data[:] = sample.paint
    dock.start_from(start)
    assert dock.form.more.start.value() is None  # it would not be clear on which channel
    for box in dock.form.image.channels.boxes[::2]:
        box.setChecked(False)
    dock.start_from(start)
    assert dock.form.more.start.value() == start
    dock.train()
    watch.until_step(10)  # the channel fits
    dock.stop()
    watch.until_idle()


def test_a_kept_model_can_be_started_from(dock: Any, watch: Watch) -> None:
    dock.train()
    watch.until_step(5)
    dock.stop()
    watch.until_idle()
    start = dock.form.more.start
    assert start.value() is None
    start.set_value(dock.trained.path)
    assert "Objects, 2D" in start.info.text()
    dock.form.more.recipe.set_changes({"network.width": 2, "training.batch": 1})
    watch.steps.clear()
    dock.train()
    watch.until_step(WARM_UP)
    dock.stop()
    watch.until_idle()
    assert dock.trained.model.recipe.network.width == 4
    assert dock.message.text.startswith(
        ("The model is kept as", "Training on this paint did not improve")
    )


def test_stop_before_the_first_step(dock: Any, watch: Watch) -> None:
    dock.train()
    dock.stop()
    watch.until_idle()
    assert "Stopped" in dock.message.text or dock.trained is not None
    assert dock.train_button.isEnabled()


def test_a_stopped_segmentation(dock: Any, watch: Watch, painted: Any, sample: Sample) -> None:
    dock.train()
    watch.until_step(2)
    dock.stop()
    watch.until_idle()
    film = painted.add_image(np.stack([sample.image] * 60), name="film")
    dock.form.image.layer.value = film
    click(dock.segment_button)
    dock.stop()
    watch.until_idle()
    assert dock.message.text == "Stopped before anything was done."
    click(dock.segment_button)
    watch.qtbot.waitUntil(lambda: dock.progress.format().startswith("tile"))
    dock.stop()
    watch.until_idle()
    assert "choose a .zarr in the Segment dock, under More settings, Save to." in dock.message.text


def test_the_decoding_of_what_it_segmented_can_be_changed_and_kept(
    dock: Any, watch: Watch, painted: Any
) -> None:
    assert not dock.decoding.isVisibleTo(dock)
    dock.train()
    watch.until_step(10)
    dock.stop()
    watch.until_idle()
    fold = dock.decoding
    for smallest in (5000, 1):  # a network that has hardly learnt may find anything
        click(dock.segment_button)
        watch.until_idle()
        assert fold.isVisibleTo(dock)
        fold.fields["min_size"].value = smallest
        watch.qtbot.waitUntil(lambda: fold._running is None)
        labels = layer(painted, "nuclei labels").data
        assert fold.found.text().startswith(f"{labels.max()} object")
        assert not labels.any() or np.bincount(labels[labels > 0]).max() >= smallest
        fold.keep_button.click()
        assert load_model(dock.trained.path).parameters["min_size"] == smallest
        assert dock.message.text.startswith(f"The model is kept as {dock.trained.path.stem}, with")


def test_settings_are_remembered_and_reset(docks: Callable[[type], Any], qtbot: Any) -> None:
    dock = docks(TrainDock)
    dock.form.task.value = "classes"
    dock.form.more.minutes.value = 7.5
    dock.form.more.recipe.set_changes({"network.width": 8})
    dock.form.value()
    assert docks(TrainDock).form.task.value == "objects"  # nothing was done with it yet
    dock.train()
    dock.stop()
    qtbot.waitUntil(lambda: not dock.runner.is_running)
    other = docks(TrainDock)
    assert other.form.task.value == "classes"
    assert other.form.more.minutes.value == 7.5
    assert other.form.more.recipe.changes() == {"network.width": 8}
    other.form.more.reset.click()
    assert other.form.task.value == "objects"
    assert other.form.more.minutes.value == 2.0
    assert other.form.more.recipe.changes() == {}


# What can be wrong with the input


def expect(dock: Any, watch: Watch, said: str) -> None:
    dock.train()
    watch.until_idle()
    assert said in dock.message.text
    assert dock.train_button.isEnabled()
    assert not list_models()


def test_without_an_image(make_napari_viewer: Any, qtbot: Any) -> None:
    viewer = make_napari_viewer()
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock)
    assert "Open an image first" in dock.form.image.info.text()
    assert not dock.train_button.isEnabled()
    dock.train()
    assert "Open an image first" in dock.message.text
    viewer.add_image(np.zeros((40, 50)))
    assert dock.form.image.info.text() == "40 x 50 px"
    dock.train()
    assert "press New" in dock.message.text
    dock.form.new.click()
    assert dock.form.paint.value.name == "Image annotations"
    dock.close_down()


def test_what_cannot_be_learnt_from_is_said(
    dock: Any, watch: Watch, painted: Any, tmp_path: Any
) -> None:
    image, paint = painted.layers["nuclei"], painted.layers["nuclei annotations"]
    pixels, strokes = image.data, paint.data
    with_nan, with_inf = pixels.astype(np.float32), pixels.astype(np.float32)
    with_nan[7, 9], with_inf[7, 9] = np.nan, np.inf
    wrong = [
        (pixels, np.zeros_like(strokes), "Nothing is painted yet"),
        (pixels, np.where(strokes > 1, 0, strokes), "The paint holds no object"),
        (pixels, np.ones((100, 90), np.uint16), "New makes a layer that fits"),
        (with_nan, strokes, "NaN or infinite pixels"),
        (np.full_like(pixels, 7), strokes, "nothing stands out from an even background"),
        (with_inf, strokes, "NaN or infinite pixels"),
    ]
    for image.data, paint.data, said in wrong:
        expect(dock, watch, said)
        assert "--" not in dock.message.text
    image.data, paint.data = pixels, np.where(strokes > 1, 0, strokes)
    dock.form.task.value = "classes"
    expect(dock, watch, "Only class 1 is painted")
    dock.form.task.value, paint.data = "objects", strokes
    letter = tmp_path / "letter.zip"
    letter.write_text("Dear Sir")
    dock.form.more.start.set_value(letter)
    assert "is not a model" in dock.form.more.start.info.text()
    expect(dock, watch, "is not a model of napari-scribe")
    dock.form.more.start.set_value(None)
    dock.form.image.axes.setText("TYX")
    expect(dock, watch, "has 2 axes")
    assert "--" not in dock.message.text


def test_paint_of_another_image(dock: Any, watch: Watch, painted: Any, sample: Sample) -> None:
    other = painted.add_image(sample.image, name="other", scale=(0.5, 0.5), units=("um", "um"))
    dock.form.image.layer.value = other
    dock.train()
    assert dock.message.text == "nuclei annotations was made for nuclei. Use it for other?"
    dock.message.answers["Choose others"].click()
    assert not dock.runner.is_running
    dock.train()
    dock.message.answers["Use them"].click()
    watch.until_step(2)
    dock.stop()
    watch.until_idle()


def test_saved_paint_is_laid_over_its_image(
    dock: Any, watch: Watch, painted: Any, tmp_path: Any
) -> None:
    image = painted.layers["nuclei"]
    image.translate = (30, 40)
    painted.layers["nuclei annotations"].save(str(tmp_path / "mine.tif"))
    painted.layers.remove("nuclei annotations")
    (paint,) = painted.open(tmp_path / "mine.tif", layer_type="labels")
    assert np.allclose(paint.scale, 1)
    dock.form.paint.value = paint
    dock.train()
    assert dock.message.text == (
        "mine has no pixel size of its own, but as many pixels as nuclei. Lay it over nuclei?"
    )
    dock.message.answers["Choose others"].click()
    assert not dock.runner.is_running
    dock.train()
    dock.message.answers["Lay it over"].click()
    watch.until_step(2)
    dock.stop()
    watch.until_idle()
    assert np.allclose(paint.scale, image.scale)
    assert np.allclose(paint.translate, image.translate)
    assert paint.units == image.units
    assert dock.trained.request.paint.max() > 1


def test_what_z_is_does_not_matter_where_there_is_none(dock: Any, watch: Watch) -> None:
    dock.form.more.dimensions.value = 3
    train_briefly(dock, watch)
    assert dock.trained.model.dimensions == 2


def test_a_model_to_start_from_for_another_task(dock: Any, watch: Watch) -> None:
    dock.train()
    watch.until_step(2)
    dock.stop()
    watch.until_idle()
    dock.form.more.start.set_value(dock.trained.path)
    dock.form.task.value = "classes"
    dock.train()
    watch.until_idle()
    assert "answers objects, but classes are painted" in dock.message.text


def test_nuclei_painted_as_background_are_asked_about(
    dock: Any, watch: Watch, painted: Any
) -> None:
    paint = painted.layers["nuclei annotations"]
    data = np.where(paint.data > 1, 1, 0).astype(np.uint16)
    paint.data = data.copy()
    dock.train()
    watch.until_idle()
    assert "Are they objects?" in dock.message.text
    dock.message.answers["They are objects"].click()
    watch.until_step(2)
    dock.stop()
    watch.until_idle()
    assert len(np.unique(paint.data)) > 5
    paint.undo()
    assert np.array_equal(paint.data, data)


def test_nuclei_painted_with_one_number_are_asked_about(
    dock: Any, watch: Watch, painted: Any
) -> None:
    paint = painted.layers["nuclei annotations"]
    data = np.where(paint.data > 1, 7, paint.data).astype(np.uint16)
    for answer in ("Leave it", "They are objects"):
        paint.data = data.copy()
        dock.train()
        watch.until_idle()
        assert "Label 7 covers" in dock.message.text
        dock.message.answers[answer].click()
        watch.until_step(2)
        dock.stop()
        watch.until_idle()
        assert np.array_equal(paint.data == 1, data == 1)
        assert np.array_equal(paint.data > 1, data > 1)
        assert (len(np.unique(paint.data)) > 5) == (answer == "They are objects")


def test_leave_it_is_an_answer_too(dock: Any, watch: Watch, painted: Any) -> None:
    paint = painted.layers["nuclei annotations"]
    data = np.maximum(paint.data.astype(int) - 1, 0).astype(np.uint16)
    paint.data = np.where(paint.data == 1, 0, data).astype(np.uint16)
    dock.train()
    watch.until_idle()
    assert "ordinary mask" in dock.message.text
    before = paint.data.copy()
    dock.message.answers["Leave it"].click()
    watch.until_step(2)
    dock.stop()
    watch.until_idle()
    assert np.array_equal(paint.data, before)


# Continue


def train_briefly(dock: Any, watch: Watch) -> int:
    """Train a few steps; the last one's number."""
    click(dock.train_button)
    return stop_soon(dock, watch)


def stop_soon(dock: Any, watch: Watch) -> int:
    n = len(watch.steps)
    watch.qtbot.waitUntil(lambda: len(watch.steps) > n + 1)
    click(dock.stop_button)
    watch.until_idle()
    return int(watch.steps[-1].index)


def test_a_failed_training_leaves_the_last_one_to_continue(
    dock: Any, watch: Watch, painted: Any
) -> None:
    stopped_at = train_briefly(dock, watch)
    paint = painted.layers["nuclei annotations"]
    whole = paint.data.copy()
    paint.data = np.minimum(whole, 1)
    dock.form.task.value = "classes"
    click(dock.train_button)
    watch.until_idle()
    assert "Only class 1" in dock.message.text
    paint.data = whole
    dock.form.more.device.value = "cpu"
    dock.form.more.recipe.set_changes({"network.width": 16, "training.batch": 1})
    click(dock.continue_button)
    dock.message.answers["Go on as it was"].click()
    assert stop_soon(dock, watch) > stopped_at
    recipe, request = dock.trained.model.recipe, dock.trained.request
    assert (recipe.task, recipe.network.width) == ("objects", 4)
    assert (recipe.training.batch, request.device) == (1, "cpu")
    assert request.resume is None


def test_continue_asks_about_the_paint_and_goes_on(dock: Any, watch: Watch, painted: Any) -> None:
    stopped_at = train_briefly(dock, watch)
    paint = painted.layers["nuclei annotations"]
    paint.data = np.where(paint.data > 1, 1, 0).astype(np.uint16)
    click(dock.continue_button)
    watch.until_idle()
    assert "Are they objects?" in dock.message.text
    dock.form.task.value = "classes"
    assert not dock.message.answers  # it was about objects
    dock.form.task.value = "objects"
    click(dock.continue_button)
    watch.until_idle()
    dock.message.answers["They are objects"].click()
    assert stop_soon(dock, watch) > stopped_at
    assert dock.trained.model.recipe.task == "objects"
    assert dock.trained.request.paint_layer is paint
    assert dock.curves.course.steps[0] <= stopped_at < dock.curves.course.steps[-1]


def test_continue_on_another_image_is_asked_about(
    dock: Any, watch: Watch, painted: Any, sample: Sample
) -> None:
    train_briefly(dock, watch)
    other = painted.add_image(sample.image, name="other", scale=(0.5, 0.5), units=("um", "um"))
    dock.form.image.layer.value = other
    click(dock.continue_button)
    assert dock.message.text == "nuclei annotations was made for nuclei. Use it for other?"
    dock.message.answers["Use them"].click()
    stop_soon(dock, watch)
    assert dock.trained.request.image_layer is other


# What can happen while it runs


def test_a_training_waits_and_takes_what_was_painted_meanwhile(
    dock: Any, watch: Watch, docks: Callable[[type], Any], painted: Any, qtbot: Any
) -> None:
    dock.train()
    watch.until_step(2)
    other = docks(TrainDock)
    other.form.more.recipe.set_changes(SMALL)
    other.train()
    assert "Waiting for training on nuclei to end" in other.message.text
    assert not other.train_button.isEnabled() and other.curves.isHidden()
    painted.layers["nuclei annotations"].data_setitem(np.nonzero(np.ones((8, 8))), 1)
    dock.stop()
    watch.until_idle()
    assert dock.trained.path.exists()
    qtbot.waitUntil(lambda: bool(other.curves.course.steps))
    assert not other.message.text.startswith("Waiting")
    qtbot.waitUntil(lambda: bool((other.view._sent[0][:8, :8] == 1).all()))
    other.stop()
    qtbot.waitUntil(lambda: not other.runner.is_running)
    assert other.trained.path != dock.trained.path


@pytest.mark.parametrize("name", ["nuclei", "nuclei annotations"])
def test_a_layer_is_removed_while_it_trains(
    dock: Any, watch: Watch, painted: Any, name: str
) -> None:
    dock.train()
    watch.until_step(2)
    painted.layers.remove(name)
    assert f"{name} was removed" in dock.message.text
    n = watch.steps[-1].index
    watch.until_step(n + 20)
    dock.stop()
    watch.until_idle()
    assert dock.trained.path.exists()
    assert dock.segment_button.isEnabled() == (name != "nuclei")


def test_a_preview_that_is_removed_does_not_come_back(
    dock: Any, watch: Watch, painted: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previews, "PREVIEW_EVERY", 0.0)
    dock.train()
    qtbot.waitUntil(lambda: len(watch.previews()) > 3)
    painted.layers.remove("nuclei preview")
    n = len(watch.previews())
    watch.until_step(2 * watch.steps[-1].index)  # as long again
    assert len(watch.previews()) <= n + 1  # that was on its way
    assert "nuclei preview" not in painted.layers
    dock.stop()
    watch.until_idle()


def test_paint_of_another_shape_while_it_trains(
    dock: Any, watch: Watch, painted: Any, qtbot: Any
) -> None:
    dock.train()
    watch.until_step(2)
    painted.layers["nuclei annotations"].data = np.ones((100, 90), np.uint16)
    qtbot.waitUntil(lambda: "Training goes on" in dock.message.text)
    n = watch.steps[-1].index
    watch.until_step(n + 10)
    dock.stop()
    watch.until_idle()
    assert dock.trained.path.exists()


def test_the_viewer_is_closed_while_it_trains(
    make_napari_viewer: Any, sample: Sample, qtbot: Any
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(sample.image, name="nuclei")
    viewer.add_labels(sample.paint.astype(np.uint16), name="paint")
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock)
    dock.form.more.recipe.set_changes(SMALL)
    watch = Watch(dock, qtbot)
    dock.train()
    watch.until_step(3)
    viewer.close()
    qtbot.waitUntil(lambda: bool(list_models()))
    load_model(list_models()[0])


def test_nothing_stays_of_a_closed_dock(painted: Any, qtbot: Any) -> None:
    dock = TrainDock(painted)
    painted.window.add_dock_widget(dock)
    dock.form.more.recipe.set_changes(SMALL)
    watch = Watch(dock, qtbot)
    dock.train()
    watch.until_step(3)
    training = weakref.ref(dock.view)
    paint = painted.layers["nuclei annotations"]
    painted.window.remove_dock_widget(dock.parent())
    assert not dock.runner.is_running and len(list_models()) == 1
    assert not [c for c in paint.events.paint.callbacks if "LivePaint" in repr(c)]
    gone = weakref.ref(dock)
    del dock, watch
    qtbot.wait(50)
    gc.collect()
    assert gone() is None
    assert training() is None
    paint.paint((5, 5), 3)
    painted.layers.remove("nuclei")


def test_what_is_noted_as_corrected_weighs_more(dock: Any, painted: Any) -> None:
    layer = painted.layers["nuclei annotations"]

    def corrected() -> list[int]:
        request = dock.form.value()
        return list(request.as_paint(layer.data, request.painted[0]).corrected)

    assert corrected() == []
    add_note(layer, corrected=[3, 5])
    assert corrected() == [3, 5]
    dock.form.task.value = "classes"
    assert corrected() == []

"""The Denoise dock: from a noisy movie to a denoised one, and everything that can go wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest

import napari_scribe as ns
from napari_scribe.evaluation.images import evaluate_images
from napari_scribe.image import Image
from napari_scribe.io.model_folder import list_models, model_folder, shipped_models
from napari_scribe.model import load_model
from napari_scribe.plugin.denoise.dock import DenoiseDock
from napari_scribe.plugin.denoise.job import REMEDIES
from napari_scribe.plugin.denoise.pairs import (
    CHANNELS,
    FRAMES,
    LAYER,
    REPEATS,
    SINGLE,
    SLICES,
    offered_ways,
)
from napari_scribe.plugin.jobs import inference
from napari_scribe.plugin.layers.lazy import Lazy
from napari_scribe.plugin.layers.purpose import note
from napari_scribe.plugin.segment.dock import SegmentDock
from napari_scribe.plugin.train.dock import TrainDock
from napari_scribe.plugin.widgets.feedback import ERROR
from napari_scribe.plugin.widgets.scope_picker import FRAME, VISIBLE
from napari_scribe.recipe import parse_recipe
from napari_scribe.samples import noisy_movie
from napari_scribe.training.job import TrainStep

SMALL = {
    "network.width": 4,
    "network.depth": 1,
    "training.patch": 32,
    "training.batch": 2,
    "training.validate_every": 5,
}
PLACE = {
    "scale": (10, 0.5, 0.5),
    "translate": (0, 3, 4),
    "units": ("s", "um", "um"),
    "axis_labels": ("t", "y", "x"),
    "contrast_limits": (90, 500),
    "colormap": "magma",
}


def n_learnt(records: list[Any]) -> int:
    """Return how many steps were learnt, after the pairs were checked."""
    return sum(isinstance(record, TrainStep) for record in records)


@pytest.fixture(scope="session")
def frames() -> np.ndarray:
    """A short movie in which nothing drifts."""
    return noisy_movie(8, 96).noisy


@pytest.fixture
def film(viewer: Any, frames: np.ndarray) -> Any:
    """It, in the viewer."""
    return viewer.add_image(frames.copy(), name="film", **PLACE)


@pytest.fixture
def dock(film: Any, viewer: Any) -> Iterator[Any]:
    made = DenoiseDock(viewer)
    viewer.window.add_dock_widget(made, name="Denoise")
    made.form.more.recipe.set_changes(SMALL)
    made.form.more.steps.value = 10
    yield made
    made.close_down()


@pytest.fixture(scope="session")
def denoiser(frames: np.ndarray) -> Any:
    """A model that has seen a little noise."""
    recipe = parse_recipe({"task": "denoised"}).changed(SMALL)
    pairs = ns.frame_pairs(Image(frames, "TYX", name="film"))
    return ns.run(ns.train_denoiser(pairs, recipe, steps=20))


@pytest.fixture
def kept_denoiser(denoiser: Any) -> Any:
    return denoiser.save(model_folder() / "quiet.zip")


@pytest.fixture
def ready(kept_denoiser: Any, dock: Any) -> Any:
    """The dock, with a model to apply."""
    dock.form.model.reset_choices()
    assert dock.form.model.value() == kept_denoiser
    return dock


def click(button: Any) -> None:
    assert button.isEnabled()
    button.click()


def test_the_sample_movie(viewer: Any, qtbot: Any) -> None:
    """Check finds the drift; register, train, apply: and it is far closer to the truth."""
    viewer.open_sample("napari-scribe", "noisy_movie")
    _, dock = viewer.window.add_plugin_dock_widget("napari-scribe", "Denoise")
    dock.form.more.recipe.set_changes({"network.width": 8, "network.depth": 2})
    dock.form.more.steps.value = 150

    def idle() -> None:
        qtbot.waitUntil(lambda: not dock.runner.is_running)

    assert dock.form.pairs.way.current_choice == "Each frame with the next"
    click(dock.check_button)
    idle()
    assert any("drifts by 2.0 px" in message.text for message in dock.findings.messages)
    assert dock.findings.boxes["register"].isChecked()
    click(dock.train_button)
    idle()
    assert dock.trained.request.remedies >= {"register"}
    assert dock.message.text.startswith("The model is kept as noisy movie denoiser")
    click(dock.apply_button)
    idle()
    noisy, truth = (viewer.layers[f"noisy movie{end}"].data for end in ("", " truth"))
    result = viewer.layers["noisy movie denoised"]
    before, after = (evaluate_images(made, truth).psnr for made in (noisy, result.data))
    assert after > before + 6
    assert dock.message.text.startswith("Denoised in ")
    assert "What was removed" in dock.message.text
    dock.close_down()


# Pairs


def test_pairs_are_guessed_from_the_axes() -> None:
    def first(shape: tuple[int, ...], axes: str, dimensions: int = 2) -> str:
        return offered_ways(Image(np.zeros(shape), axes), dimensions, has_other=True)[0]

    assert first((5, 8, 8), "TYX") == FRAMES
    assert first((5, 8, 8), "ZYX") == SLICES
    assert first((3, 5, 8, 8), "TZYX") == FRAMES
    assert first((5, 8, 8), "ZYX", 3) == SINGLE
    assert first((1, 8, 8), "TYX") == SINGLE
    assert first((8, 8), "YX") == SINGLE
    assert first((2, 8, 8), "CYX") == SINGLE
    two = offered_ways(Image(np.zeros((2, 8, 8)), "CYX"), 2, has_other=False)
    assert two == [SINGLE, CHANNELS]
    assert LAYER not in two
    assert REPEATS in offered_ways(Image(np.zeros((5, 8, 8)), "ZYX"), 2, has_other=False)


def test_the_axes_decide_and_the_choice_stays(dock: Any, film: Any, viewer: Any) -> None:
    picker = dock.form.pairs
    assert picker.way.value == FRAMES
    assert "little changes" in picker.hint.text()
    dock.form.image.axes.setText("ZYX")
    dock.form.image.axes.editingFinished.emit()
    assert picker.way.value == SLICES
    picker.way.value = REPEATS
    viewer.add_labels(np.zeros(film.data.shape, int), name="labels")
    assert (dock.form.image.layer.value, picker.way.value) == (film, REPEATS)
    viewer.add_image(film.data, name="other")
    viewer.layers.selection.active = film
    assert dock.form.image.layer.value is film
    picker.way.value = LAYER
    assert picker.other.native.isVisibleTo(dock)
    assert picker.other.value is viewer.layers["other"]
    assert dock.form.source().other.name == "other"


def test_two_channels(
    dock: Any, viewer: Any, frames: np.ndarray, idle: Callable[..., None]
) -> None:
    both = viewer.add_image(frames[:2], axis_labels=("channel", "y", "x"), name="both")
    dock.form.image.layer.value = both
    dock.form.pairs.way.value = CHANNELS
    assert (dock.form.pairs.first.value, dock.form.pairs.second.value) == (0, 1)
    click(dock.train_button)
    idle()
    dock.message.answers["Train"].click()  # one pair is few
    idle()
    assert dock.trained.model.channels == (0,)
    click(dock.apply_button)
    idle()
    assert viewer.layers["both denoised"].data.shape == (96, 96)


def test_single_image(
    dock: Any, viewer: Any, frames: np.ndarray, idle: Callable[..., None]
) -> None:
    dock.form.image.layer.value = viewer.add_image(frames[0], name="still")
    click(dock.train_button)
    idle()
    assert dock.trained.model.provenance["pairs"]["single"]


# Check


def test_a_clean_case(dock: Any, idle: Callable[[], None], viewer: Any) -> None:
    assert "Not checked yet" in dock.findings.summary.text()
    click(dock.check_button)
    assert not dock.train_button.isEnabled()
    idle()
    assert "nothing speaks against them" in dock.findings.summary.text()
    assert not dock.findings.messages and not dock.findings.boxes
    assert dock.findings.fold.isVisibleTo(dock)
    viewer.add_labels(np.zeros((20, 20), int), name="labels")
    assert dock.checked is not None
    viewer.add_image(np.zeros((20, 20)), name="small")
    assert dock.form.image.layer.value is viewer.layers["small"]
    assert dock.checked is None
    assert "Not checked yet" in dock.findings.summary.text()


@pytest.fixture
def drifting(dock: Any, viewer: Any) -> Any:
    moved = noisy_movie(8, 96, drift=2.0, bleaching=0.4).noisy
    dock.form.image.layer.value = viewer.add_image(moved, name="drifting", **PLACE)
    return dock


def test_train_checks_first_and_asks(drifting: Any, idle: Callable[[], None], qtbot: Any) -> None:
    click(drifting.train_button)
    idle()
    assert "The check found something" in drifting.message.text
    assert not list_models()
    drifting.message.answers["Not yet"].click()
    assert set(drifting.findings.boxes) == {"register", "match"}
    drifting.findings.boxes["match"].setChecked(False)
    click(drifting.train_button)  # what was found has been read
    idle()
    assert drifting.trained.request.remedies == {"register"}
    assert len(list_models()) == 1


def test_what_was_found_can_be_trained_on(drifting: Any, idle: Callable[[], None]) -> None:
    click(drifting.train_button)
    idle()
    drifting.message.answers["Train"].click()
    idle()
    assert drifting.trained.request.remedies == {"register", "match"}


def test_every_remedy_has_words() -> None:
    from napari_scribe.training.pairs.fitness import Finding

    assert set(REMEDIES) == set(get_args(get_type_hints(Finding)["remedy"])) - {""}


def test_stopped_while_it_checks(
    dock: Any, film: Any, viewer: Any, idle: Callable[[], None]
) -> None:
    click(dock.train_button)
    click(dock.stop_button)
    viewer.add_image(film.data, name="other")  # the form is looked at again
    assert not dock.stop_button.isEnabled()
    idle()
    assert dock.message.text.startswith("Stopped")
    assert dock.trained is None
    dock.form.image.layer.value = film  # it has gone to the image that was selected meanwhile
    dock.form.pairs.way.value = REPEATS  # not checked yet, whatever became of the others
    click(dock.train_button)
    viewer.layers.remove("film")
    idle()
    assert dock.message.text.startswith("film was removed while it was checked")
    assert dock.trained is None and dock.checked is None


# Train


def test_previews_show_the_right_half(
    dock: Any, film: Any, viewer: Any, idle: Callable[[], None], qtbot: Any
) -> None:
    dock.form.more.steps.value = 0
    viewer.dims.set_current_step(0, 3)
    click(dock.train_button)
    qtbot.waitUntil(lambda: "film preview" in viewer.layers)
    preview = viewer.layers["film preview"]
    assert preview.data.shape == (1, 96, 48)
    assert preview.data.dtype == np.float32
    assert np.allclose(preview.translate, (30, 3, 4 + 24))
    assert np.allclose(preview.contrast_limits, (90, 500))
    assert preview.colormap.name == "magma"
    viewer.dims.set_current_step(0, 5)
    qtbot.waitUntil(lambda: np.isclose(preview.translate[0], 50))
    right_half = film.data[5][:, 48:]
    qtbot.waitUntil(lambda: abs(float(preview.data.mean()) - float(right_half.mean())) < 20)
    click(dock.stop_button)
    idle()
    click(dock.apply_button)
    idle()
    assert not preview.visible
    result = viewer.layers["film denoised"]
    assert viewer.layers.index(result) > viewer.layers.index(preview)
    click(dock.continue_button)
    assert preview.visible and result.visible
    assert viewer.layers.index(result) < viewer.layers.index(preview)
    click(dock.stop_button)
    idle()


def test_stop_and_continue(
    dock: Any,
    viewer: Any,
    idle: Callable[[], None],
    qtbot: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps: list[Any] = []
    told: list[str] = []
    dock.runner.record.connect(steps.append)
    monkeypatch.setattr(dock.message, "warn", told.append)
    dock.form.more.steps.value = 0
    click(dock.train_button)
    qtbot.waitUntil(lambda: n_learnt(steps) > 2)
    click(dock.stop_button)
    idle()
    assert dock.message.text.startswith("The model is kept as film denoiser")
    first, path = steps[-1].index, dock.trained.path

    def go_on() -> None:
        before = steps[-1].index
        click(dock.continue_button)
        qtbot.waitUntil(lambda: steps[-1].index > before)
        assert dock.progress.format().startswith(("step", "Preparing"))
        click(dock.stop_button)
        idle()

    go_on()
    assert set(list_models()) == {path, dock.trained.path} and dock.trained.path != path
    assert dock.curves.course.steps[0] <= first < dock.curves.course.steps[-1]
    path = dock.trained.path
    assert dock.form.model.value() == path
    learnt = load_model(path).provenance
    assert learnt["steps"] > first
    assert f", {learnt['steps']} steps in " in dock.form.model.info.text()
    renamed = path.rename(path.with_name("mine.zip"))
    go_on()
    assert not told
    assert {renamed, dock.trained.path} < set(list_models())
    assert load_model(renamed).provenance == learnt


def test_a_denoiser_can_be_started_from(ready: Any, idle: Callable[[], None]) -> None:
    start = ready.form.more.start
    start.set_value(ready.form.model.value())
    assert start.info.text().startswith("Denoiser, 2D, 1 channel. Trained on film, 20 steps")
    ready.form.more.recipe.set_changes({**SMALL, "network.width": 2})
    click(ready.train_button)
    idle()
    assert ready.trained.model.recipe.network.width == 4
    assert ready.message.text.startswith(
        (
            "The model is kept as",
            "Training on these pairs did not improve",
            "The training was too short to learn from these pairs",
        )
    )


def test_the_loss_is_chosen_in_words(dock: Any, idle: Callable[[], None]) -> None:
    dock.form.more.loss.value = "l1"
    click(dock.train_button)
    idle()
    assert dock.trained.model.recipe.target.loss == "l1"


# Apply


def test_a_result_looks_like_its_image(
    ready: Any, film: Any, viewer: Any, idle: Callable[[], None], denoiser: Any
) -> None:
    click(ready.apply_button)
    idle()
    result = viewer.layers["film denoised"]
    assert np.array_equal(result.data, ns.run(ns.denoise(denoiser, film.data)))
    for name in ("scale", "translate", "contrast_limits"):
        assert np.allclose(getattr(result, name), getattr(film, name))
    assert (result.units, result.colormap.name) == (film.units, "magma")
    assert (result.data.dtype, result.axis_labels) == (np.float32, film.axis_labels)
    assert note(result)["source"] == "film"
    assert ready.form.image.layer.value is film
    assert result in ready.form.image.layer.choices  # to segment it, for example
    assert "film removed noise" not in viewer.layers
    assert ready.message.text.startswith("Denoised in")
    viewer.layers.remove("film")
    assert ready.form.image.layer.value is None
    assert not ready.message.text
    assert not ready.apply_button.isEnabled()


def test_what_was_removed(ready: Any, film: Any, viewer: Any, idle: Callable[[], None]) -> None:
    ready.form.removed.value = True
    click(ready.apply_button)
    idle()
    removed = viewer.layers["film removed noise"]
    result = viewer.layers["film denoised"]
    assert np.allclose(removed.data, film.data.astype(np.float32) - result.data)
    assert np.allclose(removed.scale, film.scale)
    low, high = removed.contrast_limits
    assert low == -high
    assert not removed.visible and result.visible
    assert "hidden" in ready.message.text
    assert removed not in ready.form.image.layer.choices


def test_one_frame_and_what_is_visible(
    ready: Any, film: Any, viewer: Any, idle: Callable[[], None]
) -> None:
    viewer.dims.set_current_step(0, 2)
    ready.form.scope.combo.value = FRAME
    ready.form.removed.value = True
    click(ready.apply_button)
    idle()
    frame = viewer.layers["film denoised (frame T 2)"]
    assert frame.data.shape == (1, 96, 96)
    assert np.allclose(frame.translate, (20, 3, 4))
    removed = viewer.layers["film removed noise (frame T 2)"]
    assert np.allclose(removed.data[0], film.data[2] - frame.data[0], atol=1e-3)
    film.corner_pixels = np.array([[2, 16, 8], [2, 79, 71]])
    ready.form.scope.combo.value = VISIBLE
    click(ready.apply_button)
    idle()
    part = viewer.layers["film denoised (visible T 2, Y 16, X 8)"]
    assert part.data.shape == (1, 64, 64)
    assert np.allclose(part.translate, (20, 3 + 8, 4 + 4))


def test_in_the_type_of_the_image(ready: Any, viewer: Any, idle: Callable[[], None]) -> None:
    ready.form.more.dtype.value = "source"
    click(ready.apply_button)
    idle()
    assert viewer.layers["film denoised"].data.dtype == np.uint16


def test_channels_stay_together(
    dock: Any, viewer: Any, frames: np.ndarray, idle: Callable[[], None]
) -> None:
    stack = np.stack([frames, frames[::-1]], axis=1)
    labels = ("t", "channel", "y", "x")
    both = viewer.add_image(stack, axis_labels=labels, scale=(9, 1, 0.5, 0.5), name="both")
    dock.form.image.layer.value = both
    dock.form.removed.value = True
    click(dock.train_button)
    idle()
    assert dock.trained.model.channels == (0, 1)
    click(dock.apply_button)
    idle()
    for name in ("both denoised", "both removed noise"):
        assert viewer.layers[name].data.shape == stack.shape
        assert np.allclose(viewer.layers[name].scale, both.scale)


def test_a_large_result_lies_on_disk(
    ready: Any,
    film: Any,
    viewer: Any,
    idle: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    denoiser: Any,
) -> None:
    monkeypatch.setattr(inference, "IN_MEMORY", 70_000)
    ready.form.removed.value = True
    click(ready.apply_button)
    idle()
    result = viewer.layers["film denoised"]
    data = result.data[0] if result.multiscale else result.data
    assert isinstance(data, Lazy)
    assert np.allclose(np.asarray(data), ns.run(ns.denoise(denoiser, film.data)))
    assert "film denoised.zarr" in ready.message.text
    assert "too large to be shown as a whole" in ready.message.text
    assert "film removed noise" not in viewer.layers


def test_stopped_and_gone_on_with(
    ready: Any, viewer: Any, frames: np.ndarray, idle: Callable[[], None], tmp_path: Any, qtbot: Any
) -> None:
    long = viewer.add_image(np.concatenate([frames] * 30), axis_labels=("t", "y", "x"), name="long")
    ready.form.image.layer.value = long
    ready.form.more.save_to.value = tmp_path / "long.zarr"
    click(ready.apply_button)
    qtbot.waitUntil(lambda: ready.progress.format().startswith("tile"))
    click(ready.stop_button)
    idle()
    assert ready.message.text.startswith("Stopped. Apply goes on from here.")
    click(ready.apply_button)
    idle()
    assert (tmp_path / "long.zarr").exists()
    assert viewer.layers["long denoised"].visible


# What can be wrong with the input


def expect(dock: Any, idle: Callable[[], None], said: str) -> None:
    for button in (dock.check_button, dock.train_button):
        click(button)
        idle()
    assert said in dock.message.text
    assert "--" not in dock.message.text
    assert dock.train_button.isEnabled()
    assert not list_models()


def test_without_an_image(viewer: Any) -> None:
    made = DenoiseDock(viewer)
    viewer.window.add_dock_widget(made)
    assert "Open Sample > Scribe > Noisy movie" in made.form.image.info.text()
    for pressed in (made.check, made.train, made.apply):
        pressed()
        assert "Open an image first" in made.message.text
    viewer.add_labels(np.ones((40, 40), int))
    assert made.form.image.layer.value is None
    assert not made.train_button.isEnabled()
    made.close_down()


def test_what_cannot_be_denoised_is_said(
    dock: Any, film: Any, viewer: Any, idle: Callable[[], None]
) -> None:
    frames = film.data
    with_nan, with_inf = frames.astype(np.float32), frames.astype(np.float32)
    with_nan[:, 5, 5], with_inf[:, 5, 5] = np.nan, np.inf
    wrong = [
        (with_nan, "NaN or infinite pixels"),
        (np.stack([frames[0]] * 8), "pixel for pixel"),
        (with_inf, "NaN or infinite pixels"),
        (np.full_like(frames, 7), "the same value"),
    ]
    for film.data, said in wrong:
        expect(dock, idle, said)
    assert ERROR in dock.findings.messages[0].styleSheet()
    film.data = frames
    dock.form.image.axes.setText("YX")
    expect(dock, idle, "3 axes")
    dock.form.image.axes.setText("TYX")
    dock.form.image.axes.editingFinished.emit()
    viewer.add_image(frames[:, :50], name="cut")
    dock.form.image.layer.value = film
    dock.form.pairs.way.value = LAYER
    expect(dock, idle, "they need the same axes and shape")
    picture = viewer.add_image(np.zeros((40, 50, 3), np.uint8), rgb=True, name="slide")
    dock.form.image.layer.value = picture
    expect(dock, idle, "slide is a colour picture (RGB)")


def test_a_single_frame_has_no_frames_to_pair(dock: Any, film: Any) -> None:
    film.data = film.data[:1]
    dock.form.image.axes.editingFinished.emit()
    assert dock.form.pairs.way.value == SINGLE
    assert FRAMES not in dock.form.pairs.way.choices


def test_without_a_denoiser(dock: Any, model: Any) -> None:
    model.save(model_folder() / "nuclei.zip")
    dock.form.model.reset_choices()
    assert dock.form.model.value() is None
    assert not dock.apply_button.isEnabled()
    dock.apply()
    assert "There is no denoiser yet" in dock.message.text


def test_a_model_that_finds_objects(dock: Any, idle: Callable[[], None], kept: Any) -> None:
    dock.form.model.set_value(kept)
    click(dock.apply_button)
    idle()
    assert "takes no noise off" in dock.message.text
    assert dock.message.text.endswith("or segment with it.")


# Other docks


def test_each_dock_offers_its_own_models(
    docks: Callable[[type], Any], kept: Any, kept_denoiser: Any
) -> None:
    ships = shipped_models()
    assert docks(SegmentDock).form.model.combo.choices == (*ships, kept)
    more = docks(TrainDock).form.more
    assert more.start.combo.choices == ("nothing", *ships, kept)
    assert more.denoiser.combo.choices == ("no", kept_denoiser)
    form = docks(DenoiseDock).form
    assert form.model.combo.choices == (kept_denoiser,)
    assert form.more.start.combo.choices == ("nothing", kept_denoiser)


def test_denoise_first_then_segment(
    docks: Callable[[type], Any], kept_denoiser: Any, qtbot: Any, denoiser: Any, painted: Any
) -> None:
    train = docks(TrainDock)
    train.form.more.recipe.set_changes({**SMALL, "network.depth": 2})
    train.form.more.denoiser.set_value(kept_denoiser)
    steps: list[Any] = []
    train.runner.record.connect(steps.append)
    train.train()
    qtbot.waitUntil(lambda: len(steps) > 2)
    train.stop()
    qtbot.waitUntil(lambda: not train.runner.is_running)
    assert load_model(train.trained.path).denoiser.fingerprint() == denoiser.fingerprint()
    segment = docks(SegmentDock)
    segment.form.model.set_value(train.trained.path)  # not chosen by itself: it has learnt little
    segment.segment()
    qtbot.waitUntil(lambda: not segment.runner.is_running)
    assert "objects in" in segment.message.text or "object in" in segment.message.text


def test_a_check_is_stopped_between_two_pairs(
    dock: Any, viewer: Any, frames: np.ndarray, idle: Callable[[], None], qtbot: Any
) -> None:
    dock.form.image.layer.value = viewer.add_image(np.tile(frames, (4, 3, 3)), name="large")
    steps: list[Any] = []
    dock.runner.record.connect(steps.append)
    click(dock.check_button)
    qtbot.waitUntil(lambda: bool(steps))
    click(dock.stop_button)
    idle()
    assert dock.checked is None and steps[-1].done < steps[-1].total
    assert dock.message.text == "Stopped before the pairs were checked."


def test_settings_are_remembered_and_reset(
    dock: Any, viewer: Any, idle: Callable[[], None]
) -> None:
    dock.form.more.loss.value = "l1"
    dock.form.removed.value = True
    dock.train()
    idle()
    again = DenoiseDock(viewer)
    viewer.window.add_dock_widget(again)
    assert (again.form.more.loss.value, again.form.removed.value) == ("l1", True)
    assert again.form.more.recipe.changes() == SMALL
    again.form.more.reset.click()
    assert (again.form.more.loss.value, again.form.removed.value) == ("l2", False)
    assert again.form.more.recipe.changes() == {}
    again.close_down()

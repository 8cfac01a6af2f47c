"""Continue goes on with what was trained, or asks; a model is known by what it was trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from napari_scribe.io.model_folder import list_models
from napari_scribe.plugin.denoise.dock import DenoiseDock
from napari_scribe.plugin.denoise.pairs import NEAR
from napari_scribe.plugin.train.dock import TrainDock
from napari_scribe.samples import noisy_movie, nuclei
from napari_scribe.training.job import TrainStep

SMALL = {
    "network.width": 4,
    "network.depth": 1,
    "training.patch": 32,
    "training.batch": 2,
    "training.validate_every": 5,
}
AS_IT_WAS, ANEW = "Go on as it was", "Train anew"


class Sitting:
    """A dock in which something was trained and stopped."""

    def __init__(self, dock: Any, qtbot: Any) -> None:
        self.dock, self.qtbot = dock, qtbot
        self.steps: list[int] = []
        dock.runner.record.connect(self.take)

    def take(self, record: Any) -> None:
        if isinstance(record, TrainStep):
            self.steps.append(record.index)

    def idle(self) -> None:
        self.qtbot.waitUntil(lambda: not self.dock.runner.is_running)

    def stop_soon(self) -> None:
        n = len(self.steps)
        self.qtbot.waitUntil(lambda: len(self.steps) > n + 1)
        self.dock.stop_button.click()
        self.idle()

    def question(self) -> str:
        """What Continue asks before it goes on; empty where it goes on."""
        assert self.dock.continue_button.isEnabled()
        self.dock.continue_button.click()
        if self.dock.runner.is_running:
            self.dock.stop_button.click()
            self.idle()
            return ""
        assert set(self.dock.message.answers) == {AS_IT_WAS, ANEW}
        assert not self.dock.progress.format()
        return str(self.dock.message.text)


@pytest.fixture
def painting(viewer: Any, qtbot: Any) -> Iterator[Sitting]:
    """The Train dock after a short training on two channels of a stack."""
    found = nuclei((64, 64))
    pixels = np.stack([found.image, found.image[::-1]])
    labels = ("c", "z", "y", "x")
    viewer.add_image(np.stack([pixels] * 2, axis=1), axis_labels=labels, name="cells")
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock)
    dock.form.more.recipe.set_changes(SMALL)
    dock.form.new.click()
    viewer.layers["cells annotations"].data[0] = found.paint
    sitting = Sitting(dock, qtbot)
    dock.train()
    sitting.stop_soon()
    assert dock.trained is not None, dock.message.text
    yield sitting
    dock.close_down()


@pytest.fixture
def denoising(viewer: Any, qtbot: Any) -> Iterator[Sitting]:
    """The Denoise dock after a short training on a movie."""
    viewer.add_image(noisy_movie(6, 96, drift=2.0, bleaching=0.4).noisy, name="film")
    dock = DenoiseDock(viewer)
    viewer.window.add_dock_widget(dock)
    dock.form.image.axes.setText("TYX")
    dock.form.image.axes.editingFinished.emit()
    dock.form.more.recipe.set_changes(SMALL)
    sitting = Sitting(dock, qtbot)
    dock.train()
    sitting.idle()
    dock.message.answers["Train"].click()
    sitting.stop_soon()
    assert dock.trained is not None, dock.message.text
    yield sitting
    dock.close_down()


def test_what_continue_cannot_change_on_paint(painting: Sitting) -> None:
    form = painting.dock.form
    more = form.more
    depth, ring = more.recipe.parts["network"]["depth"], more.recipe.parts["target"]["ring"]
    changes: list[tuple[Any, Any, str, str]] = [
        (form.task, "classes", "Objects", "Classes"),
        (
            more.dimensions,
            3,
            "dimensions 2, bring objects to 24.0",
            "dimensions 3, bring objects to 0.0",
        ),
        (depth, 2, "depth 1", "depth 2"),
        (ring, 7, "ring of background 4", "ring of background 7"),
    ]
    for widget, value, was, now in changes:
        before = widget.value
        widget.value = value
        said = painting.question()
        assert said == f"Go on with {was}, as it was trained, or train anew with {now}?"
        widget.value = before
    form.image.channels.boxes[1].setChecked(False)
    assert "channels 0, 1, as it was trained, or train anew with channels 0?" in painting.question()
    more.start.set_value(list_models()[0])
    assert "no model to start from" in painting.question()
    form.image.channels.boxes[1].setChecked(True)
    more.start.set_value(None)
    assert painting.question() == ""


def test_continue_changes_how_long_and_how(painting: Sitting) -> None:
    more = painting.dock.form.more
    more.minutes.value = 7
    more.device.value = "cpu"
    more.previews.value = False
    changes = {"training.batch": 1, "augmentation.noise": 0.2, "losses.binary": "dice"}
    more.recipe.set_changes({**SMALL, **changes})
    painting.dock.continue_button.click()
    painting.stop_soon()
    recipe = painting.dock.trained.model.recipe
    assert recipe.training.batch == 1 and recipe.losses.binary == "dice"


def test_the_form_shows_again_what_goes_on(painting: Sitting) -> None:
    dock = painting.dock
    last = painting.steps[-1]
    dock.form.task.value = "classes"
    dock.form.more.recipe.set_changes({**SMALL, "network.depth": 2, "training.batch": 1})
    dock.form.image.channels.boxes[0].setChecked(False)
    assert "Objects, depth 1, channels 0, 1" in painting.question()
    dock.message.answers[AS_IT_WAS].click()
    assert dock.form.task.value == "objects"
    assert dock.form.more.recipe.changes() == {**SMALL, "training.batch": 1}
    assert dock.form.image.channels.value() is None
    painting.stop_soon()
    assert painting.steps[-1] > last
    assert dock.trained.model.recipe.task == "objects"
    assert painting.question() == ""


def test_or_another_one_is_trained(painting: Sitting) -> None:
    dock = painting.dock
    dock.form.task.value = "classes"
    paint = dock.form.paint.value
    paint.data = np.minimum(paint.data, 2)
    assert "Classes" in painting.question()
    dock.message.answers[ANEW].click()
    painting.stop_soon()
    assert dock.form.task.value == "classes"
    assert dock.trained.model.recipe.task == "classes"
    assert dock.curves.course.steps[0] == 1


def test_what_continue_cannot_change_of_a_denoiser(denoising: Sitting, viewer: Any) -> None:
    dock, form = denoising.dock, denoising.dock.form
    dock.findings.boxes["match"].setChecked(False)
    said = "match brightness and register, as it was trained, or train anew with register?"
    assert said in denoising.question()
    dock.findings.boxes["match"].setChecked(True)
    form.more.loss.value = "l1"
    assert "loss l2" in denoising.question() and "loss l1" in dock.message.text
    form.pairs.way.value = NEAR
    assert "train anew with frames up to three apart, " in denoising.question()
    other = viewer.add_image(noisy_movie(6, 96).noisy, name="other")
    form.image.layer.value = other
    assert "Go on with film, " in denoising.question() and "with other, " in dock.message.text
    dock.message.answers[AS_IT_WAS].click()
    denoising.stop_soon()
    assert form.image.layer.value.name == "film"
    assert (form.more.loss.value, form.pairs.way.current_choice) == (
        "l2",
        "Each frame with the next",
    )
    assert dock.findings.remedies() == {"match", "register"} == dock.trained.request.remedies
    assert denoising.question() == ""


@pytest.mark.parametrize("sitting", ["painting", "denoising"])
def test_nothing_goes_on_without_its_image(
    request: pytest.FixtureRequest, viewer: Any, sitting: str
) -> None:
    dock = request.getfixturevalue(sitting).dock
    image = dock.form.image.layer.value
    assert dock.curves.isVisibleTo(dock) and dock.continue_button.isEnabled()
    index = viewer.layers.index(image)
    dock.form.more.recipe.parts["network"]["depth"].value = 2
    dock.continue_button.click()
    assert next(iter(dock.message.answers)) == AS_IT_WAS
    viewer.layers.clear()
    again = viewer.add_image(image.data.copy(), name=image.name)  # only its name is the same
    if sitting == "painting":
        dock.form.new.click()
    assert dock.form.image.layer.value is again
    assert not dock.continue_button.isEnabled()
    assert f"{image.name} was removed, on which this was trained" in dock.continue_button.toolTip()
    assert not dock.curves.isVisibleTo(dock) and not dock.status.isVisibleTo(dock)
    dock.go_on()
    assert not dock.runner.is_running
    for asked in dock.message.answers.values():  # where the question is still there
        asked.click()
        assert not dock.runner.is_running
        break
    viewer.layers.insert(index, image)
    assert dock.continue_button.isEnabled() and dock.curves.isVisibleTo(dock)
    assert dock.continue_button.toolTip().startswith("Go on where")


def test_a_model_from_another_image_is_named(painting: Sitting, viewer: Any) -> None:
    dock = painting.dock
    assert not dock.model_hint.text()
    viewer.layers.clear()
    viewer.add_image(np.zeros((40, 40)), name="blank")
    assert dock.segment_button.isEnabled()
    assert dock.model_hint.text() == "The model was trained on cells."


def test_a_denoiser_for_other_noise_is_named(
    denoising: Sitting, viewer: Any, docks: Callable[[type], Any]
) -> None:
    dock = denoising.dock
    viewer.layers.selection.active = viewer.layers["film"]
    assert not dock.caution.text()
    again = docks(DenoiseDock)  # which knows the denoiser by its file alone
    again.form.image.layer.value = viewer.layers["film"]
    assert not again.caution.text()
    viewer.layers.clear()
    movie = viewer.add_image(noisy_movie(6, 96).noisy, name="other")
    for one in (dock, again):
        one.form.image.layer.value = movie
        assert one.apply_button.isEnabled()
        assert one.caution.text().startswith("This denoiser was trained on film, not on other")
    movie.name = "film"  # another one, all the same
    dock.form.reset_choices()
    assert dock.caution.text().startswith("This denoiser was trained on another film: ")

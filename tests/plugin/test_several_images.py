"""A training learns from every painted image: which ones are offered, and what it takes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from napari_scribe.plugin.train.dock import TrainDock
from napari_scribe.samples import Sample
from napari_scribe.training.job import TrainStep

SMALL = {"network.width": 4, "network.depth": 1, "training.patch": 32, "training.batch": 2}
PLACE = {"scale": (0.5, 0.5), "units": ("um", "um"), "axis_labels": ("y", "x")}


@pytest.fixture
def dock(docks: Callable[[type], Any], painted: Any, sample: Sample) -> Any:
    """The Train dock in a viewer with a second painted image."""
    made = docks(TrainDock)
    made.form.more.recipe.set_changes(SMALL)
    painted.add_image(sample.image[::-1].copy(), name="more", **PLACE)
    made.form.new.click()
    painted.layers["more annotations"].data[:] = sample.paint[::-1]
    made.form.image.layer.value = painted.layers["nuclei"]
    return made


def offered(dock: Any) -> list[tuple[str, bool, bool]]:
    return [(box.text(), box.isChecked(), box.isEnabled()) for box in dock.others.boxes]


def asked(dock: Any) -> list[str]:
    request = dock.others.added_to(dock.form.value())
    return [other.image.name for other in request.painted]


def test_other_painted_images_are_offered(dock: Any, painted: Any, sample: Sample) -> None:
    assert dock.form.paint.value.name == "nuclei annotations"
    assert offered(dock) == [("more", True, True)]
    assert dock.others.text() == "Also learn from 1 other image"
    assert asked(dock) == ["nuclei", "more"]
    dock.others.boxes[0].click()
    assert dock.others.text() == "Also learn from 0 of 1 other image"
    assert asked(dock) == ["nuclei"]
    dock.form.image.layer.value = painted.layers["more"]
    assert offered(dock) == [("nuclei", True, True)]
    dock.form.image.layer.value = painted.layers["nuclei"]
    assert offered(dock) == [("more", False, True)]  # as it was left
    dock.others.boxes[0].click()

    dock.form.task.value = "classes"  # for which nothing is painted
    assert not offered(dock)
    assert dock.others.isHidden()
    dock.form.task.value = "objects"
    grey = sample.image
    picture = painted.add_image(np.stack([grey, grey, grey], -1).astype(np.uint8), name="slide")
    dock.form.image.layer.value = picture
    dock.form.new.click()
    dock.form.image.layer.value = painted.layers["nuclei"]
    assert offered(dock) == [("more", True, True), ("slide", False, False)]
    assert "slide has 3 channels, nuclei has 1 channel" in dock.others.boxes[1].toolTip()
    assert asked(dock) == ["nuclei", "more"]
    painted.layers["more annotations"].data[:] = 0
    assert asked(dock) == ["nuclei"]  # nothing to learn there
    painted.layers.remove("more annotations")
    assert [name for name, _, _ in offered(dock)] == ["slide"]


def test_all_are_learnt_from_and_paint_goes_in_while_it_trains(
    dock: Any, painted: Any, qtbot: Any
) -> None:
    steps: list[Any] = []
    dock.runner.record.connect(lambda r: steps.append(r) if isinstance(r, TrainStep) else None)
    dock.train()
    qtbot.waitUntil(lambda: len(steps) > 1)
    assert dock.runner.title == "Training on nuclei and 1 more"
    taken: list[Any] = []
    job = dock.runner.job
    take = job.take_paint

    def watch() -> Any:
        paints = take()
        if paints is not None:
            taken.append(paints)
        return paints

    job.take_paint = watch
    painted.layers["more annotations"].data_setitem((np.array([1, 1]), np.array([1, 2])), 1)
    qtbot.waitUntil(lambda: bool(taken))
    assert [paint.array[1, 2] for paint in taken[0]] == [0, 1]
    painted.layers.remove("more annotations")
    assert "more annotations was removed. Training goes on" in dock.message.text
    painted.layers["nuclei annotations"].data_setitem((np.array([3]), np.array([3])), 1)
    qtbot.waitUntil(lambda: len(taken) == 2)
    assert [paint.array[1, 2] for paint in taken[1]] == [0, 1]
    dock.stop()
    qtbot.waitUntil(lambda: not dock.runner.is_running)
    made = dock.trained.model.provenance
    assert [image["name"] for image in made["images"]] == ["nuclei", "more"]
    assert len(dock.trained.request.others) == 1
    dock.continue_button.click()
    qtbot.waitUntil(lambda: not dock.runner.is_running or bool(steps[-1].index))
    assert not dock.message.answers
    dock.stop()
    qtbot.waitUntil(lambda: not dock.runner.is_running)


def test_a_slip_in_another_image_is_asked_about(dock: Any, painted: Any, qtbot: Any) -> None:
    paint = painted.layers["more annotations"].data
    paint[:] = np.where(paint > 1, 7, paint)
    dock.train()
    qtbot.waitUntil(lambda: not dock.runner.is_running)
    assert dock.message.text.startswith("more annotations: Label 7 covers")
    dock.message.answers["I will correct them"].click()
    assert not dock.runner.is_running


def test_only_what_was_answered_is_asked_no_more(dock: Any, painted: Any, qtbot: Any) -> None:
    for layer in (painted.layers["nuclei annotations"], painted.layers["more annotations"]):
        layer.data[:] = np.where(layer.data > 1, 7, layer.data)
    dock.train()
    qtbot.waitUntil(lambda: not dock.runner.is_running)
    assert dock.message.text.startswith("Label 7 covers")
    dock.message.answers["Leave it"].click()
    qtbot.waitUntil(lambda: not dock.runner.is_running)
    assert dock.message.text.startswith("more annotations: Label 7 covers")
    dock.message.answers["Train on them"].click()
    qtbot.waitUntil(lambda: dock.has_stepped)
    dock.stop()
    qtbot.waitUntil(lambda: not dock.runner.is_running)
    assert dock.trained.request.answered == {("pieces", ""), ("pieces", "more annotations")}

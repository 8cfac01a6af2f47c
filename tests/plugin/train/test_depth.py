"""A stack is painted with a brush as wide as suits it, and depth is one click away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from napari_scribe.io.model_folder import shipped_models
from napari_scribe.plugin.jobs.torch_loader import load_torch
from napari_scribe.plugin.layers.conversion import MARK
from napari_scribe.plugin.train.form import TrainForm

DIAMETER = 15


@pytest.fixture
def form(viewer: Any) -> Iterator[TrainForm]:
    """The form over a stack in which a model has found disks, on its second slice alone."""
    stack = np.random.default_rng(0).random((4, 60, 60), np.float32)
    viewer.add_image(stack, name="stack", axis_labels=("z", "y", "x"))
    rows, columns = np.ogrid[:60, :60]
    labels = np.zeros(stack.shape, np.int32)
    for number, middle in enumerate((15, 42), start=1):
        labels[1][(rows - middle) ** 2 + (columns - middle) ** 2 <= (DIAMETER / 2) ** 2] = number
    mark = {MARK: {"purpose": "labels", "source": "stack"}}
    viewer.add_labels(labels, name="stack labels", metadata=mark)
    viewer.layers.selection.active = viewer.layers["stack"]
    made = TrainForm(viewer)
    yield made
    made.close_down()


def test_new_takes_a_brush_as_wide_as_suits_what_was_found(viewer: Any, form: TrainForm) -> None:
    load_torch()
    viewer.dims.set_point(0, 1)
    form.new.click()
    assert form.paint.value.brush_size == round(DIAMETER / 3)


def test_depth_is_offered_where_slices_are_told_of(viewer: Any, form: TrainForm) -> None:
    form.new.click()
    taken = form.painting.slices.taken
    assert taken.text().startswith("Slices are taken one by one") and "Z as depth" in taken.text()
    taken.linkActivated.emit("3")
    assert form.more.dimensions.value == 3
    assert taken.text().startswith("Z is depth") and "one by one" in taken.text()
    taken.linkActivated.emit("2")
    assert form.more.dimensions.value == 2
    form.more.start.set_value(shipped_models()[0])  # which decides about that
    assert taken.text().endswith("paint objects on any of them.")

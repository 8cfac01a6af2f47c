"""The Train dock shows how large the painted objects are, and lets that be corrected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from napari.layers import Shapes

from napari_scribe.plugin.train.dock import TrainDock

SIZE = 26
"""Diameter of the sample's nuclei, in pixels."""


@pytest.fixture
def dock(docks: Callable[[type], Any]) -> Any:
    return docks(TrainDock)


def row(dock: Any) -> Any:
    return dock.form.size.native.parentWidget()


def test_the_size_of_painted_objects_is_shown_as_they_are_painted(
    dock: Any, painted: Any, qtbot: Any
) -> None:
    form, paint = dock.form, painted.layers["nuclei annotations"]
    qtbot.waitUntil(lambda: form.size.known() is not None)
    assert form.size.known() == pytest.approx(SIZE, rel=0.25)
    assert form.size.box.native.text() == f"~ {form.size.known():.3g} px"
    y, x = np.indices(paint.data.shape)
    disks = {n: np.hypot(y - 128, x - 30 - 40 * n) < 8 for n in range(5)}
    paint.data_setitem(np.nonzero(paint.data), 0)
    for n, disk in disks.items():
        paint.data_setitem(np.nonzero(disk), n + 2)
    qtbot.waitUntil(lambda: form.size.known() == pytest.approx(16, rel=0.1))
    assert form.value().object_size is None
    paint.data_setitem(np.nonzero(paint.data), 0)
    qtbot.waitUntil(lambda: form.size.known() is None)


def test_a_chosen_size_is_trained_with(dock: Any) -> None:
    dock.form.size.box.value = 40
    request = dock.form.value()
    assert request.object_size == 40
    dock.form.size.set_value(None)
    dock.form.fill_in(request)
    assert dock.form.size.value() == 40


def test_only_objects_have_a_size(dock: Any, model: Any, kept: Any) -> None:
    form = dock.form
    form.size.box.value = 40
    assert not row(dock).isHidden()
    form.task.value = "classes"
    assert row(dock).isHidden()
    assert form.value().object_size is None
    form.task.value = "objects"
    form.more.recipe.set_changes({"target.object_size": 0.0})
    assert row(dock).isHidden()
    form.more.recipe.set_changes({})
    assert not row(dock).isHidden()
    form.more.start.set_value(model.changed(object_size=None).save(kept))
    assert row(dock).isHidden()


def test_the_circle_goes_with_the_dock(dock: Any, painted: Any) -> None:
    dock.form.size.circle.value = True
    dock.form.size.box.value = SIZE
    assert any(isinstance(layer, Shapes) for layer in painted.layers)
    painted.window.remove_dock_widget(dock.parent())
    assert not any(isinstance(layer, Shapes) for layer in painted.layers)

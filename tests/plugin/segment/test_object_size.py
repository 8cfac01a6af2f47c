"""The Segment dock asks for the size of objects, and shows the one that was estimated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from napari.layers import Shapes

from napari_scribe.plugin.segment.dock import SegmentDock

SIZE = 26
"""Diameter of the sample's nuclei, in pixels."""


def shown(dock: Any) -> str:
    return str(dock.form.size.box.native.text())


def test_the_estimate_is_shown_where_no_size_is_chosen(
    dock: Any, idle: Callable[[], None], painted: Any
) -> None:
    assert shown(dock) == "automatic"
    dock.segment()
    idle()
    size = dock.form.size.known()
    assert size == pytest.approx(SIZE, rel=0.25)
    assert shown(dock) == f"~ {size:g} px"
    assert f"Objects of about {size:g} px." in dock.message.text
    assert dock.form.value().object_size is None
    painted.add_image(np.zeros((50, 50)), name="other")
    assert shown(dock) == "automatic"


def test_a_chosen_size_is_used_and_remembered(
    dock: Any, idle: Callable[[], None], painted: Any, docks: Callable[[type], Any]
) -> None:
    dock.form.size.box.value = 2 * SIZE
    dock.segment()
    idle()
    assert f"Objects of about {2 * SIZE} px were brought to" in dock.message.text
    assert painted.layers["nuclei labels"].data.shape == painted.layers["nuclei"].data.shape
    assert shown(dock) == f"{2 * SIZE:.1f} px"
    assert docks(SegmentDock).form.size.value() == 2 * SIZE


def test_the_size_is_asked_for_only_where_the_model_knows_one(dock: Any, model: Any) -> None:
    row = dock.form.size.native.parentWidget()
    assert not row.isHidden()
    dock.form.size.box.value = SIZE
    assert dock.form.value().object_size == SIZE
    older = model.changed(object_size=None).save(dock.form.model.value().with_name("older.zip"))
    dock.form.model.set_value(older)
    assert row.isHidden()
    assert dock.form.value().object_size is None


def test_the_circle_goes_with_the_dock(dock: Any, painted: Any) -> None:
    def circles() -> list[Any]:
        return [layer for layer in painted.layers if isinstance(layer, Shapes)]

    dock.form.size.circle.value = True
    assert circles() == []
    dock.form.size.box.value = SIZE
    (circle,) = circles()
    np.testing.assert_allclose(np.ptp(circle.data[0], axis=0), SIZE)
    dock.form.size.box.value = 12
    np.testing.assert_allclose(np.ptp(circles()[0].data[0], axis=0), 12)
    painted.window.remove_dock_widget(dock.parent())
    assert circles() == []

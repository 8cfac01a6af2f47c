"""Painted objects are measured, and a circle shows a size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.layers import Shapes

from napari_scribe.plugin.layers.conversion import image_of
from napari_scribe.plugin.layers.object_size import SizeCircle, painted_size
from napari_scribe.plugin.layers.purpose import is_from_user


def disk(shape: tuple[int, int], centre: tuple[int, int], diameter: float) -> np.ndarray:
    y, x = np.indices(shape)
    return np.hypot(y - centre[0], x - centre[1]) <= diameter / 2


def circles(viewer: Any) -> list[Shapes]:
    return [layer for layer in viewer.layers if isinstance(layer, Shapes)]


def test_whole_painted_objects_are_measured(viewer: Any) -> None:
    """Background is none, nor are objects that the edge cuts; frames count together."""
    image = viewer.add_image(np.zeros((2, 90, 90)))
    paint = np.ones((2, 90, 90), np.uint16)
    paint[0][disk((90, 90), (30, 30), 20)] = 2
    paint[1][disk((90, 90), (60, 60), 24)] = 2
    paint[1][disk((90, 90), (0, 20), 60)] = 3
    labels = viewer.add_labels(paint)
    size = painted_size(labels, image, image_of(image, "TYX"), 2)
    assert size == pytest.approx(22, rel=0.05)


def test_nothing_is_measured_where_no_object_is_painted(viewer: Any) -> None:
    image = viewer.add_image(np.zeros((30, 30)))
    labels = viewer.add_labels(np.ones((30, 30), np.uint16))
    assert painted_size(labels, image, image_of(image), 2) is None
    assert painted_size(None, image, image_of(image), 2) is None


def test_the_circle_lies_on_the_image_and_has_its_size(viewer: Any) -> None:
    image = viewer.add_image(
        np.random.default_rng(0).random((3, 80, 100)), scale=(2, 0.5, 0.5), translate=(0, 7, 9)
    )
    circle = SizeCircle(viewer)
    circle.show(image, "ZYX", 24.0)
    (layer,) = circles(viewer)
    corners = layer.data[0]
    np.testing.assert_allclose(np.ptp(corners, axis=0), [24, 24])
    np.testing.assert_allclose(layer.scale, [0.5, 0.5])
    np.testing.assert_allclose(layer.translate, [7, 9])
    centre = layer.data_to_world(corners.mean(axis=0))
    extent = image.extent.world[:, -2:]
    assert (extent[0] < centre).all()
    assert (centre < extent[1]).all()
    assert viewer.layers.selection.active is image
    assert not is_from_user(layer)


def test_there_is_one_circle_or_none(viewer: Any) -> None:
    image = viewer.add_image(np.zeros((40, 40)))
    circle = SizeCircle(viewer)
    for diameter in (10.0, 20.0):
        circle.show(image, "YX", diameter)
        assert len(circles(viewer)) == 1
    viewer.layers.remove(circles(viewer)[0])
    circle.show(image, "YX", 20.0)  # whoever removes it does not want it back
    assert circles(viewer) == []
    circle.show(image, "YX", 30.0)
    assert len(circles(viewer)) == 1
    circle.show(viewer.add_image(np.zeros((5, 6, 7))), "YXC", 30.0)
    assert circles(viewer) == []
    circle.show(image, "YX", 30.0)
    circle.show(image, "YX", None)
    assert circles(viewer) == []
    circle.close()
    circle.show(image, "YX", 30.0)
    assert circles(viewer) == []

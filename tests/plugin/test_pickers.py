"""Which layer is chosen, whatever happens to the layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_scribe.plugin.layers import image_of, new_annotations
from napari_scribe.plugin.pickers import ImagePicker, LayerPicker, is_paint
from napari_scribe.plugin.results import show_labels


@pytest.fixture
def two(viewer: Any) -> Any:
    """A viewer with the images a and b."""
    for name in "ab":
        viewer.add_image(np.zeros((40, 50)), name=name)
    return viewer


def test_a_renamed_layer_stays_chosen(two: Any) -> None:
    picker = ImagePicker(two)
    picker.layer.value = two.layers["b"]
    heard: list[None] = []
    picker.changed.connect(lambda: heard.append(None))
    two.layers["b"].name = "z"
    picker.reset_choices()
    assert picker.layer.value is two.layers["z"]
    assert picker.layer.current_choice == "z"
    assert not heard


def test_axes_that_were_typed_stay(viewer: Any) -> None:
    stack = viewer.add_image(np.zeros((9, 40, 50)), name="stack")
    picker = ImagePicker(viewer)
    picker.axes.setText("TYX")
    stack.name = "film"
    picker.reset_choices()
    assert picker.axes.text() == "TYX"


def test_annotations_come_before_results(two: Any) -> None:
    image = two.layers["a"]
    show_labels(two, image, image_of(image), np.ones((40, 50), np.int32), "labels")
    for name in "ab":
        new_annotations(two, two.layers[name])
    picker = LayerPicker(two, is_paint, "")
    picker.value = two.layers["b annotations"]
    two.layers.remove("b annotations")
    picker.reset_choices()
    assert picker.value is two.layers["a annotations"]
    two.layers.clear()
    picker.reset_choices()
    assert picker.value is None

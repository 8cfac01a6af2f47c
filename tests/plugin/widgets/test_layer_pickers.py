"""Which layer is chosen, whatever happens to the layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_scribe.errors import InputError
from napari_scribe.io.model_folder import model_folder
from napari_scribe.plugin.correct.form import ResultPicker
from napari_scribe.plugin.layers.conversion import image_of, new_annotations
from napari_scribe.plugin.layers.purpose import is_paint
from napari_scribe.plugin.layers.results import show_image, show_labels
from napari_scribe.plugin.measure.form import LabelsPicker
from napari_scribe.plugin.measure.layers import images_on
from napari_scribe.plugin.widgets.layer_pickers import ChannelPicker, ImagePicker, LayerPicker
from napari_scribe.plugin.widgets.model_picker import ModelPicker


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


def test_an_array_of_six_axes_is_no_image_and_no_labels(two: Any) -> None:
    labels, picker = LabelsPicker(two), ImagePicker(two)
    picker.follow(two.add_image(np.zeros((2, 2, 2, 2, 8, 8)), name="six axes"))
    assert "2 to 5 axes" in picker.info.text()
    assert not picker.axes.text()
    with pytest.raises(InputError, match="2 to 5 axes"):
        picker.image()
    layer = two.add_labels(np.ones((2, 2, 2, 2, 8, 8), int), name="six axes labels")
    labels.follow(layer)
    assert "2 to 5 axes" in labels.info.text()
    layer = two.add_labels(np.ones((40, 50), int), name="labels")
    labels.follow(layer)
    assert labels.info.text() == "40 x 50 px"
    assert [image.name for image in images_on(layer, two)] == ["a", "b"]


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
    two.layers.remove("a annotations")
    picker.reset_choices()
    assert picker.value is None  # a result is chosen by hand
    assert picker.choices == (two.layers["a labels"],)
    picker.value = two.layers["a labels"]
    picker.reset_choices()
    assert picker.value is two.layers["a labels"]
    two.layers.clear()
    picker.reset_choices()
    assert picker.value is None


def test_what_is_corrected_is_the_newest_result_before_labels_of_others(two: Any) -> None:
    for name in "ab":
        image = two.layers[name]
        show_labels(two, image, image_of(image), np.ones((40, 50), np.int32), "labels")
    two.add_labels(np.ones((40, 50), int), name="mine")
    picker = ResultPicker(two)
    picker.reset_choices()
    assert [layer.name for layer in picker.choices] == ["a labels", "b labels", "mine"]
    assert picker.value is two.layers["b labels"]
    two.layers.remove("b labels")
    picker.reset_choices()
    assert picker.value is two.layers["a labels"]


def test_a_result_is_no_image_to_begin_with(two: Any, qtbot: Any) -> None:
    image = two.layers["a"]
    for purpose in ("denoised", "removed noise"):
        show_image(two, image, image_of(image), np.ones((40, 50)), purpose)
    picker = ImagePicker(two)
    qtbot.addWidget(picker.native)
    picker.layer.value = two.layers["b"]
    for name in "ba":
        two.layers.remove(name)
        picker.reset_choices()
    assert (picker.layer.value, picker.layer.choices) == (None, (two.layers["a denoised"],))
    assert picker.info.text().startswith("Only results are open")
    assert ImagePicker(two).layer.value is None
    picker.layer.value = two.layers["a denoised"]
    assert picker.image().name == "a denoised"
    two.layers.remove("a denoised")
    picker.reset_choices()
    assert picker.info.text().startswith("What is open belongs to an image")
    two.layers.clear()
    picker.reset_choices()
    assert picker.info.text().startswith("Open an image first")


def test_boxes_of_other_channels_are_gone_at_once(qtbot: Any) -> None:
    picker = ChannelPicker()
    qtbot.addWidget(picker.native)
    picker.show_channels(["red", "green"])
    before = picker.boxes
    picker.show_channels(["dapi", "gfp"])
    assert picker.visible
    assert not any(box.isVisible() for box in before)


def test_both_ends_of_a_long_name_are_seen(qtbot: Any) -> None:
    model_folder().mkdir(parents=True)
    names = [f"a movie of many nuclei 2026-11-22 00.49 ({i})" for i in (2, 3)]
    picker = ModelPicker(tooltip="Which")
    qtbot.addWidget(picker.native)
    picker.show()
    combo = picker.combo.native
    combo.setFixedWidth(150)
    drawn = []
    for name in names:
        picker.set_value(model_folder() / f"{name}.zip")
        assert combo.toolTip() == f"{name}\nWhich"
        drawn.append(combo.grab().toImage())
    assert drawn[0] != drawn[1]

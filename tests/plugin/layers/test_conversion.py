"""napari layers <-> images and paint."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_scribe.errors import InputError
from napari_scribe.plugin.layers.alignment import to_world
from napari_scribe.plugin.layers.conversion import (
    add_annotations,
    guess_layer_axes,
    image_of,
    labels_for_display,
    made_of,
    new_annotations,
    paint_of,
    placement,
)
from napari_scribe.plugin.layers.purpose import note
from napari_scribe.plugin.layers.results import show_labels


@pytest.mark.parametrize(
    ("shape", "options", "axes"),
    [
        ((40, 50), {}, "YX"),
        ((40, 50, 3), {"rgb": True}, "YXC"),
        ((2, 40, 50), {}, "CYX"),
        ((9, 40, 50), {}, "ZYX"),
        ((9, 40, 50), {"axis_labels": ("t", "y", "x")}, "TYX"),
        ((9, 40, 50), {"axis_labels": ("Time", "Y", "X")}, "TYX"),
        ((3, 40, 50), {"axis_labels": ("z", "y", "x")}, "ZYX"),
        ((5, 40, 50, 3), {"rgb": True}, "ZYXC"),
        ((2, 5, 40, 50, 3), {"rgb": True}, "TZYXC"),
        ((3, 40, 50, 3), {"rgb": True}, "ZYXC"),
        ((5, 40, 50, 3), {"rgb": True, "axis_labels": ("t", "y", "x")}, "TYXC"),
        ((4, 5, 6, 40, 50), {}, "TCZYX"),
    ],
)
def test_axes_are_named_or_guessed(
    viewer: Any, shape: tuple[int, ...], options: dict[str, Any], axes: str
) -> None:
    layer = viewer.add_image(np.zeros(shape, np.uint8), **options)
    assert guess_layer_axes(layer) == axes
    assert image_of(layer).axes == axes


def test_an_image_carries_what_the_layer_knows(viewer: Any) -> None:
    layer = viewer.add_image(
        np.zeros((7, 40, 50)),
        scale=(2, 0.5, 0.25),
        translate=(1, 10, 20),
        units=("um", "um", "um"),
        axis_labels=("z", "y", "x"),
        name="cells",
    )
    image = image_of(layer)
    assert image.scale == {"Z": 2, "Y": 0.5, "X": 0.25}
    assert image.translate == {"Z": 1, "Y": 10, "X": 20}
    assert image.units == dict.fromkeys("ZYX", "micrometer")
    assert (image.name, image.data is layer.data) == ("cells", True)


def test_colours_are_channels(viewer: Any) -> None:
    image = image_of(viewer.add_image(np.zeros((40, 50, 3), np.uint8), rgb=True))
    assert (image.n_channels, image.label_shape()) == (3, (40, 50))
    assert image.channel_names == ("red", "green", "blue")


def test_a_pyramid_is_read_at_full_resolution(viewer: Any) -> None:
    levels = [np.zeros((64, 64)), np.zeros((32, 32))]
    assert image_of(viewer.add_image(levels, multiscale=True)).shape == (64, 64)


def test_lazy_data_stays_lazy(viewer: Any) -> None:
    import dask.array as da

    data = da.zeros((8, 64, 64), chunks=(1, 64, 64))
    assert image_of(viewer.add_image(data, contrast_limits=(0, 1))).data is data


def test_axes_that_do_not_fit_are_refused(viewer: Any) -> None:
    layer = viewer.add_image(np.zeros((9, 40, 50)))
    with pytest.raises(InputError, match="Give one letter"):
        image_of(layer, "YX")
    assert image_of(layer, "tyx").axes == "TYX"


def test_new_annotations_are_ready_to_paint(viewer: Any) -> None:
    image = viewer.add_image(
        np.zeros((9, 40, 50)), scale=(2, 0.5, 0.5), translate=(0, 3, 4), units=("um",) * 3
    )
    new_annotations(viewer)
    layer = viewer.layers[-1]
    assert layer.name == f"{image.name} annotations"
    assert layer.data.shape == (9, 40, 50)
    assert not layer.data.any()
    assert np.allclose(layer.scale, image.scale)
    assert np.allclose(layer.translate, image.translate)
    assert layer.units == image.units
    assert (layer.mode, layer.selected_label, layer.n_edit_dimensions) == ("paint", 2, 2)
    assert viewer.layers.selection.active is layer
    assert note(layer) == {"purpose": "annotations", **made_of(image)}
    assert not np.allclose(layer.get_color(1), layer.get_color(2))


def test_new_annotations_belong_to_the_selected_image(viewer: Any) -> None:
    first = viewer.add_image(np.zeros((40, 50)), name="first")
    viewer.add_image(np.zeros((30, 30)), name="second")
    viewer.layers.selection.active = first
    new_annotations(viewer)
    assert viewer.layers[-1].data.shape == (40, 50)


def test_new_annotations_of_a_result_belong_to_its_image(viewer: Any) -> None:
    """A denoised image, what was removed and a preview are no images to paint on."""
    viewer.add_image(np.zeros((30, 30)), name="other")
    viewer.add_image(np.zeros((40, 50)), name="cells")
    for purpose in ("denoised", "removed noise", "preview", "labels so far"):
        mark = {"napari-scribe": {"purpose": purpose, "source": "cells"}}
        viewer.add_image(np.zeros((40, 50)), name=purpose, metadata=mark)
        new_annotations(viewer)
        assert viewer.layers[-1].name.startswith("cells annotations")
        assert note(viewer.layers[-1])["source"] == "cells"


def test_new_annotations_without_an_image_say_so(viewer: Any, capsys: Any) -> None:
    from napari.utils.notifications import notification_manager

    new_annotations(viewer)
    assert not viewer.layers
    assert "Open an image first" in notification_manager.records[-1].message


def test_a_channel_axis_in_front_needs_none_in_the_labels(viewer: Any) -> None:
    image = viewer.add_image(np.zeros((2, 40, 50)))
    new_annotations(viewer, image)
    assert viewer.layers[-1].data.shape == (40, 50)


def test_paint_on_one_channel_is_paint_on_all(viewer: Any) -> None:
    """With channels between time and space, napari needs them in the labels too."""
    image = viewer.add_image(np.zeros((3, 2, 40, 50)), axis_labels=("t", "c", "y", "x"))
    new_annotations(viewer, image)
    layer = viewer.layers[-1]
    assert layer.data.shape == (3, 2, 40, 50)
    layer.paint((1, 1, 20, 20), 2)
    assert layer.data[1, 0, 20, 20] == 2
    paint = paint_of(layer, image, image_of(image))
    assert paint.shape == (3, 40, 50)
    assert paint[1, 20, 20] == 2
    layer.undo()
    assert not layer.data.any()


def test_napari_s_own_labels_of_all_channels_are_taken(viewer: Any) -> None:
    image = viewer.add_image(np.zeros((2, 40, 50)))
    labels = np.zeros((2, 40, 50), int)
    labels[1, 5:9, 5:9] = 3
    paint = paint_of(viewer.add_labels(labels), image, image_of(image))
    assert paint.shape == (40, 50)
    assert (paint == 3).sum() == 16


def test_labels_go_there_and_back(viewer: Any) -> None:
    """In whatever order the axes of the image come."""
    image = viewer.add_image(np.zeros((5, 3, 2, 16, 18)))
    for axes in ("ZTCYX", "TZCYX", "CTZYX"):
        described = image_of(image, axes)
        labels = np.random.default_rng(0).integers(0, 9, described.label_shape())
        shown = labels_for_display(labels, image, axes)
        layer = viewer.add_labels(shown, **placement(image, axes))
        assert np.array_equal(paint_of(layer, image, described), labels)


def test_a_snapshot_does_not_change(painted: Any) -> None:
    image, layer = painted.layers
    paint = paint_of(layer, image, image_of(image))
    before = paint.copy()
    layer.data[:] = 7
    assert np.array_equal(paint, before)


def test_paint_that_lies_elsewhere_is_refused(painted: Any) -> None:
    image, layer = painted.layers
    layer.translate = (100, 0)
    with pytest.raises(InputError, match="does not lie on nuclei"):
        paint_of(layer, image, image_of(image))


def test_a_rotated_image_has_rotated_labels(viewer: Any) -> None:
    image = viewer.add_image(np.zeros((2, 40, 50)), rotate=(0, 0, 30))
    new_annotations(viewer, image)
    assert np.allclose(viewer.layers[-1].rotate, image.rotate[1:, 1:])


PLACES: dict[str, dict[str, Any]] = {
    "scale": {"scale": (2, 0.5)},
    "translate": {"translate": (7, -3)},
    "rotate": {"rotate": 30},
    "shear": {"shear": (0.3,)},
    "affine": {"affine": [[1.1, 0.2, 5], [0, 0.9, 3], [0, 0, 1]]},
    "all of them": {
        "scale": (2, 0.5),
        "translate": (7, -3),
        "rotate": 30,
        "shear": (0.3,),
        "affine": [[1.1, 0.2, 5], [0, 0.9, 3], [0, 0, 1]],
    },
}


def at_front(place: dict[str, Any], n: int) -> dict[str, Any]:
    """The same place for an image with more axes before Y and X."""
    out: dict[str, Any] = {}
    for name, value in place.items():
        if name in ("scale", "translate"):
            out[name] = (float(name == "scale"),) * n + tuple(value)
        elif name == "rotate":
            angle = np.deg2rad(value)
            turned = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
            out[name] = block(n, np.array(turned))
        elif name == "shear":
            out[name] = block(n, np.array([[1, value[0]], [0, 1]]))
        else:
            out[name] = block(n, np.array(value))
    return out


def block(n: int, matrix: Any) -> Any:
    whole = np.eye(n + len(matrix))
    whole[n:, n:] = matrix
    return whole


def lie_alike(layer: Any, image: Any) -> bool:
    """Whether the corners of labels lie in the world where those of the image do."""
    y, x = np.asarray(image.data.shape[:2] if image.rgb else image.data.shape[-2:]) - 1
    front = (0,) * (image.ndim - 2)
    return all(
        np.allclose(layer.data_to_world(c)[-2:], image.data_to_world((*front, *c))[-2:])
        for c in ((0, 0), (0, x), (y, 0), (y, x))
    )


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize(
    ("shape", "axes"), [((40, 50), "YX"), ((2, 40, 50), "CYX"), ((3, 2, 40, 50), "TCYX")]
)
def test_annotations_lie_on_their_image(
    place: dict[str, Any], shape: tuple[int, ...], axes: str
) -> None:
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros(shape), **at_front(place, len(shape) - 2))
    layer = add_annotations(viewer, image, axes)
    assert lie_alike(layer, image)
    layer.data[..., 20, 20] = 2
    assert paint_of(layer, image, image_of(image, axes)).max() == 2
    region = {"Y": slice(10, 20), "X": slice(30, 50)}
    part = np.ones([10 if a == "Y" else 20 if a == "X" else 3 for a in axes if a != "C"], int)
    shown = show_labels(viewer, image, image_of(image, axes), part, "labels", region=region)
    front = (0,) * (len(shape) - 2)
    there = image.data_to_world((*front, 10, 30))[-2:]
    assert np.allclose(shown.data_to_world((0,) * shown.ndim)[-2:], there)


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("shape", [(40, 50), (2, 40, 50)], ids=["YX", "CYX"])
@pytest.mark.parametrize("is_of_image", [True, False], ids=["the image's", "the paint's"])
def test_paint_that_lies_elsewhere_in_any_way_is_refused(
    place: dict[str, Any], shape: tuple[int, ...], is_of_image: bool
) -> None:
    """The world counts, not one property; the same world by other properties is the same place."""
    of_image = at_front(place, len(shape) - 2) if is_of_image else {}
    image = Image(np.zeros(shape), **of_image)
    layer = Labels(np.ones((40, 50), int), **({} if is_of_image else place))
    with pytest.raises(InputError, match=r"does not lie on .* its pixel .* where the image has"):
        paint_of(layer, image, image_of(image))
    whole = to_world(image, 2)
    layer.scale, layer.translate, layer.rotate, layer.shear = (1, 1), (0, 0), 0, (0,)
    layer.affine = whole
    assert paint_of(layer, image, image_of(image)).all()


def test_units_that_compare_are_compared() -> None:
    image = Image(np.zeros((40, 50)), scale=(0.5, 0.5), units=("um", "um"))
    layer = Labels(np.ones((40, 50), int), scale=(500, 500), units=("nm", "nm"))
    assert paint_of(layer, image, image_of(image)).all()
    layer.units = ("um", "um")
    with pytest.raises(InputError, match="does not lie on"):
        paint_of(layer, image, image_of(image))


def test_a_rounded_pixel_size_is_the_same() -> None:
    """Files keep pixel sizes as fractions, and stages count from far away."""
    place = {"scale": (0.325, 0.325), "translate": (123_456.789, 98_765.4)}
    image = Image(np.zeros((400, 500)), **place)
    rounded = {"scale": (0.3250001, 0.325), "translate": (123_456.79, 98_765.4)}
    layer = Labels(np.ones((400, 500), int), **rounded)
    assert paint_of(layer, image, image_of(image)).all()

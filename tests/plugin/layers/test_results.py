"""Layers that the plugin makes, and what it may overwrite."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import zarr

from napari_scribe.plugin.layers import results
from napari_scribe.plugin.layers.colors import labels_look, preview_look
from napari_scribe.plugin.layers.conversion import image_of, new_annotations
from napari_scribe.plugin.layers.purpose import note
from napari_scribe.plugin.layers.results import (
    set_previews_visible,
    show_image,
    show_image_window,
    show_labels,
    show_probability,
    show_window,
)


@pytest.fixture
def image(viewer: Any) -> Any:
    return viewer.add_image(
        np.zeros((40, 50)), scale=(0.5, 0.25), translate=(3, 4), units=("um", "um"), name="cells"
    )


def ones(shape: tuple[int, ...] = (40, 50)) -> np.ndarray:
    return np.ones(shape, np.int32)


def test_a_result_lies_on_its_image(viewer: Any, image: Any) -> None:
    layer = show_labels(viewer, image, image_of(image), ones(), "labels")
    assert layer.name == "cells labels"
    assert np.allclose(layer.scale, image.scale)
    assert np.allclose(layer.translate, image.translate)
    assert layer.units == image.units
    assert layer.axis_labels == image.axis_labels
    assert note(layer)["purpose"] == "labels"
    assert viewer.layers.index(layer) == viewer.layers.index(image) + 1


def test_its_own_result_is_overwritten_in_place(viewer: Any, image: Any) -> None:
    first = show_labels(viewer, image, image_of(image), ones(), "labels")
    first.opacity = 0.3
    second = show_labels(viewer, image, image_of(image), 2 * ones(), "labels")
    assert second is first
    assert first.data.max() == 2
    assert first.opacity == 0.3


def test_an_image_makes_no_room_for_labels_of_its_name(viewer: Any, image: Any) -> None:
    """A denoiser's preview stays where a segmenter shows its own."""
    pixels = np.zeros((40, 50), np.float32)
    shown = show_image(viewer, image, image_of(image), pixels, "preview")
    labels = show_labels(viewer, image, image_of(image), ones(), "preview")
    assert shown in viewer.layers and shown.data.max() == 0
    assert labels.data.max() == 1 and shown is not labels


def test_a_result_that_was_painted_on_stays(viewer: Any, image: Any) -> None:
    first = show_labels(viewer, image, image_of(image), ones(), "labels")
    first.paint((5, 5), 9)
    second = show_labels(viewer, image, image_of(image), 2 * ones(), "labels")
    assert second is not first
    assert first.data[5, 5] == 9
    assert second.name == "cells labels [1]"


def test_a_user_s_layer_of_that_name_stays(viewer: Any, image: Any) -> None:
    own = viewer.add_labels(ones(), name="cells labels")
    made = show_labels(viewer, image, image_of(image), 2 * ones(), "labels")
    assert made is not own
    assert own.data.max() == 1


def test_a_result_with_a_name_of_its_own_stays(viewer: Any, image: Any) -> None:
    first = show_labels(viewer, image, image_of(image), ones(), "labels")
    first.name = "the good one"
    assert show_labels(viewer, image, image_of(image), 2 * ones(), "labels") is not first
    assert first.data.max() == 1


def test_a_result_follows_its_image(viewer: Any, image: Any) -> None:
    first = show_labels(viewer, image, image_of(image), ones(), "labels")
    image.scale, image.rotate = (2, 3), 30
    image.affine = [[1, 0, 7], [0, 1, 0], [0, 0, 1]]
    assert show_labels(viewer, image, image_of(image), ones(), "labels") is first
    assert np.allclose(first.data_to_world((20, 30)), image.data_to_world((20, 30)))


def test_a_hidden_preview_is_shown_again(viewer: Any, image: Any) -> None:
    layer = show_window(
        viewer, image, image_of(image), (), (slice(0, 9), slice(0, 9)), ones((9, 9)), "preview"
    )
    set_previews_visible(viewer, image, False)
    assert not layer.visible
    set_previews_visible(viewer, image, True)
    assert layer.visible


def test_a_preview_is_shown_above_what_was_made_before(viewer: Any, image: Any) -> None:
    field = (slice(0, 9), slice(0, 9))
    pixels = np.ones((1, 9, 9), np.float32)
    show_image_window(viewer, image, image_of(image), (), field, pixels, "preview")
    show_image(viewer, image, image_of(image), np.ones((40, 50)), "denoised")
    show_labels(viewer, image, image_of(image), ones(), "labels")
    other = viewer.add_image(np.zeros((40, 50)), name="others")
    viewer.layers.selection.active = image
    set_previews_visible(viewer, image, True)
    order = ["cells", "cells denoised", "cells preview", "cells labels", "others"]
    assert [layer.name for layer in viewer.layers] == order
    assert viewer.layers.selection.active is image
    show_window(viewer, other, image_of(other), (), field, ones((9, 9)), "preview")
    show_image(viewer, other, image_of(other), np.ones((40, 50)), "denoised")
    set_previews_visible(viewer, other, True)  # labels stay where they are
    order += ["others preview", "others denoised"]
    assert [layer.name for layer in viewer.layers] == order


def test_a_layer_is_marked_before_anybody_sees_it(viewer: Any, image: Any) -> None:
    seen = []
    viewer.layers.events.inserted.connect(lambda event: seen.append(note(event.value)))
    show_labels(viewer, image, image_of(image), ones(), "labels")
    assert seen[0]["purpose"] == "labels"


def test_results_of_another_image_stay(viewer: Any, image: Any) -> None:
    other = viewer.add_image(np.zeros((40, 50)), name="others")
    first = show_labels(viewer, image, image_of(image), ones(), "labels")
    assert show_labels(viewer, other, image_of(other), ones(), "labels") is not first


def test_the_brush_is_not_taken_away(viewer: Any, image: Any) -> None:
    new_annotations(viewer, image)
    brush = viewer.layers.selection.active
    show_labels(viewer, image, image_of(image), ones(), "labels")
    assert viewer.layers.selection.active is brush
    assert viewer.layers[-1] is brush
    assert brush.mode == "paint"


def test_a_window_lies_where_it_was_cut(viewer: Any) -> None:
    image = viewer.add_image(np.zeros((9, 40, 50)), scale=(2, 0.5, 0.5), translate=(0, 3, 4))
    window = (slice(10, 20), slice(30, 45))
    layer = show_window(
        viewer, image, image_of(image), (("Z", 4),), window, ones((10, 15)), "preview"
    )
    assert layer.data.shape == (1, 10, 15)
    assert np.allclose(layer.translate, (8, 8, 19))
    moved = (slice(0, 10), slice(0, 15))
    again = show_window(
        viewer, image, image_of(image), (("Z", 5),), moved, ones((10, 15)), "preview"
    )
    assert again is layer
    assert np.allclose(layer.translate, (10, 3, 4))


def test_a_window_of_a_rotated_image(viewer: Any) -> None:
    image = viewer.add_image(np.zeros((40, 50)), scale=(0.5, 0.5), translate=(3, 4), rotate=30)
    window = (slice(10, 20), slice(30, 45))
    layer = show_window(viewer, image, image_of(image), (), window, ones((10, 15)), "preview")
    assert np.allclose(layer.data_to_world((0, 0)), image.data_to_world((10, 30)))


def test_a_large_result_is_a_pyramid(
    viewer: Any, image: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "LARGE", 32)
    monkeypatch.setattr(results, "CANVAS", 8)
    layer = show_labels(viewer, image, image_of(image), ones(), "labels")
    assert layer.multiscale
    assert layer.data[1].shape == (20, 25)
    again = show_labels(viewer, image, image_of(image), ones(), "labels")
    assert again is not layer


def test_probability_is_an_image_a_channel(viewer: Any, image: Any) -> None:
    half = np.full((2, 40, 50), 0.5, np.float16)
    show_probability(viewer, image, image_of(image), half, "probability")
    names = [layer.name for layer in viewer.layers]
    assert names == ["cells", "cells probability 1", "cells probability 2"]
    assert np.allclose(viewer.layers[1].scale, image.scale)


def test_a_part_lies_where_it_was_cut(viewer: Any) -> None:
    film = viewer.add_image(np.zeros((9, 40, 50)), scale=(2, 0.5, 0.5), translate=(0, 3, 4))
    region = {"T": slice(4, 5), "Y": slice(10, 20), "X": slice(30, 45)}
    layer = show_labels(
        viewer, film, image_of(film, "TYX"), ones((1, 10, 15)), "labels (visible)", region=region
    )
    assert np.allclose(layer.translate, (8, 8, 19))


def test_levels_on_disk_are_shown_as_they_are(viewer: Any, image: Any) -> None:
    levels = [zarr.create_array({}, shape=(n, n), dtype="u2") for n in (40, 20, 10)]
    layer = show_labels(viewer, image, image_of(image), levels, "labels")
    assert layer.multiscale
    assert all(shown is level for shown, level in zip(layer.data, levels, strict=True))
    layer.visible, layer.opacity = False, 0.2
    again = show_labels(viewer, image, image_of(image), levels, "labels")
    assert [each.name for each in viewer.layers] == ["cells", "cells labels"]
    assert (again.visible, again.opacity) == (False, 0.2)
    whole = show_labels(viewer, image, image_of(image), ones(), "labels")
    assert not whole.multiscale  # a small one in place of a large one
    assert [each.name for each in viewer.layers] == ["cells", "cells labels"]


def test_a_stack_on_disk_is_shown_beside_its_channels(viewer: Any) -> None:
    stack = viewer.add_image(np.zeros((4, 2, 30, 30)), name="cells")
    labels = zarr.create_array({}, shape=(4, 30, 30), dtype="u2")
    labels[3] = 5
    layer = show_labels(viewer, stack, image_of(stack, "ZCYX"), [labels], "labels")
    assert layer.data.shape == (4, 2, 30, 30)
    viewer.dims.set_current_step((0, 1), (3, 1))
    assert layer.get_value((3, 1, 5, 5)) == 5
    assert not layer.editable


def test_one_layer_makes_room_for_another(viewer: Any, image: Any) -> None:
    so_far = show_labels(viewer, image, image_of(image), ones(), "labels so far")
    viewer.add_points(name="points")
    so_far.opacity = 0.1
    viewer.layers.selection.active = so_far
    result = show_labels(
        viewer, image, image_of(image), 2 * ones(), "labels", instead_of=so_far, opacity=0.6
    )
    assert [layer.name for layer in viewer.layers] == ["cells", "cells labels", "points"]
    assert result.opacity == 0.1
    assert viewer.layers.selection.active is result


def test_an_image_with_channels_lies_on_its_own_axes(viewer: Any) -> None:
    source = viewer.add_image(
        np.zeros((3, 40, 2, 50)),
        axis_labels=("z", "y", "channel", "x"),
        scale=(3, 1, 1, 2),
        name="odd",
    )
    image = image_of(source, "ZYCX")
    pixels = np.arange(2 * 3 * 40 * 50).reshape(2, 3, 40, 50)
    layer = show_image(viewer, source, image, pixels, "denoised", region={"Z": slice(0, 3)})
    assert np.array_equal(layer.data, pixels.transpose(1, 2, 0, 3))
    assert np.allclose(layer.scale, source.scale)
    window = (slice(8, 16), slice(10, 20))
    part = show_image_window(
        viewer, source, image, (("Z", 1),), window, np.ones((2, 8, 10)), "preview"
    )
    assert part.data.shape == (1, 8, 2, 10)
    assert np.allclose(part.translate, (3, 8, 0, 20))


def test_an_image_on_disk_stays_there(viewer: Any, image: Any) -> None:
    on_disk = zarr.create_array({}, shape=(40, 50), dtype="f4")
    on_disk[:] = np.ones((40, 50))
    image.contrast_limits = (2, 7)
    layer = show_image(viewer, image, image_of(image), [on_disk], "denoised")
    assert layer.data is on_disk
    assert np.allclose(layer.contrast_limits, (2, 7))


@pytest.mark.parametrize("look", [preview_look, labels_look])
def test_labels_of_another_kind_look_like_it(
    viewer: Any, image: Any, look: Callable[[str], dict[str, Any]]
) -> None:
    """Areas or outlines, colours of classes or of objects; what the user has chosen stays."""

    def shown(task: str) -> Any:
        return show_labels(viewer, image, image_of(image), ones(), "labels", **look(task))

    def looks_as(layer: Any, task: str, *but: str) -> bool:
        wanted = look(task)
        return layer.colormap.name == wanted["colormap"].name and all(
            getattr(layer, name) == wanted[name]
            for name in ("opacity", "contour")
            if name in wanted and name not in but
        )

    layer = shown("classes")
    assert looks_as(layer, "classes")
    assert shown("objects") is layer and looks_as(layer, "objects")
    layer.opacity = 0.15
    assert shown("classes") is layer and looks_as(layer, "classes", "opacity")
    assert layer.opacity == 0.15
    stack = [ones()]  # nothing that can be painted on: a new layer takes the place
    stack[0].flags.writeable = False
    new = show_labels(viewer, image, image_of(image), stack, "labels", **look("objects"))
    assert new is not layer and looks_as(new, "objects", "opacity")
    assert new.opacity == 0.15


def test_objects_of_a_result_are_outlined_where_that_is_fast(viewer: Any, image: Any) -> None:
    """Unlike paint, which is filled; stacks are shown in 3D too, where napari has no outlines."""
    look = labels_look("objects", (1, 512, 512))
    layer = show_labels(viewer, image, image_of(image), ones(), "labels", **look)
    assert layer.contour == 2
    colors = np.array([layer.get_color(number) for number in range(1, 1000)])
    assert np.all(colors[:, :3].max(axis=1) > 0.99) and len(np.unique(colors, axis=0)) > 200
    assert labels_look("objects", (2048, 2048))["contour"] == 0
    assert labels_look("objects", (5, 64, 64))["contour"] == 0
    assert labels_look("classes", (64, 64))["contour"] == 0

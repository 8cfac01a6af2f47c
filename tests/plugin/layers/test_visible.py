"""Which part of an image is in view."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pytest

from napari_scribe.errors import InputError
from napari_scribe.plugin.layers.conversion import image_of
from napari_scribe.plugin.layers.visible import slice_region, visible_field, visible_region


def test_a_small_image_is_in_view_as_a_whole(viewer: Any) -> None:
    layer = viewer.add_image(np.zeros((200, 300)))
    assert visible_field(viewer, layer, image_of(layer), 2) == ((), (slice(0, 200), slice(0, 300)))


def test_a_large_field_is_cut_to_its_middle(viewer: Any) -> None:
    layer = viewer.add_image(np.zeros((2000, 3000), np.uint8))
    frame, (y, x) = visible_field(viewer, layer, image_of(layer), 2)
    assert frame == ()
    assert (y.stop - y.start, x.stop - x.start) == (512, 512)
    assert abs((y.start + y.stop) / 2 - 1000) < 2
    assert abs((x.start + x.stop) / 2 - 1500) < 2


def test_the_field_follows_the_camera(make_napari_viewer: Any, qtbot: Any) -> None:
    viewer = make_napari_viewer(show=True)
    layer = viewer.add_image(np.zeros((4000, 4000), np.uint8))
    viewer.scene.camera.center = (1000, 3000)
    viewer.scene.camera.zoom = 8
    qtbot.waitUntil(lambda: layer.corner_pixels[0, 1] > 2000)
    _, (y, x) = visible_field(viewer, layer, image_of(layer), 2)
    assert y.stop - y.start < 512
    assert abs((y.start + y.stop) / 2 - 1000) < 5
    assert abs((x.start + x.stop) / 2 - 3000) < 5


def test_the_field_of_a_pyramid_is_in_full_resolution(viewer: Any) -> None:
    levels = [np.zeros((4096 // f, 4096 // f), np.uint8) for f in (1, 2, 4, 8)]
    layer = viewer.add_image(levels, multiscale=True)
    viewer.reset_view()
    assert layer.data_level > 0
    _, (y, x) = visible_field(viewer, layer, image_of(layer), 2)
    for middle in ((y.start + y.stop) / 2, (x.start + x.stop) / 2):
        assert abs(middle - 2048) < 16


@pytest.mark.parametrize("is_lazy", [False, True])
def test_what_is_in_view_of_a_pyramid_is_less_than_what_is_loaded(
    make_napari_viewer: Any, qtbot: Any, is_lazy: bool
) -> None:
    viewer = make_napari_viewer(show=True)
    levels: list[Any] = [np.zeros((6000 // f, 4000 // f), np.uint8) for f in (1, 2, 4)]
    if is_lazy:
        levels = [da.from_array(level, chunks=1024) for level in levels]
    layer = viewer.add_image(levels, multiscale=True, scale=(0.5, 0.5))
    image = image_of(layer)
    viewer.reset_view()
    assert visible_region(viewer, layer, image, 2) == {"Y": slice(0, 6000), "X": slice(0, 4000)}
    camera, height, width = viewer.scene.camera, *viewer.canvas.viewbox_size(viewer.layers)
    for y, x, zoom in ((500, 600, 8.0), (530, 640, 16.0), (5000, 3000, 4.0)):
        camera.zoom, camera.center = zoom, (y / 2, x / 2)
        qtbot.wait(50)  # as napari loads it
        region = visible_region(viewer, layer, image, 2)
        for span, middle, n in ((region["Y"], y, height), (region["X"], x, width)):
            assert abs(span.stop - span.start - n / zoom * 2) <= 3
            assert abs((span.start + span.stop) / 2 - middle) <= 2
    camera.center = (-4000, 200)
    with pytest.raises(InputError, match="in view"):
        visible_region(viewer, layer, image, 2)


def test_the_slice_in_view_is_taken(viewer: Any) -> None:
    layer = viewer.add_image(np.zeros((5, 9, 60, 70), np.uint8), scale=(1, 2, 0.5, 0.5))
    viewer.dims.set_current_step((0, 1), (3, 7))
    frame, window = visible_field(viewer, layer, image_of(layer), 2)
    assert frame == (("T", 3), ("Z", 7))
    assert window == (slice(0, 60), slice(0, 70))


def test_a_volume_is_cut_around_the_slice_in_view(viewer: Any) -> None:
    layer = viewer.add_image(np.zeros((60, 200, 200), np.uint8))
    viewer.dims.set_current_step(0, 40)
    frame, (z, y, x) = visible_field(viewer, layer, image_of(layer), 3)
    assert frame == ()
    assert (z.start, z.stop) == (32, 48)
    viewer.dims.set_current_step(0, 58)
    assert visible_field(viewer, layer, image_of(layer), 3)[1][0] == slice(44, 60)
    assert (y.stop - y.start, x.stop - x.start) == (128, 128)


def test_a_volume_in_3d_view_is_cut_to_its_middle(viewer: Any) -> None:
    layer = viewer.add_image(np.zeros((60, 200, 200), np.uint8))
    viewer.dims.ndisplay = 3
    _, (z, _, _) = visible_field(viewer, layer, image_of(layer), 3)
    assert (z.start, z.stop) == (22, 38)


def test_a_slice_beyond_the_image_is_the_nearest(viewer: Any) -> None:
    layer = viewer.add_image(np.zeros((4, 60, 70), np.uint8))
    viewer.add_image(np.zeros((20, 60, 70), np.uint8))
    viewer.dims.set_current_step(0, 15)
    frame, _ = visible_field(viewer, layer, image_of(layer, "ZYX"), 2)
    assert frame == (("Z", 3),)


def test_the_slice_in_view_as_a_region(viewer: Any) -> None:
    layer = viewer.add_image(np.zeros((5, 9, 60, 70), np.uint8))
    viewer.dims.set_current_step((0, 1), (3, 7))
    image = image_of(layer)
    assert slice_region(viewer, layer, image, 2) == {"T": slice(3, 4), "Z": slice(7, 8)}
    assert slice_region(viewer, layer, image, 3) == {"T": slice(3, 4)}


def test_all_that_the_canvas_shows_is_a_region(viewer: Any) -> None:
    layer = viewer.add_image(np.zeros((9, 900, 1200), np.uint8))
    viewer.dims.set_current_step(0, 7)
    layer.corner_pixels = np.array([[7, 100, 50], [7, 700, 1199]])
    image = image_of(layer)
    seen = {"Y": slice(100, 701), "X": slice(50, 1200)}
    assert visible_region(viewer, layer, image, 2) == {"Z": slice(7, 8), **seen}
    assert visible_region(viewer, layer, image, 3) == seen  # all along Z
    viewer.dims.ndisplay = 3
    with pytest.raises(InputError, match="In 3D all is in view"):
        visible_region(viewer, layer, image, 2)


def test_out_of_view(make_napari_viewer: Any, qtbot: Any) -> None:
    viewer = make_napari_viewer(show=True)
    layer = viewer.add_image(np.zeros((400, 400), np.uint8), name="cells")
    viewer.scene.camera.zoom = 8
    viewer.scene.camera.center = (-4000, 200)
    qtbot.waitUntil(lambda: layer.corner_pixels[1, 0] < 1)
    with pytest.raises(InputError, match="Nothing of cells is in view"):
        visible_region(viewer, layer, image_of(layer), 2)

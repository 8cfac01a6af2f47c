"""Find which part of an image the viewer shows."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
from napari import Viewer
from napari.layers import Image as ImageLayer

from ...errors import InputError
from ...image import Frame, Image
from ...windows import Window
from .conversion import displayed_axes, pixels

SIDE = {2: (512, 512), 3: (16, 128, 128)}
"""Largest preview in pixels along each spatial axis, for networks in 2D and 3D."""
Span = tuple[int, int]
"""The first pixel and the one after the last; twice the pixel on which a slider stands."""


def visible_field(
    viewer: Viewer, layer: ImageLayer, image: Image, dimensions: int
) -> tuple[Frame, Window]:
    """Return the frame and the window of an image that are in view, cut to a size soon predicted.

    Parameters
    ----------
    dimensions
        Dimensions of the network, 2 or 3.

    Returns
    -------
    frame, window
        As `Image.read` takes them.
    """
    visible = _spans(viewer, layer, image)
    spatial = image.spatial_axes(dimensions)
    window = tuple(
        _cut(*visible.get(axis, (0, image.length(axis))), image.length(axis), side)
        for axis, side in zip(spatial, SIDE[dimensions], strict=True)
    )
    return _frame(visible, image, dimensions), window


def slice_region(
    viewer: Viewer, layer: ImageLayer, image: Image, dimensions: int
) -> dict[str, slice]:
    """Return the frame of an image on which the sliders stand, per axis letter."""
    point = layer.world_to_data(viewer.dims.point)
    pixel = dict(zip(displayed_axes(layer, image.axes), point, strict=True))
    axes = image.iterated_axes(dimensions)
    frame = {axis: _inside(round(float(pixel[axis])), image.length(axis)) for axis in axes}
    return {axis: slice(i, i + 1) for axis, i in frame.items()}


def visible_region(
    viewer: Viewer, layer: ImageLayer, image: Image, dimensions: int
) -> dict[str, slice]:
    """Return what the canvas shows of that frame, per axis letter; all along axes with sliders.

    Raises
    ------
    InputError
        If the image is out of view, or shown in 3D.
    """
    region = slice_region(viewer, layer, image, dimensions)
    if viewer.dims.ndisplay == 3:
        raise InputError("In 3D all is in view: choose the whole layer, or show it in 2D.")
    visible = _spans(viewer, layer, image)
    for axis in image.spatial_axes(dimensions):
        low, high = visible.get(axis, (0, 0))
        if high > low:
            region[axis] = slice(max(0, low), min(high, image.length(axis)))
        elif axis not in visible and image.length(axis) > 1:
            raise InputError(f"Nothing of {image.name} is in view: move it there first.")
    return region


def _spans(viewer: Viewer, layer: ImageLayer, image: Image) -> dict[str, Span]:
    """Return what is in view of each axis of a layer, without the axes of which nothing is."""
    shown = displayed_axes(layer, image.axes)
    point = layer.world_to_data(viewer.dims.point)
    # A layer's axes are the last ones of the viewer.
    offset = viewer.dims.ndim - layer.ndim
    on_canvas = {shown[d - offset] for d in viewer.dims.displayed if d >= offset}
    corners = _corners_in_view(viewer, layer) if layer.multiscale else layer.corner_pixels
    visible: dict[str, Span] = {}
    for i, axis in enumerate(shown):
        low, high = int(corners[0][i]), int(corners[1][i]) + 1
        if axis in on_canvas and high - low > 1:
            visible[axis] = (low, high)
        elif axis not in on_canvas:
            visible[axis] = (round(float(point[i])),) * 2
    return visible


def _corners_in_view(viewer: Viewer, layer: ImageLayer) -> npt.NDArray[np.float64]:
    """Return the first and the last pixel of a pyramid's finest level that the canvas shows.

    napari's `corner_pixels` of a pyramid are those of the part that is loaded, which is larger.
    """
    last = np.subtract(pixels(layer).shape[: layer.ndim], 1)
    if viewer.dims.ndisplay == 3:
        return np.stack([0 * last, last]).astype(float)
    camera, displayed = viewer.scene.camera, list(viewer.dims.displayed)
    half = np.asarray(viewer.canvas.viewbox_size(viewer.layers)) / camera.zoom / 2
    found = []
    for signs in itertools.product((-1, 1), repeat=2):
        world = np.asarray(viewer.dims.point, float)
        world[displayed] = np.asarray(camera.center)[-2:] + signs * half
        found.append(layer.world_to_data(world))
    low, high = np.round(np.min(found, axis=0)), np.round(np.max(found, axis=0))
    return np.stack([np.maximum(low, 0), np.minimum(high, last)])


def _frame(visible: dict[str, Span], image: Image, dimensions: int) -> Frame:
    """Return the frame in the middle of what is in view."""
    return tuple(
        (axis, _inside(sum(visible.get(axis, (0, 0))) // 2, image.length(axis)))
        for axis in image.iterated_axes(dimensions)
    )


def _cut(low: int, high: int, length: int, side: int) -> slice:
    """Return at most `side` pixels around the middle of a span, or around its only pixel."""
    if high <= low:
        start = min(max(0, low - side // 2), max(0, length - side))
        return slice(start, min(length, start + side))
    low, high = max(0, low), min(length, high)
    if high <= low:  # nothing of it is in view
        low, high = 0, length
    surplus = max(0, high - low - side)
    return slice(low + surplus // 2, high - (surplus - surplus // 2))


def _inside(index: int, length: int) -> int:
    return min(max(index, 0), length - 1)

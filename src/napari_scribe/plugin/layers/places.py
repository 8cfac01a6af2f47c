"""Go to a place in a layer, and say where the view is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from napari import Viewer
from napari.layers import Layer

SHARE = 0.1
"""Least share of the canvas that an object takes when it is gone to, along the shorter side."""


def go_to(
    viewer: Viewer, layer: Layer, pixel: Sequence[float | None], diameter: float = 0.0
) -> None:
    """Show a pixel in the middle of the canvas, closer where an object there would be too small.

    Parameters
    ----------
    pixel
        A coordinate per axis of the layer; None leaves an axis where it is.
    diameter
        Of the object there, in pixels; 0 where it is not known.
    """
    is_given = [x is not None for x in pixel]
    here = position(viewer, layer)
    point = [i if x is None else x for x, i in zip(pixel, here, strict=True)]
    world = np.asarray(layer.data_to_world(point), float)
    first = viewer.dims.ndim - layer.ndim  # a layer's axes are the viewer's last
    for axis in viewer.dims.not_displayed:
        if axis >= first and is_given[axis - first]:
            viewer.dims.set_point(axis, world[axis - first])
    camera = viewer.scene.camera
    displayed = [axis - first for axis in viewer.dims.displayed if axis >= first]
    if all(is_given[axis] for axis in displayed):
        center = [*camera.center]
        for place, axis in zip(range(-len(displayed), 0), displayed, strict=True):
            center[place] = world[axis]
        camera.center = tuple(center)
    if diameter:
        size = diameter * float(np.abs(layer.scale[-1]))
        canvas = min(viewer.canvas.viewbox_size(viewer.layers))
        camera.zoom = max(camera.zoom, SHARE * canvas / size)


def position(viewer: Viewer, layer: Layer) -> tuple[float, ...]:
    """Return the pixel of a layer on which the sliders stand."""
    return tuple(float(x) for x in layer.world_to_data(viewer.dims.point))

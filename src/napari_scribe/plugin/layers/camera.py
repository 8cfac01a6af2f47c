"""Go to a place of a layer: its frame and slice, and the middle of the canvas."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from napari import Viewer
from napari.layers import Layer

SHARE = 0.1
"""Least share of the canvas that an object takes when it is gone to, along the shorter side."""


def go_to(viewer: Viewer, layer: Layer, pixel: Sequence[float], diameter: float = 0.0) -> None:
    """Show a pixel in the middle of the canvas, closer where an object there would be too small.

    Parameters
    ----------
    pixel
        Along the axes of the layer.
    diameter
        Of the object there, in pixels; 0 where it is not known.
    """
    world = np.asarray(layer.data_to_world(pixel), float)
    first = viewer.dims.ndim - layer.ndim  # a layer's axes are the viewer's last
    for axis in viewer.dims.not_displayed:
        if axis >= first:
            viewer.dims.set_point(axis, world[axis - first])
    camera = viewer.scene.camera
    displayed = [axis for axis in viewer.dims.displayed if axis >= first]
    center = [*camera.center]
    for place, axis in zip(range(-len(displayed), 0), displayed, strict=True):
        center[place] = world[axis - first]
    camera.center = tuple(center)
    if diameter:
        size = diameter * float(np.abs(layer.scale[-1]))
        canvas = min(viewer.canvas.viewbox_size(viewer.layers))
        camera.zoom = max(camera.zoom, SHARE * canvas / size)

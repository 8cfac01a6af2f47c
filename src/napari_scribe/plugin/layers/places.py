"""Move the view to a place in a layer, and say where it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from napari import Viewer
from napari.layers import Layer


def look_at(viewer: Viewer, layer: Layer, pixel: Sequence[float | None]) -> None:
    """Move the sliders to a pixel of a layer, and the middle of what is in view.

    Parameters
    ----------
    pixel
        A coordinate per axis of the layer; None leaves an axis where it is.
    """
    point = np.asarray(position(viewer, layer))
    wanted = np.array([np.nan if x is None else x for x in pixel])
    world = layer.data_to_world(np.where(np.isnan(wanted), point, wanted))
    offset = viewer.dims.ndim - layer.ndim
    for axis, (value, is_given) in enumerate(zip(world, ~np.isnan(wanted), strict=True), offset):
        if is_given and axis not in viewer.dims.displayed:
            viewer.dims.set_point(axis, float(value))
    shown = [axis - offset for axis in viewer.dims.displayed if axis >= offset]
    if len(shown) > 1 and not np.isnan(wanted[shown]).any():
        depth = [0.0] * (3 - len(shown))
        viewer.scene.camera.center = (*depth, *(float(world[axis]) for axis in shown))


def position(viewer: Viewer, layer: Layer) -> tuple[float, ...]:
    """Return the pixel of a layer on which the sliders stand."""
    return tuple(float(x) for x in layer.world_to_data(viewer.dims.point))

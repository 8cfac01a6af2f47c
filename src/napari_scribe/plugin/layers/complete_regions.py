"""Let a user draw rectangles in which all objects are painted, and read them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from napari.layers import Shapes

from ...image import Image
from .alignment import is_aligned
from .conversion import displayed_axes
from .managed import PLACE
from .purpose import COMPLETE_REGIONS, MARK, note

if TYPE_CHECKING:
    from ...targets.paint import Box

COLOR = "#3f6fd8"
"""That of background: what is not painted in such a rectangle is background."""
EDGE = 2
"""Width of the line, in pixels of the image."""


def draw_regions(viewer: Viewer, paint: LabelsLayer, image: ImageLayer) -> Shapes:
    """Select the layer of rectangles of an image, ready to draw one; add it where there is none."""
    layer = regions_of(viewer, image)
    if layer is None:
        layer = Shapes(
            ndim=paint.ndim,
            name=f"{image.name} {COMPLETE_REGIONS}",
            edge_color=COLOR,
            edge_width=EDGE,
            face_color="transparent",
            metadata={MARK: {"purpose": COMPLETE_REGIONS, "source": image.name}},
            **{name: getattr(paint, name) for name in PLACE},
        )
        layer.current_edge_color, layer.current_face_color = COLOR, "transparent"
        layer.current_edge_width = EDGE
        viewer.add_layer(layer)
    viewer.layers.selection.active = layer
    layer.mode = "add_rectangle"
    return layer


def regions_of(viewer: Viewer, image: ImageLayer) -> Shapes | None:
    """Return the layer of rectangles of an image; None where there is none."""
    mine = {"purpose": COMPLETE_REGIONS, "source": image.name}.items()
    found = (x for x in viewer.layers if isinstance(x, Shapes) and mine <= note(x).items())
    return next(found, None)


def complete_boxes(viewer: Viewer, layer: ImageLayer, image: Image) -> tuple[Box, ...]:
    """Return the rectangles that are drawn on an image, as `Paint` takes them.

    A shape of another kind counts as the rectangle round it. On a stack, each holds for the slice
    on which it was drawn.
    """
    regions = regions_of(viewer, layer)
    if regions is None or not is_aligned(regions, layer):
        return ()
    shown = displayed_axes(layer, image.axes)
    axes = shown if regions.ndim == len(shown) else shown.replace("C", "")
    boxes = []
    for corners in regions.data:
        sides = dict(zip(axes, zip(corners.min(0), corners.max(0), strict=True), strict=True))
        box = tuple(_pixels(*sides[axis], image.length(axis)) for axis in image.label_axes())
        if all(start < stop for start, stop in box):
            boxes.append(box)
    return tuple(boxes)


def _pixels(low: np.floating, high: np.floating, length: int) -> tuple[int, int]:
    """Return the pixels whose middle lies between two coordinates, or the one nearest to both."""
    start, stop = math.ceil(low), math.floor(high) + 1
    if start >= stop:
        start, stop = round(float(low)), round(float(low)) + 1
    return max(0, start), min(length, stop)

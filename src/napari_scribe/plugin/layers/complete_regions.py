"""Let a user draw rectangles in which all objects are painted, read them, and show them again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import product
from typing import TYPE_CHECKING, TypeGuard

import numpy as np
from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from napari.layers import Layer, Shapes

from ...arrays import Pixels
from ...image import Image
from .alignment import is_aligned
from .colors import BACKGROUND
from .conversion import displayed_axes
from .managed import PLACE, same_selection
from .purpose import COMPLETE_REGIONS, MARK, layers_of, made_of, purpose_of

if TYPE_CHECKING:
    from ...targets.paint import Box

COLOR = BACKGROUND
"""That of background: what is not painted in such a rectangle is background."""
EDGE = 2
"""Width of the line, in pixels of the image."""


def draw_regions(viewer: Viewer, paint: LabelsLayer, image: ImageLayer) -> Shapes:
    """Select the layer of rectangles of an image, ready to draw one; add it where there is none."""
    layer = regions_of(image, viewer.layers) or _added(viewer, paint, image)
    viewer.layers.selection.active = layer
    layer.mode = "add_rectangle"
    return layer


def show_regions(
    viewer: Viewer, paint: LabelsLayer, image: ImageLayer, boxes: Sequence[Box]
) -> None:
    """Show boxes along the axes of annotations as rectangles, those that are not there yet."""
    with same_selection(viewer):
        layer = regions_of(image, viewer.layers) or _added(viewer, paint, image)
    shown = boxes_in(layer, paint.data.shape)
    if new := [_rectangle(plane) for box in boxes for plane in _planes(box) if plane not in shown]:
        layer.add_rectangles(new)


def is_regions(layer: Layer) -> TypeGuard[Shapes]:
    """Return whether a layer holds rectangles in which all objects are painted."""
    return isinstance(layer, Shapes) and purpose_of(layer) == COMPLETE_REGIONS


def regions_of(image: ImageLayer, layers: Iterable[Layer]) -> Shapes | None:
    """Return the layer of rectangles of an image among some layers; None where there is none."""
    return next(filter(is_regions, layers_of(image, layers, COMPLETE_REGIONS)), None)


def complete_boxes(viewer: Viewer, layer: ImageLayer, image: Image) -> tuple[Box, ...]:
    """Return the rectangles that are drawn on an image, as `Paint` takes them.

    A shape of another kind counts as the rectangle round it. On a stack, each holds for the slice
    on which it was drawn.
    """
    regions = regions_of(layer, viewer.layers)
    if regions is None or not is_aligned(regions, layer):
        return ()
    shown = displayed_axes(layer, image.axes)
    axes = shown if regions.ndim == len(shown) else shown.replace("C", "")
    if regions.ndim != len(axes):  # drawn on annotations of other axes
        return ()
    order = [axes.index(axis) for axis in image.label_axes()]
    boxes = boxes_in(regions, [image.length(axis) for axis in axes])
    return tuple(tuple(box[i] for i in order) for box in boxes)


def boxes_in(regions: Shapes, lengths: Sequence[int]) -> tuple[Box, ...]:
    """Return the rectangles of a layer as ``(start, stop)`` per axis; none outside.

    Parameters
    ----------
    lengths
        Pixels along each axis.
    """
    boxes = (
        tuple(map(_pixels, corners.min(0), corners.max(0), lengths)) for corners in regions.data
    )
    return tuple(box for box in boxes if all(start < stop for start, stop in box))


def _added(viewer: Viewer, paint: LabelsLayer, image: ImageLayer) -> Shapes:
    """Add a layer for rectangles, which lies on annotations."""
    layer = Shapes(
        ndim=paint.ndim,
        name=f"{image.name} {COMPLETE_REGIONS}",
        edge_color=COLOR,
        edge_width=EDGE,
        face_color="transparent",
        metadata={MARK: {"purpose": COMPLETE_REGIONS, **made_of(image)}},
        **{name: getattr(paint, name) for name in PLACE},
    )
    layer.current_edge_color, layer.current_face_color = COLOR, "transparent"
    layer.current_edge_width = EDGE
    viewer.add_layer(layer)
    return layer


def _planes(box: Box) -> list[Box]:
    """Return a box of one slice for each slice of a box."""
    slices = product(*(range(start, stop) for start, stop in box[:-2]))
    return [(*((i, i + 1) for i in index), *box[-2:]) for index in slices]


def _rectangle(box: Box) -> Pixels:
    """Return the corners ``(4, axes)`` of a box of one slice."""
    (top, bottom), (left, right) = ((start - 0.5, stop - 0.5) for start, stop in box[-2:])
    index = [start for start, _ in box[:-2]]
    corners = (top, left), (top, right), (bottom, right), (bottom, left)
    return np.array([(*index, *corner) for corner in corners])


def _pixels(low: np.floating, high: np.floating, length: int) -> tuple[int, int]:
    """Return the pixels whose middle lies between two coordinates, or the one nearest to both."""
    start, stop = math.ceil(low), math.floor(high) + 1
    if start >= stop:
        start, stop = round(float(low)), round(float(low)) + 1
    return max(0, start), min(length, stop)

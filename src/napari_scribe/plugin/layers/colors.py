"""Choose the colours of paint, previews and results."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.utils.colormaps import CyclicLabelColormap, label_colormap
from napari.utils.colormaps.standardize_color import transform_color

BACKGROUND = "#3f6fd8"
"""Label 1 in paint: the one cold colour among warm and bright ones."""
PREVIEW = "#2ee6d6"
_OBJECTS = [
    "#ffa01f",
    "#ffe14d",
    "#6bdc4f",
    "#ff74b8",
    "#f2545b",
    "#c9a2ff",
    "#b9e34a",
    "#ff8f6b",
    "#f5c6a0",
    "#e86fe0",
]
OUTLINED = 2**20
"""Most pixels of a result whose objects are outlined: napari takes 40 ms for so many."""
OUTLINE = 2
"""Width of the outlines of objects, in pixels, so that the image is seen in them."""
_N_LABELS = 1000
"""Labels until colours repeat."""


def paint_colormap(*, hide_background: bool = False) -> CyclicLabelColormap:
    """Return colours of paint: blue for label 1, the background; warm ones for 2 and up.

    Parameters
    ----------
    hide_background
        Leave label 1 transparent.
    """
    colors = np.zeros((_N_LABELS, 4))
    colors[1] = transform_color(BACKGROUND)[0] * (not hide_background)
    colors[2:] = np.resize(transform_color(_OBJECTS), (_N_LABELS - 2, 4))
    return CyclicLabelColormap(colors=colors, name="classes" if hide_background else "paint")


def objects_colormap() -> CyclicLabelColormap:
    """Return napari's colours of labels, made bright: dark outlines are lost in a dark image."""
    colors = label_colormap().colors.copy()
    brightest = colors[:, :3].max(axis=1, keepdims=True)
    colors[:, :3] /= np.where(brightest > 0, brightest, 1)
    return CyclicLabelColormap(colors=colors, name="objects")


def preview_colormap() -> CyclicLabelColormap:
    """Return one colour for every object, so that outlines do not flicker as numbers change."""
    colors = transform_color(["transparent", PREVIEW, PREVIEW])
    return CyclicLabelColormap(colors=colors, name="preview")


def preview_look(task: str) -> dict[str, Any]:
    """Return how a preview is shown: objects as outlines, classes as areas."""
    if task == "objects":
        return {"colormap": preview_colormap(), "opacity": 0.9, "contour": OUTLINE}
    return {"colormap": paint_colormap(hide_background=True), "opacity": 0.35, "contour": 0}


def labels_look(task: str, shape: Sequence[int] = ()) -> dict[str, Any]:
    """Return how a result is shown: objects in bright colours, classes in those of paint.

    Objects in a single plane are outlined, unlike paint. napari draws outlines slowly in large
    planes, and warns of them where a stack is shown in 3D: there, objects are areas.

    Parameters
    ----------
    shape
        Of the result, along TZYX as far as it has them.
    """
    if task == "classes":
        return {"colormap": paint_colormap(), "opacity": 0.6, "contour": 0}
    is_outlined = math.prod(shape[:-2]) == 1 and math.prod(shape) <= OUTLINED
    look = {"opacity": 0.9, "contour": OUTLINE} if is_outlined else {"opacity": 0.6, "contour": 0}
    return {"colormap": objects_colormap(), **look}

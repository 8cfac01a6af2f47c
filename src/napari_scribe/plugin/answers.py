"""Questions about paint, and what is done when they are answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .layers import MARK, note

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image as ImageLayer
    from napari.layers import Labels as LabelsLayer


def made_for_another(viewer: Viewer, paint: LabelsLayer, image: ImageLayer) -> str:
    """A question where annotations were made for another image that is open; else nothing."""
    source = note(paint).get("source")
    if source in (None, image.name) or source not in viewer.layers:
        return ""
    return f"{paint.name} was made for {source}. Use it for {image.name}?"


def convert_to_objects(viewer: Viewer, layer: LabelsLayer) -> LabelsLayer:
    """Make every painted piece of label 1 an object of its own; undo brings the paint back.

    Where the layer's type cannot hold that many numbers, a new layer is added instead.

    Returns
    -------
    layer
        The one that holds the objects.
    """
    from ..targets.paint import objects_from_ones

    before = np.asarray(layer.data)
    after = objects_from_ones(before)
    if int(after.max(initial=0)) <= np.iinfo(before.dtype).max:
        changed = np.nonzero(after != before)
        layer.data_setitem(changed, after[changed].astype(before.dtype))
        return layer
    return viewer.add_labels(
        after,
        name=f"{layer.name} (objects)",
        scale=layer.scale,
        translate=layer.translate,
        rotate=layer.rotate,
        shear=layer.shear,
        affine=layer.affine,
        units=layer.units,
        axis_labels=layer.axis_labels,
        metadata={MARK: {**note(layer), "purpose": "annotations"}},
    )

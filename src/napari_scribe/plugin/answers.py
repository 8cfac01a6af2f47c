"""Questions about paint, and what is done when they are answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .alignment import is_aligned, is_unplaced
from .layers import MARK, labels_for_display, note, placement

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image as ImageLayer
    from napari.layers import Labels as LabelsLayer

    from ..image import Image


def made_for_another(viewer: Viewer, paint: LabelsLayer, image: ImageLayer) -> str:
    """A question where annotations were made for another image that is open; else nothing."""
    source = note(paint).get("source")
    if source in (None, image.name) or source not in viewer.layers:
        return ""
    return f"{paint.name} was made for {source}. Use it for {image.name}?"


def lies_nowhere(paint: LabelsLayer | None, layer: ImageLayer, image: Image) -> str:
    """A question where annotations fit an image, but lost their place; else nothing.

    napari saves labels without scale and translation: they come back at those of no image.
    """
    fitting = labels_for_display(np.broadcast_to(0, image.label_shape()), layer, image.axes)
    if paint is None or paint.data.shape != fitting.shape:
        return ""
    if is_aligned(paint, layer) or not is_unplaced(paint):
        return ""
    return (
        f"{paint.name} has no pixel size of its own, but as many pixels as {layer.name}. Lay it "
        f"over {layer.name}?"
    )


def lay_over(paint: LabelsLayer, layer: ImageLayer, image: Image) -> None:
    """Put annotations where an image lies."""
    for name, value in placement(layer, image.axes).items():
        setattr(paint, name, value)


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

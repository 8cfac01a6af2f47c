"""Questions about paint, and what is done when they are answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...errors import InputError
from ...io.origin import is_result
from .alignment import TOLERANCE, is_aligned, is_unplaced, to_world
from .conversion import (
    ANNOTATION_DTYPE,
    MARK,
    add_annotations,
    has_pixels_of,
    labels_for_display,
    note,
    paint_of,
    placement,
)

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image as ImageLayer
    from napari.layers import Labels as LabelsLayer

    from ...image import Image


def made_for_another(viewer: Viewer, paint: LabelsLayer, image: ImageLayer) -> str:
    """A question where annotations were made for another image that is open; else nothing."""
    source = note(paint).get("source")
    if source in (None, image.name) or source not in viewer.layers:
        return ""
    return f"{paint.name} was made for {source}. Use it for {image.name}?"


def is_a_result(paint: LabelsLayer | None) -> str:
    """A question where labels that a model found are to be learnt from; else nothing."""
    if paint is None:
        return ""
    purpose = str(note(paint).get("purpose", ""))
    path = "" if purpose else paint.source.path
    if not (purpose.startswith("labels") or (path and is_result(path))):
        return ""
    return (
        f"{paint.name} is a result, not paint: paint is 0 where nothing is known, 1 in the "
        "background, and 2 and up in objects. In this layer, is 0 background, and each number an "
        "object (or a class)?"
    )


def lies_nowhere(paint: LabelsLayer | None, layer: ImageLayer, image: Image) -> str:
    """A question where annotations fit an image, but lost their place; else nothing.

    napari saves labels without scale and translation: they come back at those of no image.
    """
    if paint is None or not has_pixels_of(paint, layer, image):
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


def annotations_from(
    viewer: Viewer, mask: LabelsLayer, layer: ImageLayer, image: Image, **noted: Any
) -> LabelsLayer:
    """Make complete annotations of an ordinary mask of an image, or of a part of it.

    In the mask 0 is background, and each number an object or a class: in paint these are 1, and one
    more than each number. Outside a part all stays unknown. The mask is not changed.

    Parameters
    ----------
    **noted
        As `add_annotations` takes it. Classes of which none is 0 stay as they are.

    Raises
    ------
    InputError
        If the mask does not lie on the pixels of the image.
    """
    found, window = _on_image(mask, layer, image)
    is_paint = noted.get("task") == "classes" and bool(found.all())
    values = found.astype(np.int32) + (not is_paint)
    small = values.max(initial=0) <= np.iinfo(ANNOTATION_DTYPE).max
    paint = np.zeros(image.label_shape(), ANNOTATION_DTYPE if small else np.int32)
    labels_for_display(paint, layer, image.axes)[window] = values
    return add_annotations(viewer, layer, image.axes, paint, **noted)


def _on_image(
    mask: LabelsLayer, layer: ImageLayer, image: Image
) -> tuple[npt.NDArray[Any], tuple[slice, ...]]:
    """The values of a mask, and where they lie on the axes that the image's annotations have."""
    whole = labels_for_display(np.broadcast_to(0, image.label_shape()), layer, image.axes)
    if mask.multiscale or mask.ndim != whole.ndim:
        values = paint_of(mask, layer, image)
        return labels_for_display(values, layer, image.axes), (slice(None),) * whole.ndim
    moved = np.linalg.solve(to_world(layer, mask.ndim), to_world(mask))
    starts = np.round(moved[:-1, -1]).astype(int)
    window = tuple(slice(a, a + n) for a, n in zip(starts, mask.data.shape, strict=True))
    exact = np.eye(len(moved))
    exact[:-1, -1] = starts
    is_inside = all(0 <= s.start < s.stop <= n for s, n in zip(window, whole.shape, strict=True))
    if not is_inside or not np.allclose(moved, exact, atol=TOLERANCE / max(whole.shape)):
        raise InputError(
            f"{mask.name} does not lie on the pixels of {layer.name}. Choose the annotations of "
            "this image, or press New."
        )
    return np.asarray(mask.data), window


def convert_to_objects(viewer: Viewer, layer: LabelsLayer, dimensions: int = 2) -> LabelsLayer:
    """Make every painted piece that was asked about an object of its own.

    Undo brings the paint back.

    Where the layer's type cannot hold that many numbers, a new layer is added instead.

    Parameters
    ----------
    dimensions
        2 or 3: of the network, in whose frames pieces are separate.

    Returns
    -------
    layer
        The one that holds the objects.
    """
    from ...targets.paint import as_meant

    before = np.asarray(layer.data)
    after = as_meant(before, dimensions)
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

"""Note what annotations are for, and ask what is doubtful about them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from napari.layers import Layer

from ...arrays import Pixels
from ...errors import InputError
from ...image import Image
from ...io.origin import is_result
from ...windows import Window, intersect, shift, whole
from .alignment import TOLERANCE, is_aligned, is_unplaced, to_world
from .conversion import (
    ANNOTATION_DTYPE,
    add_annotations,
    has_pixels_of,
    image_of,
    labels_for_display,
    labels_shape,
    paint_of,
    placement,
)
from .managed import PLACE
from .purpose import (
    ANNOTATIONS,
    MARK,
    add_note,
    is_corrected,
    is_found,
    layers_of,
    made_of,
    note,
    purpose_of,
    source_of,
)

TASKS = ("objects", "classes")
DIMENSIONS = (2, 3)
"""Dimensions of a network: it takes slices one by one, or Z as depth."""


def settings_of(layer: LabelsLayer | None) -> dict[str, Any]:
    """Return the task of annotations and the dimensions of their network: as noted, or default."""
    entries = {} if layer is None else note(layer)
    task, dimensions = entries.get("task"), entries.get("dimensions")
    return {
        "task": task if task in TASKS else TASKS[0],
        "dimensions": dimensions if dimensions in DIMENSIONS else DIMENSIONS[0],
    }


def note_settings(layer: LabelsLayer, image: ImageLayer, **settings: object) -> None:
    """Note what annotations are used for, and of which image where nobody has noted that."""
    of_image = {"purpose": ANNOTATIONS, **made_of(image)}
    add_note(layer, **{**of_image, **note(layer), **settings})


def annotations_of(image: ImageLayer, layers: Iterable[Layer]) -> list[LabelsLayer]:
    """Return those of some layers that are noted as annotations of an image, the newest last."""
    found = layers_of(image, layers, ANNOTATIONS)
    return [layer for layer in found if isinstance(layer, LabelsLayer)]


def is_made_on(paint: LabelsLayer | None, image: ImageLayer | None) -> bool:
    """Return whether labels of which nobody has noted the image fit this one."""
    if paint is None or image is None or "source" in note(paint):
        return False
    try:
        return has_pixels_of(paint, image, image_of(image)) and is_aligned(paint, image)
    except InputError:  # its axes are not clear
        return False


def doubt_about_image(viewer: Viewer, paint: LabelsLayer, image: ImageLayer) -> str:
    """Return a question where annotations were made for another image that is open; else ""."""
    source = source_of(paint, viewer.layers)
    if source in (None, image):
        return ""
    return f"{paint.name} was made for {source}. Use it for {image.name}?"


def doubt_about_result(paint: LabelsLayer | None) -> str:
    """Return a question where labels that a model found are to be learnt from; else ""."""
    if paint is None:
        return ""
    path = "" if purpose_of(paint) else paint.source.path
    if not (is_found(paint) or is_corrected(paint) or (path and is_result(path))):
        return ""
    return (
        f"{paint.name} is a result, not paint: paint is 0 where nothing is known, 1 in the "
        "background, and 2 and up in objects. In this layer, is 0 background, and each number an "
        "object (or a class)?"
    )


def doubt_about_place(paint: LabelsLayer | None, layer: ImageLayer, image: Image) -> str:
    """Return a question where annotations fit an image, but lost their place; else "".

    napari saves labels without scale and translation: when they are opened, they have napari's
    default.
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
    """Move annotations to where an image lies."""
    for name, value in placement(layer, image.axes).items():
        setattr(paint, name, value)


def annotations_from(
    viewer: Viewer, mask: LabelsLayer, layer: ImageLayer, image: Image, **noted: object
) -> LabelsLayer:
    """Make complete annotations of an ordinary mask of an image, or of a part of it.

    In the mask 0 is background, and each number an object or a class. In paint, background is 1 and
    each number is one more. Classes of which none is 0 stay as they are. Outside the part all stays
    unknown. The mask is not changed.

    Parameters
    ----------
    **noted
        Further entries of the note on the annotations.

    Raises
    ------
    InputError
        If the mask does not lie on the pixels of the image.
    """
    numbers, window = mask_on_image(mask, layer, image)
    is_paint = noted.get("task") == "classes" and bool(numbers.all())
    values = numbers.astype(np.int32) + (not is_paint)
    small = values.max(initial=0) <= np.iinfo(ANNOTATION_DTYPE).max
    paint = np.zeros(image.label_shape(), ANNOTATION_DTYPE if small else np.int32)
    shown = labels_for_display(paint, layer, image.axes)
    assert isinstance(shown, np.ndarray)  # a view of the paint
    shown[window] = values
    return add_annotations(viewer, layer, image.axes, paint, **noted)


def mask_on_image(mask: LabelsLayer, layer: ImageLayer, image: Image) -> tuple[Pixels, Window]:
    """Return the values of a mask, and the window in the image's annotations where they lie."""
    lengths = labels_shape(layer, image)
    if mask.multiscale or mask.ndim != len(lengths):
        values = paint_of(mask, layer, image)
        return np.asarray(labels_for_display(values, layer, image.axes)), whole(lengths)
    to_image = np.linalg.solve(to_world(layer, mask.ndim), to_world(mask))
    starts = np.round(to_image[:-1, -1]).astype(int).tolist()
    window = shift(whole(mask.data.shape), starts)
    shifted = np.eye(len(to_image))
    shifted[:-1, -1] = starts
    is_inside = window == intersect(window, whole(lengths))
    # The matrix is multiplied by as much as the longest side.
    if not is_inside or not np.allclose(to_image, shifted, atol=TOLERANCE / max(lengths)):
        raise InputError(
            f"{mask.name} does not lie on the pixels of {layer.name}. Choose the annotations of "
            "this image, or press New."
        )
    return np.asarray(mask.data), window


def convert_to_objects(viewer: Viewer, layer: LabelsLayer, dimensions: int = 2) -> LabelsLayer:
    """Make every painted piece that was asked about an object of its own.

    Undo brings the paint back. Where the layer's type cannot hold that many numbers, a new layer is
    added instead.

    Parameters
    ----------
    dimensions
        Dimensions of the network, 2 or 3: pieces in different frames are different objects.

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
        **{name: getattr(layer, name) for name in PLACE},
        metadata={MARK: {**note(layer), "purpose": ANNOTATIONS}},
    )

"""Make a layer of a result that can be corrected, and paint of what was corrected in it."""

from __future__ import annotations

import math

import numpy as np
from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from napari.layers import Layer

from ...arrays import Pixels
from ...errors import InputError
from ...image import Image
from ...session.edits import free_number
from ...session.teaching import Lesson, lesson
from ..jobs.inference import IN_MEMORY
from ..layers.annotations import annotations_of, mask_on_image, settings_of
from ..layers.colors import OUTLINE
from ..layers.conversion import add_annotations, has_pixels_of, pixels
from ..layers.managed import PLACE
from ..layers.purpose import (
    CORRECTED,
    MARK,
    add_note,
    is_annotations,
    is_paint,
    is_unfinished,
    made_of,
    note,
    source_of,
)
from .corrections import Corrections


def can_be_corrected(layer: Layer) -> bool:
    """Return whether a layer holds labels that can be corrected, or are being corrected."""
    return is_paint(layer) and not is_annotations(layer) and not is_unfinished(layer)


def editable_copy(viewer: Viewer, result: LabelsLayer, image: ImageLayer | None) -> LabelsLayer:
    """Add a layer "NAME corrected" with a copy of a result, which is hidden and stays as it is.

    Raises
    ------
    InputError
        If the result is too large to be held in memory.
    """
    data = pixels(result)
    if math.prod(data.shape) > IN_MEMORY:
        raise InputError(
            f"{result.name} is too large to be corrected as a whole: segment what is visible, and "
            "correct that."
        )
    labels = _copied(np.asarray(data))
    source = source_of(result, viewer.layers) or image or result
    layer = viewer.add_labels(
        labels,
        name=f"{source.name} {CORRECTED}",
        **{key: getattr(result, key) for key in (*PLACE, "colormap")},
        metadata={
            MARK: {
                "purpose": CORRECTED,
                **made_of(source),
                "copy_of": str(result.unique_id),
                "dimensions": 3 if runs_through_slices(labels) else 2,
                "corrected": [],
                "model": note(result).get("model", ""),
            }
        },
    )
    layer.contour = OUTLINE
    layer.n_edit_dimensions = 2
    layer.selected_label = free_number(labels)
    result.visible = False
    return layer


def runs_through_slices(labels: Pixels) -> bool:
    """Return whether objects run through slices: the first two in a row that have any share one."""
    if labels.ndim < 3:
        return False
    stack = labels.reshape(-1, *labels.shape[-3:])[0]
    before: set[int] = set()
    for plane in stack:
        here = {*np.unique(plane).tolist()} - {0}
        if before and here:
            return bool(before & here)
        before = here
    return False


def teach(
    viewer: Viewer, corrections: Corrections, layer: ImageLayer, image: Image
) -> tuple[LabelsLayer, Lesson]:
    """Paint what was corrected into the annotations of the image, which are made where none are.

    Undo in that layer takes it back.

    Raises
    ------
    InputError
        If nothing was corrected, or the labels do not lie on the pixels of the image.
    """
    if not corrections.history.numbers(with_undone=True):
        raise InputError("Nothing is corrected yet. Teach all takes the result as it is.")
    labels, window = mask_on_image(corrections.layer, layer, image)
    own = annotations_of(layer, viewer.layers)
    found = [other for other in own if settings_of(other)["task"] == "objects"]
    annotations = next((a for a in reversed(found) if has_pixels_of(a, layer, image)), None)
    if annotations is None:
        active = viewer.layers.selection.active
        dimensions = note(corrections.layer).get("dimensions", 2)
        annotations = add_annotations(
            viewer, layer, image.axes, task="objects", dimensions=dimensions
        )
        viewer.layers.selection.active = active
    paint, taught = np.asarray(annotations.data)[window], note(annotations).get("corrected", [])
    made = lesson(labels, corrections.history, paint, taught)
    at = tuple(i + s.start for i, s in zip(made.pixels, window, strict=True))
    annotations.data_setitem(at, made.values)
    add_note(annotations, corrected=sorted({*taught, *made.numbers}))
    return annotations, made


def _copied(labels: Pixels) -> Pixels:
    """Copy labels, with room for many numbers.

    A channel axis may repeat the labels in shared memory; it does so in the copy.
    """
    once = labels[tuple(slice(0, 1) if stride == 0 else slice(None) for stride in labels.strides)]
    small = once.max(initial=0) <= np.iinfo(np.int32).max
    copy = np.array(once, np.int32 if small else once.dtype, order="C")
    strides = [
        0 if old == 0 else new for old, new in zip(labels.strides, copy.strides, strict=True)
    ]
    return np.lib.stride_tricks.as_strided(copy, labels.shape, strides, writeable=True)

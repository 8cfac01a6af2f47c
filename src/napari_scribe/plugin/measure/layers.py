"""Describe labels layers, and the image layers that lie on them, for measuring."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from napari.layers import Layer

from ...arrays import Pixels, numpy_or_dask
from ...errors import InputError
from ...image import Image
from ..layers.alignment import is_aligned
from ..layers.conversion import displayed_axes, guess_layer_axes, image_of, pixels
from ..layers.managed import PLACE
from ..layers.purpose import (
    is_annotations,
    is_corrected,
    is_found,
    is_from_user,
    is_image,
    note,
    rank_of_objects,
    source_of,
)


def letters_of(layer: LabelsLayer, viewer: Viewer) -> str:
    """Return a letter per axis of labels, told from the image that they lie on or from their names.

    There is a C only where an image with channels between its other axes has these labels repeated
    along them.
    """
    for image in _on(layer, viewer):
        axes = displayed_axes(image, guess_layer_axes(image))
        for letters in (axes, axes.replace("C", "")):
            if len(letters) == layer.ndim:
                return letters
    axes = guess_layer_axes(layer)
    return axes.replace("C", next((a for a in "ZT" if a not in axes), "C"))


def _on(layer: LabelsLayer, viewer: Viewer) -> list[ImageLayer]:
    """Return the images that labels lie on, the one that they were made for first."""
    source = source_of(layer, viewer.layers)
    images = [i for i in viewer.layers if is_image(i) and _fits(layer, i)]
    return sorted(images, key=lambda image: image is not source)


def _fits(layer: LabelsLayer, image: ImageLayer) -> bool:
    """Return whether an image has the pixels of labels, apart from channels."""
    shape = [n for n in pixels(layer).shape if n > 1]
    try:
        axes = guess_layer_axes(image)
    except InputError:  # nothing can be measured in it
        return False
    lengths = dict(zip(axes, pixels(image).shape, strict=True))
    lengths_of_labels = [n for a, n in lengths.items() if n > 1 and a != "C"]
    is_repeated = shape == [n for n in pixels(image).shape if n > 1]
    return (shape == lengths_of_labels or is_repeated) and is_aligned(layer, image)


def images_on(layer: LabelsLayer, viewer: Viewer) -> list[ImageLayer]:
    """Return the images in which objects can be measured, and the user's own before results."""
    return sorted(_on(layer, viewer), key=lambda image: not is_from_user(image))


def own_image(layer: LabelsLayer, viewer: Viewer) -> list[ImageLayer]:
    """Return the image that labels were made of, else the only one that they lie on, if any."""
    images, source = images_on(layer, viewer), source_of(layer, viewer.layers)
    own = [image for image in images if image is source]
    return own or (images if len(images) == 1 else [])


def results_among(layers: Iterable[LabelsLayer], viewer: Viewer) -> list[LabelsLayer]:
    """Return the layers with objects that are found or the user's; no result beside its copy."""
    meant = [layer for layer in layers if rank_of_objects(layer)]
    copies = [layer for layer in meant if is_corrected(layer)]
    ids = {note(copy).get("copy_of") for copy in copies}
    images = [source_of(copy, viewer.layers) for copy in copies]

    def has_copy(layer: LabelsLayer) -> bool:
        image = source_of(layer, viewer.layers) if is_found(layer) else None
        return (image is not None and image in images) or str(layer.unique_id) in ids

    return [layer for layer in meant if is_corrected(layer) or not has_copy(layer)]


def labels_of(layer: LabelsLayer, letters: str) -> Image:
    """Describe the labels in a layer, without channels along which they are repeated.

    In annotations 1 is background, and no object.
    """
    data, axes = pixels(layer), letters
    if "C" in axes:
        at = tuple(0 if a == "C" else slice(None) for a in axes)
        data = numpy_or_dask(data)[at]
        axes = axes.replace("C", "")
    if is_annotations(layer):
        paint = np.asarray(data)
        data = np.where(paint == 1, 0, paint)
    kept = [i for i, a in enumerate(letters) if a != "C"]
    return Image(
        data,
        axes,
        name=layer.name,
        scale=dict(zip(axes, (float(layer.scale[i]) for i in kept), strict=True)),
        units=dict(zip(axes, (str(layer.units[i]) for i in kept), strict=True)),
    )


def image_like(layer: ImageLayer, labels: Image) -> Image:
    """Describe the image in a layer, its axes named as those of the labels on it."""
    axes = guess_layer_axes(layer)
    others = axes.replace("C", "")
    if len(others) == len(labels.axes):
        new = dict(zip(others, labels.axes, strict=True))
        axes = "".join(new.get(a, a) for a in axes)
    return image_of(layer, axes)


def images_like(layers: list[ImageLayer], labels: Image) -> Mapping[str, Image]:
    """Describe images by the names of their layers; one alone has no need of its name."""
    images = {layer.name: image_like(layer, labels) for layer in layers}
    return {"": next(iter(images.values()))} if len(images) == 1 else images


def frame_in_view(viewer: Viewer, layer: Layer, letters: str) -> dict[str, int]:
    """Return the index of the pixel on which the sliders stand, per axis letter of a layer."""
    point = layer.world_to_data(viewer.dims.point)
    lengths = pixels(layer).shape
    return {
        axis: min(max(round(float(at)), 0), n - 1)
        for axis, at, n in zip(letters, point, lengths, strict=True)
    }


def laid_on(numbers: Pixels, letters: str, layer: LabelsLayer) -> dict[str, Any]:
    """Return numbers along the axes of a layer without C, and their place, as napari takes them.

    They are repeated along C in memory that is shared, so that paint on one channel is on all.
    """
    if "C" in letters:
        at = letters.index("C")
        strides = [*numbers.strides[:at], 0, *numbers.strides[at:]]
        shape = pixels(layer).shape
        numbers = np.lib.stride_tricks.as_strided(numbers, shape, strides, writeable=True)
    return {"data": numbers, **{name: getattr(layer, name) for name in PLACE}}


def check_open(layer: Layer | None, viewer: Viewer, what: str) -> None:
    """Check that a layer is still there.

    Raises
    ------
    InputError
        If it was closed.
    """
    if layer is None or layer not in viewer.layers:
        raise InputError(f"The {what} are not open any more: choose others.")

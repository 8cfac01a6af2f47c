"""Convert napari layers to images and paint, and arrange results on the axes of a layer."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from napari import Viewer, current_viewer
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from napari.layers import Layer
from napari.utils.events import EventEmitter
from napari.utils.notifications import show_info

from ...arrays import Array, Pixels
from ...errors import InputError
from ...image import AXES, Image, guess_axes
from .alignment import farthest_corner, is_aligned, to_world
from .brush import prepare_brush
from .colors import paint_colormap
from .lazy import Lazy
from .purpose import ANNOTATIONS, MARK, image_behind, is_image, made_of

T = TypeVar("T")
ANNOTATION_DTYPE = np.uint16
_AXIS_NAMES = {
    **{letter.lower(): letter for letter in AXES},
    **{"time": "T", "channel": "C", "channels": "C", "depth": "Z", "row": "Y", "column": "X"},
}


def new_annotations(viewer: Viewer | None = None, image: ImageLayer | None = None) -> None:
    """Add a labels layer to paint on: for the image that is worked on, else for the first one.

    Parameters
    ----------
    viewer
        The current viewer when None.
    image
        The image layer that is annotated.
    """
    viewer = viewer or current_viewer()
    if viewer is not None and image is None:
        first = next(filter(is_image, viewer.layers), None)
        image = image_behind(viewer, viewer.layers.selection.active) or first
    if viewer is None or image is None:
        show_info("Open an image first, then make annotations for it.")
        return
    add_annotations(viewer, image)


def add_annotations(
    viewer: Viewer,
    image: ImageLayer,
    axes: str = "",
    paint: Pixels | None = None,
    **noted: object,
) -> LabelsLayer:
    """Add a labels layer for an image, with the brush set to the next object.

    Parameters
    ----------
    paint
        Along TZYX as far as the image has them; nothing is painted yet when None.
    **noted
        Further entries of the note on the layer (see `note`).
    """
    description = image_of(image, axes)
    if paint is None:
        paint = np.zeros(description.label_shape(), ANNOTATION_DTYPE)
    layer = viewer.add_labels(
        labels_for_display(paint, image, description.axes),
        **placement(image, description.axes),
        name=f"{image.name} annotations",
        colormap=paint_colormap(),
        opacity=0.6,
        metadata={MARK: {"purpose": ANNOTATIONS, **made_of(image), **noted}},
    )
    prepare_brush(layer)
    viewer.layers.selection.active = layer
    return layer


def real_viewer(viewer: Viewer) -> Viewer:
    """Return the viewer behind the proxy that napari hands to plugins.

    The proxy wraps layers, too, so that they are not the same objects as elsewhere.
    """
    return getattr(viewer, "__wrapped__", viewer)


def paint_events(layer: LabelsLayer) -> list[EventEmitter]:
    """Return the events that tell of new paint.

    Undo is told of by ``set_data`` alone, which tells of other things as well.
    """
    return [layer.events.paint, layer.events.labels_update, layer.events.data]


def guess_layer_axes(layer: ImageLayer | LabelsLayer) -> str:
    """Return a letter per axis of a layer's data: from its axis labels, where they name all."""
    shape = pixels(layer).shape
    labels = [_AXIS_NAMES.get(str(label).lower(), "") for label in layer.axis_labels]
    if getattr(layer, "rgb", False):
        return ("".join(labels) if all(labels) else "TZYX"[1 - len(shape) :]) + "C"
    named = "".join(labels)
    if len(named) == len(shape) and len(set(named)) == len(named) and set("YX") <= set(named):
        return named
    return guess_axes(shape).replace("YXC", "ZYX") if len(shape) == 3 else guess_axes(shape)


def pixels(layer: Layer) -> Array:
    """Return the data of a layer at full resolution, without reading it."""
    data: Array = layer.data[0] if layer.multiscale else layer.data
    return data


def displayed_axes(layer: ImageLayer, axes: str) -> str:
    """Return the axes that napari has sliders or a canvas for: all but the colours of RGB."""
    return axes.replace("C", "") if layer.rgb else axes


def image_of(layer: ImageLayer, axes: str = "") -> Image:
    """Describe the image in a layer, without reading its pixels.

    Parameters
    ----------
    axes
        A letter per axis of the layer's data; guessed when empty.

    Raises
    ------
    InputError
        If the axes do not fit.
    """
    axes = axes.strip().upper() or guess_layer_axes(layer)
    # Checked first: the scale below is given per axis.
    image = Image(pixels(layer), axes, name=layer.name)
    if len(axes) != pixels(layer).ndim:
        raise InputError(
            f"{layer.name} has {pixels(layer).ndim} axes but '{axes}' names {len(axes)}: write one "
            "letter for each."
        )
    shown = displayed_axes(layer, axes)
    return image.selected(
        scale=_per_axis(shown, [float(v) for v in layer.scale]),
        translate=_per_axis(shown, [float(v) for v in layer.translate]),
        units=_per_axis(shown, [str(unit) for unit in layer.units]),
        channel_names=("red", "green", "blue", "alpha")[: image.n_channels] if layer.rgb else (),
    )


def _per_axis(axes: str, values: list[T]) -> dict[str, T]:
    return dict(zip(axes, values, strict=True))


def _label_dims(layer: ImageLayer, axes: str) -> tuple[str, int | None]:
    """Return the displayed axes without channels, and where labels need a channel axis as well.

    napari aligns layers by their last axes. A channel axis in front of all others can be left out
    of labels; one between them cannot.
    """
    shown = displayed_axes(layer, axes)
    channel_axis = shown.find("C")
    return shown.replace("C", ""), (channel_axis if channel_axis > 0 else None)


def placement(layer: ImageLayer, axes: str, *, has_channels: bool = False) -> dict[str, Any]:
    """Return scale, translate and the like that lay labels, or an image with channels, on an image.

    A layer of fewer axes than the image takes the transforms of the last axes. These do not add up
    where axes are rotated or sheared into those that are left out: then the affine makes up for it.
    """
    label_axes, channel_axis = _label_dims(layer, axes)
    n = layer.ndim if has_channels else len(label_axes) + (channel_axis is not None)
    scale, translate = np.asarray(layer.scale)[-n:], np.asarray(layer.translate)[-n:]
    rotate, shear, affine = layer.rotate, layer.shear, layer.affine.affine_matrix
    if n < layer.ndim:
        rotate, shear = np.asarray(rotate)[-n:, -n:], np.eye(n)
        if not np.allclose(rotate @ rotate.T, np.eye(n)):  # it turns into axes that are left out
            rotate = np.eye(n)
        before_affine = np.eye(n + 1)
        before_affine[:n, :n], before_affine[:n, n] = rotate @ np.diag(scale), translate
        affine = to_world(layer, n) @ np.linalg.inv(before_affine)
    return {
        "scale": scale,
        "translate": translate,
        "rotate": rotate,
        "shear": shear,
        "affine": affine,
        "units": layer.units[-n:],
        "axis_labels": layer.axis_labels[-n:],
    }


def labels_for_display(labels: Array, layer: ImageLayer, axes: str) -> Array:
    """Arrange labels along TZYX on the axes on which napari shows an image; no copy.

    Where channels lie between other axes, the labels are repeated along them in memory that is
    shared, so that paint put on one channel is paint on all. Labels on disk become a `Lazy` view
    where they cannot be shown as they are.
    """
    label_axes, channel_axis = _label_dims(layer, axes)
    order = [_in_order(label_axes).index(a) for a in label_axes]
    n_channels = pixels(layer).shape[axes.index("C")] if "C" in axes else 1
    if not isinstance(labels, np.ndarray):
        if order == [0, 1]:
            return labels
        with_channels: list[int | None] = [*order]
        if channel_axis is not None:
            with_channels.insert(channel_axis, None)
        return Lazy(labels, order=with_channels, repeats=range(n_channels))
    labels = labels.transpose(order)
    if channel_axis is None:
        return labels
    shape = (*labels.shape[:channel_axis], n_channels, *labels.shape[channel_axis:])
    strides = (*labels.strides[:channel_axis], 0, *labels.strides[channel_axis:])
    return np.lib.stride_tricks.as_strided(labels, shape, strides, writeable=True)


def image_for_display(image: Array, axes: str, layer: ImageLayer, layer_axes: str) -> Array:
    """Arrange an image along `axes` on the axes on which napari shows another; no copy."""
    if "C" not in axes:
        return labels_for_display(image, layer, layer_axes)
    order = [axes.index(a) for a in displayed_axes(layer, layer_axes)]
    return image.transpose(order) if isinstance(image, np.ndarray) else Lazy(image, order=order)


def _in_order(axes: str) -> str:
    """Return the axes of labels in the usual order."""
    return "".join(a for a in "TZYX" if a in axes)


def has_pixels_of(paint: LabelsLayer, layer: ImageLayer, image: Image) -> bool:
    """Return whether labels have as many pixels along each axis as annotations of an image."""
    return bool(paint.data.shape == labels_shape(layer, image))


def labels_shape(layer: ImageLayer, image: Image) -> tuple[int, ...]:
    """Return the shape of a labels layer for an image."""
    return labels_for_display(np.broadcast_to(0, image.label_shape()), layer, image.axes).shape


def paint_of(layer: LabelsLayer, image_layer: ImageLayer, image: Image) -> Pixels:
    """Copy the paint of a labels layer, as `paint_in` returns it."""
    return np.array(paint_in(layer, image_layer, image))


def paint_in(layer: LabelsLayer, image_layer: ImageLayer, image: Image) -> Pixels:
    """Return the paint of a labels layer, along TZYX as far as the image has them.

    What is in memory is not copied. Whether its shape fits is checked by `train`.

    Raises
    ------
    InputError
        If the layer lies elsewhere than the image.
    """
    if layer.multiscale:
        raise InputError(
            f"{layer.name} is a pyramid, which cannot be painted on. Press New for annotations "
            f"that fit {image.name}."
        )
    _check_place(layer, image_layer)
    label_axes, _ = _label_dims(image_layer, image.axes)
    shown = displayed_axes(image_layer, image.axes)
    array: Array = layer.data
    shape = tuple(int(n) for n in array.shape)
    if "C" in shown and shape == tuple(image.length(a) for a in shown):
        array = _without_channels(np.asarray(array), shown.index("C"))
    if array.ndim != len(label_axes):
        return np.asarray(array)
    order = [label_axes.index(a) for a in _in_order(label_axes)]
    return np.asarray(array).transpose(order)


def painted_axes(layer: LabelsLayer, image_layer: ImageLayer, axes: str) -> str:
    """Return a letter per axis of annotations: channels are among them where they lie between.

    Parameters
    ----------
    axes
        A letter per axis of the image's data.
    """
    label_axes, _ = _label_dims(image_layer, axes)
    return label_axes if layer.ndim == len(label_axes) else displayed_axes(image_layer, axes)


def _without_channels(paint: Pixels, axis: int) -> Pixels:
    """Take paint on any channel for paint on all; channels that share their memory are the same."""
    shares_memory = paint.strides[axis] == 0
    merged: Pixels = paint.take(0, axis=axis) if shares_memory else paint.max(axis=axis)
    return merged


def _check_place(layer: LabelsLayer, image: ImageLayer) -> None:
    if not is_aligned(layer, image):
        corner, there = farthest_corner(layer, image)
        raise InputError(
            f"{layer.name} does not lie on {image.name}: its pixel {_numbers(corner)} lies where "
            f"the image has pixel {_numbers(there)}. Choose the annotations of this image, or "
            "press New."
        )


def _numbers(values: Pixels) -> str:
    return ", ".join(f"{round(float(v), 1):g}" for v in values)

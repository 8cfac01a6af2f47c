"""napari layers <-> images and paint: axes, channels, scale, units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...errors import InputError
from ...image import AXES, Image, guess_axes
from .alignment import farthest_corner, is_aligned, to_world
from .lazy import Lazy

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image as ImageLayer
    from napari.layers import Labels as LabelsLayer

MARK = "napari-scribe"
"""Key in a layer's metadata under which the plugin notes what it made, and for which layer."""
ANNOTATION_DTYPE = np.uint16
_AXIS_NAMES = {
    **{letter.lower(): letter for letter in AXES},
    **{"time": "T", "channel": "C", "channels": "C", "depth": "Z", "row": "Y", "column": "X"},
}


def new_annotations(viewer: Any = None, image: Any = None) -> None:
    """Add a labels layer to paint on: for the selected image, else for the first one.

    Parameters
    ----------
    viewer
        The current one when None.
    image
        The image layer it is for.
    """
    import napari
    from napari.utils.notifications import show_info

    viewer = viewer or napari.current_viewer()
    image = image or (viewer and selected_image(viewer))
    if image is None:
        show_info("Open an image first, then make annotations for it.")
        return
    add_annotations(viewer, image)


def add_annotations(
    viewer: Viewer, image: ImageLayer, axes: str = "", paint: Any = None, **noted: Any
) -> LabelsLayer:
    """Add a labels layer for an image, with the brush ready for the next object.

    Parameters
    ----------
    paint
        Along TZYX as far as the image has them; none yet when None.
    **noted
        What is noted on the layer besides (see `note`).
    """
    from .colors import paint_colormap

    description = image_of(image, axes)
    if paint is None:
        paint = np.zeros(description.label_shape(), ANNOTATION_DTYPE)
    layer = viewer.add_labels(
        labels_for_display(paint, image, description.axes),
        **placement(image, description.axes),
        name=f"{image.name} annotations",
        colormap=paint_colormap(),
        opacity=0.6,
        metadata={MARK: {"purpose": "annotations", "source": image.name, **noted}},
    )
    layer.n_edit_dimensions = 2
    layer.brush_size = 8
    layer.selected_label = max(2, int(paint.max(initial=0)) + 1)
    layer.mode = "paint"
    viewer.layers.selection.active = layer
    return layer


def selected_image(viewer: Viewer) -> ImageLayer | None:
    """The selected image layer, else the first one."""
    from napari.layers import Image as ImageLayer

    images = [layer for layer in viewer.layers if isinstance(layer, ImageLayer)]
    active = viewer.layers.selection.active
    if isinstance(active, ImageLayer):
        return active
    source = note(active).get("source") if active is not None else None
    return next((i for i in images if i.name == source), images[0] if images else None)


def real_viewer(viewer: Any) -> Viewer:
    """The viewer behind the proxy that napari hands to plugins, so that layers are themselves."""
    found: Viewer = getattr(viewer, "__wrapped__", viewer)
    return found


def note(layer: Any) -> dict[str, Any]:
    """What the plugin noted on a layer; empty for layers that it did not make."""
    found = layer.metadata.get(MARK)
    return found if isinstance(found, dict) else {}


def add_note(layer: Any, **entries: Any) -> None:
    """Note more on a layer, or something else than before."""
    layer.metadata[MARK] = {**note(layer), **entries}


def paint_events(layer: LabelsLayer) -> list[Any]:
    """What tells of new paint; undo does by ``set_data`` alone, as do other things."""
    return [layer.events.paint, layer.events.labels_update, layer.events.data]


def guess_layer_axes(layer: ImageLayer) -> str:
    """Letters for the axes of a layer's data: from its axis labels, where they name them all."""
    shape = pixels(layer).shape
    labels = [_AXIS_NAMES.get(str(label).lower(), "") for label in layer.axis_labels]
    if layer.rgb:
        spatial = "".join(labels) if all(labels) else guess_axes(shape[:-1]).replace("C", "Z")
        return spatial + "C"
    named = "".join(labels)
    if len(named) == len(shape) and len(set(named)) == len(named) and set("YX") <= set(named):
        return named
    return guess_axes(shape).replace("YXC", "ZYX") if len(shape) == 3 else guess_axes(shape)


def pixels(layer: Any) -> Any:
    """The data of a layer at full resolution, lazy where it is."""
    return layer.data[0] if layer.multiscale else layer.data


def displayed_axes(layer: ImageLayer, axes: str) -> str:
    """Letters of the axes that napari has sliders or a canvas for: without the colours of RGB."""
    return axes.replace("C", "") if layer.rgb else axes


def image_of(layer: ImageLayer, axes: str = "") -> Image:
    """The image of a layer, read lazily.

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


def _per_axis(axes: str, values: list[Any]) -> dict[str, Any]:
    return dict(zip(axes, values, strict=True))


def _label_dims(layer: ImageLayer, axes: str) -> tuple[str, int | None]:
    """The displayed axes without channels, and where a channel axis has to be filled in.

    napari aligns layers by their last axes. A channel axis in front of all others can be left out
    of labels; one between them cannot.
    """
    shown = displayed_axes(layer, axes)
    place = shown.find("C")
    return shown.replace("C", ""), (place if place > 0 else None)


def placement(layer: ImageLayer, axes: str, *, has_channels: bool = False) -> dict[str, Any]:
    """Scale, translate and the like for labels, or an image with channels, that lie on an image."""
    kept, place = _label_dims(layer, axes)
    n = layer.ndim if has_channels else len(kept) + (place is not None)
    scale, translate = np.asarray(layer.scale)[-n:], np.asarray(layer.translate)[-n:]
    rotate, shear, affine = layer.rotate, layer.shear, layer.affine.affine_matrix
    if n < layer.ndim:
        rotate, shear = np.asarray(rotate)[-n:, -n:], np.eye(n)
        if not np.allclose(rotate @ rotate.T, np.eye(n)):  # it turns into axes that are left out
            rotate = np.eye(n)
        before = np.eye(n + 1)
        before[:n, :n], before[:n, n] = rotate @ np.diag(scale), translate
        affine = to_world(layer, n) @ np.linalg.inv(before)  # and the shear with it
    return {
        "scale": scale,
        "translate": translate,
        "rotate": rotate,
        "shear": shear,
        "affine": affine,
        "units": layer.units[-n:],
        "axis_labels": layer.axis_labels[-n:],
    }


def labels_for_display(labels: Any, layer: ImageLayer, axes: str) -> Any:
    """Labels along TZYX as an array that napari shows on the image's own axes; no copy.

    Where channels lie between other axes, the labels are repeated along them in memory that is
    shared, so that paint put on one channel is paint on all. Of labels on disk it is a `Lazy` view,
    where they cannot be shown as they are.
    """
    kept, place = _label_dims(layer, axes)
    order: list[int | None] = ["".join(a for a in "TZYX" if a in kept).index(a) for a in kept]
    n_channels = pixels(layer).shape[axes.index("C")] if "C" in axes else 1
    if not isinstance(labels, np.ndarray):
        if len(order) == 2 and order == [0, 1]:
            return labels
        if place is not None:
            order.insert(place, None)
        return Lazy(labels, order=order, repeats=range(n_channels))
    labels = labels.transpose(order)
    if place is None:
        return labels
    shape = (*labels.shape[:place], n_channels, *labels.shape[place:])
    strides = (*labels.strides[:place], 0, *labels.strides[place:])
    return np.lib.stride_tricks.as_strided(labels, shape, strides, writeable=True)


def image_for_display(pixels: Any, axes: str, layer: ImageLayer, layer_axes: str) -> Any:
    """Pixels along `axes` as an array that napari shows on the axes of an image; no copy."""
    if "C" not in axes:
        return labels_for_display(pixels, layer, layer_axes)
    order = [axes.index(a) for a in displayed_axes(layer, layer_axes)]
    return pixels.transpose(order) if isinstance(pixels, np.ndarray) else Lazy(pixels, order=order)


def has_pixels_of(paint: LabelsLayer, layer: ImageLayer, image: Image) -> bool:
    """Whether labels have as many pixels along each axis as annotations of an image."""
    fitting = labels_for_display(np.broadcast_to(0, image.label_shape()), layer, image.axes)
    return bool(paint.data.shape == fitting.shape)


def paint_of(layer: LabelsLayer, image_layer: ImageLayer, image: Image) -> npt.NDArray[Any]:
    """A snapshot of a labels layer, along TZYX as far as the image has them.

    Raises
    ------
    InputError
        If the layer lies elsewhere than the image. (Whether its shape fits is checked by `train`.)
    """
    if layer.multiscale:
        raise InputError(
            f"{layer.name} is a pyramid, which cannot be painted on. Press New for annotations "
            f"that fit {image.name}."
        )
    _check_place(layer, image_layer)
    kept, _ = _label_dims(image_layer, image.axes)
    shown = displayed_axes(image_layer, image.axes)
    array = layer.data
    shape = tuple(int(n) for n in array.shape)
    if "C" in shown and shape == tuple(image.length(a) for a in shown):
        array = _over_channels(np.asarray(array), shown.index("C"))
    if array.ndim != len(kept):
        return np.array(array)
    order = [kept.index(a) for a in "TZYX" if a in kept]
    return np.array(np.asarray(array).transpose(order))


def _over_channels(array: npt.NDArray[Any], axis: int) -> npt.NDArray[Any]:
    if array.strides[axis] == 0:
        return array.take(0, axis=axis)
    return array.max(axis=axis)


def _check_place(layer: LabelsLayer, image: ImageLayer) -> None:
    if not is_aligned(layer, image):
        corner, there = farthest_corner(layer, image)
        raise InputError(
            f"{layer.name} does not lie on {image.name}: its pixel {_numbers(corner)} lies where "
            f"the image has pixel {_numbers(there)}. Choose the annotations of this image, or "
            "press New."
        )


def _numbers(values: npt.NDArray[Any]) -> str:
    return ", ".join(f"{round(float(v), 1):g}" for v in values)

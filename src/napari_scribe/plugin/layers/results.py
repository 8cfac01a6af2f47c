"""Results as layers that lie where their image does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...image import AXES, Frame, Image
from .conversion import (
    displayed_axes,
    image_for_display,
    labels_for_display,
    note,
    placement,
)
from .managed import put

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image as ImageLayer
    from napari.layers import Labels as LabelsLayer

CANVAS = 1024
"""Side of a level that is drawn at once."""
LARGE = 8192
"""Results with a longer side than this are shown as a pyramid."""


def show_labels(
    viewer: Viewer,
    source: ImageLayer,
    image: Image,
    labels: Any,
    purpose: str,
    *,
    region: Mapping[str, slice] | None = None,
    instead_of: Any = None,
    **look: Any,
) -> LabelsLayer:
    """Show labels of an image in a layer "NAME purpose".

    A layer that the plugin made for the same image and purpose is overwritten, unless the user has
    painted on it since, or given it another name.

    Parameters
    ----------
    labels
        Along TZYX as far as the image has them: an array, or a list of them, each half the size of
        the one before.
    region
        Which part of the image they are of, per axis letter; all of it when None.
    instead_of
        A layer that makes room for this one and leaves it its place and look.
    **look
        As napari's labels layers take it.
    """
    data = _displayed(labels, lambda level: labels_for_display(level, source, image.axes))
    place = _place(source, image, region)
    return put(viewer, source, data, purpose, {**place, **look}, instead_of=instead_of)


def show_image(
    viewer: Viewer,
    source: ImageLayer,
    image: Image,
    pixels: Any,
    purpose: str,
    *,
    region: Mapping[str, slice] | None = None,
    instead_of: Any = None,
    **look: Any,
) -> ImageLayer:
    """Show an image made of another, with its contrast and colours, in a layer "NAME purpose".

    Parameters
    ----------
    pixels
        Along TCZYX as far as the image has them; without C where they are of a single channel.
    region, instead_of, **look
        As for `show_labels`.
    """
    axes = image.label_axes()
    if _n_axes(pixels) > len(axes):
        axes = "".join(a for a in AXES if a in axes + "C")
    data = _displayed(pixels, lambda level: image_for_display(level, axes, source, image.axes))
    place = _place(source, image, region, has_channels="C" in axes)
    alike = {name: getattr(source, name) for name in ("contrast_limits", "colormap", "gamma")}
    options = {**place, **alike, **look}
    return put(viewer, source, data, purpose, options, kind="image", instead_of=instead_of)


def _n_axes(array: Any) -> int:
    return int((array[0] if isinstance(array, list) else array).ndim)


def _displayed(array: Any, arranged: Callable[[Any], Any]) -> Any:
    """An array, or levels of a pyramid, on the axes of a layer; a large one becomes a pyramid."""
    if isinstance(array, list):
        return [arranged(level) for level in array]
    data = arranged(array)
    is_large = isinstance(data, np.ndarray) and max(data.shape[-2:]) > LARGE
    return pyramid(data) if is_large else data


def show_window(
    viewer: Viewer,
    source: ImageLayer,
    image: Image,
    frame: Frame,
    window: tuple[slice, ...],
    labels: npt.NDArray[Any],
    purpose: str,
    **look: Any,
) -> LabelsLayer:
    """Show labels of a window ``(*window)`` of one frame, where it lies."""
    n_front = len(image.label_axes()) - labels.ndim
    whole = labels.reshape((1,) * n_front + labels.shape)
    region = _region(frame, window)
    return show_labels(viewer, source, image, whole, purpose, region=region, **look)


def show_image_window(
    viewer: Viewer,
    source: ImageLayer,
    image: Image,
    frame: Frame,
    window: tuple[slice, ...],
    pixels: npt.NDArray[Any],
    purpose: str,
    **look: Any,
) -> ImageLayer:
    """Show pixels ``(C, *window)`` of one frame, where it lies."""
    axes = image.label_axes()
    letters = "C" + "ZYX"[-len(window) :]
    if len(pixels) == 1:
        pixels, letters = pixels[0], letters[1:]
    else:
        axes = "".join(a for a in AXES if a in axes + "C")
    lengths = dict(zip(letters, pixels.shape, strict=True))
    order = [letters.index(a) for a in axes if a in letters]
    whole = pixels.transpose(order).reshape([lengths.get(a, 1) for a in axes])
    region = _region(frame, window)
    return show_image(viewer, source, image, whole, purpose, region=region, **look)


def _region(frame: Frame, window: tuple[slice, ...]) -> dict[str, slice]:
    letters = "ZYX"[-len(window) :]
    return {a: slice(i, i + 1) for a, i in frame} | dict(zip(letters, window, strict=True))


def show_probability(
    viewer: Viewer,
    source: ImageLayer,
    image: Image,
    probability: npt.NDArray[Any],
    purpose: str,
    region: Mapping[str, slice] | None = None,
) -> None:
    """Show probabilities ``(channels, *label shape)``: one image layer a channel."""
    place = _place(source, image, region)
    for i, channel in enumerate(probability, start=1):
        title = purpose if len(probability) == 1 else f"{purpose} {i}"
        data = labels_for_display(channel.astype(np.float32), source, image.axes)
        look = {"colormap": "magma", "contrast_limits": (0, 1), "opacity": 0.7}
        put(viewer, source, data, title, {**place, **look}, kind="image")


def set_previews_visible(viewer: Viewer, source: ImageLayer, visible: bool) -> None:
    """Show the previews of an image, or hide them once there is something better to see."""
    for layer in list(viewer.layers):
        found = note(layer)
        if found.get("purpose") == "preview" and found.get("source_id") == str(source.unique_id):
            layer.visible = visible
            if visible:
                _lift(viewer, layer)


def _lift(viewer: Viewer, preview: Any) -> None:
    """Put an image above the other images that were made of its own: they are opaque."""
    from napari.layers import Image as ImageLayer

    if isinstance(preview, ImageLayer):
        made = note(preview)["source_id"]
        places = [
            i
            for i, layer in enumerate(viewer.layers)
            if isinstance(layer, ImageLayer) and note(layer).get("source_id") == made
        ]
        viewer.layers.move(viewer.layers.index(preview), places[-1] + 1)


def _place(
    source: ImageLayer,
    image: Image,
    region: Mapping[str, slice] | None,
    *,
    has_channels: bool = False,
) -> dict[str, Any]:
    """Where a result for a region lies; before the layer's affine, as napari wants it."""
    place = placement(source, image.axes, has_channels=has_channels)
    if region:
        pixel = [region.get(a, slice(0)).start or 0 for a in displayed_axes(source, image.axes)]
        world = source.data_to_world(pixel)[-len(place["scale"]) :]
        place["translate"] = np.linalg.solve(place["affine"], [*world, 1])[:-1]
    return place


def pyramid(data: Any) -> list[Any]:
    """Every second pixel, again and again, until it fits a canvas: views, no copies."""
    levels = [data]
    while max(levels[-1].shape[-2:]) > min(CANVAS, LARGE // 4):
        levels.append(levels[-1][..., ::2, ::2])
    return levels

"""Show results in layers that lie where their image does."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from napari.layers import Layer

from ...arrays import Array, Pixels
from ...image import AXES, Frame, Image
from ...windows import Window
from .conversion import displayed_axes, image_for_display, labels_for_display, placement
from .managed import LayerOptions, Levels, show_data
from .purpose import is_corrected, is_found, is_preview, layers_of, note

CANVAS = 1024
"""Longest side of the coarsest level of a pyramid, in pixels: what is drawn at once."""
LARGE = 8192
"""Results with a longer side than this are shown as a pyramid."""


def show_labels(
    viewer: Viewer,
    source: ImageLayer,
    image: Image,
    labels: Levels,
    purpose: str,
    *,
    region: Mapping[str, slice] | None = None,
    instead_of: Layer | None = None,
    **look: object,
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
        The part of the image that they are of, per axis letter; all of it when None.
    instead_of
        A layer that makes room for this one, which takes over its place and look.
    **look
        Options of napari's labels layers.
    """
    data = _displayed(labels, lambda level: labels_for_display(level, source, image.axes))
    place = _place(source, image, region)
    return show_data(viewer, source, data, purpose, {**place, **look}, instead_of=instead_of)


def show_image(
    viewer: Viewer,
    source: ImageLayer,
    image: Image,
    pixels: Levels,
    purpose: str,
    *,
    region: Mapping[str, slice] | None = None,
    instead_of: Layer | None = None,
    **look: object,
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
        axes = _with_channels(image)
    data = _displayed(pixels, lambda level: image_for_display(level, axes, source, image.axes))
    place = _place(source, image, region, has_channels="C" in axes)
    alike = {name: getattr(source, name) for name in ("contrast_limits", "colormap", "gamma")}
    options = {**place, **alike, **look}
    return show_data(viewer, source, data, purpose, options, kind="image", instead_of=instead_of)


def _n_axes(array: Levels) -> int:
    return (array[0] if isinstance(array, list) else array).ndim


def _displayed(array: Levels, arrange: Callable[[Array], Array]) -> Levels:
    """Arrange an array, or levels, on the axes of a layer; a large array becomes a pyramid."""
    if isinstance(array, list):
        return [arrange(level) for level in array]
    data = arrange(array)
    is_large = isinstance(data, np.ndarray) and max(data.shape[-2:]) > LARGE
    return pyramid(data) if is_large else data


def show_window(
    viewer: Viewer,
    source: ImageLayer,
    image: Image,
    frame: Frame,
    window: Window,
    labels: Pixels,
    purpose: str,
    **look: object,
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
    window: Window,
    pixels: Pixels,
    purpose: str,
) -> ImageLayer:
    """Show pixels ``(C, *window)`` of one frame, where it lies."""
    region = _region(frame, window)
    lengths = dict(zip("C" + "ZYX"[-len(window) :], pixels.shape, strict=True))
    axes = _with_channels(image) if len(pixels) > 1 else image.label_axes()
    whole = pixels.reshape([lengths.get(a, 1) for a in axes])
    return show_image(viewer, source, image, whole, purpose, region=region)


def _with_channels(image: Image) -> str:
    """Return the axes of an answer that has channels."""
    return "".join(a for a in AXES if a in image.label_axes() + "C")


def _region(frame: Frame, window: Window) -> dict[str, slice]:
    """Return the region of a window in a frame, per axis letter."""
    letters = "ZYX"[-len(window) :]
    return {a: slice(i, i + 1) for a, i in frame} | dict(zip(letters, window, strict=True))


def show_probability(
    viewer: Viewer,
    source: ImageLayer,
    image: Image,
    probability: Pixels,
    purpose: str,
    region: Mapping[str, slice] | None = None,
) -> None:
    """Show probabilities ``(channels, *label shape)``, each channel in an image layer."""
    place = _place(source, image, region)
    for i, channel in enumerate(probability, start=1):
        title = purpose if len(probability) == 1 else f"{purpose} {i}"
        data = labels_for_display(channel.astype(np.float32), source, image.axes)
        look = {"colormap": "magma", "contrast_limits": (0, 1), "opacity": 0.7}
        show_data(viewer, source, data, title, {**place, **look}, kind="image")


def hide_labels_above(viewer: Viewer, source: ImageLayer, shown: Layer) -> None:
    """Hide what was found in an image before, or corrected, where it covers a new result.

    It stays as it is, and its eye in the list of layers shows it again. No brush is left in what is
    not seen.
    """
    covering = viewer.layers[viewer.layers.index(shown) + 1 :]
    for layer in _found_in(viewer, source):
        if layer in covering:
            layer.mode = "pan_zoom"
            layer.visible = False
            if viewer.layers.selection.active is layer:
                viewer.layers.selection.active = shown


def hide_found(viewer: Viewer, source: ImageLayer) -> list[Layer]:
    """Hide what was found in an image before, or corrected, and return which layers were hidden.

    What is being corrected with a tool stays.
    """
    hidden = [
        layer for layer in _found_in(viewer, source) if layer.visible and layer.mode == "pan_zoom"
    ]
    for layer in hidden:
        layer.visible = False
    return hidden


def _found_in(viewer: Viewer, source: ImageLayer) -> list[Layer]:
    """Return the layers of what was found in an image, as it was found or corrected."""
    mine = layers_of(source, viewer.layers)
    return [layer for layer in mine if is_found(layer) or is_corrected(layer)]


def set_previews_visible(viewer: Viewer, source: ImageLayer, visible: bool) -> None:
    """Show the previews of an image, or hide them once there is something better to see."""
    for layer in list(viewer.layers):
        mark = note(layer)
        if is_preview(layer) and mark.get("source_id") == str(source.unique_id):
            layer.visible = visible
            if visible:
                _lift(viewer, layer)


def _lift(viewer: Viewer, preview: Layer) -> None:
    """Put an image above the other ones made of the same source, which are opaque."""
    if isinstance(preview, ImageLayer):
        source_id = note(preview)["source_id"]
        indices = [
            i
            for i, layer in enumerate(viewer.layers)
            if isinstance(layer, ImageLayer) and note(layer).get("source_id") == source_id
        ]
        viewer.layers.move(viewer.layers.index(preview), indices[-1] + 1)


def _place(
    source: ImageLayer,
    image: Image,
    region: Mapping[str, slice] | None,
    *,
    has_channels: bool = False,
) -> LayerOptions:
    """Return the transforms of a result for a region.

    napari applies the affine last, so that the translation is what comes before it.
    """
    place = placement(source, image.axes, has_channels=has_channels)
    if region:
        pixel = [region.get(a, slice(0)).start or 0 for a in displayed_axes(source, image.axes)]
        world = source.data_to_world(pixel)[-len(place["scale"]) :]
        place["translate"] = np.linalg.solve(place["affine"], [*world, 1])[:-1]
    return place


def pyramid(data: Array) -> list[Array]:
    """Take every second pixel, again and again, until it fits a canvas: views, no copies."""
    levels = [data]
    while max(levels[-1].shape[-2:]) > CANVAS:
        levels.append(levels[-1][..., ::2, ::2])
    return levels

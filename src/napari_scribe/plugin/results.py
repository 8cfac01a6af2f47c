"""Layers that the plugin makes. It overwrites its own alone, and those only while untouched."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..image import Frame, Image
from .layers import MARK, displayed_axes, labels_for_display, note, placement

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image as ImageLayer
    from napari.layers import Labels as LabelsLayer

PLACE = ("scale", "translate", "rotate", "affine")
LARGE = 8192
"""Results with a longer side than this are shown as a pyramid."""


def show_labels(
    viewer: Viewer,
    source: ImageLayer,
    image: Image,
    labels: npt.NDArray[Any],
    purpose: str,
    **look: Any,
) -> LabelsLayer:
    """Show labels of a whole image, ``(TZYX as far as there)``, in a layer "NAME purpose".

    A layer that the plugin made for the same image and purpose is overwritten in place, unless the
    user has painted on it since, or given it another name.
    """
    data: Any = labels_for_display(labels, source, image.axes)
    if max(labels.shape[-2:]) > LARGE:
        data = _pyramid(data)
    return _put(viewer, source, data, purpose, {**placement(source, image.axes), **look})


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
    letters = "ZYX"[-len(window) :]
    starts = {**dict(frame), **{a: s.start for a, s in zip(letters, window, strict=True)}}
    n_front = len(image.label_axes()) - labels.ndim
    whole = labels.reshape((1,) * n_front + labels.shape)
    data = labels_for_display(whole, source, image.axes)
    place = placement(source, image.axes)
    place["translate"] = _translate(source, image.axes, starts)[-data.ndim :]
    return _put(viewer, source, data, purpose, {**place, **look})


def show_probability(
    viewer: Viewer, source: ImageLayer, image: Image, probability: npt.NDArray[Any], name: str
) -> None:
    """Show probabilities ``(channels, *label shape)``: one image layer a channel."""
    place = placement(source, image.axes)
    for i, channel in enumerate(probability, start=1):
        title = name if len(probability) == 1 else f"{name} {i}"
        data = labels_for_display(channel.astype(np.float32), source, image.axes)
        look = {"colormap": "magma", "contrast_limits": (0, 1), "opacity": 0.7}
        _put(viewer, source, data, title, {**place, **look}, kind="image")


def set_previews_visible(viewer: Viewer, source: ImageLayer, visible: bool) -> None:
    """Show the previews of an image, or hide them once there is something better to see."""
    for layer in viewer.layers:
        found = note(layer)
        if found.get("purpose") == "preview" and found.get("source_id") == str(source.unique_id):
            layer.visible = visible


def is_untouched(layer: Any) -> bool:
    """Whether a layer still holds what the plugin put there."""
    return note(layer).get("check") == _checksum(layer.data)


def _put(
    viewer: Viewer,
    source: ImageLayer,
    data: Any,
    purpose: str,
    options: dict[str, Any],
    kind: str = "labels",
) -> Any:
    mark = {"purpose": purpose, "source": source.name, "source_id": str(source.unique_id)}
    own = _own_layer(viewer, mark, data)
    if own is not None:
        _overwrite(own, data, options)
    else:
        from napari.layers import Image, Labels

        make = Labels if kind == "labels" else Image
        contour = options.pop("contour", 0)
        title = f"{source.name} {purpose}"
        own = make(data, name=title, metadata={MARK: mark}, **options)
        if contour:
            own.contour = contour
        with kept_selection(viewer):
            viewer.layers.insert(_above(viewer, source), own)
    own.metadata[MARK] = {**mark, "name": own.name, "check": _checksum(own.data)}
    return own


def _overwrite(layer: Any, data: npt.NDArray[Any], place: dict[str, Any]) -> None:
    """New data in a layer; where nothing else changes, without what napari does on a new extent."""
    moved = [key for key in PLACE if not np.allclose(np.asarray(getattr(layer, key)), place[key])]
    if not moved and layer.data.shape == data.shape and layer.data.flags.writeable:
        layer.data[...] = data
        layer.refresh(extent=False)
        return
    layer.data = data
    for key in moved:
        setattr(layer, key, place[key])


def _own_layer(viewer: Viewer, mark: dict[str, str], data: Any) -> Any:
    for layer in viewer.layers:
        found = note(layer)
        same = all(found.get(key) == mark[key] for key in ("purpose", "source_id"))
        fits = isinstance(data, np.ndarray) and not layer.multiscale and layer.ndim == data.ndim
        if same and fits and found.get("name") == layer.name and is_untouched(layer):
            return layer
    return None


def _above(viewer: Viewer, source: ImageLayer) -> int:
    """Above its image, below the annotations that somebody may be painting."""
    return viewer.layers.index(source) + 1 if source in viewer.layers else len(viewer.layers)


@contextmanager
def kept_selection(viewer: Viewer) -> Iterator[None]:
    """Adding a layer selects it: keep what was selected, so that no brush is taken away."""
    selection = viewer.layers.selection
    before, active = set(selection), selection.active
    yield
    if active is not None:
        selection.active = active
    elif before:
        selection.clear()
        selection.update(before)


def _translate(source: ImageLayer, axes: str, starts: dict[str, int]) -> npt.NDArray[Any]:
    """Where the pixel at `starts` lies, before the layer's affine."""
    pixel = [starts.get(a, 0) for a in displayed_axes(source, axes)]
    world = np.asarray(source.data_to_world(pixel))
    return np.asarray(source.affine.inverse(world))


def _pyramid(data: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    """Every second pixel, again and again: views, no copies."""
    levels = [data]
    while max(levels[-1].shape[-2:]) > LARGE // 4:
        levels.append(levels[-1][..., ::2, ::2])
    return levels


def _checksum(data: Any) -> int | None:
    """Of an array; None for a pyramid, which nobody can paint on and which is not overwritten."""
    if not isinstance(data, np.ndarray):
        return None
    once = data[tuple(0 if s == 0 else slice(None) for s in data.strides)]
    return zlib.crc32(np.ascontiguousarray(once))

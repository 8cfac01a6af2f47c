"""Replace layers that the plugin made, but only while nobody else has changed them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from napari.layers import Layer

from ...arrays import Array, Pixels
from .purpose import MARK, is_annotations, is_corrected, made_of, note

LayerOptions = dict[str, Any]
"""How a layer looks and where it lies, as napari's layers take it."""
Levels = Array | list[Array]
"""An array, or the levels of a pyramid, the finest first."""
TRANSFORMS = ("scale", "translate", "rotate", "shear", "affine")
PLACE = (*TRANSFORMS, "units", "axis_labels")
"""What lays a layer on another one of the same axes."""
INHERITED = ("visible", "opacity", "blending", "contour")
"""What a user may have chosen for a layer, so that its successor takes it over."""
STYLE = ("colormap", "opacity", "contour")
"""What differs between kinds of labels, and follows the kind until a user changes it."""


@dataclass(frozen=True)
class Removed:
    """Describe a layer that was taken away, for the one that takes its place.

    Parameters
    ----------
    index
        Its index in the list of layers.
    chosen
        What the user has chosen of `INHERITED`.
    name
        The name that the user gave it; empty where the plugin's is left.
    was_active
        Whether it was the selected one.
    """

    index: int
    chosen: LayerOptions
    name: str
    was_active: bool


def show_data(
    viewer: Viewer,
    source: ImageLayer,
    data: Levels,
    purpose: str,
    options: LayerOptions,
    kind: str = "labels",
    instead_of: Layer | None = None,
) -> Layer:
    """Show data in a layer "NAME purpose": the plugin's one of before, or a new one in its place.

    Parameters
    ----------
    data
        What is not in memory, or may not be written to, cannot be painted on.
    options
        Transforms and look.
    kind
        ``labels`` or ``image``.
    instead_of
        A layer that makes room for this one.
    """
    if isinstance(data, list) and len(data) == 1:
        (data,) = data
    mark = _mark(source, purpose)
    title = f"{source.name} {purpose}"
    removed = _remove(viewer, instead_of)
    users_name = "" if removed is None else removed.name
    layer = None if users_name else find_layer(viewer, source, purpose, kind)
    if layer is not None and _can_replace(data, layer):
        _overwrite(layer, data, options)
        _restyle(layer, options)
    else:
        predecessor = _remove(viewer, layer)
        removed = removed or predecessor
        index = _above(viewer, source) if removed is None else removed.index
        named = {**options, "name": users_name or title, "metadata": {MARK: mark}}
        layer = _add(viewer, data, kind, index, named)
    if removed is not None:
        for key, value in removed.chosen.items():
            setattr(layer, key, value)
        if removed.was_active:
            viewer.layers.selection.active = layer
    made_as = title if users_name else layer.name
    made = {"name": made_as, "check": _checksum(layer.data), "style": _style_in(options)}
    layer.metadata[MARK] = {**mark, **made}
    return layer


def _add(viewer: Viewer, data: Levels, kind: str, index: int, options: LayerOptions) -> Layer:
    contour = options.pop("contour", 0)  # napari takes it only of a layer that is there
    make = LabelsLayer if kind == "labels" else ImageLayer
    layer = make(data, multiscale=isinstance(data, list), **options)
    if contour:
        layer.contour = contour
    if kind == "labels":
        layer.editable = _can_be_painted(layer.data)
    with same_selection(viewer):
        viewer.layers.insert(min(index, len(viewer.layers)), layer)
    return layer


def _remove(viewer: Viewer, layer: Layer | None) -> Removed | None:
    """Remove a layer and describe it; None where there is none."""
    if layer is None or layer not in viewer.layers:
        return None
    removed = Removed(
        index=viewer.layers.index(layer),
        chosen={
            key: getattr(layer, key)
            for key in INHERITED
            if hasattr(layer, key) and not _is_as_made(layer, key)
        },
        name="" if note(layer).get("name") == layer.name else layer.name,
        was_active=viewer.layers.selection.active is layer,
    )
    with same_selection(viewer):
        viewer.layers.remove(layer)
    return removed


def _mark(source: ImageLayer, purpose: str) -> dict[str, str]:
    return {"purpose": purpose, **made_of(source)}


def find_layer(
    viewer: Viewer, source: ImageLayer, purpose: str, kind: str = "labels"
) -> Layer | None:
    """Find the layer that the plugin made for an image and a purpose, unchanged by others."""
    mark = _mark(source, purpose)
    for layer in viewer.layers:
        if not isinstance(layer, LabelsLayer if kind == "labels" else ImageLayer):
            continue
        entries = note(layer)
        is_same = all(entries.get(key) == mark[key] for key in ("purpose", "source_id"))
        is_named = entries.get("name") == layer.name
        if is_same and is_named and entries.get("check") == _checksum(layer.data):
            return layer
    return None


def _can_replace(data: Levels, layer: Layer) -> TypeGuard[Pixels]:
    """Return whether data can be put into a layer; else a new layer has to take its place."""
    return _can_be_painted(data) and _can_be_painted(layer.data) and layer.ndim == data.ndim


def _overwrite(layer: Layer, data: Pixels, options: LayerOptions) -> None:
    """Put other data into a layer.

    Where it neither moves nor changes its shape, the pixels alone are replaced. napari would work
    out the extent of all layers anew, and each preview would be late by that.
    """
    old = layer.data
    moved = [
        key for key in TRANSFORMS if not np.allclose(np.asarray(getattr(layer, key)), options[key])
    ]
    if old.shape == data.shape and old.dtype == data.dtype and not moved:
        old[...] = data
        layer.refresh(extent=False)
        return
    layer.data = data
    for key in moved:
        setattr(layer, key, options[key])


def _restyle(layer: Layer, options: LayerOptions) -> None:
    """Show labels of another kind as such, as far as the user has not chosen how they look."""
    before = note(layer).get("style", {})
    for name, value in _style_in(options).items():
        if value != before.get(name) and _is_as_made(layer, name):
            setattr(layer, name, options[name])


def _is_as_made(layer: Layer, name: str) -> bool:
    """Return whether a layer still looks as the plugin made it."""
    made = note(layer).get("style", {})
    return bool(name in made and _style_in({name: getattr(layer, name)})[name] == made[name])


def _style_in(options: LayerOptions) -> LayerOptions:
    """Return the style among options; a colormap by its name, as metadata may be saved."""
    style = {name: options[name] for name in STYLE if name in options}
    return {name: getattr(value, "name", value) for name, value in style.items()}


def _above(viewer: Viewer, source: ImageLayer) -> int:
    """Return the index above an image and its results, below annotations that one may paint on."""
    layers = viewer.layers
    if source not in layers:
        return len(layers)
    index: int = layers.index(source) + 1
    source_id = str(source.unique_id)
    while index < len(layers) and note(layers[index]).get("source_id") == source_id:
        if is_annotations(layers[index]) or is_corrected(layers[index]):
            break
        index += 1
    return index


@contextmanager
def same_selection(viewer: Viewer) -> Iterator[None]:
    """Keep what is selected, so that no brush is taken away; napari selects what is added."""
    selection = viewer.layers.selection
    before, active = set(selection), selection.active
    yield
    present = {layer for layer in before if layer in viewer.layers}
    if active in present:
        selection.active = active
    elif present:
        selection.clear()
        selection.update(present)


def _can_be_painted(data: object) -> TypeGuard[Pixels]:
    return isinstance(data, np.ndarray) and bool(data.flags.writeable)


def _checksum(data: object) -> int | None:
    """Return a checksum of an array; None for what nobody can paint on, such as one on disk."""
    if not _can_be_painted(data):
        return None
    # A channel axis may repeat the labels: of that, one is enough.
    once = data[tuple(0 if stride == 0 else slice(None) for stride in data.strides)]
    return zlib.crc32(np.ascontiguousarray(once).data)

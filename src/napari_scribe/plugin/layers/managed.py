"""The plugin's own layers, which it replaces, but only while nobody else has changed them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .conversion import MARK, note

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image as ImageLayer

PLACE = ("scale", "translate", "rotate", "shear", "affine")
LOOK = ("visible", "opacity", "blending", "contour")
"""What a user chooses for a layer, and what its successor takes over."""
STYLE = ("colormap", "opacity", "contour")
"""What differs between kinds of labels, and follows them until a user changes it."""


@dataclass(frozen=True)
class Seat:
    """The place of a layer that was taken away.

    Parameters
    ----------
    index
        In the list of layers.
    look
        See `LOOK`.
    name
        Given by the user; empty where it is still ours.
    was_active
        Whether it was the one that is worked on.
    """

    index: int
    look: dict[str, Any]
    name: str
    was_active: bool


def put(
    viewer: Viewer,
    source: ImageLayer,
    data: Any,
    purpose: str,
    options: dict[str, Any],
    kind: str = "labels",
    instead_of: Any = None,
) -> Any:
    """Show data in a layer "NAME purpose": an own one of before, or a new one in its place.

    Parameters
    ----------
    data
        An array, or a list of them: levels of a pyramid. What is not in memory, or may not be
        written to, cannot be painted on.
    options
        Place and look, as napari's layers take them.
    kind
        ``labels`` or ``image``.
    instead_of
        A layer that makes room for this one.
    """
    if isinstance(data, list) and len(data) == 1:
        (data,) = data
    mark = _mark(source, purpose)
    title = f"{source.name} {purpose}"
    seat = _taken_away(viewer, instead_of)
    own = None if seat is not None and seat.name else own_layer(viewer, source, purpose, kind)
    if own is not None and _holds_alike(own, data):
        _overwrite(own, data, options)
        _restyle(own, options)
    else:
        before = _taken_away(viewer, own)
        seat = seat or before
        index = _above(viewer, source) if seat is None else seat.index
        name = seat.name if seat is not None and seat.name else title
        own = _added(viewer, data, kind, index, {**options, "name": name, "metadata": {MARK: mark}})
    if seat is not None:
        for key, value in seat.look.items():
            setattr(own, key, value)
        if seat.was_active:
            viewer.layers.selection.active = own
    is_named = seat is not None and bool(seat.name)
    made_as = title if is_named else own.name
    told = {"name": made_as, "check": _checksum(own.data), "style": _style_in(options)}
    own.metadata[MARK] = {**mark, **told}
    return own


def _added(viewer: Viewer, data: Any, kind: str, index: int, options: dict[str, Any]) -> Any:
    from napari.layers import Image, Labels

    contour = options.pop("contour", 0)
    make = Labels if kind == "labels" else Image
    layer = make(data, multiscale=isinstance(data, list), **options)
    if contour:
        layer.contour = contour
    if kind == "labels":
        layer.editable = _can_be_painted(layer.data)
    with kept_selection(viewer):
        viewer.layers.insert(min(index, len(viewer.layers)), layer)
    return layer


def _taken_away(viewer: Viewer, layer: Any) -> Seat | None:
    """Remove a layer; None where there is none."""
    if layer is None or layer not in viewer.layers:
        return None
    seat = Seat(
        index=viewer.layers.index(layer),
        look={
            key: getattr(layer, key)
            for key in LOOK
            if hasattr(layer, key) and not _is_as_made(layer, key)
        },
        name="" if note(layer).get("name") == layer.name else layer.name,
        was_active=viewer.layers.selection.active is layer,
    )
    with kept_selection(viewer):
        viewer.layers.remove(layer)
    return seat


def is_untouched(layer: Any) -> bool:
    """Whether a layer still holds what the plugin put there."""
    return note(layer).get("check") == _checksum(layer.data)


def _mark(source: ImageLayer, purpose: str) -> dict[str, str]:
    return {"purpose": purpose, "source": source.name, "source_id": str(source.unique_id)}


def own_layer(viewer: Viewer, source: ImageLayer, purpose: str, kind: str = "labels") -> Any:
    """A layer of labels or an image for an image and a purpose, unchanged by others; or None."""
    from napari.layers import Image, Labels

    mark = _mark(source, purpose)
    for layer in viewer.layers:
        if not isinstance(layer, Labels if kind == "labels" else Image):
            continue
        found = note(layer)
        same = all(found.get(key) == mark[key] for key in ("purpose", "source_id"))
        if same and found.get("name") == layer.name and is_untouched(layer):
            return layer
    return None


def _holds_alike(layer: Any, data: Any) -> bool:
    """Whether a layer can go on with other data; else a new one has to take its place."""
    return all(map(_can_be_painted, (layer.data, data))) and layer.ndim == data.ndim


def _overwrite(layer: Any, data: Any, place: dict[str, Any]) -> None:
    """New data in a layer; where nothing else changes, without what napari does on a new extent."""
    old = layer.data
    moved = [key for key in PLACE if not np.allclose(np.asarray(getattr(layer, key)), place[key])]
    alike = old.shape == data.shape and old.dtype == data.dtype
    if alike and not moved:
        old[...] = data
        layer.refresh(extent=False)
        return
    layer.data = data
    for key in moved:
        setattr(layer, key, place[key])


def _restyle(layer: Any, options: dict[str, Any]) -> None:
    """Show labels of another kind as such, as far as the user has not chosen how they look."""
    before = note(layer).get("style", {})
    for name, value in _style_in(options).items():
        if value != before.get(name) and _is_as_made(layer, name):
            setattr(layer, name, options[name])


def _is_as_made(layer: Any, name: str) -> bool:
    """Whether a layer still looks as the plugin made it."""
    made = note(layer).get("style", {})
    return name in made and _style_in({name: getattr(layer, name)})[name] == made[name]


def _style_in(options: dict[str, Any]) -> dict[str, Any]:
    """The style among napari's options; a colormap by its name, as metadata may be saved."""
    found = {name: options[name] for name in STYLE if name in options}
    return {name: getattr(value, "name", value) for name, value in found.items()}


def _above(viewer: Viewer, source: ImageLayer) -> int:
    """Above its image and what else was made of it, below annotations that somebody may paint."""
    layers = viewer.layers
    if source not in layers:
        return len(layers)
    index = layers.index(source) + 1
    made = str(source.unique_id)
    while index < len(layers) and note(layers[index]).get("source_id") == made:
        index += 1
    return index


@contextmanager
def kept_selection(viewer: Viewer) -> Iterator[None]:
    """Keep what is selected, so that no brush is taken away: adding a layer would select it."""
    selection = viewer.layers.selection
    before, active = set(selection), selection.active
    yield
    left = {layer for layer in before if layer in viewer.layers}
    if active in left:
        selection.active = active
    elif left:
        selection.clear()
        selection.update(left)


def _can_be_painted(data: Any) -> bool:
    return isinstance(data, np.ndarray) and bool(data.flags.writeable)


def _checksum(data: Any) -> int | None:
    """Of an array; None for what nobody can paint on, such as one on disk."""
    if not _can_be_painted(data):
        return None
    once = data[tuple(0 if s == 0 else slice(None) for s in data.strides)]
    return zlib.crc32(np.ascontiguousarray(once))

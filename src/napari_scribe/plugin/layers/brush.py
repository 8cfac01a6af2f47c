"""Set the brush of annotations by keys: the next object, background, and back to the object."""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Labels as LabelsLayer
from napari.utils.notifications import show_warning

BACKGROUND = 1
"""The number of background, or of the first class."""
SHARE = 1 / 3
"""Width of the brush, as a share of an object's diameter."""
USUAL, FIELD = 8, 64
"""Width of the brush where nobody knows how large objects are, in pixels; it is narrower where
less than so many times its width is in view."""
DRAWING = "paint", "fill", "polygon"
_left: WeakKeyDictionary[LabelsLayer, int] = WeakKeyDictionary()
"""The object that was left for the background."""


def prepare_brush(layer: LabelsLayer) -> None:
    """Take the brush for the next object; what is painted is guarded from it."""
    bind_keys(layer)
    layer.n_edit_dimensions = 2
    layer.brush_size = USUAL
    layer.preserve_labels = True
    layer.selected_label = next_number(layer)
    layer.mode = "paint"


def bind_keys(layer: LabelsLayer) -> None:
    """Give a layer its keys. They hold for it alone, and go before napari's own."""
    for key, press in KEYS.items():
        layer.bind_key(key, press, overwrite=True)


def next_object(layer: LabelsLayer) -> None:
    """Take the brush for an object, or a class, that has no paint yet."""
    number, largest = next_number(layer), np.iinfo(layer.data.dtype).max
    if number > largest:
        show_warning(
            f"{layer.name} can hold no number above {largest}. A right click on it, then Convert "
            "data type, gives it more."
        )
        return
    take(layer, number)


def switch_background(layer: LabelsLayer) -> None:
    """Take the brush for background; from there, back to the object."""
    if layer.selected_label != BACKGROUND:
        _left[layer] = layer.selected_label
        take(layer, BACKGROUND)
    else:
        take(layer, _left.get(layer) or next_number(layer))


def take(layer: LabelsLayer, number: int) -> None:
    """Take the brush for a number."""
    layer.selected_label = number
    if layer.mode not in DRAWING:
        layer.mode = "paint"


def next_number(layer: LabelsLayer) -> int:
    """Return the smallest number above all that is painted, from 2 up.

    What is not in memory is not read for it: then the number after the selected one.
    """
    data = layer.data
    highest = data.max(initial=0) if isinstance(data, np.ndarray) else layer.selected_label
    return max(BACKGROUND, int(highest)) + 1


def width_for(diameter: float | None, in_view: float) -> int:
    """Return how wide a brush suits objects, in pixels.

    Parameters
    ----------
    diameter
        Of the objects, in pixels; None where it is not known.
    in_view
        The shorter side of what is in view of the image, in pixels.
    """
    width = min(USUAL, in_view / FIELD) if diameter is None else SHARE * diameter
    return max(1, round(width))


KEYS: dict[str, Callable[[LabelsLayer], None]] = {
    "N": next_object,
    "M": next_object,  # napari's own would take background for an object where nothing is painted
    "B": switch_background,
    "X": switch_background,  # napari's own would take 0, which is no background here
}

"""Describe a layer of paint, and write and read it as TIFF."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Pixels
from ..errors import InputError
from ..image import AXES
from ..io import read_labels, write_tiff


@dataclass(frozen=True, kw_only=True)
class PaintedLayer:
    """Describe a layer of paint so that it can be shown again on its image.

    Parameters
    ----------
    name
        Name of the layer.
    image
        Name of the image that was painted.
    image_path, reader
        The file of the image and what opened it; empty where it has none.
    shape
        Pixels along each axis of the layer.
    layer
        Where the layer lies, as napari takes it.
    noted
        What the paint is for.
    complete
        Boxes in which everything is painted, each one ``(start, stop)`` per axis of the layer.
    """

    name: str
    image: str
    image_path: str = ""
    reader: str = ""
    shape: tuple[int, ...] = ()
    layer: dict[str, Any] = field(default_factory=dict)
    noted: dict[str, Any] = field(default_factory=dict)
    complete: tuple[tuple[tuple[int, int], ...], ...] = ()


def write_paint(path: Path, array: Pixels, **place: Any) -> None:
    """Write a labels array as TIFF.

    Parameters
    ----------
    array
        Of two to five axes. An axis along which its values are repeated in the same memory, as
        paint is along channels, is written once.
    **place
        ``scale`` and ``units`` per axis letter.
    """
    once = array[tuple(slice(1) if stride == 0 else slice(None) for stride in array.strides)]
    write_tiff(path, once, AXES[-array.ndim :], **place)


def read_paint(path: Path, shape: tuple[int, ...]) -> Pixels:
    """Read what `write_paint` has written from an array of this shape.

    Raises
    ------
    InputError
        If the file is missing, damaged, or has another shape.
    """
    paint = np.array(read_labels(path, AXES[-len(shape) :]))
    try:
        return np.array(np.broadcast_to(paint, shape))
    except ValueError:
        raise InputError(
            f"{path} has the shape {paint.shape}, where {shape} was painted. Open it by hand."
        ) from None

"""What a network is given to see: windows of a frame, mirrored outside the image, normalized."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..image import Frame, Image
from ..normalization import Statistics
from .tiles import Tile, mirrored

Read = Callable[[Tile], npt.NDArray[np.float32]]
"""Normalized pixels of a tile, ``(C, *in)``."""


def tile_reader(
    image: Image, frame: Frame, channels: Sequence[int], statistics: Statistics, dimensions: int
) -> Read:
    """How tiles of a frame are read: mirrored outside the image, normalized.

    What it gives raises InputError where a tile holds NaN or infinite pixels, or such that are
    infinite once they are normalized.
    """
    shape = image.frame_shape(dimensions)

    def read(tile: Tile) -> npt.NDArray[np.float32]:
        pixels = read_mirrored(image, frame, tile.read, shape, channels)
        place = f" near {[s.start for s in tile.keep]}"
        return statistics.apply_checked(pixels, image.name, place)

    return read


def read_mirrored(
    image: Image,
    frame: Frame,
    window: Sequence[slice],
    shape: Sequence[int],
    channels: Sequence[int],
) -> npt.NDArray[Any]:
    """Read a window ``(C, *window)`` that may reach beyond the frame, mirrored there."""
    indices = [mirrored(s, n) for s, n in zip(window, shape, strict=True)]
    inside = tuple(slice(int(i.min()), int(i.max()) + 1) for i in indices)
    pixels = image.read(frame, inside, channels)
    for axis, (index, covered) in enumerate(zip(indices, inside, strict=True), start=1):
        if len(index) != pixels.shape[axis]:
            pixels = np.take(pixels, index - covered.start, axis=axis)
    return pixels

"""Read the network's input: windows of a frame, mirrored outside the image and normalized."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ..image import Frame, Image
from ..normalization import Statistics
from ..windows import start_of
from .tiles import Tile, mirrored

Read = Callable[[Tile], npt.NDArray[np.float32]]
"""Read the normalized pixels of a tile, ``(C, *in)``."""


def tile_reader(
    image: Image, frame: Frame, channels: Sequence[int], statistics: Statistics, dimensions: int
) -> Read:
    """Return a function that reads tiles of a frame.

    The function raises InputError if a tile holds NaN or infinite pixels, or pixels that become
    infinite when they are normalized.
    """
    shape = image.frame_shape(dimensions)

    def read(tile: Tile) -> npt.NDArray[np.float32]:
        pixels = read_mirrored(image, frame, tile.read, shape, channels)
        place = f" near {list(start_of(tile.keep))}"
        return statistics.apply_checked(pixels, image.name, place)

    return read


def read_mirrored(
    image: Image,
    frame: Frame,
    window: Sequence[slice],
    shape: Sequence[int],
    channels: Sequence[int],
) -> np.ndarray:
    """Read a window ``(C, *window)``; pixels beyond the frame are mirrored."""
    indices = [mirrored(s, n) for s, n in zip(window, shape, strict=True)]
    inside = tuple(slice(int(i.min()), int(i.max()) + 1) for i in indices)
    pixels = image.read(frame, inside, channels)
    for axis, (index, covered) in enumerate(zip(indices, inside, strict=True), start=1):
        if len(index) != pixels.shape[axis]:
            pixels = np.take(pixels, index - covered.start, axis=axis)
    return pixels

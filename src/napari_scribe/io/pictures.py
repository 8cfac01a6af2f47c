"""Read PNG and JPEG."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..arrays import Pixels
from ..errors import InputError
from .file_array import check_memory

_PNG_BIT_DEPTH, _PNG_COLOUR = 24, 25
"""Offsets of these two bytes in the header of a PNG."""
_LOSSLESS = "PNG", "TIFF", "GIF", "BMP"
_LIMIT = threading.Lock()
"""Lock that is held while Pillow's limit is changed, which all threads share."""


def read_picture(path: Path) -> Pixels:
    """Return ``YX`` or ``YXC`` pixels of a PNG or JPEG, without alpha.

    Raises
    ------
    InputError
        If it is larger than memory.
    """
    import imageio.v3 as iio

    mode, _ = _head(path)
    if path.suffix.lower() == ".png":
        with path.open("rb") as file:
            head = file.read(_PNG_COLOUR + 1)
        if len(head) > _PNG_COLOUR and head[_PNG_BIT_DEPTH] == 16 and head[_PNG_COLOUR]:
            import imagecodecs

            # imageio would reduce colours of 16 bits to 8 bits.
            return _without_alpha(imagecodecs.png_decode(path.read_bytes()))
    with _any_size():
        wanted = "RGB" if mode == "CMYK" else None
        return _without_alpha(iio.imread(path, plugin="pillow", mode=wanted))


def read_indices(path: Path) -> Pixels:
    """Return the pixels of a PNG of labels. A PNG with a palette gives indices, not colours.

    Raises
    ------
    InputError
        If it is larger than memory, or is a JPEG with another suffix.
    """
    import imageio.v3 as iio

    mode, kind = _head(path)
    if kind not in _LOSSLESS:
        raise InputError(f"{path} is a {kind} inside, which may change values: save labels anew.")
    if mode != "P":
        return read_picture(path)
    with _any_size():
        return np.asarray(iio.imread(path, plugin="pillow", mode="P"))


def _head(path: Path) -> tuple[str, str]:
    """Return the mode and format of a picture, if memory can hold its pixels."""
    from PIL import Image as Pillow

    with _any_size(), Pillow.open(path) as picture:
        width, height = picture.size
        n_bytes = 2 * width * height * len(picture.getbands())  # once in Pillow, once as an array
        check_memory(path, n_bytes)
        return picture.mode, str(picture.format)


@contextmanager
def _any_size() -> Iterator[None]:
    """Lift Pillow's limit on the size of a picture, because memory is checked instead."""
    from PIL import Image as Pillow

    with _LIMIT:
        limit, Pillow.MAX_IMAGE_PIXELS = Pillow.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Pillow.MAX_IMAGE_PIXELS = limit


def _without_alpha(pixels: npt.NDArray[np.generic]) -> Pixels:
    """Drop the opacity of pixels, and the axis of colours if only one colour is left."""
    if pixels.ndim == 3 and pixels.shape[-1] in (2, 4):
        pixels = pixels[..., :-1]
    return pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels

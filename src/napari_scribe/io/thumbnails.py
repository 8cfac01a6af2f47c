"""Small pictures as PNG."""

from __future__ import annotations

import io
import struct

import numpy as np
import numpy.typing as npt

LARGEST = 512
"""Side of the largest picture that is unpacked, in pixels."""
_BEGIN = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"


def to_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return ``(h, w, 3)`` as PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def from_png(data: bytes) -> npt.NDArray[np.uint8]:
    """Return the ``(h, w, 3)`` pixels of a PNG, of the first picture where it has more.

    Raises
    ------
    ValueError
        If it is no PNG, is damaged, or larger than `LARGEST`; then nothing is unpacked.
    """
    from PIL import Image

    size = struct.unpack_from(">II", data, len(_BEGIN)) if data.startswith(_BEGIN) else (0, 0)
    if not 0 < min(size) <= max(size) <= LARGEST:
        raise ValueError("no small PNG")
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            if max(picture.size) > LARGEST:  # by a second header
                raise ValueError("no small PNG")
            return np.asarray(picture.convert("RGB"), dtype=np.uint8)
    except (OSError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise ValueError("a damaged PNG") from error

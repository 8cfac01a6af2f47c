"""Find out whether the compression of a TIFF changes values, which would damage labels."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import tifffile
from tifffile import COMPRESSION

from ..errors import InputError
from .series import tiff_images
from .tiff_damage import damage_found
from .tiff_ome import open_tiff


def check_lossless(path: Path, series: int = 0) -> tifffile.TiffPage:
    """Check that the compression of a TIFF has changed no values.

    Returns
    -------
    page
        The first page of the image, whose tags hold for all its pages.

    Raises
    ------
    InputError
        If its compression changes values, or may do so. Not every kind tells whether it does.
    """
    with damage_found(path), open_tiff(path) as file:
        images = tiff_images(file, path)
        page = images[min(series, len(images) - 1)].keyframe
        name = page.compression.name if isinstance(page.compression, COMPRESSION) else ""
        is_exact = next((test for kind, test in _EXACT.items() if kind in name), None)
        is_lossy = any(kind in name for kind in _LOSSY)
        if is_lossy or (is_exact is not None and not is_exact(_first_piece(page))):
            raise InputError(
                f"{path} is compressed as {name}, which may change values: it need not hold the "
                "labels that were written. Save them with another compression, such as zlib or LZW."
            )
        return page


def _first_piece(page: tifffile.TiffPage) -> bytes:
    """Return the compressed bytes of the first strip or tile of a page."""
    pieces = zip(page.dataoffsets, page.databytecounts, strict=False)
    offset, count = next((p for p in pieces if p[1]), (0, 0))
    page.parent.filehandle.seek(offset)
    return bytes(page.parent.filehandle.read(count))


def _is_exact_jpeg(piece: bytes) -> bool:
    """Return whether a JPEG is lossless. Then its frame begins with the marker SOF3."""
    offset = 2
    while offset + 4 <= len(piece) and piece[offset] == 0xFF:
        marker = piece[offset + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return marker == 0xC3
        offset += 2 + int.from_bytes(piece[offset + 2 : offset + 4], "big")
    return False


def _is_exact_jpeg2000(piece: bytes) -> bool:
    """Return whether a JPEG 2000 has the reversible wavelet, as its segment COD says."""
    offset = piece.find(b"\xff\x52")
    return offset >= 0 and piece[offset + 13 : offset + 14] == b"\x01"


def _is_exact_webp(piece: bytes) -> bool:
    return b"VP8L" in piece[:64]


def _is_exact_lerc(piece: bytes) -> bool:
    """Return whether the largest error of LERC is that of rounding.

    If the bytes are compressed once more, they cannot be read here. Then the answer is no.
    """
    if not piece.startswith(b"Lerc2 ") or len(piece) < 90:
        return False
    version = int.from_bytes(piece[6:10], "little")
    n_integers = {2: 6, 3: 6, 4: 7, 5: 7}.get(version, 8)
    offset = 10 + (4 if version >= 3 else 0) + 4 * n_integers + (4 if version >= 6 else 0)
    (error,) = struct.unpack_from("<d", piece, offset)
    return bool(0 <= error <= 0.5)


_LOSSY = (
    "JPEG_2000_LOSSY", "JPEG_LOSSY", "JPEGXR", "JPEGXL", "JETRAW", "LURADOC", "SGILOG", "PIXARLOG",
    "NIKON", "SONY",
)  # fmt: skip
"""Parts of the names of compressions that change values, or may do so without telling it."""
_EXACT: dict[str, Callable[[bytes], bool]] = {
    "JPEG2000": _is_exact_jpeg2000,
    "JP2000": _is_exact_jpeg2000,
    "JPEG": _is_exact_jpeg,
    "WEBP": _is_exact_webp,
    "LERC": _is_exact_lerc,
}
"""Part of a compression's name -> test whether a piece was compressed without change of values.

"JPEG" is part of other names, and comes after them. A compression without an entry here or in
`_LOSSY` is always lossless.
"""

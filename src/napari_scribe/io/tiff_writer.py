"""Write OME-TIFF: compressed, with the size of its pixels, all or nothing."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arrays import Array, Pixels
from ..errors import InputError
from ..image import AXES, Image
from .files import stem
from .replace import replacing, resolve_links, tidy
from .units import SIZES, in_micrometers, size_of, symbol

_TILE = 512
"""Side of a tile of the file, in pixels."""
_TILED_FROM = 2048
"""Longer side, in pixels, above which an image is written in tiles."""
_SMALL_BYTES = 2**28
"""Bytes up to which an array is read, or copied, whole."""
_READ_BYTES = 2**25
"""Bytes of a larger array that are read at once."""
_BIG_BYTES = 2**32 - 2**25
"""Bytes from which a TIFF needs offsets of 64 bits; some room is left for its tags."""
_RGB = "u1", "u2"
"""Types of pixels for which three channels as the last axis are written as RGB."""


def write_tiff(
    path: str | Path,
    array: Array | npt.ArrayLike,
    axes: str = "",
    scale: Mapping[str, float] | None = None,
    units: Mapping[str, str] | None = None,
    *,
    channel_names: Sequence[str] = (),
    software: str = "napari-scribe",
    overwrite: bool = True,
) -> None:
    """Write an OME-TIFF, zlib compressed. An old file stays as it is until the new one is whole.

    Parameters
    ----------
    path
        File to write; folders above it are created.
    array
        Pixels, which may change meanwhile: the file holds the old or the new ones of each part. A
        large array is read part by part. The file has axes in the order ``TCZYX``,
        for RGB ``TZYXC``. TIFF readers know no bool, float16 and 64-bit integers: these become
        uint8, float32 and 32-bit integers.
    axes
        Letters of ``TCZYX``, one per axis of `array`, in any order; guessed when empty.
    scale, units
        Size of a pixel and its unit per axis letter, as in `Image`.
    channel_names
        One per channel, or none.
    software
        Name of what made the file, for its tags.
    overwrite
        Whether to replace a file that lies there when the new one is done.

    Raises
    ------
    InputError
        If the axes do not fit, or the values do not fit into 32 bits.
    TakenError
        If a file lies there that may not be replaced.
    OSError
        If the file could not be written, such as on a full disk.
    """
    import tifffile

    path = Path(path)
    image = Image(array, axes, dict(scale or {}), {}, dict(units or {}), name=stem(path))
    is_rgb = image.axes[-3:] == "YXC" and image.n_channels == 3 and image.dtype.str[1:] in _RGB
    order = "".join(a for a in ("TZYXC" if is_rgb else AXES) if a in image.axes)
    dtype = _storable(image, order)
    lengths = {a: image.length(a) for a in order}
    is_tiled = max(lengths["Y"], lengths["X"]) > _TILED_FROM
    # Pixels are copied, as somebody may paint on them meanwhile: the compression reads them twice,
    # and what it makes of pixels that change in between cannot be read again.
    data: Any
    if math.prod(image.shape) * dtype.itemsize <= _SMALL_BYTES:
        data = np.asarray(array).transpose([image.axes.index(a) for a in order]).astype(dtype)
    else:
        data, is_tiled = (block.astype(dtype) for block in _blocks(image, order)), True
    tidy(resolve_links(path))
    with replacing(path, overwrite) as partial:
        tifffile.imwrite(
            partial,
            data,
            shape=tuple(lengths.values()),
            dtype=dtype,
            ome=True,
            bigtiff=math.prod(image.shape) * dtype.itemsize > _BIG_BYTES,
            photometric="rgb" if is_rgb else "minisblack",
            tile=(_TILE, _TILE) if is_tiled else None,
            compression="zlib",
            software=software,
            metadata=_metadata(image, order, is_rgb, channel_names),
            **_resolution(image),
        )


def _storable(image: Image, order: str) -> np.dtype[Any]:
    """Return the type of the pixels in the file: their own, or one that TIFF readers know."""
    dtype = image.dtype.newbyteorder("=")
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    if dtype == np.float16:
        return np.dtype(np.float32)
    if dtype.kind not in "iu" or dtype.itemsize < 8:
        return dtype
    ends = [(int(block.min()), int(block.max())) for block in _blocks(image, order)]
    low, high = min(e[0] for e in ends), max(e[1] for e in ends)
    for fitting in (np.int32, np.uint32) if dtype.kind == "i" else (np.uint32,):
        if np.iinfo(fitting).min <= low and high <= np.iinfo(fitting).max:
            return np.dtype(fitting)
    raise InputError(
        f"{image.name} holds values from {low} to {high}, too large for the 32 bits of a TIFF. "
        "Number the objects anew, or write a zarr."
    )


def _blocks(image: Image, order: str) -> Iterator[Pixels]:
    """Yield the tiles of the file in its order. A tile has the axes of `order` that a page has.

    Many tiles are read at once, because a chunk of the array may hold many of them.
    """
    page = [a for a in order if a in "YX" or (a == "C" and order[-1] == "C")]
    block_axes = [a for a in image.axes if a in page]
    leading = [a for a in order if a not in page]
    height, width = _read_at_once(image, page)
    starts = range(0, image.length("Y"), height), range(0, image.length("X"), width)
    for index in itertools.product(*(range(image.length(a)) for a in leading), *starts):
        *place, y, x = index
        position: dict[str, Any] = dict(zip(leading, place, strict=True))
        position |= {"Y": slice(y, y + height), "X": slice(x, x + width)}
        block = np.asarray(image.data[tuple(position.get(a, slice(None)) for a in image.axes)])
        block = block.transpose([block_axes.index(a) for a in page])
        for row, column in itertools.product(*(range(0, n, _TILE) for n in block.shape[:2])):
            yield block[row : row + _TILE, column : column + _TILE]
        del block  # before the next is read


def _read_at_once(image: Image, page: Sequence[str]) -> tuple[int, int]:
    """Return the height and width to read at once: some rows of tiles, or a part of a row."""
    n_channels = image.n_channels if "C" in page else 1
    tile_bytes = _TILE * _TILE * n_channels * image.dtype.itemsize
    n_tiles, in_a_row = max(1, _READ_BYTES // tile_bytes), -(-image.length("X") // _TILE)
    return max(1, n_tiles // in_a_row) * _TILE, min(n_tiles, in_a_row) * _TILE


def _metadata(image: Image, order: str, is_rgb: bool, names: Sequence[str]) -> dict[str, Any]:
    """Return the OME attributes, under the names that tifffile has for them."""
    metadata: dict[str, Any] = {"axes": order.replace("C", "S") if is_rgb else order}
    metadata["Name"] = _in_xml(image.name)
    for axis, name in SIZES.items():
        size = size_of(image.scale.get(axis, 0))
        if axis in order and size:
            metadata[name] = size
            unknown = "s" if axis == "T" else "pixel"
            metadata[f"{name}Unit"] = symbol(image.units.get(axis, "")) or unknown
    if len(names) == image.n_channels and not is_rgb:
        metadata["Channel"] = {"Name": [_in_xml(name) for name in names]}
    return metadata


_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _in_xml(text: str) -> str:
    """Return a text with a question mark for each character that XML cannot hold.

    These are control characters and surrogates. A surrogate stands for a byte of a file name that
    is no UTF-8.
    """
    return _NOT_IN_XML.sub("?", text)


def _resolution(image: Image) -> dict[str, Any]:
    """Return the plain resolution tags, for readers that know no OME."""
    factors = [in_micrometers(image.units.get(a, "")) for a in "XY"]
    sizes = [image.scale.get(a, 0) * (f or 0) for a, f in zip("XY", factors, strict=True)]
    if not all(1e-5 < size < 1e9 for size in sizes):  # a tag is a fraction of 32-bit integers
        return {}
    return {"resolution": tuple(1e4 / size for size in sizes), "resolutionunit": "CENTIMETER"}

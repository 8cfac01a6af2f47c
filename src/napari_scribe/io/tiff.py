"""TIFF: plain, ImageJ and OME."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from ..errors import InputError
from ..image import AXES, Image, guess_axes
from .bands import Bands
from .calibration import read_calibration
from .files import stem

_SMALL_BYTES = 2**28
"""What is read whole, if it cannot be memory-mapped."""


def read_tiff(path: Path, axes: str = "", level: int = 0) -> Image:
    """Open a TIFF: memory-mapped where it is plain, whole where it is small, else piece by piece.

    Raises
    ------
    InputError
        If the file is incomplete, or has no such level.
    """
    with _damage_found(path), tifffile.TiffFile(path) as file:
        series = file.series[0]
        if not 0 <= level < len(series.levels):
            raise InputError(f"{path} has levels 0 to {len(series.levels) - 1}, not {level}.")
        chosen = series.levels[level]
        _check_complete(chosen, path)
        is_full = len(axes) == len(chosen.get_shape(squeeze=False))
        shape = chosen.get_shape(squeeze=not is_full)
        letters = axes.upper() or _letters(chosen.get_axes(squeeze=True), shape)
        scale, units, names = read_calibration(file)
        scale |= {a: scale[a] * _shrunk(series, chosen, a) for a in "YX" if a in scale}
        data = _pixels(path, chosen, level, shape)
        nodata = _nodata(chosen)
    return Image(
        data,
        letters,
        scale={a: v for a, v in scale.items() if a in letters},
        units={a: v for a, v in units.items() if a in letters},
        channel_names=names,
        name=stem(path),
        nodata=nodata,
    )


def _shrunk(full: tifffile.TiffPageSeries, level: tifffile.TiffPageSeries, axis: str) -> float:
    """How many pixels of the full resolution one pixel of a level is wide."""
    longer, shorter = (
        dict(zip(s.get_axes(squeeze=False), s.get_shape(squeeze=False), strict=True))
        for s in (full, level)
    )
    return longer.get(axis, 1) / shorter.get(axis, 1)


def _nodata(series: tifffile.TiffPageSeries) -> float | None:
    """Read the value of pixels that hold no data, which GDAL writes as text."""
    tag = series.keyframe.tags.get("GDAL_NODATA")
    try:
        return None if tag is None else float(str(tag.value).strip(" \0"))
    except ValueError:
        return None


def _letters(found: str, shape: Sequence[int]) -> str:
    """Axes of a file as letters of ``TCZYX``; what the file does not name is guessed."""
    letters = [{"S": "C"}.get(a, a) for a in found]
    if not set(letters) & (set(AXES) - {"Y", "X"}):
        return guess_axes(shape) if len(letters) > 2 else "".join(letters)
    free = iter([a for a in "ZTC" if a not in letters])
    return "".join(a if a in AXES else next(free, a) for a in letters)


class _Damage(logging.Filter):
    """Hears what tifffile says of a file in this thread, and keeps it from the terminal."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()
        self.messages: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the record."""
        if record.thread != self._thread:
            return True
        self.messages.append(record.getMessage())
        return False


@contextmanager
def _damage_found(path: Path) -> Iterator[None]:
    """Raise for a file whose pages tifffile could not all follow: it only logs that."""
    logger, damage = logging.getLogger("tifffile"), _Damage()
    logger.addFilter(damage)
    try:
        yield
    finally:
        logger.removeFilter(damage)
    if any("page offset" in m or "value offset" in m for m in damage.messages):
        raise InputError(_incomplete(path))


def _incomplete(path: Path) -> str:
    return f"{path} is incomplete: it ends before its last image. Copy or save it again."


def _check_complete(series: tifffile.TiffPageSeries, path: Path) -> None:
    """Compare where the pixels lie with how long the file is."""
    size = path.stat().st_size
    if series.dataoffset is not None:
        end = series.dataoffset + series.nbytes
    else:
        n = len(series.pages)
        pages = [series.pages[i] for i in (range(n) if n < 1000 else (0, n // 2, n - 1))]
        own = [p for p in pages if p is not None and p.parent is series.parent]
        ends = (
            offset + count
            for page in own
            for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)
        )
        end = max(ends, default=0)
    if end > size:
        raise InputError(_incomplete(path))


def _pixels(path: Path, series: tifffile.TiffPageSeries, level: int, shape: tuple[int, ...]) -> Any:
    """The pixels of a series in the byte order of the machine, as far from memory as it can be."""
    dtype = np.dtype(series.dtype).newbyteorder(series.keyframe.parent.byteorder)
    if series.dataoffset is not None and dtype.isnative:
        return np.memmap(path, dtype, "r", series.dataoffset, shape)
    if series.nbytes <= _SMALL_BYTES:
        return series.asarray().reshape(shape)
    import zarr

    squeeze = shape == series.get_shape(squeeze=True)
    file = tifffile.TiffFile(path)  # stays open as long as the array lives
    store = file.series[0].aszarr(level=level, squeeze=squeeze)
    weakref.finalize(store, file.close)
    array = zarr.open_array(store, mode="r")
    if series.keyframe.is_tiled:
        return array
    axes = series.get_axes(squeeze=squeeze)
    return Bands(array, axes.index("Y"), axes.index("X"))

"""TIFF: plain, ImageJ and OME."""

from __future__ import annotations

import math
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from ..arrays import Pick, picks_for
from ..errors import InputError
from ..image import Image
from .alpha import measured
from .axes import named
from .bands import Bands
from .calibration import read_calibration
from .damage import damage_found, incomplete
from .file_array import FileArray, check_pieces, composed, shown
from .files import some, stem
from .ome import missing_partners, open_tiff
from .planes import cut, whole_frames
from .several import chosen, tiff_images

_SMALL_BYTES = 2**28
"""What is read whole, if it cannot be memory-mapped."""
Place = tuple[int, int, int | None]
"""Where a series is found when its file is opened again: number, level and how many frames."""


def read_tiff(path: Path, axes: str = "", level: int = 0, series: int = 0) -> Image:
    """Open a TIFF: memory-mapped where it is plain, whole where it is small, else piece by piece.

    Raises
    ------
    InputError
        If the file is incomplete, or has no such level or image.
    """
    with damage_found(path) as damage, open_tiff(path) as file:
        images = tiff_images(file, path)
        others = chosen(path, [_in_words(image) for image in images], series)
        full = images[series]
        if not 0 <= level < len(full.levels):
            raise InputError(f"{path} has levels 0 to {len(full.levels) - 1}, not {level}.")
        _check_complete(full.levels[level], path)
        n_frames, gaps = whole_frames(full.levels[level], path, missing_partners(file, path))
        part = cut(full.levels[level], n_frames)
        size, nodata = read_calibration(file, full), _nodata(full)
        place = file.series.index(full), level, n_frames
        picks, letters = _picks(part, axes.upper())
        data = shown(_pixels(path, part, place), picks, path)
        split = _set_of(full) if full.is_multifile else ""
        notes = [*others, split, gaps, *damage.notes(), *size.notes]
    if isinstance(data, FileArray) and data.nbytes <= _SMALL_BYTES:
        data = np.asarray(data)
    scale = {a: s * (_shrunk(full, part, a) if a in "YX" else 1) for a, s in size.scale.items()}
    return Image(
        data,
        letters,
        scale={a: s for a, s in scale.items() if a in letters},
        units={a: u for a, u in size.units.items() if a in letters},
        channel_names=size.channel_names,
        name=stem(path),
        notes=tuple(note for note in notes if note),
        nodata=nodata,
    )


def describe_tiff(path: Path) -> list[str]:
    """Return the name and shape of each image in a TIFF."""
    with damage_found(path), open_tiff(path) as file:
        return [_in_words(image) for image in tiff_images(file, path)]


def _set_of(series: tifffile.TiffPageSeries) -> str:
    """What is said of an image that is split into several files."""
    pages = (page for page in series if page is not None)
    names = sorted({page.parent.filehandle.name for page in pages})
    return f"it is one image in {len(names)} files: {some(names, 3)}." if len(names) > 1 else ""


def _in_words(series: tifffile.TiffPageSeries) -> str:
    """Name and shape of one of several images."""
    lengths = zip(series.get_axes(squeeze=True), series.get_shape(squeeze=True), strict=True)
    shape = ", ".join(f"{a} {n}" for a, n in lengths)
    return f"{series.name} ({shape})" if series.name else shape


def _picks(series: tifffile.TiffPageSeries, axes: str) -> tuple[list[Pick], str]:
    """What is shown of each axis of a series, and the letters of what is shown.

    Parameters
    ----------
    axes
        Letters that were asked for, if any.
    """
    found, shape = series.get_axes(squeeze=False), series.get_shape(squeeze=False)
    picks: list[Any] = [range(n) for n in shape]
    if "S" in found:
        samples = found.index("S")
        picks[samples] = _as_pick(measured(series.keyframe, shape[samples]))
    there = [i for i, pick in enumerate(picks) if not isinstance(pick, int)]
    lengths = [len(picks[i]) for i in there]
    letters = named("".join(found[i] for i in there), lengths)
    long = "".join(a for a, n in zip(letters, lengths, strict=True) if n > 1 or a in "YX")
    fits, letters = picks_for(lengths, letters, axes or long)
    return composed(picks, fits), letters


def _as_pick(samples: list[int]) -> Pick:
    """Samples as what is shown of their axis: it goes where one is left."""
    if len(samples) == 1:
        return samples[0]
    return range(len(samples)) if samples == list(range(len(samples))) else tuple(samples)


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


def _check_complete(series: tifffile.TiffPageSeries, path: Path) -> None:
    """Compare where the pixels lie with how long the file is."""
    size = path.stat().st_size
    if series.dataoffset is not None:
        end = series.dataoffset + series.nbytes
    else:
        n = len(series.pages)
        pages = [series.pages[i] for i in (range(n) if n < 1000 else (0, n // 2, n - 1))]
        own = [p for p in pages if p is not None and p.parent is series.parent]
        if any(len(page.dataoffsets) < math.prod(page.chunked) for page in own):
            raise InputError(incomplete(path))
        ends = (
            offset + count
            for page in own
            for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)
        )
        end = max(ends, default=0)
    if end > size:
        raise InputError(incomplete(path))


def _pixels(path: Path, series: tifffile.TiffPageSeries, place: Place) -> Any:
    """The pixels of a series in the byte order of the machine, as far from memory as it can be."""
    shape = series.get_shape(squeeze=False)
    dtype = np.dtype(series.dtype).newbyteorder(series.keyframe.parent.byteorder)
    if series.dataoffset is not None and dtype.isnative:
        return np.memmap(path, dtype, "r", series.dataoffset, shape)
    if series.nbytes <= _SMALL_BYTES:
        return series.asarray().reshape(shape)
    import zarr

    i, level, n_frames = place
    file = open_tiff(path)  # stays open as long as the array lives
    store = cut(file.series[i].levels[level], n_frames).aszarr(level=0, squeeze=False)
    weakref.finalize(store, file.close)
    array: Any = zarr.open_array(store, mode="r")
    check_pieces(array, path)
    if series.keyframe.is_tiled:
        return array
    found = series.get_axes(squeeze=False)
    return Bands(array, found.index("Y"), found.index("X"))

"""Read a TIFF as an image: plain, ImageJ or OME."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile

from ..arrays import Array, Pick, picks_for
from ..errors import InputError
from ..image import AXES, Image, guess_axes
from .chunks import PiecewiseArray
from .file_array import FileArray, check_pieces, compose, show
from .files import first_few, stem
from .series import choose_series, tiff_images
from .tiff_calibration import read_calibration
from .tiff_damage import check_whole, cut, damage_found, whole_frames
from .tiff_ome import missing_partners, open_tiff
from .tiff_strips import Strips

_SMALL_BYTES = 2**28
"""Bytes up to which pixels are read whole, if they cannot be memory-mapped."""
_ALPHA = 1, 2
"""Kinds of extra samples of a TIFF that tell how opaque a pixel is."""
Place = tuple[int, int, int | None]
"""Number of a series, its level and its number of frames.

They are needed to find the series when its file is opened again.
"""


def read_tiff(path: Path, axes: str = "", level: int = 0, series: int = 0) -> Image:
    """Open a TIFF.

    Pixels that lie in one block, in the byte order of the machine, are memory-mapped. Others are
    read whole if they are few, else piece by piece when they are needed.

    Raises
    ------
    InputError
        If the file is incomplete, or has no such level or image.
    """
    with damage_found(path) as damage, open_tiff(path) as file:
        images = tiff_images(file, path)
        others = choose_series(path, [_in_words(image) for image in images], series)
        full = images[series]
        if not 0 <= level < len(full.levels):
            raise InputError(f"{path} has levels 0 to {len(full.levels) - 1}, not {level}.")
        check_whole(full.levels[level], path)
        n_frames, gaps = whole_frames(full.levels[level], path, missing_partners(file, path))
        part = cut(full.levels[level], n_frames)
        size, nodata = read_calibration(file, full), _nodata(full)
        place = file.series.index(full), level, n_frames
        picks, letters = _picks(part, axes.upper())
        data = show(_pixels(path, part, place), picks, path)
        note_on_files = _note_on_files(full) if full.is_multifile else ""
        notes = [*others, note_on_files, gaps, *damage.notes(), *size.notes]
    if isinstance(data, FileArray) and data.nbytes <= _SMALL_BYTES:
        data = np.asarray(data)
    scale = {a: s * (_shrinkage(full, part, a) if a in "YX" else 1) for a, s in size.scale.items()}
    return Image(
        data,
        letters,
        scale=scale,
        units=size.units,
        channel_names=size.channel_names,
        name=stem(path),
        notes=tuple(note for note in notes if note),
        nodata=nodata,
    )


def describe_tiff(path: Path) -> list[str]:
    """Return the name and shape of each image in a TIFF."""
    with damage_found(path), open_tiff(path) as file:
        return [_in_words(image) for image in tiff_images(file, path)]


def _note_on_files(series: tifffile.TiffPageSeries) -> str:
    """Return the note on an image that is split into several files."""
    pages = (page for page in series if page is not None)
    names = sorted({page.parent.filehandle.name for page in pages})
    if len(names) == 1:
        return ""
    return f"it is one image in {len(names)} files: {first_few(names, 3)}."


def _in_words(series: tifffile.TiffPageSeries) -> str:
    """Return the name and shape of one of several images."""
    lengths = zip(series.get_axes(squeeze=True), series.get_shape(squeeze=True), strict=True)
    shape = ", ".join(f"{a} {n}" for a, n in lengths)
    return f"{series.name} ({shape})" if series.name else shape


# ---- axes ----------------------------------------------------------------------------------------


def _picks(series: tifffile.TiffPageSeries, axes: str) -> tuple[list[Pick], str]:
    """Return the pick of each axis of a series, and the letters of the shown axes.

    Parameters
    ----------
    axes
        Letters that the user asked for; may be empty.
    """
    names, shape = series.get_axes(squeeze=False), series.get_shape(squeeze=False)
    picks: list[Pick] = [range(n) for n in shape]
    if "S" in names:
        samples = names.index("S")
        picks[samples] = _samples(series.keyframe, shape[samples])
    lengths = {i: len(pick) for i, pick in enumerate(picks) if isinstance(pick, range | tuple)}
    letters = _letters("".join(names[i] for i in lengths), list(lengths.values()))
    long = (a for a, n in zip(letters, lengths.values(), strict=True) if n > 1 or a in "YX")
    axes = axes or "".join(long)
    return compose(picks, picks_for(list(lengths.values()), letters, axes)), axes


def _samples(page: tifffile.TiffPage, n_samples: int) -> Pick:
    """Return the pick of the samples of a pixel that are colours or channels, not opacity.

    Opacity is no measurement. If all samples are opacity, all are picked. If only one sample is
    picked, the axis is dropped.
    """
    extra = [int(kind) for kind in page.extrasamples]
    first = n_samples - len(extra)
    alpha = {first + i for i, kind in enumerate(extra) if kind in _ALPHA}
    samples = [i for i in range(n_samples) if i not in alpha] or list(range(n_samples))
    if len(samples) == 1:
        return samples[0]
    return range(len(samples)) if samples == list(range(len(samples))) else tuple(samples)


def _letters(names: str, shape: Sequence[int]) -> str:
    """Return a letter for each axis of a file, from tifffile's names of them.

    An axis of length 1 is never guessed. It gets the letter of the file. If that is not of
    ``TCZYX``, or another axis has it, the letter is ``?``.
    """
    long = [i for i, n in enumerate(shape) if n > 1 or names[i] in "YX"]
    letters = _guessed("".join(names[i] for i in long), [shape[i] for i in long])
    by_place = dict(zip(long, letters, strict=True))
    return "".join(
        by_place.get(i) or (a if a in AXES and a not in letters else "?")
        for i, a in enumerate(names)
    )


def _guessed(names: str, shape: Sequence[int]) -> str:
    """Return letters of ``TCZYX`` for axes. Letters that the file does not tell are guessed."""
    letters = [{"S": "C"}.get(a, a) for a in names]
    if not set(letters) & (set(AXES) - {"Y", "X"}):
        return guess_axes(shape) if len(letters) > 2 else "".join(letters)
    free = iter([a for a in "ZTC" if a not in letters])
    return "".join(a if a in AXES else next(free, a) for a in letters)


def _shrinkage(full: tifffile.TiffPageSeries, level: tifffile.TiffPageSeries, axis: str) -> float:
    """Return how many pixels of the full resolution one pixel of a level is wide."""
    longer, shorter = (
        dict(zip(s.get_axes(squeeze=False), s.get_shape(squeeze=False), strict=True))
        for s in (full, level)
    )
    return longer.get(axis, 1) / shorter.get(axis, 1)


# ---- pixels --------------------------------------------------------------------------------------


def _nodata(series: tifffile.TiffPageSeries) -> float | None:
    """Return the value of pixels without data, which GDAL writes as text; None if there is none."""
    tag = series.keyframe.tags.get("GDAL_NODATA")
    try:
        return None if tag is None else float(str(tag.value).strip(" \0"))
    except ValueError:
        return None


def _pixels(path: Path, series: tifffile.TiffPageSeries, place: Place) -> Array:
    """Return the pixels of a series: memory-mapped, in memory if they are few, else lazy."""
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
    array: PiecewiseArray = zarr.open_array(store, mode="r")
    check_pieces(array, path)
    if series.keyframe.is_tiled:
        return array
    names = series.get_axes(squeeze=False)
    return Strips(array, names.index("Y"), names.index("X"))

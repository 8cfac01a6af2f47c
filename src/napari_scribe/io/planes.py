"""Planes of a TIFF that its metadata tell of, and that are not in the file."""

from __future__ import annotations

import math
from collections.abc import Sequence, Sized
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile

from ..errors import InputError
from .damage import surplus


def whole_frames(
    series: tifffile.TiffPageSeries, path: Path, missing_files: Sequence[str]
) -> tuple[int | None, str]:
    """Return how many frames there are where the last are missing, and what is to be said of it.

    An acquisition that was stopped lacks its last frames: these are left out. Other gaps cannot be
    left out, and would read as zeros.

    Returns
    -------
    length
        Of the slowest axis, in what can be read; None where that is all.
    note
        Empty where nothing is missing.

    Raises
    ------
    InputError
        If planes are missing elsewhere than at the end of T or Z.
    """
    lead = _leading(series)
    there = _planes(series, math.prod(lead))
    slow = next((i for i, n in enumerate(lead) if n > 1), 0)
    length = lead[slow] if lead else 1
    if there.all():
        is_more = bool(lead) and series.dataoffset is None and len(series) > len(there)
        return (length, surplus(len(series), len(there))) if is_more else (None, "")
    axes = series.get_axes(squeeze=False)[: len(lead)]
    missing = np.argwhere(~there.reshape(lead))
    files = f" ({', '.join(missing_files[:5])} {_is_are(missing_files)} not there)"
    files = files if missing_files else ""
    n_first = int(there.argmin())  # all before are there
    n_whole = n_first // (len(there) // length)
    if there[n_first:].any() or not n_whole or axes[slow] == "C":
        place = ", ".join(
            f"{a} {i} of 0 to {n - 1}"
            for a, i, n in zip(axes, missing[0], lead, strict=True)
            if n > 1
        )
        raise InputError(
            f"{path} is incomplete: of {len(there)} planes that it tells of, {len(missing)} "
            f"{_is_are(missing)} not in the file{files}, first that of "
            f"{place or 'the only frame'}. Copy it again with all its parts, or save what "
            "there is as a new file."
        )
    return n_whole, (
        f"of {length} frames along {axes[slow]} that it tells of, the last {length - n_whole} "
        f"{'is' if n_whole == length - 1 else 'are'} not in the file, or not whole{files}: "
        f"the first {n_whole} {'was' if n_whole == 1 else 'were'} read."
    )


def cut(series: tifffile.TiffPageSeries, n_frames: int | None) -> tifffile.TiffPageSeries:
    """Return the first frames of a series; the series itself where `n_frames` is None."""
    if n_frames is None:
        return series
    lead, shape = _leading(series), list(series.get_shape(squeeze=False))
    slow = next((i for i, n in enumerate(lead) if n > 1), 0)
    shape[slow] = n_frames
    n_planes = math.prod([*lead[:slow], n_frames, *lead[slow + 1 :]])
    pages = [series[i] for i in range(n_planes)]
    axes = series.get_axes(squeeze=False)
    return tifffile.TiffPageSeries(pages, shape, series.dtype, axes, parent=series.parent)


def _is_are(names: Sized) -> str:
    return "is" if len(names) == 1 else "are"


def _leading(series: tifffile.TiffPageSeries) -> list[int]:
    """Lengths of the axes along which a series has planes."""
    shape = series.get_shape(squeeze=False)
    n_planes = math.prod(shape) // max(series.keyframe.size, 1)
    lead: list[int] = []
    for n in shape:
        if math.prod(lead) >= n_planes:
            break
        lead.append(n)
    return lead


def _planes(series: tifffile.TiffPageSeries, n: int) -> npt.NDArray[np.bool_]:
    """Which of `n` planes are in the file."""
    if series.dataoffset is not None:  # one block, whose end is checked elsewhere
        return np.ones(n, bool)
    there = [page is not None for page in series][:n]
    return np.array(there + [False] * (n - len(there)))

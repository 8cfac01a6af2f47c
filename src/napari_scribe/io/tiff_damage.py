"""Find out whether a TIFF is whole: pages, planes and bytes that are not in the file."""

from __future__ import annotations

import logging
import math
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile

from ..errors import InputError
from ..wording import is_are

_SIGNS = "page offset", "value offset", "failed to reshape"
"""Parts of the messages that tifffile logs when it returns fewer planes than are declared."""
_CHECKED_PAGES = 1000
"""In a series with more pages, only the first, the middle and the last page are checked."""


# ---- what tifffile logs --------------------------------------------------------------------------


class Damage(logging.Filter):
    """Collect the messages that tifffile logs in this thread, so that they are not printed."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()
        self.messages: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        """Collect the message of a record of this thread."""
        if record.thread != self._thread:
            return True
        self.messages.append(record.getMessage())
        return False

    def notes(self) -> list[str]:
        """Return notes on planes that were left out."""
        counts = (re.search(r"expected (\d+) frames, got (\d+)", m) for m in self.messages)
        return [_surplus(int(m[2]), int(m[1])) for m in counts if m]


@contextmanager
def damage_found(path: Path) -> Iterator[Damage]:
    """Raise an error if tifffile could not find all pages of a file, because it only logs that.

    Raises
    ------
    InputError
        If the file is incomplete.
    """
    logger, damage = logging.getLogger("tifffile"), Damage()
    logger.addFilter(damage)
    try:
        yield damage
    finally:
        logger.removeFilter(damage)
    if any(sign in message for sign in _SIGNS for message in damage.messages):
        raise InputError(_incomplete(path))


def _surplus(n_planes: int, n_declared: int) -> str:
    """Return the note on planes that a file holds and its metadata do not declare."""
    return (
        f"it holds {n_planes} planes, and its metadata tell of {n_declared}: others were left out."
    )


def _incomplete(path: Path) -> str:
    """Return the error text for a file that ends too early."""
    return f"{path} is incomplete: it ends before its last image. Copy or save it again."


# ---- bytes ---------------------------------------------------------------------------------------


def check_whole(series: tifffile.TiffPageSeries, path: Path) -> None:
    """Check that the pixels of a series lie before the end of its file.

    Raises
    ------
    InputError
        If the file ends before.
    """
    if series.dataoffset is not None:
        end = series.dataoffset + series.nbytes
    else:
        n = len(series.pages)
        checked = range(n) if n < _CHECKED_PAGES else (0, n // 2, n - 1)
        pages = [series.pages[i] for i in checked]
        in_file = [p for p in pages if p is not None and p.parent is series.parent]
        if any(len(page.dataoffsets) < math.prod(page.chunked) for page in in_file):
            raise InputError(_incomplete(path))
        ends = (
            offset + count
            for page in in_file
            for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)
        )
        end = max(ends, default=0)
    if end > path.stat().st_size:
        raise InputError(_incomplete(path))


# ---- planes --------------------------------------------------------------------------------------


def whole_frames(
    series: tifffile.TiffPageSeries, path: Path, missing_files: Sequence[str]
) -> tuple[int | None, str]:
    """Count the frames that are whole.

    An acquisition that was stopped lacks its last frames. These are left out. Other missing planes
    cannot be left out, and would be read as zeros, so they are an error.

    Returns
    -------
    n_frames
        Length of the slowest axis, without missing frames; None if none is missing.
    note
        Text about the missing frames; empty if none is missing.

    Raises
    ------
    InputError
        If planes are missing elsewhere than at the end of T or Z.
    """
    lead = _leading(series)
    is_there = _planes(series, math.prod(lead))
    slowest = _slowest(lead)
    length = lead[slowest] if lead else 1
    if is_there.all():
        is_more = bool(lead) and series.dataoffset is None and len(series) > len(is_there)
        return (length, _surplus(len(series), len(is_there))) if is_more else (None, "")
    axes = series.get_axes(squeeze=False)
    n_before_gap = int(is_there.argmin())
    n_whole = n_before_gap // (len(is_there) // length)
    files = ""
    if missing_files:
        files = f" ({', '.join(missing_files[:5])} {is_are(len(missing_files))} not there)"
    if is_there[n_before_gap:].any() or not n_whole or axes[slowest] == "C":
        n_missing = int(np.count_nonzero(~is_there))
        indices = zip(axes, np.unravel_index(n_before_gap, lead), lead, strict=False)
        place = ", ".join(f"{a} {i} of 0 to {n - 1}" for a, i, n in indices if n > 1)
        raise InputError(
            f"{path} is incomplete: of {len(is_there)} planes that it tells of, {n_missing} "
            f"{is_are(n_missing)} not in the file{files}, first that of "
            f"{place or 'the only frame'}. Copy it again with all its parts, or save what "
            "there is as a new file."
        )
    return n_whole, (
        f"of {length} frames along {axes[slowest]} that it tells of, the last {length - n_whole} "
        f"{is_are(length - n_whole)} not in the file, or not whole{files}: "
        f"the first {n_whole} {'was' if n_whole == 1 else 'were'} read."
    )


def cut(series: tifffile.TiffPageSeries, n_frames: int | None) -> tifffile.TiffPageSeries:
    """Return the first frames of a series; the series itself when `n_frames` is None."""
    if n_frames is None:
        return series
    lead, shape = _leading(series), list(series.get_shape(squeeze=False))
    slowest = _slowest(lead)
    shape[slowest] = n_frames
    pages = [series[i] for i in range(math.prod(shape[: len(lead)]))]
    axes = series.get_axes(squeeze=False)
    return tifffile.TiffPageSeries(pages, shape, series.dtype, axes, parent=series.parent)


def _slowest(lead: Sequence[int]) -> int:
    """Return the number of the first axis that is longer than 1: frames lie along it."""
    return next((i for i, n in enumerate(lead) if n > 1), 0)


def _leading(series: tifffile.TiffPageSeries) -> list[int]:
    """Return the lengths of the axes along which a series has planes."""
    shape = series.get_shape(squeeze=False)
    n_planes = math.prod(shape) // max(series.keyframe.size, 1)
    lead: list[int] = []
    for n in shape:
        if math.prod(lead) >= n_planes:
            break
        lead.append(n)
    return lead


def _planes(series: tifffile.TiffPageSeries, n: int) -> npt.NDArray[np.bool_]:
    """Return which of `n` planes are in the file."""
    if series.dataoffset is not None:  # one block, whose end `check_whole` has checked
        return np.ones(n, bool)
    is_there = [page is not None for page in series][:n]
    return np.array(is_there + [False] * (n - len(is_there)))

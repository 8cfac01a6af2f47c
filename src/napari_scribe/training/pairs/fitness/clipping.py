"""Find grey levels that were cut off at the bright or the dark end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_SHARE = 1e-4
"""Smallest share of the pixels at an end that is reported."""
_SPIKE = 5.0
"""How much more often than the levels beside it a cut-off level occurs at least."""
_MAX_PIXELS = 4_000_000
"""Number of pixels that are looked at, at most."""


class Clipping(NamedTuple):
    """Hold the levels that were cut off, and their share of the pixels; 0 if none was cut off."""

    low: float
    low_share: float
    high: float
    high_share: float


def find_clipping(parts: Sequence[Array]) -> Clipping:
    """Look for plateaus at the ends of the grey levels of one kind of image.

    The largest value of an integer type is one. So is a largest or smallest level that occurs far
    more often than the levels beside it, such as 4095 of a camera of 12 bits. The many zeros of a
    detector that counts single photons are none: there, 1 is rarer than 0, and 2 is much rarer.
    """
    step = max(1, sum(p.size for p in parts) // _MAX_PIXELS)
    pixels = np.concatenate([p.ravel()[::step] for p in parts])
    values, counts = np.unique(pixels, return_counts=True)
    if len(values) < 8:
        return Clipping(0.0, 0.0, 0.0, 0.0)
    shares = counts / pixels.size
    is_limit = pixels.dtype.kind in "ui" and values[-1] == np.iinfo(pixels.dtype).max
    high = shares[-1] if is_limit or _is_spike(shares[::-1], counts[-1]) else 0.0
    is_counted = shares[1] >= 2 * shares[2]
    low = shares[0] if not is_counted and _is_spike(shares, counts[0]) else 0.0
    low, high = (float(s) if s > _SHARE else 0.0 for s in (low, high))
    return Clipping(float(values[0]), low, float(values[-1]), high)


def _is_spike(shares: npt.NDArray[np.float64], count: int) -> bool:
    """Return whether the first of some shares is far larger than those that follow."""
    return bool(count >= 20 and shares[0] > _SPIKE * shares[1:6].mean())

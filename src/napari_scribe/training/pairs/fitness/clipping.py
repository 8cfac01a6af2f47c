"""Find grey levels that were cut off at the bright or the dark end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ....arrays import Pixels

_SHARE = 1e-4
"""Smallest share of the pixels at an end that is reported."""
_SPIKE = 5.0
"""How much more often than the levels beside it a cut-off level occurs at least."""
_MAX_PIXELS = 4_000_000
"""Number of pixels that are looked at, at most."""


def find_clipping(parts: Sequence[Pixels]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Look for plateaus at the ends of the grey levels of one kind of image.

    The largest value of an integer type is one. So is a largest or smallest level that occurs far
    more often than the levels beside it, such as 4095 of a camera of 12 bits. The many zeros of a
    detector that counts single photons are none: there, 1 is rarer than 0, and 2 is much rarer.

    Returns
    -------
    low, high
        For the dark and the bright end, the share of the pixels that were cut off (0 if none was),
        and their level.
    """
    step = max(1, sum(p.size for p in parts) // _MAX_PIXELS)
    pixels = np.concatenate([p.ravel()[::step] for p in parts])
    values, counts = np.unique(pixels, return_counts=True)
    if len(values) < 8:
        return (0.0, 0.0), (0.0, 0.0)
    shares = counts / pixels.size
    is_limit = pixels.dtype.kind in "ui" and values[-1] == np.iinfo(pixels.dtype).max
    high = shares[-1] if is_limit or _is_spike(shares[::-1], counts[-1]) else 0.0
    is_counted = shares[1] >= 2 * shares[2]
    low = shares[0] if not is_counted and _is_spike(shares, counts[0]) else 0.0
    low, high = (float(s) if s > _SHARE else 0.0 for s in (low, high))
    return (low, float(values[0])), (high, float(values[-1]))


def _is_spike(shares: npt.NDArray[np.float64], count: int) -> bool:
    """Return whether the first of some shares is far larger than those that follow."""
    return bool(count >= 20 and shares[0] > _SPIKE * shares[1:6].mean())

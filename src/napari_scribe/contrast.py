"""Find what makes contrast hard to measure: offsets, borders without data, sparse objects."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .arrays import Pixels

Nodata = tuple[float | None, ...]
"""Value of pixels without data, one per channel; None if a channel has none."""
STEPS = 2**12
"""Grey levels that a contrast has to span in single precision; else an origin is subtracted."""
FAR = 10.0
"""Least distance of a border without data from the other pixels, in units of their contrast."""
NOISE_ALONE = 6.0
"""Largest contrast of an empty field, in units of its noise; the usual contrast is 5.2 to 5.8."""
BEYOND = 0.5
"""Least distance of objects from the noise, in units of the contrast of the noise."""
_MEAN_TO_SIGMA = math.sqrt(math.pi) / 2
"""Standard deviation of Gaussian noise, divided by the mean difference of two pixels."""


def noise_of(row: Pixels) -> np.float32:
    """Return the standard deviation of noise, from differences of neighbouring pixels ``(n,)``."""
    with np.errstate(over="ignore"):
        mean = np.abs(np.diff(row, prepend=row[:1])).mean()
    if not np.isfinite(mean):  # the sum is too large for single precision
        mean = np.abs(np.diff(row.astype(np.float64), prepend=row[:1])).mean()
    return np.float32(_MEAN_TO_SIGMA * mean)


def missing_in(pixels: Pixels, nodata: Nodata) -> npt.NDArray[np.bool_]:
    """Find the pixels ``(C, ...)`` without data: their value is one such as -9999 or NaN."""
    missing = np.zeros(pixels.shape, bool)
    for out, channel, value in zip(missing, pixels, nodata, strict=True):
        if value is None:
            continue
        if np.isnan(value):
            np.isnan(channel, out=out)
        elif channel.dtype.kind == "f":  # files write the value with few digits
            bounds = np.sort(np.float64(value) * (1 + np.array([-1e-5, 1e-5])))
            out[...] = (channel >= bounds[0]) & (channel <= bounds[1])
        else:
            out[...] = channel == value
    return missing


def border_of(row: Pixels, percentiles: Sequence[float]) -> float | None:
    """Find the value of a border without data that the file does not declare; None without one.

    The value is the lowest of the image (of floats, it may also be the highest), and many pixels
    have it. It lies far from all other values, or it is the only negative value. The other pixels
    have more contrast than their noise. A dark background that fills most of an image is no
    border, unless it is the only negative value. Saturated integers are no border either.

    Parameters
    ----------
    row
        ``(n,)`` pixels of one channel.
    percentiles
        The two percentiles whose difference is the contrast.
    """
    for is_low in (True, False) if row.dtype.kind == "f" else (True,):
        value = row.min() if is_low else row.max()
        if not np.isfinite(value):
            return None
        is_border = row == value
        share = is_border.mean()
        if 100 * share < (percentiles[0] if is_low else 100 - percentiles[1]) or share == 1:
            continue
        others = row[~is_border].astype(np.float64)
        is_only_negative = is_low and value < 0 <= others.min()
        if share > 0.5 and not is_only_negative:
            continue
        low, high = np.percentile(others, percentiles)
        gap = others.min() - float(value) if is_low else float(value) - others.max()
        is_apart = is_only_negative or gap > FAR * (high - low)
        if is_apart and high - low > NOISE_ALONE * noise_of(others):
            return float(value)
    return None


def origin_of(row: Pixels, percentiles: Sequence[float]) -> Any:
    """Find what to subtract from pixels ``(n,)`` before they become single precision.

    Returns
    -------
    origin
        One of the pixels, in their type; 0 if single precision is good enough.
    """
    zero = row.dtype.type(0)
    is_exact = row.dtype.kind == "b" or row.dtype.itemsize <= 2 or row.dtype == np.float32
    if is_exact or not row.size:
        return zero
    largest = max(abs(float(row.min())), abs(float(row.max())))
    if largest > float(np.finfo(np.float32).max) or (row.dtype.kind in "iu" and largest < 2**24):
        return zero
    first, last = np.percentile(row, percentiles, method="nearest")
    if first == last:
        first, last = row.min(), row.max()
    contrast = float(shifted(np.array([last]), first)[0])
    return first if 0 < contrast < STEPS * float(np.spacing(np.float32(largest))) else zero


def shifted(pixels: Pixels, origin: Pixels | np.generic) -> Pixels:
    """Subtract an origin from pixels without a loss of precision; integers become signed."""
    if pixels.dtype.kind not in "iu":
        moved: Pixels = pixels - origin
        return moved
    wide = np.uint64 if pixels.dtype == np.uint64 else np.int64
    difference: Pixels = pixels.astype(wide) - np.asarray(origin).astype(wide)  # wraps at 2**64
    return difference.view(np.int64)


def standing_out(
    blocks: Iterable[Pixels], low: np.float32, high: np.float32
) -> tuple[np.float32, np.float32]:
    """Widen the levels of the noise to those of objects beyond it, however few there are.

    A pixel belongs to an object if it lies beyond the noise, and so do at least five of the 3 x 3
    pixels around it. Single hot pixels, pairs of them and cosmic rays therefore count as noise.

    Parameters
    ----------
    blocks
        ``(h, w)`` each, finite.
    low, high
        The levels between which the noise lies.

    Returns
    -------
    low, high
        The levels of dark and of bright objects; those of the noise if there are none.
    """
    from scipy import ndimage

    def object_pixels(block: Pixels, beyond: npt.NDArray[np.bool_]) -> Pixels:
        """Return the pixels beyond the noise that have enough such pixels around them."""
        if not beyond.any():
            return block[:0, 0]
        share = ndimage.uniform_filter(beyond.astype(np.float32), 3, mode="nearest")
        pixels: Pixels = block[beyond & (share > 0.5)]
        return pixels

    # In double precision, because the levels of very bright images lie beyond single precision.
    margin = BEYOND * (np.float64(high) - np.float64(low))
    dark, bright = [np.zeros(0)], [np.zeros(0)]
    for block in blocks:
        dark.append(object_pixels(block, block < low - margin))
        bright.append(object_pixels(block, block > high + margin))
    tails = np.concatenate(dark), np.concatenate(bright)
    if tails[0].size:
        low = np.float32(np.percentile(tails[0], 10))
    if tails[1].size:
        high = np.float32(np.percentile(tails[1], 90))
    return low, high

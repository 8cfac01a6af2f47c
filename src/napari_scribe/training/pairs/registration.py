"""Register two noisy pictures: measure the drift between them, to a fraction of a pixel."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage
from skimage.registration import phase_cross_correlation

from ...arrays import Floats, Pixels
from ...windows import Window, intersect, shift, whole

SMALLEST = 16
"""Pixels along Y and X that both pictures must show."""
_FINE, _COARSE = 1.0, 12.0
"""Sigmas in pixels of a band-pass: finer detail is mostly noise, coarser mostly uneven light."""
_UPSAMPLE = 20
_PAD = 16


def measure_drift(first: Pixels, second: Pixels) -> tuple[Floats, Floats]:
    """Measure the drift: how far the content has moved from the first picture to the second.

    The peak of the cross-correlation after a band-pass is where the pictures agree best in the
    sense of least squares, so noise hurts it least. It is measured again on the part that both
    pictures show.

    Parameters
    ----------
    first, second
        ``(C, *spatial)``, of one shape.

    Returns
    -------
    drift, error
        One per spatial axis, in pixels. The standard error is infinite if the drift is unknown.
    """
    a, b = (_band_pass(picture) for picture in _merge_channels(first, second))
    drift = _peak(a, b, 1)
    for _ in range(3):
        one, other = common_part(a, b, [round(d) for d in drift])
        if min(one.shape[-2:]) < SMALLEST:
            break
        correction = _peak(one, other, _UPSAMPLE)
        drift = np.round(drift) + correction
        if np.abs(correction).max() < 1:
            return drift, _standard_error(one, other)
    return np.zeros(a.ndim), np.full(a.ndim, np.inf)


def common_window(shape: Sequence[int], drift: Sequence[int]) -> Window:
    """Return the window of a picture that another one also shows, after a drift of whole pixels."""
    return intersect(whole(shape), shift(whole(shape), [-d for d in drift]))


def common_part(first: Pixels, second: Pixels, drift: Sequence[int]) -> tuple[Pixels, Pixels]:
    """Cut two pictures to the part that both show, if the second has drifted by whole pixels.

    Parameters
    ----------
    first, second
        ``(..., *spatial)``, of one shape.
    """
    window = common_window(first.shape[-len(drift) :], drift)
    one: tuple[Any, ...] = (..., *window)
    other: tuple[Any, ...] = (..., *shift(window, drift))
    return first[one], second[other]


def move(pixels: Pixels, by: Sequence[float] | Floats) -> npt.NDArray[np.float32]:
    """Move content ``(C, *spatial)`` by a fraction of a pixel.

    The phases of its Fourier transform are shifted, so that white noise stays white: interpolation,
    as in `scipy.ndimage.shift`, would smooth it.
    """
    if not np.any(by):
        return pixels.astype(np.float32)
    axes = tuple(range(1, pixels.ndim))
    pads = [min(_PAD, n - 1) for n in pixels.shape[1:]]
    padded = np.pad(pixels.astype(np.float32), [(0, 0), *((p, p) for p in pads)], mode="reflect")
    spectrum = fft.rfftn(padded, axes=axes)
    for plane in spectrum:
        plane[...] = ndimage.fourier_shift(plane, by, n=padded.shape[-1])
    moved = fft.irfftn(spectrum, padded.shape[1:], axes=axes)
    inside = shift(whole(pixels.shape[1:]), pads)
    return np.asarray(moved[(slice(None), *inside)], dtype=np.float32)


def _merge_channels(first: Pixels, second: Pixels) -> Pixels:
    """Add up the channels of each picture, each divided by its noise."""
    pictures = np.stack([first, second]).astype(np.float32)
    axes = tuple(range(2, pictures.ndim))
    noise = np.hypot(*np.diff(pictures).std(axis=axes))
    noise[noise == 0] = 1
    centred = pictures - pictures.mean(axis=axes, keepdims=True)
    return np.asarray((centred / noise.reshape(-1, *[1] * len(axes))).sum(axis=1))


def _band_pass(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Remove the finest and the coarsest structure, by a difference of Gaussians."""
    # skimage.filters.difference_of_gaussians truncates both kernels at the same number of sigmas:
    # the coarse one would take longer, or the fine one would be less exact.
    coarse = [min(_COARSE, n / 4) for n in pixels.shape]
    fine = ndimage.gaussian_filter(pixels, _FINE, truncate=3)
    return np.asarray(fine - ndimage.gaussian_filter(pixels, coarse, truncate=2))


def _peak(a: Pixels, b: Pixels, upsample: int) -> Floats:
    """Measure the drift from `a` to `b` where their cross-correlation peaks."""
    # scipy.signal.windows.tukey is the same taper, but importing it takes longer than a check.
    edges = (np.minimum(np.arange(n) + 1, n - np.arange(n)) / max(1, n // 8) for n in a.shape)
    tapers = (np.sin(np.pi / 2 * np.minimum(edge, 1)) ** 2 for edge in edges)
    taper = functools.reduce(np.multiply.outer, tapers).astype(np.float32)
    if not (a * taper).any() or not (b * taper).any():
        return np.zeros(a.ndim)
    # Without normalization, which would weight all frequencies alike, and most of them are noise.
    drift, *_ = phase_cross_correlation(
        a * taper, b * taper, upsample_factor=upsample, normalization=None
    )
    return -np.asarray(drift, dtype=np.float64)


def _standard_error(a: Pixels, b: Pixels) -> Floats:
    """Estimate the standard error of a drift, one per axis, from two pictures aligned to a pixel.

    It is that of a least squares fit of their difference to the gradient of their sum. Noise adds
    as much to the gradient of the sum as to that of the difference, so the latter is subtracted.
    """
    gain = float((a * b).sum()) / max(float(np.square(b).sum()), 1e-30)
    if gain <= 0:
        return np.full(a.ndim, np.inf)
    b = b * np.float32(gain)
    difference = b - a
    sum_gradient, difference_gradient = _gradients(a + b), _gradients(difference)
    axes = tuple(range(1, a.ndim + 1))
    slope = (np.square(sum_gradient).sum(axes) - np.square(difference_gradient).sum(axes)) / 2
    # The band-pass has smoothed the noise in the difference: it is counted as if it were white.
    spread = np.stack([ndimage.gaussian_filter(g, _FINE, truncate=3) for g in sum_gradient])
    white = np.square(difference) * (4 * np.pi * _FINE**2) ** (a.ndim / 2)
    error = np.sqrt((np.square(spread) * white).sum(axes))
    return np.where(slope > 0, error / np.maximum(slope, 1e-30), np.inf).astype(np.float64)


def _gradients(pixels: Pixels) -> Pixels:
    """Return the gradient along each axis; 0 along an axis of one pixel."""
    sides = enumerate(pixels.shape)
    return np.stack([np.gradient(pixels, axis=i) if n > 1 else 0 * pixels for i, n in sides])

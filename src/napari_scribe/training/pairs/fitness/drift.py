"""By how much one picture lies further on than another, to a fraction of a pixel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage
from skimage.registration import phase_cross_correlation

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

SMALLEST = 16
"""Pixels along Y and X that both pictures must show."""
_FINE, _COARSE = 1.0, 12.0
"""Sigmas, in pixels: what is finer is mostly noise, what is coarser mostly uneven light."""
_UPSAMPLE = 20
_PAD = 16


def drift_between(first: Array, second: Array) -> tuple[Floats, Floats]:
    """Measure how much further on the second picture's content lies.

    Cross-correlation of what is left between two Gaussians: its peak is where the pictures agree
    best in the sense of least squares, so noise hurts it least. Then again on what both show.

    Parameters
    ----------
    first, second
        ``(C, *spatial)``, of one shape.

    Returns
    -------
    shift, error
        One a spatial axis, in pixels: the standard error is infinite where nothing can be said.
    """
    a, b = (_band(merged) for merged in _merged(first, second))
    shift = _peak(a, b, 1)
    for _ in range(3):
        one, other = overlap(a, b, [round(s) for s in shift])
        if min(one.shape[-2:]) < SMALLEST:
            break
        rest = _peak(one, other, _UPSAMPLE)
        shift = np.round(shift) + rest
        if np.abs(rest).max() < 1:
            return shift, _standard_error(one, other)
    return np.zeros(a.ndim), np.full(a.ndim, np.inf)


def overlap(first: Array, second: Array, shift: Sequence[int]) -> tuple[Array, Array]:
    """What both show, where the second's content lies `shift` whole pixels further on.

    Parameters
    ----------
    first, second
        ``(..., *spatial)``, of one shape.
    """
    sides = list(zip(first.shape[-len(shift) :], shift, strict=True))
    one: list[Any] = [slice(max(0, -s), max(0, min(n, n - s))) for n, s in sides]
    other: list[Any] = [slice(max(0, s), max(0, min(n, n + s))) for n, s in sides]
    return first[(..., *one)], second[(..., *other)]


def moved(pixels: Array, shift: Sequence[float]) -> npt.NDArray[np.float32]:
    """Move content ``(C, *spatial)`` on by a fraction of a pixel.

    By its Fourier phases, so that white noise stays white: all other ways smooth it.
    """
    if not any(shift):
        return pixels.astype(np.float32)
    axes = tuple(range(1, pixels.ndim))
    pads = [min(_PAD, n - 1) for n in pixels.shape[1:]]
    padded = np.pad(pixels.astype(np.float32), [(0, 0), *((p, p) for p in pads)], mode="reflect")
    spectrum = fft.rfftn(padded, axes=axes)
    for plane in spectrum:
        plane[...] = ndimage.fourier_shift(plane, shift, n=padded.shape[-1])
    whole = fft.irfftn(spectrum, padded.shape[1:], axes=axes)
    inside = tuple(slice(p, p + n) for p, n in zip(pads, pixels.shape[1:], strict=True))
    return np.asarray(whole[(slice(None), *inside)], dtype=np.float32)


def _merged(first: Array, second: Array) -> Iterator[npt.NDArray[np.float32]]:
    """All channels of each as one picture; every channel is as strong as it rises above noise."""
    noise = [
        np.hypot(np.diff(a).std(), np.diff(b).std()) for a, b in zip(first, second, strict=True)
    ]
    for picture in (first, second):
        total = np.zeros(picture.shape[1:], np.float32)
        for channel, strength in zip(picture.astype(np.float32), noise, strict=True):
            total += (channel - channel.mean()) / np.float32(strength or 1)
        yield total


def _band(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    coarse = [min(_COARSE, n / 4) for n in pixels.shape]
    fine = ndimage.gaussian_filter(pixels, _FINE, truncate=3)
    return np.asarray(fine - ndimage.gaussian_filter(pixels, coarse, truncate=2))


def _peak(a: Array, b: Array, upsample: int) -> Floats:
    """Where `b` goes best with `a`."""
    taper = np.ones(a.shape, np.float32)
    for axis, n in enumerate(a.shape):
        shape = [-1 if i == axis else 1 for i in range(a.ndim)]
        edge = np.minimum(np.arange(1, n + 1), np.arange(n, 0, -1)) / max(1, n // 8)
        taper *= (np.sin(np.pi / 2 * np.minimum(edge, 1)) ** 2).astype(np.float32).reshape(shape)
    if not (a * taper).any() or not (b * taper).any():
        return np.zeros(a.ndim)
    shift, *_ = phase_cross_correlation(
        a * taper, b * taper, upsample_factor=upsample, normalization=None
    )
    return -np.asarray(shift, dtype=np.float64)


def _standard_error(a: Array, b: Array) -> Floats:
    """Of a shift between two pictures that are aligned to a pixel, one an axis.

    Least squares of their difference on the gradient. Noise steepens the gradient of the sum just
    as it does that of the difference, which is taken off.
    """
    brighter = float((a * b).sum()) / max(float(np.square(b).sum()), 1e-30)
    if brighter <= 0:
        return np.full(a.ndim, np.inf)
    b = b * np.float32(brighter)
    difference = b - a
    steep, faint = _gradients(a + b), _gradients(difference)
    axes = tuple(range(1, a.ndim + 1))
    slope = (np.square(steep).sum(axes) - np.square(faint).sum(axes)) / 2
    # Noise in the difference is smooth: it is counted where the smoothing is undone.
    spread = np.stack([ndimage.gaussian_filter(g, _FINE, truncate=3) for g in steep])
    white = np.square(difference) * (4 * np.pi * _FINE**2) ** (a.ndim / 2)
    error = np.sqrt((np.square(spread) * white).sum(axes))
    return np.where(slope > 0, error / np.maximum(slope, 1e-30), np.inf).astype(np.float64)


def _gradients(pixels: Array) -> Array:
    """One an axis; 0 along an axis of one pixel."""
    steps = (
        np.gradient(pixels, axis=axis) if n > 1 else np.zeros_like(pixels)
        for axis, n in enumerate(pixels.shape)
    )
    return np.stack([np.asarray(step) for step in steps])

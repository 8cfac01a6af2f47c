"""Is what a denoiser took away only noise? Read from the difference of the two images alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from ..arrays import check_finite
from ..errors import InputError
from ..image import Frame, Image
from .images import same_size
from .removed import Direction, Removed

Floats = npt.NDArray[np.float64]
Block = tuple[Floats, Floats]
"""What was removed from a part of a plane, and the result there."""

SAMPLE = 2_000_000
"""How many pixels of a channel are looked at, at most."""
LAGS = 8
"""How far apart two pixels may lie that are compared, in pixels."""
SMOOTHING = 1.5
"""Sigma over which local means are taken, in pixels: noise averages out, structure stays."""
Z_SCORE = 5.0
"""How many standard errors count as what chance may give."""
_ROUNDING = 1e-6
"""Part of the brightest pixel up to which a difference is one of float32, not noise."""
_SIDE = 256
_SMALLEST = 32
_DIFFERENCES = np.outer([1, -2, 1], [1, -2, 1])
"""Blind to smooth shades and straight edges: what it answers to is noise, and fine texture."""


def check_removed(noisy: Any, denoised: Any, seed: int = 0) -> Removed:
    """Check that a denoiser took away noise and nothing else.

    Structure does not show in a single pixel of what was removed, as noise is stronger, but in its
    local means. Noise whose strength follows the signal, as that of photons, is no finding: its
    mean does not follow.

    Parameters
    ----------
    noisy, denoised
        Images, arrays or files with the same number of pixels along every axis of ``TCZYX``, in
        the same units, at least 32 along Y and X. Planes are looked at one by one, in seeded
        blocks of about 2 million pixels a channel: both may be lazy.
    seed
        Chooses the blocks.

    Returns
    -------
    removed
        Of several channels, that of the worst one.

    Raises
    ------
    InputError
        If sizes differ, there are NaN or infinite pixels in what is looked at, the noisy image is
        flat, or the two images are the same up to an offset.
    """
    noisy, denoised = same_size(noisy, denoised)
    smallest = min(noisy.length("Y"), noisy.length("X"))
    if smallest < _SMALLEST:
        raise InputError(
            f"{noisy.name} is {smallest} pixels wide: {_SMALLEST} are needed to tell noise from "
            "structure."
        )
    pairs = list(_blocks(noisy, denoised, np.random.default_rng(seed)))
    channels = {c: [(r[c], d[c]) for r, d in pairs] for c in range(noisy.n_channels)}
    seen = {channel: blocks for channel, blocks in channels.items() if not _is_flat(blocks)}
    if not seen:
        raise InputError(f"{noisy.name} is the same everywhere: there is no noise in it.")
    found = [
        _measure(blocks, channel if noisy.n_channels > 1 else None)
        for channel, blocks in seen.items()
        if any(removed.any() for removed, _ in blocks)
    ]
    if not found:
        raise InputError(
            f"Nothing was removed: {noisy.name} and {denoised.name} are the same image. Give the "
            "noisy one and the denoised one."
        )
    return max(found, key=lambda removed: removed.excess)


def _blocks(noisy: Image, denoised: Image, rng: np.random.Generator) -> Iterator[Block]:
    """Blocks ``(C, Y, X)`` drawn from a grid, so that none overlap; of mean 0 what was removed."""
    frames = list(noisy.frames(2))
    edges = [np.linspace(0, n, 1 + max(1, n // _SIDE)).astype(int) for n in noisy.frame_shape(2)]
    grid = [len(frames), *(len(e) - 1 for e in edges)]
    wanted = max(1, SAMPLE * math.prod(grid[1:]) // math.prod(noisy.frame_shape(2)))
    n = math.prod(grid)
    for at in np.sort(rng.choice(n, min(n, wanted), replace=False)):
        frame, *cells = np.unravel_index(at, grid)
        window = [slice(int(e[i]), int(e[i + 1])) for e, i in zip(edges, cells, strict=True)]
        before, after = (_read(image, frames[frame], window) for image in (noisy, denoised))
        removed = before - after
        removed -= removed.mean(axis=(1, 2), keepdims=True)
        largest, brightest = (np.abs(pixels).max(axis=(1, 2)) for pixels in (removed, before))
        removed[largest <= _ROUNDING * brightest] = 0
        yield removed, after


def _is_flat(blocks: list[Block]) -> bool:
    """Whether a channel of the noisy image holds nothing."""
    noisy = [removed + result for removed, result in blocks]
    return all(np.ptp(n) <= _ROUNDING * max(1e-30, np.abs(n).max()) for n in noisy)


def _read(image: Image, frame: Frame, window: list[slice]) -> Floats:
    block: Floats = image.read(frame, window).astype(np.float64)
    check_finite(block, image.name)
    return block


def _measure(blocks: list[Block], channel: int | None) -> Removed:
    """All numbers of one channel."""
    power, error = (sum(arrays) for arrays in zip(*map(_autocorrelation, blocks), strict=True))
    variance = power[LAGS, LAGS]
    alike = power / variance
    alike[LAGS, LAGS] = -1.0
    largest = tuple(np.unravel_index(alike.argmax(), alike.shape))
    brightness, chance_brightness, share = _follows(blocks, _local_mean)
    edges, chance_edges, _ = _follows(blocks, _peaks)
    return Removed(
        autocorrelation=float(alike[largest]),
        direction=_direction(alike),
        brightness=brightness,
        edges=edges,
        share=share,
        left=_differences(result for _, result in blocks)
        / _differences(removed + result for removed, result in blocks),
        chance_autocorrelation=Z_SCORE * float(np.sqrt(error[largest])) / float(variance),
        chance_brightness=chance_brightness,
        chance_edges=chance_edges,
        n_pixels=sum(removed.size for removed, _ in blocks),
        channel=channel,
    )


def _differences(planes: Iterable[Floats]) -> float:
    return sum(float(np.abs(ndimage.convolve(p, _DIFFERENCES)).sum()) for p in planes)


def _autocorrelation(block: Block) -> tuple[Floats, Floats]:
    """Sums over all pairs of pixels, ``(17, 17)`` by shift: of products, and of their squares.

    The squares are the variance of the products where pixels are independent, of whatever
    strength each of them is.
    """
    removed, _ = block
    shape = [fft.next_fast_len(n + LAGS, real=True) for n in removed.shape]
    shifts = np.arange(-LAGS, LAGS + 1)

    def pairs(pixels: Floats) -> Floats:
        spectrum = np.abs(fft.rfft2(pixels, shape)) ** 2
        sums: Floats = fft.irfft2(spectrum, shape)[np.ix_(shifts, shifts)]
        return sums

    return pairs(removed), np.maximum(pairs(np.square(removed)), 0)


def _direction(alike: Floats) -> Direction:
    """Which shifts stand out: one direction does where it is twice as alike as any other."""
    along_rows = alike[LAGS, LAGS + 1 :].max()
    along_columns = alike[LAGS + 1 :, LAGS].max()
    slanted = np.delete(np.delete(alike, LAGS, 0), LAGS, 1).max()
    if along_rows > 2 * max(along_columns, slanted):
        return "rows"
    return "columns" if along_columns > 2 * max(along_rows, slanted) else "all round"


def _follows(
    blocks: list[Block], feature: Callable[[Floats], Floats]
) -> tuple[float, float, float]:
    """How the local mean of what was removed goes with a feature of the result.

    Returns the correlation, what chance gives for it, and the slope. Chance lets the strength of
    noise differ from pixel to pixel: smoothing is moved from the noise to the feature, whose
    product with each pixel's own noise then has a variance that is known.
    """
    product, removed_power, feature_power, error = 0.0, 0.0, 0.0, 0.0
    for removed, result in blocks:
        followed = feature(result)
        followed = followed - followed.mean()
        smooth = _local_mean(removed)
        product += float((smooth * followed).sum())
        removed_power += float(np.square(smooth).sum())
        feature_power += float(np.square(followed).sum())
        error += float(np.square(removed * _local_mean(followed)).sum())
    if not feature_power:
        return 0.0, 0.0, 0.0
    scale = math.sqrt(removed_power * feature_power)
    return product / scale, Z_SCORE * math.sqrt(error) / scale, product / feature_power


def _local_mean(plane: Floats) -> Floats:
    smooth: Floats = ndimage.gaussian_filter(plane, SMOOTHING)
    return smooth


def _peaks(plane: Floats) -> Floats:
    """Above 0 on peaks and inside rims, below 0 in gaps and outside them."""
    peaks: Floats = -ndimage.gaussian_laplace(plane, SMOOTHING)
    return peaks

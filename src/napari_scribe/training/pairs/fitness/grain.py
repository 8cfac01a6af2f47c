"""Whether noise of neighbouring pixels goes together: stripes, smoothing, compression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

LAGS = 4
"""How far apart two pixels may lie that are compared, in pixels."""
_BLOCK = 32
_JPEG = 8
"""Side of the blocks of JPEG and of video, in pixels."""
_BANDS = (0.65, 0.8), (0.8, 0.95)
"""Of frequencies, 1 being the finest, where hardly any microscope shows structure."""
_WIDE = (0.3, 0.45), (0.8, 0.95)
"""Those that are compared where the finest details are nothing but rounding."""


@dataclass(frozen=True)
class Grain:
    """Correlations of noise with itself ``(2 * LAGS + 1, 2 * LAGS + 1)`` by shift along Y and X.

    The middle one, of a pixel with itself, is 1. `error` is what chance gives.
    """

    correlation: Floats
    error: Floats


def grain_of_pair(
    first: Array, second: Array, is_moving: npt.NDArray[np.bool_] | None = None
) -> Grain | None:
    """Autocorrelation of the difference of two aligned pictures ``(*spatial)``.

    Looked at is the half with the least structure: what is left of a drift shows there least.
    Every pixel counts in units of the noise around it.

    Returns
    -------
    grain
        None where the pictures do not differ.
    """
    difference = np.subtract(first, second, dtype=np.float32)
    planes = [0.0] * (difference.ndim - 2)
    difference -= ndimage.gaussian_filter(difference, [*planes, 8, 8], truncate=3)
    steep = _steepness(np.add(first, second, dtype=np.float32))
    quiet = steep <= np.median(steep)
    if is_moving is not None:
        quiet &= ~is_moving
    local = np.sqrt(ndimage.uniform_filter(difference**2, 9))
    typical = float(local[quiet].mean()) if quiet.any() else 0.0
    if typical <= 0:
        return None
    noise = np.where(quiet, difference / np.maximum(local, 0.1 * typical), 0)
    products, squares = _shifted_sums(noise), _shifted_sums(noise**2)
    counts = _shifted_sums(quiet.astype(np.float32))
    variance = float((noise**2).sum()) / float(quiet.sum())
    scale = np.maximum(counts, 1) * variance
    return Grain(products / scale, np.sqrt(np.maximum(squares, 0)) / scale)


class Fine(NamedTuple):
    """What the finest details of a picture tell of its noise.

    Parameters
    ----------
    correlation
        Of neighbouring pixels (below 0 where sharpened).
    stripes
        How much more rows differ from each other than noise allows, in units of its standard
        deviation.
    blocks
        How much steeper than other steps those at every eighth pixel are: 1 where there are none.
    """

    correlation: float
    stripes: float
    blocks: float


def grain_of_one(picture: Array, rounding: float = 0.0) -> Fine:
    """How alike neighbouring pixels of noise are, from one picture ``(Y, X)`` alone.

    White noise is as strong in the finest details as in those a little coarser, a smoothed one is
    weaker. From how much weaker follows the correlation of neighbours. Looked at is the half of
    the blocks with the least structure.

    Parameters
    ----------
    picture
        Pixels, or their difference from other ones.
    rounding
        Variance of rounding to whole grey levels, which would hide that finer noise is missing.
    """
    blocks = _blocks(picture.astype(np.float64))
    if not len(blocks):
        return Fine(0.0, 0.0, 1.0)
    coarse = blocks.reshape(len(blocks), 4, _BLOCK // 4, 4, _BLOCK // 4).mean(axis=(2, 4))
    even = coarse.std(axis=(1, 2)) / np.maximum(blocks.std(axis=(1, 2)), 1e-12)
    blocks = blocks[even <= np.median(even)]
    steep = min(_block_edges(picture), _block_edges(picture.T))
    return Fine(_tilt(blocks, rounding), _stripes(blocks), steep)


def _block_edges(picture: Array) -> float:
    """Of a picture that was compressed in blocks of 8 pixels, how steep are columns at an edge."""
    steps = np.abs(np.diff(picture.astype(np.float64), axis=1)).mean(axis=0)
    around = ndimage.median_filter(steps, _JPEG + 1, mode="nearest")
    ratio = np.divide(steps, around, out=np.ones_like(steps), where=around > 0)
    return float(max(np.median(ratio[phase::_JPEG]) for phase in range(_JPEG)))


def _tilt(blocks: Floats, rounding: float) -> float:
    """Correlation of neighbours after the Gaussian blur that makes the power fall as it does."""
    taper = np.hanning(_BLOCK + 2)[1:-1]
    taper = np.outer(taper, taper)
    centred = blocks - blocks.mean(axis=(1, 2), keepdims=True)
    power = (np.abs(fft.fft2(centred * taper)) ** 2).mean(axis=0) / np.square(taper).sum()
    frequency = np.abs(fft.fftfreq(_BLOCK)) * 2

    def in_band(low: float, high: float) -> tuple[float, float]:
        band, others = (frequency >= low) & (frequency < high), frequency < _BANDS[1][1]
        mean = power[np.ix_(band, others)].mean() + power[np.ix_(others, band)].mean()
        return float(mean) / 2, float(np.mean((np.pi * frequency[band]) ** 2))

    finest, at = in_band(*_BANDS[1])
    coarser, before = in_band(*(_BANDS if finest > 3 * rounding else _WIDE)[0])
    if min(finest, coarser) <= 0:
        return 0.0
    width = float(np.log(coarser / finest)) / (at - before)
    return float(np.sign(width) * np.exp(-1 / (4 * abs(width)))) if width else 0.0


def _stripes(blocks: Floats) -> float:
    """How much more rows differ than columns do: structure makes both differ."""
    rows, columns = _lines(blocks), _lines(blocks.transpose(0, 2, 1))
    return float(np.sqrt(max(0.0, rows - 2 * columns)))


def _lines(blocks: Floats) -> float:
    """Variance of the means of lines beyond that of noise, in units of that of a pixel."""
    rough = np.diff(blocks, 2, axis=1)
    noise = float(np.diff(rough, axis=2).var()) / 2
    extra = float(rough.mean(axis=2).var()) - noise / _BLOCK
    return max(0.0, extra) / noise if noise > 0 else 0.0


def _blocks(picture: Floats) -> Floats:
    height, width = (n - n % _BLOCK for n in picture.shape)
    cells = picture[:height, :width].reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
    return cells.transpose(0, 2, 1, 3).reshape(-1, _BLOCK, _BLOCK)


def _steepness(pixels: Array) -> Array:
    return np.asarray(ndimage.gaussian_gradient_magnitude(pixels, 2.0, truncate=3))


def _shifted_sums(values: Array) -> Floats:
    """Sums over Y and X of the products with itself, some pixels on; planes of Z are added up."""
    shape = [fft.next_fast_len(n + LAGS, real=True) for n in values.shape[-2:]]
    spectrum = np.abs(fft.rfft2(values.astype(np.float64), shape)) ** 2
    sums = fft.irfft2(spectrum.reshape(-1, *spectrum.shape[-2:]).sum(axis=0), shape)
    shifts = np.arange(-LAGS, LAGS + 1)
    return np.asarray(sums[np.ix_(shifts, shifts)])

"""Measure whether the noise of neighbouring pixels is correlated: stripes, smoothing, JPEG."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage
from skimage.util import view_as_blocks

from ....arrays import Floats, Pixels
from ....evaluation.autocorrelation import autocorrelate

TILT = 0.02
"""Correlation of neighbouring pixels in the finest details above which noise is not white."""
STRIPES = 0.2
"""Largest strength of stripes in a single picture that is harmless, in units of its noise."""
BLOCKS = 1.2
"""Largest steepness of the edges of JPEG blocks that is harmless, relative to other steps."""
LAGS = 4
"""Longest distance at which the correlation of two pixels is measured."""
_BLOCK = 32
"""Side of the blocks of a picture that are measured one by one, in pixels."""
_JPEG = 8
"""Side of the blocks of JPEG and video compression, in pixels."""
_BANDS = (0.65, 0.8), (0.8, 0.95)
"""Two bands of frequencies (1 is the finest) in which hardly any microscope shows structure."""
_COARSER_BAND = (0.3, 0.45)
"""Band that is compared with the finest one if that holds nothing but rounding."""


def correlate_difference(
    first: Pixels, second: Pixels, is_moving: npt.NDArray[np.bool_]
) -> tuple[Floats, Floats] | None:
    """Correlate the difference of two aligned pictures ``(*spatial)`` with itself.

    Only the half with the least structure is measured, because remaining drift shows there least.
    Every pixel counts in units of the noise around it.

    Returns
    -------
    correlation, error
        As `autocorrelate` returns them; None if the pictures do not differ.
    """
    difference = np.subtract(first, second, dtype=np.float32)
    planes = [0.0] * (difference.ndim - 2)
    difference -= ndimage.gaussian_filter(difference, [*planes, 8, 8], truncate=3)
    total = np.add(first, second, dtype=np.float32)
    slope = ndimage.gaussian_gradient_magnitude(total, 2.0, truncate=3)
    is_quiet = (slope <= np.median(slope)) & ~is_moving
    local = np.sqrt(ndimage.uniform_filter(difference**2, 9))
    typical = float(local[is_quiet].mean()) if is_quiet.any() else 0.0
    if typical <= 0:
        return None
    noise = np.where(is_quiet, difference / np.maximum(local, 0.1 * typical), 0)
    return autocorrelate([noise], LAGS, is_quiet)


class FineDetail(NamedTuple):
    """Describe noise by the finest details of a picture.

    Parameters
    ----------
    correlation
        Correlation of the noise of neighbouring pixels; below 0 after sharpening.
    stripes
        How much more rows differ from each other than noise allows, in units of its standard
        deviation.
    blocks
        How much steeper the steps at every eighth pixel are than the others; 1 without blocks.
    """

    correlation: float
    stripes: float
    blocks: float

    @property
    def is_white(self) -> bool:
        """Return whether the pixels of the noise are independent, as far as can be seen here."""
        return abs(self.correlation) < TILT and self.stripes < STRIPES and self.blocks < BLOCKS


def measure_fine_detail(picture: Pixels, rounding: float = 0.0) -> FineDetail:
    """Measure how alike neighbouring pixels of noise are, from one picture ``(Y, X)`` alone.

    White noise is as strong in the finest details as in slightly coarser ones. Smoothed noise is
    weaker in the finest details, and the correlation of neighbours follows from how much weaker it
    is. Only the half of the blocks with the least structure is measured.

    Parameters
    ----------
    picture
        A picture, or the difference of two.
    rounding
        Variance of rounding to whole grey levels. Rounding adds white noise, which hides smoothing.
    """
    height, width = (n - n % _BLOCK for n in picture.shape)
    whole = np.ascontiguousarray(picture[:height, :width], dtype=np.float64)
    blocks = view_as_blocks(whole, (_BLOCK, _BLOCK)).reshape(-1, _BLOCK, _BLOCK)
    if not len(blocks):
        return FineDetail(0.0, 0.0, 1.0)
    coarse = blocks.reshape(len(blocks), 4, _BLOCK // 4, 4, _BLOCK // 4).mean(axis=(2, 4))
    structure = coarse.std(axis=(1, 2)) / np.maximum(blocks.std(axis=(1, 2)), 1e-12)
    blocks = blocks[structure <= np.median(structure)]
    rows, columns = _variance_of_lines(blocks), _variance_of_lines(blocks.transpose(0, 2, 1))
    stripes = max(0.0, rows - 2 * columns)  # structure makes both rows and columns differ
    return FineDetail(
        _correlation_by_power(blocks, rounding),
        math.sqrt(stripes),
        min(_steepness_of_edges(picture), _steepness_of_edges(picture.T)),
    )


def _steepness_of_edges(picture: Pixels) -> float:
    """Return how much larger steps between columns are at the edges of blocks than around."""
    steps = np.abs(np.diff(picture.astype(np.float64), axis=1)).mean(axis=0)
    around = ndimage.median_filter(steps, _JPEG + 1, mode="nearest")
    ratio = np.divide(steps, around, out=np.ones_like(steps), where=around > 0)
    return float(max(np.median(ratio[phase::_JPEG]) for phase in range(_JPEG)))


def _correlation_by_power(blocks: Floats, rounding: float) -> float:
    """Return the correlation of neighbours, from the Gaussian blur in the power spectrum."""
    taper = np.hanning(_BLOCK + 2)[1:-1]
    taper = np.outer(taper, taper)
    centred = blocks - blocks.mean(axis=(1, 2), keepdims=True)
    power = (np.abs(fft.fft2(centred * taper)) ** 2).mean(axis=0) / np.square(taper).sum()
    frequency = np.abs(fft.fftfreq(_BLOCK)) * 2

    def in_band(low: float, high: float) -> tuple[float, float]:
        band, others = (frequency >= low) & (frequency < high), frequency < _BANDS[1][1]
        mean = power[np.ix_(band, others)].mean() + power[np.ix_(others, band)].mean()
        return float(mean) / 2, float(np.mean((np.pi * frequency[band]) ** 2))

    finest, square = in_band(*_BANDS[1])
    coarser, coarser_square = in_band(*(_BANDS[0] if finest > 3 * rounding else _COARSER_BAND))
    if min(finest, coarser) <= 0 or finest == coarser:
        return 0.0
    # The power of a Gaussian blur falls by exp(-(sigma * frequency)**2).
    variance = float(np.log(coarser / finest)) / (square - coarser_square)
    return float(np.sign(variance) * np.exp(-1 / (4 * abs(variance))))


def _variance_of_lines(blocks: Floats) -> float:
    """Return the variance of the means of rows beyond noise, in units of that of a pixel."""
    rough = np.diff(blocks, 2, axis=1)
    noise = float(np.diff(rough, axis=2).var()) / 2
    extra = float(rough.mean(axis=2).var()) - noise / _BLOCK
    return max(0.0, extra) / noise if noise > 0 else 0.0

"""Measure how much noise is correlated with the noise of pixels near it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import fft

from ..arrays import Floats, Pixels

Summary = Callable[[Floats], float]


def autocorrelate(
    pictures: Iterable[Pixels], lags: int, mask: npt.NDArray[np.bool_] | None = None
) -> tuple[Floats, Floats]:
    """Correlate noise with itself, for each shift along Y and X by a few pixels.

    Parameters
    ----------
    pictures
        ``(..., Y, X)`` each, of mean 0; pairs of pixels are taken from all planes of all pictures.
    lags
        The longest shift, in pixels.
    mask
        Which pixels count, if there is one picture. Its other pixels must be 0.

    Returns
    -------
    correlation, error
        ``(2 * lags + 1, 2 * lags + 1)``, by shift. The middle is 1: each pixel with itself. The
        error is the standard deviation by chance if the pixels are independent of each other. Their
        noise may differ in strength.
    """
    size = 2 * lags + 1
    products, squares = np.zeros((2, size, size))
    for picture in pictures:
        products += _sums_by_shift(picture, lags)
        squares += _sums_by_shift(np.square(picture), lags)
    scale = products[lags, lags]
    if mask is not None:
        counts = np.maximum(_sums_by_shift(mask, lags), 1)
        scale = scale * counts / counts[lags, lags]
    return products / scale, np.sqrt(np.maximum(squares, 0)) / scale


def stripe_direction(
    correlation: Floats, along: Summary, elsewhere: Summary, least: float = 0.0
) -> Literal["rows", "columns", ""]:
    """Return the lines along which correlation is at least twice as strong as in other directions.

    Parameters
    ----------
    correlation
        By shift, as `autocorrelate` returns it.
    along, elsewhere
        Functions that summarize the correlations along a line, and those at slanted shifts.
    least
        The correlation along the line must be above this.
    """
    lags = len(correlation) // 2
    rows = float(along(correlation[lags, lags + 1 :]))
    columns = float(along(correlation[lags + 1 :, lags]))
    slanted = float(elsewhere(np.delete(np.delete(correlation, lags, 0), lags, 1)))
    if rows > max(least, 2 * columns, 2 * slanted):
        return "rows"
    return "columns" if columns > max(least, 2 * rows, 2 * slanted) else ""


def _sums_by_shift(pixels: Pixels, lags: int) -> Floats:
    """Sum the products of all pairs of pixels, for each shift along Y and X between them."""
    # scipy.signal.correlate computes every possible shift, which is four times the work.
    shape = [fft.next_fast_len(n + lags, real=True) for n in pixels.shape[-2:]]
    power = np.abs(fft.rfft2(pixels.astype(np.float64), shape)) ** 2
    sums = fft.irfft2(power.reshape(-1, *power.shape[-2:]).sum(axis=0), shape)
    shifts = np.arange(-lags, lags + 1)
    return np.asarray(sums[np.ix_(shifts, shifts)])

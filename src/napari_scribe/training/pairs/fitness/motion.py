"""Find where the two pictures of a pair differ by more than noise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ....arrays import Pixels

Mask = npt.NDArray[np.bool_]

SIGMA = 3.0
"""Sigma of the Gaussian that averages differences in 2D, in pixels; two thirds of it in 3D."""
Z_SCORE = 6.5
"""Standard deviations of averaged noise above which a difference is not by chance."""
GROWTH = 3
"""Pixels by which the mask is widened, because the rims of what moves are too faint to find."""
_FINE = 1.0
"""Sigma of the Gaussian that is subtracted where the strength of noise is measured."""


def find_motion(first: Pixels, second: Pixels, *, is_white: bool = False) -> Mask:
    """Find what moves, appears or goes away between two pictures of one place.

    The difference is averaged over a few pixels. Noise cancels there, but a change does not. How
    much noise remains follows from its local variance (noise may be stronger where it is brighter).
    If noise is not white, the scores of the whole picture are too large by one factor, and they
    are divided by it.

    Parameters
    ----------
    first, second
        ``(C, *spatial)``, aligned, of the same brightness.
    is_white
        Whether noise is known to be white. Then change is found even in most of the picture.

    Returns
    -------
    mask
        ``(*spatial)``: True where any channel changes.
    """
    mask = np.zeros(first.shape[1:], bool)
    for one, other in zip(first, second, strict=True):
        mask |= np.abs(_scores(np.subtract(one, other, dtype=np.float32), is_white)) > Z_SCORE
    # Most masks are empty and need no dilation.
    return np.asarray(ndimage.binary_dilation(mask, iterations=GROWTH)) if mask.any() else mask


def _scores(difference: npt.NDArray[np.float32], is_white: bool) -> npt.NDArray[np.float32]:
    """Return local means of a difference ``(*spatial)``, in standard deviations of white noise."""
    n = difference.ndim
    sigma = SIGMA if n == 2 else SIGMA * 2 / 3
    smooth = ndimage.gaussian_filter(difference, sigma, truncate=3)
    rough = difference - ndimage.gaussian_filter(difference, _FINE, truncate=3)
    rough *= rough
    # The variance of a mean with Gaussian weights is a mean with their squares as weights, which
    # are a narrower Gaussian. A wider mean keeps a few even pixels from looking free of noise.
    near = ndimage.gaussian_filter(rough, sigma / np.sqrt(2), truncate=3)
    far = ndimage.uniform_filter(rough, int(4 * sigma) | 1)
    variance = np.maximum(np.maximum(near, far), 1e-3 * float(rough.mean()))
    centre, power = (2 * np.pi * _FINE**2) ** (-n / 2), (4 * np.pi * _FINE**2) ** (-n / 2)
    allowed = variance * ((4 * np.pi * sigma**2) ** (-n / 2) / (1 - 2 * centre + power))
    z = smooth / np.sqrt(np.maximum(allowed, np.finfo(np.float32).tiny))
    if is_white:
        return np.asarray(z, dtype=np.float32)
    width = float(np.median(np.abs(z.ravel()[:: max(1, z.size // 50_000)]))) / 0.6745
    return np.asarray(z / max(1.0, width), dtype=np.float32)

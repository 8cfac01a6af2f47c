"""Apply scikit-image's denoisers, each with the best parameters for one image and its truth."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from shots import PEAK, psnr
from skimage import restoration

Parameters = dict[str, Any]
GRIDS: dict[str, dict[str, list[Any]]] = {
    "non-local means": {
        "h": np.geomspace(0.02, 0.3, 10).round(4).tolist(),
        "sigma": [0.0, 0.04, 0.08, 0.12],
        "patch_size": [5, 7],
        "patch_distance": [6, 11],
    },
    "wavelet": {
        "sigma": np.geomspace(0.01, 0.2, 10).round(4).tolist(),
        "wavelet": ["db1", "db2", "sym4"],
        "method": ["BayesShrink", "VisuShrink"],
        "mode": ["soft", "hard"],
    },
    "total variation": {"weight": np.geomspace(0.02, 0.6, 20).round(4).tolist()},
}
METHODS = tuple(GRIDS)


def tuned(method: str, noisy: np.ndarray, clean: np.ndarray) -> Parameters:
    """Return the parameters of the grid with the highest PSNR."""
    grid = GRIDS[method]
    tried = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    return max(tried, key=lambda found: psnr(apply(method, noisy[None], found)[0], clean))


def apply(method: str, images: np.ndarray, parameters: Parameters) -> np.ndarray:
    """Denoise ``(n, Y, X)``, in grey levels from 0 to 255."""
    call = _CALLS[method]
    return np.stack([PEAK * call(image / np.float32(PEAK), **parameters) for image in images])


def _wavelet(image: np.ndarray, **parameters: Any) -> np.ndarray:
    """Return the mean over shifts of the image, which removes most of the artefacts of wavelets."""
    wavelet = restoration.denoise_wavelet
    return restoration.cycle_spin(image, func=wavelet, max_shifts=3, func_kw=parameters)


def _non_local_means(image: np.ndarray, **parameters: Any) -> np.ndarray:
    return restoration.denoise_nl_means(image, **parameters, fast_mode=True)


_CALLS: dict[str, Callable[..., np.ndarray]] = {
    "non-local means": _non_local_means,
    "wavelet": _wavelet,
    "total variation": restoration.denoise_tv_chambolle,
}

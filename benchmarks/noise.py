"""Make noise models: functions ``noise(clean, rng)`` that return a noisy copy of an image.

Nothing is clipped and nothing rounded, so that noise of zero mean keeps the mean. J. Lehtinen et
al., Noise2Noise: learning image restoration without clean data, ICML 2018, trains on these.
"""

from __future__ import annotations

import math

import numpy as np

from napari_scribe.samples.camera import Camera, Noise


def gaussian(sigma: float) -> Noise:
    """Add white noise; `sigma` in grey levels."""

    def add(clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        noise = np.float32(sigma) * rng.standard_normal(clean.shape, np.float32)
        return np.asarray(clean + noise, dtype=np.float32)

    return add


def gaussian_of_range(low: float, high: float) -> Noise:
    """Add white noise whose sigma is drawn for each image, evenly from `low` to `high`."""
    return lambda clean, rng: gaussian(rng.uniform(low, high))(clean, rng)


def poisson(peak: float, white: float = 255.0) -> Noise:
    """Add shot noise alone: a pixel of level `white` gets `peak` photons on average."""
    return Camera(peak / white)


def camera_with_psnr(
    clean: np.ndarray,
    psnr: float,
    read_noise: float = 2.0,
    offset: float = 0.0,
    peak: float = 255.0,
) -> Camera:
    """Find the camera that takes `clean` with a wanted peak signal-to-noise ratio.

    Parameters
    ----------
    clean
        In grey levels, any shape.
    psnr
        ``10 * log10(peak**2 / mean squared error)``, in dB.
    read_noise, offset
        As in `Camera`.
    peak
        The range of grey levels that the ratio refers to.
    """
    error = peak**2 / 10 ** (psnr / 10)
    # In float64: a mean of many float32 would drift.
    light = float(np.maximum(clean.astype(np.float64) - offset, 0.0).mean())
    # error = light / photons + (read_noise / photons)**2, solved for photons
    photons = (light + math.sqrt(light**2 + 4 * read_noise**2 * error)) / (2 * error)
    return Camera(photons, read_noise, offset)

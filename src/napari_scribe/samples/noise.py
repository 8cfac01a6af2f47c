"""Noise models: ``noise(clean, rng)`` gives a noisy copy of an image.

Every model is a frozen dataclass, called with an array of any shape and a generator of random
numbers. What comes back is float32, of the same shape, in the same grey levels; nothing is clipped
and nothing rounded, so that noise of zero mean keeps it: see `digitize` for what a camera does.
All but `Impulse` and `Bernoulli` have zero mean. One call is one image; where an array has more
than two axes, the last two are the image plane (``Y``, ``X``).

References
----------
.. [1] J. Lehtinen et al., Noise2Noise: learning image restoration without clean data, ICML 2018:
   Gaussian, Poisson, Bernoulli and impulse noise, and noise correlated by a blur.
.. [2] A. Foi et al., Practical Poissonian-Gaussian noise modeling and fitting for single-image
   raw-data, IEEE Transactions on Image Processing 17, 2008: the camera.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..errors import InputError

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]
Random = np.random.Generator
Noise = Callable[[Array, Random], Floats]
"""Anything called as ``noise(clean, rng)``."""


@dataclass(frozen=True)
class Gaussian:
    """Additive white noise; `sigma` in grey levels."""

    sigma: float

    def __call__(self, clean: Array, rng: Random) -> Floats:
        """Make a noisy copy of `clean`."""
        return _floats(clean + np.float32(self.sigma) * _normal(clean.shape, rng))


@dataclass(frozen=True)
class RandomGaussian:
    """White noise whose sigma is drawn for each image, evenly from `low` to `high` grey levels."""

    low: float = 5.0
    high: float = 50.0

    def __call__(self, clean: Array, rng: Random) -> Floats:
        """Make a noisy copy of `clean`."""
        return Gaussian(rng.uniform(self.low, self.high))(clean, rng)


@dataclass(frozen=True)
class Poisson:
    """Shot noise alone.

    Parameters
    ----------
    peak
        Photons that a pixel of level `white` gets on average (lambda in [1]_); the variance at
        level `v` is ``v * white / peak``. Levels below 0 count as no light.
    white
        In grey levels.
    """

    peak: float = 30.0
    white: float = 255.0

    def __call__(self, clean: Array, rng: Random) -> Floats:
        """Make a noisy copy of `clean`."""
        return Camera(self.peak / self.white)(clean, rng)


@dataclass(frozen=True)
class Camera:
    """Shot noise and read noise on top of an offset, as of a scientific camera [2]_.

    The variance at level `v` is ``(v - offset) / photons + (read_noise / photons) ** 2``.

    Parameters
    ----------
    photons
        Detected photons per grey level.
    read_noise
        Standard deviation of the electronics, in photons.
    offset
        Level that is written where there is no light. It is part of the clean image, which noise
        therefore leaves unchanged on average; levels below it count as no light.
    """

    photons: float
    read_noise: float = 0.0
    offset: float = 0.0

    def __call__(self, clean: Array, rng: Random) -> Floats:
        """Make a noisy copy of `clean`."""
        counts = rng.poisson(self.photons * self._light(clean)).astype(np.float32)
        counts += np.float32(self.read_noise) * _normal(clean.shape, rng)
        return _floats(counts / self.photons + self.offset)

    @classmethod
    def with_psnr(
        cls,
        clean: Array,
        psnr: float,
        *,
        read_noise: float = 2.0,
        offset: float = 0.0,
        peak: float = 255.0,
    ) -> Camera:
        """Find the camera that takes `clean` with a wanted signal-to-noise ratio.

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

        Raises
        ------
        InputError
            If no camera does: an image without light, taken without read noise.
        """
        error = peak**2 / 10 ** (psnr / 10)
        light = float(cls(1.0, offset=offset)._light(clean).mean())
        # error = light / photons + (read_noise / photons)**2, solved for photons
        photons = (light + math.sqrt(light**2 + 4 * read_noise**2 * error)) / (2 * error)
        if not 0 < photons < math.inf:
            raise InputError("An image without light has no noise: give a read noise above 0.")
        return cls(photons, read_noise, offset)

    def _light(self, clean: Array) -> Array:
        """Return what is above the offset, float64: a mean of many float32 would drift."""
        return np.maximum(clean.astype(np.float64) - self.offset, 0.0)


@dataclass(frozen=True)
class Impulse:
    """A share of the pixels is replaced, evenly from `low` to `high`, or by one of the two.

    Parameters
    ----------
    share
        Probability that a pixel is replaced, 0 to 1.
    low, high
        In grey levels.
    is_binary
        Salt and pepper: only the values `low` and `high`.
    """

    share: float
    low: float = 0.0
    high: float = 255.0
    is_binary: bool = False

    def __call__(self, clean: Array, rng: Random) -> Floats:
        """Make a noisy copy of `clean`."""
        where = rng.random(clean.shape) < self.share
        value = rng.random(clean.shape)
        if self.is_binary:
            value = np.round(value)
        return _floats(np.where(where, self.low + (self.high - self.low) * value, clean))


@dataclass(frozen=True)
class Bernoulli:
    """Pixels drop out with probability `share` and read `missing` (which may be NaN)."""

    share: float
    missing: float = 0.0

    def __call__(self, clean: Array, rng: Random) -> Floats:
        """Make a copy of `clean` with holes."""
        return _floats(np.where(rng.random(clean.shape) < self.share, self.missing, clean))


@dataclass(frozen=True)
class Correlated:
    """Additive noise with grains: white noise after a Gaussian blur of the image plane.

    Parameters
    ----------
    sigma
        Standard deviation of what is added, in grey levels.
    blur
        Standard deviation of the blur, in pixels. Noise `d` pixels apart has a correlation of
        about ``exp(-(d / blur) ** 2 / 4)``. It runs round the edges of the image.
    """

    sigma: float
    blur: float = 1.0

    def __call__(self, clean: Array, rng: Random) -> Floats:
        """Make a noisy copy of `clean`."""
        noise = _normal(clean.shape, rng)
        for axis in range(-min(2, clean.ndim), 0):
            noise = ndimage.gaussian_filter1d(noise, self.blur, axis, mode="wrap")
            kernel = np.eye(1, clean.shape[axis])[0]
            kernel = ndimage.gaussian_filter1d(kernel, self.blur, mode="wrap")
            # by the kernel, not by what came out: a small image keeps its chance of more or less
            noise /= np.float32(np.linalg.norm(kernel))
        return _floats(clean + np.float32(self.sigma) * noise)


@dataclass(frozen=True)
class Stripes:
    """Each row is raised or lowered as a whole, by a normal amount of `sigma` grey levels."""

    sigma: float

    def __call__(self, clean: Array, rng: Random) -> Floats:
        """Make a noisy copy of `clean`."""
        return _floats(clean + np.float32(self.sigma) * _normal((*clean.shape[:-1], 1), rng))


@dataclass(frozen=True)
class Chain:
    """One noise after another: ``Chain((Camera(0.1), Stripes(5)))``."""

    noises: tuple[Noise, ...]

    def __call__(self, clean: Array, rng: Random) -> Floats:
        """Make a noisy copy of `clean`."""
        for noise in self.noises:
            clean = noise(clean, rng)
        return _floats(clean)


def digitize(image: Array, bits: int = 16) -> npt.NDArray[np.uint16]:
    """Round to whole grey levels and clip to ``0 ... 2**bits - 1``, as a camera does.

    Parameters
    ----------
    image
        In grey levels, any shape.
    bits
        Of the camera, 1 to 16.
    """
    return np.clip(np.rint(image), 0, 2**bits - 1).astype(np.uint16)


def _normal(shape: tuple[int, ...], rng: Random) -> Floats:
    return rng.standard_normal(shape, np.float32)


def _floats(image: Array) -> Floats:
    return image.astype(np.float32, copy=False)

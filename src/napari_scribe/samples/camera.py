"""Add noise to images as a camera does in little light."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..arrays import Pixels

Floats = npt.NDArray[np.float32]
Noise = Callable[[Pixels, np.random.Generator], Floats]
"""``noise(clean, rng)`` returns a noisy copy of an image, float32, neither rounded nor clipped."""


@dataclass(frozen=True)
class Camera:
    """Add shot noise and read noise, as a scientific camera does; call it as `Noise`.

    The variance at level `v` is ``(v - offset) / photons + (read_noise / photons) ** 2``: A. Foi
    et al., Practical Poissonian-Gaussian noise modeling and fitting for single-image raw-data, IEEE
    Transactions on Image Processing 17, 2008.

    Parameters
    ----------
    photons
        Detected photons per grey level.
    read_noise
        Standard deviation of the electronics, in photons.
    offset
        Grey level without light. It is part of the clean image, so noise does not change the mean.
        Levels below it count as no light.
    """

    photons: float
    read_noise: float = 0.0
    offset: float = 0.0

    def __call__(self, clean: Pixels, rng: np.random.Generator) -> Floats:
        """Return a noisy copy of `clean`."""
        light = np.maximum(clean.astype(np.float64) - self.offset, 0.0)
        counts = rng.poisson(self.photons * light).astype(np.float32)
        counts += np.float32(self.read_noise) * rng.standard_normal(clean.shape, np.float32)
        return np.asarray(counts / self.photons + self.offset, dtype=np.float32)


def digitize(image: Pixels) -> npt.NDArray[np.uint16]:
    """Round to whole grey levels and clip to those of 16 bits, as a camera does."""
    return np.clip(np.rint(image), 0, 2**16 - 1).astype(np.uint16)

"""One affine change of the intensities per image and channel, from a bounded sample of it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import InputError
from .image import Image

SAMPLE = 2_000_000
"""How many pixels of a channel are looked at."""
_MEAN_TO_SIGMA = math.sqrt(math.pi) / 2
"""From the mean difference of two pixels to the standard deviation of Gaussian noise."""


@dataclass(frozen=True)
class Normalization:
    """How images are brought to one range: part of a model.

    Parameters
    ----------
    low, high
        Percentiles that become 0 and 1.
    floor
        Contrast (the difference of the two percentiles) up to which a channel of integers counts
        as flat, in the units of images of type `dtype`. What is flat becomes 0 everywhere.
    noise
        Contrast up to which a channel counts as flat, in units of its own noise: a field without
        anything in it. Noise alone has a contrast of 5.2 (Gaussian) to 5.8 (few photons).
    dtype
        Type of the images that the model was trained on.
    is_absolute
        Whether `floor` holds for floats, too: of images that all come from one denoiser.
    """

    low: float = 1.0
    high: float = 99.8
    floor: float = 0.0
    noise: float = 0.0
    dtype: str = "float32"
    is_absolute: bool = False

    def measure(self, image: Image, channels: Sequence[int] | None = None) -> Statistics:
        """Measure an image.

        Raises
        ------
        InputError
            If it holds NaN or infinite pixels (in the sample that is looked at).
        """
        sample = finite_sample(image, channels)
        low, high = np.percentile(sample, [self.low, self.high], axis=1)
        # Few bright pixels on an even ground: the percentiles fall together, the extremes do not.
        narrow = high <= low
        low = np.where(narrow, sample.min(axis=1), low).astype(np.float32)
        high = np.where(narrow, sample.max(axis=1), high).astype(np.float32)
        noise = _noise_of(sample)
        flat = high - low <= np.maximum(self._floor_for(image.dtype), self.noise * noise)
        return Statistics(low, high, flat, noise, _digest(sample))

    def _floor_for(self, dtype: np.dtype[Any]) -> float:
        """The floor in the units of another type of integers; floats may be on any scale."""
        if self.is_absolute:
            return self.floor
        trained = np.dtype(self.dtype)
        if dtype.kind in "ui" and trained.kind in "ui":
            return self.floor * min(1.0, float(np.iinfo(dtype).max) / float(np.iinfo(trained).max))
        return 0.0


@dataclass(frozen=True)
class FixedNormalization:
    """The numbers of the training images, for every image: so a denoiser meets the noise it knows.

    Parameters
    ----------
    means, deviations
        Become 0 and 1: one a channel, in the units of the training images.
    """

    means: tuple[float, ...]
    deviations: tuple[float, ...]

    def measure(self, image: Image, channels: Sequence[int] | None = None) -> Statistics:
        """These numbers, whatever the image is.

        Raises
        ------
        InputError
            If it holds NaN or infinite pixels (in the sample that is looked at).
        """
        sample = finite_sample(image, channels)
        return replace(self.numbers, noise=_noise_of(sample), digest=_digest(sample))

    @property
    def numbers(self) -> Statistics:
        """These numbers; of no image, so there is no noise."""
        low = np.array(self.means, np.float32)
        high = low + np.array(self.deviations, np.float32)
        return Statistics(low, high, np.zeros(len(low), bool), np.zeros(len(low), np.float32))


@dataclass(frozen=True)
class Statistics:
    """The numbers of one image: arrays with one value a channel; noise as a standard deviation.

    `digest` tells samples of different images apart.
    """

    low: npt.NDArray[np.float32]
    high: npt.NDArray[np.float32]
    flat: npt.NDArray[np.bool_]
    noise: npt.NDArray[np.float32]
    digest: str = ""

    def apply(self, pixels: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Normalize ``(C, *spatial)``; flat channels become 0."""
        shape = (-1,) + (1,) * (pixels.ndim - 1)
        gain = np.where(self.flat, 0, 1 / np.maximum(self.high - self.low, 1e-20))
        out = pixels.astype(np.float32)
        out -= self.low.reshape(shape)
        out *= gain.astype(np.float32).reshape(shape)
        return out

    def undo(self, pixels: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """From normalized pixels ``(C, *spatial)`` back to the units of the image."""
        shape = (-1,) + (1,) * (pixels.ndim - 1)
        out = pixels.astype(np.float32)
        out *= (self.high - self.low).reshape(shape)
        out += self.low.reshape(shape)
        return out


def finite_sample(image: Image, channels: Sequence[int] | None = None) -> npt.NDArray[np.float32]:
    """A sample as of `sample_pixels`, in float32.

    Raises
    ------
    InputError
        If NaN or infinite pixels are in it.
    """
    sample = sample_pixels(image, channels)
    is_float = sample.dtype.kind == "f"
    with np.errstate(over="ignore"):
        sample = sample.astype(np.float32)
    if is_float and not np.isfinite(sample).all():
        raise InputError(
            f"{image.name} has NaN or infinite pixels. Replace them first, for example with "
            "numpy.nan_to_num."
        )
    return np.asarray(sample)


def _digest(sample: npt.NDArray[np.float32]) -> str:
    return hashlib.sha256(np.ascontiguousarray(sample).tobytes()).hexdigest()[:16]


def _noise_of(sample: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Standard deviation per channel, from what neighbouring pixels differ by."""
    steps = np.abs(np.diff(sample, axis=1, prepend=sample[:, :1]))
    return np.asarray(_MEAN_TO_SIGMA * steps.mean(axis=1), dtype=np.float32)


def sample_pixels(
    image: Image, channels: Sequence[int] | None = None, seed: int = 0
) -> npt.NDArray[Any]:
    """A sample of an image's pixels, ``(C, n)``, the same one each time.

    Small images are taken whole; of large ones, blocks of 128 px at seeded places.
    """
    dimensions = 2
    frames = list(image.frames(dimensions))
    shape = image.frame_shape(dimensions)
    rng = np.random.default_rng(seed)
    per_frame = max(SAMPLE // len(frames), 128 * 128)
    if len(frames) * min(per_frame, int(np.prod(shape))) > SAMPLE:
        chosen = np.sort(rng.choice(len(frames), SAMPLE // per_frame, replace=False))
        frames = [frames[i] for i in chosen]
    parts = []
    for frame in frames:
        for window in _blocks(shape, per_frame, rng):
            block = image.read(frame, window, channels)
            parts.append(block.reshape(len(block), -1))
    return np.concatenate(parts, axis=1)


def _blocks(
    shape: tuple[int, ...], n_pixels: int, rng: np.random.Generator, side: int = 128
) -> list[tuple[slice, ...]]:
    if np.prod(shape) <= n_pixels:
        return [tuple(slice(0, n) for n in shape)]
    blocks = []
    for _ in range(max(1, n_pixels // side ** len(shape))):
        starts = [int(rng.integers(0, max(1, n - side + 1))) for n in shape]
        blocks.append(tuple(slice(a, min(a + side, n)) for a, n in zip(starts, shape, strict=True)))
    return blocks

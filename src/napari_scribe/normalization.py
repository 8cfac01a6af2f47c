"""Normalize intensities: one affine change per image and channel, from a bounded sample."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .arrays import Pixels, check_finite
from .contrast import Nodata, border_of, missing_in, noise_of, origin_of, shifted, standing_out
from .errors import InputError
from .image import Frame, Image
from .windows import Window, shift, whole

SAMPLE = 2_000_000
"""Number of pixels of a channel that are sampled."""
SEARCHED = 2**26
"""Number of pixels that are searched for sparse objects if the sample looks like noise alone."""
_BAND = 2**22
"""Number of pixels that are searched at a time."""
_SMALLEST = np.finfo(np.float32).tiny


@dataclass(frozen=True)
class Normalization:
    """Bring images to one range, each by its own percentiles. This is part of a model.

    Parameters
    ----------
    low, high
        Percentiles that become 0 and 1.
    floor
        Contrast (the difference of the two percentiles) up to which a channel of integers counts
        as flat, in the units of images of type `dtype`. A flat channel becomes 0 everywhere.
    noise
        Contrast up to which a channel counts as flat, in units of its noise: an empty field.
        Noise alone has a contrast of 5.2 (Gaussian) to 5.8 (few photons).
    dtype
        Type of the images that the model was trained on.
    is_absolute
        Whether `floor` also applies to floats: so it is if all images come from one denoiser.
    """

    low: float = 1.0
    high: float = 99.8
    floor: float = 0.0
    noise: float = 0.0
    dtype: str = "float32"
    is_absolute: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 100:
            raise InputError(
                f"A normalization from percentile {self.low:g} to {self.high:g} makes no sense: "
                "they lie between 0 and 100, the lower one first."
            )
        if not (0 <= self.floor < math.inf and 0 <= self.noise < math.inf):
            raise InputError(
                f"A contrast floor of {self.floor:g} and {self.noise:g} times the noise makes no "
                "sense: both are finite and not negative."
            )

    def measure(self, image: Image, channels: Sequence[int] | None = None) -> Statistics:
        """Measure an image.

        If the sample looks like noise alone, more of the image is searched for sparse objects.

        Raises
        ------
        InputError
            If pixels of the sample are NaN or infinite.
        """
        raw = sample_pixels(image, channels)
        percentiles = self.low, self.high
        nodata: Nodata = (image.nodata,) * len(raw)
        if image.nodata is None:
            nodata = tuple(border_of(row, percentiles) for row in raw)
        sample = _sampled(image, raw, nodata, percentiles)
        levels = np.array([self._levels(row) for row in sample.rows], np.float32)
        noise = np.array([noise_of(row) for row in sample.rows], np.float32)
        floor = self._floor_for(image.dtype)
        flat = levels[:, 1] - levels[:, 0] <= np.maximum(floor, self.noise * noise)
        for c in np.flatnonzero(flat).tolist():
            channel = c if channels is None else channels[c]
            blocks = _read_bands(image, channel, sample.origins[c], nodata[c], levels[c, 0])
            levels[c] = wider = standing_out(blocks, *levels[c])
            flat[c] = wider[1] - wider[0] <= max(floor, self.noise * noise[c])
        low, high = levels.T.copy()
        return Statistics(low, high, flat, noise, sample.digest, sample.origins, nodata)

    def measure_resampled(
        self, image: Image, channels: Sequence[int] | None, original: Statistics
    ) -> Statistics:
        """Measure an image on another grid than that on which it was measured before.

        Noise is correlated there, so that the original says which channels are flat.
        """
        measured = self.measure(image, channels)
        flat = original.flat | (measured.high <= measured.low)
        return replace(measured, flat=flat, noise=original.noise, digest=original.digest)

    def _levels(self, row: npt.NDArray[np.float32]) -> tuple[float, float]:
        low, high = np.percentile(row, [self.low, self.high])
        # With few bright pixels on an even background, the percentiles are equal. Use the extremes.
        return (low, high) if high > low else (row.min(), row.max())

    def _floor_for(self, dtype: np.dtype[Any]) -> float:
        """Convert the floor to another type of integers; it is 0 for floats of unknown scale."""
        if self.is_absolute:
            return self.floor
        trained = np.dtype(self.dtype)
        if dtype.kind in "ui" and trained.kind in "ui":
            return self.floor * min(1.0, float(np.iinfo(dtype).max) / float(np.iinfo(trained).max))
        return 0.0


@dataclass(frozen=True)
class FixedNormalization:
    """Bring images to one range by the statistics of the training images.

    The noise of every image then has the strength that a denoiser was trained on.

    Parameters
    ----------
    means, deviations
        Mean and standard deviation of each channel, in the units of the training images. The mean
        becomes 0, and the mean plus the deviation becomes 1.
    """

    means: tuple[float, ...]
    deviations: tuple[float, ...]

    def __post_init__(self) -> None:
        are_finite = all(math.isfinite(v) for v in (*self.means, *self.deviations))
        if (
            len(self.means) != len(self.deviations)
            or not are_finite
            or min(self.deviations, default=0) <= 0
        ):
            raise InputError(
                f"A normalization by the means {self.means} and the standard deviations "
                f"{self.deviations} makes no sense: give one of each per channel, finite, and "
                "deviations above 0."
            )

    def measure(self, image: Image, channels: Sequence[int] | None = None) -> Statistics:
        """Return the statistics of the training images, with the noise of this image.

        Raises
        ------
        InputError
            If pixels of the sample are NaN or infinite.
        """
        raw = sample_pixels(image, channels)
        nodata = (image.nodata,) * len(raw)
        sample = _sampled(image, raw, nodata)
        noise = np.array([noise_of(row) for row in sample.rows], np.float32)
        return replace(self.numbers, noise=noise, digest=sample.digest, nodata=nodata)

    @property
    def numbers(self) -> Statistics:
        """Return the statistics of the training images, with noise 0."""
        low = np.array(self.means, np.float32)
        high = low + np.array(self.deviations, np.float32)
        return Statistics(low, high, np.zeros(len(low), bool), np.zeros(len(low), np.float32))


@dataclass(frozen=True)
class Statistics:
    """Hold the statistics of one image, as arrays with one value per channel.

    Parameters
    ----------
    low, high
        Values that become 0 and 1, relative to `origins`.
    flat
        Whether the channel is empty: nothing stands out from the noise.
    noise
        Standard deviation of the noise.
    digest
        A hash of the sample. It differs for different images.
    origins
        What is subtracted before pixels become single precision, in the type of the image.
    nodata
        Values of pixels without data, which become 0.
    """

    low: npt.NDArray[np.float32]
    high: npt.NDArray[np.float32]
    flat: npt.NDArray[np.bool_]
    noise: npt.NDArray[np.float32]
    digest: str = ""
    origins: Pixels = field(default_factory=lambda: np.zeros(0, np.uint8))
    nodata: Nodata = ()

    def apply(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Normalize ``(C, *spatial)``; flat channels become 0.

        Values too large for single precision become infinite.
        """
        shape = (-1,) + (1,) * (pixels.ndim - 1)
        gain = np.where(self.flat, 0, 1 / np.maximum(self.high - self.low, _SMALLEST))
        moved = shifted(pixels, self.origins.reshape(shape)) if self.origins.any() else pixels
        with np.errstate(over="ignore", invalid="ignore"):
            out = moved.astype(np.float32)
            out -= self.low.reshape(shape)
            out *= gain.astype(np.float32).reshape(shape)
        if any(value is not None for value in self.nodata):
            out[missing_in(pixels, self.nodata)] = 0
        return out

    def apply_checked(self, pixels: Pixels, name: str, place: str) -> npt.NDArray[np.float32]:
        """Normalize as `apply` does, and check that the result is finite.

        Parameters
        ----------
        pixels
            ``(C, *spatial)``.
        name, place
            Name of the image in messages, and where the pixels are in it, such as
            " near its paint".

        Raises
        ------
        InputError
            If some are NaN or infinite.
        """
        out = self.apply(pixels)
        if pixels.dtype.kind == "f":  # whole numbers stay finite
            check_finite(out, name, f"{place}, or such that are far beyond all others")
        return out

    def undo(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Convert normalized pixels ``(C, *spatial)`` back to the units of the image.

        `origins` must be 0, as they are for denoisers.
        """
        shape = (-1,) + (1,) * (pixels.ndim - 1)
        out = pixels.astype(np.float32)
        out *= (self.high - self.low).reshape(shape)
        out += self.low.reshape(shape)
        return out


@dataclass(frozen=True)
class _Sample:
    """Hold sampled pixels of each channel in single precision, without those that hold no data.

    `origins` are already subtracted.
    """

    rows: list[npt.NDArray[np.float32]]
    origins: Pixels

    @property
    def digest(self) -> str:
        """Return a short hash. It differs for samples of different images."""
        digest = hashlib.sha256()
        for part in (*self.rows, *([self.origins] if self.origins.any() else [])):
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()[:16]


def _sampled(
    image: Image, raw: Pixels, nodata: Nodata, percentiles: Sequence[float] | None = None
) -> _Sample:
    """Convert a sample ``(C, n)`` to single precision, with origins if percentiles are given.

    Raises
    ------
    InputError
        If pixels are NaN, infinite, or too large for single precision.
    """
    rows = list(raw)
    if any(value is not None for value in nodata):
        missing = missing_in(raw, nodata)
        nothing = np.zeros(1, raw.dtype)
        rows = [nothing if m.all() else r[~m] for r, m in zip(raw, missing, strict=True)]
    for row in rows:
        check_finite(row, image.name)
    chosen = [origin_of(row, percentiles) if percentiles else raw.dtype.type(0) for row in rows]
    origins = np.array(chosen, raw.dtype)
    with np.errstate(over="ignore"):
        moved = [shifted(r, o) if o else r for r, o in zip(rows, origins, strict=True)]
        single = [row.astype(np.float32) for row in moved]
    if raw.dtype.kind == "f" and not all(np.isfinite(row).all() for row in single):
        largest = max(float(np.abs(row).max()) for row in rows)
        raise InputError(
            f"{image.name} has pixels such as {largest:.3g}, which single precision "
            "(up to 3.4e38) takes for infinite. Divide them by a constant first."
        )
    return _Sample(single, origins)


def finite_sample(image: Image, channels: Sequence[int] | None = None) -> npt.NDArray[np.float32]:
    """Return the sample of `sample_pixels` in float32, without pixels that hold no data.

    Raises
    ------
    InputError
        If pixels of the sample are NaN or infinite.
    """
    raw = sample_pixels(image, channels)
    if image.nodata is not None:
        missing = missing_in(raw, (image.nodata,) * len(raw)).any(axis=0)
        raw = np.zeros((len(raw), 1), raw.dtype) if missing.all() else raw[:, ~missing]
    return np.stack(_sampled(image, raw, (None,) * len(raw)).rows)


def sample_pixels(image: Image, channels: Sequence[int] | None = None) -> Pixels:
    """Return a sample of an image's pixels, ``(C, n)``. It is the same each time.

    Small images are read whole. Of large ones, windows of 128 px are read at random places.
    """
    parts = []
    for frame, window in _windows(image, SAMPLE, 128):
        pixels = image.read(frame, window, channels)
        parts.append(pixels.reshape(len(pixels), -1))
    return np.concatenate(parts, axis=1)


def _windows(image: Image, n_pixels: int, side: int) -> Iterator[tuple[Frame, Window]]:
    """Yield frames and windows with about `n_pixels` in all: whole frames, or random places."""
    frames = list(image.frames(2))
    shape = image.frame_shape(2)
    rng = np.random.default_rng(0)
    per_frame = max(n_pixels // len(frames), side * side)
    if len(frames) * min(per_frame, int(np.prod(shape))) > n_pixels:
        chosen = np.sort(rng.choice(len(frames), n_pixels // per_frame, replace=False))
        frames = [frames[i] for i in chosen]
    for frame in frames:
        for window in _windows_of_frame(shape, per_frame, rng, side):
            yield frame, window


def _read_bands(
    image: Image, channel: int, origin: np.generic, nodata: float | None, fill: np.float32
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the pixels of one channel that are searched for objects, band by band."""
    for frame, (rows, columns) in _windows(image, SEARCHED, 1024):
        height = max(1, _BAND // (columns.stop - columns.start))
        for start in range(rows.start, rows.stop, height):
            window = slice(start, min(start + height, rows.stop)), columns
            pixels = image.read(frame, window, [channel])
            with np.errstate(over="ignore"):
                moved = shifted(pixels, origin) if origin else pixels
                band = moved.astype(np.float32)
            band[missing_in(pixels, (nodata,)) | ~np.isfinite(band)] = fill
            yield band[0]


def _windows_of_frame(
    shape: tuple[int, ...], n_pixels: int, rng: np.random.Generator, side: int
) -> list[Window]:
    """Return the whole frame if it is small, else windows at random places."""
    if np.prod(shape) <= n_pixels:
        return [whole(shape)]
    windows = []
    for _ in range(max(1, n_pixels // side ** len(shape))):
        starts = [int(rng.integers(0, max(1, n - side + 1))) for n in shape]
        corner = [slice(0, min(side, n)) for n in shape]
        windows.append(shift(corner, starts))
    return windows

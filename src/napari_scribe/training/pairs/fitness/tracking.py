"""Track views one after the other: how far each has drifted, and how bright it is."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ....arrays import Floats, Pixels
from ..registration import common_part, measure_drift, move

MAX_ERROR = 0.3
"""Standard error from which a drift counts as not measured, in pixels."""
BIN = 8
"""Side of the bins in which brightness is compared, in pixels."""
_MEMORY = 4
"""About how many views a reference is the mean of."""
_MAX_GAIN_ERROR = 0.1
"""Relative error of a gain above which it is not used, and only means are compared."""
_MIN_BINS = 8
"""Fewest bins that a contrast needs."""
_MIN_COMMON = 0.6
"""Least common share of two pictures with which their brightness is compared."""


class Brightness(NamedTuple):
    """Describe how bright a picture is.

    Parameters
    ----------
    gains, offsets
        One per channel: ``gain * pixels + offset`` has the brightness of the first view.
    half_gains
        ``(2, C)``: the gains measured in two halves of the picture; NaN if unknown.
    """

    gains: Floats
    offsets: Floats
    half_gains: Floats

    def apply(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Return pixels ``(C, *spatial)`` with the brightness of the first view."""
        shape = (-1, *[1] * (pixels.ndim - 1))
        bright = self.gains.reshape(shape) * pixels + self.offsets.reshape(shape)
        return np.asarray(bright, dtype=np.float32)


@dataclass(frozen=True)
class TrackedView:
    """Hold the measurements of a view.

    Parameters
    ----------
    drift, error
        One per spatial axis, in pixels: how far its content has moved from the first view, and the
        standard error of the last step. If it could not be measured, the drift is that of the view
        before.
    segment
        The drifts of two views can be compared only if this number is the same.
    brightness
        Relative to the first view.
    means, contrasts
        One per channel: mean and standard deviation of the pixels.
    is_flat
        Whether all pixels of a channel are equal.
    digest
        Hash of the pixels.
    """

    drift: Floats
    error: Floats
    segment: int
    brightness: Brightness
    means: Floats
    contrasts: Floats
    is_flat: bool
    digest: bytes = field(repr=False)

    def is_copy_of(self, other: TrackedView) -> bool:
        """Return whether two views hold the same pixels; flat views do not count."""
        return self.digest == other.digest and not self.is_flat


@dataclass(frozen=True)
class _Reference:
    """Hold what the next view is compared with.

    The drift is measured against the mean of a few views. They are moved to the place of the last
    one, and made as bright as the first. The brightness is measured against one view, the anchor,
    so that errors do not add up.
    """

    pixels: npt.NDArray[np.float32]
    view: TrackedView
    n: int
    anchor: npt.NDArray[np.float32]
    anchor_drift: Floats

    def compare(self, pixels: npt.NDArray[np.float32], view: TrackedView) -> TrackedView | None:
        """Return a view with its drift and brightness; None if it cannot be compared."""
        if self.pixels.shape != pixels.shape or view.is_flat:
            return None
        step, error = measure_drift(self.pixels, pixels)
        if not (error < MAX_ERROR).all():
            return None
        drift = self.view.drift + step
        whole_pixels = [round(d) for d in drift - self.anchor_drift]
        brightness = match(*common_part(self.anchor, pixels, whole_pixels))
        segment = self.view.segment
        return replace(view, drift=drift, error=error, segment=segment, brightness=brightness)

    def updated(self, pixels: npt.NDArray[np.float32], view: TrackedView) -> _Reference:
        """Return the reference for the view after this one."""
        step = view.drift - self.view.drift
        old = self.pixels
        if np.abs(step).max() > 0.02:
            # Fourier phases keep noise white, but they wrap at the edges: use them for the
            # fraction of a pixel alone.
            whole_pixels = np.round(step)
            old = move(old, step - whole_pixels)
            old = np.stack([ndimage.shift(c, whole_pixels, order=0, mode="nearest") for c in old])
        as_bright = view.brightness.apply(pixels)
        weight = np.float32(1 / min(self.n + 1, _MEMORY))
        mixed = (1 - weight) * old + weight * as_bright
        anchor, anchor_drift = self.anchor, self.anchor_drift
        if np.prod(1 - np.abs(view.drift - anchor_drift) / pixels.shape[1:]) < _MIN_COMMON:
            anchor, anchor_drift = as_bright, view.drift
        return _Reference(mixed, view, self.n + 1, anchor, anchor_drift)


def track(frames: Iterable[Pixels]) -> Iterator[TrackedView]:
    """Track views of one scene, ``(C, *spatial)`` each, as they come; few are held in memory.

    Each view is compared with a mean of the views before it, which is less noisy than any one of
    them. Recent views weigh more in this mean, so that the scene may change. If a view cannot be
    compared, the next one is compared with it, and else with the mean from before: one bad frame
    does no harm.
    """
    last: TrackedView | None = None
    references: list[_Reference] = []
    for number, raw in enumerate(frames):
        pixels = raw.astype(np.float32)
        view = _not_compared(raw, number, last)
        for reference in references:
            if (compared := reference.compare(pixels, view)) is not None:
                view = compared
                references = [reference.updated(pixels, view)]
                break
        else:
            if not view.is_flat:
                as_bright = view.brightness.apply(pixels)
                new = _Reference(as_bright, view, 1, as_bright, view.drift)
                references = [new, *references[:1]]
        yield view
        last = view


def _not_compared(raw: Pixels, number: int, last: TrackedView | None) -> TrackedView:
    """Describe a view that is compared with no other: it begins a new segment of the movie."""
    axes = tuple(range(1, raw.ndim))
    means = np.asarray(raw.mean(axis=axes, dtype=np.float64))
    contrasts = np.asarray(raw.std(axis=axes, dtype=np.float64))
    n, drift = len(raw), np.zeros(len(axes))
    brightness = Brightness(np.ones(n), np.zeros(n), np.ones((2, n)))
    if last is not None:  # assume the place and the mean brightness of the last view
        drift, gains = last.drift, last.brightness.gains
        offsets = gains * last.means + last.brightness.offsets - gains * means
        brightness = Brightness(gains, offsets, np.full((2, n), np.nan))
    is_flat = bool((raw.min(axis=axes) == raw.max(axis=axes)).any())
    digest = hashlib.blake2b(raw.tobytes(), digest_size=16).digest()
    error = np.zeros(len(axes))
    return TrackedView(drift, error, number, brightness, means, contrasts, is_flat, digest)


def match(first: Pixels, second: Pixels) -> Brightness:
    """Measure the gain and offset that give the second picture the brightness of the first.

    The gain is the ratio of their contrasts. A regression of one on the other would give a smaller
    gain if the scene has changed in between. Noise adds to a contrast, so the contrast is measured
    as the covariance of two halves of the pixels of each bin. If a contrast cannot be told from
    noise, the gain is 1.

    Parameters
    ----------
    first, second
        ``(C, *spatial)``, of the same place to a pixel.
    """
    matches = [_match_channel(one, other) for one, other in zip(first, second, strict=True)]
    gains, offsets, half_gains = zip(*matches, strict=True)
    return Brightness(np.array(gains), np.array(offsets), np.transpose(half_gains))


def contrast(pixels: Pixels) -> float:
    """Measure the standard deviation of pixels ``(*spatial)``, without noise and fine detail."""
    one, other = _half_bins(pixels)
    return math.sqrt(max(0.0, _covariance(one, other))) if one.size > 1 else 0.0


def _match_channel(first: Pixels, second: Pixels) -> tuple[float, float, list[float]]:
    """Return gain, offset, and the gains in two halves of a channel, as `match` measures them."""
    bins = np.stack([half for picture in (first, second) for half in _half_bins(picture)])
    wanted, measured = bins[:2].mean(axis=0), bins[2:].mean(axis=0)
    unknown = 1.0, float(wanted.mean() - measured.mean()) if wanted.size else 0.0, [math.nan] * 2
    is_used = np.ones(wanted.size, bool)
    for _ in range(2):  # the second time without bins where something moves
        gain = _ratio_of_contrasts(bins[:, is_used])
        if math.isnan(gain):
            return unknown
        offset = float(wanted[is_used].mean() - gain * measured[is_used].mean())
        residual = np.abs(wanted - gain * measured - offset)
        is_used = residual <= 4 * 1.4826 * np.median(residual)
    sides = (*first.shape[:-2], first.shape[-2] // BIN, first.shape[-1] // BIN)
    is_white_bin = (np.indices(sides)[-2:].sum(axis=0) % 2 == 0).ravel()  # bins on a chess board
    halves = [
        _ratio_of_contrasts(bins[:, is_used & half]) for half in (is_white_bin, ~is_white_bin)
    ]
    return gain, offset, halves


def _half_bins(pixels: Pixels) -> tuple[Floats, Floats]:
    """Return two means of each bin: of its white and of its black pixels, as on a chess board."""
    height, width = (n - n % BIN for n in pixels.shape[-2:])
    even = pixels[..., :height, :width].astype(np.float64)
    sides = (*even.shape[:-2], height // BIN, BIN // 2, 2, width // BIN, BIN // 2, 2)
    cells = even.reshape(sides).mean(axis=(-2, -5))
    white = (cells[..., 0, :, 0] + cells[..., 1, :, 1]) / 2
    black = (cells[..., 0, :, 1] + cells[..., 1, :, 0]) / 2
    return white.ravel(), black.ravel()


def _ratio_of_contrasts(bins: Floats) -> float:
    """Return the ratio of the contrasts of two pictures, from two halves of each; NaN if unsure."""
    a, b, c, d = bins
    if a.size < _MIN_BINS:
        return math.nan
    wanted, measured = _covariance(a, b), _covariance(c, d)
    noise = max(np.var(a - b), np.var(c - d)) / 2
    smaller = min(wanted, measured)
    if smaller <= 0 or noise / math.sqrt(a.size) > _MAX_GAIN_ERROR * smaller:
        return math.nan
    return math.sqrt(wanted / measured)


def _covariance(a: Floats, b: Floats) -> float:
    return float(np.mean((a - a.mean()) * (b - b.mean())))

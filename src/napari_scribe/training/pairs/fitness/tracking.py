"""One view after the other: how far each has drifted, and how bright it is."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from .drift import drift_between, moved, overlap

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Halves = tuple[Floats, Floats]

ERROR = 0.3
"""Pixels of standard error from which a drift counts as not measured."""
BIN = 8
"""Sides of the bins in which brightness is compared, in pixels."""
_MEMORY = 4
"""How many views a reference is the mean of, about."""
_WORST_GAIN = 0.1
"""Relative error of a gain from which only means are compared."""
_FEWEST = 8
"""Bins, to measure a contrast in."""
_SHOWN = 0.6
"""Share of a picture that must be seen in another for their brightness to be compared."""


@dataclass(frozen=True)
class Seen:
    """What was measured of a view.

    Parameters
    ----------
    shift, error
        One a spatial axis: how much further on its content lies than in the first view, in pixels,
        and the standard error of the last step. Where it could not be measured, the shift is that
        of the view before.
    part
        Shifts of two views can be compared where this number is the same.
    gains, offsets
        One a channel: ``gain * pixels + offset`` has the intensities of the first view.
    halves
        ``(2, C)``: the gains once more, from two halves of the picture.
    means, contrasts
        One a channel: mean and standard deviation of the pixels.
    is_flat
        Whether all pixels of a channel are equal.
    digest
        Of the pixels.
    """

    shift: Floats
    error: Floats
    part: int
    gains: Floats
    offsets: Floats
    halves: Floats
    means: Floats
    contrasts: Floats
    is_flat: bool
    digest: bytes = field(repr=False)


@dataclass(frozen=True)
class _Reference:
    """What the next view is compared with.

    Its place with the mean of a few views, at the place of the last, as bright as the first. Its
    brightness with one view, the anchor, so that no errors add up.
    """

    pixels: npt.NDArray[np.float32]
    seen: Seen
    n: int
    anchor: npt.NDArray[np.float32]
    place: Floats


def follow(frames: Iterable[Array]) -> list[Seen]:
    """Follow views of one scene, ``(C, *spatial)`` each; few of them are held in memory.

    Each view is compared with the mean of those before it, which is less noisy than any one of
    them, and forgets them slowly, so that the scene may change. Where a view does not fit, the
    next one is compared with it and with what was before: one bad frame does no harm.
    """
    found: list[Seen] = []
    references: list[_Reference] = []
    for raw in frames:
        pixels = raw.astype(np.float32)
        fits = (_fit(r, pixels, raw) for r in references)
        seen = next((s for s in fits if s is not None), None)
        if seen is not None:
            kept = next(r for r in references if r.seen.part == seen.part)
            references = [_renewed(kept, pixels, seen)]
        else:
            seen = _lost(pixels, raw, found)
            if not seen.is_flat:
                as_bright = _matched(pixels, seen)
                new = _Reference(as_bright, seen, 1, as_bright, seen.shift)
                references = [new, *references[:1]]
        found.append(seen)
    return found


def match(first: Array, second: Array) -> tuple[Floats, Floats, Floats]:
    """Gains and offsets that give the second picture the intensities of the first.

    The gain is the ratio of their contrasts: a regression of one on the other would find less where
    the scene has changed in between. Noise adds to a contrast, so that is what two halves of the
    pixels of each bin have in common.

    Parameters
    ----------
    first, second
        ``(C, *spatial)``, of the same place to a pixel.

    Returns
    -------
    gains, offsets
        ``(C,)``; where a contrast cannot be told from noise, the gain is 1.
    halves
        ``(2, C)``: gains from two halves of the bins; NaN where they cannot be told.
    """
    n = len(first)
    gains, offsets, halves = np.ones(n), np.zeros(n), np.full((2, n), np.nan)
    for c in range(n):
        gains[c], offsets[c], halves[:, c] = _match(_bins(first[c]), _bins(second[c]))
    return gains, offsets, halves


def contrast(pixels: Array) -> float:
    """Standard deviation ``(*spatial)`` of what is coarser than a bin; noise is left out."""
    one, other = (half.ravel() for half in _bins(pixels))
    return float(np.sqrt(max(0.0, _covariance(one, other)))) if one.size > 1 else 0.0


def _bins(pixels: Array) -> tuple[Floats, Floats]:
    """Means of bins: of half of their pixels, as on a chess board, and of the other half."""
    height, width = (n - n % BIN for n in pixels.shape[-2:])
    even = pixels[..., :height, :width].astype(np.float64)
    sides = (*even.shape[:-2], height // BIN, BIN // 2, 2, width // BIN, BIN // 2, 2)
    cells = even.reshape(sides).mean(axis=(-2, -5))
    return (
        (cells[..., 0, :, 0] + cells[..., 1, :, 1]) / 2,
        (cells[..., 0, :, 1] + cells[..., 1, :, 0]) / 2,
    )


def _match(first: Halves, second: Halves) -> tuple[float, float, Floats]:
    a, b, c, d = (half.ravel() for half in (*first, *second))
    y, x = (a + b) / 2, (c + d) / 2
    none = 1.0, float(y.mean() - x.mean()) if y.size else 0.0, np.full(2, np.nan)
    kept = np.ones(y.size, bool)
    for _ in range(2):  # what moves is left out the second time
        gain = _gain(*(half[kept] for half in (a, b, c, d)))
        if math.isnan(gain):
            return none
        offset = float(y[kept].mean() - gain * x[kept].mean())
        rest = np.abs(y - gain * x - offset)
        kept = rest <= 4 * 1.4826 * np.median(rest)
    white = (np.indices(first[0].shape)[-2:].sum(axis=0) % 2 == 0).ravel()
    halves = [_gain(*(h[kept & part] for h in (a, b, c, d))) for part in (white, ~white)]
    return gain, offset, np.array(halves)


def _gain(a: Floats, b: Floats, c: Floats, d: Floats) -> float:
    """Ratio of the contrasts of two pictures, from two halves of each; NaN where it is not sure."""
    if a.size < _FEWEST:
        return math.nan
    wanted, given = _covariance(a, b), _covariance(c, d)
    noise = max(np.var(a - b), np.var(c - d)) / 2
    if min(wanted, given) <= 0 or noise / math.sqrt(a.size) > _WORST_GAIN * min(wanted, given):
        return math.nan
    return math.sqrt(wanted / given)


def _covariance(a: Floats, b: Floats) -> float:
    return float(np.mean((a - a.mean()) * (b - b.mean())))


def _fit(reference: _Reference, pixels: Array, raw: Array) -> Seen | None:
    """A view as seen from a reference; None where it does not fit."""
    if reference.pixels.shape != pixels.shape or _is_flat(raw):
        return None
    step, error = drift_between(reference.pixels, pixels)
    if not (error < ERROR).all():
        return None
    shift = reference.seen.shift + step
    away = [round(s) for s in shift - reference.place]
    gains, offsets, halves = match(*overlap(reference.anchor, pixels, away))
    return Seen(
        shift, error, reference.seen.part, gains, offsets, halves, *_levels(raw), False, _hash(raw)
    )


def _lost(pixels: Array, raw: Array, before: list[Seen]) -> Seen:
    """A view that fits nothing: the first, or one that begins another part of the movie."""
    n, d = len(pixels), pixels.ndim - 1
    means, contrasts = _levels(raw)
    last = before[-1] if before else None
    gains = last.gains if last else np.ones(n)
    offsets = np.zeros(n)
    if last:
        offsets = last.gains * last.means + last.offsets - gains * means
    shift = last.shift if last else np.zeros(d)
    part = len(before)
    halves = np.full((2, n), np.nan) if last else np.ones((2, n))
    is_flat = _is_flat(raw)
    return Seen(
        shift, np.zeros(d), part, gains, offsets, halves, means, contrasts, is_flat, _hash(raw)
    )


def _renewed(reference: _Reference, pixels: Array, seen: Seen) -> _Reference:
    step = seen.shift - reference.seen.shift
    old = reference.pixels
    if np.abs(step).max() > 0.02:
        whole = np.round(step)
        old = moved(old, (step - whole).tolist())
        old = np.stack([ndimage.shift(c, whole, order=0, mode="nearest") for c in old])
    as_bright = _matched(pixels, seen)
    weight = np.float32(1 / min(reference.n + 1, _MEMORY))
    mixed = (1 - weight) * old + weight * as_bright
    anchor, place = reference.anchor, reference.place
    if np.prod(1 - np.abs(seen.shift - place) / pixels.shape[1:]) < _SHOWN:
        anchor, place = as_bright, seen.shift
    return _Reference(mixed, seen, reference.n + 1, anchor, place)


def _matched(pixels: Array, seen: Seen) -> npt.NDArray[np.float32]:
    shape = (-1, *[1] * (pixels.ndim - 1))
    return np.asarray(
        seen.gains.reshape(shape) * pixels + seen.offsets.reshape(shape), dtype=np.float32
    )


def _levels(raw: Array) -> tuple[Floats, Floats]:
    axes = tuple(range(1, raw.ndim))
    return raw.mean(axis=axes, dtype=np.float64), raw.std(axis=axes, dtype=np.float64)


def _is_flat(raw: Array) -> bool:
    return any(bool((c == c.flat[0]).all()) for c in raw)


def _hash(raw: Array) -> bytes:
    return hashlib.blake2b(raw.tobytes(), digest_size=16).digest()

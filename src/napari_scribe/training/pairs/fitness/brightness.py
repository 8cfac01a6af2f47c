"""Whether noisy pairs are equally bright: bleaching, flicker, frames that are far off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from .measurements import Finding, Floats, Looked

LOSS = 0.05
"""Share of the light that may come or go over all frames."""
FLICKER = 0.03
"""Relative brightness by which frames may differ irregularly."""
LIFT = 0.1
"""The same for their ground, in units of the contrast."""
_FAR = 0.15
"""How far off the mean of a frame must be to be left out, in units of the contrast."""
_RARE = 0.25
"""Share of the frames that may be so; else brightness flickers."""
_LONG = 5
"""Views in which a trend can be seen."""


def bleaching(looked: Looked) -> Iterator[Finding]:
    """Light that is lost, or gained, steadily."""
    changes = []
    for group in _steady(looked):
        if len(group) >= _LONG:
            logs = looked.brightness(group)[:, 0]
            trend = _trend(logs)
            spread = (logs - trend).std(axis=0) * np.sqrt(18 / len(group))
            change = trend[-1] - trend[0]
            changes.append(np.where(np.abs(change) > 5 * spread, np.expm1(change), 0))
    if not changes:
        return
    usual = np.median(changes, axis=0)
    channel = int(np.argmax(np.abs(usual)))
    change = float(usual[channel])
    if abs(change) > LOSS:
        size = 100 * abs(change)
        what = f"loses {size:.0f} % of its brightness" if change < 0 else f"gains {size:.0f} %"
        yield Finding(
            "bleaching",
            size,
            "%",
            f"The signal{looked.in_channel(channel)} {what} from the first frame to the last "
            f"({'bleaching' if change < 0 else 'it gets brighter'}): pictures of a pair are not "
            "equally bright.",
            "match",
        )


def flicker(looked: Looked) -> Iterator[Finding]:
    """Irregular changes of brightness, else of the ground."""
    groups = _steady(looked)
    if not groups:
        return
    alone = all(len(group) < _LONG for group in groups)
    gains = [_irregular(looked.brightness(group)) for group in groups]
    usual = np.median(gains, axis=0)
    size, channel = float(usual.max()), int(usual.argmax())
    if alone and size > LOSS:
        yield Finding(
            "flicker",
            100 * size,
            "%",
            f"The two pictures of a pair differ in brightness{looked.in_channel(channel)} by "
            f"{100 * size:.0f} %.",
            "match",
        )
    elif not alone and size > FLICKER:
        yield Finding(
            "flicker",
            100 * size,
            "%",
            f"Brightness{looked.in_channel(channel)} flickers by {100 * size:.0f} % from frame "
            "to frame: pictures of a pair are not equally bright.",
            "match",
        )
    elif (size := _lift(looked, groups)) > LIFT:
        yield Finding(
            "flicker",
            100 * size,
            "%",
            f"The ground of the image rises and falls by {100 * size:.0f} % of its contrast from "
            "frame to frame: pictures of a pair are not equally bright.",
            "match",
        )


def off(looked: Looked) -> Iterator[Finding]:
    """Frames that are far darker or brighter than those around them."""
    far = [view for group in looked.groups for view in _off_in(looked, group)]
    if far:
        n = len(looked.seen)
        yield Finding(
            "flicker",
            100 * len(far) / n,
            "%",
            f"{len(far)} of {n} frames {'is' if len(far) == 1 else 'are'} far darker or brighter "
            f"than those around {'it' if len(far) == 1 else 'them'} "
            f"({looked.named(far)}).",
            "drop",
        )


def are_off(means: Floats, contrasts: Floats) -> npt.NDArray[np.bool_]:
    """Which of the views of a group, ``(n, C)``, are far darker or brighter than those around."""
    if len(means) < _LONG:
        return np.zeros(len(means), bool)
    size = (min(9, len(means)), 1)
    away = np.abs(means - ndimage.median_filter(means, size, mode="nearest"))
    usual = 8 * 1.4826 * np.median(away, axis=0)
    off = (away > np.maximum(usual, _FAR * np.median(contrasts, axis=0))).any(axis=1)
    return np.asarray(off & (off.mean() <= _RARE))


def _steady(looked: Looked) -> list[list[int]]:
    """Views that hang together, without those that say nothing about the others."""
    groups = []
    for group in looked.groups:
        left_out = {*_off_in(looked, group), *looked.flat}
        if len(kept := [v for v in group if v not in left_out]) > 1:
            groups.append(kept)
    return groups


def _irregular(logs: Floats) -> Floats:
    """How much brightness of a group, ``(n, 3, C)``, changes irregularly, one a channel.

    Both halves of the picture must agree on it: so noise gives nothing.
    """
    one, other = logs[:, 1], logs[:, 2]
    known = np.isfinite(one) & np.isfinite(other)
    sizes = np.zeros(logs.shape[-1])
    for c in np.flatnonzero(known.sum(axis=0) == len(logs)):
        if len(logs) < _LONG:
            step = logs[-1, :, c]
            alike = step[1] * step[2] > 0 and np.abs(step[1:]).min() > FLICKER
            sizes[c] = abs(step[0]) if alike else 0
        else:
            rest = [half[:, c] - _trend(half[:, c : c + 1])[:, 0] for half in (one, other)]
            sizes[c] = np.sqrt(max(0.0, float(np.mean(rest[0] * rest[1]))))
    return sizes


def _lift(looked: Looked, groups: Sequence[Sequence[int]]) -> float:
    """How much the mean of frames changes irregularly, in units of the contrast."""
    sizes = []
    for group in groups:
        if len(group) >= _LONG:
            contrast = np.median([looked.seen[v].contrasts for v in group], axis=0)
            means = np.stack([_known_mean(looked, v) for v in group])
            spread = (means - _trend(means)).std(axis=0)
            sizes.append(np.divide(spread, contrast, out=np.zeros_like(spread), where=contrast > 0))
    return float(np.median(sizes, axis=0).max()) if sizes else 0.0


def _known_mean(looked: Looked, view: int) -> Floats:
    """Mean of a view, as bright as the pairs know it to be."""
    known, means = looked.pairs.views[view], looked.seen[view].means
    return np.asarray(np.multiply(known.gains, means) + known.offsets if known.gains else means)


def _trend(values: Floats) -> Floats:
    """A smooth change of ``(n, C)``: straight for few values, else bent once."""
    at = np.linspace(-1, 1, len(values))
    design = np.vander(at, 3 if len(values) >= 8 else 2)
    return np.asarray(design @ np.linalg.lstsq(design, values, rcond=None)[0])


def _off_in(looked: Looked, group: Sequence[int]) -> list[int]:
    seen = [looked.seen[v] for v in group]
    off = are_off(np.stack([s.means for s in seen]), np.stack([s.contrasts for s in seen]))
    return [v for v, o, s in zip(group, off, seen, strict=True) if o and not s.is_flat]

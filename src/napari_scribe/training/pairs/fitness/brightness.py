"""Measure how the brightness of views changes: steadily, irregularly, or in single frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import ndimage

from ....arrays import Floats
from .measurements import Measurements
from .tracking import TrackedView

FLICKER = 0.03
"""Relative change of brightness from frame to frame that is harmless."""
TREND_LENGTH = 5
"""Fewest views in which a trend can be seen."""
_FAR = 0.15
"""How far off the mean of a frame must be at least, in units of the contrast."""
_RARE = 0.25
"""Largest share of frames that may be far off; if there are more, brightness flickers."""


def steady_groups(m: Measurements) -> list[list[int]]:
    """Return the groups of views, without views that are flat or far off in brightness."""
    groups = []
    for group in m.groups:
        left_out = {*far_off(group, m.tracked), *m.flat}
        groups.append([view for view in group if view not in left_out])
    return [group for group in groups if len(group) > 1]


def far_off(group: Sequence[int], views: Mapping[int, TrackedView]) -> list[int]:
    """Return the views of a group that are far darker or brighter than those around them."""
    if len(group) < TREND_LENGTH:
        return []
    means = np.stack([views[v].means for v in group])
    contrasts = np.stack([views[v].contrasts for v in group])
    size = (min(9, len(group)), 1)
    deviation = np.abs(means - ndimage.median_filter(means, size, mode="nearest"))
    limit = 8 * 1.4826 * np.median(deviation, axis=0)
    is_off = (deviation > np.maximum(limit, _FAR * np.median(contrasts, axis=0))).any(axis=1)
    if is_off.mean() > _RARE:
        return []
    return [v for v, off in zip(group, is_off, strict=True) if off and not views[v].is_flat]


def steady_change(m: Measurements, group: Sequence[int]) -> Floats:
    """Return the share of the light ``(C,)`` that is gained or lost steadily; 0 if by chance."""
    logs = m.log_brightness(group)[:, 0]
    trend = _trend(logs)
    spread = (logs - trend).std(axis=0) * np.sqrt(18 / len(group))
    change = trend[-1] - trend[0]
    return np.where(np.abs(change) > 5 * spread, np.expm1(change), 0)


def irregular_change(m: Measurements, group: Sequence[int]) -> Floats:
    """Return how much the brightness ``(C,)`` of a group changes irregularly.

    Both halves of the picture must show the same change, so that noise gives 0.
    """
    logs = m.log_brightness(group)
    sizes = np.zeros(logs.shape[-1])
    for c in np.flatnonzero(np.isfinite(logs).all(axis=(0, 1))):
        whole, *halves = logs[..., c].T
        if len(group) < TREND_LENGTH:
            one, other = (half[-1] for half in halves)
            if one * other > 0 and min(abs(one), abs(other)) > FLICKER:
                sizes[c] = abs(whole[-1])
        else:
            one, other = (half - _trend(half) for half in halves)
            sizes[c] = np.sqrt(max(0.0, float(np.mean(one * other))))
    return sizes


def irregular_ground(m: Measurements, group: Sequence[int]) -> Floats:
    """Return how much the mean ``(C,)`` of views changes irregularly, in units of the contrast."""
    contrast = np.median([m.tracked[v].contrasts for v in group], axis=0)
    means = np.stack([_corrected_mean(m, v) for v in group])
    spread = (means - _trend(means)).std(axis=0)
    return np.where(contrast > 0, spread / np.maximum(contrast, 1e-30), 0)


def _corrected_mean(m: Measurements, view: int) -> Floats:
    """Return the mean of a view, corrected by the gains and offsets in the pairs."""
    corrections, means = m.pairs.views[view], m.tracked[view].means
    if not corrections.gains:
        return means
    return np.asarray(np.multiply(corrections.gains, means) + corrections.offsets)


def _trend(values: Floats) -> Floats:
    """Fit a smooth change to ``(n,)`` or ``(n, C)``: a line for few values, else a parabola."""
    places = np.linspace(-1, 1, len(values))
    design = np.vander(places, 3 if len(values) >= 8 else 2)
    return np.asarray(design @ np.linalg.lstsq(design, values, rcond=None)[0])

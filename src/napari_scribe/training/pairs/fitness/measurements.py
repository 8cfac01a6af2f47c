"""Measure a sample of noisy pairs: drift and brightness of views, motion and noise of pairs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ....arrays import Floats, Pixels
from ....windows import Window, shift
from ..registration import common_window, move
from ..sources import Pairs
from .motion import find_motion
from .noise import FineDetail, correlate_difference, measure_fine_detail
from .tracking import TrackedView, contrast, match, track

N_PAIRS = 24
"""How many pairs are measured at most."""
SIDES = {2: (384, 384), 3: (16, 128, 128)}
"""Sides of the window that is measured in larger pictures, in pixels per axis."""
_MIN_GROUPS = 3
"""How many groups of views are measured at least. More would be too short to show trends."""
_EDGE = 4
"""Pixels at the edges that a shift by a fraction of a pixel spoils."""


@dataclass(frozen=True)
class CheckStep:
    """Record how many of the views and pairs are measured."""

    done: int
    total: int


@dataclass(frozen=True)
class MeasuredPair:
    """Hold the measurements of one pair, or of one single picture.

    Parameters
    ----------
    number
        Number of the pair.
    pixels
        A window of each of its pictures, without flat ones.
    details
        One per channel: of the difference of the two pictures, or of the single picture. Empty if
        the two do not differ.
    correlations
        By channel: correlation of the noise by shift, and its error.
    moving
        Share of the pixels that change; NaN if it was not measured.
    """

    number: int
    pixels: list[Pixels]
    details: list[FineDetail] = field(default_factory=list)
    correlations: dict[int, tuple[Floats, Floats]] = field(default_factory=dict)
    moving: float = math.nan


@dataclass(frozen=True)
class Measurements:
    """Hold the measurements of a sample of noisy pairs.

    Parameters
    ----------
    pairs
        All pairs.
    groups
        Groups of measured views that are connected by pairs, in their order.
    tracked, sample
        The views and pairs that were measured.
    """

    pairs: Pairs
    groups: list[list[int]]
    tracked: dict[int, TrackedView]
    sample: list[MeasuredPair]

    @property
    def flat(self) -> list[int]:
        """Return views whose pixels are all equal."""
        return [number for number, view in self.tracked.items() if view.is_flat]

    def unknown_drift(self, view: int) -> Floats:
        """Return the part of the drift of a view that the pairs do not correct yet."""
        drift, corrected = self.tracked[view].drift, self.pairs.views[view].shift
        return np.asarray(drift - corrected if corrected else drift)

    def drifts(self) -> tuple[Floats, Floats]:
        """Return the drift of each pair that could be tracked ``(n, axes)``, and its error."""
        drifts, errors = [], []
        for a, b in (self.pairs.pairs[pair.number] for pair in self.sample):
            one, other = self.tracked[a], self.tracked[b]
            if a != b and one.segment == other.segment and not (one.is_flat or other.is_flat):
                drifts.append(self.unknown_drift(b) - self.unknown_drift(a))
                errors.append(np.hypot(one.error, other.error))
        axes = self.pairs.dimensions
        return np.reshape(drifts, (-1, axes)), np.reshape(errors, (-1, axes))

    def log_brightness(self, group: Sequence[int]) -> Floats:
        """Return the logarithm ``(n, 3, C)`` of the brightness of each view and its two halves.

        It is relative to the first view, and only the part that the pairs do not correct yet.
        """
        rows = []
        for number in group:
            corrected = self.pairs.views[number].gains or 1.0
            measured = self.tracked[number].brightness
            rows.append(
                np.log(corrected) - np.log(np.vstack([measured.gains, measured.half_gains]))
            )
        return np.asarray(np.stack(rows) - rows[0])

    def correlation(self, channel: int) -> tuple[Floats, Floats] | None:
        """Return the median correlation of noise by shift, and its standard error by chance."""
        measured = [p.correlations[channel] for p in self.sample if channel in p.correlations]
        if not measured:
            return None
        correlation, error = np.median(measured, axis=0)
        # The standard error of a median is 1.25 times that of a mean.
        return correlation, error * 1.25 / np.sqrt(len(measured))


def measuring(pairs: Pairs, seed: int) -> Generator[CheckStep, None, Measurements]:
    """Measure at most 24 pairs, spread evenly, in steps; of large pictures, only a window of each.

    Views are tracked in the same window of all of them. Noise and motion are measured in windows
    at random places, because motion in one place would be missed otherwise.
    """
    rng = np.random.default_rng(seed)
    groups = connected_views(pairs)
    chosen = _choose_pairs(pairs, groups)
    used = {view for number in chosen for view in pairs.pairs[number]}
    groups = [members for group in groups if (members := [v for v in group if v in used])]
    views: dict[int, TrackedView] = {}
    sample: list[MeasuredPair] = []
    total = sum(map(len, groups)) + len(chosen)
    for views in track_views(pairs, groups):
        yield CheckStep(len(views), total)
    for number in chosen:
        sample.append(_measure_pair(pairs, number, views, rng))
        yield CheckStep(len(views) + len(sample), total)
    return Measurements(pairs, groups, views, sample)


def connected_views(pairs: Pairs) -> list[list[int]]:
    """Return the groups of views that are connected by pairs, in order."""
    first, second = np.transpose(pairs.pairs)
    n = len(pairs.views)
    graph = coo_array((np.ones(len(first), bool), (first, second)), (n, n))
    _, labels = connected_components(graph, directed=False)
    groups: dict[int, list[int]] = {}
    for view in np.unique(pairs.pairs).tolist():
        groups.setdefault(int(labels[view]), []).append(view)
    return list(groups.values())


def track_views(pairs: Pairs, groups: Sequence[Sequence[int]]) -> Iterator[dict[int, TrackedView]]:
    """Track the views of each group, in the window of their pictures with the most structure.

    Yields the views that are tracked so far, by number, after each window that is read.
    """
    views: dict[int, TrackedView] = {}
    for group in groups:
        windows, structure = _windows(pairs.shape(group[0])), [0.0]
        if len(windows) > 1:
            structure = []
            for window in windows:
                read = pairs.views[group[0]].read(window)
                structure.append(sum(contrast(channel) for channel in read))
                yield views
        richest = windows[int(np.argmax(structure))]
        tracked = track(pairs.views[v].read(richest) for v in group)
        for number, view in zip(group, tracked, strict=True):
            views[number] = view
            yield views


def _choose_pairs(pairs: Pairs, groups: Sequence[Sequence[int]]) -> list[int]:
    """Choose a few pairs, from few groups if these are long, so that trends can be seen."""
    group_of = {view: i for i, group in enumerate(groups) for view in group}
    by_group: list[list[int]] = [[] for _ in groups]
    for number, (a, _) in enumerate(pairs.pairs):
        by_group[group_of[a]].append(number)
    length = int(np.median([len(numbers) for numbers in by_group]))
    n_groups = min(len(groups), max(_MIN_GROUPS, N_PAIRS // length))
    return [
        numbers[i]
        for numbers in (by_group[i] for i in _evenly(len(groups), n_groups))
        for i in _evenly(len(numbers), max(1, N_PAIRS // n_groups))
    ]


def _evenly(n: int, most: int) -> list[int]:
    """Return at most `most` of the numbers below `n`, spread evenly."""
    return sorted({round(i) for i in np.linspace(0, n - 1, min(n, most)).tolist()})


def _windows(shape: Sequence[int]) -> list[Window]:
    """Return windows of a picture at its ends and in the middle; the whole of a small one."""
    axes = []
    for n, side in zip(shape, SIDES[len(shape)], strict=True):
        room = max(0, n - side)
        axes.append([slice(start, start + n - room) for start in sorted({0, room // 2, room})])
    return list(itertools.product(*axes))


def _random_window(shape: Sequence[int], drift: Sequence[int], rng: np.random.Generator) -> Window:
    """Draw a window of a picture that the other picture of its pair also shows."""
    window = []
    for common, side in zip(common_window(shape, drift), SIDES[len(shape)], strict=True):
        room = max(0, common.stop - common.start - side)
        start = common.start + int(rng.integers(0, room + 1))
        window.append(slice(start, min(common.stop, start + side)))
    return tuple(window)


def _measure_pair(
    pairs: Pairs, number: int, views: dict[int, TrackedView], rng: np.random.Generator
) -> MeasuredPair:
    """Measure noise and motion of a pair in a window at a random place."""
    a, b = pairs.pairs[number]
    drift = np.zeros(pairs.dimensions)
    if views[a].segment == views[b].segment:
        drift = views[b].drift - views[a].drift
    steps = [round(d) for d in drift]
    window = _random_window(pairs.shape(a), steps, rng)
    first = pairs.views[a].read(window)
    second = first if a == b else pairs.views[b].read(shift(window, steps))
    pixels = [p for view, p in {a: first, b: second}.items() if not views[view].is_flat]
    rounding = 1 / 12 if first.dtype.kind in "ui" else 0.0
    if a == b:
        return MeasuredPair(number, pixels, _fine_details(first, rounding))
    if len(pixels) < 2 or np.array_equal(first, second):
        return MeasuredPair(number, pixels)
    one, other = _align(first, second, drift - steps)
    details = _fine_details(one - other, 2 * rounding)
    mask = find_motion(one, other, is_white=all(d.is_white for d in details))
    measured = {c: correlate_difference(one[c], other[c], mask) for c in range(len(one))}
    correlations = {channel: pair for channel, pair in measured.items() if pair is not None}
    return MeasuredPair(number, pixels, details, correlations, float(mask.mean()))


def _fine_details(pixels: Pixels, rounding: float) -> list[FineDetail]:
    """Measure the finest details of each channel, in the middle plane of 3D."""
    planes = pixels if pixels.ndim == 3 else pixels[:, pixels.shape[1] // 2]
    return [measure_fine_detail(plane, rounding) for plane in planes]


def _align(first: Pixels, second: Pixels, fraction: Floats) -> tuple[Pixels, Pixels]:
    """Move the second picture to the place and brightness of the first, and cut spoilt edges."""
    offsets = [
        f if abs(f) > 0.02 and n > 2 * _EDGE else 0.0
        for f, n in zip(fraction, first.shape[1:], strict=True)
    ]
    inside = (slice(None), *(slice(_EDGE, -_EDGE) if f else slice(None) for f in offsets))
    one, other = first.astype(np.float32)[inside], move(second, [-f for f in offsets])[inside]
    return one, match(one, other).apply(other)

"""Whether noisy pairs are fit for Noise2Noise, and what can be done where they are not."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from ....arguments import checked
from ....errors import InputError
from ....model import counted
from ..sources import Pairs, as_pairs
from .brightness import are_off
from .drift import moved
from .findings import BLOCKS, STRIPES, TILT, findings, is_identical, usual_grain
from .grain import LAGS, grain_of_one, grain_of_pair
from .levels import clipped
from .measurements import Finding, Looked, Remedy
from .motion import moving
from .sampled import chosen_of, groups_of, measured, random_window
from .tracking import Seen, match

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

_EDGE = 4
"""Pixels at the edges that a shift by a fraction spoils."""


@dataclass(frozen=True, eq=False)
class Curves:
    """For a small plot.

    Parameters
    ----------
    views
        ``(n,)``: numbers of the views that were looked at.
    drift
        ``(n,)``: how far each has drifted from the first one of its kind, in pixels; NaN where that
        could not be measured.
    brightness
        ``(n, C)``: relative to that of the first one, without the offset of the camera.
    lags
        ``(5,)``: 0 to 4 pixels.
    correlation
        ``(2, 5)``: how much noise goes together with that of pixels so far along Y, and along X;
        NaN where pictures are alone.
    moving
        ``(m,)``: share of the pixels that change, by pair.
    """

    views: npt.NDArray[np.int64]
    drift: Floats
    brightness: Floats
    lags: npt.NDArray[np.int64]
    correlation: Floats
    moving: Floats


@dataclass(frozen=True)
class Fitness:
    """What the check of pairs found.

    Parameters
    ----------
    findings
        Empty where all is well.
    curves
        What it was read from.
    n_views, n_pairs
        How many were looked at.
    """

    findings: tuple[Finding, ...]
    curves: Curves = field(repr=False)
    n_views: int
    n_pairs: int

    @property
    def is_fit(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def remedies(self) -> tuple[str, ...]:
        """Those that `apply_remedies` can be asked for, each once."""
        return tuple(dict.fromkeys(f.remedy for f in self.findings if f.remedy))

    @property
    def hopeless(self) -> str:
        """Why no training makes sense; empty where it does."""
        whole = ("constant", "identical")
        texts = [f.text for f in self.findings if f.kind in whole and not f.remedy]
        return texts[0] if texts else ""

    def in_words(self) -> str:
        """One line a finding."""
        if self.is_fit:
            looked = counted(self.n_pairs, "picture" if self.n_pairs == self.n_views else "pair")
            was, them = ("was", "it") if self.n_pairs == 1 else ("were", "them")
            return f"{looked} {was} looked at, and nothing speaks against {them}."
        return "\n".join(f.text for f in self.findings)


@checked
def check_pairs(pairs: Pairs | Any, seed: int = 0) -> Fitness:
    """Check noisy pairs, in a few seconds whatever their size.

    Looked at are 24 pairs at most, spread evenly, and of large pictures a part of each.

    Parameters
    ----------
    pairs
        `Pairs`, of `frame_pairs` and its siblings; or a stack, whose neighbouring frames are taken.
        Drift and brightness that pairs know of are taken into account.
    seed
        Chooses the parts.

    Raises
    ------
    InputError
        If pixels are NaN or infinite.
    """
    rng = np.random.default_rng(seed)
    pairs = as_pairs(pairs)
    groups = groups_of(pairs)
    chosen = chosen_of(pairs, groups)
    used = sorted({view for number in chosen for view in pairs.pairs[number]})
    groups = [kept for group in groups if (kept := [v for v in group if v in set(used)])]
    looked = Looked(pairs, chosen, groups, measured(pairs, groups))
    values: list[list[Array]] = [[] for _ in pairs.views[0].channels]
    looked.grains, looked.singles = [[] for _ in values], [[] for _ in values]
    for number in chosen:
        for channel, part in _look_at(looked, number, rng):
            values[channel].append(part)
    looked.clipped = [clipped(parts) for parts in values if parts]
    return Fitness(findings(looked), _curves(looked), len(used), len(chosen))


def apply_remedies(pairs: Pairs, fitness: Fitness, chosen: Collection[str]) -> Pairs:
    """Mend pairs.

    All views are measured for it, one at a time, so a long stack takes a while.

    Parameters
    ----------
    pairs
        Those that were checked.
    fitness
        What was found.
    chosen
        ``register``: note by how much each view has drifted, and leave out pairs for which it
        cannot be told; ``match``: note how bright each is; ``leave_out_motion``; ``drop``: leave
        out views that are flat or far off in brightness, and pairs of identical ones.

    Raises
    ------
    InputError
        If there is no such remedy, or no pair is left.
    """
    check_remedies(chosen)
    if pairs.is_single:
        chosen = set(chosen) & {"drop"}
    if {"register", "match", "drop"} & set(chosen):
        groups = groups_of(pairs)
        seen = measured(pairs, groups)
        if "drop" in chosen:
            pairs = _dropped(pairs, groups, seen)
        if "register" in chosen:
            pairs = _registered(pairs, seen)
        if "match" in chosen:
            views = [seen.get(v) for v in range(len(pairs.views))]
            n = len(pairs.views[0].channels)
            pairs = pairs.matched(
                [s.gains.tolist() if s else [1.0] * n for s in views],
                [s.offsets.tolist() if s else [0.0] * n for s in views],
            )
    if "leave_out_motion" in chosen:
        pairs = replace(pairs, leaves_out_motion=True)
    return pairs


def check_remedies(chosen: Collection[str]) -> None:
    """Make sure that there are such remedies.

    Raises
    ------
    InputError
        If one of them is unknown.
    """
    known = [name for name in get_args(Remedy) if name]
    if unknown := sorted(set(chosen) - set(known)):
        raise InputError(f"There is no remedy '{unknown[0]}': choose of {', '.join(known)}.")


def _registered(pairs: Pairs, seen: dict[int, Seen]) -> Pairs:
    none = [0.0] * pairs.dimensions
    shifts = [seen[v].shift.tolist() if v in seen else none for v in range(len(pairs.views))]
    known = [(a, b) for a, b in pairs.pairs if seen[a].part == seen[b].part]
    return replace(pairs.registered(shifts), pairs=tuple(known) or pairs.pairs)


def _dropped(pairs: Pairs, groups: list[list[int]], seen: dict[int, Seen]) -> Pairs:
    bad = {v for v, s in seen.items() if s.is_flat}
    for group in groups:
        means, contrasts = (
            np.stack([getattr(seen[v], name) for v in group]) for name in ("means", "contrasts")
        )
        bad |= {v for v, off in zip(group, are_off(means, contrasts), strict=True) if off}
    kept = tuple((a, b) for a, b in pairs.pairs if a == b or not is_identical(seen[a], seen[b]))
    if not kept:
        raise InputError(
            "The two pictures of every pair are identical: no pair is left without them. Choose "
            "pairs out of single images."
        )
    return replace(pairs, pairs=kept).without(sorted(bad))


def _look_at(looked: Looked, number: int, rng: np.random.Generator) -> Iterator[tuple[int, Array]]:
    """Measure where a pair moves and how its noise goes together; gives its pixels by channel."""
    a, b = looked.pairs.pairs[number]
    shape = looked.pairs.shape(a)
    drift = np.zeros(len(shape))
    if looked.seen[a].part == looked.seen[b].part:
        drift = looked.seen[b].shift - looked.seen[a].shift
    steps = [round(d) for d in drift]
    window = random_window(shape, steps, rng)
    first = looked.pairs.views[a].read(window)
    if not looked.seen[a].is_flat:
        yield from enumerate(first)
    if a == b:
        _note_grain(looked, first, _rounding(first))
        return
    beyond = tuple(slice(s.start + d, s.stop + d) for s, d in zip(window, steps, strict=True))
    second = looked.pairs.views[b].read(beyond)
    if not looked.seen[b].is_flat:
        yield from enumerate(second)
    if looked.seen[a].is_flat or looked.seen[b].is_flat or np.array_equal(first, second):
        return
    one, other = _aligned(first, second, drift - steps)
    mask = moving(one, other, is_white=_note_grain(looked, one - other, 2 * _rounding(first)))
    looked.moving[number] = float(mask.mean())
    for c in range(len(one)):
        if (grain := grain_of_pair(one[c], other[c], mask)) is not None:
            looked.grains[c].append(grain)


def _note_grain(looked: Looked, pixels: Array, rounding: float) -> bool:
    """Note whether noise is white in its finest details, and in rows; in the middle plane of 3D."""
    planes = pixels if pixels.ndim == 3 else pixels[:, pixels.shape[1] // 2]
    found = [grain_of_one(plane, rounding) for plane in planes]
    for noted, one in zip(looked.singles, found, strict=True):
        noted.append(one)
    return all(
        abs(f.correlation) < TILT and f.stripes < STRIPES and f.blocks < BLOCKS for f in found
    )


def _rounding(pixels: Array) -> float:
    """Variance that whole grey levels add."""
    return 1 / 12 if pixels.dtype.kind in "ui" else 0.0


def _aligned(first: Array, second: Array, fraction: Floats) -> tuple[Array, Array]:
    """Both of one place and brightness, without the edges that this spoils."""
    small = [
        f if abs(f) > 0.02 and n > 2 * _EDGE else 0.0
        for f, n in zip(fraction, first.shape[1:], strict=True)
    ]
    one, other = first.astype(np.float32), moved(second, [-f for f in small])
    if any(small):
        inside = tuple(slice(_EDGE, -_EDGE) if f else slice(None) for f in small)
        one, other = one[(slice(None), *inside)], other[(slice(None), *inside)]
    gains, offsets, _ = match(one, other)
    shape = (-1, *[1] * (one.ndim - 1))
    as_bright = gains.reshape(shape) * other + offsets.reshape(shape)
    return one, as_bright.astype(np.float32)


def _curves(looked: Looked) -> Curves:
    views, drift, brightness = [], [], []
    for group in looked.groups:
        first = looked.seen[group[0]]
        logs = looked.brightness(group)[:, 0]
        for view, log in zip(group, logs, strict=True):
            seen = looked.seen[view]
            is_known = seen.part == first.part and not seen.is_flat
            away = looked.place(view) - looked.place(group[0])
            views.append(view)
            drift.append(float(np.linalg.norm(away)) if is_known else math.nan)
            brightness.append(np.exp(log))
    correlation = np.full((2, LAGS + 1), math.nan)
    alike = [usual_grain(grains)[0] for grains in looked.grains if grains]
    if alike:
        worst = max(alike, key=lambda a: np.sort(np.abs(a), axis=None)[-2])
        correlation = np.stack([worst[LAGS:, LAGS], worst[LAGS, LAGS:]])
    return Curves(
        np.array(views),
        np.array(drift),
        np.stack(brightness),
        np.arange(LAGS + 1),
        correlation,
        np.array([looked.moving.get(i, math.nan) for i in looked.chosen]),
    )

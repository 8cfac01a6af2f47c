"""Check whether noisy pairs are fit for Noise2Noise, and correct what can be corrected."""

from __future__ import annotations

import math
from collections.abc import Collection, Generator
from dataclasses import dataclass, field, replace
from typing import get_args

import numpy as np
import numpy.typing as npt

from ....arguments import checked
from ....arrays import Floats
from ....errors import InputError
from ....io import ImageLike
from ....progress import Job, run
from ....wording import counted
from ..sources import Pairs, as_pairs
from .brightness import far_off
from .findings import Finding, Remedy, judge
from .measurements import CheckStep, Measurements, connected_views, measuring, track_views


@dataclass(frozen=True, eq=False)
class Curves:
    """Hold the curves of a small plot.

    Parameters
    ----------
    views
        ``(n,)``: numbers of the views that were measured.
    drift
        ``(n,)``: how far each has drifted from the first one of its group, in pixels; NaN where
        that could not be measured.
    brightness
        ``(n, C)``: relative to the first view of the group, without the offset of the camera.
    """

    views: npt.NDArray[np.int64]
    drift: Floats
    brightness: Floats


@dataclass(frozen=True)
class Fitness:
    """Hold what the check of pairs found.

    Parameters
    ----------
    findings
        Empty where all is well.
    curves
        Drift and brightness, as measured.
    n_views, n_pairs
        Number of views and pairs that were measured.
    """

    findings: tuple[Finding, ...]
    curves: Curves = field(repr=False)
    n_views: int
    n_pairs: int

    @property
    def is_fit(self) -> bool:
        """Return whether nothing was found."""
        return not self.findings

    @property
    def remedies(self) -> tuple[str, ...]:
        """Return the remedies that `apply_remedies` can apply, each once."""
        return tuple(dict.fromkeys(f.remedy for f in self.findings if f.remedy))

    @property
    def hopeless(self) -> str:
        """Return why training makes no sense; empty if it does make sense."""
        useless = ("constant", "identical")
        return next((f.text for f in self.findings if f.kind in useless and not f.remedy), "")

    def in_words(self) -> str:
        """Return one line per finding."""
        if self.is_fit:
            checked = counted(self.n_pairs, "picture" if self.n_pairs == self.n_views else "pair")
            was, them = ("was", "it") if self.n_pairs == 1 else ("were", "them")
            return f"{checked} {was} looked at, and nothing speaks against {them}."
        return "\n".join(f.text for f in self.findings)


CheckJob = Job[CheckStep, Fitness | None]


@checked
def check_pairs(pairs: Pairs | ImageLike, seed: int = 0) -> Fitness:
    """Check noisy pairs, in a few seconds whatever their size.

    At most 24 pairs are read, spread evenly. Of large pictures, only a part is read.

    Parameters
    ----------
    pairs
        `Pairs` from `frame_pairs` and its siblings; or a stack, to make pairs of its frames. Drift
        and brightness that the pairs already correct are not reported.
    seed
        Decides which parts are read.

    Raises
    ------
    InputError
        If pixels are NaN or infinite.
    """
    fitness = run(checking_pairs(as_pairs(pairs), seed))
    assert fitness is not None  # nobody has stopped it
    return fitness


def checking_pairs(pairs: Pairs, seed: int = 0) -> CheckJob:
    """Return `check_pairs` as a job; stopped early, it has no result."""
    return Job(lambda job: _check(job, pairs, seed))


def _check(job: CheckJob, pairs: Pairs, seed: int) -> Generator[CheckStep, None, Fitness | None]:
    steps = measuring(pairs, seed)
    while not job.stop_requested:
        try:
            yield next(steps)
        except StopIteration as end:
            m: Measurements = end.value
            return Fitness(judge(m), _curves(m), len(m.tracked), len(m.sample))
    return None


def check_remedies(chosen: Collection[str]) -> None:
    """Check that the chosen remedies exist.

    Raises
    ------
    InputError
        If one of them is unknown.
    """
    known = [name for name in get_args(Remedy) if name]
    if unknown := sorted(set(chosen) - set(known)):
        raise InputError(f"There is no remedy '{unknown[0]}': choose from {', '.join(known)}.")


@checked
def apply_remedies(pairs: Pairs, fitness: Fitness, chosen: Collection[str]) -> Pairs:
    """Apply remedies to pairs.

    This measures all views one by one, so a long stack takes a while.

    Parameters
    ----------
    pairs
        The pairs that were checked.
    fitness
        The result of the check.
    chosen
        ``register``: record the drift of each view, and leave out pairs whose drift cannot be
        measured; ``match``: record the brightness of each view; ``leave_out_motion``: leave out
        places that move; ``drop``: leave out views that are flat or far off in brightness, and
        pairs of identical views.

    Raises
    ------
    InputError
        If there is no such remedy, or no pair is left.
    """
    check_remedies(chosen)
    if pairs.is_single:
        chosen = set(chosen) & {"drop"}
    if "leave_out_motion" in chosen:
        pairs = replace(pairs, leaves_out_motion=True)
    if not {"register", "match", "drop"} & set(chosen):
        return pairs
    groups = connected_views(pairs)
    *_, tracked = track_views(pairs, groups)
    numbers = range(len(pairs.views))
    if "drop" in chosen:
        bad = [number for number, view in tracked.items() if view.is_flat]
        bad += [number for group in groups for number in far_off(group, tracked)]
        different = tuple(
            (a, b) for a, b in pairs.pairs if a == b or not tracked[a].is_copy_of(tracked[b])
        )
        if not different:
            raise InputError(
                "The two pictures of every pair are identical: no pair is left without them. "
                "Choose pairs out of single images."
            )
        pairs = replace(pairs, pairs=different).without(bad)
    if "register" in chosen:
        no_drift = [0.0] * pairs.dimensions
        pairs = pairs.registered([tracked[i].drift if i in tracked else no_drift for i in numbers])
        comparable = [(a, b) for a, b in pairs.pairs if tracked[a].segment == tracked[b].segment]
        pairs = replace(pairs, pairs=tuple(comparable) or pairs.pairs)
    if "match" in chosen:
        n = len(pairs.views[0].channels)
        gains = [tracked[i].brightness.gains if i in tracked else [1.0] * n for i in numbers]
        offsets = [tracked[i].brightness.offsets if i in tracked else [0.0] * n for i in numbers]
        pairs = pairs.matched(gains, offsets)
    return pairs


def _curves(m: Measurements) -> Curves:
    """Return the drift and brightness of each measured view."""
    drift: list[float] = []
    for group in m.groups:
        first = m.tracked[group[0]]
        for number in group:
            view = m.tracked[number]
            is_known = view.segment == first.segment and not view.is_flat
            drift_from_first = m.unknown_drift(number) - m.unknown_drift(group[0])
            drift.append(float(np.linalg.norm(drift_from_first)) if is_known else math.nan)
    brightness = [np.exp(m.log_brightness(group)[:, 0]) for group in m.groups]
    return Curves(np.concatenate(m.groups), np.array(drift), np.concatenate(brightness))

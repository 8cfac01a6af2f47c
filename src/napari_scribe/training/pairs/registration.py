"""Which parts of pairs train and which validate, where the scene may have drifted in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from .sources import Pairs

HELD = 10
"""One in so many views validates."""
STRIP = 8
"""Of fewer views, one in so many pixels along the longest axis does."""

Window = tuple[slice, ...]


@dataclass(frozen=True)
class Share:
    """A part of a pair, by its window in the first view; the drift is accounted for."""

    pair: int
    window: Window


def split(pairs: Pairs) -> tuple[list[Share], list[Share]]:
    """What trains, and what is held out: the last views, or of few ones a strip of each."""
    n_held = len(pairs.views) // HELD
    held_views = set(range(len(pairs.views) - n_held, len(pairs.views)))
    trained, held = [], []
    for number, pair in enumerate(pairs.pairs):
        if not set(pair) & held_views:
            trained.append(Share(number, _common(pairs, number)))
        elif set(pair) <= held_views:
            held.append(Share(number, _common(pairs, number)))
    trained, held = _not_empty(trained), _not_empty(held)
    if trained and held:
        return trained, held
    cut = [_strip(_common(pairs, number)) for number in range(len(pairs.pairs))]
    trained = _not_empty([Share(number, rest) for number, (rest, _) in enumerate(cut)])
    if not trained:
        raise InputError(
            "The pictures have drifted so far that the two of a pair show nothing in common. Take "
            "pairs that are closer to each other."
        )
    return trained, _not_empty([Share(number, strip) for number, (_, strip) in enumerate(cut)])


def _not_empty(shares: Sequence[Share]) -> list[Share]:
    return [share for share in shares if all(s.stop > s.start for s in share.window)]


def inner(share: Share, start: Sequence[int], shape: Sequence[int]) -> Share:
    """A patch of a share, or as much of it as there is."""
    window = tuple(
        slice(s.start + a, min(s.start + a + n, s.stop))
        for s, a, n in zip(share.window, start, shape, strict=True)
    )
    return Share(share.pair, window)


def _strip(window: Window) -> tuple[Window, Window]:
    """A window without the end of its longest axis, and that end."""
    sides = [s.stop - s.start for s in window]
    axis = int(np.argmax(sides))
    edge = window[axis].stop - max(1, sides[axis] // STRIP)
    rest, strip = list(window), list(window)
    rest[axis], strip[axis] = slice(window[axis].start, edge), slice(edge, window[axis].stop)
    return tuple(rest), tuple(strip)


def drift_of(pairs: Pairs, pair: int) -> list[float]:
    """How much further on the second's content lies than the first's."""
    one, other = (pairs.views[i].shift for i in pairs.pairs[pair])
    n = pairs.dimensions
    return [b - a for a, b in zip(one or [0.0] * n, other or [0.0] * n, strict=True)]


def fraction_of(pairs: Pairs, pair: int) -> list[float]:
    """What is left of the drift after whole pixels; what is too small to matter is none."""
    left = [d - round(d) for d in drift_of(pairs, pair)]
    return left if max(map(abs, left)) > 0.02 else [0.0] * len(left)


def _common(pairs: Pairs, pair: int) -> Window:
    """What both views show, as a window of the first."""
    shape = pairs.shape(pairs.pairs[pair][0])
    return tuple(
        slice(max(0, -d), min(n, n - d))
        for n, d in zip(shape, map(round, drift_of(pairs, pair)), strict=True)
    )

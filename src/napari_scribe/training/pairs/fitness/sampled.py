"""Which pairs, and which part of their pictures, are looked at."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from ..sources import Pairs
from .tracking import Seen, contrast, follow

Window = tuple[slice, ...]

PAIRS = 24
"""How many are looked at."""
SIDES = {2: (384, 384), 3: (16, 128, 128)}
"""Of the part of a picture that is looked at, in pixels, where it is larger."""
_GROUPS = 3
"""How many groups of views are looked at at least: trends are seen in long ones only."""


def groups_of(pairs: Pairs) -> list[list[int]]:
    """Views that pairs connect, in order."""
    parent = list(range(len(pairs.views)))

    def root(view: int) -> int:
        while parent[view] != view:
            parent[view] = parent[parent[view]]
            view = parent[view]
        return view

    for a, b in pairs.pairs:
        parent[max(root(a), root(b))] = min(root(a), root(b))
    found: dict[int, list[int]] = {}
    for view in sorted({v for pair in pairs.pairs for v in pair}):
        found.setdefault(root(view), []).append(view)
    return list(found.values())


def chosen_of(pairs: Pairs, groups: list[list[int]]) -> list[int]:
    """Numbers of a few pairs: of few groups where they are long, so that trends can be seen."""
    of_view = {view: i for i, group in enumerate(groups) for view in group}
    by_group: list[list[int]] = [[] for _ in groups]
    for number, (a, _) in enumerate(pairs.pairs):
        by_group[of_view[a]].append(number)
    length = int(np.median([len(numbers) for numbers in by_group]))
    n_groups = min(len(groups), max(_GROUPS, PAIRS // length))
    taken = [by_group[i] for i in _evenly(len(groups), n_groups)]
    return [
        numbers[i] for numbers in taken for i in _evenly(len(numbers), max(1, PAIRS // n_groups))
    ]


def _evenly(n: int, wanted: int) -> list[int]:
    places = np.linspace(0, n - 1, min(n, wanted)).round()
    return sorted({int(place) for place in places})


def measured(pairs: Pairs, groups: list[list[int]]) -> dict[int, Seen]:
    """Follow the views of each group, in the part of their pictures that shows most."""
    found: dict[int, Seen] = {}
    for group in groups:
        window = _richest(pairs, group[0])
        found |= zip(group, follow(pairs.views[v].read(window) for v in group), strict=True)
    return found


def _richest(pairs: Pairs, view: int) -> Window:
    """The part of a picture with the most structure."""
    shape = pairs.shape(view)
    sides = [min(n, s) for n, s in zip(shape, SIDES[pairs.dimensions], strict=True)]
    places = [sorted({0, (n - s) // 2, n - s}) for n, s in zip(shape, sides, strict=True)]
    windows = [
        tuple(slice(a, a + s) for a, s in zip(start, sides, strict=True))
        for start in itertools.product(*places)
    ]
    if len(windows) == 1:
        return windows[0]

    def structure(window: Window) -> float:
        return sum(contrast(channel) for channel in pairs.views[view].read(window))

    return max(windows, key=structure)


def random_window(shape: Sequence[int], steps: Sequence[int], rng: np.random.Generator) -> Window:
    """A part of a picture that lies inside also when moved on by `steps`."""
    window = []
    for n, side, step in zip(shape, SIDES[len(shape)], steps, strict=True):
        low, high = max(0, -step), min(n, n - step)
        start = low + int(rng.integers(0, max(1, high - low - side + 1)))
        window.append(slice(start, min(high, start + side)))
    return tuple(window)

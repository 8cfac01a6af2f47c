"""Split noisy pairs into windows that train and windows that validate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ...windows import Window, shape_of
from .registration import common_window
from .sources import Pairs

VIEWS_PER_HELD = 10
"""One view in this many validates."""
PIXELS_PER_HELD = 8
"""If views are too few for that, one pixel in this many along the longest axis validates."""


@dataclass(frozen=True)
class PairWindow:
    """Describe a part of a pair.

    Parameters
    ----------
    pair
        Number of the pair.
    window
        In pixels of its first view. In the second view, the same content lies there shifted by the
        drift of the pair.
    """

    pair: int
    window: Window


def split(pairs: Pairs) -> tuple[list[PairWindow], list[PairWindow]]:
    """Return the windows that train, and those that are held out to validate.

    The last views are held out. If there are few views, a strip of each pair is held out instead.
    """
    n = len(pairs.views)
    held_views = set(range(n - n // VIEWS_PER_HELD, n))
    common = [_common_window(pairs, number) for number in range(len(pairs.pairs))]
    trained = _parts((i, w) for i, w in enumerate(common) if not held_views & set(pairs.pairs[i]))
    held = _parts((i, w) for i, w in enumerate(common) if held_views >= set(pairs.pairs[i]))
    if trained and held:
        return trained, held
    cut = [_cut_strip(window) for window in common]
    trained = _parts(enumerate(inner for inner, _ in cut))
    if not trained:
        raise InputError(
            "The pictures have drifted so far that the two of a pair show nothing in common. Take "
            "pairs that are closer to each other."
        )
    return trained, _parts(enumerate(strip for _, strip in cut))


def _common_window(pairs: Pairs, pair: int) -> Window:
    """Return the window of the first view that the second one also shows."""
    shape = pairs.shape(pairs.pairs[pair][0])
    return common_window(shape, [round(d) for d in pairs.drift(pair)])


def _parts(windows: Iterable[tuple[int, Window]]) -> list[PairWindow]:
    """Return the windows that are not empty, by the numbers of their pairs."""
    return [PairWindow(pair, window) for pair, window in windows if min(shape_of(window)) > 0]


def _cut_strip(window: Window) -> tuple[Window, Window]:
    """Cut a window near the end of its longest axis; return the larger and the smaller part."""
    sides = shape_of(window)
    axis = int(np.argmax(sides))
    edge = window[axis].stop - max(1, sides[axis] // PIXELS_PER_HELD)
    inner, strip = list(window), list(window)
    inner[axis], strip[axis] = slice(window[axis].start, edge), slice(edge, window[axis].stop)
    return tuple(inner), tuple(strip)

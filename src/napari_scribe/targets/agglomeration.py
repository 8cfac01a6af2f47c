"""Join the fragments of objects by the mean affinity along their common border."""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt

from ..windows import neighbour_pairs
from .paint import Labels


def joined(fragments: Labels, nearest: npt.NDArray[np.float32], limit: float) -> Labels:
    """Join fragments, those with the highest mean affinity first.

    After each step, the means of the joined fragment are those along its whole border.

    Parameters
    ----------
    fragments
        ``(*spatial)``: numbers from 1; 0 is background.
    nearest
        ``(d, *spatial)``: affinity of each pixel to the next one along each axis.
    limit
        Mean affinity, 0 to 1, above which fragments are joined.

    Returns
    -------
    objects
        ``(*spatial)``: each with the number of one of its fragments.
    """
    borders = _borders(fragments, nearest)
    number = list(range(int(fragments.max(initial=0)) + 1))  # of what a fragment was joined to
    # A pair that changed is entered again; its older entries are left out when they come up.
    queue = [
        (-total / n, one, other)
        for one, others in borders.items()
        for other, (total, n) in others.items()
        if one < other and total / n > limit
    ]
    heapq.heapify(queue)
    while queue:
        least, one, other = heapq.heappop(queue)
        total, n = borders.get(one, {}).get(other, (0.0, 1.0))
        if -total / n != least:
            continue
        if len(borders[one]) < len(borders[other]):  # the one with fewer neighbours is joined
            one, other = other, one
        number[other] = one
        mine = borders[one]
        for third, (total, n) in borders.pop(other).items():
            del borders[third][other]
            if third == one:
                continue
            old_total, old_n = mine.get(third, (0.0, 0.0))
            mine[third] = borders[third][one] = total, n = total + old_total, n + old_n
            if total / n > limit:
                heapq.heappush(queue, (-total / n, min(one, third), max(one, third)))
    return _followed(number)[fragments]


Borders = dict[int, dict[int, tuple[float, float]]]
"""Fragment -> neighbour -> sum of the affinities along their border, and number of pairs."""


def _borders(fragments: Labels, nearest: npt.NDArray[np.float32]) -> Borders:
    """Measure the border of each pair of neighbours."""
    n_numbers = int(fragments.max(initial=0)) + 1
    keys, affinities = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
    for axis, (here, there) in enumerate(neighbour_pairs(fragments.shape)):
        one, other = fragments[here], fragments[there]
        at = (one != other) & (one > 0) & (other > 0)
        low, high = np.minimum(one[at], other[at]), np.maximum(one[at], other[at])
        keys.append(low.astype(np.int64) * n_numbers + high)
        affinities.append(nearest[axis][here][at])
    pairs, index = np.unique(np.concatenate(keys), return_inverse=True)
    totals = np.bincount(index, np.concatenate(affinities), len(pairs))
    counts = np.bincount(index, minlength=len(pairs)).astype(float)
    borders: Borders = {}
    for pair, total, n in zip(pairs.tolist(), totals.tolist(), counts.tolist(), strict=True):
        one, other = divmod(pair, n_numbers)
        borders.setdefault(one, {})[other] = total, n
        borders.setdefault(other, {})[one] = total, n
    return borders


def _followed(number: list[int]) -> npt.NDArray[np.int32]:
    """Return for each fragment the number that it has in the end."""
    final = np.array(number, dtype=np.int32)
    while (final[final] != final).any():
        final = final[final]
    return final

"""Correct a prediction as a person would who sees what is wrong with it, from the truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..evaluation.overlap import Overlap, count_overlap, match_objects
from .painter import Labels

Kind = Literal["split", "merge", "add", "erase"]


@dataclass(frozen=True)
class Correction:
    """Describe one thing that is wrong with a prediction.

    Parameters
    ----------
    kind
        ``split``: a predicted object covers most of several true ones. ``merge``: several predicted
        objects lie mostly in one true object. ``add``: no predicted object matches a true one, for
        no other reason. ``erase``: a predicted object lies mostly on background.
    true
        Numbers of the true objects that are to be painted; none to erase.
    predicted
        Numbers of the predicted objects that are wrong.
    n_wrong
        How many pixels are wrong.
    """

    kind: Kind
    true: tuple[int, ...]
    predicted: tuple[int, ...]
    n_wrong: int


def find_corrections(predicted: Labels, truth: Labels) -> list[Correction]:
    """Return what is wrong with a prediction, most wrong pixels first.

    Parameters
    ----------
    predicted, truth
        Labels of one shape, 0 background. A true object is right if one predicted object has an IoU
        of at least .5 with it.
    """
    overlap = count_overlap(predicted, truth)
    right = match_objects(overlap)
    shared = {(int(p), int(t)): int(n) for p, t, n in zip(*overlap, strict=True) if p > 0 and t > 0}
    found = list(_splits(shared, _sizes(overlap.true, overlap)))
    found += _merges(shared, _sizes(overlap.predicted, overlap))
    explained = {t for correction in found for t in correction.true} | set(right.true.tolist())
    found += _missing(shared, _sizes(overlap.true, overlap), explained)
    explained = {p for correction in found for p in correction.predicted}
    explained |= set(right.predicted.tolist())
    found += _false(shared, _sizes(overlap.predicted, overlap), explained)
    return sorted(found, key=lambda c: (-c.n_wrong, c.kind, c.true, c.predicted))


def simulate_corrections(
    predicted: Labels, truth: Labels, n: int, paint: Labels | None = None
) -> npt.NDArray[np.int32]:
    """Paint over the worst mistakes of a prediction, as a person would who corrects it.

    True objects that are split, merged or missing are painted whole, and what is to be erased is
    painted as background.

    Parameters
    ----------
    predicted, truth
        Labels of one shape, 0 background.
    n
        How many mistakes to correct, those with most wrong pixels first. Mistakes that `paint`
        corrects already are left out.
    paint
        What is painted already; nothing when None.

    Returns
    -------
    paint
        Same shape: 0 is not painted, 1 is background, numbers from 2 are an object each. New
        objects have numbers above those in `paint`.
    """
    out = np.zeros(truth.shape, np.int32) if paint is None else np.array(paint, np.int32)
    for correction in find_corrections(predicted, truth):
        if n <= 0:
            break
        n -= _paint(correction, predicted, truth, out)
    return out


def _paint(
    correction: Correction, predicted: Labels, truth: Labels, paint: npt.NDArray[np.int32]
) -> bool:
    """Paint one correction; return whether anything was left to paint."""
    todo = [truth == number for number in correction.true]
    if not todo:
        todo = [np.isin(predicted, correction.predicted) & (truth == 0)]
    todo = [mask for mask in todo if (paint[mask] == 0).any()]
    for mask in todo:
        paint[mask] = max(int(paint.max()) + 1, 2) if correction.true else 1
    return bool(todo)


def _sizes(numbers: npt.NDArray[Any], overlap: Overlap) -> dict[int, int]:
    """Return the pixels of each object, by its number."""
    values, index = np.unique(numbers, return_inverse=True)
    sizes = np.bincount(index, overlap.pixels).astype(int).tolist()
    return {int(v): n for v, n in zip(values, sizes, strict=True) if v > 0}


def _splits(shared: dict[tuple[int, int], int], sizes: dict[int, int]) -> Iterator[Correction]:
    """Yield predicted objects that cover more than half of each of several true ones."""
    for p, true, n_wrong in _holding_several(shared, sizes):
        yield Correction("split", true, (p,), n_wrong)


def _merges(shared: dict[tuple[int, int], int], sizes: dict[int, int]) -> Iterator[Correction]:
    """Yield true objects in which more than half of each of several predicted ones lies."""
    by_true = {(t, p): n for (p, t), n in shared.items()}
    for t, predicted, n_wrong in _holding_several(by_true, sizes):
        yield Correction("merge", (t,), predicted, n_wrong)


def _holding_several(
    shared: dict[tuple[int, int], int], sizes: dict[int, int]
) -> Iterator[tuple[int, tuple[int, ...], int]]:
    """Yield objects that hold more than half of each of several others.

    Parameters
    ----------
    shared
        Pixels that two objects share, by the number of the holder and that of the other.
    sizes
        Pixels of each of the others.

    Yields
    ------
    holder, others, n_wrong
        The numbers, and the pixels that the holder shares with all but the largest of the others.
    """
    held: dict[int, list[int]] = {}
    for (holder, other), n in shared.items():
        if 2 * n > sizes[other]:
            held.setdefault(holder, []).append(other)
    for holder, others in held.items():
        if len(others) > 1:
            pixels = [shared[holder, other] for other in others]
            yield holder, tuple(sorted(others)), sum(pixels) - max(pixels)


def _missing(
    shared: dict[tuple[int, int], int], sizes: dict[int, int], explained: set[int]
) -> Iterator[Correction]:
    """Yield true objects that nothing matches."""
    for t, size in sizes.items():
        if t not in explained:
            covered = max((n for (_, other), n in shared.items() if other == t), default=0)
            yield Correction("add", (t,), (), size - covered)


def _false(
    shared: dict[tuple[int, int], int], sizes: dict[int, int], explained: set[int]
) -> Iterator[Correction]:
    """Yield predicted objects of which less than half lies in true ones."""
    inside: dict[int, int] = {}
    for (p, _), n in shared.items():
        inside[p] = inside.get(p, 0) + n
    for p, size in sizes.items():
        if p not in explained and 2 * inside.get(p, 0) < size:
            yield Correction("erase", (), (p,), size - inside.get(p, 0))

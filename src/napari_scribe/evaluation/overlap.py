"""Count the pixels that two label images share, object by object, and match the objects.

`skimage.metrics.contingency_table` is not used: it needs both arrays whole in memory, and a row for
each number up to the largest label.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..arrays import Array, Pixels
from ..errors import InputError

Counts = npt.NDArray[np.int64]
Ratios = npt.NDArray[np.float64]

THRESHOLDS: Ratios = np.arange(50, 100, 5) / 100
"""Lowest IoU at which two objects match: .5, .55, ..., .95."""
_SLAB_PIXELS = 2**24
"""Pixels that are counted at once."""


class Overlap(NamedTuple):
    """Hold a sparse contingency table: the pixels of each pair of values that occurs."""

    predicted: Pixels
    true: Pixels
    pixels: Counts


class Matches(NamedTuple):
    """Hold the pairs of objects that match one to one at the lowest threshold, and their IoU."""

    predicted: Pixels
    true: Pixels
    iou: Ratios

    def counts(self) -> Counts:
        """Return the number of pairs that match at each of `THRESHOLDS`, ``(10,)``."""
        return np.array([np.count_nonzero(self.iou >= t) for t in THRESHOLDS], dtype=np.int64)


def match_objects(overlap: Overlap) -> Matches:
    """Match objects one to one by their IoU, intersection over union.

    A pair matches at a threshold if its IoU is at least that, as in StarDist's ``matching``. (The
    DSB 2018 competition asked for more than the threshold; the two differ only where an IoU is
    exactly a threshold.)

    For thresholds from .5 this needs no optimization. An object can have an IoU above .5 with only
    one other object. It can have an IoU of .5 with two objects only if these are its exact halves,
    which then overlap nothing else. Then the one with the lower number is taken.

    Parameters
    ----------
    overlap
        Table with all pixels of each object, also those that it shares with background (0).
    """
    _, p = np.unique(overlap.predicted, return_inverse=True)
    _, t = np.unique(overlap.true, return_inverse=True)
    union = np.bincount(p, overlap.pixels)[p] + np.bincount(t, overlap.pixels)[t] - overlap.pixels
    iou = overlap.pixels / np.maximum(union, 1)
    pairs = np.flatnonzero((overlap.predicted > 0) & (overlap.true > 0) & (iou >= THRESHOLDS[0]))
    for side in (p, t):
        pairs = pairs[np.unique(side[pairs], return_index=True)[1]]
    return Matches(overlap.predicted[pairs], overlap.true[pairs], iou[pairs])


def count_overlap(labels: Array, truth: Array, ignore: Array | None = None) -> Overlap:
    """Count the pixels of every pair of values that occurs.

    Parameters
    ----------
    labels, truth
        Arrays of one shape, integer or bool; may be lazy.
    ignore
        Mask of that shape: pixels where it is not 0 are left out.

    Raises
    ------
    InputError
        If shapes differ, or values are not whole numbers from 0.
    """
    _check(labels, truth, ignore)
    parts = []
    for p, t, *ignored in slabs(labels, truth, *([] if ignore is None else [ignore])):
        scored = ignored[0] == 0 if ignored else slice(None)
        parts.append(_runs(_as_integers(p[scored]), _as_integers(t[scored])))
    predicted, true, pixels = (np.concatenate(column) for column in zip(*parts, strict=True))
    if len(predicted) and min(predicted.min(), true.min()) < 0:
        raise InputError("Labels and truth need whole numbers from 0 on; there are negative ones.")
    return _merge(Overlap(predicted, true, pixels))


def _check(labels: Array, truth: Array, ignore: Array | None) -> None:
    """Check that arrays have one shape and hold whole numbers."""
    for name, array in {"labels": labels, "truth": truth}.items():
        if np.dtype(array.dtype).kind not in "bui":
            raise InputError(
                f"The {name} hold {array.dtype} values; scoring needs whole numbers, one per "
                "object or class. Threshold a probability map first."
            )
    for name, other in {"labels": labels, "ignore mask": ignore}.items():
        if other is not None and tuple(other.shape) != tuple(truth.shape):
            raise InputError(
                f"The {name} and the truth differ in shape: {tuple(other.shape)} and "
                f"{tuple(truth.shape)}. Give two arrays of the same image."
            )
    if truth.ndim < 1:
        raise InputError("Labels and truth need at least one axis.")


def slabs(*arrays: Array) -> Iterator[tuple[Pixels, ...]]:
    """Yield arrays of one shape flat, some millions of pixels at a time."""
    shape = arrays[0].shape
    step = max(1, _SLAB_PIXELS // max(1, math.prod(shape[1:])))
    for start in range(0, max(1, shape[0]), step):
        yield tuple(np.asarray(array[start : start + step]).ravel() for array in arrays)


def _as_integers(values: Pixels) -> Pixels:
    """Return bool as 0 and 1."""
    return values.view(np.uint8) if values.dtype == bool else values


def _runs(predicted: Pixels, true: Pixels) -> Overlap:
    """Count the pairs of two flat arrays, run by run, because labels come in long runs."""
    change = (predicted[1:] != predicted[:-1]) | (true[1:] != true[:-1])
    first = np.flatnonzero(change) + 1
    starts = np.concatenate([[0], first]) if len(true) else np.zeros(0, np.int64)
    pixels = np.diff(starts, append=len(true)).astype(np.int64)
    return _merge(Overlap(predicted[starts], true[starts], pixels))


def _merge(overlap: Overlap) -> Overlap:
    """Add up the pixels of pairs that occur more than once."""
    predicted, p = np.unique(overlap.predicted, return_inverse=True)
    true, t = np.unique(overlap.true, return_inverse=True)
    pairs, at = np.unique(p * max(1, len(true)) + t, return_inverse=True)
    pixels = np.bincount(at, overlap.pixels, minlength=len(pairs)).astype(np.int64)
    p, t = np.divmod(pairs, max(1, len(true)))
    return Overlap(predicted[p], true[t], pixels)

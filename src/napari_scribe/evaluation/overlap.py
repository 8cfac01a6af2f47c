"""How many pixels two label images share, object by object, counted slab by slab."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import InputError

Counts = npt.NDArray[np.int64]

_SLAB_PIXELS = 2**24


class Overlap(NamedTuple):
    """A sparse contingency table: how many pixels have each pair of values that occurs."""

    predicted: npt.NDArray[Any]
    true: npt.NDArray[Any]
    pixels: Counts


def count_overlap(labels: Any, truth: Any, ignore: Any = None) -> Overlap:
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
    parts = [_runs(p, t) for p, t in _slabs(labels, truth, ignore)]
    predicted, true, pixels = (np.concatenate(column) for column in zip(*parts, strict=True))
    if len(predicted) and min(predicted.min(), true.min()) < 0:
        raise InputError("Labels and truth need whole numbers from 0 on; there are negative ones.")
    return _merge(Overlap(predicted, true, pixels))


def _check(labels: Any, truth: Any, ignore: Any) -> None:
    for name, array in {"labels": labels, "truth": truth}.items():
        if np.dtype(array.dtype).kind not in "bui":
            raise InputError(
                f"The {name} hold {array.dtype} values; scoring needs whole numbers, one an object "
                "or class. Threshold a probability map first."
            )
    for name, array in {"labels": labels, "ignore mask": ignore}.items():
        if array is not None and tuple(array.shape) != tuple(truth.shape):
            raise InputError(
                f"The {name} and the truth differ in shape: {tuple(array.shape)} and "
                f"{tuple(truth.shape)}. Give two arrays of the same image."
            )
    if truth.ndim < 1:
        raise InputError("Labels and truth need at least one axis.")


def _slabs(
    labels: Any, truth: Any, ignore: Any
) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    """Both arrays, flat, some millions of pixels at a time; without what is ignored."""
    step = max(1, _SLAB_PIXELS // max(1, math.prod(truth.shape[1:])))
    for start in range(0, max(1, truth.shape[0]), step):
        at = slice(start, start + step)
        p, t = np.asarray(labels[at]).ravel(), np.asarray(truth[at]).ravel()
        if ignore is not None:
            scored = np.asarray(ignore[at]).ravel() == 0
            p, t = p[scored], t[scored]
        yield _plain(p), _plain(t)


def _plain(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return values.view(np.uint8) if values.dtype == bool else values


def _runs(predicted: npt.NDArray[Any], true: npt.NDArray[Any]) -> Overlap:
    """Contingency of two flat arrays; runs of equal pairs first, as labels come in long ones."""
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

"""Divide counts, with a value where there is nothing to divide by, and add up those of images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import Pixels
from .overlap import Counts, Ratios


def ratios(part: Counts, whole: Counts, other: int | Counts = 0) -> Ratios:
    """Return `part` / `whole`. Where `whole` is 0, return 1 if `other` is also 0, else 0."""
    empty = np.where(np.asarray(other) == 0, 1.0, 0.0)
    return np.where(whole > 0, part / np.maximum(whole, 1), empty)


class Rates:
    """Derive the usual rates from counts of what is found, wrong and missed.

    If there is nothing to find and nothing was found, all are 1; if only one of the two, 0.
    """

    tp: Counts
    fp: Counts
    fn: Counts

    @property
    def precision(self) -> Ratios:
        """Return TP / (TP + FP), the share of what was found that is true."""
        return ratios(self.tp, self.tp + self.fp, self.fn)

    @property
    def recall(self) -> Ratios:
        """Return TP / (TP + FN), the share of what is true that was found."""
        return ratios(self.tp, self.tp + self.fn, self.fp)

    @property
    def f1(self) -> Ratios:
        """Return 2 TP / (2 TP + FP + FN), which of pixels is also the Dice coefficient."""
        return ratios(2 * self.tp, 2 * self.tp + self.fp + self.fn)


def ratio(part: float, whole: float, other: float = 0) -> float:
    """Return the same as `ratios` for single numbers."""
    return part / whole if whole else float(other == 0)


def added(keys: Sequence[Pixels], *columns: Sequence[Counts]) -> tuple[Pixels, ...]:
    """Return the keys of the counts of several images, each once, and the sums of each column."""
    once, at = np.unique(np.concatenate(keys), return_inverse=True)
    counts = (np.concatenate(column) for column in columns)
    return once, *(np.bincount(at, n, len(once)).astype(np.int64) for n in counts)

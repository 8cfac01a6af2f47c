"""Divide counts, with a value where there is nothing to divide by."""

from __future__ import annotations

import numpy as np

from .overlap import Counts, Ratios


def ratios(part: Counts, whole: Counts, other: int | Counts = 0) -> Ratios:
    """Return `part` / `whole`. Where `whole` is 0, return 1 if `other` is also 0, else 0."""
    empty = np.where(np.asarray(other) == 0, 1.0, 0.0)
    return np.where(whole > 0, part / np.maximum(whole, 1), empty)


def ratio(part: float, whole: float, other: float = 0) -> float:
    """Return the same as `ratios` for single numbers."""
    return part / whole if whole else float(other == 0)

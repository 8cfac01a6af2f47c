"""Count pixels by probability, and derive the ROC and precision-recall curves from the counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from .overlap import Counts, Ratios
from .ratios import added, ratio

Floats = npt.NDArray[np.float32]

HALF = 0.5
"""Threshold that a network's decision for the likelier of two classes corresponds to."""


class PixelScores(NamedTuple):
    """Count the pixels at one threshold: true and false positives, false and true negatives."""

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def precision(self) -> float:
        """Return TP / (TP + FP)."""
        return ratio(self.tp, self.tp + self.fp, self.fn)

    @property
    def recall(self) -> float:
        """Return TP / (TP + FN), which is also called sensitivity."""
        return ratio(self.tp, self.tp + self.fn, self.fp)

    @property
    def f1(self) -> float:
        """Return 2 TP / (2 TP + FP + FN), which is also the Dice coefficient."""
        return ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def iou(self) -> float:
        """Return TP / (TP + FP + FN)."""
        return ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def pixel_error(self) -> float:
        """Return (FP + FN) / all: the share of wrong pixels."""
        return (self.fp + self.fn) / max(sum(self), 1)

    def as_dict(self) -> dict[str, float]:
        """Return plain numbers for JSON."""
        names = "f1", "precision", "recall", "iou", "pixel_error"
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, eq=False)
class ProbabilityScores:
    """Count the pixels at each probability, and derive both curves from the counts.

    Parameters
    ----------
    values
        ``(n,)``: every probability that occurs, ascending. Each is a threshold: a pixel is found
        if its probability is at least that. Probabilities of uint8, uint16 and float16 are exact.
        Others are rounded down, by less than 0.03 % of their distance from 0 or 1, whichever is
        nearer. So each point lies on the exact curve.
    positives, negatives
        ``(n,)``: pixels with this probability that are true, and that are not.
    threshold
        A threshold that was fitted elsewhere, to be scored as well.
    notes
        How the map was understood, where that is not plain.
    """

    values: Floats
    positives: Counts
    negatives: Counts
    threshold: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def n_positive(self) -> int:
        """Return the number of true pixels."""
        return int(self.positives.sum())

    @property
    def n_negative(self) -> int:
        """Return the number of pixels that are not true."""
        return int(self.negatives.sum())

    @property
    def tp(self) -> Counts:
        """Return the true pixels that are found at each threshold, ``(n,)``."""
        return np.cumsum(self.positives[::-1])[::-1]

    @property
    def fp(self) -> Counts:
        """Return the pixels that are found at each threshold and not true, ``(n,)``."""
        return np.cumsum(self.negatives[::-1])[::-1]

    @property
    def precision(self) -> Ratios:
        """Return TP / (TP + FP) at each threshold, ``(n,)``."""
        return self.tp / (self.tp + self.fp)

    @property
    def recall(self) -> Ratios:
        """Return TP / (TP + FN) at each threshold, ``(n,)``: the true positive rate of ROC."""
        return self.tp / max(self.n_positive, 1)

    @property
    def false_positive_rate(self) -> Ratios:
        """Return FP / (FP + TN) at each threshold, ``(n,)``."""
        return self.fp / max(self.n_negative, 1)

    @property
    def f1(self) -> Ratios:
        """Return the F1 score, which is the Dice coefficient, at each threshold, ``(n,)``."""
        return 2 * self.tp / (self.tp + self.fp + self.n_positive)

    @property
    def best_threshold(self) -> float:
        """Return the lowest threshold of highest F1."""
        return float(self.values[np.argmax(self.f1)])

    @property
    def roc_auc(self) -> float:
        """Return the area under the ROC curve.

        It is the chance that a true pixel has a higher probability than another one; equal ones
        count half. NaN if all pixels are true, or none.
        """
        pairs = float(self.n_positive) * self.n_negative
        higher = float(self.negatives @ (self.tp - self.positives / 2))
        return higher / pairs if pairs else math.nan

    @property
    def roc_auc_error(self) -> float:
        """Return how far `roc_auc` may be from that of probabilities that are not rounded."""
        pairs = float(self.n_positive) * self.n_negative
        tied = float(self.negatives @ (self.positives / 2))
        return tied / pairs if pairs else math.nan

    @property
    def average_precision(self) -> float:
        """Return the mean precision over the true pixels: the steps of recall times precision.

        NaN if no pixel is true.
        """
        n = self.n_positive
        return float(self.positives @ self.precision) / n if n else math.nan

    def at(self, threshold: float) -> PixelScores:
        """Count the pixels at a threshold: exactly at one of `values`, at .5 and at `threshold`.

        Any other threshold is rounded up to the next of `values`.
        """
        is_found = self.values >= np.float32(threshold)
        tp, fp = int(self.positives[is_found].sum()), int(self.negatives[is_found].sum())
        return PixelScores(tp, fp, self.n_positive - tp, self.n_negative - fp)

    def __repr__(self) -> str:
        numbers = ", ".join(f"{name} {value:.4g}" for name, value in self.as_dict().items())
        return f"ProbabilityScores({numbers})"

    def as_dict(self) -> dict[str, float]:
        """Return plain numbers for JSON: f1 and the like are those at the best threshold."""
        given = {} if self.threshold is None else {"threshold": self.threshold}
        at = {"": self.best_threshold, "_at_0.5": HALF, "_at_threshold": self.threshold}
        scores = {
            f"{name}{ending}": value
            for ending, threshold in at.items()
            if threshold is not None
            for name, value in self.at(threshold).as_dict().items()
        }
        return {
            "roc_auc": self.roc_auc,
            "average_precision": self.average_precision,
            "best_threshold": self.best_threshold,
            **given,
            **scores,
            "n_pixels": self.n_positive + self.n_negative,
            "n_positive": self.n_positive,
        }


def check_both(scores: ProbabilityScores) -> None:
    """Check that some pixels are true and some are not: without both there is no curve.

    Raises
    ------
    InputError
        If all are true, or none.
    """
    if not scores.n_positive:
        raise InputError(
            "No pixel that is scored is true, so there is no ROC curve. Check that truth and mask "
            "belong to this map, and which number is positive.",
            positive=None,
        )
    if not scores.n_negative:
        raise InputError(
            "All pixels that are scored are true, so there is no ROC curve. If the truth has a "
            "number for the background, say which number is positive.",
            positive=None,
        )


def pool_probabilities(scores: Sequence[ProbabilityScores]) -> ProbabilityScores:
    """Return the scores of many images as if they were one: pixels are added."""
    columns = zip(*((s.values, s.positives, s.negatives) for s in scores), strict=True)
    notes = tuple(dict.fromkeys(note for s in scores for note in s.notes))
    values, positives, negatives = added(*columns)
    return ProbabilityScores(values, positives, negatives, scores[0].threshold, notes)

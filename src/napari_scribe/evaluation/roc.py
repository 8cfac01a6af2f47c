"""Score a map of probabilities against a mask: ROC and precision-recall curves.

Pixels are counted by probability, slab by slab, so maps may be larger than memory. The curves
follow from the counts, as scikit-learn defines them. scikit-learn itself is not used: it sorts all
pixels at once.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..arrays import Array, Pixels, arranged, as_array, as_dask, order_onto
from ..errors import InputError
from ..image import Image
from ..io import ImageLike, as_image, as_labels
from .overlap import Counts, Ratios, slabs
from .ratios import ratio

Floats = npt.NDArray[np.float32]

HALF = 0.5
"""Threshold that a network's decision for the likelier of two classes corresponds to."""
_ROUNDING = 1e-6
"""How far outside 0 to 1 a probability may lie because sums of float32 were rounded."""


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


def evaluate_probability(
    probability: ImageLike,
    truth: ImageLike,
    *,
    mask: ImageLike | None = None,
    channel: int | None = None,
    positive: int | None = None,
    threshold: float | None = None,
) -> ProbabilityScores:
    """Score a map of probabilities against a mask, pixel by pixel, at every threshold.

    Parameters
    ----------
    probability
        Map or its file: floats of 0 to 1, or uint8 or uint16 whose largest possible value stands
        for 1. It has the axes of `truth`, and may have channels. Read slab by slab, so it may be
        lazy.
    truth
        Labels or a mask, or their file, integer or bool. Axes of length 1 are ignored.
    mask
        Pixels where it is 0 are not scored, such as those outside the field of view of a retina.
        It has the axes of `truth`.
    channel
        Which channel of the map, from 0. If None, the only one, or the second of two (the first
        of two classes is the background).
    positive
        The number in `truth` whose probability the map holds. If None, all but 0.
    threshold
        A threshold from 0 to 1 that was fitted elsewhere, to be scored as well.

    Raises
    ------
    InputError
        If shapes differ, probabilities are NaN or outside 0 to 1, the mask leaves no pixel, or
        all pixels that remain are true, or none is.
    """
    scores = count_probabilities(probability, truth, mask, channel, positive, threshold)
    check_both(scores)
    return scores


def count_probabilities(
    probability: ImageLike,
    truth: ImageLike,
    mask: ImageLike | None = None,
    channel: int | None = None,
    positive: int | None = None,
    threshold: float | None = None,
) -> ProbabilityScores:
    """Count the pixels as `evaluate_probability` does, even if all are true, or none.

    Such scores can be pooled with others.
    """
    if threshold is not None and not 0 <= threshold <= 1:
        raise InputError(f"A threshold of {threshold} is no probability: give one from 0 to 1.")
    true, axes = as_labels(truth, name="truth")
    if np.dtype(true.dtype).kind not in "bui":
        raise InputError(
            f"The truth holds {true.dtype} values; it needs whole numbers: labels, or a mask that "
            "is not 0 where something is."
        )
    chosen, notes = _map_onto(probability, true, axes, channel)
    arrays = [chosen, true]
    if mask is not None:
        arrays.append(_onto(*as_labels(mask, name="mask"), true, axes, "mask"))
    full_scale = _full_scale(chosen)
    levels = _levels(full_scale, threshold)
    positives, negatives = np.zeros((2, len(levels)), np.int64)
    largest: float = 0
    for p, t, *field in slabs(*arrays):
        if field:
            is_scored = field[0] != 0
            p, t = p[is_scored], t[is_scored]
        if not p.size:
            continue
        largest = max(largest, p.max())
        is_true = t != 0 if positive is None else t == positive
        values = _as_probability(p, full_scale)
        positives += _histogram(values[is_true], levels)
        negatives += _histogram(values[~is_true], levels)
    occurs = (negatives + positives) > 0
    if not occurs.any():
        raise InputError("The mask is 0 everywhere: it leaves no pixel to score.")
    if full_scale and largest < full_scale / 2:
        raise InputError(
            f"The map holds whole numbers up to {largest} ({chosen.dtype}), which look like labels "
            f"or a mask, not like probabilities of 0 to 1 written as 0 to {full_scale}. Give the "
            "probabilities as floats of 0 to 1."
        )
    if full_scale:
        notes += (f"Whole numbers ({chosen.dtype}) are taken as probabilities: {full_scale} is 1.",)
    return ProbabilityScores(levels[occurs], positives[occurs], negatives[occurs], threshold, notes)


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
    """Return the scores of many images as if they were one: pixels are added.

    Raises
    ------
    InputError
        If there are none.
    """
    if not scores:
        raise InputError("There are no scores to pool: evaluate at least one image.")
    values, at = np.unique(np.concatenate([s.values for s in scores]), return_inverse=True)

    def add(counts: list[Counts]) -> Counts:
        total = np.zeros(len(values), np.int64)
        np.add.at(total, at, np.concatenate(counts))
        return total

    return ProbabilityScores(
        values,
        add([s.positives for s in scores]),
        add([s.negatives for s in scores]),
        scores[0].threshold,
        tuple(dict.fromkeys(note for s in scores for note in s.notes)),
    )


def _map_onto(
    probability: ImageLike, true: Array, axes: str, channel: int | None
) -> tuple[Array, tuple[str, ...]]:
    """Return one channel of a map along the axes of the truth, and how it was chosen."""
    if not isinstance(probability, Image | str | Path):
        probability = as_array(probability, "probability")
        if channel is None and tuple(probability.shape) == tuple(true.shape):
            return probability, ()
    image = as_image(probability)
    if channel is None:
        order = order_onto(image.axes, image.shape, axes, true.shape)
        if order is not None:
            return arranged(image.data, order), ()
    chosen, notes = _channel(image, channel)
    return _onto(chosen, image.axes.replace("C", ""), true, axes, "map"), notes


def _channel(image: Image, channel: int | None) -> tuple[Array, tuple[str, ...]]:
    """Return one channel of a map, still lazy, and how it was chosen."""
    n = image.n_channels
    if channel is None and n > 2:
        raise InputError(
            f"The map has {n} channels: say which one, 0 to {n - 1}, holds the probability of what "
            "is true.",
            channel=None,
        )
    if channel is not None and not 0 <= channel < n:
        raise InputError(
            f"The map has no channel {channel}: its channels are numbered 0 to {n - 1}.",
            channel=None,
        )
    if "C" not in image.axes:
        return image.data, ()
    number = n - 1 if channel is None else channel
    data: Any = image.data if isinstance(image.data, np.ndarray) else as_dask(image.data)
    index = tuple(number if axis == "C" else slice(None) for axis in image.axes)
    notes = () if n == 1 or channel is not None else (f"Channel {number} of the two is scored.",)
    return data[index], notes


def _onto(array: Array, axes: str, true: Array, true_axes: str, name: str) -> Array:
    """Return an array along the axes of the truth.

    Raises
    ------
    InputError
        If it does not fit.
    """
    order = order_onto(axes, array.shape, true_axes, true.shape)
    if order is None:
        raise InputError(
            f"The {name} and the truth differ in shape: {tuple(array.shape)} and "
            f"{tuple(true.shape)}. Give images of the same field."
        )
    fitted: Array = arranged(array, order)
    return fitted


def _full_scale(array: Array) -> int:
    """Return the whole number that stands for a probability of 1; 0 if a map holds floats.

    Raises
    ------
    InputError
        If the type is not one of probabilities.
    """
    dtype = np.dtype(array.dtype)
    if dtype.kind == "f":
        return 0
    if dtype in (np.uint8, np.uint16):
        return int(np.iinfo(dtype).max)
    raise InputError(
        f"The map holds {dtype} values: probabilities are floats of 0 to 1, or uint8 or uint16. "
        "Score labels without ROC."
    )


@functools.lru_cache(maxsize=4)
def _levels(full_scale: int, threshold: float | None) -> Floats:
    """Return the probabilities that are told apart, ascending.

    Those of floats are the values with 12 binary digits after the first, counted from the nearer
    end of 0 to 1: closer together where networks are sure. All float16 numbers are among them.
    """
    if full_scale:
        levels = np.arange(full_scale + 1, dtype=np.float32) / np.float32(full_scale)
    else:
        digits = 1 + np.arange(2**12) / 2**12
        low = np.ldexp(digits, np.arange(-24, -1)[:, None]).ravel()
        levels = np.concatenate([[0], low, [HALF], 1 - low, [1]]).astype(np.float32)
    extra = [HALF] if threshold is None else [HALF, threshold]
    return np.unique(np.concatenate([levels, np.float32(extra)]))


def _histogram(values: Floats, levels: Floats) -> Counts:
    """Count values by the level that each is rounded down to.

    Sorting them is faster than looking up each of them.
    """
    first = np.searchsorted(np.sort(values), levels)
    return np.diff(first, append=len(values))


def _as_probability(pixels: Pixels, full_scale: int) -> Floats:
    """Return pixels as float32 of 0 to 1.

    Raises
    ------
    InputError
        If some are NaN, or outside 0 to 1.
    """
    values = pixels.astype(np.float32, copy=False)
    if full_scale:
        return values / np.float32(full_scale)
    low, high = float(values.min()), float(values.max())
    if math.isnan(low):
        raise InputError(
            "The map has NaN pixels. Leave them out by a mask, or replace them, for example with "
            "numpy.nan_to_num.",
            mask=None,
        )
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        raise InputError(
            f"The map holds values from {low:.4g} to {high:.4g}: probabilities lie from 0 to 1. "
            "Divide a map of 0 to 255 by 255; turn scores without bounds into probabilities first."
        )
    return np.clip(values, 0, 1)

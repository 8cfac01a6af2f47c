"""Fit the decoding of objects to painted ones, and change it only for a gain that is no chance."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ..evaluation.overlap import THRESHOLDS, count_overlap, match_objects
from .encoding import Knob, PaintEncoding, Parameters, Prediction, defaults_of
from .objects import renumbered
from .paint import Labels

Example = tuple[Prediction, Labels]
"""A prediction and the paint of the same place; 0 is unknown."""
Counts = npt.NDArray[np.float64]
"""TP, FP and FN at each IoU threshold, ``(..., n_thresholds, 3)``."""

SMALLEST_GAIN = 1e-3
"""A smaller gain of the score is none."""
FOREGROUND = Knob(
    "foreground",
    "Probability",
    "Pixels above this probability belong to objects: the lower, the larger they are.",
    default=0.5,
    tried=(0.45, 0.55, 0.4, 0.6, 0.3, 0.7),
)
MIN_SIZE = Knob(
    "min_size",
    "Smallest object",
    "Smaller pieces are no objects.",
    default=10.0,
    high=1e6,
    unit="px",
)


def smallest_size(sizes: Sequence[int]) -> float:
    """Return the size below which a piece is no object, from the sizes of painted ones.

    It drops fragments of objects, but not objects that the edge of the image cuts. It is halfway,
    by factors, between the default and a quarter of a small object, because a few painted objects
    say little of the smallest ones in other images.
    """
    quarter = max(4.0, 0.25 * float(np.percentile(sizes, 5)))
    return math.sqrt(MIN_SIZE.default * quarter)


class ObjectsEncoding(PaintEncoding):
    """Fit the decoding of objects to painted ones, as all encodings of objects do."""

    task = "objects"

    def fit(
        self,
        examples: list[Example],
        seconds_left: Callable[[], float] = lambda: math.inf,
    ) -> Parameters:
        """Try decoding parameters on painted objects, one after the other, and return the best.

        A value replaces the one before only if its gain is larger than its standard error, which
        the jackknife over objects tells: what one object gains or loses says little of other
        images. ``min_size`` follows from the sizes of painted objects.

        Parameters
        ----------
        examples
            A prediction and the paint of the same place; 0 is unknown.
        seconds_left
            Returns the time left, in seconds. A value is tried only if as much time is left as the
            first score took.
        """
        examples = [(prediction, renumbered(paint)) for prediction, paint in examples]
        sizes = [n for _, labels in examples for n in np.bincount(labels[labels > 1])[2:] if n > 0]
        best = defaults_of(self.knobs)
        if not sizes:
            return best
        best["min_size"] = smallest_size(sizes)
        if seconds_left() <= 0:
            return best
        began = time.perf_counter()
        counts = counted(self, examples, best)
        duration = time.perf_counter() - began
        for knob in self.knobs:
            surest, chosen = SMALLEST_GAIN, None
            for value in knob.tried:
                if seconds_left() < duration:
                    break
                other = counted(self, examples, {**best, knob.name: value})
                if (gain := _sure_gain(counts, other)) > surest:
                    surest, chosen = gain, (value, other)
            if chosen is not None:
                best[knob.name], counts = chosen
        return best


def drawn_to_defaults(knobs: Sequence[Knob], parameters: Parameters, n_images: int) -> Parameters:
    """Return fitted parameters nearer to their defaults, the fewer images they were fitted on.

    Objects of one image err alike, so that no statistics over them tells what other images need.
    The defaults count as one more image.
    """
    share = n_images / (n_images + 1)
    drawn = {
        knob.name: knob.default + share * (parameters[knob.name] - knob.default)
        for knob in knobs
        if knob.tried and knob.name in parameters
    }
    return {**parameters, **drawn}


def _sure_gain(counts: Counts, other: Counts) -> float:
    """Return the gain in score minus its standard error, from the counts ``(n_objects, ...)``.

    The error is that of the difference: objects that both find alike add nothing to it.
    """
    gain = score(other.sum(axis=0)) - score(counts.sum(axis=0))
    without = score(other.sum(axis=0) - other) - score(counts.sum(axis=0) - counts)
    n = len(counts)
    error = np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())
    return float(gain - error)


def score(counts: Counts) -> Counts:
    """Return the precision, TP / (TP + FP + FN), averaged over IoU thresholds, ``(...)``."""
    return np.asarray((counts[..., 0] / np.maximum(counts.sum(axis=-1), 1)).mean(axis=-1))


def counted(encoding: PaintEncoding, examples: Sequence[Example], parameters: Parameters) -> Counts:
    """Decode with some parameters, and count for each object."""
    return np.concatenate(
        [
            _by_object(encoding.decode(prediction, parameters), paint)
            for prediction, paint in examples
        ]
    )


def _by_object(predicted: Labels, paint: Labels) -> Counts:
    """Count for each painted object, from 2 up, and first for the background.

    Only painted pixels count: a predicted object without a painted partner is wrong only if most
    of it lies on paint. It counts for the painted object that it overlaps most. Slices of a volume
    without paint do not count.
    """
    if paint.ndim == 3:
        is_painted = paint.any(axis=(1, 2))
        predicted, paint = predicted[is_painted], paint[is_painted]
    objects = np.maximum(paint - 1, 0)
    overlap = count_overlap(predicted, objects)
    matches = match_objects(overlap)
    is_match = matches.iou[:, np.newaxis] >= THRESHOLDS
    counts = np.zeros((int(objects.max()) + 1, len(THRESHOLDS), 3))
    counts[matches.true, :, 0] = is_match
    counts[1:, :, 2] = 1 - counts[1:, :, 0]

    sizes = np.bincount(predicted.ravel())
    on_paint = np.bincount(predicted.ravel(), paint.ravel() > 0)
    is_judged = on_paint > 0.5 * sizes
    is_judged[0] = False
    is_false = np.broadcast_to(is_judged[:, np.newaxis], (len(sizes), len(THRESHOLDS))).copy()
    is_false[matches.predicted] &= ~is_match
    by_overlap = np.argsort(overlap.pixels * (overlap.true > 0), kind="stable")
    nearest = np.zeros(len(sizes), int)
    nearest[overlap.predicted[by_overlap]] = overlap.true[by_overlap]  # the last one stays
    np.add.at(counts[..., 1], nearest, is_false)
    return counts

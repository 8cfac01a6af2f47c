"""Score a map of probabilities against a mask: ROC and precision-recall curves.

Pixels are counted by probability, slab by slab, so maps may be larger than memory. scikit-learn
defines the same curves, but it needs all pixels at once, and sorts them together with the truth.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..arguments import checked
from ..arrays import Array, Pixels, arranged, as_array, numpy_or_dask, order_onto
from ..errors import InputError
from ..image import Image
from ..io import ImageLike, as_image, as_labels
from .curves import HALF, Floats, ProbabilityScores, check_both
from .overlap import Counts, slabs

_ROUNDING = 1e-6
"""How far outside 0 to 1 a probability may lie because sums of float32 were rounded."""


@checked
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
        raise InputError(f"A threshold of {threshold:g} is no probability: give one from 0 to 1.")
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
    if full_scale:
        notes += (f"Whole numbers ({chosen.dtype}) are taken as probabilities: {full_scale} is 1.",)
    levels = _levels(full_scale, threshold)
    positives, negatives = _count(arrays, full_scale, levels, positive)
    occurs = (negatives + positives) > 0
    if not occurs.any():
        raise InputError("The mask is 0 everywhere: it leaves no pixel to score.")
    values = levels[occurs]
    if full_scale and round(values[-1] * full_scale) == 1:
        raise InputError(
            f"The map holds 0 and 1 ({chosen.dtype}), which look like a mask, not like "
            f"probabilities of 0 to 1 written as 0 to {full_scale}. Give the probabilities as "
            "floats of 0 to 1."
        )
    if full_scale and values[-1] < HALF:  # as of a network that is unsure, or finds nothing
        notes += (
            f"A map has no number above half of {full_scale}: if it holds labels or a mask, its "
            "scores mean nothing.",
        )
    return ProbabilityScores(values, positives[occurs], negatives[occurs], threshold, notes)


def _count(
    arrays: Sequence[Array], full_scale: int, levels: Floats, positive: int | None
) -> tuple[Counts, Counts]:
    """Count true pixels and others at each level: of a map, its truth and, if any, a mask."""
    positives, negatives = np.zeros((2, len(levels)), np.int64)
    for p, t, *mask in slabs(*arrays):
        if mask:
            is_scored = mask[0] != 0
            p, t = p[is_scored], t[is_scored]
        if p.size:
            is_true = t != 0 if positive is None else t == positive
            values = _as_probability(p, full_scale, bool(mask))
            positives += _histogram(values[is_true], levels)
            negatives += _histogram(values[~is_true], levels)
    return positives, negatives


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
    index = tuple(number if axis == "C" else slice(None) for axis in image.axes)
    notes = () if n == 1 or channel is not None else (f"Channel {number} of the two is scored.",)
    return numpy_or_dask(image.data)[index], notes


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
    return np.unique(np.concatenate([levels, np.array(extra, np.float32)]))


def _histogram(values: Floats, levels: Floats) -> Counts:
    """Count values by the level that each is rounded down to.

    Sorting them is faster than looking up each of them.
    """
    first = np.searchsorted(np.sort(values), levels)
    return np.diff(first, append=len(values))


def _as_probability(pixels: Pixels, full_scale: int, is_masked: bool) -> Floats:
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
    if math.isnan(low) and is_masked:
        raise InputError(
            "The map has NaN pixels where the mask is not 0. Set the mask to 0 there, or replace "
            "them, for example with numpy.nan_to_num."
        )
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

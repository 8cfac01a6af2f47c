"""Do what all encodings of objects share: prepare their paint, and fit their decoding to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.segmentation import expand_labels

from ..evaluation.overlap import THRESHOLDS, count_overlap, match_objects
from ..windows import grow, intersect, whole
from .encoding import PaintEncoding, Parameters, Prediction
from .paint import Labels

Example = tuple[Prediction, Labels]
"""A prediction and the paint of the same place; 0 is unknown."""


def renumbered(labels: Labels) -> Labels:
    """Renumber objects from 2 up, in the same order, so that tables by label stay small.

    Objects that are painted in part are renumbered from -2 down.
    """
    numbered = labels.copy()
    for sign in (1, -1):
        inside = sign * labels > 1
        numbered[inside] = sign * (np.unique(sign * labels[inside], return_inverse=True)[1] + 2)
    return numbered


def with_ring(
    labels: Labels, held_out: npt.NDArray[np.bool_], ring: int
) -> tuple[Labels, npt.NDArray[np.bool_]]:
    """Turn unpainted pixels close around objects that are painted whole into background.

    Parameters
    ----------
    labels, held_out
        Paint ``(*spatial)``, and which of it validates. The ring of a held-out object validates,
        too.
    ring
        Width of the ring, in pixels.

    Returns
    -------
    labels, held_out
        The same with the ring.
    """
    objects = np.where(labels > 1, labels, 0)
    if ring == 0 or not (labels == 0).any() or not objects.any():
        return labels, held_out
    near = _near(objects, ring)
    in_ring = (near > 0) & (labels == 0)
    held_labels = np.unique(labels[held_out & (labels > 1)])
    return np.where(in_ring, 1, labels), np.where(in_ring, np.isin(near, held_labels), held_out)


def on_slices(labels: Labels) -> npt.NDArray[np.intp]:
    """Return the objects that are painted on single slices of a volume only, no two in a row.

    Such paint says nothing about the slices above and below.

    Parameters
    ----------
    labels
        ``(Z, Y, X)``, objects from 2 up.
    """
    boxes = enumerate(ndimage.find_objects(np.maximum(labels - 1, 0)), start=2)
    found = [label for label, box in boxes if box and is_on_slices(labels[box] == label)]
    return np.array(found, dtype=np.intp)


def is_on_slices(mask: npt.NDArray[np.bool_]) -> bool:
    """Return whether one object ``(Z, Y, X)`` has no two slices in a row."""
    is_painted = np.asarray(mask.any(axis=(1, 2)))
    return not bool((is_painted[1:] & is_painted[:-1]).any())


def _near(objects: Labels, ring: int) -> Labels:
    """Return the nearest object of each pixel, if one lies within `ring` pixels; else 0.

    Objects that are painted on single slices are near to pixels of these slices only.
    """
    if objects.ndim == 2:
        return np.asarray(expand_labels(objects, ring))
    flat = np.isin(objects, on_slices(objects))
    near = np.where(flat, 0, objects)
    if near.any():
        near = expand_labels(near, ring)
    for z in np.flatnonzero(flat.any(axis=(1, 2))):
        along = expand_labels(objects[z], ring)
        near[z] = np.where(along > 0, along, near[z])
    return np.asarray(near)


def border_weights(labels: Labels, weight: float, sigma: float) -> npt.NDArray[np.float32]:
    """Return 1, and more on what lies between two objects: the border weights of the U-Net paper.

    Parameters
    ----------
    labels
        ``(*spatial)``; objects are numbered from 2 up.
    weight, sigma
        w0 of the paper, and its sigma, in pixels. A pixel at the distances d1 and d2 from the two
        nearest objects weighs ``1 + weight * exp(-(d1 + d2)**2 / (2 * sigma**2))``.
    """
    nearest, second = _two_nearest(labels, reach=3 * sigma)
    between = np.exp(-((nearest + second) ** 2) / (2 * sigma**2))
    return np.asarray(1 + weight * np.where(labels > 1, 0, between).astype(np.float32))


def _two_nearest(
    labels: Labels, reach: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the distances to the nearest and to the second nearest object, at most `reach`."""
    nearest = np.full(labels.shape, reach, np.float32)
    second = np.full(labels.shape, reach, np.float32)
    margin = int(np.ceil(reach))
    for label, box in enumerate(ndimage.find_objects(np.maximum(labels - 1, 0)), start=2):
        if box is None:
            continue
        window = intersect(grow(box, margin), whole(labels.shape))
        outside = ndimage.distance_transform_edt(labels[window] != label).astype(np.float32)
        first = nearest[window]
        second[window] = np.minimum(second[window], np.maximum(first, outside))
        nearest[window] = np.minimum(first, outside)
    return nearest, second


def selected(labels: Labels, keep: npt.NDArray[np.bool_]) -> Labels:
    """Return only the labels to keep, renumbered from 1; 0 stays 0."""
    keep[0] = False
    new = np.zeros(len(keep), np.int32)
    new[keep] = np.arange(1, int(keep.sum()) + 1)
    return new[labels]


def smallest_size(sizes: Sequence[int]) -> float:
    """Return the size below which a piece is no object, from the sizes of painted ones.

    It drops fragments of objects, but not objects that the edge of the image cuts.
    """
    return max(4.0, 0.25 * float(np.percentile(sizes, 5)))


@dataclass(frozen=True)
class Choice:
    """Describe a decoding parameter that is fitted.

    Parameters
    ----------
    name
        Its name.
    values
        Values to try beside the default.
    margin_per_object
        Gain that a value needs, divided by the number of painted objects; at least 0.001.
    """

    name: str
    values: Sequence[float]
    margin_per_object: float = 0.0


def fitted(
    encoding: PaintEncoding,
    examples: Sequence[Example],
    defaults: Parameters,
    choices: Sequence[Choice],
    seconds_left: Callable[[], float],
) -> Parameters:
    """Try decoding parameters on painted objects, one after the other, and return the best.

    ``min_size`` follows from the sizes of painted objects. A value is tried only if as much time is
    left as the defaults took.
    """
    examples = [(prediction, renumbered(paint)) for prediction, paint in examples]
    sizes = [n for _, labels in examples for n in np.bincount(labels[labels > 1])[2:] if n > 0]
    if not sizes:
        return dict(defaults)
    best = {**defaults, "min_size": smallest_size(sizes)}
    if seconds_left() <= 0:
        return best
    began = time.perf_counter()
    best_score = _score(encoding, examples, best)
    duration = time.perf_counter() - began
    for choice in choices:
        margin = max(1e-3, choice.margin_per_object / len(sizes))
        for value in choice.values:
            if seconds_left() < duration:
                return best
            tried = {**best, choice.name: value}
            score = _score(encoding, examples, tried)
            if score > best_score + margin:
                best, best_score = tried, score
    return best


def _score(encoding: PaintEncoding, examples: Sequence[Example], parameters: Parameters) -> float:
    """Return the precision, TP / (TP + FP + FN), averaged over IoU thresholds.

    Only painted pixels count: a predicted object without a painted partner is wrong only if most
    of it lies on paint.
    """
    counts = np.zeros((len(THRESHOLDS), 3))
    for prediction, paint in examples:
        counts += _counts(encoding.decode(prediction, parameters), paint)
    true, false, missed = counts.T
    return float((true / np.maximum(true + false + missed, 1)).mean())


def _counts(predicted: Labels, paint: Labels) -> npt.NDArray[np.float64]:
    """Count TP, FP and FN per IoU threshold, ``(n_thresholds, 3)``."""
    objects = np.where(paint > 1, paint, 0)
    overlap = count_overlap(predicted, objects)
    matched = match_objects(overlap).counts().astype(float)
    on_paint = np.bincount(predicted.ravel(), paint.ravel() > 0) > 0.5 * np.bincount(
        predicted.ravel()
    )
    n_judged, n_painted = np.count_nonzero(on_paint[1:]), len(np.unique(objects[objects > 0]))
    return np.stack([matched, np.maximum(n_judged - matched, 0), n_painted - matched], axis=1)

"""Objects apart: foreground, and the distance to each object's own border.

The distance is 0 at an object's border and 1 at its innermost pixel, whatever its size. It is
known inside objects that are painted whole, and 0 on background; so it can be learnt from a few
objects. Objects are found by a watershed from the peaks of the distance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.segmentation import expand_labels, watershed

from ..recipe import ObjectsTarget
from .base import Encoded, Head, Parameters, Prediction
from .paint import Labels

DEFAULTS: Parameters = {"foreground": 0.5, "seed": 0.5, "min_size": 10.0}


@dataclass(frozen=True)
class DistanceCoder:
    """Foreground and normalised distance.

    Parameters
    ----------
    recipe
        Ring of background and border weights.
    """

    recipe: ObjectsTarget

    @property
    def heads(self) -> tuple[Head, ...]:
        """Foreground (binary) and distance."""
        return (Head("foreground", 1, "binary"), Head("distance", 1, "distance", weight=2.0))

    def encode(self, labels: Labels, held_out: npt.NDArray[np.bool_]) -> Encoded:
        """Targets of one frame of paint, ``(*spatial)``."""
        no_background = not (labels == 1).any()
        labels, held_out = with_ring(labels, held_out, self.recipe.ring)
        inside = labels > 1
        known = (labels > 0).astype(np.float32)
        if no_background:
            known[labels == 0] = self.recipe.unpainted
        distance, nearest, second = _distances(labels, reach=3 * self.recipe.border_sigma)
        between = np.exp(-((nearest + second) ** 2) / (2 * self.recipe.border_sigma**2))
        border = 1 + self.recipe.border_weight * np.where(inside, 0, between).astype(np.float32)
        values = np.stack([inside.astype(np.float32), distance])
        return Encoded(values, np.stack([known * border, known]), held_out)

    def decode(self, prediction: Prediction, parameters: Parameters) -> Labels:
        """Watershed of the distance within the foreground; labels count from 1."""
        foreground, distance = prediction["foreground"][0], prediction["distance"][0]
        chosen = {**DEFAULTS, **parameters}
        mask = foreground > chosen["foreground"]
        seeds, n_seeds = ndimage.label((distance > chosen["seed"]) & mask)
        if n_seeds == 0:
            return np.zeros(mask.shape, np.int32)
        labels = watershed(-distance, seeds, mask=mask).astype(np.int32)
        return _without_small(labels, chosen["min_size"])

    def fit(self, examples: list[tuple[Prediction, Labels]]) -> Parameters:
        """Try thresholds on painted objects, one after the other, and keep the best.

        Parameters
        ----------
        examples
            A prediction and the paint of the same place; objects as painted, 0 unknown.
        """
        sizes = [n for _, labels in examples for n in np.bincount(labels[labels > 1])[2:] if n > 0]
        if not sizes:
            return dict(DEFAULTS)
        min_size = max(4.0, 0.25 * float(np.percentile(sizes, 5)))
        best = {**DEFAULTS, "min_size": min_size}
        best_score = _score(self, examples, best)
        for name in ("seed", "foreground"):
            for value in (0.4, 0.6, 0.3, 0.7, 0.8):
                tried = {**best, name: value}
                score = _score(self, examples, tried)
                if score > best_score + 1e-3:
                    best, best_score = tried, score
        return best


def with_ring(
    labels: Labels, held_out: npt.NDArray[np.bool_], ring: int
) -> tuple[Labels, npt.NDArray[np.bool_]]:
    """Take what lies closely around painted objects for background, unless it is painted.

    The ring of a held-out object is held out with it.
    """
    objects = np.where(labels > 1, labels, 0)
    if ring == 0 or not (labels == 0).any() or not objects.any():
        return labels, held_out
    near = expand_labels(objects, ring)
    new = (near > 0) & (labels == 0)
    held_labels = np.unique(labels[held_out & (labels > 1)])
    return np.where(new, 1, labels), np.where(new, np.isin(near, held_labels), held_out)


def _distances(
    labels: Labels, reach: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Normalised distance inside objects; distances to the nearest and second nearest object.

    The latter two are right up to `reach` pixels and at least that beyond.
    """
    inner = np.zeros(labels.shape, np.float32)
    nearest = np.full(labels.shape, reach, np.float32)
    second = np.full(labels.shape, reach, np.float32)
    margin = int(np.ceil(reach))
    for label, box in enumerate(ndimage.find_objects(np.maximum(labels - 1, 0)), start=2):
        if box is None:
            continue
        window = tuple(
            slice(max(0, s.start - margin), min(n, s.stop + margin))
            for s, n in zip(box, labels.shape, strict=True)
        )
        mask = labels[window] == label
        inner[window][mask] = _own_distance(labels[box] == label)[labels[box] == label]
        away = ndimage.distance_transform_edt(~mask).astype(np.float32)
        first = nearest[window]
        second[window] = np.minimum(second[window], np.maximum(first, away))
        nearest[window] = np.minimum(first, away)
    return inner, nearest, second


def _own_distance(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Distance to the border of one object, 1 at its innermost pixel.

    An object that is painted on one slice of a volume counts as flat: its distance is taken in
    the slice.
    """
    if mask.ndim == 3 and mask.shape[0] == 1:
        return _own_distance(mask[0])[np.newaxis]
    away = ndimage.distance_transform_edt(np.pad(mask, 1))
    away = away[(slice(1, -1),) * mask.ndim]
    return np.asarray(away / max(float(away.max()), 1.0), dtype=np.float32)


def _without_small(labels: Labels, min_size: float) -> Labels:
    """Drop objects under a size in pixels, and count the others from 1."""
    sizes = np.bincount(labels.ravel())
    keep = sizes >= min_size
    keep[0] = False
    new = np.zeros(len(sizes), np.int32)
    new[keep] = np.arange(1, int(keep.sum()) + 1)
    return new[labels]


def _score(
    coder: DistanceCoder, examples: list[tuple[Prediction, Labels]], parameters: Parameters
) -> float:
    """Mean over painted objects of the IoU with the found object that covers it most."""
    total, n = 0.0, 0
    for prediction, paint in examples:
        found = coder.decode(prediction, parameters)
        sizes = np.bincount(found.ravel())
        for label, box in enumerate(ndimage.find_objects(np.maximum(paint - 1, 0)), start=2):
            if box is None:
                continue
            mask = paint[box] == label
            cover = np.bincount(found[box][mask], minlength=1)
            cover[0] = 0
            best = int(cover.argmax())
            if cover[best]:
                iou = cover[best] / (mask.sum() + sizes[best] - cover[best])
                total += float(iou) + float(iou > 0.5)
            n += 1
    return total / max(n, 1)

"""Encode the task "objects": foreground, and the distance to the border of each object.

The distance is 0 at the border of an object and 1 at its innermost pixel, whatever its size. It is
known inside objects that are painted whole, and is 0 on background, so it can be learnt from a few
objects. A stroke inside an object says little of it, so it counts as innermost with a small weight.
Decoding starts a watershed at each peak of the distance, and then joins pieces between which the
distance is not low.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from skimage.segmentation import watershed

from ..recipe import ObjectsTarget
from ..windows import neighbour_pairs
from .encoding import (
    Encoded,
    EncodingOptions,
    Head,
    Knob,
    Parameters,
    Prediction,
    defaults_of,
)
from .fitting import FOREGROUND, MIN_SIZE, ObjectsEncoding
from .objects import border_weights, is_on_slices, renumbered, selected, with_ring
from .paint import Labels

KNOBS = (
    Knob(
        "peak",
        "Seed",
        "An object needs a pixel with at least this distance to its border, 1 being the farthest: "
        "the higher, the fewer doubtful objects.",
        default=0.5,
        # A network that has learnt little answers with lower distances.
        tried=(0.4, 0.3),
    ),
    Knob(
        "merge",
        "Joining",
        "Two pieces are one object if the distance along their border is above this share of the "
        "lower peak: the lower, the more are joined.",
        default=0.55,
        tried=(0.5, 0.6, 0.45, 0.65),
    ),
    # A network that has learnt from little paint answers with lower probabilities, too.
    replace(FOREGROUND, default=0.45, tried=(0.5, 0.4, 0.55, 0.6, 0.3, 0.7)),
    MIN_SIZE,
)
"""The parameters of the decoding."""
DEFAULTS = defaults_of(KNOBS)

STROKE = 0.1
"""Weight of the distance on strokes inside objects."""
LOWEST_PEAK = 0.2
"""Lowest peak of the distance that starts an object."""


@dataclass(frozen=True)
class DistanceEncoding(ObjectsEncoding):
    """Answer with the foreground and the normalised distance to each object's border.

    Parameters
    ----------
    recipe
        Settings for the ring of background, and for the weights between objects.
    """

    recipe: ObjectsTarget
    knobs = KNOBS

    @classmethod
    def from_options(cls, options: EncodingOptions) -> DistanceEncoding:
        """Build the encoding with the settings of the target."""
        assert isinstance(options.recipe.target, ObjectsTarget)
        return cls(options.recipe.target)

    @property
    def heads(self) -> tuple[Head, ...]:
        """Return foreground (binary) and distance."""
        return (Head("foreground", 1, "binary"), Head("distance", 1, "distance", weight=2.0))

    def encode(
        self, labels: Labels, held_out: npt.NDArray[np.bool_], has_background: bool = True
    ) -> Encoded:
        """Return both maps, and their weights."""
        labels, held_out = with_ring(renumbered(labels), held_out, self.recipe.ring)
        in_part = labels < 0
        inside = (labels > 1) | in_part
        weights = (labels != 0).astype(np.float32)
        if not has_background:
            weights[labels == 0] = self.recipe.unpainted
        border = border_weights(labels, self.recipe.border_weight, self.recipe.border_sigma)
        distance = np.where(in_part, np.float32(1), _distance(labels))
        values = np.stack([inside.astype(np.float32), distance])
        of_distance = np.where(in_part, np.float32(STROKE), weights)
        return Encoded(values, np.stack([weights * border, of_distance]), held_out)

    def decode(self, prediction: Prediction, parameters: Parameters) -> Labels:
        """Split the foreground where the distance is low between peaks; number objects from 1."""
        chosen = {**DEFAULTS, **parameters}
        mask = prediction["foreground"][0] > chosen["foreground"]
        # Smoothing keeps the noise of the prediction from making peaks.
        distance = ndimage.gaussian_filter(prediction["distance"][0].astype(np.float32), 1)
        objects = _merged(_pieces(distance, mask), distance, chosen["merge"])
        peak = np.zeros(int(objects.max(initial=0)) + 1, np.float32)
        np.maximum.at(peak, objects.ravel(), prediction["distance"][0].ravel().astype(np.float32))
        is_object = (peak >= chosen["peak"]) & (np.bincount(objects.ravel()) >= chosen["min_size"])
        return selected(objects, is_object)


def _distance(labels: Labels) -> npt.NDArray[np.float32]:
    """Return the normalised distance to the border inside each object, 0 outside."""
    distance = np.zeros(labels.shape, np.float32)
    for label, box in enumerate(ndimage.find_objects(np.maximum(labels - 1, 0)), start=2):
        if box is not None:
            mask = labels[box] == label
            distance[box][mask] = _inner_distance(mask)[mask]
    return distance


def _inner_distance(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Return the distance to the border of one object, 1 at its innermost pixel.

    If an object is painted on single slices of a volume, its distance is measured within each.
    """
    if mask.ndim == 3 and is_on_slices(mask):
        return np.stack([_inner_distance(plane) for plane in mask])
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))
    depth = depth[(slice(1, -1),) * mask.ndim]
    return np.asarray(depth / max(float(depth.max()), 1.0), dtype=np.float32)


def _pieces(distance: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_]) -> Labels:
    """Divide a mask into one piece for each peak of the distance: usually too many pieces."""
    peaks = (ndimage.maximum_filter(distance, size=5) == distance) & mask & (distance > LOWEST_PEAK)
    seeds, _ = ndimage.label(peaks, structure=np.ones((3,) * mask.ndim))
    return np.asarray(watershed(-distance, seeds, mask=mask), dtype=np.int32)


def _merged(pieces: Labels, distance: npt.NDArray[np.float32], limit: float) -> Labels:
    """Join pieces where the distance is not low along their common border.

    Between two objects the distance falls to 0; within one object it does not. Two pieces are
    joined if the mean distance along their border is above `limit` times the lower peak.
    """
    n = int(pieces.max(initial=0)) + 1
    pairs, heights = [], []
    for first, second in neighbour_pairs(pieces.shape):
        at = (pieces[first] != pieces[second]) & (pieces[first] > 0) & (pieces[second] > 0)
        ends = np.sort(np.stack([pieces[first][at], pieces[second][at]]).astype(np.int64), axis=0)
        pairs.append(ends[0] * n + ends[1])
        heights.append((distance[first][at] + distance[second][at]) / 2)
    keys, index = np.unique(np.concatenate(pairs), return_inverse=True)
    border = np.bincount(index, np.concatenate(heights)) / np.maximum(np.bincount(index), 1)
    a, b = keys // n, keys % n
    peak = np.zeros(n, np.float32)
    np.maximum.at(peak, pieces.ravel(), distance.ravel())
    join = border > limit * np.minimum(peak[a], peak[b])
    graph = coo_array((np.ones(int(join.sum())), (a[join], b[join])), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1].astype(np.int32)[pieces])

"""Encode the task "objects" as the U-Net paper does: background and object, weighted at borders.

Between objects that touch lies a border that is background to the network, and the narrower the gap
between two objects, the more its pixels weigh. Objects are the connected pieces of what is decoded
as object.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.segmentation import expand_labels, watershed

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
from .fitting import FOREGROUND, MIN_SIZE, Example, ObjectsEncoding
from .objects import border_weights, renumbered, selected, with_ring
from .paint import Labels

KNOBS = (
    FOREGROUND,
    Knob(
        "seed",
        "Seed",
        "Each piece above this probability starts an object of its own, which grows down to the "
        "probability above: the higher, the more are parted. 0: objects start where they end.",
        default=0.0,
        tried=(0.6, 0.7, 0.8, 0.9),
    ),
    Knob(
        "gap",
        "Gap",
        "Objects grow by this where another one is as near: it closes the line between them.",
        default=0.0,
        high=10.0,
        unit="px",
    ),
    MIN_SIZE,
)
"""The parameters of the decoding."""
DEFAULTS = defaults_of(KNOBS)
TAKEN = 1.0
"""Pixels that `BorderEncoding.encode` takes from each of two objects that touch. A fit sets ``gap``
to it; models from before it was given back have no ``gap``."""


@dataclass(frozen=True)
class BorderEncoding(ObjectsEncoding):
    """Answer with the probabilities of background and object.

    Parameters
    ----------
    recipe
        Settings for the ring of background, and for the weights between objects.

    Notes
    -----
    https://arxiv.org/abs/1505.04597
    """

    recipe: ObjectsTarget
    knobs = KNOBS

    @classmethod
    def from_options(cls, options: EncodingOptions) -> BorderEncoding:
        """Build the encoding with the settings of the target."""
        assert isinstance(options.recipe.target, ObjectsTarget)
        return cls(options.recipe.target)

    @property
    def heads(self) -> tuple[Head, ...]:
        """Return one head with two classes."""
        return (Head("border", 2, "categorical"),)

    def encode(
        self, labels: Labels, held_out: npt.NDArray[np.bool_], has_background: bool = True
    ) -> Encoded:
        """Return the index of each pixel's class, and its weight."""
        labels, held_out = with_ring(renumbered(labels), held_out, self.recipe.ring)
        weights = (labels != 0).astype(np.float32)
        if not has_background:
            weights[labels == 0] = self.recipe.unpainted
        apart = np.where(_touches(labels), 1, labels)
        weights *= border_weights(apart, self.recipe.border_weight, self.recipe.border_sigma)
        values = ((apart > 1) | (apart < 0))[np.newaxis].astype(np.float32)
        return Encoded(values, weights[np.newaxis], held_out)

    def decode(self, prediction: Prediction, parameters: Parameters) -> Labels:
        """Return the connected pieces of the foreground, from 1 on, as near as objects lie."""
        chosen = {**DEFAULTS, **parameters}
        inside = prediction["border"][1]
        pieces, _ = ndimage.label(inside > max(chosen["seed"], chosen["foreground"]))
        if chosen["seed"] > chosen["foreground"]:
            pieces = watershed(-inside, pieces, mask=inside > chosen["foreground"])
        objects = selected(pieces, np.bincount(pieces.ravel()) >= chosen["min_size"])
        return _closed(objects, round(chosen["gap"]))

    def fit(
        self,
        examples: list[Example],
        seconds_left: Callable[[], float] = lambda: math.inf,
    ) -> Parameters:
        """Fit as all do; ``gap`` gives back what `encode` takes from objects that touch."""
        return {**super().fit(examples, seconds_left), "gap": TAKEN}


def _closed(objects: Labels, width: int) -> Labels:
    """Let objects grow by `width` pixels where another object is as near."""
    if width == 0 or not objects.any():
        return objects
    grown, size = np.asarray(expand_labels(objects, width)), 2 * width + 1
    others = np.where(grown > 0, grown, np.iinfo(grown.dtype).max)
    is_near_both = ndimage.minimum_filter(others, size) != ndimage.maximum_filter(grown, size)
    is_between = ndimage.grey_closing((objects > 0).astype(np.uint8), size) > 0
    return np.where(is_near_both & is_between, grown, objects)


def _touches(labels: Labels) -> npt.NDArray[np.bool_]:
    """Return the pixels of objects that have another object beside them, along an axis."""
    touches = np.zeros(labels.shape, bool)
    for first, second in neighbour_pairs(labels.shape):
        at = (labels[first] != labels[second]) & (labels[first] > 1) & (labels[second] > 1)
        touches[first] |= at
        touches[second] |= at
    return touches

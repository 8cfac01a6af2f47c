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

from ..recipe import ObjectsTarget
from ..windows import neighbour_pairs
from .encoding import Encoded, EncodingOptions, Head, PaintEncoding, Parameters, Prediction
from .objects import border_weights, renumbered, selected, smallest_size, with_ring
from .paint import Labels

DEFAULTS: Parameters = {"min_size": 10.0}
"""Default decoding parameters: the smallest size of an object, in pixels."""


@dataclass(frozen=True)
class BorderEncoding(PaintEncoding):
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
    task = "objects"

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
        """Return the connected pieces of what is more likely object than background, from 1 on."""
        background, inside = prediction["border"]
        pieces, _ = ndimage.label(inside > background)
        chosen = {**DEFAULTS, **parameters}
        return selected(pieces, np.bincount(pieces.ravel()) >= chosen["min_size"])

    @property
    def fits_to_predictions(self) -> bool:
        """Return False: the sizes of painted objects are enough."""
        return False

    def fit(
        self,
        examples: list[tuple[Prediction, Labels]],
        seconds_left: Callable[[], float] = lambda: math.inf,
    ) -> Parameters:
        """Return the smallest size, below that of nearly all painted objects."""
        sizes = [
            n for _, paint in examples for n in np.unique(paint[paint > 1], return_counts=True)[1]
        ]
        return {"min_size": smallest_size(sizes)} if sizes else dict(DEFAULTS)


def _touches(labels: Labels) -> npt.NDArray[np.bool_]:
    """Return the pixels of objects that have another object beside them, along an axis."""
    touches = np.zeros(labels.shape, bool)
    for first, second in neighbour_pairs(labels.shape):
        at = (labels[first] != labels[second]) & (labels[first] > 1) & (labels[second] > 1)
        touches[first] |= at
        touches[second] |= at
    return touches

"""Encode the task "classes": the network answers with the probability of each class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .encoding import Encoded, EncodingOptions, Head, PaintEncoding, Parameters, Prediction
from .paint import Labels


@dataclass(frozen=True)
class ClassesEncoding(PaintEncoding):
    """Use the painted values, in order, as the classes of the network.

    Parameters
    ----------
    painted
        The value of each class in paint, rising.
    offset
        What is subtracted from it in results.
    """

    painted: tuple[int, ...]
    offset: int = 0
    task = "classes"

    @classmethod
    def from_options(cls, options: EncodingOptions) -> ClassesEncoding:
        """Build the encoding for the painted classes."""
        return cls(options.painted, options.offset)

    @property
    def heads(self) -> tuple[Head, ...]:
        """Return one head with a channel per class."""
        return (Head("classes", len(self.painted), "categorical"),)

    @property
    def is_pixelwise(self) -> bool:
        """Return True: the class of a pixel needs no other pixel."""
        return True

    def encode(
        self, labels: Labels, held_out: npt.NDArray[np.bool_], has_background: bool = True
    ) -> Encoded:
        """Return the index of each pixel's class, with weight 1 where a class is painted."""
        painted = np.asarray(self.painted)
        index = np.searchsorted(painted, labels).clip(max=len(painted) - 1)
        # A class that the network lacks counts as not painted.
        is_painted = painted[index] == labels
        values = np.where(is_painted, index, 0)[np.newaxis].astype(np.float32)
        return Encoded(values, is_painted[np.newaxis].astype(np.float32), held_out)

    def decode(self, prediction: Prediction, parameters: Parameters) -> Labels:
        """Return the most probable class of each pixel, with the value that it was painted with.

        A prediction with one channel is the index of that class.
        """
        classes = prediction["classes"]
        index = np.argmax(classes, axis=0) if len(classes) > 1 else classes[0].astype(np.intp)
        values: Labels = np.asarray(self.painted, dtype=np.int32) - self.offset
        return np.asarray(values[index])

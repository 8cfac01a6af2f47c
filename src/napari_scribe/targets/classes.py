"""Classes: one index a pixel."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .base import Encoded, Head, Parameters, Prediction
from .paint import Labels


@dataclass(frozen=True)
class ClassesCoder:
    """The painted values, in order, are the classes of the network.

    Parameters
    ----------
    painted
        The value of each class in paint, rising.
    offset
        What is taken off it in results.
    """

    painted: tuple[int, ...]
    offset: int = 0

    @property
    def heads(self) -> tuple[Head, ...]:
        """A channel a class."""
        return (Head("classes", len(self.painted), "categorical"),)

    def encode(
        self, labels: Labels, held_out: npt.NDArray[np.bool_], has_background: bool = True
    ) -> Encoded:
        """Targets of one frame of paint, ``(*spatial)``."""
        painted = np.asarray(self.painted)
        index = np.searchsorted(painted, labels).clip(max=len(painted) - 1)
        known = painted[index] == labels  # a class that the network lacks teaches nothing
        values = np.where(known, index, 0)[np.newaxis].astype(np.float32)
        return Encoded(values, known[np.newaxis].astype(np.float32), held_out)

    def decode(self, prediction: Prediction, parameters: Parameters) -> Labels:
        """The most probable class of each pixel, under the value it was painted with.

        Where the prediction has one channel, it is the index of that class.
        """
        classes = prediction["classes"]
        index = np.argmax(classes, axis=0) if len(classes) > 1 else classes[0].astype(np.intp)
        values: Labels = np.asarray(self.painted, dtype=np.int32) - self.offset
        return np.asarray(values[index])

    @property
    def is_pixelwise(self) -> bool:
        """Each pixel has its own class."""
        return True

    def fit(
        self,
        examples: list[tuple[Prediction, Labels]],
        seconds_left: Callable[[], float] = lambda: math.inf,
    ) -> Parameters:
        """Nothing to choose."""
        return {}

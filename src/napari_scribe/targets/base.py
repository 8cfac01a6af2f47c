"""What every answer declares: its heads, and the ways from paint to targets and to labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from .paint import Labels

HeadKind = Literal["binary", "categorical", "distance", "image"]
Parameters = dict[str, float]
Prediction = Mapping[str, npt.NDArray[Any]]
"""Head name -> ``(channels, *spatial)``, after the head's activation."""


@dataclass(frozen=True)
class Head:
    """One part of a network's output.

    Parameters
    ----------
    name
        Key in a `Prediction`.
    channels
        Output channels that belong to it.
    kind
        Decides loss and activation: ``binary`` (sigmoid), ``categorical`` (softmax over the
        channels; the target is an index), ``distance`` (0 to 1), ``image`` (what is added to the
        input).
    weight
        Of its loss in the sum.
    """

    name: str
    channels: int
    kind: HeadKind
    weight: float = 1.0


def count_channels(heads: Sequence[Head]) -> int:
    """Channels of a network with these heads."""
    return sum(head.channels for head in heads)


@dataclass(frozen=True)
class Encoded:
    """Targets of one frame.

    Parameters
    ----------
    values
        ``(n_heads, *spatial)`` float32; one map a head (an index for categorical heads).
    weights
        ``(n_heads, *spatial)`` float32; 0 where nothing is known.
    held_out
        ``(*spatial)`` bool; which pixels validate.
    """

    values: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float32]
    held_out: npt.NDArray[np.bool_]


class Coder(Protocol):
    """An answer's form."""

    @property
    def heads(self) -> tuple[Head, ...]:
        """The parts of the network's output."""
        ...

    def decode(self, prediction: Prediction, parameters: Parameters) -> npt.NDArray[Any]:
        """Labels ``(*spatial)``, or an image ``(C, *spatial)``, from a prediction."""
        ...

    @property
    def is_pixelwise(self) -> bool:
        """Whether each pixel is decoded by itself."""
        ...


class TargetCoder(Coder, Protocol):
    """The form of an answer that is learnt from paint."""

    def encode(
        self, labels: Labels, held_out: npt.NDArray[np.bool_], has_background: bool = True
    ) -> Encoded:
        """Targets of one frame of paint, ``(*spatial)``.

        `has_background` tells whether any background is painted, here or elsewhere.
        """
        ...

    def fit(
        self, examples: list[tuple[Prediction, Labels]], seconds_left: Callable[[], float] = ...
    ) -> Parameters:
        """The decoding parameters that suit predictions and the paint that belongs to them.

        The best so far, where `seconds_left` comes to an end.
        """
        ...

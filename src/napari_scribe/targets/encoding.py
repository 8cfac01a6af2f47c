"""Define encodings: how the output of a network represents the answer to a task."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt

from ..errors import InputError, nearest
from ..recipe import Recipe
from .paint import Labels

if TYPE_CHECKING:  # the docks import this module and must open without torch
    from torch import Tensor

HeadKind = Literal["binary", "categorical", "distance", "image"]
Parameters = dict[str, float]
Prediction = Mapping[str, npt.NDArray[Any]]
"""The answer ``(channels, *spatial)`` of each head, by its name, after its activation."""


@dataclass(frozen=True)
class Head:
    """Describe one part of a network's output.

    Parameters
    ----------
    name
        Key in a `Prediction`.
    channels
        Output channels that belong to it.
    kind
        Decides the activation and the default loss: ``binary`` (sigmoid), ``categorical`` (softmax
        over the channels; the target is an index), ``distance`` (sigmoid, 0 to 1), ``image`` (no
        activation; the answer is added to the input).
    weight
        Weight of its loss in the sum.
    moves_with_pixels
        Whether its maps are made once for a region and warped with each patch. Maps that hold a
        direction (affinities, offsets, vectors) would be wrong after a warp: they are made from
        the labels of each patch after the warp.
    is_weighted_by_channel
        Whether each target map has its own weight map; else all share one.
    is_decoded
        Whether `Encoding.decode` needs its maps; else they only help the network to learn.
    """

    name: str
    channels: int
    kind: HeadKind
    weight: float = 1.0
    moves_with_pixels: bool = True
    is_weighted_by_channel: bool = False
    is_decoded: bool = True

    @property
    def n_values(self) -> int:
        """Return the number of target maps: one per channel, or one index."""
        return 1 if self.kind == "categorical" else self.channels

    @property
    def n_weights(self) -> int:
        """Return the number of weight maps."""
        return self.n_values if self.is_weighted_by_channel else 1


def count_channels(heads: Sequence[Head]) -> int:
    """Return the number of output channels of a network with these heads."""
    return sum(head.channels for head in heads)


def checked_knobs(knobs: Sequence[Knob], values: Mapping[str, object]) -> Parameters:
    """Return decoding parameters that a user has chosen as numbers.

    Raises
    ------
    InputError
        If there is no such parameter, or its value is no number or out of range.
    """
    by_name = {knob.name: knob for knob in knobs}
    if values and not knobs:
        raise InputError("Only the decoding of objects has parameters that can be changed.")
    checked = {}
    for name, value in values.items():
        if name not in by_name:
            raise InputError(
                f"There is no decoding parameter '{name}': choose from {', '.join(by_name)}."
                f"{nearest(name, by_name)}"
            )
        low, high = by_name[name].low, by_name[name].high
        try:
            number = float(str(value))
        except ValueError:
            number = math.nan
        if not low <= number <= high:
            raise InputError(
                f"The decoding parameter '{name}' is a number from {low:g} to {high:g}, "
                f"not {value}."
            )
        checked[name] = number
    return checked


def savable_maps(heads: Sequence[Head]) -> tuple[str, ...]:
    """Return the names of the maps that can be saved; the first head is called probability."""
    return ("probability", *(head.name for head in heads[1:]))


@dataclass(frozen=True)
class Knob:
    """Describe a decoding parameter: what it is called, its range, and what a fit tries.

    Parameters
    ----------
    name
        Its name among the `Parameters`.
    title, description
        Its name and its effect in words for the user.
    default
        Its value where there is nothing to fit it to.
    low, high
        Range of its values.
    unit
        ``px`` for a number of pixels, which is whole; empty for a share from 0 to 1.
    tried
        Other values that a fit tries, those near the default first, so that they win ties.
    """

    name: str
    title: str
    description: str
    default: float
    low: float = 0.0
    high: float = 1.0
    unit: str = ""
    tried: tuple[float, ...] = ()


def defaults_of(knobs: Sequence[Knob]) -> Parameters:
    """Return the default decoding parameters."""
    return {knob.name: knob.default for knob in knobs}


@dataclass(frozen=True)
class EncodingOptions:
    """Hold what an encoding is built from.

    Parameters
    ----------
    recipe
        Its target has the encoding's own settings, its network the number of dimensions.
    painted, offset
        Values of the classes in paint, and what is subtracted from them in results.
    n_channels
        Channels of the images that the network sees.
    """

    recipe: Recipe
    painted: tuple[int, ...] = ()
    offset: int = 0
    n_channels: int = 1


@dataclass(frozen=True)
class Encoded:
    """Hold the targets of one frame of paint.

    Parameters
    ----------
    values
        ``(n, *spatial)`` float32: the target maps of all heads that move with the pixels.
    weights
        ``(n, *spatial)`` float32: their weight maps, 0 where nothing is known.
    held_out
        ``(*spatial)`` bool: which pixels validate.
    labels
        ``(*spatial)``: labels that are warped with each patch, for `PaintEncoding.encode_warped`.
        None if no head needs them. They are numbered from 0, so that float32 holds them exactly.
    label_weights
        ``(*spatial)`` float32: how much is known of the labels, 0 where nothing is.
    """

    values: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float32]
    held_out: npt.NDArray[np.bool_]
    labels: Labels | None = None
    label_weights: npt.NDArray[np.float32] | None = None


class Encoding(Protocol):
    """Define how the output of a network represents the answer to a task.

    An encoding is a class in a file of its own and a line in `ENCODINGS`.
    """

    task: ClassVar[str]
    """Name of its task."""
    knobs: ClassVar[tuple[Knob, ...]] = ()
    """Decoding parameters that a user may change."""

    @classmethod
    def from_options(cls, options: EncodingOptions) -> Encoding:
        """Build the encoding for a recipe."""
        ...

    @property
    def heads(self) -> tuple[Head, ...]:
        """Return the parts of the network's output, in the order of its channels.

        Heads that move with the pixels come first.
        """
        ...

    @property
    def is_pixelwise(self) -> bool:
        """Return whether each pixel is decoded by itself, without its neighbours."""
        return False

    def decode(self, prediction: Prediction, parameters: Parameters) -> npt.NDArray[Any]:
        """Return labels ``(*spatial)``, or an image ``(C, *spatial)``, from a prediction.

        Parameters
        ----------
        prediction
            The answer of each head.
        parameters
            From `PaintEncoding.fit`. Missing ones have their defaults.
        """
        ...


class PaintEncoding(Encoding, Protocol):
    """Define also how paint becomes the targets that a network learns from."""

    def encode(
        self, labels: Labels, held_out: npt.NDArray[np.bool_], has_background: bool = True
    ) -> Encoded:
        """Return the targets of one frame of paint.

        Parameters
        ----------
        labels
            ``(*spatial)``: 0 unknown, 1 background, 2 and up objects drawn whole, -2 and down
            objects painted only in part; or classes from 1 up.
        held_out
            ``(*spatial)``: which pixels validate.
        has_background
            Whether enough background is known: some is painted, here or in another frame, and no
            object is painted only in part.
        """
        ...

    def encode_warped(self, labels: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return the maps of heads that do not move with the pixels, for a batch of patches.

        It runs in every training step, on the device of its arguments.

        Parameters
        ----------
        labels, weights
            ``(N, *spatial)`` float32: `Encoded.labels` and `Encoded.label_weights` after the warp.

        Returns
        -------
        values, weights
            ``(N, n, *spatial)``: target and weight maps of these heads, in their order.
        """
        raise TypeError(f"{type(self).__name__} makes no maps after the warp.")

    def fit(
        self,
        examples: list[tuple[Prediction, Labels]],
        seconds_left: Callable[[], float] = lambda: math.inf,
    ) -> Parameters:
        """Return the decoding parameters that bring predictions closest to their paint.

        Parameters
        ----------
        examples
            A prediction and the paint of the same place; 0 is unknown.
        seconds_left
            Returns the time left, in seconds. When it has run out, the best parameters so far are
            returned.
        """
        return {}

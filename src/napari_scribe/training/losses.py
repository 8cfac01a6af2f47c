"""Define the losses, by name, and the loss of a whole network.

A weight of 0 means that nothing is known there: no loss and no gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from ..recipe import DenoisedTarget, Recipe
from ..targets import Head

LOWEST_EXPONENT = 0.1
"""Lowest exponent of l0: at 0, every answer would be equally good."""
SCORING_EXPONENT = 0.5
"""Exponent of l0 on held-out pairs. It is fixed, because losses of different steps are compared."""
TINY = 0.01
"""Number added to errors of l0: without it, the gradient would have no bound near 0."""


@dataclass(frozen=True)
class Schedule:
    """Hold how far a training has come, for losses that change with it.

    Parameters
    ----------
    step
        Number of the step; None if the loss judges a network instead of training it.
    annealing
        Steps after which a loss has its final form.
    """

    step: int | None = None
    annealing: int = 2000


LossFunction = Callable[[Tensor, Tensor, Tensor, Schedule], Tensor]
"""``(prediction, values, weights, schedule) -> scalar``.

``prediction (N, C, *spatial)`` holds logits of binary and categorical heads, and activated answers
of the others. ``values`` has as many channels; for categorical heads it has one, with the index of
the class. ``weights`` has as many channels as ``values``, or one for all.
"""


def cross_entropy(prediction: Tensor, values: Tensor, weights: Tensor, _: Schedule) -> Tensor:
    """Return the cross-entropy of yes-or-no channels, or of classes against their index."""
    if values.shape[1] == prediction.shape[1]:
        if weights.shape[1] != values.shape[1]:
            weights = weights.expand_as(values)
        loss = F.binary_cross_entropy_with_logits(prediction, values, weights, reduction="sum")
        return loss / weights.sum().clamp(min=1e-6)
    loss = F.cross_entropy(prediction, values[:, 0].long(), reduction="none")
    return weighted_mean(loss[:, None], weights)


def l1(prediction: Tensor, values: Tensor, weights: Tensor, _: Schedule) -> Tensor:
    """Return the mean absolute error."""
    return weighted_mean((prediction - values).abs(), weights)


def l2(prediction: Tensor, values: Tensor, weights: Tensor, _: Schedule) -> Tensor:
    """Return the mean squared error."""
    return weighted_mean((prediction - values).abs().square(), weights)


def l0(prediction: Tensor, values: Tensor, weights: Tensor, schedule: Schedule) -> Tensor:
    """Return the mean of a power of the error that falls from 2 towards 0.

    It finds the mode of the noise, as in the Noise2Noise paper.
    """
    error, exponent = (prediction - values).abs(), exponent_of_l0(schedule)
    powered = error.square() if exponent == 2 else (error + TINY) ** exponent
    return weighted_mean(powered, weights)


def exponent_of_l0(schedule: Schedule) -> float:
    """Return the exponent of l0 at a step."""
    if schedule.step is None:
        return SCORING_EXPONENT
    return max(LOWEST_EXPONENT, 2 - 2 * schedule.step / schedule.annealing)


def weighted_mean(loss: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of a loss ``(N, C, *spatial)``; weights have C channels, or one for all."""
    n_shared = loss.shape[1] // weights.shape[1]
    return (loss * weights).sum() / (weights.sum() * n_shared).clamp(min=1e-6)


@dataclass(frozen=True)
class Loss:
    """Hold a loss function and the kinds of head that it suits."""

    function: LossFunction
    kinds: tuple[str, ...]


LOSSES: dict[str, Loss] = {
    "cross_entropy": Loss(cross_entropy, ("binary", "categorical")),
    "l1": Loss(l1, ("distance", "image")),
    "l2": Loss(l2, ("distance", "image")),
    "l0": Loss(l0, ("image",)),
}
"""Every loss, by its name in recipes."""


@dataclass(frozen=True)
class NetworkLoss:
    """Add up the losses of all heads of a network.

    Parameters
    ----------
    heads
        What the channels mean.
    functions
        The loss of each head.
    annealing
        As in `Schedule`.
    """

    heads: Sequence[Head]
    functions: Sequence[LossFunction]
    annealing: int = 2000

    def __call__(
        self, logits: Tensor, values: Tensor, weights: Tensor, step: int | None = None
    ) -> Tensor:
        """Return the loss of a batch.

        Parameters
        ----------
        logits
            ``(N, sum of the heads' channels, *spatial)``.
        values, weights
            ``(N, n, *spatial)``: the maps of all heads, in their order.
        step
            As in `Schedule`.
        """
        schedule = Schedule(step, self.annealing)
        total = torch.zeros((), device=logits.device)
        channel = value = weight = 0
        for head, function in zip(self.heads, self.functions, strict=True):
            part = logits[:, channel : channel + head.channels]
            loss = function(
                part.sigmoid() if head.kind == "distance" else part,
                values[:, value : value + head.n_values],
                weights[:, weight : weight + head.n_weights],
                schedule,
            )
            total = total + head.weight * loss
            channel += head.channels
            value += head.n_values
            weight += head.n_weights
        return total


def loss_of(recipe: Recipe, heads: Sequence[Head]) -> NetworkLoss:
    """Return the loss of a network with these heads, by the names in a recipe.

    Raises
    ------
    InputError
        If there is no such loss for a head.
    """
    target, names = recipe.target, recipe.losses.model_dump()
    annealing = Schedule.annealing
    if isinstance(
        target, DenoisedTarget
    ):  # recipes named this loss there before other losses had names
        names["image"], annealing = target.loss, target.annealing
    functions = []
    for head in heads:
        name = names[head.kind]
        suitable = [n for n, loss in LOSSES.items() if head.kind in loss.kinds]
        if name not in suitable:
            option = "target.loss" if head.kind == "image" else f"losses.{head.kind}"
            raise InputError(
                f"There is no loss '{name}' for {head.kind} heads: choose from "
                f"{', '.join(suitable)} ({option})."
            )
        functions.append(LOSSES[name].function)
    return NetworkLoss(tuple(heads), tuple(functions), annealing)

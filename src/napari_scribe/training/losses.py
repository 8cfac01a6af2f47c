"""Define the losses, by name, and the loss of a whole network.

A weight of 0 means that nothing is known there: no loss and no gradient. Every loss sums over all
patches of a batch before it divides. A sparsely painted patch often lacks a class: alone, it would
give a share of next to nothing, and it would count as much as a patch that is full of paint.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError, nearest
from ..recipe import DenoisedTarget, Losses, Recipe
from ..targets import Head

LOWEST_EXPONENT = 0.1
"""Lowest exponent of l0: at 0, every answer would be equally good."""
SCORING_EXPONENT = 0.5
"""Exponent of l0 on held-out pairs. It is fixed, because losses of different steps are compared."""
SURE = 1e-6
"""Lowest error of focal: the slope of its power has no bound at 0."""
PIXEL = 1.0
"""Pixels that count as found whatever the network answers, in losses of overlap.

A class that is not painted, or hardly, would give a share of nothing, and gradients without bound.
"""
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


LossFunction = Callable[..., Tensor]
"""``(prediction, values, weights, schedule) -> scalar``.

``prediction (N, C, *spatial)`` holds logits of binary and categorical heads, and activated answers
of the others. ``values`` has as many channels; for categorical heads it has one, with the index of
the class. ``weights`` has as many channels as ``values``, or one for all. What a recipe sets for a
loss comes by name (`Loss.settings`).
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


def focal(
    prediction: Tensor, values: Tensor, weights: Tensor, _: Schedule, *, gamma: float = 2.0
) -> Tensor:
    """Return the cross-entropy, in which pixels count less the surer their answer is right.

    Each is multiplied by a power of its error. Lin et al. 2017, https://arxiv.org/abs/1708.02002.
    """
    if _is_index(prediction, values):
        loss = F.cross_entropy(prediction, values[:, 0].long(), reduction="none")[:, None]
        error = -torch.expm1(-loss)
    else:
        loss = F.binary_cross_entropy_with_logits(prediction, values, reduction="none")
        p = prediction.sigmoid()
        error = p * (1 - values) + (1 - p) * values
    return weighted_mean(error.clamp(min=SURE) ** gamma * loss, weights)


def dice(prediction: Tensor, values: Tensor, weights: Tensor, schedule: Schedule) -> Tensor:
    """Return 1 - the soft Dice coefficient, averaged over classes or yes-or-no channels.

    Milletari et al. 2016, https://arxiv.org/abs/1606.04797.
    """
    return tversky(prediction, values, weights, schedule, alpha=0.5, beta=0.5)


def dice_cross_entropy(
    prediction: Tensor, values: Tensor, weights: Tensor, schedule: Schedule
) -> Tensor:
    """Return the sum of both losses, as in nnU-Net (https://arxiv.org/abs/1904.08128)."""
    parts = prediction, values, weights, schedule
    return dice(*parts) + cross_entropy(*parts)


def tversky(
    prediction: Tensor,
    values: Tensor,
    weights: Tensor,
    _: Schedule,
    *,
    alpha: float = 0.3,
    beta: float = 0.7,
) -> Tensor:
    """Return 1 - the Tversky index, averaged over classes or yes-or-no channels.

    It is the Dice coefficient, where `alpha` weighs what is found wrongly and `beta` what is
    missed. Salehi et al. 2017, https://arxiv.org/abs/1706.05721.
    """
    found, answered, painted = _overlap(*_by_class(prediction, values), weights)
    wrong, missed = answered - found, painted - found
    index = (found + PIXEL) / (found + alpha * wrong + beta * missed + PIXEL)
    return (1 - index).mean()


def generalised_dice(prediction: Tensor, values: Tensor, weights: Tensor, _: Schedule) -> Tensor:
    """Return 1 - the generalised Dice coefficient: one over all classes, where rare ones count.

    A class is weighed by the inverse of its squared size; one without a whole painted pixel, as
    the rarest that has one. The classes of a yes-or-no channel are yes and no. Sudre et al. 2017,
    https://arxiv.org/abs/1707.03237.
    """
    probability, truth = _by_class(prediction, values)
    if not _is_index(prediction, values):
        probability = torch.cat([probability, 1 - probability], dim=2)
        truth = torch.cat([truth, 1 - truth], dim=2)
    found, answered, painted = _overlap(probability, truth, weights)
    is_there = painted >= PIXEL
    rarest = painted.where(is_there, math.inf).amin(dim=1, keepdim=True).nan_to_num(posinf=PIXEL)
    importance = painted.where(is_there, rarest) ** -2
    # So scaled, the weighted sizes of the classes add up to the pixels that are known.
    weighted = (importance * painted).sum(dim=1, keepdim=True)
    least = torch.finfo(weighted.dtype).tiny  # where nothing is known
    importance = importance * painted.sum(dim=1, keepdim=True) / weighted.clamp(min=least)
    both = (importance * found).sum(dim=1)
    either = (importance * (answered + painted)).sum(dim=1) / 2
    return (1 - (both + PIXEL) / (either + PIXEL)).mean()


def l1(prediction: Tensor, values: Tensor, weights: Tensor, _: Schedule) -> Tensor:
    """Return the mean absolute error."""
    return weighted_mean((prediction - values).abs(), weights)


def l2(prediction: Tensor, values: Tensor, weights: Tensor, _: Schedule) -> Tensor:
    """Return the mean squared error."""
    return weighted_mean((prediction - values).abs().square(), weights)


def smooth_l1(
    prediction: Tensor, values: Tensor, weights: Tensor, _: Schedule, *, beta: float = 0.1
) -> Tensor:
    """Return the mean error: squared where it is below `beta`, absolute above.

    Girshick 2015, https://arxiv.org/abs/1504.08083.
    """
    loss = F.smooth_l1_loss(prediction, values, reduction="none", beta=beta)
    return weighted_mean(loss, weights)


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


def _is_index(prediction: Tensor, values: Tensor) -> bool:
    """Return whether the values are indices of classes, and not yes or no for each channel."""
    return values.shape[1] != prediction.shape[1]


def _by_class(prediction: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Return probabilities and truth ``(N, heads, classes, *spatial)``.

    Classes that exclude one another are one head; each yes-or-no channel is one with one class.
    """
    if not _is_index(prediction, values):
        return prediction.sigmoid()[:, :, None], values[:, :, None]
    classes = torch.arange(prediction.shape[1], device=values.device)
    truth = values == classes.reshape(-1, *[1] * (values.ndim - 2))
    return prediction.softmax(dim=1)[:, None], truth[:, None].to(prediction)


def _overlap(probability: Tensor, truth: Tensor, weights: Tensor) -> tuple[Tensor, ...]:
    """Return what is found, answered and painted of each class ``(heads, classes)``, in pixels.

    Parameters
    ----------
    probability, truth
        ``(N, heads, classes, *spatial)``.
    weights
        ``(N, heads, *spatial)``, or one channel for all heads.
    """
    weights = weights[:, :, None]
    over = 0, *range(3, truth.ndim)
    known = weights * truth
    return (known * probability).sum(over), (weights * probability).sum(over), known.sum(over)


@dataclass(frozen=True)
class Loss:
    """Hold a loss function and the kinds of head that it suits.

    Parameters
    ----------
    function, kinds
        The function, and the kinds of head.
    settings
        Name of an argument of the function -> name of its value in the recipe's ``losses``.
    """

    function: LossFunction
    kinds: tuple[str, ...]
    settings: Mapping[str, str] = field(default_factory=dict)


YES_OR_CLASS = "binary", "categorical"
NUMBER = "distance", "image"
LOSSES: dict[str, Loss] = {
    "cross_entropy": Loss(cross_entropy, YES_OR_CLASS),
    "dice": Loss(dice, YES_OR_CLASS),
    "generalised_dice": Loss(generalised_dice, YES_OR_CLASS),
    "dice_cross_entropy": Loss(dice_cross_entropy, YES_OR_CLASS),
    "focal": Loss(focal, YES_OR_CLASS, {"gamma": "focal_gamma"}),
    "tversky": Loss(tversky, YES_OR_CLASS, {"alpha": "tversky_alpha", "beta": "tversky_beta"}),
    "l1": Loss(l1, NUMBER),
    "l2": Loss(l2, NUMBER),
    "smooth_l1": Loss(smooth_l1, NUMBER, {"beta": "smooth_l1_beta"}),
    "l0": Loss(l0, ("image",)),
}
"""Every loss, by its name in recipes. `recipe.Losses` says which of them the form offers."""


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
        if logits.dtype in (torch.bfloat16, torch.float16):  # too coarse for sums
            logits = logits.float()
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
    names = _names(recipe)
    functions: list[LossFunction] = []
    for head in heads:
        name = names[head.kind]
        suitable = [n for n, known in LOSSES.items() if head.kind in known.kinds]
        if name not in suitable:
            raise InputError(
                f"There is no loss '{name}' for {head.kind} heads: choose from "
                f"{', '.join(suitable)} ({_option(head.kind)}).{nearest(name, suitable)}"
            )
        loss = LOSSES[name]
        settings = {k: getattr(recipe.losses, v) for k, v in loss.settings.items()}
        functions.append(partial(loss.function, **settings) if settings else loss.function)
    annealing = getattr(recipe.target, "annealing", Schedule.annealing)
    return NetworkLoss(tuple(heads), tuple(functions), annealing)


def unused_losses(recipe: Recipe, heads: Sequence[Head]) -> str:
    """Say which values of ``losses`` were changed without effect on these heads; "" if none.

    These are losses of kinds that no head has, and numbers of losses that no head has.
    """
    names, defaults = _names(recipe), Losses().model_dump()
    kinds = dict.fromkeys(head.kind for head in heads)
    used = {*kinds, *(v for kind in kinds for v in LOSSES[names[kind]].settings.values())}
    unused = [f"losses.{k}" for k in defaults if names[k] != defaults[k] and k not in used]
    if not unused:
        return ""
    learnt = " and ".join(f"{_option(kind)}={names[kind]}" for kind in kinds)
    verb = "is" if len(unused) == 1 else "are"
    return f"{', '.join(unused)} {verb} not used: this network learns with {learnt}."


def _names(recipe: Recipe) -> dict[str, Any]:
    """Return kind of head -> name of its loss, and the numbers of losses."""
    names = recipe.losses.model_dump()
    if isinstance(recipe.target, DenoisedTarget):
        # Recipes named this loss there before other losses had names.
        names["image"] = recipe.target.loss
    return names


def _option(kind: str) -> str:
    """Return the dotted name of the loss of a kind of head in recipes."""
    return "target.loss" if kind == "image" else f"losses.{kind}"

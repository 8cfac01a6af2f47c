"""One masked loss per kind of head. A weight of 0 means unknown: no loss and no gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..targets import Head

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def binary(logits: Tensor, values: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean cross-entropy of one channel; all ``(N, 1, *spatial)``."""
    loss = F.binary_cross_entropy_with_logits(logits, values, weights, reduction="sum")
    return loss / weights.sum().clamp(min=1e-6)


def categorical(logits: Tensor, values: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean cross-entropy of classes ``(N, C, *spatial)`` against indices."""
    loss = F.cross_entropy(logits, values[:, 0].long(), reduction="none")
    return (loss * weights[:, 0]).sum() / weights.sum().clamp(min=1e-6)


def distance(logits: Tensor, values: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean absolute error of a distance from 0 to 1; all ``(N, 1, *spatial)``."""
    loss = (logits.sigmoid() - values).abs() * weights
    return loss.sum() / weights.sum().clamp(min=1e-6)


LOSSES: dict[str, Loss] = {"binary": binary, "categorical": categorical, "distance": distance}


def total_loss(logits: Tensor, values: Tensor, weights: Tensor, heads: Sequence[Head]) -> Tensor:
    """Sum of the heads' losses.

    Parameters
    ----------
    logits
        ``(N, sum of the heads' channels, *spatial)``.
    values, weights
        ``(N, n_heads, *spatial)``.
    heads
        What the channels mean.
    """
    total = torch.zeros((), device=logits.device)
    start = 0
    for i, head in enumerate(heads):
        part = logits[:, start : start + head.channels]
        loss = LOSSES[head.kind](part, values[:, i : i + 1], weights[:, i : i + 1])
        total = total + head.weight * loss
        start += head.channels
    return total


EXPONENTS = {"l2": 2.0, "l1": 1.0}
SCORED = {"l2": 2.0, "l1": 1.0, "l0": 0.5}
"""Exponents by which the best network is told: one that does not change, for l0 as well."""
LOWEST = 0.1
"""Where the exponent of l0 stops falling: at 0 every answer would be as good."""
_TINY = 0.01


def image_loss(logits: Tensor, values: Tensor, weights: Tensor, exponent: float) -> Tensor:
    """Weighted mean of a power of the error, of an image ``(N, C, *spatial)``.

    Parameters
    ----------
    weights
        ``(N, 1, *spatial)``.
    exponent
        2, 1, or less: for l0 it falls while the network learns, see `annealed`.
    """
    error = (logits - values).abs()
    powered = error.square() if exponent == 2 else (error + _TINY) ** exponent
    return (powered * weights).sum() / (weights.sum() * logits.shape[1]).clamp(min=1e-6)


def annealed(loss: str, step: int, annealing: int) -> float:
    """The exponent at a step: of l0 it falls from 2, as in the Noise2Noise paper."""
    return EXPONENTS.get(loss, max(LOWEST, 2 - 2 * step / annealing))

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

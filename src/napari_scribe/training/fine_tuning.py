"""Choose how far a fine-tuned network goes away from its parent, on what neither was tuned on.

The result is ``(1 - share) parent + share tuned``: between the two, a network keeps what the parent
knew and has most of what was learnt (Wortsman et al. 2022, https://arxiv.org/abs/2109.01903).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..model import Model
from .checkpoint import Tensors
from .regions import Batch

SHARES = 0.25, 0.5, 0.75, 1.0
"""Shares of the tuned weights that are tried."""
UNCHECKED_SHARE = 0.5
"""The share if nothing is held out to choose it by."""
REPLAY_WEIGHT = 4.0
"""How many held-out objects count as much as the replay, where the two disagree."""
NOTED = 1.1
"""Factor from which on a higher loss on replay is said."""
N_SHIFTS = 48
"""How often paint is shifted, to see whether it fits its place better than others."""
DISTINCT = 2.5
"""Standard deviations by which the loss at the right place has to be below that at others."""

LossOf = Callable[[Tensors, Sequence[Batch]], float]
"""``(weights, batches) -> loss`` of a network with these weights."""


@dataclass(frozen=True)
class FineTuning:
    """Hold what became of a fine-tuning.

    Parameters
    ----------
    share
        Share of the tuned weights in the result; 0 if the parent is kept.
    paint
        Loss on held-out paint, of the parent and of the result; None if nothing is held out.
    replay
        The same on held-out patches of what the parent learnt from; None without such patches.
    """

    share: float
    paint: tuple[float, float] | None = None
    replay: tuple[float, float] | None = None

    def in_words(self) -> str:
        """Say what the result gained on new paint, and what it lost of what was known."""
        if self.paint is None:
            return ""
        text = "Loss on what is held out: {:.3f} before, {:.3f} now".format(*self.paint)
        if self.replay is None:
            return f"{text}."
        text += "; on what the model learnt before: {:.3f}, {:.3f} now.".format(*self.replay)
        if self.replay[1] <= NOTED * self.replay[0]:
            return text
        return (
            f"{text} It has become worse on what it knew: right if these images are of another "
            "kind; else paint more, or keep the model that it started from."
        )

    def refused(self) -> FineTuning:
        """Return the same where the parent is kept."""
        return replace(self, share=0.0)


def origin_of(start: Model, tuning: FineTuning) -> dict[str, Any]:
    """Return what a model file records about the model that it was fine-tuned from."""
    return {"parent": start.name, "fingerprint": start.fingerprint(), **asdict(tuning)}


def between(parent: Tensors, tuned: Tensors, share: float) -> Tensors:
    """Return weights between two networks, the statistics of batch normalization included."""
    return {
        name: torch.lerp(weight, tuned[name], share) if weight.is_floating_point() else tuned[name]
        for name, weight in parent.items()
    }


def choose(
    parent: Tensors,
    tuned: Tensors,
    paint: Sequence[Batch],
    replay: Sequence[Batch],
    loss_of: LossOf,
    shares: Sequence[float] = SHARES,
) -> FineTuning:
    """Choose the share of the tuned weights by the losses on held-out paint and on replay.

    A share has to lower the loss on paint. A higher loss on replay counts against it as much as
    on `REPLAY_WEIGHT` objects: a few objects of one image say less about other images.
    """
    n_objects = sum(len(batch.pixels) for batch in paint)
    before = loss_of(parent, paint)
    replay_before = loss_of(parent, replay) if replay else None
    best, best_gain = FineTuning(0.0, (before, before)), 0.0
    if replay_before is not None:
        best = FineTuning(0.0, (before, before), (replay_before, replay_before))
    for share in shares:
        weights = between(parent, tuned, share)
        after = loss_of(weights, paint)
        gain = n_objects * _log_ratio(before, after)
        replays = None
        if replay_before is not None:
            replays = replay_before, loss_of(weights, replay)
            gain -= REPLAY_WEIGHT * max(0.0, -_log_ratio(*replays))
        if after < before and gain > best_gain:
            best, best_gain = FineTuning(share, (before, after), replays), gain
    return best


def _log_ratio(before: float, after: float) -> float:
    """Return how much lower a loss is, as a logarithm; minus infinity for what is no number."""
    if not math.isfinite(after):
        return -math.inf
    return math.log(max(before, 1e-9) / max(after, 1e-9))


def fits_its_place(
    logits: Sequence[Tensor], batches: Sequence[Batch], loss: Callable[..., Tensor]
) -> bool:
    """Return whether answers fit their paint clearly better than the same paint at other places.

    If they do not, the paint has nothing to do with the image, and a lower loss on it means only
    that the network has learnt how much is painted.

    Parameters
    ----------
    logits, batches
        The answer to each batch of held-out paint, and the batches.
    loss
        The loss of a batch.
    """
    generator = torch.Generator().manual_seed(0)
    space = batches[0].values.shape[2:]
    axes = tuple(range(2, 2 + len(space)))

    def total(shift: Sequence[int]) -> float:
        moved = ((b.values.roll(shift, axes), b.weights.roll(shift, axes)) for b in batches)
        return sum(float(loss(x, *m, None)) for x, m in zip(logits, moved, strict=True))

    shifts = [
        [int(torch.randint(n // 4, n - n // 4, (), generator=generator)) for n in space]
        for _ in range(N_SHIFTS)
    ]
    elsewhere = torch.tensor([total(shift) for shift in shifts])
    here = total([0] * len(space))
    return here < float(elsewhere.mean() - DISTINCT * elsewhere.std())

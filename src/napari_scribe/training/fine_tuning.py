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
from torch import nn

from ..model import Model
from .checkpoint import Tensors
from .regions import Batch

SHRUNK, NEW = 0.4, 0.4
"""Shares of the parent's weights, and of those of a new network, with which another kind of images
is learnt."""
NEW_KIND_REPLAY = 0.1
"""Largest share of the patches that come from replay, if the parent does not know such images."""
NOTED = 1.1
"""Factor from which on a higher loss on replay is said."""
NEGLIGIBLE = 1.01
"""Factor up to which a higher loss on replay does not count."""
CHANCE = 0.1
"""By which share of itself the loss on one held-out object may fall by chance, at share 1.

Nearer to the parent it is less, in proportion, and less on the mean of several objects.
"""
DAMAGE = 2.0
"""Factor of a loss from which on what was learnt is refused, if held-out paint does not decide."""


@dataclass(frozen=True)
class Caution:
    """Hold how much of what the parent knew may be given up.

    Parameters
    ----------
    shares
        Shares of the tuned weights that are tried, the largest one last.
    unchecked_share
        The share where no paint is held out to choose it by.
    replay_weight
        How many held-out objects the replay counts for, where the two disagree.
    replay_limit
        Factor of the loss on replay above which a share is not taken.
    paint_decides
        Whether held-out paint decides how far it goes; else the largest share is taken, unless a
        loss shows damage.
    """

    shares: tuple[float, ...]
    unchecked_share: float
    replay_weight: float = 1.0
    replay_limit: float = math.inf
    paint_decides: bool = True


KNOWN_KIND = Caution((0.1, 0.25, 0.5), 0.5, replay_weight=32, replay_limit=1.05)
"""If the parent knows such images: replay is a sample of images that the result will be used on.

A few held-out objects of one image say less about them, and farther from the parent, other images
of that kind got worse even where these objects were found better.
"""
NEW_KIND = Caution((0.1, 0.25, 0.5, 0.75, 1.0), 0.5)
"""If it does not: a loss on replay is only said."""
BEGUN_AGAIN = Caution((1.0,), 1.0)
"""If the network has begun from weights far from the parent's (`begin_again`): what lies between
the two knows neither kind."""
CORRECTED = Caution((0.25,), 0.25, paint_decides=False)
"""If what is painted was corrected in a prediction.

The places are those where the parent is most wrong: networks that are better on other images may
fit them worse than it. Most of this paint was made of a prediction, so it cannot lie at the wrong
place.
"""

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
        Loss on held-out paint, of the parent and of the result, or of a share that was refused
        where the parent is kept; None if nothing is held out.
    replay
        The same on held-out patches of what the parent learnt from; None without such patches.
    """

    share: float
    paint: tuple[float, float] | None = None
    replay: tuple[float, float] | None = None

    def in_words(self) -> str:
        """Say what the result gained on new paint, and what it lost of what was known."""
        if not self.share:
            return self._refusal()
        losses = self._losses("{:.3f}, now {:.3f}")
        text = f"Loss {losses}." if losses else ""
        if self.paint is not None and self.paint[1] > self.paint[0]:
            text += (
                " Corrections are learnt all the same: where a model is most wrong, a better one "
                "may err as much."
            )
        if self.replay is None or self.replay[1] <= NOTED * self.replay[0]:
            return text
        return (
            f"{text} It has become worse on what it knew: right if these images are of another "
            "kind; else paint more, or go back to the model that it started from."
        )

    def _refusal(self) -> str:
        """Say what was held out against what was learnt, where the parent is kept."""
        losses = self._losses("{:.3f} before, {:.3f} with what was learnt")
        text = f"Loss, where lower is better, {losses}"
        if self.paint is not None and self.paint[1] < self.paint[0]:
            text += ". The gain is not sure enough, or costs too much of what it knew"
        return f"{text}."

    def _losses(self, pair: str) -> str:
        """Return the losses that are known, each pair in these words."""
        pairs = {"on what is held out": self.paint, "on what the model learnt before": self.replay}
        return "; ".join(f"{on}: {pair.format(*known)}" for on, known in pairs.items() if known)

    @property
    def is_damaged(self) -> bool:
        """Return whether a loss is far higher than before, or no number."""
        pairs = filter(None, (self.paint, self.replay))
        return not all(after < DAMAGE * before for before, after in pairs)

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


def begin_again(network: nn.Module, new: nn.Module) -> None:
    """Shrink the weights of a network, and add those of a new one of its kind, in place.

    Trained weights are large, so that steps change little, and they are sure of what is wrong on
    another kind of images. Shrunk and perturbed, a network learns these as fast as a new one, and
    better, for it still has most of its features (Ash and Adams 2020,
    https://arxiv.org/abs/1910.08475). Biases and normalization stay.
    """
    with torch.no_grad():
        for weights, others in zip(network.parameters(), new.parameters(), strict=True):
            if weights.dim() > 1:
                weights.mul_(SHRUNK).add_(others.to(weights.device), alpha=NEW)


def choose(
    parent: Tensors,
    tuned: Tensors,
    paint: Sequence[Batch],
    replay: Sequence[Batch],
    loss_of: LossOf,
    caution: Caution,
    *,
    only_largest: bool = False,
) -> FineTuning:
    """Choose the share of the tuned weights by the losses on held-out paint and on replay.

    What counts is the sum of the losses of its held-out objects, and replay as much as `caution`
    says. Losses on replay that are lower gain nothing, nor does what the loss on paint may fall by
    chance (`CHANCE`). Where paint does not decide, it is the largest share, and where none is held
    out, the unchecked one, unless that does damage.

    Parameters
    ----------
    only_largest
        Whether the largest share alone is tried, because time is short.
    """
    if not (paint and caution.paint_decides):
        share = caution.shares[-1] if paint else caution.unchecked_share
        return _unless_damaged(parent, tuned, share, paint, replay, loss_of)
    n_objects = sum(len(batch.pixels) for batch in paint)
    chance = CHANCE / math.sqrt(n_objects)
    before = loss_of(parent, paint)
    known = loss_of(parent, replay) if replay else None
    best = FineTuning(0.0, (before, before), None if known is None else (known, known))
    best_gain = 0.0
    for share in caution.shares[-1:] if only_largest else caution.shares:
        weights = between(parent, tuned, share)
        after, replays = loss_of(weights, paint), None
        gain = n_objects * (before * (1 - share * chance) - after)
        if known is not None:
            replays = known, loss_of(weights, replay)
            gain -= caution.replay_weight * max(0.0, replays[1] - NEGLIGIBLE * known)
            if replays[1] > caution.replay_limit * known:
                continue
        if gain > best_gain:  # never true for what is no number
            best, best_gain = FineTuning(share, (before, after), replays), gain
    # What is refused is told by its losses: those of the largest share, which comes last.
    return best if best.share else FineTuning(0.0, (before, after), replays)


def _unless_damaged(
    parent: Tensors,
    tuned: Tensors,
    share: float,
    paint: Sequence[Batch],
    replay: Sequence[Batch],
    loss_of: LossOf,
) -> FineTuning:
    """Return a share that nothing has to speak for, refused where a loss speaks against it."""
    weights = between(parent, tuned, share)

    def losses(batches: Sequence[Batch]) -> tuple[float, float] | None:
        return (loss_of(parent, batches), loss_of(weights, batches)) if batches else None

    tuning = FineTuning(share, losses(paint), losses(replay))
    return tuning.refused() if tuning.is_damaged else tuning

"""Count what a trained network answers rightly of what was held out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ..evaluation.overlap import count_overlap, match_objects
from ..io.held_out import MOST_NAMED, HeldOut
from ..targets import PaintEncoding, Parameters
from .finish import Example
from .regions import Batch

Answer = Callable[[Tensor], Tensor]
"""``(N, C, *in) -> (N, n, *out)``: logits of pixels."""


def score_objects(
    encoding: PaintEncoding, examples: Sequence[Example], parameters: Parameters
) -> HeldOut:
    """Count the held-out objects that are found; those that were not predicted do not count.

    An object that lies in two regions is found if it is found in one of them.
    """
    found: dict[tuple[object, int], bool] = {}
    for example in examples:
        numbers = np.unique(example.held[example.held > 1])
        if not example.is_whole or not len(numbers):
            continue
        labels = encoding.decode(example.prediction, parameters)
        matched = set(
            match_objects(count_overlap(labels, np.maximum(example.held, 0))).true.tolist()
        )
        for number in numbers.tolist():
            key = example.frame, number
            found[key] = found.get(key, False) or number in matched
    missed = sorted(number for (_, number), is_found in found.items() if not is_found)
    is_one_frame = len({frame for frame, _ in found}) == 1
    return HeldOut(
        objects=len(found),
        found=sum(found.values()),
        missed=tuple(missed[: 4 * MOST_NAMED]) if is_one_frame else (),
    )


def score_classes(answer: Answer, batches: Sequence[Batch]) -> HeldOut:
    """Count the held-out pixels that get the right class."""
    pixels = right = 0
    with torch.inference_mode():
        for batch in batches:
            is_held = batch.weights[:, 0] > 0
            same = answer(batch.pixels).argmax(dim=1) == batch.values[:, 0].long()
            pixels += int(is_held.sum())
            right += int((same & is_held).sum())
    return HeldOut(pixels=pixels, right=right)


def score_denoiser(answer: Answer, batches: Sequence[Batch]) -> HeldOut:
    """Estimate the share of the noise that is taken away from held-out pictures.

    Two pictures of a pair differ by the noise of both, of variance ``2 s``; the answer to one and
    the other picture by ``s`` and what is left of the noise. So the share is ``2 - 2 a / b``, where
    ``a`` is the mean square of the second difference, and ``b`` that of the first. Both pictures
    have to be as noisy as each other.
    """
    before = after = 0.0
    with torch.inference_mode():
        for batch in batches:
            left = batch.values - answer(batch.pixels)
            before += float((batch.weights * batch.values.square()).sum())
            after += float((batch.weights * left.square()).sum())
    if not before > 0:
        return HeldOut()
    return HeldOut(noise_removed=min(1.0, max(0.0, 2 - 2 * after / before)))

"""Losses against plain formulas; what weighs nothing teaches nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from napari_scribe.targets import Head
from napari_scribe.training.losses import LOSSES, total_loss

HEADS = {
    "binary": Head("foreground", 1, "binary"),
    "categorical": Head("classes", 4, "categorical"),
    "distance": Head("distance", 1, "distance", weight=2.0),
}
SHAPES = [(2, 5, 6), (1, 3, 4, 5)]


def example(kind: str, shape: tuple[int, ...], seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, values and weights, a third of them 0."""
    generator = torch.Generator().manual_seed(seed)
    n, *space = shape
    logits = 3 * torch.randn(n, HEADS[kind].channels, *space, generator=generator)
    values = torch.rand(n, 1, *space, generator=generator)
    if kind == "binary":
        values = values.round()
    if kind == "categorical":
        values = (4 * values).floor()
    weights = (3 * torch.rand(n, 1, *space, generator=generator) - 1).clamp(min=0)
    return logits.requires_grad_(), values, weights


def plain(kind: str) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss of each pixel, written down as in a textbook."""

    def binary(logits: Tensor, values: Tensor) -> Tensor:
        p = 1 / (1 + torch.exp(-logits.double()))
        return -(values * p.log() + (1 - values) * (1 - p).log())

    def categorical(logits: Tensor, values: Tensor) -> Tensor:
        p = logits.double().exp() / logits.double().exp().sum(dim=1, keepdim=True)
        return -p.gather(1, values.long()).log()

    def distance(logits: Tensor, values: Tensor) -> Tensor:
        return (1 / (1 + torch.exp(-logits.double())) - values).abs()

    return {"binary": binary, "categorical": categorical, "distance": distance}[kind]


@pytest.mark.parametrize("shape", SHAPES, ids=["2d", "3d"])
@pytest.mark.parametrize("kind", LOSSES)
def test_the_weighted_mean_of_a_plain_formula(kind: str, shape: tuple[int, ...]):
    logits, values, weights = example(kind, shape)
    expected = (plain(kind)(logits, values) * weights).sum() / weights.sum()
    torch.testing.assert_close(
        LOSSES[kind](logits, values, weights), expected.float(), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("kind", LOSSES)
def test_what_weighs_nothing_has_no_loss_and_no_gradient(kind: str):
    logits, values, weights = example(kind, SHAPES[0])
    loss = LOSSES[kind](logits, values, weights)
    loss.backward()
    silent = (weights == 0).expand_as(logits)
    assert silent.any() and not logits.grad[silent].any()
    assert (logits.grad.abs().amax(dim=1, keepdim=True)[weights > 0] > 0).all()
    # Whatever stands there, the loss is the same.
    other = torch.where(silent, 100 * torch.randn(logits.shape), logits.detach())
    changed = torch.where(weights == 0, torch.zeros(()), values)
    torch.testing.assert_close(LOSSES[kind](other, changed, weights), loss.detach())


@pytest.mark.parametrize("kind", LOSSES)
def test_nothing_known_is_no_loss(kind: str):
    logits, values, weights = example(kind, SHAPES[0])
    loss = LOSSES[kind](logits, values, 0 * weights)
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


@pytest.mark.parametrize("kind", LOSSES)
def test_far_logits_are_finite(kind: str):
    logits, values, weights = example(kind, SHAPES[0])
    far = (1e4 * logits.detach()).requires_grad_()
    loss = LOSSES[kind](far, values, weights)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(far.grad).all()


def test_heads_add_up():
    heads = list(HEADS.values())
    parts = [example(kind, SHAPES[0], seed) for seed, kind in enumerate(HEADS)]
    logits, values, weights = (torch.cat(part, dim=1) for part in zip(*parts, strict=True))
    expected = sum(
        head.weight * LOSSES[head.kind](*part) for head, part in zip(heads, parts, strict=True)
    )
    torch.testing.assert_close(total_loss(logits, values, weights, heads), expected)

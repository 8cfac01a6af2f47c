"""Losses against plain formulas; what weighs nothing teaches nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from napari_scribe.errors import InputError
from napari_scribe.recipe import Recipe
from napari_scribe.targets import Head
from napari_scribe.training.losses import LOSSES, NetworkLoss, Schedule, loss_of

HEADS = {
    "binary": Head("foreground", 1, "binary"),
    "categorical": Head("classes", 4, "categorical"),
    "distance": Head("distance", 1, "distance", weight=2.0),
}
RECIPE = Recipe()
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


def loss_of_head(kind: str) -> NetworkLoss:
    """The default loss of a kind of head, without the weight of the head."""
    return loss_of(RECIPE, [replace(HEADS[kind], weight=1.0)])


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
@pytest.mark.parametrize("kind", HEADS)
def test_the_weighted_mean_of_a_plain_formula(kind: str, shape: tuple[int, ...]):
    logits, values, weights = example(kind, shape)
    expected = (plain(kind)(logits, values) * weights).sum() / weights.sum()
    torch.testing.assert_close(
        loss_of_head(kind)(logits, values, weights), expected.float(), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("kind", HEADS)
def test_what_weighs_nothing_has_no_loss_and_no_gradient(kind: str):
    logits, values, weights = example(kind, SHAPES[0])
    loss = loss_of_head(kind)(logits, values, weights)
    loss.backward()
    silent = (weights == 0).expand_as(logits)
    assert silent.any() and not logits.grad[silent].any()
    assert (logits.grad.abs().amax(dim=1, keepdim=True)[weights > 0] > 0).all()
    # Whatever stands there, the loss is the same.
    other = torch.where(silent, 100 * torch.randn(logits.shape), logits.detach())
    changed = torch.where(weights == 0, torch.zeros(()), values)
    torch.testing.assert_close(loss_of_head(kind)(other, changed, weights), loss.detach())


@pytest.mark.parametrize("kind", HEADS)
def test_nothing_known_is_no_loss(kind: str):
    logits, values, weights = example(kind, SHAPES[0])
    loss = loss_of_head(kind)(logits, values, 0 * weights)
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


@pytest.mark.parametrize("kind", HEADS)
def test_far_logits_are_finite(kind: str):
    logits, values, weights = example(kind, SHAPES[0])
    far = (1e4 * logits.detach()).requires_grad_()
    loss = loss_of_head(kind)(far, values, weights)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(far.grad).all()


def test_heads_add_up():
    heads = list(HEADS.values())
    parts = [example(kind, SHAPES[0], seed) for seed, kind in enumerate(HEADS)]
    logits, values, weights = (torch.cat(part, dim=1) for part in zip(*parts, strict=True))
    expected = sum(
        HEADS[kind].weight * loss_of_head(kind)(*part)
        for kind, part in zip(HEADS, parts, strict=True)
    )
    torch.testing.assert_close(loss_of(RECIPE, heads)(logits, values, weights), expected)


# ---- several channels ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["binary", "distance"])
def test_channels_of_a_head_count_alike(kind: str):
    """One head of three channels is the mean of three heads of one, weighted alike or each."""
    parts = [example(kind, SHAPES[0], seed) for seed in range(3)]
    loss, several = loss_of_head(kind), replace(HEADS[kind], channels=3, weight=1.0)
    logits, values, _ = (torch.cat(part, dim=1) for part in zip(*parts, strict=True))
    shared = parts[0][2]
    mean = torch.stack([loss(a, b, shared) for a, b, _ in parts]).mean()
    torch.testing.assert_close(loss_of(RECIPE, [several])(logits, values, shared), mean)
    each = replace(several, is_weighted_by_channel=True)
    weights = torch.cat([w for _, _, w in parts], dim=1)
    total = sum(w.sum() for _, _, w in parts)
    mean = sum(loss(*part) * part[2].sum() for part in parts) / total
    torch.testing.assert_close(loss_of(RECIPE, [each])(logits, values, weights), mean)
    weights[:, 1] = 0  # a mask of one channel silences that channel alone
    (gradient,) = torch.autograd.grad(loss_of(RECIPE, [each])(logits, values, weights), logits)
    assert not gradient[:, 1].any() and gradient[:, 0].any() and gradient[:, 2].any()


# ---- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("step", [None, 0, 7])
def test_every_loss_is_masked(name: str, step: int | None):
    loss = LOSSES[name]
    kind = "distance" if "image" in loss.kinds else "binary"
    prediction, values, weights = example(kind, SHAPES[0])
    value = loss.function(prediction, values, weights, Schedule(step, 10))
    (gradient,) = torch.autograd.grad(value, prediction)
    silent = (weights == 0).expand_as(prediction)
    assert value > 0 and not gradient[silent].any() and gradient.isfinite().all()
    nothing = loss.function(prediction, values, 0 * weights, Schedule(step, 10))
    assert nothing == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"losses.distance": "huber"}, "no loss 'huber' for distance heads: choose from l1, l2"),
        ({"losses.binary": "l1"}, r"for binary heads: choose from cross_entropy \(losses.binary"),
    ],
)
def test_a_loss_that_does_not_exist_for_a_head_is_refused(changes: dict[str, str], words: str):
    heads = [HEADS["binary"], HEADS["distance"]]
    with pytest.raises(InputError, match=words):
        loss_of(RECIPE.changed(changes), heads)


def test_a_denoiser_names_its_loss_in_its_target():
    recipe = Recipe(task="denoised").changed({"target.loss": "l3"})
    with pytest.raises(InputError, match=r"no loss 'l3' for image .* l1, l2, l0 \(target.loss"):
        loss_of(recipe, [Head("denoised", 1, "image")])

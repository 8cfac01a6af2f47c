"""Losses against plain formulas; what weighs nothing teaches nothing."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import napari_scribe as ns
from napari_scribe.errors import InputError
from napari_scribe.recipe import DenoisedTarget, Losses, Recipe
from napari_scribe.targets import Head
from napari_scribe.training.losses import LOSSES, NetworkLoss, Schedule, loss_of

HEADS = {
    "binary": Head("foreground", 1, "binary"),
    "categorical": Head("classes", 4, "categorical"),
    "distance": Head("distance", 1, "distance", weight=2.0),
    "image": Head("denoised", 2, "image"),
}
FITTING = [(name, kind) for name, loss in LOSSES.items() for kind in loss.kinds]
"""Every loss with every kind of head that it fits."""
OVERLAPS = ["dice", "generalised_dice", "tversky"]
RECIPE = Recipe()
SHAPES = [(2, 5, 6), (1, 3, 4, 5)]


def example(kind: str, shape: tuple[int, ...], seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, values and weights, a third of them 0."""
    generator = torch.Generator().manual_seed(seed)
    n, *space = shape
    head = HEADS[kind]
    logits = 3 * torch.randn(n, head.channels, *space, generator=generator)
    values = torch.rand(n, head.n_values, *space, generator=generator)
    if kind == "binary":
        values = values.round()
    if kind == "categorical":
        values = (4 * values).floor()
    weights = (3 * torch.rand(n, 1, *space, generator=generator) - 1).clamp(min=0)
    return logits.requires_grad_(), values, weights


def loss_of_head(kind: str, name: str | None = None, **settings: float) -> NetworkLoss:
    """The loss of a kind of head, its default if none is named, without the head's weight."""
    recipe = RECIPE.changed({f"losses.{k}": v for k, v in settings.items()})
    if kind == "image":
        recipe = Recipe(task="denoised", target={"loss": name or "l2"})
    elif name is not None:
        recipe = recipe.changed({f"losses.{kind}": name})
    return loss_of(recipe, [replace(HEADS[kind], weight=1.0)])


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

    def image(logits: Tensor, values: Tensor) -> Tensor:
        return (logits.double() - values).square().mean(dim=1, keepdim=True)

    kinds = {"binary": binary, "categorical": categorical, "distance": distance, "image": image}
    return kinds[kind]


@pytest.mark.parametrize("shape", SHAPES, ids=["2d", "3d"])
@pytest.mark.parametrize("kind", HEADS)
def test_the_weighted_mean_of_a_plain_formula(kind: str, shape: tuple[int, ...]):
    logits, values, weights = example(kind, shape)
    expected = (plain(kind)(logits, values) * weights).sum() / weights.sum()
    torch.testing.assert_close(
        loss_of_head(kind)(logits, values, weights), expected.float(), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(("name", "kind"), FITTING)
def test_what_weighs_nothing_has_no_loss_and_no_gradient(name: str, kind: str):
    logits, values, weights = example(kind, SHAPES[0])
    loss = loss_of_head(kind, name)(logits, values, weights)
    loss.backward()
    silent = (weights == 0).expand_as(logits)
    assert silent.any() and not logits.grad[silent].any()
    assert (logits.grad.abs().amax(dim=1, keepdim=True)[weights > 0] > 0).all()
    # Whatever stands there, the loss is the same.
    other = torch.where(silent, 100 * torch.randn(logits.shape), logits.detach())
    changed = torch.where(weights == 0, torch.zeros(()), values)
    torch.testing.assert_close(loss_of_head(kind, name)(other, changed, weights), loss.detach())


@pytest.mark.parametrize(("name", "kind"), FITTING)
def test_nothing_known_is_no_loss(name: str, kind: str):
    logits, values, weights = example(kind, SHAPES[0])
    loss = loss_of_head(kind, name)(logits, values, 0 * weights)
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


@pytest.mark.parametrize(("name", "kind"), FITTING)
def test_far_logits_are_finite(name: str, kind: str):
    logits, values, weights = example(kind, SHAPES[0])
    far = (1e4 * logits.detach()).requires_grad_()
    loss = loss_of_head(kind, name)(far, values, weights)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(far.grad).all()


def test_heads_add_up():
    kinds = ["binary", "categorical", "distance"]
    heads = [HEADS[kind] for kind in kinds]
    parts = [example(kind, SHAPES[0], seed) for seed, kind in enumerate(kinds)]
    logits, values, weights = (torch.cat(part, dim=1) for part in zip(*parts, strict=True))
    expected = sum(
        HEADS[kind].weight * loss_of_head(kind)(*part)
        for kind, part in zip(kinds, parts, strict=True)
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


@pytest.mark.parametrize("name", OVERLAPS)
def test_channels_overlap_each_by_itself(name: str):
    """One head of three channels, each with a mask, is the mean of three heads of one."""
    parts = [example("binary", SHAPES[0], seed) for seed in range(3)]
    loss, several = loss_of_head("binary", name), replace(HEADS["binary"], channels=3)
    logits, values, weights = (torch.cat(part, dim=1) for part in zip(*parts, strict=True))
    recipe = RECIPE.changed({"losses.binary": name})
    each = loss_of(recipe, [replace(several, is_weighted_by_channel=True)])
    mean = torch.stack([loss(*part) for part in parts]).mean()
    torch.testing.assert_close(each(logits, values, weights), mean)
    shared = torch.stack([loss(a, b, weights[:, :1]) for a, b, _ in parts]).mean()
    torch.testing.assert_close(loss_of(recipe, [several])(logits, values, weights[:, :1]), shared)


# ---- batches, little paint, coarse numbers ------------------------------------------------------


@pytest.mark.parametrize(("name", "kind"), FITTING)
def test_a_patch_without_paint_changes_nothing(name: str, kind: str):
    logits, values, weights = example(kind, SHAPES[0])
    weights[1] = 0
    loss = loss_of_head(kind, name)
    torch.testing.assert_close(
        loss(logits, values, weights), loss(logits[:1], values[:1], weights[:1])
    )


@given(
    name=st.sampled_from(["dice", "generalised_dice", "tversky", "dice_cross_entropy"]),
    kind=st.sampled_from(["binary", "categorical"]),
    n_painted=st.integers(0, 3),
    weight=st.floats(1e-3, 20),
    certainty=st.floats(-30, 30),
)
def test_tiny_masks_do_not_explode(
    name: str, kind: str, n_painted: int, weight: float, certainty: float
):
    """Hardly any pixel, and little or much weight: no pixel gets a gradient far from its weight."""
    values = torch.zeros(1, 1, 32, 32)
    values[0, 0, 0, :n_painted] = 1
    weights = torch.where(values > 0, weight, 1.0)
    logits = torch.full((1, HEADS[kind].channels, 32, 32), -certainty)
    logits[:, 0] = certainty
    logits.requires_grad_()
    loss = loss_of_head(kind, name)(logits, values, weights)
    (gradient,) = torch.autograd.grad(loss, logits)
    overlap = loss - loss_of_head(kind, "cross_entropy")(logits, values, weights)
    assert 0 <= (overlap if name == "dice_cross_entropy" else loss) + 1e-5 <= 1.0001
    assert gradient.abs().max() <= 2 * max(weight, 1)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("name", "kind"), FITTING)
def test_sums_are_made_in_float32(name: str, kind: str, dtype: torch.dtype):
    """A hundred thousand pixels: more than float16 can count, finer than bfloat16 can."""
    logits, values, weights = example(kind, (1, 320, 320))
    coarse = logits.detach().to(dtype)
    loss = loss_of_head(kind, name)
    found = loss(coarse, values, weights)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, loss(coarse.float(), values, weights), rtol=0, atol=0)
    torch.testing.assert_close(found, loss(logits, values, weights).detach(), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize(("name", "kind"), FITTING)
def test_gradients_are_those_of_the_values(name: str, kind: str):
    logits, values, weights = (t.detach().double() for t in example(kind, (2, 3, 4)))
    loss = loss_of_head(kind, name)
    assert torch.autograd.gradcheck(
        lambda x: loss(x, values, weights), logits.requires_grad_(), eps=1e-6, atol=1e-6
    )


# ---- the values of others -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def monai() -> ModuleType:
    """MONAI's losses; what its import warns of is its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("monai.losses")


def fully_known(
    kind: str, shape: tuple[int, ...], channels: int = 4
) -> tuple[Tensor, Tensor, Tensor]:
    """An example in which every pixel is known, some classes are rare and one is not there."""
    generator = torch.Generator().manual_seed(3)
    n, *space = shape
    logits = 2 * torch.randn(n, channels, *space, generator=generator)
    n_values = 1 if kind == "categorical" else channels
    values = torch.rand(n, n_values, *space, generator=generator)
    values = (3 * values**3).floor() if kind == "categorical" else (values > 0.9).float()
    return logits, values, torch.ones(n, 1, *space)


def ours(kind: str, name: str, parts: tuple[Tensor, Tensor, Tensor], **settings: float) -> Tensor:
    head = replace(HEADS[kind], channels=parts[0].shape[1])
    changes: dict[str, object] = {f"losses.{kind}": name}
    changes |= {f"losses.{name}_{k}": v for k, v in settings.items()}
    return loss_of(RECIPE.changed(changes), [head])(*parts)


ACTIVATION: dict[str, dict[str, Any]] = {
    "binary": {"sigmoid": True},
    "categorical": {"softmax": True, "to_onehot_y": True},
}


@pytest.mark.parametrize("shape", [(3, 9, 8), (2, 4, 6, 5)], ids=["2d", "3d"])
@pytest.mark.parametrize("kind", ACTIVATION)
def test_values_are_those_of_monai(kind: str, shape: tuple[int, ...], monai: ModuleType):
    parts = fully_known(kind, shape)
    logits, values, _ = parts
    options = {**ACTIVATION[kind], "batch": True}
    # A pixel that counts as found is one in the Tversky index, and two in 2 TP / (2 TP + FP + FN).
    dice = monai.DiceLoss(**options, smooth_nr=2, smooth_dr=2)(logits, values)
    torch.testing.assert_close(ours(kind, "dice", parts), dice)
    for alpha, beta in ((0.3, 0.7), (1.0, 0.2)):
        theirs = monai.TverskyLoss(**options, alpha=alpha, beta=beta, smooth_nr=1, smooth_dr=1)
        torch.testing.assert_close(
            ours(kind, "tversky", parts, alpha=alpha, beta=beta), theirs(logits, values)
        )
    is_class = kind == "categorical"
    for gamma in (0.0, 0.5, 2.0):
        theirs = monai.FocalLoss(gamma=gamma, use_softmax=is_class, to_onehot_y=is_class)
        # Theirs is a mean over classes, too, of which a pixel has one.
        factor = logits.shape[1] if is_class else 1
        torch.testing.assert_close(
            ours(kind, "focal", parts, gamma=gamma), factor * theirs(logits, values)
        )
    if kind == "binary":  # theirs takes more channels for classes
        parts = fully_known(kind, shape, channels=1)
    both = monai.DiceCELoss(**options, smooth_nr=2, smooth_dr=2)(*parts[:2])
    torch.testing.assert_close(ours(kind, "dice_cross_entropy", parts), both)


@pytest.mark.parametrize("shape", [(3, 9, 8), (2, 4, 6, 5)], ids=["2d", "3d"])
@pytest.mark.parametrize("kind", ACTIVATION)
def test_generalised_dice_is_that_of_monai(kind: str, shape: tuple[int, ...], monai: ModuleType):
    parts = fully_known(kind, shape, channels=1 if kind == "binary" else 4)
    logits, values, _ = parts
    if kind == "binary":
        p = logits.sigmoid()
        probability, truth = torch.cat([p, 1 - p], dim=1), torch.cat([values, 1 - values], dim=1)
    else:
        truth = (values == torch.arange(4).reshape(-1, *[1] * len(shape[1:]))).float()
        probability = logits.softmax(dim=1)
    sizes = truth.transpose(0, 1).flatten(1).sum(dim=1)
    assert kind == "binary" or sizes[3] == 0
    # Theirs leaves the weights in squared pixels, so the pixel that is added is as large in them.
    inverse = (1 / sizes[sizes > 0]).sum() / sizes.sum()
    theirs = monai.GeneralizedDiceLoss(
        batch=True, smooth_nr=2 * float(inverse), smooth_dr=2 * float(inverse)
    )
    torch.testing.assert_close(ours(kind, "generalised_dice", parts), theirs(probability, truth))


@pytest.mark.parametrize("kind", ["distance", "image"])
def test_smooth_l1_is_that_of_torch(kind: str):
    logits, values, weights = example(kind, SHAPES[0])
    answer = logits.sigmoid() if kind == "distance" else logits
    torch.testing.assert_close(
        loss_of_head(kind, "smooth_l1")(logits, values, torch.ones_like(weights)),
        torch.nn.functional.smooth_l1_loss(answer, values, beta=Losses().smooth_l1_beta),
    )


def test_what_the_numbers_of_losses_do():
    parts = example("categorical", SHAPES[0])
    plain_value = loss_of_head("categorical", "cross_entropy")(*parts)
    torch.testing.assert_close(
        loss_of_head("categorical", "focal", focal_gamma=0)(*parts), plain_value
    )
    alike = {"tversky_alpha": 0.5, "tversky_beta": 0.5}
    torch.testing.assert_close(
        loss_of_head("categorical", "tversky", **alike)(*parts),
        loss_of_head("categorical", "dice")(*parts),
    )
    # Nothing is found: what is missed counts. Everything is: what is found wrongly counts.
    values = torch.zeros(1, 1, 8, 8)
    values[..., :4, :] = 1
    for logit, name in ((-9.0, "tversky_beta"), (9.0, "tversky_alpha")):
        answer = torch.full_like(values, logit)
        low, high = (
            loss_of_head("binary", "tversky", **{name: v})(answer, values, torch.ones_like(values))
            for v in (0.2, 0.9)
        )
        assert low < high - 0.01


def test_generalised_dice_sees_a_rare_class():
    """To miss one percent of the pixels costs little in some losses, and all of it here."""
    values = torch.zeros(1, 1, 40, 40)
    values[0, 0, :4, :4] = 1
    logits = torch.zeros(1, 2, 40, 40)
    logits[:, 0] = 9  # background everywhere
    parts = logits, values, torch.ones_like(values)
    entropy = loss_of_head("categorical", "focal")(*parts)
    assert entropy < 0.1 < 0.9 < loss_of_head("categorical", "generalised_dice")(*parts)


@pytest.mark.parametrize("step", [0, 7, 20])
def test_l0_is_masked_at_every_step(step: int):
    prediction, values, weights = example("image", SHAPES[0])
    value = LOSSES["l0"].function(prediction, values, weights, Schedule(step, 10))
    (gradient,) = torch.autograd.grad(value, prediction)
    silent = (weights == 0).expand_as(prediction)
    assert value > 0 and not gradient[silent].any() and gradient.isfinite().all()


# ---- names --------------------------------------------------------------------------------------


def test_fields_of_the_recipe_list_every_loss_that_fits():
    for kind in ("binary", "categorical", "distance"):
        field = Losses.model_fields[kind]
        assert field.examples == [n for n, loss in LOSSES.items() if kind in loss.kinds]
        assert all(name in field.description for name in field.examples)
    of_images = [n for n, loss in LOSSES.items() if "image" in loss.kinds]
    assert all(name in DenoisedTarget.model_fields["loss"].description for name in of_images)


def test_numbers_of_losses_are_fields_of_the_recipe():
    for loss in LOSSES.values():
        defaults = loss.function.__kwdefaults__ or {}
        assert set(loss.settings) == set(defaults)
        assert {getattr(Losses(), name) for name in loss.settings.values()} == set(
            defaults.values()
        )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"losses.distance": "huber"}, "no loss 'huber' for distance heads: choose from l1, l2"),
        ({"losses.distance": "dice"}, r"no loss 'dice' for distance .* smooth_l1 \(losses.dist"),
        ({"losses.binary": "l1"}, r"choose from cross_entropy, dice, .* \(losses.binary"),
    ],
)
def test_a_loss_that_does_not_exist_for_a_head_is_refused(changes: dict[str, str], words: str):
    heads = [HEADS["binary"], HEADS["distance"]]
    with pytest.raises(InputError, match=words):
        loss_of(RECIPE.changed(changes), heads)


@pytest.mark.parametrize("name", ["l3", "dice"])
def test_a_denoiser_names_its_loss_in_its_target(name: str):
    recipe = Recipe(task="denoised").changed({"target.loss": name})
    words = rf"no loss '{name}' for image heads: choose from l1, l2, smooth_l1, l0 \(target.loss"
    with pytest.raises(InputError, match=words):
        loss_of(recipe, [Head("denoised", 1, "image")])


# ---- trained with -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n, loss in LOSSES.items() if "categorical" in loss.kinds])
def test_classes_are_learnt_with_every_loss_of_them(name: str):
    """Bright and dark halves: each loss falls, and the answer is right."""
    image = np.random.default_rng(0).normal(0, 0.1, (64, 64)).astype(np.float32)
    image[:, 32:] += 1
    paint = np.zeros((64, 64), np.uint8)
    paint[5:60, 4:28], paint[5:60, 36:60] = 1, 2
    recipe = Recipe(
        task="classes",
        network={"depth": 1, "width": 4},
        training={"patch": 32, "learning_rate": 2e-2, "averaging": 100},
        augmentation={"gamma": 1, "contrast": 1, "brightness": 0},
        losses={"categorical": name},
    )
    job = ns.train([image], [paint], recipe, steps=40, device="cpu")
    losses = [step.loss for step in job]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:3])
    assert job.result.recipe.losses.categorical == name
    labels = ns.run(ns.segment(job.result, image, device="cpu"))
    assert (labels[paint > 0] == paint[paint > 0]).mean() > 0.95

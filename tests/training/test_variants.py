"""Variants of the U-Net and of its training: they learn, go on exactly, and are exact in tiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import napari_scribe as ns
from napari_scribe.errors import InputError
from napari_scribe.recipe import Recipe
from napari_scribe.samples.synthetic import Sample
from napari_scribe.training.train import TrainJob, train

VARIANTS: dict[str, dict[str, Any]] = {
    "sgd": {"training.optimizer": "sgd", "training.momentum": 0.9, "network.dropout": 0.5},
    "sgd without momentum": {"training.optimizer": "sgd", "training.momentum": 0},
    "shared": {
        "network.block": "shared",
        "network.normalization": "group",
        "network.dropout": 0.25,
        "network.upsampling": "bilinear",
    },
    "residual": {
        "network.block": "residual",
        "network.normalization": "instance",
        "network.padding": "full",
        "network.upsampling": "nearest",
    },
    "border": {"target.encoding": "border", "network.normalization": "none"},
}


def start(sample: Sample, recipe: Recipe, **options: Any) -> TrainJob:
    return train([sample.image], [sample.paint], recipe, device="cpu", **options)


@pytest.mark.parametrize("name", VARIANTS)
def test_continue_is_as_if_never_stopped(sample: Sample, small: Recipe, name: str):
    recipe = small.changed(VARIANTS[name])
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    whole, first = start(sample, recipe, steps=5), start(sample, recipe, steps=3)
    expected = [step.loss for step in whole]
    ns.run(first)
    second = start(sample, recipe, resume=first.checkpoint, steps=2)
    assert [step.loss for step in second] == expected[3:]
    weights, same = (job.result.network.state_dict() for job in (whole, second))
    assert all(torch.equal(v, same[k]) for k, v in weights.items())
    assert torch.equal(torch.random.get_rng_state(), before)  # dropout does not take the caller's


@pytest.mark.parametrize("name", ["sgd", "shared", "residual", "border"])
def test_it_learns(sample: Sample, small: Recipe, name: str):
    recipe = small.changed({"training.batch": 4, **VARIANTS[name]})
    losses = [step.loss for step in start(sample, recipe, steps=40)]
    assert np.mean(losses[-10:]) < 0.95 * np.mean(losses[:10])


def test_dropout_leaves_out_other_features_at_each_step(sample: Sample, small: Recipe):
    with_dropout = small.changed({"network.dropout": 0.5})
    one, other = ([s.loss for s in start(sample, r, steps=2)] for r in (small, with_dropout))
    assert one != other


@pytest.mark.parametrize("normalization", ["instance", "group"])
def test_tiles_of_a_trained_model_have_the_statistics_of_the_image(
    sample: Sample, small: Recipe, normalization: str, tmp_path: Path
):
    recipe = small.changed({"network.normalization": normalization})
    job = start(sample, recipe, steps=20)
    job.request_preview(0, (), (slice(0, 40), slice(30, 70)))
    (preview, *_) = [step.preview for step in job if step.preview is not None]
    assert preview.labels.shape == (40, 40)
    model = ns.load_model(job.result.save(tmp_path / "m.zip"))
    image = np.tile(sample.image, (2, 2))
    whole, tiled = (
        ns.segment(model, image, device="cpu", tile=tile, save=("labels", "probability"))
        for tile in (512, 48)
    )
    ns.run(whole), ns.run(tiled)
    one, other = (np.asarray(job.probability, np.float32) for job in (whole, tiled))
    assert np.ptp(one) > 0.1
    np.testing.assert_allclose(other, one, rtol=0, atol=2e-3)  # maps are float16
    # A part of the image is answered as within the whole.
    part = ns.segment(model, image, device="cpu", region={"Y": slice(64, 128)}, save="probability")
    ns.run(part)
    answer = np.asarray(part.probability, np.float32)
    np.testing.assert_allclose(answer, one[:, 64:128], rtol=0, atol=2e-3)


@pytest.mark.parametrize("normalization", ["instance", "group"])
def test_a_denoiser_keeps_the_strength_of_noise(normalization: str):
    with pytest.raises(InputError, match=f"{normalization} brings .* use none or batch"):
        Recipe(task="denoised", network={"normalization": normalization})

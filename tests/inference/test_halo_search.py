"""A smaller halo: what is said of it is what a full comparison finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from napari_scribe.image import Image
from napari_scribe.inference import halo_search as quick
from napari_scribe.inference.engine import Predictor
from napari_scribe.inference.halo_search import BOUND, HaloSearch, smallest_halo
from napari_scribe.inference.segment import segment
from napari_scribe.inference.source import Source, source_of
from napari_scribe.model import Model
from napari_scribe.progress import run
from napari_scribe.recipe import Recipe
from napari_scribe.samples import nuclei
from napari_scribe.training.train import train

Make = Callable[..., Model]
pytestmark = pytest.mark.usefixtures("in_float32")


@pytest.fixture(scope="module")
def trained() -> Model:
    sample = nuclei((128, 128), seed=0)
    recipe = Recipe(network={"depth": 2, "width": 4}, training={"patch": 64, "batch": 2})
    return run(train([sample.image], [sample.paint], recipe, steps=30, device="cpu"))


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4000, shape).astype(np.uint16)


def looked_at(model: Model, image: Any) -> tuple[Source, Predictor, HaloSearch]:
    source = source_of(model, Image(image, "ZYX"[-np.ndim(image) :]), None, None)
    predictor = Predictor(model.network, model.encoding.heads, torch.device("cpu"), torch.float64)
    return source, predictor, smallest_halo(predictor, source)


def error_of(predictor: Predictor, source: Source, halo: list[int]) -> float:
    """Largest change at the places that are looked at, against the network over all at once."""
    (frame,) = source.frames()
    exact = [g.halo for g in predictor.geometry]
    (whole,) = quick.plan_tiles(source.frame_shape, max(source.frame_shape), predictor.geometry)
    everything = quick._answer(predictor, source, frame, whole, exact)
    found = 0.0
    for _, tile in quick._places(source, np.random.default_rng(0)):
        alone = quick._answer(predictor, source, frame, tile, halo)
        found = max(found, float(np.abs(alone - everything[(slice(None), *tile.keep)]).max()))
    return found


@pytest.mark.parametrize("which", ["random", "trained", "valid"])
def test_the_error_is_what_a_full_comparison_finds(
    random_model: Make, trained: Model, monkeypatch: pytest.MonkeyPatch, which: str
):
    model = trained if which == "trained" else random_model(padding="same")
    if which == "valid":
        model = random_model(padding="valid")
    image = nuclei((300, 280), seed=1).image
    strict = 1e-12
    for bound in (0.5, 0.1, BOUND, strict):
        monkeypatch.setattr(quick, "BOUND", bound)
        source, predictor, found = looked_at(model, image)
        assert found.error <= bound
        assert all(h <= e for h, e in zip(found.halo, found.exact, strict=True))
        assert error_of(predictor, source, found.halo) == pytest.approx(found.error, abs=1e-6)
        if which != "valid" and found.halo[0] >= 4:  # the next smaller one is not good enough
            assert error_of(predictor, source, [h - 4 for h in found.halo]) > bound
    assert found.halo == found.exact  # at last nothing but the exact one will do


def test_a_trained_network_needs_less_than_it_could_see(
    trained: Model, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(quick, "BOUND", 0.3)
    _, _, found = looked_at(trained, nuclei((300, 280), seed=1).image)
    assert found.halo < found.exact
    assert found.n_pixels >= 4 * 128 * 70


@pytest.mark.parametrize("shape", [(8, 12, 12), (20, 40, 36), (3, 9, 70)])
def test_volumes_whose_levels_are_flat(random_model: Make, shape: tuple[int, int, int]):
    model = random_model("classes", painted=(1, 2), dimensions=3, width=2, flat_levels=1)
    _, _, found = looked_at(model, noise(*shape))
    assert found.error <= BOUND and len(found.halo) == 3


def test_the_job_says_what_it_costs(trained: Model, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(quick, "BOUND", 0.3)
    image = nuclei((300, 280), seed=1).image
    exact = segment(trained, image, tile=64, save=("labels", "probability"), device="cpu")
    run(exact)
    job = segment(
        trained, image, tile=64, halo="quick", save=("labels", "probability"), device="cpu"
    )
    run(job)
    assert "Quick: a halo of " in job.note and "px instead of 24 x 24 changed" in job.note
    difference = np.abs(job.probability.astype(np.float32) - exact.probability).max()
    assert 0 < difference < 0.6


def test_where_nothing_smaller_will_do_it_says_so(
    random_model: Make, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(quick, "BOUND", 1e-12)
    model = random_model()
    job = segment(model, noise(90, 100), halo="quick", tile=32, device="cpu")
    labels = run(job)
    assert "the exact one is used" in job.note
    whole = run(segment(model, noise(90, 100), tile=32, device="cpu"))
    np.testing.assert_array_equal(labels, whole)


def test_a_flat_image_needs_no_halo(random_model: Make):
    job = segment(random_model(), np.full((40, 50), 7, np.uint16), halo="quick", device="cpu")
    assert not run(job).any()
    assert "was taken for empty" in job.note and "Quick" not in job.note

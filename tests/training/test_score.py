"""What a trained network can do, counted on what was held out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import napari_scribe as ns
from napari_scribe.describe import describe_model
from napari_scribe.errors import InputError
from napari_scribe.io.held_out import HeldOut
from napari_scribe.model import Model, load_model
from napari_scribe.recipe import Recipe
from napari_scribe.samples.synthetic import Sample
from napari_scribe.targets import encoding_of
from napari_scribe.training.finish import Example
from napari_scribe.training.regions import Batch
from napari_scribe.training.score import score_classes, score_denoiser, score_objects


def answer_of(truth: np.ndarray) -> dict[str, np.ndarray]:
    """The prediction of a network that draws these objects with certainty."""
    from scipy import ndimage

    depth = np.zeros(truth.shape, np.float32)
    for number in np.unique(truth[truth > 0]):
        inside = ndimage.distance_transform_edt(truth == number)
        depth += (inside / max(inside.max(), 1)).astype(np.float32)
    return {"foreground": (truth > 0)[np.newaxis].astype(np.float32), "distance": depth[np.newaxis]}


def test_objects_that_are_found_are_counted_and_missed_ones_named() -> None:
    paint = np.zeros((60, 90), np.int32)
    for number, x in ((4, 5), (9, 35), (14, 65)):
        paint[20:40, x : x + 20] = number
    paint[:10] = 1
    encoding = encoding_of(Recipe())
    predicted = answer_of(np.where((paint > 1) & (paint != 9), paint, 0))
    example = Example(predicted, paint, paint, (0, ()), is_whole=True)
    score = score_objects(encoding, [example], {})
    assert (score.objects, score.found, score.missed) == (3, 2, (9,))
    assert score.in_words() == "finds 2 of 3 held-out objects"
    assert "misses (number 9)" in score.advice()
    late = Example(predicted, paint, paint, (0, ()), is_whole=False)
    assert score_objects(encoding, [late], {}) == HeldOut()
    # In a second region that overlaps the first, the same objects are no other ones.
    all_of_them = Example(answer_of(np.where(paint > 1, paint, 0)), paint, paint, (0, ()), True)
    again = score_objects(encoding, [example, all_of_them], {})
    assert (again.objects, again.found, again.advice()) == (3, 3, "")
    other_image = Example(predicted, paint, paint, (1, ()), is_whole=True)
    both = score_objects(encoding, [example, other_image], {})
    assert (both.objects, both.found, both.missed) == (6, 4, ())


def test_only_held_out_pixels_count() -> None:
    values = torch.tensor([[0.0, 1.0, 1.0, 2.0]]).reshape(1, 1, 1, 4)
    weights = torch.tensor([1.0, 1.0, 0.0, 1.0]).reshape(1, 1, 1, 4)
    logits = torch.nn.functional.one_hot(torch.tensor([0, 1, 0, 1]), 3).T.reshape(1, 3, 1, 4)
    score = score_classes(lambda _: logits.float(), [Batch(values, values, weights)])
    assert (score.pixels, score.right) == (3, 2)
    assert score.in_words() == "gets 67 % of held-out pixels right"
    assert score.advice()


@pytest.mark.parametrize("left", [0.0, 0.5, 1.0])
def test_the_share_of_noise_that_is_taken_away(left: float) -> None:
    """What is left of the amplitude counts squared: noise is measured as variance."""
    rng = torch.Generator().manual_seed(0)
    clean = torch.rand(4, 1, 64, 64, generator=rng)
    noise, other = torch.randn(2, 4, 1, 64, 64, generator=rng)
    noisy, target = clean + noise, clean + other
    batch = Batch(noisy, target - noisy, torch.ones_like(noisy))
    score = score_denoiser(lambda _: (left - 1) * noise, [batch])
    assert score.noise_removed == pytest.approx(1 - left**2, abs=0.05)
    assert "% of the noise" in score.in_words()


def test_words_of_few_and_of_none() -> None:
    assert HeldOut(objects=1).in_words() == "misses the one held-out object"
    assert HeldOut(objects=1, found=1).in_words() == "finds the one held-out object"
    assert HeldOut().in_words() == HeldOut().advice() == ""
    many = HeldOut(objects=30, missed=tuple(range(20)))
    assert "misses (numbers 0, 1, 2, 3, 4 and 15 more), then" in many.advice()
    assert many.advice(is_learning=True) == "It was still getting better: Continue."
    assert HeldOut(objects=2, found=2).advice(is_learning=True) == ""
    assert HeldOut(pixels=100, right=96).advice() == ""


def test_a_model_says_what_it_finds(sample: Sample, small: Recipe, tmp_path: Path) -> None:
    job = ns.train([sample.image], [sample.paint], small, steps=15)
    best = [step.best for step in job][-1]
    model = job.result
    counted = model.provenance["held_out"]
    held = [number for number in np.unique(sample.paint) if number > 1 and number % 5 == 4]
    assert counted["objects"] == len(held)
    assert 0 <= counted.get("found", 0) <= counted["objects"]
    assert model.provenance["best_step"] == best
    loss = dict(map(tuple, model.provenance["validation"]))
    assert loss[best] == min(loss.values()) == model.provenance["best_validation"]
    again = load_model(model.save(tmp_path / "m.zip"))
    assert again.provenance["held_out"] == counted
    assert "held-out object" in describe_model(again)


def test_classes_are_scored_by_pixels(sample: Sample, small: Recipe) -> None:
    recipe = Recipe(**{**small.model_dump(exclude={"target"}), "task": "classes"})
    model = ns.run(ns.train([sample.image], [np.minimum(sample.paint, 2)], recipe, steps=3))
    counted = HeldOut.model_validate(model.provenance["held_out"])
    assert 0 < counted.right <= counted.pixels


def test_a_damaged_score_makes_no_model(sample: Sample, small: Recipe, tmp_path: Path) -> None:
    model: Model = ns.run(ns.train([sample.image], [sample.paint], small, steps=1))
    model.provenance["held_out"] = {"objects": -1}
    with pytest.raises(InputError, match="not a model"):
        load_model(model.save(tmp_path / "m.zip"))


def test_what_a_crash_would_lose(sample: Sample, small: Recipe, tmp_path: Path) -> None:
    """In the middle, the best model by now and a checkpoint that goes on exactly."""
    job = ns.train([sample.image], [sample.paint], small, steps=12)
    assert job.so_far is None
    for step in job:
        if step.index == 8:
            assert job.so_far is not None
            checkpoint, model = job.so_far()
    assert job.so_far is None
    model = load_model(model.save(tmp_path / "m.zip"))
    assert model.provenance["steps"] == 8 and model.provenance["best_step"] == 5
    assert [list(image) for image in model.provenance["images"]] == [["name"]]
    goes_on = ns.run(ns.train([sample.image], [sample.paint], small, steps=4, resume=checkpoint))
    weights = job.result.network.state_dict()
    assert all(torch.equal(w, weights[k]) for k, w in goes_on.network.state_dict().items())

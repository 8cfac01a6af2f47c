from itertools import pairwise

import numpy as np
import pytest
import torch
import zarr
from scipy import ndimage

import napari_scribe as ns
from napari_scribe.recipe import parse_recipe
from napari_scribe.training.job import DenoisedPreview
from napari_scribe.training.losses import LOSSES, LOWEST_EXPONENT, Schedule, exponent_of_l0

SMALL = parse_recipe(
    {
        "task": "denoised",
        "network": {"depth": 2, "width": 8},
        "training": {"patch": 48, "batch": 4, "validate_every": 10},
    }
)


def blobs(n: int, side: int = 96, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(n, side, side)), (0, 4, 4))
    return (100 + 800 * np.clip(smooth / smooth.std(), 0, 3)).astype(np.float32)


def noisy(clean: np.ndarray, seed: int, sigma: float = 200) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (clean + rng.normal(0, sigma, clean.shape)).astype(np.float32)


def error(image, clean) -> float:
    return float(np.sqrt(np.mean((np.asarray(image) - clean) ** 2)))


@pytest.fixture(scope="module")
def clean() -> np.ndarray:
    return blobs(6)


@pytest.fixture(scope="module")
def model(clean) -> ns.Model:
    pairs = ns.layer_pairs(*(ns.Image(noisy(clean, s), "TYX", name=f"shot {s}") for s in (1, 2)))
    return ns.run(ns.train_denoiser(pairs, SMALL, steps=150, device="cpu"))


def test_noise_is_taken_off_unseen_images(model):
    clean = blobs(2, seed=9)
    seen = ns.Image(noisy(clean, 10), "TYX")

    result = ns.run(ns.denoise(model, seen, device="cpu"))

    assert result.dtype == np.float32
    assert error(result, clean) < 0.4 * error(seen.data, clean)


def test_the_mean_is_kept(model):
    seen = noisy(blobs(2, seed=9), 10)

    result = ns.run(ns.denoise(model, ns.Image(seen, "TYX"), device="cpu"))

    assert abs(float(result.mean() - seen.mean())) < 0.02 * float(seen.std())


def test_the_same_steps_and_seed_give_the_same(clean):
    pairs = ns.layer_pairs(*(ns.Image(noisy(clean, s), "TYX") for s in (1, 2)))

    made = [ns.run(ns.train_denoiser(pairs, SMALL, steps=3, device="cpu")) for _ in range(2)]

    assert made[0].fingerprint() == made[1].fingerprint()


def test_a_training_goes_on_where_it_stopped(clean):
    pairs = ns.layer_pairs(*(ns.Image(noisy(clean, s), "TYX") for s in (1, 2)))
    whole = ns.train_denoiser(pairs, SMALL, steps=6, device="cpu")
    first = ns.train_denoiser(pairs, SMALL, steps=4, device="cpu")
    ns.run(whole)
    ns.run(first)

    second = ns.train_denoiser(pairs, SMALL, steps=2, device="cpu", resume=first.checkpoint)
    ns.run(second)

    one, other = whole.checkpoint, second.checkpoint
    assert one is not None and other is not None
    assert all((one.tensors[k] == other.tensors[k]).all() for k in one.tensors if "network" in k)
    other.numbers["seconds"] = 60.0
    third = ns.train_denoiser(pairs, SMALL, steps=1, device="cpu", resume=other)
    assert 60 <= ns.run(third).provenance["seconds"] < 90  # of both


def test_single_images_are_denoised_too():
    clean = blobs(4)
    seen = noisy(clean, 1)
    pairs = ns.single_pairs(ns.Image(seen, "TYX"))

    model = ns.run(ns.train_denoiser(pairs, SMALL, steps=150, device="cpu"))

    result = ns.run(ns.denoise(model, ns.Image(seen, "TYX"), device="cpu"))
    assert error(result, clean) < 0.6 * error(seen, clean)


def test_volumes_are_denoised_as_volumes():
    rng = np.random.default_rng(0)
    clean = ndimage.gaussian_filter(rng.normal(size=(12, 32, 32)), 3)
    clean = (clean / clean.std()).astype(np.float32)
    stack = np.stack([noisy(clean, s, 1.0) for s in (1, 2)])
    recipe = parse_recipe(
        {
            "task": "denoised",
            "network": {"dimensions": 3, "depth": 1, "width": 4},
            "training": {"patch": 16, "batch": 2},
        }
    )
    pairs = ns.frame_pairs(ns.Image(stack, "TZYX"), dimensions=3)

    model = ns.run(ns.train_denoiser(pairs, recipe, steps=60, device="cpu"))

    result = ns.run(ns.denoise(model, ns.Image(stack, "TZYX"), device="cpu"))
    assert result.shape == stack.shape
    assert error(result[0], clean) < 0.7 * error(stack[0], clean)


def test_impulses_want_l1_or_l0():
    clean = blobs(6)
    rng = np.random.default_rng(0)

    def hit(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return np.where(rng.random(clean.shape) < 0.4, 3000, clean).astype(np.float32)

    pairs = ns.layer_pairs(*(ns.Image(hit(s), "TYX") for s in (1, 2)))
    results = {}
    for loss in ("l2", "l1", "l0"):
        recipe = SMALL.changed({"target.loss": loss, "target.annealing": 300})
        model = ns.run(ns.train_denoiser(pairs, recipe, steps=300, device="cpu"))
        shot = hit(int(rng.integers(100, 200)))
        results[loss] = error(ns.run(ns.denoise(model, ns.Image(shot, "TYX"))), clean)

    assert results["l1"] < 0.5 * results["l2"]
    assert results["l0"] < 0.5 * results["l2"]


def test_l0_is_annealed_from_2_and_the_others_are_not():
    falling = [exponent_of_l0(Schedule(step, 100)) for step in (0, 50, 100, 1000)]

    assert falling[0] == 2
    assert all(a >= b for a, b in pairwise(falling))
    assert falling[-1] == LOWEST_EXPONENT
    error, ones = torch.full((1, 1, 4, 4), 0.5), torch.ones(1, 1, 4, 4)
    for step in (None, 0, 50):
        losses = [
            LOSSES[name].function(error, 0 * ones, ones, Schedule(step, 100))
            for name in ("l2", "l1")
        ]
        assert losses == [0.25, 0.5]


def test_a_preview_shows_the_window_denoised(clean):
    seen = noisy(clean, 1)
    pairs = ns.layer_pairs(ns.Image(seen, "TYX"), ns.Image(noisy(clean, 2), "TYX"))
    job = ns.train_denoiser(pairs, SMALL, steps=40, device="cpu")
    preview = None
    for step in job:
        if step.index == 38:
            job.request_preview(0, (("T", 1),), (slice(8, 40), slice(0, 64)))
        preview = step.preview or preview

    assert isinstance(preview, DenoisedPreview)
    part = (1, slice(8, 40), slice(0, 64))
    assert preview.denoised.shape == (1, 32, 64)
    assert error(preview.denoised[0], clean[part]) < error(seen[part], clean[part])


def test_fine_tuning_that_does_not_help_keeps_the_parent(model, clean):
    pairs = ns.layer_pairs(*(ns.Image(noisy(clean, s), "TYX") for s in (1, 2)))
    spoiling = model.recipe.changed({"training.learning_rate": 0.5})

    job = ns.train_denoiser(pairs, spoiling, start=model, steps=3, device="cpu")

    assert ns.run(job) is model
    assert job.kept_parent


def test_a_denoiser_is_saved_and_loaded(model, tmp_path):
    loaded = ns.load_model(model.save(tmp_path / "d.zip"))

    assert loaded.fingerprint() == model.fingerprint()
    assert loaded.normalization == model.normalization
    assert loaded.parameters == model.parameters


def test_stopping_keeps_the_best(clean):
    pairs = ns.layer_pairs(*(ns.Image(noisy(clean, s), "TYX") for s in (1, 2)))
    job = ns.train_denoiser(pairs, SMALL, device="cpu")
    for step in job:
        if step.index == 5:
            job.stop()

    assert job.result.provenance["steps"] == 5


def test_what_was_learnt_is_kept_when_the_disk_goes(clean, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_scribe.training.pairs.batches.POOL", 2**15)
    path = tmp_path / "movie.zarr"
    zarr.create_array(path, data=noisy(clean, 1), chunks=(1, 32, 32))
    job = ns.train_denoiser(ns.frame_pairs(ns.read_image(path, "TYX")), SMALL, device="cpu")
    for step in job:
        if step.index == 4:
            for chunk in (path / "c").rglob("*"):
                if chunk.is_file():
                    chunk.write_bytes(b"damaged")

    assert "broke off" in job.problem
    assert job.result.provenance["steps"] >= 4


def test_frames_with_nothing_in_their_middle_may_be_different(clean):
    stack = noisy(clean, 1)
    padded = np.zeros((len(stack), 400, 400), np.float32)
    padded[:, :96, :96] = stack

    assert ns.train_denoiser(ns.frame_pairs(ns.Image(padded, "TYX")), SMALL, steps=1)


def test_frames_that_are_the_same_are_refused():
    frame = noisy(blobs(1), 0)
    pairs = ns.frame_pairs(ns.Image(np.repeat(frame, 3, axis=0), "TYX", name="movie"))

    with pytest.raises(ns.InputError, match=r"T 0 and movie, T 1 are the same.*not independent"):
        ns.train_denoiser(pairs)


def test_a_constant_stack_is_refused():
    stack = np.full((3, 64, 64), 7.0)
    stack[1] += 1e-9

    with pytest.raises(ns.InputError, match="same value everywhere"):
        ns.train_denoiser(ns.frame_pairs(ns.Image(stack.astype(np.float32), "TYX")))


def test_other_recipes_and_models_are_refused(model, clean):
    pairs = ns.frame_pairs(ns.Image(noisy(clean, 1), "TYX"))

    with pytest.raises(ns.InputError, match="task 'denoised'"):
        ns.train_denoiser(pairs, ns.Recipe())
    with pytest.raises(ns.InputError, match="recipe of a denoiser"):
        ns.train([clean[0]], [np.ones(clean[0].shape, np.int32)], SMALL)
    with pytest.raises(ns.InputError, match="another network"):
        ns.train_denoiser(pairs, SMALL.changed({"network.width": 4}), start=model)


def test_places_without_data_teach_nothing():
    stack = np.random.default_rng(0).normal(100, 9, (6, 64, 64)).astype(np.float32)
    stack[:, :20] = -9999
    image = ns.Image(stack, "TYX", nodata=-9999)
    recipe = ns.Recipe(task="denoised", network={"width": 2, "depth": 1})
    model = ns.run(ns.train_denoiser(ns.frame_pairs(image), recipe, steps=1, device="cpu"))
    assert model.normalization.means == pytest.approx((100,), abs=1)
    assert model.normalization.deviations == pytest.approx((9,), abs=1)
    assert abs(ns.run(ns.denoise(model, image, device="cpu")) - 100).max() < 200

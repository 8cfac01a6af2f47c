"""The sample that a model keeps of what it learnt from, and a fine-tuning that learns from it."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_scribe.describe import describe_model
from napari_scribe.image import Image
from napari_scribe.io.replay import MOST_BYTES, Patches, Replay
from napari_scribe.model import Model, load_model
from napari_scribe.progress import run
from napari_scribe.recipe import Recipe
from napari_scribe.samples import nuclei
from napari_scribe.samples.synthetic import Sample
from napari_scribe.targets import Paint
from napari_scribe.training.patches import mixed
from napari_scribe.training.regions import Batch
from napari_scribe.training.replay import _in_order, known_before
from napari_scribe.training.train import TrainJob, train


@pytest.fixture(scope="module")
def parent(sample: Sample, small: Recipe) -> Model:
    images = [sample.image, nuclei((96, 96), seed=2).image]
    paints = [Paint(sample.paint), Paint.from_mask(nuclei((96, 96), seed=2).truth)]
    return run(train(images, paints, small, steps=10, device="cpu"))


def tune(sample: Sample, parent: Model, **options: Any) -> TrainJob:
    recipe = parent.recipe.changed(options.pop("values", {}))
    return train([sample.image], [sample.paint], recipe, start=parent, device="cpu", **options)


def patches_of(model: Model) -> Patches:
    assert model.replay is not None
    return model.replay.patches(len(model.channels), model.dimensions)


# ---- packing ------------------------------------------------------------------------------------


@given(
    hnp.arrays(
        np.float32,
        st.tuples(*(st.integers(1, n) for n in (3, 2, 6, 6))),
        elements=st.floats(-100, 100, width=32),
    )
)
def test_pixels_come_back_to_a_step_of_their_range(pixels: np.ndarray) -> None:
    kept = Patches.quantized(pixels, np.ones((len(pixels), *pixels.shape[2:]), np.int32))
    step = (kept.high - kept.low)[..., None, None] / 255
    assert (np.abs(kept.normalized() - pixels) <= 0.51 * step + 1e-4).all()


def test_what_is_packed_comes_back_and_is_small() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.random((90, 1, 160, 160), np.float32)  # noise cannot be compressed
    patches = Patches.quantized(pixels, rng.integers(0, 9, (90, 160, 160)))
    packed = Replay.packed(patches)
    kept = packed.patches(1, 2)
    assert len(packed.data) <= MOST_BYTES and 20 < len(kept) < 90
    for name in ("pixels", "low", "high", "paint"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(patches, name)[: len(kept)])


def hostile() -> dict[str, bytes]:
    good = Replay.packed(Patches.quantized(np.ones((2, 1, 8, 8), np.float32), np.ones((2, 8, 8))))
    two = Patches.quantized(np.ones((2, 2, 8, 8), np.float32), np.ones((2, 8, 8)))
    return {
        "nothing": b"",
        "cut": good.data[:-9],
        "no safetensors": zlib.compress(b"x" * 99),
        "a bomb": zlib.compress(bytes(2**26)),
        "two channels": Replay.packed(two).data,
    }


@pytest.mark.parametrize("name", hostile())
def test_a_damaged_sample_is_none(name: str) -> None:
    with pytest.raises(ValueError, match=r"damaged|large|other|patches"):
        Replay(hostile()[name]).patches(1, 2)


def test_arrays_that_do_not_fit_together_are_no_patches() -> None:
    pixels, numbers = np.zeros((2, 1, 8, 8), np.uint8), np.zeros((2, 1), np.float32)
    paint = np.zeros((2, 8, 8), np.uint16)
    Patches(pixels, numbers, numbers, paint)
    for wrong in (
        (pixels[:1], numbers, numbers, paint),
        (pixels.astype(float), numbers, numbers, paint),
        (pixels, numbers + np.inf, numbers, paint),
        (pixels, numbers, numbers, paint[:, 1:]),
    ):
        with pytest.raises(ValueError, match="no patches"):
            Patches(*wrong)


# ---- what is kept -------------------------------------------------------------------------------


def test_a_model_keeps_a_sample_of_what_it_learnt_from(parent: Model, tmp_path: Path) -> None:
    kept = patches_of(parent)
    assert kept.pixels.shape[1:] == (1, 32, 32) and len(kept) >= 9
    assert (kept.paint > 0).any(axis=(1, 2)).all()
    read = load_model(parent.save(tmp_path / "a.zip"))
    assert read.replay == parent.replay and read.fingerprint() == parent.fingerprint()
    assert f"{len(kept)} pieces of the training images" in describe_model(read)


def test_no_sample_is_kept_where_that_is_chosen(sample: Sample, small: Recipe) -> None:
    recipe = small.changed({"training.keep_replay": False})
    model = run(train([sample.image], [sample.paint], recipe, steps=2, device="cpu"))
    assert model.replay is None
    assert "replay       none" in describe_model(model)


def test_objects_that_a_piece_cuts_are_left_out(small: Recipe) -> None:
    truth = np.zeros((64, 64), np.int32)
    truth[4:12, 4:12], truth[20:28, 28:36] = 1, 2  # the second lies across two pieces
    image = np.where(truth > 0, 200, 20).astype(np.uint8)
    paint = Paint.from_mask(truth)
    recipe = small.changed({"target.object_size": 0})
    kept = patches_of(run(train([image], [paint], recipe, steps=1, device="cpu")))
    sizes = [int((row > 1).sum()) for row in kept.paint]
    assert sorted(sizes)[-1] == 64 and sum(sizes) == 64
    for row, pixels in zip(kept.paint, kept.normalized()[:, 0], strict=True):
        assert not ((row == 1) & (pixels > 0.5)).any()  # nor are they background


def test_the_first_pieces_differ_and_are_of_all_images() -> None:
    rng = np.random.default_rng(0)
    groups = [0] * 50 + [1] * 5 + [2] * 5
    features = rng.normal(size=(60, 4))
    features[7] = 40
    order = _in_order(features, groups)
    assert sorted(order) == list(range(60))
    assert {groups[i] for i in order[:3]} == {groups[i] for i in order[3:6]} == {0, 1, 2}
    assert 7 in order[:6]


def test_a_volume_keeps_a_sample() -> None:
    sample = nuclei((12, 40, 40), seed=0)
    recipe = Recipe(
        network={"dimensions": 3, "depth": 1, "width": 4}, training={"patch": 16, "batch": 1}
    )
    image = Image(sample.image, "ZYX")
    model = run(train([image], [sample.paint], recipe, steps=2, device="cpu"))
    assert patches_of(model).pixels.shape[1:] == (1, 16, 16, 16)
    values = recipe.changed({"training.replay": 0.5})
    job = train([image], [sample.paint], values, start=model, steps=4, device="cpu")
    assert all(np.isfinite(step.loss) for step in job)


def test_classes_keep_a_sample(sample: Sample, small: Recipe) -> None:
    recipe = Recipe(**{**small.model_dump(exclude={"target"}), "task": "classes"})
    paint = np.minimum(sample.paint, 2) * 3
    model = run(train([sample.image], [paint], recipe, steps=2, device="cpu"))
    assert set(np.unique(patches_of(model).paint)) <= {0, 3, 6}
    job = train([sample.image], [paint], start=model, steps=6, device="cpu")
    assert all(step.note == "" for step in job)


# ---- learning from it ---------------------------------------------------------------------------


def test_a_child_keeps_what_its_parent_knew(sample: Sample, parent: Model) -> None:
    child = run(tune(sample, parent, steps=6, keep_worse=True))
    before, after = patches_of(parent), patches_of(child)
    rows = {row.tobytes() for row in before.pixels}
    assert len([row for row in after.pixels if row.tobytes() in rows]) >= len(before) / 2
    assert child.provenance["fine_tuning"]["fingerprint"] == parent.fingerprint()
    assert child.provenance["fine_tuning"]["replay"] is not None


def test_a_batch_of_both_weighs_each_patch_alike() -> None:
    def batch(n: int, weight: float) -> Batch:
        return Batch(
            torch.zeros(n, 1, 4, 4), torch.zeros(n, 2, 4, 4), torch.full((n, 2, 4, 4), weight)
        )

    both = mixed([batch(3, 0.1), batch(1, 5.0)])
    assert both.pixels.shape[0] == 4
    assert torch.allclose(both.weights, torch.full((4, 2, 4, 4), 0.1))


@pytest.mark.parametrize("how", ["memory", "file"])
def test_a_fine_tuning_goes_on_exactly(
    sample: Sample, parent: Model, tmp_path: Path, how: str
) -> None:
    values = {"training.replay": 0.5}
    whole = tune(sample, parent, values=values, steps=8)
    losses = [step.loss for step in whole]
    first = tune(sample, parent, values=values, steps=3, checkpoint=tmp_path / "c")
    seen = [step.loss for step in first] if how == "memory" else []
    if how == "memory":
        rest = tune(sample, parent, values=values, steps=5, resume=first.checkpoint)
    else:
        running = tune(sample, parent, values=values, steps=8, checkpoint=tmp_path / "d")
        for step in running:
            seen.append(step.loss)
            if step.index == 3:
                running.stop()
        rest = tune(sample, parent, values=values, steps=8, checkpoint=tmp_path / "d")
    seen += [step.loss for step in rest]
    assert seen == losses
    assert rest.fine_tuning == whole.fine_tuning


def test_without_a_sample_it_is_said(sample: Sample, parent: Model, tmp_path: Path) -> None:
    whole = parent.save(tmp_path / "whole.zip")
    taken, damaged = tmp_path / "taken.zip", tmp_path / "damaged.zip"
    with (
        zipfile.ZipFile(whole) as old,
        zipfile.ZipFile(taken, "w") as one,
        zipfile.ZipFile(damaged, "w") as other,
    ):
        for name in old.namelist():
            data = old.read(name)
            if name == "replay":
                other.writestr(name, data[: len(data) // 2])
            else:
                one.writestr(name, data)
                other.writestr(name, data)
    for path, words in ((taken, "keeps no sample"), (damaged, "has a damaged sample")):
        steps = list(job := tune(sample, load_model(path), steps=2))
        assert words in steps[0].note and not steps[1].note
        assert job.fine_tuning is not None and job.fine_tuning.replay is None
    assert "damaged" in describe_model(load_model(damaged))
    assert known_before(parent)[1] == ""

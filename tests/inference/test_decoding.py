"""Objects are made again from saved maps, without the network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import napari_scribe as ns
from napari_scribe.errors import InputError
from napari_scribe.image import Image
from napari_scribe.inference import decoding as home
from napari_scribe.inference import work
from napari_scribe.inference.decoding import decode, maps_to_decode
from napari_scribe.model import Model, build_network
from napari_scribe.targets import encoding_of

Make = Callable[..., Model]
pytestmark = pytest.mark.usefixtures("in_float32")


def blobs(*shape: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.kron(rng.integers(0, 4000, shape), np.ones((1,) * (len(shape) - 2) + (4, 4), int))


def finished(model: Model, image: object, **options: object) -> ns.Job:
    save = ("labels", *maps_to_decode(model))
    job = ns.segment(model, image, save=save, device="cpu", **options)
    ns.run(job)
    return job


@pytest.mark.parametrize("shape", [(20, 24), (3, 12, 12)])
def test_the_models_own_values_give_the_labels_of_the_run(model: Model, shape: tuple[int, ...]):
    axes = "TYX"[-len(shape) :]
    job = finished(model, Image(blobs(*shape), axes))
    assert job.result.max() > len(shape)
    np.testing.assert_array_equal(decode(model, job.maps), job.result)


def test_blocks_are_those_of_the_run(model: Model, monkeypatch: pytest.MonkeyPatch):
    for module in (home, work):
        monkeypatch.setattr(module, "SIDE", {2: 32})
        monkeypatch.setattr(module, "MARGIN", {2: 16})
    job = finished(model, blobs(20, 24))
    np.testing.assert_array_equal(decode(model, job.maps), job.result)


@pytest.mark.parametrize("encoding", ["distance", "border", "affinities"])
def test_other_values_give_what_a_run_with_them_gives(
    random_model: Make, encoding: str, tmp_path: Path
):
    model = random_model()
    if encoding != "distance":
        recipe = model.recipe.changed({"target.encoding": encoding})
        network = build_network(recipe, 1, encoding_of(recipe))
        model = model.changed(recipe=recipe, network=network.eval(), parameters={"min_size": 1.0})
    image = blobs(12, 12)
    job = finished(model, image, out=tmp_path / "labels.tif")
    for values in ({"foreground": 0.45}, {"foreground": 0.55, "min_size": 6}):
        again = ns.run(ns.segment(model, image, decoding=values, device="cpu"))
        np.testing.assert_array_equal(decode(model, job.maps, values), again)


def test_what_is_wrong_is_said_before_anything(model: Model, random_model: Make):
    maps = {name: np.zeros((1, 8, 8), np.float16) for name in ("probability", "distance")}
    cases = [
        (model, {"distance": maps["distance"]}, {}, "map probability is missing.*'distance'"),
        (model, {**maps, "distance": maps["distance"][:, :4]}, {}, r"shape \(1, 4, 8\)"),
        (model, {k: v[0] for k, v in maps.items()}, {}, "one channel axis first"),
        (model, maps, {"seed": 1}, "no decoding parameter 'seed'"),
        (random_model("classes", painted=(1, 2)), maps, {}, "does not find objects"),
    ]
    for model_, maps_, values, words in cases:
        with pytest.raises(InputError, match=words):
            decode(model_, maps_, values)
    with pytest.raises(InputError, match="'merge' is a number from 0 to 1, not 3"):
        ns.segment(model, blobs(4, 4), decoding={"merge": 3})


def test_a_model_keeps_its_values(model: Model, tmp_path: Path):
    model.with_decoding({"merge": 0.7}).save(tmp_path / "model.zip")
    kept = ns.load_model(tmp_path / "model.zip")
    assert kept.parameters == {**model.parameters, "merge": 0.7}
    assert kept.fingerprint() != model.fingerprint()

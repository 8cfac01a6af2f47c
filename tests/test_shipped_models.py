"""The models that ship: found by name, described, never replaced; and files with half the bytes."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load as load_tensors
from skimage.transform import rescale

import napari_scribe as ns
from napari_scribe.describe import describe_model
from napari_scribe.errors import InputError
from napari_scribe.evaluation.metrics import evaluate
from napari_scribe.io.model_file import read_summary
from napari_scribe.io.model_folder import find_model, is_shipped, model_folder, shipped_models
from napari_scribe.model import Model, build_network, load_model
from napari_scribe.normalization import Normalization
from napari_scribe.recipe import Recipe
from napari_scribe.samples import nuclei
from napari_scribe.targets import encoding_of

LARGEST = 4_000_000
"""Most bytes of a model that ships."""


def make(task: str = "objects") -> Model:
    recipe = Recipe(task=task, network={"depth": 1, "width": 4})
    torch.manual_seed(0)
    network = build_network(recipe, 1, encoding_of(recipe)).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.num_batches_tracked.fill_(100_003)  # more digits than float16 has
    normalization = Normalization(dtype="uint8", floor=2.0)
    return Model(network, recipe, (0,), 1, normalization, parameters={"foreground": 0.4})


# ---- weights in half the bytes -------------------------------------------------------------------


def test_weights_in_float16_come_back_rounded(tmp_path: Path) -> None:
    model = make()
    whole, half = model.save(tmp_path / "a.zip"), model.save(tmp_path / "b.zip", weights="float16")
    assert half.stat().st_size < 0.75 * whole.stat().st_size
    again = load_model(half)
    before, after = model.network.state_dict(), again.network.state_dict()
    for name, weights in before.items():
        assert after[name].dtype == weights.dtype
        is_real = weights.is_floating_point()
        assert torch.equal(after[name], weights.half().float() if is_real else weights), name
    assert again.parameters == model.parameters
    assert again.recipe == model.recipe
    # What is read may be written in either way, and is the same model then.
    for weights in ("float32", "float16"):
        once_more = load_model(again.save(tmp_path / f"{weights}.zip", weights=weights))
        assert once_more.fingerprint() == again.fingerprint()


def test_readers_of_before_are_told_that_the_file_is_newer(tmp_path: Path) -> None:
    versions = {}
    for weights in ("float32", "float16"):
        path = make().save(tmp_path / f"{weights}.zip", weights=weights)
        with zipfile.ZipFile(path) as archive:
            versions[weights] = json.loads(archive.read("model.json"))["version"]
    assert versions == {"float32": 1, "float16": 2}


def test_a_denoiser_in_the_file_has_half_the_bytes_too(tmp_path: Path) -> None:
    from napari_scribe.normalization import FixedNormalization

    recipe = Recipe(task="denoised", network={"depth": 1, "width": 4})
    network = build_network(recipe, 1, encoding_of(recipe, n_channels=1)).eval()
    denoiser = Model(network, recipe, (0,), 1, FixedNormalization((1.0,), (2.0,)))
    path = make().changed(denoiser=denoiser).save(tmp_path / "m.zip", weights="float16")
    with zipfile.ZipFile(path) as archive:
        for folder in ("", "denoiser/"):
            tensors = load_tensors(archive.read(f"{folder}weights.safetensors"))
            assert {t.dtype for t in tensors.values()} <= {torch.float16, torch.int64}
    assert load_model(path).denoiser is not None


def test_weights_that_float16_cannot_hold(tmp_path: Path) -> None:
    model = make()
    with torch.no_grad():
        next(model.network.parameters()).view(-1)[0] = 1e6
    with pytest.raises(InputError, match="too large for float16: save it in float32"):
        model.save(tmp_path / "m.zip", weights="float16")
    assert not list(tmp_path.iterdir())
    assert load_model(model.save(tmp_path / "m.zip"))


def test_another_way_to_write_weights(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'int8': use float32 or float16"):
        make().save(tmp_path / "m.zip", weights="int8")
    assert not list(tmp_path.iterdir())


# ---- models that ship ----------------------------------------------------------------------------


def test_the_package_holds_the_models_that_ship() -> None:
    folder = files("napari_scribe") / "models"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".zip"))
    assert names == [path.name for path in shipped_models()]
    assert "nuclei.zip" in names
    for path in shipped_models():
        assert path.stat().st_size <= LARGEST


@pytest.mark.parametrize("path", shipped_models(), ids=lambda path: path.stem)
def test_a_model_that_ships_says_what_it_is_for(path: Path) -> None:
    card = read_summary(path).provenance.card
    assert {"for", "images", "licence", "weak"} <= set(card)
    said = describe_model(load_model(path.stem))
    for text in card.values():
        assert text in said


@pytest.mark.parametrize("factor", [0.5, 1, 4])
def test_nuclei_finds_nuclei_of_any_size(factor: float) -> None:
    """The sample's are 25 px wide: these are of 12 to 100 px."""
    sample = nuclei((256, 256))
    pixels = rescale(sample.image.astype(np.float32), factor, preserve_range=True)
    truth = np.round(rescale(sample.truth, factor, order=0, preserve_range=True)).astype(np.int32)
    found = ns.run(ns.segment(ns.load_model("nuclei"), pixels))
    assert evaluate(found, truth).ap[0] > 0.8


def test_a_model_of_the_user_comes_before_one_that_ships(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setenv("NAPARI_SCRIBE_HOME", str(tmp_path / "home"))
    assert is_shipped(find_model("nuclei"))
    assert find_model("nuclei.zip") == find_model("nuclei")
    own = make().save(model_folder() / "nuclei.zip")
    assert find_model("nuclei") == own
    with pytest.raises(InputError, match=r"kept by name: nuclei\. Those that ship: nuclei"):
        find_model("nucleus")


def test_models_that_ship_stay_as_they_are(
    tmp_path: Path, call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = find_model("nuclei")
    before = shipped.read_bytes()
    for path in (shipped, shipped.with_name("mine.zip")):
        with pytest.raises(InputError, match=r"stay as they are\. Save the model elsewhere"):
            make().save(path)
        said = call(
            *("train", "image.tif", "--labels", "paint.tif", "--start", "nuclei"),
            *("--model", path),
        )
        assert said.code == 2, said.out
        assert "stay as they are" in said.err
    assert shipped.read_bytes() == before
    assert not shipped.with_name("mine.zip").exists()


def test_the_commands_take_its_name(
    tmp_path: Path, call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import tifffile

    monkeypatch.chdir(tmp_path)
    assert call("sample", "s", "--side", 128).code == 0
    said = call("info", "nuclei")
    assert said.code == 0
    assert "Model for objects, 2D" in said.out
    assert "licence" in said.out
    said = call("segment", "s/image.tif", "--model", "nuclei", "--out", "found.tif")
    assert said.code == 0, said.err
    assert tifffile.imread("found.tif").max() >= 3
    said = call(
        *("train", "s/image.tif", "--labels", "s/paint.tif", "--start", "nuclei"),
        *("--model", "nuclei.zip", "--steps", 2, "--keep-worse"),
    )
    assert said.code == 0, said.err
    assert not is_shipped(find_model("nuclei.zip"))  # the file in this folder comes first
    assert read_summary(Path("nuclei.zip")).provenance.card == {}  # the user's own by now

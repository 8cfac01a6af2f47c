"""The model file: what was saved comes back, what is not a model is refused, nothing is run."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from napari_scribe.errors import InputError
from napari_scribe.image import Image
from napari_scribe.io.model_folder import find_model, list_models, model_folder
from napari_scribe.model import Model, as_tuple, build_network, load_model
from napari_scribe.normalization import Normalization
from napari_scribe.recipe import Recipe
from napari_scribe.targets import encoding_of


def make(task: str = "objects", n_channels: int = 1, **changes: Any) -> Model:
    recipe = Recipe(task=task, network={"depth": 1, "width": 2})
    painted = (1, 2, 7) if task == "classes" else ()
    torch.manual_seed(0)
    model = Model(
        network=build_network(recipe, n_channels, encoding_of(recipe, painted)).eval(),
        recipe=recipe,
        channels=tuple(range(n_channels)),
        image_channels=n_channels + 1,
        normalization=Normalization(floor=3.5, dtype="uint16"),
        painted=painted,
        offset=1 if painted else 0,
        parameters={"foreground": 0.4},
        provenance={"steps": 12, "images": [{"name": "ü.tif"}], "best_validation": None},
        thumbnail=np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8),
    )
    return model.changed(**changes)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return make().save(tmp_path / "model.zip")


def repacked(path: Path, **parts: bytes | None) -> Path:
    """A copy of a model file with some members replaced, or left out (None)."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members |= {name.replace("__", "."): data for name, data in parts.items()}
    other = path.with_name("other.zip")
    with zipfile.ZipFile(other, "w") as archive:
        for name, data in members.items():
            if data is not None:
                archive.writestr(name, data)
    return other


def edited(path: Path, **values: Any) -> Path:
    """A copy with other values in its description; None leaves one out."""
    with zipfile.ZipFile(path) as archive:
        described = json.loads(archive.read("model.json"))
    described = {k: v for k, v in {**described, **values}.items() if v is not None}
    return repacked(path, model__json=json.dumps(described).encode())


# ---- round trip ---------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["objects", "classes"])
@pytest.mark.parametrize("n_channels", [1, 3])
def test_a_model_comes_back_bit_for_bit(tmp_path: Path, task: str, n_channels: int):
    model = make(task, n_channels, thickness=2.5)
    assert model.fingerprint() != make(task, n_channels).fingerprint()
    again = load_model(model.save(tmp_path / "new" / "model.zip"))
    weights, loaded = model.network.state_dict(), again.network.state_dict()
    assert weights.keys() == loaded.keys()
    assert all(torch.equal(weights[k], loaded[k]) for k in weights)
    assert not again.network.training
    for name in ("recipe", "channels", "image_channels", "normalization", "painted", "offset"):
        assert getattr(again, name) == getattr(model, name), name
    assert (again.parameters, again.thickness) == (model.parameters, 2.5)
    assert again.provenance == model.provenance
    np.testing.assert_array_equal(again.thumbnail, model.thumbnail)
    assert again.save(tmp_path / "again.zip").read_bytes()  # and can be saved once more
    assert again.encoding.heads == model.encoding.heads


def test_a_model_without_a_picture(tmp_path: Path):
    assert load_model(make(thumbnail=None).save(tmp_path / "m.zip")).thumbnail is None


def test_the_file_is_data_that_others_can_read(saved: Path):
    with zipfile.ZipFile(saved) as archive:
        assert set(archive.namelist()) == {"model.json", "weights.safetensors", "thumbnail.png"}
        assert json.loads(archive.read("model.json"))["heads"][0]["name"] == "foreground"
        assert load_tensors(archive.read("weights.safetensors"))


def test_saving_over_a_model_replaces_it(saved: Path):
    make(parameters={"foreground": 0.7}).save(saved)
    assert load_model(saved).parameters == {"foreground": 0.7}
    assert [p.name for p in saved.parent.iterdir()] == ["model.zip"]


# ---- what cannot be written ---------------------------------------------------------------------


def test_a_failed_save_leaves_the_old_file(saved: Path):
    before = saved.read_bytes()
    with pytest.raises(TypeError):
        make(provenance={"image": object()}).save(saved)
    assert saved.read_bytes() == before
    assert [p.name for p in saved.parent.iterdir()] == ["model.zip"]


def test_a_failed_save_leaves_nothing_where_nothing_was(tmp_path: Path):
    with pytest.raises(TypeError):
        make(provenance={"image": object()}).save(tmp_path / "m.zip")
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Cannot write"):
        make().save(tmp_path / "file" / "m.zip")
    (tmp_path / "folder.zip").mkdir()
    with pytest.raises(InputError, match=r"folder\.zip"):
        make().save(tmp_path / "folder.zip")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.zip"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_folder_without_permission(tmp_path: Path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match="Cannot write"):
            make().save(tmp_path / "m.zip")
    finally:
        tmp_path.chmod(0o700)


# ---- what is no model ---------------------------------------------------------------------------


def test_truncated_anywhere(saved: Path):
    whole = saved.read_bytes()
    for n in [*range(0, len(whole), max(1, len(whole) // 40)), len(whole) - 1]:
        saved.write_bytes(whole[:n])
        with pytest.raises(InputError, match="is not a model of napari-scribe, or it is damaged"):
            load_model(saved)


def test_changed_bytes_are_noticed_or_harmless(saved: Path):
    whole = saved.read_bytes()
    rng = np.random.default_rng(0)
    weights = make().network.state_dict()
    for place in rng.integers(0, len(whole), 60):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        saved.write_bytes(damaged)
        try:
            model = load_model(saved)
        except InputError:
            continue
        assert all(torch.equal(v, weights[k]) for k, v in model.network.state_dict().items())


def test_random_bytes(tmp_path: Path):
    path = tmp_path / "m.zip"
    for seed in range(10):
        path.write_bytes(np.random.default_rng(seed).bytes(1000 * seed))
        with pytest.raises(InputError, match="not a model") as said:
            load_model(path)
        assert "Bad" not in str(said.value) and said.value.__cause__ is not None


def test_a_foreign_zip(tmp_path: Path):
    for name, content in [("a.txt", "hello"), ("model.json", "{}"), ("model.json", "[1]")]:
        path = tmp_path / "m.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, content)
        with pytest.raises(InputError, match="not a model"):
            load_model(path)


def test_a_damaged_packed_member(tmp_path: Path):
    path = tmp_path / "m.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.json", json.dumps({"format": "x" * 500, "n": list(range(500))}))
    data = bytearray(path.read_bytes())
    for place in range(45, 200, 5):
        damaged = bytearray(data)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="not a model"):
            load_model(path)


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_nothing_in_a_file_is_run(tmp_path: Path, saved: Path):
    proof = tmp_path / "proof"
    bomb = pickle.dumps(Bomb(proof))
    pickle.loads(bomb)
    assert proof.exists(), "the bomb works"
    proof.unlink()
    plain = tmp_path / "pickle.zip"
    plain.write_bytes(bomb)
    as_torch = tmp_path / "torch.zip"
    torch.save({"weights": Bomb(proof)}, as_torch)
    members = {"weights__safetensors": bomb, "model__json": bomb, "thumbnail__png": bomb}
    paths = [plain, as_torch]
    for name, data in members.items():
        paths.append(repacked(saved, **{name: data}).rename(tmp_path / f"{name}.zip"))
    for path in paths:
        with pytest.raises(InputError, match="not a model"):
            load_model(path)
    beside = repacked(saved, data__pkl=bomb)
    assert load_model(beside).channels == (0,)
    assert not proof.exists()


def test_a_newer_version_says_so(saved: Path):
    with pytest.raises(InputError, match=r"newer napari-scribe .* Upgrade to open it"):
        load_model(edited(saved, version=99))


KEYS = ["format", "version", "recipe", "channels", "image_channels", "normalization", "painted"]
KEYS += ["offset", "parameters", "provenance"]


@pytest.mark.parametrize("key", KEYS)
def test_missing_keys(saved: Path, key: str):
    with pytest.raises(InputError, match="not a model"):
        load_model(edited(saved, **{key: None}))


@pytest.mark.parametrize("part", ["model__json", "weights__safetensors"])
def test_missing_members(saved: Path, part: str):
    with pytest.raises(InputError, match="not a model"):
        load_model(repacked(saved, **{part: None}))


@pytest.mark.parametrize(
    "values",
    [
        {"version": "1"},
        {"recipe": 3},
        {"recipe": {"network": {"depth": 99}}},
        {"recipe": {"network": {"depth": 2, "width": 2}}},
        {"recipe": {"networks": {}}},
        {"channels": 1},
        {"channels": ["a"]},
        {"channels": [0, 1]},
        {"channels": []},
        {"image_channels": "two"},
        {"normalization": {"lower": 1}},
        {"normalization": {"low": "a"}},
        {"normalization": {"dtype": "colour"}},
        {"normalization": []},
        {"painted": ["x"]},
        {"offset": "x"},
        {"parameters": {"foreground": "high"}},
        {"parameters": [1]},
        {"provenance": "x"},
    ],
    ids=str,
)
def test_values_that_make_no_model(saved: Path, values: dict[str, Any]):
    with pytest.raises(InputError):
        load_model(edited(saved, **values))


def test_weights_of_another_network(saved: Path):
    weights = make().network.state_dict()
    name = next(iter(weights))
    wrong = [
        {k: v for k, v in weights.items() if k != name},
        {**weights, "more": torch.zeros(2)},
        {**weights, name: torch.zeros(3, 3)},
        {},
    ]
    for tensors in wrong:
        path = repacked(saved, weights__safetensors=save_tensors(tensors))
        with pytest.raises(InputError, match="not a model"):
            load_model(path)


@pytest.mark.parametrize("content", [b"", b"junk", b"\x89PNG\r\n\x1a\n" + bytes(50)])
def test_a_picture_that_is_none(saved: Path, content: bytes):
    with pytest.raises(InputError, match="not a model"):
        load_model(repacked(saved, thumbnail__png=content))


def test_a_damaged_picture(saved: Path):
    with zipfile.ZipFile(saved) as archive:
        picture = archive.read("thumbnail.png")
    for place in range(0, len(picture), max(1, len(picture) // 60)):
        damaged = bytearray(picture)
        damaged[place] ^= 0xFF
        path = repacked(saved, thumbnail__png=bytes(damaged))
        try:
            load_model(path)
        except InputError:
            continue


# ---- finding ------------------------------------------------------------------------------------


def test_models_are_found_by_path_and_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NAPARI_SCRIBE_HOME", str(tmp_path / "home"))
    assert list_models() == []
    with pytest.raises(InputError, match=r"no model 'cells': give a file. .* none"):
        find_model("cells")
    for i, name in enumerate(["nuclei", "cells"]):
        path = make().save(model_folder() / f"{name}.zip")
        os.utime(path, (1000 + i, 1000 + i))
    (model_folder() / "not mounted.zip").symlink_to(tmp_path / "gone.zip")
    assert [p.stem for p in list_models()] == ["cells", "nuclei"]
    assert find_model("nuclei") == find_model("nuclei.zip") == model_folder() / "nuclei.zip"
    monkeypatch.chdir(tmp_path)
    here = make().save(tmp_path / "nuclei")
    assert find_model("nuclei").samefile(here)  # a file that exists comes first
    with pytest.raises(InputError, match="Models kept by name: cells, nuclei"):
        find_model("nucleus")
    for path in ("elsewhere/nuclei", "nucleus.zip", "nuclei.tif"):
        with pytest.raises(InputError, match=f"no model '{path}': that file does not exist"):
            find_model(path)
    with pytest.raises(InputError, match=r"no model .*: it is a folder"):
        load_model(tmp_path)


# ---- channels -----------------------------------------------------------------------------------


def test_which_channels_go_in():
    model = make(n_channels=2, channels=(2, 0), image_channels=3)
    image = np.zeros((5, 8, 8))
    assert model.channels_for(Image(image[:3], "CYX")) == (2, 0)
    assert model.channels_for(Image(image[:2], "CYX")) == (0, 1)
    with pytest.raises(InputError, match=r"cells has 5 channels, but .* 3 channels and uses 2"):
        model.channels_for(Image(image, "CYX", name="cells"))
    with pytest.raises(InputError, match="has 1 channel, but"):
        model.channels_for(Image(image[0]))


def test_chosen_channels():
    image = Image(np.zeros((3, 8, 8)), "CYX", name="cells")
    assert as_tuple(None, image) == (0, 1, 2)
    assert as_tuple([2, 0], image) == (2, 0)
    for wrong in ([], [3], [-1], [0, 9]):
        with pytest.raises(InputError, match="cells has channels 0 to 2"):
            as_tuple(wrong, image)
    with pytest.raises(InputError, match="has one channel only"):
        as_tuple([1], Image(np.zeros((8, 8))))


def test_saving_is_deterministic():
    def data() -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            make()._write(archive)
        with zipfile.ZipFile(buffer) as archive:
            return b"".join(archive.read(name) for name in archive.namelist())

    assert data() == data()

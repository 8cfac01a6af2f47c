"""Kept models, settings, and what is said of them."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_scribe.errors import InputError
from napari_scribe.image import Image
from napari_scribe.io import model_file
from napari_scribe.io.model_folder import list_models, model_folder, new_model_path
from napari_scribe.model import load_model
from napari_scribe.plugin.model_library import (
    dimensions_of,
    duration,
    in_words,
    size_in_words,
    task_of,
)
from napari_scribe.plugin.settings import recall, remember
from napari_scribe.user_folder import home


def test_each_model_gets_a_file_of_its_own() -> None:
    model_folder().mkdir(parents=True)
    for name in ("my cells- ch-0 objects", "my cells- ch-0 objects (2)"):
        path = new_model_path("my cells: ch/0", "objects")
        assert path == model_folder() / f"{name}.zip"
        path.touch()
    assert new_model_path("my cells- ch-0 objects (2)").stem == "my cells- ch-0 objects (3)"
    assert new_model_path("...").stem == "model"
    assert new_model_path("c96109cbebcf206f20035cbde414e438", "objects").stem == "c96109 objects"


def test_models_are_listed_newest_first() -> None:
    model_folder().mkdir(parents=True)
    for i, name in enumerate(("a.zip", "b.zip", "c.txt")):
        (model_folder() / name).touch()
        os.utime(model_folder() / name, (i, i))
    assert list_models() == [model_folder() / "b.zip", model_folder() / "a.zip"]


@pytest.mark.parametrize("content", [b"", b"no zip", None])
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "thing.zip"
    if content is None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("model.json", json.dumps({"format": "other"}))
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"thing\.zip is not a model of napari-scribe"):
        in_words(path)


DESCRIPTION: dict[str, Any] = {
    "format": "napari-scribe model",
    "version": 1,
    "recipe": {"target": {"kind": "objects"}, "network": {"dimensions": 2}},
    "channels": [0],
    "image_channels": 1,
    "provenance": {"images": [{"name": "cells"}], "steps": 3, "seconds": 2.0},
}


def describe(path: Path, **changes: Any) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.json", json.dumps({**DESCRIPTION, **changes}))
    return path


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("version", "one"),
        ("recipe", {"network": {"kind": "unet"}}),
        ("recipe", {"target": "objects", "network": {"dimensions": 2}}),
        ("recipe", {"target": {"kind": []}, "network": {"dimensions": 2}}),
        ("channels", 1),
        ("image_channels", [1]),
        ("provenance", None),
        ("provenance", {"images": ["cells"]}),
        ("provenance", {"seconds": "long"}),
    ],
)
def test_a_model_of_another_shape_is_refused(tmp_path: Path, part: str, value: Any) -> None:
    assert "Trained on cells, 3 steps" in in_words(describe(tmp_path / "mine.zip"))
    path = describe(tmp_path / "other.zip", **{part: value})
    with pytest.raises(InputError, match=r"other\.zip is not a model of napari-scribe"):
        in_words(path)


def test_tasks_are_told_apart(tmp_path: Path) -> None:
    recipe = {"target": {"kind": "denoised"}, "network": {"dimensions": 2}}
    path = describe(tmp_path / "quiet.zip", recipe=recipe)
    assert task_of(path) == "denoised"
    assert in_words(path).startswith("Denoiser, 2D, 1 channel. Trained on cells, 3 steps")
    assert task_of(describe(tmp_path / "mine.zip")) == "objects"
    assert task_of(describe(tmp_path / "new.zip", version=99)) == ""
    assert task_of(describe(tmp_path / "other.zip", recipe={"target": 3, "network": {}})) == ""


def test_a_newer_model_is_named_as_everywhere(tmp_path: Path) -> None:
    path = describe(tmp_path / "new.zip", version=99, recipe="of another kind")
    with pytest.raises(InputError, match="newer napari-scribe") as said:
        in_words(path)
    with pytest.raises(InputError) as said_by_core:
        load_model(path)
    assert str(said.value) == str(said_by_core.value)


@pytest.mark.parametrize(
    ("seconds", "words"), [(-1, "0 s"), (7.4, "7 s"), (61, "1:01 min"), (3700, "1:01 h")]
)
def test_times_are_short(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_model_with_a_card_says_what_it_is_for(tmp_path: Path) -> None:
    made = {**DESCRIPTION["provenance"], "card": {"for": "bright nuclei", "weak": "in the dark"}}
    said = in_words(describe(tmp_path / "mine.zip", provenance=made))
    assert said == "Objects, 2D, 1 channel. For bright nuclei."


@pytest.mark.parametrize("card", [["nuclei"], {"for": 3}, {"for": "x" * 2000}, {"x" * 40: "y"}])
def test_a_card_that_is_none(tmp_path: Path, card: object) -> None:
    with pytest.raises(InputError, match="is not a model"):
        in_words(describe(tmp_path / "mine.zip", provenance={"card": card}))


def test_an_image_in_words() -> None:
    image = Image(
        np.zeros((2, 30, 40)), "CYX", scale={"X": 0.5, "Y": 0.5}, units={"X": "micrometer"}
    )
    assert size_in_words(image) == "30 x 40 px, 2 channels, 0.5 \N{MICRO SIGN}m/px"
    assert size_in_words(Image(np.zeros((30, 40)))) == "30 x 40 px"


def test_settings_are_kept() -> None:
    assert recall("train") == {}
    remember("train", {"minutes": 3})
    remember("segment", {"tile": 64})
    assert recall("train") == {"minutes": 3}


@pytest.mark.parametrize("broken", ["", "[1]", '{"train": 3}', "{"])
def test_broken_settings_are_as_good_as_none(broken: str) -> None:
    (home() / "settings.json").write_text(broken)
    assert recall("train") == {}
    remember("train", {"minutes": 1})
    assert recall("train") == {"minutes": 1}


def test_a_model_is_opened_once_until_its_file_changes(model: Any, tmp_path: Path) -> None:
    path = model.save(tmp_path / "model.zip")
    model_file._summary.cache_clear()
    for _ in range(5):
        in_words(path)
        dimensions_of(path)
    assert model_file._summary.cache_info().misses == 1
    path.write_bytes(b"no zip")
    os.utime(path, (2e9, 2e9))
    with pytest.raises(InputError, match="is not a model"):
        in_words(path)

"""The commands `sample`, `presets` and `settings`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_scribe.inference.cost import cost_of
from napari_scribe.io import read_image, read_label_image
from napari_scribe.recipe import NETWORK_KINDS, PRESETS, Recipe
from napari_scribe.recipe.targets import TARGET_KINDS
from napari_scribe.samples import nuclei

Call = Callable[..., Any]


def test_a_sample_is_written_with_its_truth(tmp_path: Path, call: Call):
    done = call("sample", tmp_path / "new" / "a", "--side", 64, "--seed", 3)
    assert done.code == 0 and done.out.count(".tif: ") == 4
    folder, made = tmp_path / "new" / "a", nuclei((64, 64), seed=3)
    image = read_image(folder / "image.tif")
    assert image.axes == "YX" and image.scale == {"Y": 0.5, "X": 0.5}
    assert np.array_equal(image.data, made.image)
    for name in ("truth", "paint"):
        labels = read_label_image(folder / f"{name}.tif")
        assert np.array_equal(labels.data, getattr(made, name)), name
    mask = read_label_image(folder / "mask.tif")
    assert np.array_equal(mask.data, made.truth > 0)


def test_a_sample_can_be_a_volume(tmp_path: Path, call: Call):
    assert call("sample", tmp_path, "--side", 64, "--slices", 9).code == 0
    image = read_image(tmp_path / "image.tif")
    assert (image.axes, image.shape) == ("ZYX", (9, 64, 64))


@pytest.mark.parametrize("taken", ["image.tif", "mask.tif"])
def test_a_sample_replaces_nothing(tmp_path: Path, call: Call, taken: str):
    (tmp_path / taken).write_text("mine")
    done = call("sample", tmp_path)
    assert done.code == 2 and done.err.count("\n") == 1
    assert f"{taken} exists already" in done.err
    assert [path.name for path in tmp_path.iterdir()] == [taken]
    assert (tmp_path / taken).read_text() == "mine"


def test_every_setting_is_listed_those_of_other_kinds_too(call: Call):
    done = call("settings", "--preset", "fast")
    assert done.code == 0 and done.out == f"{Recipe.preset('fast')}\n"
    parts = {name: [getattr(Recipe(), name)] for name in Recipe.model_fields}
    parts["target"] = [kind() for kind in TARGET_KINDS.values()]
    parts["network"] = [kind() for kind in NETWORK_KINDS.values()]
    for name, kinds in parts.items():
        for key, field in ((k, f) for kind in kinds for k, f in type(kind).model_fields.items()):
            assert re.search(rf"^ *{name}\.{key} = ", done.out, re.MULTILINE), key
            assert (field.description or "").split(". ")[0][:20] in done.out
    assert "network.width = 8\n" in done.out
    assert max(map(len, done.out.splitlines())) <= 100


def test_presets_are_listed_with_what_they_cost(call: Call):
    done = call("presets")
    assert done.code == 0
    for name, preset in PRESETS.items():
        words = cost_of(Recipe.preset(name)).in_words()
        assert f"{name}: {preset.title}\n    {preset.when}\n    {words}\n" in done.out

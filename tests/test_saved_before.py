"""Models and recipes that version 0.1.0 saved load, and answer as they did then."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import napari_scribe as ns
from napari_scribe.recipe import parse_recipe

SAVED = Path(__file__).parent / "data" / "saved"
MODELS = sorted(path.stem for path in SAVED.glob("*.zip"))
FINGERPRINTS = {
    "classes": "ba548f7b0faeb883",
    "denoised": "f45de03fd083153e",
    "objects": "153d7104937335d9",
    "valid": "950207e5e0180c06",
    "volume": "5e722a4b5e2a7434",
}
RECIPES = json.loads((SAVED / "recipes.json").read_text())


@pytest.mark.parametrize("name", MODELS)
def test_a_saved_model_answers_as_before(name: str) -> None:
    model = ns.load_model(SAVED / f"{name}.zip")
    known = np.load(SAVED / f"{name}.npz")
    with torch.inference_mode():
        logits = model.network(torch.from_numpy(known["pixels"]))
    np.testing.assert_allclose(logits.numpy(), known["logits"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_a_saved_model_is_known_by_the_same_fingerprint(name: str) -> None:
    """Results that were begun with it can go on."""
    assert ns.load_model(SAVED / f"{name}.zip").fingerprint() == FINGERPRINTS[name]


@pytest.mark.parametrize("name", RECIPES)
def test_a_saved_recipe_says_the_same(name: str) -> None:
    saved = RECIPES[name]
    plain = parse_recipe(saved).model_dump()
    for part, values in saved.items():
        assert {key: plain[part][key] for key in values} == values


@pytest.mark.parametrize("name", ["objects", "volume"])
def test_a_saved_model_sees_images_as_they_are(name: str) -> None:
    assert ns.load_model(SAVED / f"{name}.zip").recipe.target.object_size == 0

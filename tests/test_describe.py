"""What is said of a model, in words."""

from __future__ import annotations

from typing import Any

import pytest

from napari_scribe.describe import describe_model, too_little_learnt
from napari_scribe.model import Model, build_network
from napari_scribe.normalization import Normalization
from napari_scribe.recipe import Recipe
from napari_scribe.targets import encoding_of

CUBE = {"dimensions": 3, "depth": 2, "width": 2}


@pytest.mark.parametrize(
    ("network", "depth", "sees"),
    [
        ({"depth": 2, "width": 2}, "depth 2,", "23 px to either side; halo 24 px, stride 4 px"),
        (CUBE, "depth 2,", "23 px to either side; halo 24 px, stride 4 px"),
        (
            {**CUBE, "flat_levels": 1},
            "depth 2, 1 of them flat,",
            "Z 9 Y 23 X 23 px to either side; halo Z 8 Y 24 X 24 px, stride Z 2 Y 4 X 4 px",
        ),
    ],
)
def test_how_far_a_model_sees(network: dict[str, Any], depth: str, sees: str):
    recipe = Recipe(network=network)
    model = Model(
        network=build_network(recipe, 1, encoding_of(recipe)),
        recipe=recipe,
        channels=(0,),
        image_channels=1,
        normalization=Normalization(),
    )
    said = describe_model(model)
    assert depth in said and f"  sees         {sees}" in said


def made(task: str = "objects", **provenance: Any) -> Model:
    recipe = Recipe(task=task, network={"depth": 2, "width": 2})
    return Model(
        network=build_network(recipe, 1, encoding_of(recipe, painted=(1, 2))),
        recipe=recipe,
        channels=(0,),
        image_channels=1,
        normalization=Normalization(),
        painted=(1, 2) if task == "classes" else (),
        provenance=provenance,
    )


@pytest.mark.parametrize("task", ["objects", "classes"])
@pytest.mark.parametrize(
    ("provenance", "said"),
    [
        ({"steps": 12}, "trained for 12 steps only, too few to judge"),
        ({"steps": 1, "first_loss": 1.2, "best_validation": 0.1}, "1 step only"),
        ({"steps": 30, "steps_before": 10}, "40 steps only"),
        ({"steps": 30, "steps_before": 400}, ""),
        ({"steps": 900, "first_loss": 1.2, "best_validation": 1.1}, "hardly learnt yet"),
        ({"steps": 900, "first_loss": 1.2, "best_validation": 0.5}, ""),
        ({"steps": 900, "first_loss": 1.2, "best_validation": None}, ""),
        ({"steps": 900, "best_validation": 1.1}, ""),
        ({}, ""),
        ({"steps": "many", "first_loss": [], "best_validation": float("nan")}, ""),
    ],
)
def test_what_has_learnt_too_little_says_so(task: str, provenance: dict[str, Any], said: str):
    word = too_little_learnt(made(task, **provenance))
    assert said in word and bool(said) == bool(word)

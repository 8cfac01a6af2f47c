"""Tasks and encodings: every kind of recipe has both."""

from __future__ import annotations

import pytest

from napari_scribe.errors import InputError
from napari_scribe.recipe import MAPS, Recipe
from napari_scribe.recipe.targets import TARGET_KINDS
from napari_scribe.targets import (
    ENCODINGS,
    TASKS,
    encoding_of,
    paint_encoding_of,
    savable_maps,
    task_of,
)


def test_every_target_has_a_task():
    assert TASKS.keys() == TARGET_KINDS.keys()
    assert all(task.name == name for name, task in TASKS.items())


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_an_encoding(name: str):
    recipe = Recipe(task=name)
    encoding = encoding_of(recipe, painted=(1, 2, 7), n_channels=3)
    task = task_of(recipe)
    assert encoding.task == task.name and isinstance(encoding, ENCODINGS[recipe.encoding])
    assert task.is_image == any(head.kind == "image" for head in encoding.heads)
    assert all(head.moves_with_pixels for head in encoding.heads)


def test_every_map_can_be_saved():
    objects = [n for n, encoding in ENCODINGS.items() if encoding.task == "objects"]
    recipes = [Recipe().changed({"target.encoding": name}) for name in objects]
    heads = [encoding_of(r).heads for r in (*recipes, Recipe(task="classes"))]
    assert {name for each in heads for name in savable_maps(each)} == set(MAPS)


def test_a_denoiser_does_not_learn_from_paint():
    with pytest.raises(InputError, match="learns from noisy pairs and not from paint"):
        paint_encoding_of(Recipe(task="denoised"))


def test_recipes_of_before_have_the_encoding_of_before():
    assert Recipe(target={"kind": "objects", "ring": 3}).encoding == "distance"
    assert Recipe(task="classes").encoding == "classes"

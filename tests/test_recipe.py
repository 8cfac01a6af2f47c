"""Recipes: defaults, bounds, changes, files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from napari_scribe.errors import InputError
from napari_scribe.recipe import (
    PRESETS,
    ClassesTarget,
    ObjectsTarget,
    Recipe,
    parse_recipe,
    read_recipe,
)


def fields(model: BaseModel, prefix: str = "") -> list[tuple[str, Any, Any]]:
    """Dotted name, field and value of every knob."""
    found = []
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            found += fields(value, f"{prefix}{name}.")
        else:
            found.append((prefix + name, field, value))
    return found


KNOBS = fields(Recipe())


def test_a_task_names_the_target():
    assert Recipe().task == "objects"
    assert Recipe(task="objects") == Recipe(target=ObjectsTarget())
    assert Recipe(task="classes") == Recipe(target=ClassesTarget())
    assert Recipe(task="objects", target={"ring": 7}).target == ObjectsTarget(ring=7)
    with pytest.raises(InputError, match="does not fit"):
        Recipe(task="colours")


def test_recipes_survive_json():
    recipe = Recipe(task="classes", network={"depth": 4, "padding": "valid"})
    assert parse_recipe(json.loads(json.dumps(recipe.model_dump()))) == recipe


@pytest.mark.parametrize("name", [n for n, field, _ in KNOBS if n.split(".")[-1] != "kind"])
def test_every_knob_says_what_it_is(name: str):
    field = next(f for n, f, _ in KNOBS if n == name)
    assert field.title and field.description.endswith(".")


@pytest.mark.parametrize("name", [n for n, _, _ in KNOBS])
def test_every_default_can_be_set_as_text(name: str):
    """As the command line does it: ``--set name=value``."""
    value = next(v for n, _, v in KNOBS if n == name)
    assert Recipe().changed({name: str(value)}) == Recipe()


def test_changes_are_converted_and_checked():
    recipe = Recipe().changed(
        {
            "network.width": "32",
            "network.dimensions": "3",
            "augmentation.flip": "false",
            "training.learning_rate": "1e-3",
            "target.ring": 0,
        }
    )
    assert (recipe.network.width, recipe.network.dimensions) == (32, 3)
    assert recipe.augmentation.flip is False
    assert recipe.training.learning_rate == 1e-3
    assert recipe.target == ObjectsTarget(ring=0, object_size=0)  # as the default is in 3D
    assert Recipe().changed({}) == Recipe()


@pytest.mark.parametrize("name", ["width", "network", "network.depht", "network.width.x", "", "."])
def test_unknown_names_are_refused_with_the_nearest_known_ones(name: str):
    near = r" Nearest: .*network.width" if len(name) > 1 else ""
    with pytest.raises(InputError, match=rf"no recipe value '{name}'.{near}.* To see all: napari-"):
        Recipe().changed({name: 1})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"network": {"widht": 3}}, "network.widht: there is no such value. Nearest: width"),
        ({"netwrok": {}}, "netwrok: there is no such value. Nearest: network."),
        ({"task": "denoised", "target": {"anealing": 3}}, "Nearest: annealing"),
        ({"network": {"kind": "fcn", "botom": 3}}, "Nearest: bottom"),
        ({"losses": {"bynary": "dice"}}, "Nearest: binary"),
        ({"network": {"zzz": 1}}, "network.zzz: there is no such value."),
    ],
)
def test_unknown_names_of_plain_values_too(values: Any, said: str):
    with pytest.raises(InputError, match=said):
        Recipe(**values)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("network.width", "many"),
        ("network.width", 1),
        ("network.depth", 0),
        ("network.dimensions", 4),
        ("network.padding", "mirror"),
        ("training.learning_rate", "nan"),
        ("training.learning_rate", "inf"),
        ("training.batch", 0),
        ("augmentation.scaling", "nan"),
        ("augmentation.noise", -0.1),
        ("target.ring", 1.5),
        ("tiling.tile", -1),
        ("training.seed", -1),
    ],
)
def test_values_out_of_bounds_are_refused(name: str, value: Any):
    with pytest.raises(InputError, match=f"The recipe does not fit: {name.split('.')[0]}") as said:
        Recipe().changed({name: value})
    assert name.split(".")[1] in str(said.value)


def test_flat_levels_are_for_volumes_and_within_the_depth():
    thick = {"network.dimensions": 3, "network.depth": 3, "network.flat_levels": "2"}
    assert Recipe().changed(thick).network.flat_levels == 2
    with pytest.raises(InputError, match=r"flat_levels.*at most the depth, which is 1"):
        Recipe().changed({**thick, "network.depth": 1})
    flat = {**thick, "network.dimensions": 2}
    assert Recipe().changed(flat).network == Recipe(network={"depth": 3}).network


def test_recipes_that_were_kept_before_there_were_flat_levels():
    old = {"dimensions": 3, "depth": 2, "width": 16, "padding": "same", "kind": "unet"}
    assert parse_recipe({"network": old}).network.flat_levels == 0


def test_recipes_do_not_change():
    recipe = Recipe()
    with pytest.raises(ValidationError):
        recipe.network.width = 3  # type: ignore[misc]
    recipe.changed({"network.width": 4})
    assert recipe == Recipe()


@pytest.mark.parametrize("values", [{"networks": {}}, {"network": {"wdith": 3}}, [], None, "x"])
def test_misspelt_recipes_are_refused(values: Any):
    with pytest.raises(InputError, match="The recipe does not fit"):
        parse_recipe(values)


def test_a_recipe_from_a_file(tmp_path: Path):
    path = tmp_path / "recipe.json"
    path.write_text('{"task": "classes", "network": {"width": 8}}')
    assert read_recipe(path) == Recipe(task="classes", network={"width": 8})


@pytest.mark.parametrize("content", ["", "[]", "{", "\x00\xff", '{"network": 3}'])
def test_a_file_that_holds_no_recipe(tmp_path: Path, content: str):
    path = tmp_path / "recipe.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=r"recipe"):
        read_recipe(path)


def test_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(InputError, match="Cannot read the recipe"):
        read_recipe(tmp_path / "none.json")


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_recipe_and_says_when_to_take_it(name: str):
    preset, recipe = PRESETS[name], Recipe.preset(name)
    plain = recipe.model_dump()
    for dotted, value in preset.values.items():
        part, key = dotted.split(".")
        assert plain[part][key] == value, dotted
    assert parse_recipe(plain) == recipe
    assert preset.title and preset.when.endswith(".") and "\n" not in preset.when


def test_the_first_preset_is_the_default():
    assert Recipe.preset(next(iter(PRESETS))) == Recipe()


def test_an_unknown_preset_is_answered_with_all_names():
    with pytest.raises(InputError, match=r"There is no preset 'unet2014': choose from .*volume"):
        Recipe.preset("unet2014")


def test_recipes_saved_before_there_was_an_object_size_leave_images_as_they_are(
    tmp_path: Path,
) -> None:
    whole = {"kind": "objects", "ring": 4, "unpainted": 0.01, "border_weight": 1.0}
    whole |= {"border_sigma": 3.0}
    path = tmp_path / "recipe.json"
    for target, size in (
        (whole, 0),
        ({**whole, "object_size": 30}, 30),
        ({"ring": 4, "border_sigma": 3.0}, 24),
    ):
        path.write_text(json.dumps({"target": target}))
        assert read_recipe(path).target.object_size == size


def test_chosen_settings_of_objects_do_not_change_the_object_size() -> None:
    values = {"ring": 2, "unpainted": 0.1, "border_weight": 2.0, "border_sigma": 2.0}
    changed = Recipe().changed({f"target.{name}": value for name, value in values.items()})
    assert changed.target.object_size == 24
    assert Recipe(target={"kind": "objects", **values}).target.object_size == 24


def test_no_object_size_is_0() -> None:
    assert Recipe(target={"object_size": None}).target.object_size == 0
    assert Recipe(network={"dimensions": 3}).target.object_size == 0
    assert Recipe(task="classes", network={"dimensions": 3}).task == "classes"

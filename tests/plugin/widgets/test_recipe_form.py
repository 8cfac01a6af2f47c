"""A recipe as a form, and back."""

from __future__ import annotations

from typing import Any

import pytest

from napari_scribe.plugin.widgets.recipe_form import DENOISER_SECTIONS, RecipeForm
from napari_scribe.recipe import Recipe

pytestmark = pytest.mark.usefixtures("qapp")


def test_an_untouched_form_is_the_default_recipe() -> None:
    assert RecipeForm().value("objects") == Recipe()
    assert RecipeForm().value("classes") == Recipe(task="classes")


def test_volumes_have_defaults_of_their_own() -> None:
    form = RecipeForm()
    form.set_changes({"network.width": 8})
    form.set_dimensions(3)
    assert form.value("objects") == Recipe().changed({"network.dimensions": 3, "network.width": 8})
    assert form.parts["training"]["patch"].value == 48
    form.set_dimensions(2)
    assert form.value("objects") == Recipe().changed({"network.width": 8})


def test_a_recipe_goes_there_and_back() -> None:
    changes = {
        "network.width": 32,
        "network.padding": "valid",
        "target.ring": 7,
        "training.learning_rate": 0.0003,
        "training.weight_decay": 0.025,
        "augmentation.flip": False,
        "augmentation.contrast": 1.25,
    }
    recipe = Recipe().changed(changes)
    form = RecipeForm()
    form.set_value(recipe)
    assert form.value("objects") == recipe
    assert form.changes() == changes
    again = RecipeForm()
    again.set_changes(form.changes())
    assert again.value("objects") == recipe
    again.set_changes({})
    assert again.value("objects") == Recipe()


def test_small_numbers_are_not_rounded_away() -> None:
    form = RecipeForm()
    widget = form.parts["training"]["learning_rate"]
    widget.value = 0.0002
    assert form.value("objects").training.learning_rate == 0.0002
    assert widget.native.text() != "0.00"


def test_a_denoiser_is_not_asked_about_classes() -> None:
    asked = RecipeForm("denoised", DENOISER_SECTIONS).parts["training"]
    assert set(RecipeForm().parts["training"]) - set(asked) == {"balance"}
    assert not any("paint" in widget.tooltip for widget in asked.values())


def test_fields_say_what_the_recipe_says() -> None:
    form = RecipeForm()
    ring = form.parts["target"]["ring"]
    assert ring.label == "Ring of background (px)"
    assert "counts as background" in ring.tooltip
    assert (ring.min, ring.max) == (0, 50)
    assert form.parts["network"]["padding"].choices == ("same", "valid")
    assert "kind" not in form.parts["network"]


def test_every_value_of_the_form_is_within_the_recipe_s_bounds() -> None:
    form = RecipeForm()
    for ends in ("min", "max"):
        for widgets in form.parts.values():
            for widget in widgets.values():
                if hasattr(widget, ends):
                    widget.value = getattr(widget, ends)
        form.value("objects")


@pytest.mark.parametrize("old", [{"training.patch": "wide"}, {"training.gone": 3}, {"x": None}])
def test_settings_that_do_not_fit_any_more_are_left_out(old: dict[str, Any]) -> None:
    form = RecipeForm()
    form.set_changes({**old, "network.depth": 2})
    assert form.value("objects") == Recipe().changed({"network.depth": 2})

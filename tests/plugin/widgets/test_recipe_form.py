"""A recipe as a form, and back."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import Field

from napari_scribe.plugin.jobs.training import changes_of_recipe
from napari_scribe.plugin.widgets.recipe_form import DENOISER_SECTIONS, RecipeForm
from napari_scribe.plugin.widgets.training_settings import TrainingSettings
from napari_scribe.recipe import NETWORK_KINDS, NetworkPart, Recipe
from napari_scribe.targets import ENCODINGS

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


@pytest.mark.parametrize(
    ("chosen", "in_volumes", "again"),
    [
        ("bilinear", "trilinear", "bilinear"),
        ("bicubic", "trilinear", "bilinear"),
        ("nearest", "nearest", "nearest"),
    ],
)
def test_interpolation_is_that_of_the_dimensions(chosen: str, in_volumes: str, again: str) -> None:
    form = RecipeForm()
    form.changed.connect(lambda: form.value("objects"))  # at no time does it not fit
    form.parts["network"]["upsampling"].value = chosen
    form.set_dimensions(3)
    assert form.value("objects").network.upsampling == in_volumes
    form.set_dimensions(2)
    assert form.value("objects").network.upsampling == again


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
    of_paint = {"balance", "replay", "keep_replay", "corrections"}
    assert set(RecipeForm().parts["training"]) - set(asked) == of_paint
    assert not any("paint" in widget.tooltip for widget in asked.values())


def test_fields_say_what_the_recipe_says() -> None:
    form = RecipeForm()
    ring = form.parts["target"]["ring"]
    assert ring.label == "Ring of background (px)"
    assert "counts as background" in ring.tooltip
    assert (ring.min, ring.max) == (0, 50)
    assert form.parts["network"]["padding"].choices == ("same", "valid", "full")
    assert "kind" not in form.parts["network"]


def test_losses_are_chosen_from_a_list() -> None:
    form = RecipeForm()
    losses = form.parts["losses"]
    assert losses["distance"].choices == ("l1", "l2", "smooth_l1")
    assert "generalised_dice" in losses["categorical"].choices
    form.set_changes({"losses.binary": "tversky", "losses.tversky_beta": 0.9, "losses.distance": 7})
    recipe = Recipe().changed({"losses.binary": "tversky", "losses.tversky_beta": 0.9})
    assert form.value("objects") == recipe
    own = Recipe().changed({"losses.binary": "my_own"})
    form.set_value(own)
    assert form.value("objects") == own


def test_encodings_are_chosen_from_a_list() -> None:
    form = RecipeForm()
    encoding = form.parts["target"]["encoding"]
    names = [name for name, encoding in ENCODINGS.items() if encoding.task == "objects"]
    assert sorted(encoding.choices) == sorted(names)
    encoding.value = "affinities"
    form.parts["target"]["long_range"].value = False
    changes = {"target.encoding": "affinities", "target.long_range": False}
    assert form.value("objects") == Recipe().changed(changes)
    assert form.value("classes") == Recipe(task="classes")


def test_another_kind_of_network_keeps_only_what_the_form_shows() -> None:
    form = RecipeForm()
    form.set_value(Recipe.preset("unet2015"))
    form.set_dimensions(3)
    assert form.value("objects").tiling == Recipe.preset("unet2015").tiling
    form.kind.value = "fusionnet"
    assert form.value("objects").tiling == Recipe().tiling
    assert form.parts["target"]["encoding"].value == "border"  # for all to see
    assert not any(name.startswith("tiling.") for name in form.changes())


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


class Plain(NetworkPart):
    """A network that halves nothing."""

    kind: Literal["plain"] = "plain"
    width: int = Field(8, ge=2, le=64, title="Width", description="Features.")
    reach: int = Field(3, ge=1, le=9, title="Reach", description="Pixels seen to either side.")

    @property
    def features(self) -> int:
        return self.width


def test_the_form_shows_the_fields_of_the_kind_that_is_chosen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(NETWORK_KINDS, "plain", Plain)
    form = RecipeForm()
    settings = TrainingSettings(form, ())
    settings.lay_out()
    form.set_changes({"network.width": 24, "network.depth": 2, "training.batch": 2})
    form.kind.value = "plain"
    assert list(form.parts["network"]) == ["width", "reach"]
    assert form.parts["network"]["width"].value == 24  # of the same name in both
    chosen = form.changes()
    assert chosen == {"network.kind": "plain", "network.width": 24, "training.batch": 2}
    assert form.value("objects") == Recipe().changed(chosen)
    assert not form.parts["network"]["reach"].native.isHidden()
    lines = {
        kind: [widget.native.parentWidget().isHidden() for widget in widgets.values()]
        for kind, widgets in form.networks.items()
    }
    assert not any(lines["plain"]) and all(lines["unet"])
    form.set_dimensions(3)
    assert form.value("objects").network == Plain(dimensions=3, width=24)
    form.set_dimensions(2)
    again = RecipeForm()
    again.set_value(form.value("objects"))
    assert again.changes() == chosen and again.kind.value == "plain"
    again.set_changes({"network.depth": 1})
    assert again.kind.value == "unet" and again.changes() == {"network.depth": 1}
    again.set_changes({"network.kind": "gone", "network.depth": 2})
    assert again.changes() == {"network.depth": 2}


def test_continue_asks_where_the_kind_of_network_is_another() -> None:
    recipes = Recipe(), Recipe(network=Plain())
    assert list(changes_of_recipe(*recipes, ("network",))) == [("network unet", "network plain")]


def test_networks_for_planes_are_not_offered_for_volumes() -> None:
    form = RecipeForm()
    form.kind.value = "fcn"
    form.parts["network"]["stride"].value = 16
    assert (
        form.value("classes").network
        == Recipe().changed({"network.kind": "fcn", "network.stride": 16}).network
    )
    form.set_dimensions(3)
    assert form.value("classes").network.kind == "unet" == form.kind.value
    assert list(form.kind.choices) == ["unet", "fusionnet", "residual_symmetric"]
    form.kind.value = "residual_symmetric"
    assert form.value("objects").network.dimensions == 3
    form.set_dimensions(2)
    assert "fcn" in form.kind.choices and form.kind.value == "residual_symmetric"

"""The presets in the dock: chosen, changed, remembered, and what their networks cost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_scribe.inference.cost import cost_of
from napari_scribe.plugin.widgets.preset_picker import PresetPicker
from napari_scribe.plugin.widgets.recipe_form import DENOISER_SECTIONS, RecipeForm
from napari_scribe.plugin.widgets.training_settings import TrainingSettings
from napari_scribe.recipe import PRESETS, Preset, Recipe

pytestmark = pytest.mark.usefixtures("qapp")


def settings(*, has_z: bool = False, task: str = "objects") -> TrainingSettings:
    sections = [DENOISER_SECTIONS] if task == "denoised" else []
    made = TrainingSettings(RecipeForm(task, *sections), ())
    made.lay_out()
    made.show_depth(has_z)
    return made


def choose(picker: PresetPicker, name: str) -> None:
    """As a click in the list does."""
    index = picker.combo.findData(name)
    picker.combo.setCurrentIndex(index)
    picker.combo.activated.emit(index)


def change(form: RecipeForm, field: str, value: object) -> None:
    form.parts["network"][field].value = value


def test_every_preset_fills_in_its_recipe_and_says_when_to_take_it() -> None:
    made = settings(has_z=True)
    for name, preset in [*PRESETS.items(), *reversed(PRESETS.items())]:
        choose(made.presets, name)
        assert made.recipe.value("objects") == Recipe.preset(name), name
        assert made.presets.combo.currentText() == preset.title
        assert made.presets.when.text() == preset.when
        assert made.presets.name == name
        dimensions = Recipe.preset(name).network.dimensions
        assert made.dimensions.value == dimensions


def test_a_changed_preset_says_so_and_can_be_chosen_anew() -> None:
    made = settings()
    combo = made.presets.combo
    choose(made.presets, "large")
    change(made.recipe, "width", 31)
    assert combo.currentText() == "Large U-Net, changed"
    assert made.presets.when.text() == PRESETS["large"].when
    change(made.recipe, "width", 32)
    assert combo.currentText() == "Large U-Net"
    made.recipe.parts["augmentation"]["flip"].value = False
    assert combo.currentText() == "Large U-Net, changed"
    choose(made.presets, "large")
    assert made.recipe.value("objects") == Recipe.preset("large")
    assert [combo.itemData(i) for i in range(combo.count())] == list(PRESETS)
    assert combo.currentText() == "Large U-Net"


def test_what_is_like_another_preset_is_called_by_its_name() -> None:
    made = settings(has_z=True)
    change(made.recipe, "width", PRESETS["fast"].values["network.width"])
    assert made.presets.name == "fast"
    made.set_values({})
    made.dimensions.value = 3
    assert made.presets.combo.currentText() == "U-Net in 3D"
    change(made.recipe, "width", 31)
    assert made.presets.combo.currentText() == "U-Net in 3D, changed"
    made.dimensions.value = 2
    assert made.presets.combo.currentText() == "U-Net, changed"


def test_presets_for_volumes_are_greyed_out_where_there_is_no_z() -> None:
    made = settings()
    combo = made.presets.combo
    index = combo.findData("volume")
    assert combo.itemText(index) == "U-Net in 3D (needs Z)"
    assert "has no Z" in combo.itemData(index, Qt.ItemDataRole.ToolTipRole)
    chosen = []
    made.presets.chosen.connect(chosen.append)
    for _ in PRESETS:
        QTest.keyClick(combo, Qt.Key.Key_Down)
    flat = [name for name in PRESETS if Recipe.preset(name).network.dimensions == 2]
    assert set(chosen) == set(flat[1:])
    assert made.recipe.value("objects").network.dimensions == 2
    made.show_depth(True)
    choose(made.presets, "volume")
    made.show_depth(False)  # another image
    assert made.recipe.value("objects") == Recipe()
    assert made.presets.combo.currentText() == "U-Net"


def test_what_is_chosen_is_remembered_as_plain_values_and_reset() -> None:
    made = settings()
    choose(made.presets, "large")
    change(made.recipe, "depth", 5)
    kept = json.loads(json.dumps(made.values()))
    again = settings()
    again.set_values(kept)
    assert again.presets.combo.currentText() == "Large U-Net, changed"
    assert again.recipe.value("objects") == made.recipe.value("objects")
    again.set_values({})
    assert again.presets.combo.currentText() == "U-Net"
    assert again.recipe.value("objects") == Recipe()


@pytest.mark.parametrize("old", ["gone", 3, None, "", []])
def test_a_preset_that_is_gone_leaves_the_values(old: Any) -> None:
    made = settings()
    made.set_values({"preset": old, "recipe": {"network.depth": 5}})
    assert made.presets.combo.currentText() == "U-Net, changed"
    assert made.recipe.changes() == {"network.depth": 5}


def test_what_the_form_does_not_ask_for_comes_with_the_preset(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = {"target.encoding": "another", "target.ring": 2, "tiling.tile": 64}
    monkeypatch.setitem(PRESETS, "own", Preset("Own", "For a test.", values))
    made = settings()
    choose(made.presets, "own")
    assert made.recipe.value("objects") == Recipe().changed(values)
    assert made.recipe.value("classes") == Recipe(task="classes").changed({"tiling.tile": 64})
    made.show_depth(True)
    made.dimensions.value = 3
    assert made.recipe.value("objects").encoding == "another"
    made.dimensions.value = 2
    again = settings()
    again.set_values(json.loads(json.dumps(made.values())))
    assert again.presets.combo.currentText() == "Own"
    assert again.recipe.value("objects") == Recipe().changed(values)
    copied = RecipeForm()
    copied.set_value(again.recipe.value("objects"))
    assert copied.changes() == values
    choose(made.presets, "unet")
    assert made.recipe.value("objects") == Recipe()


def test_the_costs_follow_the_form(qtbot: Any) -> None:
    made = settings()
    picker = made.presets
    assert not picker.costs.text()  # nobody sees them: nothing is counted
    made.resize(300, 500)
    made.expand()
    made.folds["network"].expand()
    made.show()
    qtbot.addWidget(made)

    def until(recipe: Recipe) -> None:
        words = cost_of(recipe).in_words()
        qtbot.waitUntil(lambda: picker.costs.text() == words)

    until(Recipe())
    choose(picker, "large")
    until(Recipe.preset("large"))
    change(made.recipe, "depth", 2)
    until(Recipe.preset("large").changed({"network.depth": 2}))
    picker.set_place(is_from_model=True)
    assert "model to start from" in picker.costs.text()
    assert not picker.combo.isEnabled() and not picker.when.text()
    picker.set_place(is_from_model=False)
    until(Recipe.preset("large").changed({"network.depth": 2}))


def test_it_is_as_narrow_as_the_dock(qtbot: Any) -> None:
    """Nothing is cut off at the right, however long a choice is."""
    made = settings()
    made.expand()
    for fold in made.folds.values():
        fold.expand()
    made.show()
    qtbot.addWidget(made)
    made.resize(1, 500)  # as narrow as it can be
    assert made.width() < 300


def test_a_denoiser_has_costs_and_no_presets(qtbot: Any) -> None:
    made = settings(task="denoised")
    assert made.values()["preset"] == ""
    made.expand()
    made.folds["network"].expand()
    made.show()
    qtbot.addWidget(made)
    assert not made.presets.combo.isVisible()
    words = cost_of(Recipe(task="denoised")).in_words()
    qtbot.waitUntil(lambda: made.presets.costs.text() == words)

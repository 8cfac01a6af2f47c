"""Presets in the Train dock, from the choice to the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from napari_scribe.plugin.train.dock import TrainDock
from napari_scribe.recipe import Recipe


def choose(dock: Any, name: str) -> None:
    """As a click in the list does."""
    combo = dock.form.more.presets.combo
    index = combo.findData(name)
    assert combo.model().item(index).isEnabled()
    combo.setCurrentIndex(index)
    combo.activated.emit(index)


def test_a_preset_is_chosen_changed_trained_and_remembered(
    docks: Callable[[type], Any], qtbot: Any
) -> None:
    dock = docks(TrainDock)
    choose(dock, "fast")
    small = {"network.depth": 1, "training.patch": 32, "training.batch": 1}
    for name, value in small.items():
        part, field = name.split(".")
        dock.form.more.recipe.parts[part][field].value = value
    recipe = Recipe.preset("fast").changed(small)
    assert dock.form.value().recipe == recipe
    steps: list[Any] = []
    dock.runner.record.connect(steps.append)
    dock.train()
    qtbot.waitUntil(lambda: bool(steps))
    dock.stop()
    qtbot.waitUntil(lambda: not dock.runner.is_running)
    assert dock.trained.model.recipe.network == recipe.network

    other = docks(TrainDock)
    assert other.form.more.presets.combo.currentText() == "Small U-Net, changed"
    assert other.form.value().recipe == recipe
    other.form.more.start.set_value(dock.trained.path)
    assert not other.form.more.presets.combo.isEnabled()
    other.form.more.start.set_value(None)
    other.form.more.reset.click()
    assert other.form.more.presets.combo.currentText() == "U-Net"
    assert other.form.value().recipe == Recipe()
    assert docks(TrainDock).form.more.presets.combo.currentText() == "U-Net"

    choose(dock, "large")
    dock.go_on()
    assert dock.message.text.startswith("Go on with depth 1, width 8, as it was trained")
    dock.message.answers["Go on as it was"].click()
    dock.stop()
    qtbot.waitUntil(lambda: not dock.runner.is_running)
    assert dock.form.value().recipe.network == recipe.network


def test_a_preset_for_volumes_makes_z_depth(docks: Callable[[type], Any], painted: Any) -> None:
    dock = docks(TrainDock)
    combo = dock.form.more.presets.combo
    assert combo.itemText(combo.findData("volume")) == "U-Net in 3D (needs Z)"
    volume = painted.add_image(np.zeros((8, 40, 40), np.uint8), name="volume")
    dock.form.image.layer.value = volume
    dock.form.image.axes.setText("ZYX")
    dock.form.image.axes.editingFinished.emit()
    dock.form.new.click()
    choose(dock, "volume")
    assert dock.form.more.dimensions.value == 3
    assert dock.form.value().recipe == Recipe.preset("volume")
    dock.form.image.layer.value = painted.layers["nuclei"]
    assert not combo.model().item(combo.findData("volume")).isEnabled()
    assert dock.form.value().recipe.network.dimensions == 2

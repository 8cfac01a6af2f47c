"""Ask for what every training has good defaults for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from magicgui.widgets import ComboBox, FloatSpinBox, Widget
from qtpy.QtWidgets import QWidget

from ...recipe import PRESETS, Recipe
from .basics import Fold, NamedPart, button, named, row
from .model_picker import ModelPicker
from .preset_picker import PresetPicker
from .recipe_form import RecipeForm
from .settings_fold import WIDTH, SettingsFold

FIELD_WIDTH = 126
"""Width of the names of a recipe's fields, in pixels."""


class TrainingSettings(SettingsFold):
    """Ask, folded away, for what every training has good defaults for.

    Parameters
    ----------
    recipe
        The form of its recipe.
    tasks
        Tasks of the models to start from.
    """

    def __init__(self, recipe: RecipeForm, tasks: Collection[str]) -> None:
        super().__init__()
        self.recipe = recipe
        self.minutes = FloatSpinBox(value=2.0, min=0, max=100_000, step=0.5)
        self.minutes.tooltip = "Minutes of training; 0: until you press Stop"
        self.minutes.native.setDecimals(1)
        self.minutes.native.setSuffix(" min")
        self.minutes.native.setSpecialValueText("until Stop")
        self.minutes.native.setMinimumWidth(100)
        tip = "Nothing: a new network. A kept model: go on from what it knows"
        self.start = ModelPicker(none="nothing", tasks=tasks, tooltip=tip)
        self.dimensions = ComboBox(
            choices=[("a list of slices", 2), ("depth: a 3D network", 3)], value=2
        )
        self.dimensions.tooltip = "Whether slices are looked at one by one or together"
        self._depth = named("Z is", self.dimensions.native, WIDTH)
        self._has_z = False
        self.dimensions.changed.connect(self._show_dimensions)
        fitting = {n: p for n, p in PRESETS.items() if Recipe.preset(n).task == recipe.task}
        self.presets = PresetPicker(recipe, fitting, WIDTH)
        self.presets.chosen.connect(self._take_preset)
        self.start.changed.connect(self._on_start)
        self.folds = {name: Fold(title) for name, title in recipe.sections.items()}
        self.reset = button("Reset", "All settings back to their defaults", self._reset)
        self.remembers("minutes")

    def lay_out(self, *lines: QWidget) -> None:
        """Lay out lines between the model to start from and the device; below them the recipe."""
        for line in (
            NamedPart("Start from", self.start, WIDTH),
            self._depth,
            *lines,
            named("Device", self.device, WIDTH),
        ):
            self.addWidget(line)
        for name, fold in self.folds.items():
            if name == "network":
                self._lay_out_networks(fold)
            else:
                _add_fields(fold, self.recipe.parts[name])
            self.addWidget(fold)
        self.addWidget(row(1, self.reset))

    def _lay_out_networks(self, fold: Fold) -> None:
        """Add the fields of every kind of network, of which those of the chosen kind are shown."""
        fold.addWidget(self.presets)
        kind, networks = self.recipe.kind, self.recipe.networks
        fold.addWidget(NamedPart("Kind", kind.native, FIELD_WIDTH))
        fields = {name: _add_fields(fold, widgets) for name, widgets in networks.items()}

        def show(chosen: str) -> None:
            for name, rows in fields.items():
                for field in rows:
                    field.setVisible(name == chosen)

        kind.changed.connect(show)
        show(str(kind.value))

    def show_depth(self, has_z: bool) -> None:
        """Ask what Z is where there is one."""
        self._has_z = has_z
        self._depth.setVisible(has_z)
        self._show_dimensions()
        self.presets.set_place(has_z=has_z)

    def _show_dimensions(self) -> None:
        """Show the defaults of 2D or 3D; an image without Z is 2D, whatever is chosen."""
        self.recipe.set_dimensions(int(self.dimensions.value) if self._has_z else 2)

    def _take_preset(self, name: str) -> None:
        recipe = Recipe.preset(name)
        if self._has_z:
            self.dimensions.value = recipe.network.dimensions
        self.recipe.set_value(recipe)

    def _on_start(self) -> None:
        self.presets.set_place(is_from_model=self.start.value() is not None)

    def values(self) -> dict[str, Any]:
        """Return what is remembered: all but the dimensions, which belong to an image."""
        recipe = {"recipe": self.recipe.changes(), "preset": self.presets.name}
        return {**super().values(), **recipe}

    def set_values(self, values: dict[str, Any]) -> None:
        """Fill in values; the default for what is missing or does not fit."""
        super().set_values(values)
        self.dimensions.value = 2
        changes = values.get("recipe")
        self.recipe.set_changes(changes if isinstance(changes, dict) else {})
        self.presets.recall(values.get("preset"))

    def _reset(self) -> None:
        """Fill in the defaults, and remember those."""
        self.set_values({})
        self.remember()


def _add_fields(fold: Fold, widgets: Mapping[str, Widget]) -> list[QWidget]:
    """Add a named line for each field of a part of a recipe, and return the lines."""
    rows = [
        (NamedPart if isinstance(widget, ComboBox) else named)(
            widget.label, widget.native, FIELD_WIDTH
        )
        for widget in widgets.values()
    ]
    for field in rows:
        fold.addWidget(field)
    return rows

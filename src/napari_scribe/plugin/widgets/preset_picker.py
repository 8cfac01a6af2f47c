"""Offer the presets of a recipe, and say what the network that is chosen costs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtGui import QShowEvent, QStandardItemModel
from qtpy.QtWidgets import QComboBox, QWidget

from ...errors import InputError
from ...recipe import Preset, Recipe
from ..jobs.mailbox import Mailbox
from ..jobs.torch_loader import load_torch, loading
from .basics import Hint, fill_column, named
from .inputs import narrow
from .recipe_form import RecipeForm

SETTLED = 100
"""Milliseconds without a change after which the costs are counted."""
TIP = "Settings that go well together. Choosing one sets all fields below; each can be changed then"
NEEDS_Z = "{} (needs Z)"
WHY_Z = "This image has no Z: open a volume, or write Z into the axes of the image."
CHANGED = "{}, changed"
OWN = "A network of your own"
FROM_MODEL = "The network is that of the model to start from."


class PresetPicker(QWidget):
    """Offer presets, say when to take the chosen one, and what its network costs.

    It follows the form of the recipe. Where that differs from every preset, the nearest one is
    shown as changed.

    Parameters
    ----------
    form
        The form of the recipe.
    presets
        Presets by name, the first one the default. With none of them, only the costs are shown.
    width
        Width of the name, in pixels.

    Attributes
    ----------
    name
        Of the preset that is shown, as it is or changed; empty where there is none like the form.

    Signals
    -------
    chosen
        The user has chosen the preset of this name.
    """

    chosen = Signal(str)

    def __init__(self, form: RecipeForm, presets: Mapping[str, Preset], width: int) -> None:
        super().__init__()
        self._form, self._presets = form, presets
        self._recipes = {name: Recipe.preset(name) for name in presets}
        self._recipe = form.default
        self.name = next(iter(presets), "")
        self._has_z = self._is_from_model = False
        self.combo = QComboBox()
        self.combo.setToolTip(TIP)
        narrow(self.combo)
        self.when, self.costs = Hint(), Hint()
        line = named("Preset", self.combo, width)
        fill_column(self, line, self.when, self.costs)
        line.setVisible(bool(presets))
        self._settle = QTimer(self, interval=SETTLED, singleShot=True)
        self._settle.timeout.connect(self._count)
        self._mailbox = Mailbox()
        self._mailbox.delivered.connect(self._show_costs)
        self.combo.activated.connect(self._on_activated)
        form.changed.connect(self.show_form)
        self.show_form()

    def recall(self, name: object) -> None:
        """Take a preset for the one that was chosen last, as far as the form is like it."""
        if isinstance(name, str) and name in self._presets:
            self.name = name
            self.show_form()

    def set_place(self, *, has_z: bool | None = None, is_from_model: bool | None = None) -> None:
        """Note whether the image has Z, and whether a model to start from brings its network."""
        if has_z is not None:
            self._has_z = has_z
        if is_from_model is not None:
            self._is_from_model = is_from_model
        self.show_form()

    def show_form(self) -> None:
        """Show which preset the form holds, and soon what its network costs."""
        self.combo.setEnabled(not self._is_from_model)
        try:
            self._recipe = self._form.value(self._form.task)
        except InputError as error:  # values that do not go together
            self._settle.stop()
            self.costs.setText(str(error))
            return
        network = self._recipe.network
        same = [name for name, recipe in self._recipes.items() if recipe == self._recipe]
        alike = [
            name
            for name, recipe in self._recipes.items()
            if type(recipe.network) is type(network)
            and recipe.network.dimensions == network.dimensions
        ]
        near = same or alike
        if self.name not in near:
            self.name = near[0] if near else ""
        self._list_presets(is_changed=not same)
        when = "" if self._is_from_model or not near else self._presets[self.name].when
        self.when.setText(when)
        if self._is_from_model:
            self.costs.setText(FROM_MODEL)
        self._settle.start()

    def showEvent(self, event: QShowEvent) -> None:
        """Count the costs when they are seen."""
        super().showEvent(event)
        self._settle.start()

    def _list_presets(self, is_changed: bool) -> None:
        """List the presets, the chosen one as it is or changed; grey out what needs Z."""
        self.combo.clear()
        for name, preset in self._presets.items():
            is_possible = self._has_z or self._recipes[name].network.dimensions == 2
            self.combo.addItem(preset.title if is_possible else NEEDS_Z.format(preset.title), name)
            item, last = self.combo.model(), self.combo.count() - 1
            assert isinstance(item, QStandardItemModel)
            item.item(last).setEnabled(is_possible)
            tip = preset.when if is_possible else WHY_Z
            self.combo.setItemData(last, tip, Qt.ItemDataRole.ToolTipRole)
        if is_changed:
            title = self._presets[self.name].title if self.name else ""
            self.combo.insertItem(0, CHANGED.format(title) if title else OWN, "")
        self.combo.setCurrentIndex(self.combo.findData("" if is_changed else self.name))

    def _on_activated(self, index: int) -> None:
        if name := self.combo.itemData(index):
            self.name = name
            self.chosen.emit(name)

    def _count(self) -> None:
        """Count the costs in a thread: torch is slow to load, and slow at the first count."""
        if self.isVisible() and not self._is_from_model:
            threading.Thread(target=_count, args=(self._recipe, self._mailbox.send)).start()

    def _show_costs(self, counted: tuple[Recipe, str]) -> None:
        recipe, words = counted
        if recipe == self._recipe and not self._is_from_model:
            self.costs.setText(words)


def _count(recipe: Recipe, tell: Callable[[object], None]) -> None:
    try:
        with loading:
            load_torch()
            from ...inference.cost import cost_of

            words = cost_of(recipe).in_words()
    except InputError as error:  # torch cannot be loaded
        words = str(error)
    tell((recipe, words))

"""Show a recipe as a form, and read it back."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any, cast

from annotated_types import Ge, Gt, Le, Lt
from magicgui.widgets import CheckBox, ComboBox, create_widget
from magicgui.widgets.bases import ValueWidget
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from qtpy.QtCore import QObject, QSignalBlocker, Signal

from ...errors import InputError
from ...recipe import NETWORK_KINDS, Recipe
from .inputs import narrow

FieldWidget = ValueWidget[Any]
"""The widget of a field: what kind of value it has is known to the recipe."""
SECTIONS = {
    "network": "Network",
    "target": "Objects",
    "training": "Training",
    "augmentation": "Augmentation",
    "losses": "Losses",
}
"""Parts of a recipe that are in the form, and what they are called there."""
DENOISER_SECTIONS = {"network": "Network", "target": "Loss", "training": "Training"}
"""The same for a denoiser."""
ELSEWHERE = {"kind", "dimensions", "loss"}
"""Fields that the docks ask for in another place."""
IN_OTHER_DIMENSIONS = {
    2: {"trilinear": "bilinear"},
    3: {"bilinear": "trilinear", "bicubic": "trilinear"},
}
"""Dimensions -> upsampling that they do not have -> what comes closest to it."""
OF_PAINT = {"balance", "replay", "keep_replay", "corrections"}
"""Fields that mean nothing to a denoiser."""


class RecipeForm(QObject):
    """Ask for the fields of a recipe's parts.

    Parameters
    ----------
    task
        The task that the defaults are for.
    sections
        Parts of the recipe that are in the form, and what they are called.

    Attributes
    ----------
    parts
        Part of the recipe -> field -> its widget.
    kind
        The kind of network.
    networks
        Kind of network -> field -> its widget; those of the chosen kind are in `parts`, too.

    Signals
    -------
    changed
        Something else is filled in, or other defaults hold.
    """

    changed = Signal()

    def __init__(self, task: str = "objects", sections: Mapping[str, str] = SECTIONS) -> None:
        super().__init__()
        self.task, self.sections = task, sections
        self._first = self.default = Recipe(task=task)
        hidden = ELSEWHERE | (OF_PAINT if task == "denoised" else set())
        self.parts = {name: part_widgets(getattr(self.default, name), hidden) for name in sections}
        chosen = self.default.network.kind
        self.kind = ComboBox(value=chosen, choices=self._kinds, tooltip="Kind of network")
        narrow(self.kind.native)
        self.networks = {
            kind: part_widgets(self._default(kind, 2).network, hidden) for kind in NETWORK_KINDS
        }
        self.parts["network"] = self.networks[chosen]
        self._unasked: dict[str, Any] = {}
        self.kind.changed.connect(lambda kind: self._show_defaults(kind, self._dimensions))
        others = [widgets for name, widgets in self.parts.items() if name != "network"]
        for widgets in (*self.networks.values(), *others):
            for widget in widgets.values():
                widget.changed.connect(self._tell)

    @property
    def _dimensions(self) -> int:
        return self.default.network.dimensions

    def _kinds(self, _widget: object = None) -> list[str]:
        """Return the kinds of network that there are in 2D or 3D."""
        return [k for k, p in NETWORK_KINDS.items() if self._dimensions in p.takes_dimensions]

    def _default(self, kind: str, dimensions: int) -> Recipe:
        return self._first.changed({"network.kind": kind, "network.dimensions": dimensions})

    def set_dimensions(self, dimensions: int) -> None:
        """Take the defaults of 2D or 3D; what differs from them stays."""
        if dimensions == self._dimensions:
            return
        if dimensions not in NETWORK_KINDS[str(self.kind.value)].takes_dimensions:
            self.kind.value = self._first.network.kind
        if (upsampling := self.parts["network"].get("upsampling")) is not None:
            with QSignalBlocker(self):
                closest = IN_OTHER_DIMENSIONS[dimensions]
                upsampling.value = closest.get(upsampling.value, upsampling.value)
        self._show_defaults(str(self.kind.value), dimensions)
        self.kind.reset_choices()

    def _show_defaults(self, kind: str, dimensions: int) -> None:
        """Take the defaults of a kind of network in 2D or 3D.

        What differs from them stays, but with another kind only what the form shows.
        """
        if kind != self.default.network.kind:
            self._unasked = {}
        changes = self._changed_fields()
        self.default = self._default(kind, dimensions)
        self.parts["network"] = self.networks[kind]
        self._fill_in(changes)

    def _tell(self) -> None:
        self.changed.emit()

    def value(self, task: str) -> Recipe:
        """Return the recipe as filled in.

        Raises
        ------
        InputError
            If values do not go together.
        """
        changes = {"network.dimensions": self._dimensions, **self.changes()}
        is_own = task == self._first.task
        fits = {k: v for k, v in changes.items() if is_own or "target." not in k}
        return Recipe(task=task).changed(fits)

    def set_value(self, recipe: Recipe) -> None:
        """Fill in the values of a recipe."""
        with QSignalBlocker(self):
            if recipe.network.kind in self.networks:
                self.kind.value = recipe.network.kind
            for name, widgets in self.parts.items():
                part = getattr(recipe, name)
                if type(part) is not type(getattr(self.default, name)):
                    continue
                for field, widget in widgets.items():
                    _fill(widget, getattr(part, field))
            self._unasked = self._without_widget(recipe)
        self._tell()

    def changes(self) -> dict[str, Any]:
        """Return the values that differ from the defaults, by dotted name."""
        kind = self.default.network.kind
        switch = {} if kind == self._first.network.kind else {"network.kind": kind}
        return {**switch, **self._changed_fields()}

    def _changed_fields(self) -> dict[str, Any]:
        filled_in = {
            f"{name}.{field}": widget.value
            for name, widgets in self.parts.items()
            for field, widget in widgets.items()
            if widget.value != getattr(getattr(self.default, name), field)
        }
        return {**self._unasked, **filled_in}

    def _without_widget(self, recipe: Recipe) -> dict[str, Any]:
        """Return the values that differ from the defaults and that nothing here asks for."""
        return {
            f"{name}.{field}": value
            for name, default in self.default
            if type(part := getattr(recipe, name)) is type(default)
            for field, value in part
            if field not in ELSEWHERE
            and field not in self.parts.get(name, ())
            and value != getattr(default, field)
        }

    def set_changes(self, changes: dict[str, Any]) -> None:
        """Fill in the defaults and what differs from them, as far as it still fits."""
        kind = changes.get("network.kind", self._first.network.kind)
        if kind in self.networks:
            self.kind.value = kind
        self._fill_in(changes)

    def _fill_in(self, changes: dict[str, Any]) -> None:
        with QSignalBlocker(self):
            self.set_value(self.default)
            for name, widgets in self.parts.items():
                for field, widget in widgets.items():
                    if f"{name}.{field}" in changes:
                        with suppress(TypeError, ValueError):
                            _fill(widget, changes[f"{name}.{field}"])
            for name, value in changes.items():
                with suppress(InputError):
                    self._unasked |= self._without_widget(self.default.changed({name: value}))
        self._tell()


def part_widgets(part: BaseModel, hidden: Collection[str]) -> dict[str, FieldWidget]:
    """Make a widget for each field of a part of a recipe."""
    fields = {k: f for k, f in type(part).model_fields.items() if k not in hidden}
    return {name: field_widget(name, field, getattr(part, name)) for name, field in fields.items()}


def field_widget(name: str, field: FieldInfo, value: object) -> FieldWidget:
    """Make the widget of a field, with the title, unit, bounds and description of the recipe."""
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    unit = f" ({extra['unit']})" if "unit" in extra else ""
    options: dict[str, Any] = {"tooltip": field.description}
    if isinstance(value, int | float) and field.annotation in (int, float):
        options |= _bounds(field, value)
    if field.examples:
        options |= {"choices": field.examples, "widget_type": ComboBox}
    widget = cast(
        FieldWidget,
        create_widget(
            value=value,
            annotation=field.annotation,
            name=name,
            label=f"{field.title or name}{unit}",
            options=options,
        ),
    )
    if isinstance(widget, CheckBox):
        widget.text = ""  # the label says it
    if isinstance(widget, ComboBox):
        narrow(widget.native)
    if isinstance(value, int | float) and field.annotation is float:
        finest = max(_decimals(number) for number in (options["step"], options["min"], value))
        widget.native.setDecimals(finest + 1)
        widget.value = value
    return widget


def _fill(widget: FieldWidget, value: object) -> None:
    """Set a value; a spin box would round what has more decimals than it shows."""
    is_name = widget.annotation is str and isinstance(value, str)
    if is_name and isinstance(widget, ComboBox) and value not in widget.choices:
        widget.choices = (*widget.choices, value)  # a loss or an encoding of the user's own
    if isinstance(value, float) and widget.annotation is float:
        widget.native.setDecimals(max(widget.native.decimals(), _decimals(value)))
    widget.value = value


def _bounds(field: FieldInfo, value: float) -> dict[str, float]:
    """Return the bounds of a field, and a step that suits the size of the default."""
    is_float = field.annotation is float
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 1) if value else 0.1
    least = step / 10 if is_float else 1
    low: Any = 0
    high: Any = 1_000_000
    for bound in field.metadata:
        if isinstance(bound, Ge):
            low = bound.ge
        elif isinstance(bound, Gt):
            low = cast(float, bound.gt) + least
        elif isinstance(bound, Le):
            high = bound.le
        elif isinstance(bound, Lt):
            high = cast(float, bound.lt) - least
    return {"min": low, "max": high, "step": step if is_float else max(1, round(step))}


def _decimals(value: float) -> int:
    """Return how many decimals a value needs, at most 8."""
    return next((n for n in range(8) if math.isclose(round(value, n), value)), 8)

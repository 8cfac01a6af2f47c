"""Ask, folded away, for what has good defaults, and remember it."""

from __future__ import annotations

from typing import Any, ClassVar

from ..settings import recall, remember
from .basics import Fold
from .device_picker import DevicePicker

WIDTH = 90
"""Width of the names, in pixels."""


class SettingsFold(Fold):
    """Ask, folded away, for what has good defaults; remember what was used last.

    Attributes
    ----------
    section
        The name under which the values are kept.
    has_device
        Whether a device is chosen.
    fields
        Widget and default of each setting that is remembered, by name.
    """

    section: ClassVar[str]
    has_device: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__("More settings")
        self.fields: dict[str, tuple[Any, Any]] = {}
        if self.has_device:
            self.device = DevicePicker()
            self.remembers("device")

    def remembers(self, *names: str) -> None:
        """Remember what the widgets of these names hold; their defaults are what they hold now."""
        widgets = {name: getattr(self, name) for name in names}
        self.fields |= {name: (widget, widget.value) for name, widget in widgets.items()}

    def values(self) -> dict[str, Any]:
        """Return what is remembered."""
        return {name: widget.value for name, (widget, _) in self.fields.items()}

    def set_values(self, values: dict[str, Any]) -> None:
        """Fill in values; the default for what is missing or does not fit."""
        for name, (widget, default) in self.fields.items():
            try:
                widget.value = values.get(name, default)
            except (TypeError, ValueError):
                widget.value = default

    def recall(self) -> None:
        """Fill in what was used last."""
        self.set_values(recall(self.section))

    def remember(self) -> None:
        """Keep the values for the next time."""
        remember(self.section, self.values())

"""On which device the arithmetic happens."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import ComboBox
from qtpy.QtWidgets import QVBoxLayout, QWidget

from ..jobs.torch_loader import found_devices
from .basics import hint

BEST = ("chosen for me", "")
GONE = "{} is not there any more: the device is chosen for you."


class DevicePicker(QWidget):
    """The devices that are there; which ones is known once torch is loaded.

    Until then what was chosen last is offered as well. Where it turns out to be gone, the best
    device takes its place, and a line says so.
    """

    def __init__(self) -> None:
        super().__init__()
        self._wanted = ""
        self.combo = ComboBox(choices=self._choices, nullable=False)
        self.combo.tooltip = "Where the arithmetic happens"
        self.setToolTip(self.combo.tooltip)
        self.hint = hint()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.combo.native)
        layout.addWidget(self.hint)
        self.combo.changed.connect(self._on_chosen)
        self.refresh()

    @property
    def value(self) -> str:
        """A name for torch; empty for the best."""
        return str(self.combo.value or "")

    @value.setter
    def value(self, wanted: Any) -> None:
        self._wanted = wanted if isinstance(wanted, str) else ""
        self.refresh()

    def refresh(self) -> None:
        """Offer what is known to be there by now."""
        there = found_devices()
        is_gone = bool(there) and self._wanted not in ("", *there)
        with self.combo.changed.blocked():
            self.combo.native.clear()  # magicgui would put new ones last
            self.combo.reset_choices()
            self.combo.value = "" if is_gone else self._wanted
        self.hint.setText(GONE.format(self._wanted) if is_gone else "")

    def showEvent(self, event: Any) -> None:
        """Look again whenever it comes up."""
        self.refresh()
        super().showEvent(event)

    def _on_chosen(self, value: str) -> None:
        self._wanted = value
        self.hint.setText("")

    def _choices(self, _widget: Any = None) -> list[tuple[str, str]]:
        names = found_devices() or list(dict.fromkeys(["cpu", self._wanted]))
        return [BEST, *((name, name) for name in names if name)]

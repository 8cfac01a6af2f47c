"""Ask on which device the arithmetic happens."""

from __future__ import annotations

from ..jobs.torch_loader import found_devices
from .basics import Column, Hint
from .inputs import Choice, refresh_when_seen

BEST = ("automatic", "")
DEVICE_TIP = "What computes: the processor (cpu) or a GPU. automatic: the fastest one that is there"
GONE = "{} is not there any more: the device is chosen for you."


class DevicePicker(Column):
    """Offer the devices that are there, which is known once torch is loaded.

    Until then, the device that was chosen last is offered as well. Where it turns out to be gone,
    the best device takes its place, and a line says so.
    """

    def __init__(self) -> None:
        self._wanted = ""
        self.combo = Choice(self._choices, DEVICE_TIP)
        self.hint = Hint()
        self.combo.changed.connect(self._on_chosen)
        super().__init__(self.combo, self.hint)
        self.tooltip = self.combo.tooltip
        refresh_when_seen(self, self.reset_choices)

    @property
    def value(self) -> str:
        """Return a name for torch; empty for the best."""
        return str(self.combo.value or "")

    @value.setter
    def value(self, wanted: object) -> None:
        self._wanted = wanted if isinstance(wanted, str) else ""
        self.reset_choices()

    def reset_choices(self, *_: object) -> None:
        """Offer the devices that are known to be there by now."""
        devices = found_devices()
        is_gone = bool(devices) and self._wanted not in ("", *devices)
        with self.combo.changed.blocked():
            self.combo.reset_choices()
            self.combo.value = "" if is_gone else self._wanted
        self.hint.setText(GONE.format(self._wanted) if is_gone else "")

    def _on_chosen(self, value: str) -> None:
        self._wanted = value
        self.hint.setText("")

    def _choices(self) -> list[tuple[str, str]]:
        names = found_devices() or list(dict.fromkeys(["cpu", self._wanted]))
        return [BEST, *((name, name) for name in names if name)]

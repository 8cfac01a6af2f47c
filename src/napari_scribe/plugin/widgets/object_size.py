"""Ask for the diameter of objects, and offer a circle of that size."""

from __future__ import annotations

from magicgui.widgets import CheckBox, FloatSpinBox

from .basics import Column, row

AUTOMATIC = 0.0
"""Value of the box where no size is chosen."""
LARGEST = 10_000
WIDTH = 120
"""Least width of the box, in pixels."""
CIRCLE_TIP = (
    "Draw a circle of this size in the middle of what is visible, to compare objects with, once a "
    "size is chosen or measured"
)


class ObjectSizePicker(Column):
    """Ask for the diameter of objects in an image; where none is chosen, show what was measured.

    Parameters
    ----------
    automatic
        What is shown where no size is chosen, such as "automatic".
    tooltip
        Which objects are meant, and what becomes of the size.
    """

    def __init__(self, automatic: str, tooltip: str) -> None:
        self._automatic = automatic
        self._measured: float | None = None
        self._before = AUTOMATIC
        self.box = FloatSpinBox(value=AUTOMATIC, min=0, max=LARGEST, step=1, tooltip=tooltip)
        self.box.native.setDecimals(1)
        self.box.native.setSuffix(" px")
        self.box.native.setMinimumWidth(WIDTH)
        self.box.native.setKeyboardTracking(False)  # half a number is no size
        self.circle = CheckBox(value=False, text="\N{WHITE CIRCLE}", tooltip=CIRCLE_TIP)
        super().__init__(row(self.box, self.circle, wide=0))
        self.box.changed.connect(self._on_box)
        self.circle.changed.connect(self._tell)
        self.show_measured(None)

    def value(self) -> float | None:
        """Return the diameter that is chosen, in pixels; None where none is."""
        chosen = float(self.box.value)
        return None if chosen == AUTOMATIC else chosen

    def set_value(self, diameter: float | None) -> None:
        """Choose a diameter; None for none."""
        self.box.value = AUTOMATIC if diameter is None else diameter

    def known(self) -> float | None:
        """Return the diameter that is chosen, else the one measured; None where there is none."""
        return self.value() or self._measured

    def drawn(self) -> float | None:
        """Return the diameter of the circle; None for no circle."""
        return self.known() if self.circle.value else None

    def show_measured(self, diameter: float | None) -> None:
        """Show the diameter that holds where none is chosen; None where it is not known."""
        if diameter == self._measured and self.box.native.specialValueText():
            return
        self._measured = diameter
        text = self._automatic if diameter is None else f"~ {diameter:.3g} px"
        self.box.native.setSpecialValueText(text)
        self._tell()

    def _on_box(self, value: float) -> None:
        """Let the first step up from no choice go to what was measured."""
        if self._before == AUTOMATIC and value == self.box.step and self._measured is not None:
            with self.box.changed.blocked():
                self.box.value = self._measured
        self._before = float(self.box.value)
        self._tell()

    def _tell(self) -> None:
        self.circle.enabled = self.known() is not None
        self.changed.emit(self)

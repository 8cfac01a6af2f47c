"""Names of units: files write many, the house writes one, which pint, napari and NGFF know."""

from __future__ import annotations

from typing import Any

_SYMBOLS = {
    "angstrom": "Å",
    "nanometer": "nm",
    "micrometer": "µm",
    "millimeter": "mm",
    "centimeter": "cm",
    "meter": "m",
    "inch": "in",
    "millisecond": "ms",
    "second": "s",
    "minute": "min",
    "hour": "h",
}
_NAMES = {symbol: name for name, symbol in _SYMBOLS.items()} | {
    "um": "micrometer",
    "\u03bcm": "micrometer",  # Greek mu, where the other one is the micro sign
    "\\u00b5m": "micrometer",  # as ImageJ writes it
    "micron": "micrometer",
    "microns": "micrometer",
    "micrometre": "micrometer",
    "nanometre": "nanometer",
    "millimetre": "millimeter",
    "sec": "second",
    "msec": "millisecond",
}
_MICROMETERS = {
    "angstrom": 1e-4,
    "nanometer": 1e-3,
    "micrometer": 1.0,
    "millimeter": 1e3,
    "centimeter": 1e4,
    "meter": 1e6,
    "inch": 25400.0,
}


_SENSIBLE = 1e-15, 1e15
"""Sizes beyond these are slips, in any unit."""


def size_of(value: Any) -> float:
    """Return the size that a file writes, as ``0.5``, ``0,5`` or a number; 0 where it is none."""
    try:
        size = float(value.replace(",", ".") if isinstance(value, str) else value)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    smallest, largest = _SENSIBLE
    return size if smallest < size < largest else 0.0


def full_name(unit: str) -> str:
    """``µm``, ``micron`` ... to ``micrometer``; empty for pixels and what is no unit."""
    unit = unit.strip()
    name = _NAMES.get(unit) or _NAMES.get(unit.lower()) or unit
    return name.lower() if name.lower() in _SYMBOLS else ""


def symbol(unit: str) -> str:
    """``micrometer`` to ``µm``; empty where unknown."""
    return _SYMBOLS.get(full_name(unit), "")


def in_micrometers(unit: str) -> float | None:
    """Length of a unit in micrometers; None where it is no length."""
    return _MICROMETERS.get(full_name(unit))

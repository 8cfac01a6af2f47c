"""Read units and sizes.

Files have many names for a unit. Here each unit has one: the full English name, which pint, napari
and NGFF know.
"""

from __future__ import annotations

import math

from ..image import Image

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
    "\u03bcm": "micrometer",  # Greek mu; the one above is the micro sign
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

SIZES = {"Z": "PhysicalSizeZ", "Y": "PhysicalSizeY", "X": "PhysicalSizeX", "T": "TimeIncrement"}
"""Axis letter -> attribute of OME-XML with the size of a pixel along it."""
_SENSIBLE = 1e-15, 1e15
"""Smallest and largest size that is not a mistake, in any unit."""


def size_of(value: object) -> float:
    """Return a size from ``0.5``, ``0,5`` or a number; 0 if it is no number or makes no sense."""
    try:
        number = value.replace(",", ".") if isinstance(value, str) else value
        size = float(number)  # type: ignore[arg-type]  # raises if it is no number
    except (TypeError, ValueError, OverflowError):
        return 0.0
    smallest, largest = _SENSIBLE
    return size if smallest < size < largest else 0.0


def full_name(unit: str) -> str:
    """Return ``micrometer`` for ``µm``, ``micron`` ...; empty for pixels and unknown units."""
    unit = unit.strip()
    name = _NAMES.get(unit) or _NAMES.get(unit.lower()) or unit
    return name.lower() if name.lower() in _SYMBOLS else ""


def symbol(unit: str) -> str:
    """Return ``µm`` for ``micrometer``; empty if the unit is unknown."""
    return _SYMBOLS.get(full_name(unit), "")


def in_micrometers(unit: str) -> float | None:
    """Return the length of a unit in micrometers; None if it is no unit of length."""
    return _MICROMETERS.get(full_name(unit))


def unclear(name: str, value: object) -> str:
    """Return the note on a size that was not understood."""
    return f"its {name} is {str(value)[:40]!r}, which is no size: it was left out."


def pixel_size(image: Image) -> float | None:
    """Return the side of a pixel in the plane, in µm; None if its unit is not known."""
    size = abs(image.scale.get("X", 1.0)) * (in_micrometers(image.units.get("X", "")) or 0.0)
    return size if 0 < size < math.inf else None

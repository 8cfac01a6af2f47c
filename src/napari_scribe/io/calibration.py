"""What a TIFF tells of the size of its pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

import tifffile

from .units import full_name, in_micrometers

Calibration = tuple[dict[str, float], dict[str, str], tuple[str, ...]]

_PRINT_MICROMETERS = 20
"""Plain resolution tags that tell of larger pixels are meant for printers (72 dpi: 353 µm)."""


def read_calibration(file: tifffile.TiffFile) -> Calibration:
    """Scale and units per axis letter, and names of channels, as far as a file tells."""
    if file.is_ome and file.ome_metadata:
        return _of_ome(file.ome_metadata)
    page = file.pages.first
    pixel = {a: _pixel(page, f"{a}Resolution") for a in "YX"}
    if file.is_imagej and file.imagej_metadata:
        return _of_imagej(file.imagej_metadata, pixel)
    unit = {2: "inch", 3: "centimeter"}.get(int(page.resolutionunit or 0), "")
    factor = in_micrometers(unit)
    scale = {a: v * factor for a, v in pixel.items() if v and factor}
    if any(v > _PRINT_MICROMETERS for v in scale.values()):
        scale = {}
    return scale, dict.fromkeys(scale, "micrometer"), ()


def _pixel(page: Any, tag: str) -> float:
    """Width of a pixel by a resolution tag, in that tag's unit; 0 where there is none."""
    value = page.tags.valueof(tag)
    numerator, denominator = value if isinstance(value, tuple) else (value or 0, 1)
    return float(denominator) / float(numerator) if numerator else 0.0


def _of_imagej(metadata: Mapping[str, Any], pixel: Mapping[str, float]) -> Calibration:
    unit = full_name(str(metadata.get("unit", "")))
    scale = {a: v for a, v in pixel.items() if v and unit}
    units = dict.fromkeys(scale, unit)
    if unit and metadata.get("spacing"):
        scale["Z"], units["Z"] = abs(float(metadata["spacing"])), unit
    if metadata.get("finterval"):
        scale["T"] = float(metadata["finterval"])
        units["T"] = full_name(str(metadata.get("tunit", "s"))) or "second"
    return scale, units, ()


def _of_ome(xml: str) -> Calibration:
    scale: dict[str, float] = {}
    units: dict[str, str] = {}
    pixels = next((e for e in ElementTree.fromstring(xml).iter() if _tag(e) == "Pixels"), None)
    if pixels is None:
        return scale, units, ()
    names = {a: f"PhysicalSize{a}" for a in "ZYX"} | {"T": "TimeIncrement"}
    for axis, name in names.items():
        value = float(pixels.get(name, 0))
        if value > 0 and math.isfinite(value):
            scale[axis] = value
            unit = full_name(pixels.get(f"{name}Unit", "s" if axis == "T" else "µm"))
            units |= {axis: unit} if unit else {}
    channels = tuple(e.get("Name", "") for e in pixels if _tag(e) == "Channel")
    return scale, units, channels if all(channels) else ()


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]

"""Read the size of pixels and the names of channels from a TIFF."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple
from xml.etree.ElementTree import Element, ParseError

from .tiff_ome import image_of, is_unread, tag
from .units import SIZES, full_name, in_micrometers, size_of, unclear

if TYPE_CHECKING:
    import tifffile


_PRINT_MICROMETERS = 20
"""Plain resolution tags with larger pixels are meant for printers (72 dpi: 353 µm)."""
_UNREADABLE = "its OME-XML is damaged: pixel sizes, channel names and axes of it were left out."


class Calibration(NamedTuple):
    """Hold scale and units per axis letter, names of channels, and notes on unclear values."""

    scale: dict[str, float]
    units: dict[str, str]
    channel_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_calibration(file: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> Calibration:
    """Return the calibration of one of the images in a file.

    A value that makes no sense is left out with a note, because the pixels are of use without it.
    """
    if file.is_ome and file.ome_metadata:
        try:
            image = image_of(file, series)
        except ParseError:
            return Calibration({}, {}, (), (_UNREADABLE,))
        return Calibration({}, {}) if image is None else _of_ome(image)
    if is_unread(file):
        return Calibration({}, {}, (), (_UNREADABLE,))
    page = series.keyframe
    pixel = {a: _pixel(page, f"{a}Resolution") for a in "YX"}
    if file.is_imagej and file.imagej_metadata:
        return _of_imagej(file.imagej_metadata, pixel)
    unit = {2: "inch", 3: "centimeter"}.get(int(page.resolutionunit or 0), "")
    factor = in_micrometers(unit)
    scale = {a: v * factor for a, v in pixel.items() if v and factor}
    if any(v > _PRINT_MICROMETERS for v in scale.values()):
        scale = {}
    return Calibration(scale, dict.fromkeys(scale, "micrometer"))


def _pixel(page: tifffile.TiffPage, name: str) -> float:
    """Return the width of a pixel that a resolution tag tells, in the tag's unit; 0 without it."""
    value = page.tags.valueof(name)
    numerator, denominator = value if isinstance(value, tuple) else (value, 1)
    n, d = size_of(numerator), size_of(denominator)
    return size_of(d / n) if n else 0.0


def _of_imagej(metadata: Mapping[str, object], pixel: Mapping[str, float]) -> Calibration:
    """Return the calibration of an ImageJ file, whose unit is that of its resolution tags."""
    unit = full_name(str(metadata.get("unit", "")))
    scale = {a: v for a, v in pixel.items() if v and unit}
    units = dict.fromkeys(scale, unit)
    notes = []
    if spacing := metadata.get("spacing"):
        depth = size_of(str(spacing).removeprefix("-"))  # negative if counted upward
        notes += [] if depth else [unclear("spacing", spacing)]
        if depth and unit:
            scale["Z"], units["Z"] = depth, unit
    if interval := metadata.get("finterval"):
        if duration := size_of(interval):
            scale["T"] = duration
            units["T"] = full_name(str(metadata.get("tunit", "s"))) or "second"
        else:
            notes.append(unclear("finterval", interval))
    return Calibration(scale, units, (), tuple(notes))


def _of_ome(image: Element) -> Calibration:
    """Return the calibration of an image that OME-XML describes."""
    scale: dict[str, float] = {}
    units: dict[str, str] = {}
    notes = []
    pixels = next((e for e in image.iter() if tag(e) == "Pixels"), None)
    if pixels is None:
        return Calibration(scale, units)
    for axis, name in SIZES.items():
        value = pixels.get(name, "0")
        if size := size_of(value):
            scale[axis] = size
            unit = full_name(pixels.get(f"{name}Unit", "s" if axis == "T" else "µm"))
            units |= {axis: unit} if unit else {}
        elif value.strip(" 0.,"):
            notes.append(unclear(name, value))
    channels = tuple(e.get("Name", "") for e in pixels if tag(e) == "Channel")
    return Calibration(scale, units, channels if all(channels) else (), tuple(notes))

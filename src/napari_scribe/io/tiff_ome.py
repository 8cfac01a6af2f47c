"""Read OME-XML: the images that it describes, and the files that hold them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from ..errors import InputError
from .tiff_damage import damage_found

if TYPE_CHECKING:
    import tifffile


_MOST_PLANES = 10_000_000
"""Largest number of planes that an image is taken to have. More are damage.

tifffile would make a list of all of them.
"""


def open_tiff(path: Path) -> tifffile.TiffFile:
    """Open a TIFF. If tifffile cannot use its OME-XML, the TIFF is opened as a plain one.

    Raises
    ------
    InputError
        If another file of the set is a pipe, a device or a folder, or there are too many planes.
    """
    import tifffile

    file = tifffile.TiffFile(path)
    try:
        _check_metadata(file, path)
        list(file.series)
    except InputError:
        file.close()
        raise
    except Exception:
        file.close()
        if not file.is_ome:
            raise
        return tifffile.TiffFile(path, is_ome=False)
    return file


def is_unread(file: tifffile.TiffFile) -> bool:
    """Return whether a file has OME-XML that tifffile did not use, because it is damaged."""
    return "<OME" in file.pages.first.description[:1000] and not file.is_ome


def images_in(xml: str) -> list[Element]:
    """Return the images that OME-XML describes.

    Raises
    ------
    ElementTree.ParseError
        If it is no XML.
    """
    return [e for e in ElementTree.fromstring(xml) if tag(e) == "Image"]


def image_of(file: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> Element | None:
    """Return the element of OME-XML that describes one of the images in a file.

    OME-XML may also describe images without pixels in the file. Then the name decides.

    Raises
    ------
    ElementTree.ParseError
        If it is no XML.
    """
    images = images_in(file.ome_metadata or "")
    if len(images) == len(file.series):
        return images[file.series.index(series)]
    return next((e for e in images if e.get("Name") == series.name), None)


def tag(element: Element) -> str:
    """Return the name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


def partners(image: Element) -> set[str]:
    """Return the names of the files that OME-XML gives for the planes of an image; may be none."""
    names = {e.get("FileName", "") for e in image.iter() if tag(e) == "UUID"}
    return names - {""}


def partners_of(path: Path) -> set[str]:
    """Return the names of all files that hold an image together with a file, and of the file."""
    import tifffile

    try:
        with damage_found(path), tifffile.TiffFile(path) as file:
            images = _images(file)
    except Exception:  # reading the file reports what is wrong with it
        return set()
    return {n for names in map(partners, images) if path.name in names for n in names}


def _check_metadata(file: tifffile.TiffFile, path: Path) -> None:
    """Check that the numbers of planes and the other files that OME-XML names are possible."""
    if max(map(_n_planes, _images(file)), default=0) > _MOST_PLANES:
        raise InputError(f"{path} tells of more planes than a file can hold: it is damaged.")
    for name in sorted(_partners_in(file)):
        partner = path.parent / name
        if partner.exists() and not partner.is_file():
            raise InputError(f"{path} has a part in {partner}, which is no file.")


def missing_partners(file: tifffile.TiffFile, path: Path) -> list[str]:
    """Return the names of files of the set that are not there."""
    return sorted(n for n in _partners_in(file) if not (path.parent / n).exists())


def _partners_in(file: tifffile.TiffFile) -> Iterator[str]:
    """Yield the names of all files that a file refers to."""
    for image in _images(file):
        yield from partners(image)


def _images(file: tifffile.TiffFile) -> list[Element]:
    """Return the images that a file describes; none if its OME-XML is damaged."""
    try:
        return images_in(file.ome_metadata) if file.is_ome and file.ome_metadata else []
    except ElementTree.ParseError:
        return []


def _n_planes(image: Element) -> int:
    """Return the number of planes of an image, from its sizes; 0 if a size is no number."""
    pixels = next((e for e in image if tag(e) == "Pixels"), None)
    sizes = [pixels.get(f"Size{a}", "1") if pixels is not None else "1" for a in "ZCT"]
    return math.prod(int(size) if size.isdecimal() else 0 for size in sizes)

"""Find out whether an image on disk has changed, and which run made it."""

from __future__ import annotations

import hashlib
import html
import json
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..arrays import Array
from .files import is_tiff
from .writable import is_zarr_name

MADE_BY = "napari-scribe"
"""Attribute of a zarr group that holds the name of the run that made it.

A TIFF holds that name in its tag ``Software``.
"""
RUN = "napari-scribe, run "
"""Beginning of the name of a run."""
_FILE_NAMES = re.compile(r'\b(?:FileName|MetadataFile)="([^"]+)"')
"""Names of the files of a set, in OME-XML."""
_CONSOLIDATED = ".zmetadata"
"""Name of the file with the consolidated metadata of a zarr of format 2."""
Entry = tuple[str, int, int]
"""Name of a file, its size in bytes, and its time of change in nanoseconds."""


# ---- changes of an image -------------------------------------------------------------------------


def stamp(path: Path, pixels: Array | None = None) -> str:
    """Return a short text that changes when an image is written to.

    It is made from the size and time of change of the image's files. For a zarr, these are the
    metadata and all chunks of the array that is read. For an OME-TIFF, these are all files of its
    set.

    Parameters
    ----------
    path
        File or folder that the image was read from.
    pixels
        Array of the pixels. If it is part of a zarr, the other arrays of the zarr do not count.
    """
    listed = sorted(_of_zarr(path, pixels) if path.is_dir() else _of_files(path))
    return hashlib.sha256(repr(listed).encode(errors="replace")).hexdigest()[:8]


def _of_zarr(path: Path, pixels: Array | None) -> list[Entry]:
    """Return the files directly in a zarr, and all files of the array that is read."""
    array = path
    read: Any = getattr(pixels, "array", pixels)  # the array behind a FileArray
    if root := getattr(getattr(read, "store", None), "root", None):
        array = Path(root) / read.path
    entries: list[Entry] = []
    _add(entries, os.fspath(path), "/", is_deep=False)
    _add(entries, os.fspath(array), "", is_deep=True)
    return entries


def _add(entries: list[Entry], folder: str, within: str, is_deep: bool) -> None:
    """Add the files in a folder. They may be very many, so no `Path` is made for each."""
    with suppress(OSError), os.scandir(folder) as files:
        for file in files:
            if not file.is_dir():
                entries.append((within + file.name, *_state(file)))
            elif is_deep:
                _add(entries, file.path, f"{within}{file.name}/", is_deep)


def _state(file: os.DirEntry[str]) -> tuple[int, int]:
    """Return size and time of change of a file of a zarr.

    Consolidated metadata change with all that is in a zarr, such as labels, and the files beside
    them are written anew. There, the own metadata count.
    """
    if file.name == _CONSOLIDATED:
        return 0, 0
    if file.name in ("zarr.json", ".zgroup", ".zattrs"):
        with suppress(ValueError, AttributeError):  # it is damaged
            own = json.loads(Path(file.path).read_bytes())
            is_beside = os.path.exists(Path(file.path).with_name(_CONSOLIDATED))
            if own.pop("consolidated_metadata", None) is not None or is_beside:
                return 0, zlib.crc32(json.dumps(own).encode())
    status = file.stat()
    return status.st_size, status.st_mtime_ns


def _of_files(path: Path) -> Iterator[Entry]:
    """Yield an entry for a file, and for each other file of its set."""
    for file in {path.name, *_names_of_set(path)}:
        with suppress(OSError):
            status = path.with_name(file).stat()
            # The file's own name is left out, because a copy under another name is the same image.
            yield "" if file == path.name else file, status.st_size, status.st_mtime_ns


def _names_of_set(path: Path) -> set[str]:
    """Return the names of the files beside an OME-TIFF that form one set with it."""
    if not is_tiff(path):
        return set()
    import tifffile

    names: set[str] = set()
    with suppress(Exception), tifffile.TiffFile(path) as file:  # reading it reports what is wrong
        names = _file_names(file.ome_metadata or "")
    for name in list(names):
        if name.lower().endswith(".ome"):
            with suppress(OSError, UnicodeDecodeError):
                names |= _file_names(path.with_name(name).read_text(encoding="utf-8"))
    return names


def _file_names(xml: str) -> set[str]:
    """Return the names of files in OME-XML."""
    return {Path(html.unescape(name)).name for name in _FILE_NAMES.findall(xml)}


# ---- the run that made a file --------------------------------------------------------------------


def sign(group: Path, made_by: str) -> None:
    """Write the name of the run that made a zarr into its attributes."""
    import zarr

    zarr.open_group(group, mode="r+").attrs[MADE_BY] = made_by


def maker_of(path: Path) -> str:
    """Return the maker that a result names in its attributes or tags; empty if there is none."""
    import tifffile
    import zarr

    with suppress(Exception):
        if not (path.is_file() or path.is_dir()):  # opening a pipe may never end
            return ""
        if is_zarr_name(path):
            return str(zarr.open_group(path, mode="r").attrs.get(MADE_BY, ""))
        with tifffile.TiffFile(path) as file:
            return str(file.pages.first.tags["Software"].value)
    return ""


def is_result(path: str | Path) -> bool:
    """Return whether a TIFF, a zarr or an array in a zarr names a run as its maker."""
    return any(maker_of(p).startswith(RUN) for p in (Path(path), Path(path).parent))

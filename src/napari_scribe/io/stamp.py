"""Whether an image on disk is still the one that it was."""

from __future__ import annotations

import hashlib
import html
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

_NAMED = re.compile(r'\b(?:FileName|MetadataFile)="([^"]+)"')
"""Files that belong to a set, in OME-XML."""


def stamp(path: Path, pixels: Any) -> str:
    """Return a short text that is another one once an image has been written to.

    It is made of the size and time of change of its files: of a zarr, those of its metadata and of
    all chunks of the array that is read; of an OME-TIFF, those of all files of its set.

    Parameters
    ----------
    path
        File or folder that the image was read from.
    pixels
        Its array.
    """
    listed = sorted(_of_zarr(path, pixels) if path.is_dir() else _of_files(path))
    return hashlib.sha256(repr(listed).encode(errors="replace")).hexdigest()[:8]


Entry = tuple[str, int, int]
"""Name, bytes and nanoseconds."""


def _of_zarr(path: Path, pixels: Any) -> list[Entry]:
    array, read = path, getattr(pixels, "array", pixels)  # what a FileArray shows
    if root := getattr(getattr(read, "store", None), "root", None):
        array = Path(root) / read.path
    found: list[Entry] = []
    _add(found, os.fspath(path), "/", is_deep=False)
    _add(found, os.fspath(array), "", is_deep=True)
    return found


def _add(found: list[Entry], folder: str, within: str, is_deep: bool) -> None:
    """Add the files in a folder; there may be very many."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not entry.is_dir():
                status = entry.stat()
                found.append((within + entry.name, status.st_size, status.st_mtime_ns))
            elif is_deep:
                _add(found, entry.path, f"{within}{entry.name}/", is_deep)


def _of_files(path: Path) -> Iterator[Entry]:
    for file in {path.name, *_set_of(path)}:
        with suppress(OSError):
            found = path.with_name(file).stat()
            # A copy under another name is the same image.
            yield "" if file == path.name else file, found.st_size, found.st_mtime_ns


def _set_of(path: Path) -> set[str]:
    """Names of the files that an OME-TIFF is one of, beside it."""
    if path.suffix.lower() not in (".tif", ".tiff"):
        return set()
    import tifffile

    names: set[str] = set()
    with suppress(Exception), tifffile.TiffFile(path) as file:  # reading it says what is wrong
        names = _named_in(file.ome_metadata or "")
    for name in list(names):
        if name.lower().endswith(".ome"):
            with suppress(OSError, UnicodeDecodeError):
                names |= _named_in(path.with_name(name).read_text(encoding="utf-8"))
    return names


def _named_in(xml: str) -> set[str]:
    return {Path(html.unescape(name)).name for name in _NAMED.findall(xml)}

"""What a file says that it was made by."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import tifffile
import zarr

from .writable import is_zarr_name

MADE_BY = "napari-scribe"
"""Attribute of a zarr group that tells the run which made it; a TIFF tells it as its software."""
RUN = "napari-scribe, run "
"""How the name of a run begins."""


def sign(group: Path, made_by: str) -> None:
    """Note in a zarr what it was made by."""
    zarr.open_group(group, mode="r+").attrs[MADE_BY] = made_by


def maker_of(path: Path) -> str:
    """Return what an output says that it was made by; nothing where something else lies there."""
    with suppress(Exception):
        if not (path.is_file() or path.is_dir()):  # opening a pipe may never end
            return ""
        if is_zarr_name(path):
            return str(zarr.open_group(path, mode="r").attrs.get(MADE_BY, ""))
        with tifffile.TiffFile(path) as file:
            return str(file.pages.first.tags["Software"].value)
    return ""


def is_result(path: str | Path) -> bool:
    """Whether a TIFF or zarr, or an array in a zarr, says that a run of a model made it."""
    return any(maker_of(p).startswith(RUN) for p in (Path(path), Path(path).parent))

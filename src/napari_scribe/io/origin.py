"""Whether a file is a result of a segmentation."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import tifffile
import zarr

MADE_BY = "napari-scribe"
"""Attribute of a zarr group that tells the run which made it; a TIFF tells it as its software."""
RUN = "napari-scribe, run "
"""How the name of a run begins."""


def is_result(path: str | Path) -> bool:
    """Whether a TIFF or zarr, or an array in a zarr, says that a run of a model made it.

    False for what cannot be read.
    """
    path = Path(path)
    if path.suffix.lower() in (".tif", ".tiff"):
        with suppress(Exception), tifffile.TiffFile(path) as file:
            return str(file.pages.first.tags["Software"].value).startswith(RUN)
    for group in (path, path.parent):
        with suppress(Exception):  # whatever lies there, it is no result
            if str(zarr.open_group(group, mode="r").attrs.get(MADE_BY, "")).startswith(RUN):
                return True
    return False

"""Images and labels, from and to files: TIFF, zarr / OME-NGFF, PNG, JPEG, NPY."""

from __future__ import annotations

from .files import (
    SUFFIXES,
    beside_images,
    check_file,
    check_writable,
    left_over,
    list_images,
    match_labels,
    some,
    stem,
)
from .ngff import create_zarr
from .pyramid import add_pyramid, open_levels
from .read import as_image, as_labels, list_series, read_image, read_label_image, read_labels
from .replace import aside, delete, hidden, replacing, sweep
from .tiff_writer import write_tiff

__all__ = [
    "SUFFIXES",
    "add_pyramid",
    "as_image",
    "as_labels",
    "aside",
    "beside_images",
    "check_file",
    "check_writable",
    "create_zarr",
    "delete",
    "hidden",
    "left_over",
    "list_images",
    "list_series",
    "match_labels",
    "open_levels",
    "read_image",
    "read_label_image",
    "read_labels",
    "replacing",
    "some",
    "stem",
    "sweep",
    "write_tiff",
]

"""Images and labels, from and to files: TIFF, zarr / OME-NGFF, PNG, JPEG, NPY."""

from __future__ import annotations

from .files import SUFFIXES, check_writable, list_images, match_labels, replacing, stem
from .ngff import create_zarr
from .read import as_image, read_image, read_labels
from .tiff_writer import write_tiff

__all__ = [
    "SUFFIXES",
    "as_image",
    "check_writable",
    "create_zarr",
    "list_images",
    "match_labels",
    "read_image",
    "read_labels",
    "replacing",
    "stem",
    "write_tiff",
]

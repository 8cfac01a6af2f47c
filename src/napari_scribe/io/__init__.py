"""Images and labels, from and to files: TIFF, zarr / OME-NGFF, PNG, JPEG, NPY."""

from __future__ import annotations

from .chunks import (
    are_on_disk,
    chunks_of,
    chunks_on_disk,
    lost_chunks,
    remove_chunks,
    window_of,
    written_whole,
)
from .files import (
    SUFFIXES,
    beside_images,
    check_file,
    left_over,
    list_images,
    match_labels,
    result_names,
    some,
    stem,
)
from .ngff import create_zarr
from .pyramid import add_pyramid, forget_pyramid, open_levels
from .read import (
    ImageLike,
    as_image,
    as_labels,
    list_series,
    read_image,
    read_label_image,
    read_labels,
)
from .replace import CLOCK, beside, delete, followed, hidden, put, replacing, replacing_folder, tidy
from .stamp import stamp
from .tiff_writer import write_tiff
from .writable import WRITTEN, check_text, check_writable, is_zarr_name

__all__ = [
    "CLOCK",
    "SUFFIXES",
    "WRITTEN",
    "ImageLike",
    "add_pyramid",
    "are_on_disk",
    "as_image",
    "as_labels",
    "beside",
    "beside_images",
    "check_file",
    "check_text",
    "check_writable",
    "chunks_of",
    "chunks_on_disk",
    "create_zarr",
    "delete",
    "followed",
    "forget_pyramid",
    "hidden",
    "is_zarr_name",
    "left_over",
    "list_images",
    "list_series",
    "lost_chunks",
    "match_labels",
    "open_levels",
    "put",
    "read_image",
    "read_label_image",
    "read_labels",
    "remove_chunks",
    "replacing",
    "replacing_folder",
    "result_names",
    "some",
    "stamp",
    "stem",
    "tidy",
    "window_of",
    "write_tiff",
    "written_whole",
]

"""Read and write images, labels and models.

Read images: `read` (any file), `tiff_reader` (with `tiff_ome`, `tiff_calibration`, `tiff_damage`,
`tiff_strips`, `tiff_compression`), `ngff_reader`, `pictures` (PNG and JPEG), `series` (files with
several images), `file_array` (pixels that stay on disk), `units`.
Write images: `tiff_writer`, `ngff_writer`, `ngff_labels` (labels in the OME-Zarr of their image),
`chunks` (which chunks of a zarr are on disk).
Files and folders: `files` (find images and labels), `writable` (check before the work),
`replace` (write all or nothing), `origin` (whether an image has changed, and which run made it).
Models: `model_folder`, `model_file`, `held_out` (what a model answers rightly), `replay` (a sample
of what it learnt from), `archive` (a zip from an unknown source).
"""

from __future__ import annotations

from .files import (
    SUFFIXES,
    beside_images,
    first_few,
    list_images,
    list_maps,
    match_labels,
    result_names,
    stem,
    unmatched_labels,
)
from .ngff_labels import labels_path
from .ngff_reader import open_levels
from .ngff_writer import add_pyramid, create_zarr
from .origin import stamp
from .read import (
    ImageLike,
    as_image,
    as_labels,
    list_series,
    read_image,
    read_label_image,
    read_labels,
)
from .replace import replacing, resolve_links, tidy, work_folder
from .tiff_writer import write_tiff
from .writable import RESULT_SUFFIXES, check_not_taken, check_writable, is_zarr_name

__all__ = [
    "RESULT_SUFFIXES",
    "SUFFIXES",
    "ImageLike",
    "add_pyramid",
    "as_image",
    "as_labels",
    "beside_images",
    "check_not_taken",
    "check_writable",
    "create_zarr",
    "first_few",
    "is_zarr_name",
    "labels_path",
    "list_images",
    "list_maps",
    "list_series",
    "match_labels",
    "open_levels",
    "read_image",
    "read_label_image",
    "read_labels",
    "replacing",
    "resolve_links",
    "result_names",
    "stamp",
    "stem",
    "tidy",
    "unmatched_labels",
    "work_folder",
    "write_tiff",
]

"""Read and write images, labels and models.

Read images: `read` (any file), `tiff_reader` (with `tiff_ome`, `tiff_calibration`, `tiff_damage`,
`tiff_strips`, `tiff_compression`), `ngff_reader`, `pictures` (PNG and JPEG), `series` (files with
several images), `file_array` (pixels that stay on disk), `units`.
Write images: `tiff_writer`, `ngff_writer`, `chunks` (which chunks of a zarr are on disk).
Files and folders: `files` (find images and labels), `writable` (check before the work),
`replace` (write all or nothing), `origin` (whether an image has changed, and which run made it).
Models: `model_folder`, `model_file`, `archive` (a zip from an unknown source).
"""

from __future__ import annotations

from .files import SUFFIXES as SUFFIXES
from .files import beside_images as beside_images
from .files import first_few as first_few
from .files import list_images as list_images
from .files import list_maps as list_maps
from .files import match_labels as match_labels
from .files import result_names as result_names
from .files import stem as stem
from .files import unmatched_labels as unmatched_labels
from .ngff_reader import open_levels as open_levels
from .ngff_writer import add_pyramid as add_pyramid
from .ngff_writer import create_zarr as create_zarr
from .origin import stamp as stamp
from .read import ImageLike as ImageLike
from .read import as_image as as_image
from .read import as_labels as as_labels
from .read import list_series as list_series
from .read import read_image as read_image
from .read import read_label_image as read_label_image
from .read import read_labels as read_labels
from .replace import replacing as replacing
from .replace import resolve_links as resolve_links
from .replace import tidy as tidy
from .replace import work_folder as work_folder
from .tiff_writer import write_tiff as write_tiff
from .writable import RESULT_SUFFIXES as RESULT_SUFFIXES
from .writable import check_not_taken as check_not_taken
from .writable import check_writable as check_writable
from .writable import is_zarr_name as is_zarr_name

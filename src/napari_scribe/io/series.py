"""Choose one of several images in a file or group."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    import tifffile


_ASIDE = "thumbnail", "label", "macro", "label image", "macro image", "overview"
"""Names that slide scanners give to pictures of the slide that are not its scan."""
_LISTED = 10
"""Most images that a message lists."""


def tiff_images(file: tifffile.TiffFile, path: Path) -> list[tifffile.TiffPageSeries]:
    """Return the images of a TIFF, without thumbnails, overviews and images of other files.

    In a set of files that belong together, each file lists the images of all files. Only images
    that have a plane in this file are returned, if there are any.
    """
    series = list(file.series)
    largest = max((s.size for s in series), default=0)
    images = [s for s in series if not _is_aside(s, largest)] or series
    return [s for s in images if _is_in(s, path.name)] or images


def _is_aside(series: tifffile.TiffPageSeries, largest: int) -> bool:
    """Return whether a series is a thumbnail, overview or the like.

    The name counts only for series that are not the largest.
    """
    page = series.keyframe
    is_named = series.name.strip().lower() in _ASIDE and series.size < largest
    return bool(page.is_reduced or page.is_mask or is_named)


def _is_in(series: tifffile.TiffPageSeries, name: str) -> bool:
    """Return whether some plane of a series lies in a file."""
    first = series.keyframe.parent.filehandle.name
    if first == name or not series.is_multifile:
        return bool(first == name)
    return any(page is not None and page.parent.filehandle.name == name for page in series)


def choose_series(path: Path, described: Sequence[str], series: int) -> tuple[str, ...]:
    """Check that a file has the image that is wanted, and return notes on the other images.

    Parameters
    ----------
    described
        A few words on each image.
    series
        Number of the wanted image, from 0.

    Raises
    ------
    InputError
        If there is no such image. The message lists the images of the file.
    """
    first, n = described[0], len(described)  # IndexError: a file without images is damaged
    listed = "; ".join(f"{i}: {words}" for i, words in enumerate(described[:_LISTED]))
    listed += f"; and {n - _LISTED} more" if n > _LISTED else ""
    if not 0 <= series < n:
        listing = f"has one image, 0: {first}" if n == 1 else f"has images {listed}"
        raise InputError(f"{path} {listing}. There is no image {series}.", series=None)
    if n == 1 or series:
        return ()
    return (f"it holds {n} images, of which the first was taken: series {listed}.",)

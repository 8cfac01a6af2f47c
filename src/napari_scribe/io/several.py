"""Files and groups that hold several images: which one is meant."""

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


def tiff_images(file: tifffile.TiffFile, path: Path) -> list[tifffile.TiffPageSeries]:
    """Return the images of a TIFF, without thumbnails, overviews and what lies in other files only.

    Those of a set of files that belongs together are told of in each of them: of such a file its
    images count.
    """
    series = list(file.series)
    largest = max((s.size for s in series), default=0)
    images = [s for s in series if not _is_aside(s, largest)] or series
    name = str(path.name)
    return [s for s in images if _is_in(s, name)] or images


def _is_aside(series: tifffile.TiffPageSeries, largest: int) -> bool:
    """Whether it is no image of its own; a name tells only of one that is smaller than others."""
    page = series.keyframe
    is_named = series.name.strip().lower() in _ASIDE and series.size < largest
    return bool(page.is_reduced or page.is_mask or is_named)


def _is_in(series: tifffile.TiffPageSeries, name: str) -> bool:
    """Whether some plane lies in a file."""
    first = series.keyframe.parent.filehandle.name
    if first == name or not series.is_multifile:
        return bool(first == name)
    return any(page is not None and page.parent.filehandle.name == name for page in series)


def chosen(path: Path, described: Sequence[str], series: int) -> tuple[str, ...]:
    """Check which of several images is wanted, and return what is to be said of the others.

    Parameters
    ----------
    described
        Each image in a few words.
    series
        Which one, from 0.

    Raises
    ------
    InputError
        If there is no such image: the message lists those that there are.
    """
    first, n = described[0], len(described)  # IndexError: a file without images is damaged
    listed = "; ".join(f"{i}: {words}" for i, words in enumerate(described[:_LISTED]))
    listed += f"; and {n - _LISTED} more" if n > _LISTED else ""
    if not 0 <= series < n:
        there = f"has one image, 0: {first}" if n == 1 else f"has images {listed}"
        raise InputError(f"{path} {there}. There is no image {series}.", series=None)
    if n == 1 or series:
        return ()
    return (f"it holds {n} images, of which the first was taken: series {listed}.",)

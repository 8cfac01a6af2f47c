"""Measure the size of objects, and bring images to the grid on which objects have a wanted size."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..image import Image
from ..memory import size_in_words
from ..resampling import resampled, resampled_length
from .paint import Labels, Paint

NEAR = 1.5
"""An image whose objects differ from the wanted size by less than this factor is left as it is."""
MOST_SPREAD = 8.0
"""Largest factor between the diameters of painted objects that is no cause for doubt."""
SHORTEST = 16
"""Pixels of the shortest side of an image in which anything can be found."""


def diameters_of_objects(labels: Labels, anisotropy: float = 1.0) -> npt.NDArray[np.float64]:
    """Return the diameter of each whole object, in pixels, in the order of their numbers.

    It is that of a disk of the same area, or of a ball of the same volume. An object of a volume of
    which no two slices in a row are labelled is measured on its largest slice. Objects that the
    edge of the image cuts are left out.

    Parameters
    ----------
    labels
        ``(Y, X)`` or ``(Z, Y, X)``; objects are numbered from 1.
    anisotropy
        Distance of slices, in pixels of the plane.
    """
    planes = labels if labels.ndim == 3 else labels[np.newaxis]
    z, *_ = inside = np.nonzero(planes > 0)
    if not len(z):
        return np.zeros(0)
    pairs, areas = np.unique(planes[inside].astype(np.int64) * len(planes) + z, return_counts=True)
    numbers, slices = pairs // len(planes), pairs % len(planes)
    follows = (np.diff(numbers) == 0) & (np.diff(slices) == 1)
    first = np.flatnonzero(np.diff(numbers, prepend=-1))
    is_solid = np.logical_or.reduceat(np.append(follows, False), first)
    disks = 2 * np.sqrt(np.maximum.reduceat(areas, first) / math.pi)
    balls = np.cbrt(6 / math.pi * anisotropy * np.add.reduceat(areas, first))
    sides = [planes[:, end] for end in (0, -1)] + [planes[:, :, end] for end in (0, -1)]
    is_cut = np.isin(numbers[first], np.concatenate([np.unique(side) for side in sides]))
    if len(planes) > 1:
        is_cut |= is_solid & np.isin(numbers[first], np.unique(planes[[0, -1]]))
    return np.asarray(np.where(is_solid, balls, disks)[~is_cut])


def diameter_of_objects(labels: Labels, anisotropy: float = 1.0) -> float | None:
    """Return the median of `diameters_of_objects`; None if there is no whole object."""
    diameters = diameters_of_objects(labels, anisotropy)
    return float(np.median(diameters)) if len(diameters) else None


def diameters_in(image: Image, paint: Paint, dimensions: int) -> npt.NDArray[np.float64]:
    """Return the diameters of the whole objects in the paint of an image, in its pixels."""
    anisotropy = thickness(image) or 1.0
    return np.concatenate(
        [
            diameters_of_objects(paint.frame(image, frame) - 1, anisotropy)
            for frame in image.frames(dimensions)
        ]
    )


def thickness(image: Image) -> float | None:
    """Return the distance of slices in pixels of the plane; None if the image does not say it."""
    z, y = image.scale.get("Z", 1.0), image.scale.get("Y", 1.0)
    is_unknown = z == y == 1 and image.units.get("Z", "pixel") in ("", "pixel")
    return None if min(z, y) <= 0 or is_unknown else z / y


def doubt_about_sizes(diameters: npt.NDArray[np.float64]) -> str:
    """Return a sentence if the diameters of painted objects differ too much; else an empty text."""
    if not len(diameters) or diameters.max() <= MOST_SPREAD * diameters.min():
        return ""
    return (
        f"The painted objects differ much in size: the smallest is {diameters.min():.3g} px wide, "
        f"the largest {diameters.max():.3g} px. Small ones may be strokes that slipped, and large "
        "ones several objects with one number."
    )


def factor_to(wanted: float | None, diameter: float | None) -> float:
    """Return how much finer a grid has to be for objects of some diameter to get the wanted one.

    It is exactly 1 if they are near it, or if one of both is not known.
    """
    if not wanted or not diameter or 1 / NEAR <= wanted / diameter <= NEAR:
        return 1.0
    return wanted / diameter


def in_plane(factor: float) -> Mapping[str, float]:
    """Return a factor per axis letter: slices and frames stay as they are."""
    return {"Y": factor, "X": factor}


def on_grid(image: Image, factor: float, wanted: float | None) -> Image:
    """Return an image on the grid that is finer by a factor; the image itself if that is 1.

    Parameters
    ----------
    wanted
        The diameter that its objects have there, for messages.

    Raises
    ------
    InputError
        If hardly a pixel would be left.
    """
    if factor == 1:
        return image
    sides = [image.length(a) for a in "YX"]
    if min(resampled_length(n, factor) for n in sides) < min(SHORTEST, *sides):
        raise InputError(
            f"{_asked(image, factor, wanted)}: nothing can be found in so few. Check the size of "
            "the objects."
        )
    return resampled(image, in_plane(factor))


def check_room(
    image: Image, factor: float, wanted: float | None, n_bytes: float, free: float, of: str
) -> None:
    """Check that there is room for an image on a finer grid.

    Parameters
    ----------
    n_bytes
        Bytes for each pixel of the image, on that grid.
    free, of
        Bytes that are free, and of what.

    Raises
    ------
    InputError
        If there is not.
    """
    n_bytes *= factor**2 * math.prod(image.label_shape())
    if factor > 1 and n_bytes > free:
        raise InputError(
            f"{_asked(image, factor, wanted)}, which needs {size_in_words(n_bytes)} of {of}, and "
            f"{size_in_words(free)} are free. Check the size of the objects, or take a part of the "
            "image."
        )


def _asked(image: Image, factor: float, wanted: float | None) -> str:
    """Say what a grid would do to an image."""
    before = [image.length(a) for a in "YX"]
    after = [resampled_length(n, factor) for n in before]
    return (
        f"Objects of {(wanted or 0) / factor:.3g} px in {image.name} would be brought to "
        f"{wanted or 0:.3g} px, and its {' x '.join(map(str, before))} px to "
        f"{' x '.join(map(str, after))} px"
    )


def check_size(diameter: float, name: str = "object_size") -> float:
    """Return a diameter that the user gave, checked.

    Raises
    ------
    InputError
        If it is no positive number.
    """
    if not (math.isfinite(diameter) and diameter > 0):
        raise InputError(
            f"Objects of {diameter:g} px make no sense: give their diameter in the image's pixels.",
            **{name: None},
        )
    return float(diameter)

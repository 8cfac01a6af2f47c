"""Measure the size of objects, and bring images to the grid on which objects have a wanted size."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..image import Image
from ..io.units import in_micrometers
from ..memory import size_in_words
from ..recipe.targets import NEAR
from ..resampling import resampled, resampled_length
from .paint import Labels, Paint

MOST_SPREAD = 8.0
"""Largest factor between the diameters of painted objects that is no cause for doubt."""
FEWEST_SLICES = 4
"""Slices that are left of a volume at least."""
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


def diameter_of_objects(labels: Labels) -> float | None:
    """Return the median of `diameters_of_objects`; None if there is no whole object."""
    diameters = diameters_of_objects(labels)
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
    if "Z" not in image.scale:
        return None
    z, y = image.scale["Z"], image.scale.get("Y", 1.0)
    is_unknown = z == y == 1 and image.units.get("Z", "pixel") in ("", "pixel")
    if min(z, y) <= 0 or is_unknown:
        return None
    in_z, in_y = (in_micrometers(image.units.get(axis, "")) for axis in "ZY")
    return z * in_z / (y * in_y) if in_z and in_y else z / y


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


def along_z_to(image: Image, factor: float, wanted: float | None) -> float:
    """Return how much finer a grid is along Z for slices to lie as far apart as wanted.

    It is exactly 1 if they nearly do, if hardly a slice would be left, or if the image does not say
    how far apart they lie.

    Parameters
    ----------
    factor
        How much finer the grid is in the plane.
    wanted
        Distance of slices, in pixels of the plane of that grid; None if it is not known.
    """
    known, n = thickness(image), image.length("Z")
    along_z = 1.0 if known is None else factor_to(factor * known, wanted)
    return along_z if resampled_length(n, along_z) >= min(n, FEWEST_SLICES) else 1.0


def per_axis(factor: float, along_z: float = 1.0) -> Mapping[str, float]:
    """Return a factor per axis letter, from that in the plane and that along Z."""
    return {"Z": along_z, "Y": factor, "X": factor}


def on_grid(image: Image, factor: float, wanted: float | None, along_z: float = 1.0) -> Image:
    """Return an image on the grid that is finer by a factor; the image itself if that is 1.

    Parameters
    ----------
    wanted
        The diameter that its objects have there, for messages.
    along_z
        How much finer the grid is along Z.

    Raises
    ------
    InputError
        If hardly a pixel would be left.
    """
    sides = [image.length(a) for a in "YX"]
    if min(resampled_length(n, factor) for n in sides) < min(SHORTEST, *sides):
        asked = _asked(image, factor, wanted, along_z)
        raise InputError(f"{asked}: nothing can be found in so few. Check the size of the objects.")
    return resampled(image, per_axis(factor, along_z))


def check_room(
    image: Image,
    factor: float,
    wanted: float | None,
    n_bytes: float,
    free: float,
    of: str,
    along_z: float = 1.0,
) -> None:
    """Check that there is room for an image on a finer grid.

    Parameters
    ----------
    n_bytes
        Bytes for each pixel of the image, on that grid.
    free, of
        Bytes that are free, and of what.
    along_z
        How much finer the grid is along Z.

    Raises
    ------
    InputError
        If there is not.
    """
    n_times = factor**2 * along_z
    n_bytes *= n_times * math.prod(image.label_shape())
    if n_times > 1 and n_bytes > free:
        asked = _asked(image, factor, wanted, along_z)
        raise InputError(
            f"{asked}, which needs {size_in_words(n_bytes)} of {of}, and {size_in_words(free)} are "
            "free. Check the size of the objects, or take a part of the image."
        )


def _asked(image: Image, factor: float, wanted: float | None, along_z: float = 1.0) -> str:
    """Say what a grid would do to an image."""
    axes = "YX" if along_z == 1 else "ZYX"
    before = [image.length(a) for a in axes]
    after = [resampled_length(image.length(a), per_axis(factor, along_z)[a]) for a in axes]
    what = f"Slices of {image.name} would be brought to the distance that the model knows"
    if factor != 1:
        what = (
            f"Objects of {(wanted or 0) / factor:.3g} px in {image.name} would be brought to "
            f"{wanted or 0:.3g} px"
        )
    return f"{what}, and its {' x '.join(map(str, before))} px to {' x '.join(map(str, after))} px"


def check_size(diameter: float) -> float:
    """Return a diameter that the user gave, checked.

    Raises
    ------
    InputError
        If it is no positive number.
    """
    if not (math.isfinite(diameter) and diameter > 0):
        raise InputError(
            f"Objects of {diameter:g} px make no sense: give their diameter in the image's pixels.",
            object_size=None,
        )
    return float(diameter)

"""Fill in an object between the slices on which it is painted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..arrays import Array

Mask = npt.NDArray[np.bool_]
Points = npt.NDArray[np.intp]
"""Coordinates of pixels, ``(n, axes)``."""


def fill_between(paint: Array, number: int, painted: Sequence[int]) -> Points:
    """Find the pixels of an object on the slices between those on which it is painted.

    From slice to slice its centre moves evenly, and its outline is where the mean of the signed
    distances to both outlines, weighted by how near the slices are, is 0 (Raya and Udupa 1990,
    IEEE Trans. Med. Imaging 9:32).

    Parameters
    ----------
    paint
        ``(slices, Y, X)``. What is painted on the slices between stays.
    number
        Of the object.
    painted
        Slices on which it is painted.

    Returns
    -------
    points
        ``(n, 3)``: unpainted pixels that it covers; none where no slices lie between.
    """
    found = []
    for first, last in pairwise(sorted(painted)):
        below, above = (np.argwhere(np.asarray(paint[z]) == number) for z in (first, last))
        for z in range(first + 1, last):
            points = _blend(below, above, (z - first) / (last - first))
            inside = ((points >= 0) & (points < paint.shape[-2:])).all(axis=1)
            rows, columns = points[inside].T
            is_free = np.asarray(paint[z])[rows, columns] == 0
            where = np.full(is_free.sum(), z), rows[is_free], columns[is_free]
            found.append(np.stack(where, axis=1))
    return np.concatenate(found) if found else np.zeros((0, 3), np.intp)


def _blend(first: Points, last: Points, share: float) -> Points:
    """Return the pixels of a shape that is one at `share` 0, and the other at 1."""
    centres = np.array([np.round(points.mean(axis=0)) for points in (first, last)])
    around = [points - centre for points, centre in zip((first, last), centres, strict=True)]
    reach = int(max(np.abs(points).max() for points in around)) + 1
    distances = [_signed_distance(points.astype(np.intp) + reach, reach) for points in around]
    is_inside = (1 - share) * distances[0] + share * distances[1] > 0
    centre = np.round((1 - share) * centres[0] + share * centres[1]).astype(np.intp)
    return np.asarray(np.argwhere(is_inside) - reach + centre)


def _signed_distance(points: Points, reach: int) -> npt.NDArray[np.float64]:
    """Return the distance to the outline of a shape, in pixels: positive inside it."""
    mask: Mask = np.zeros((2 * reach + 1,) * 2, bool)
    mask[tuple(points.T)] = True
    inside, outside = (ndimage.distance_transform_edt(part) for part in (mask, ~mask))
    return np.asarray(inside - outside)

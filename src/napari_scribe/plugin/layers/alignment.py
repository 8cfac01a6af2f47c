"""Where the pixels of a layer lie in the world, whatever its transforms are made of."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

TOLERANCE = 0.25
"""Pixels by which a corner may lie elsewhere: less than that moves no stroke to another pixel."""
Matrix = npt.NDArray[np.float64]


def to_world(layer: Any, n: int | None = None) -> Matrix:
    """Return the matrix from data to world over the last axes, the others at their first pixel.

    Parameters
    ----------
    n
        How many axes; all of them when None.

    Returns
    -------
    matrix
        ``(n + 1, n + 1)``, for coordinates with a 1 at their end.
    """
    n = layer.ndim if n is None else n
    whole = layer.affine.affine_matrix @ _in_data_order(layer)
    return np.asarray(whole[-n - 1 :, -n - 1 :], np.float64)


def _in_data_order(layer: Any) -> Matrix:
    from napari.utils.transforms import Affine

    parts = {name: getattr(layer, name) for name in ("scale", "translate", "rotate", "shear")}
    return np.asarray(Affine(**parts, ndim=layer.ndim).affine_matrix)


def farthest_corner(layer: Any, image: Any) -> tuple[Matrix, Matrix]:
    """Return the corner of an image whose pixel in a layer lies farthest from the image's.

    Layers of different dimensions are compared over the last axes, as napari shows them.

    Returns
    -------
    corner, there
        That pixel of the layer, and the pixel of the image that lies there, each ``(n,)``.
    """
    n = min(layer.ndim, image.ndim)
    data = image.data[0] if image.multiscale else image.data
    lengths = data.shape[image.ndim - n : image.ndim]
    corners = np.array([(*c, 1) for c in product(*({0, length - 1} for length in lengths))], float)
    from_layer = np.diag([*_unit_factors(layer, image, n), 1.0]) @ to_world(layer, n)
    there = np.linalg.solve(to_world(image, n), from_layer @ corners.T).T
    farthest = int(np.abs(there - corners).max(axis=1).argmax())
    return corners[farthest, :n], there[farthest, :n]


def is_aligned(layer: Any, image: Any) -> bool:
    """Whether the pixels of a layer lie on those of an image."""
    corner, there = farthest_corner(layer, image)
    return bool(np.abs(there - corner).max() < TOLERANCE)


def is_unplaced(layer: Any) -> bool:
    """Whether a layer has the pixel size and the place that napari gives where it knows none."""
    return np.allclose(to_world(layer), np.eye(layer.ndim + 1))


def _unit_factors(layer: Any, image: Any, n: int) -> list[float]:
    """What turns the layer's world into the image's along each axis, where units compare."""
    pairs = zip(layer.units[-n:], image.units[-n:], strict=True)
    return [
        float((1 * a).to(b).magnitude) if a.dimensionality == b.dimensionality else 1.0
        for a, b in pairs
    ]

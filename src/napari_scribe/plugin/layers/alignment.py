"""Compare where the pixels of layers lie in the world, whatever their transforms are made of."""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt
from napari.layers import Image as ImageLayer
from napari.layers import Layer
from napari.utils.transforms import Affine

TOLERANCE = 0.25
"""Pixels by which a corner may lie elsewhere. Less than half a pixel moves no stroke."""
Matrix = npt.NDArray[np.float64]


def to_world(layer: Layer, n: int | None = None) -> Matrix:
    """Return the matrix from data to world over the last axes, at the first pixel of the others.

    Parameters
    ----------
    n
        Number of axes; all of them when None.

    Returns
    -------
    matrix
        ``(n + 1, n + 1)``, for coordinates with a 1 at their end.
    """
    n = layer.ndim if n is None else n
    parts = {name: getattr(layer, name) for name in ("scale", "translate", "rotate", "shear")}
    before_affine = Affine(**parts, ndim=layer.ndim).affine_matrix
    matrix = layer.affine.affine_matrix @ before_affine
    return np.asarray(matrix[-n - 1 :, -n - 1 :], np.float64)


def farthest_corner(layer: Layer, image: ImageLayer) -> tuple[Matrix, Matrix]:
    """Find the corner of an image that lies farthest from the same pixel of a layer.

    Layers of different dimensions are compared over the last axes, as napari shows them.

    Returns
    -------
    corner, there
        The pixel of the layer, and the pixel of the image that lies there, each ``(n,)``.
    """
    n = min(layer.ndim, image.ndim)
    data = image.data[0] if image.multiscale else image.data
    lengths = data.shape[image.ndim - n : image.ndim]
    corners = np.array([(*c, 1) for c in product(*({0, length - 1} for length in lengths))], float)
    from_layer = np.diag([*_unit_factors(layer, image, n), 1.0]) @ to_world(layer, n)
    there = np.linalg.solve(to_world(image, n), from_layer @ corners.T).T
    farthest = int(np.abs(there - corners).max(axis=1).argmax())
    return corners[farthest, :n], there[farthest, :n]


def is_aligned(layer: Layer, image: ImageLayer) -> bool:
    """Return whether the pixels of a layer lie on those of an image."""
    corner, there = farthest_corner(layer, image)
    return bool(np.abs(there - corner).max() < TOLERANCE)


def is_unplaced(layer: Layer) -> bool:
    """Return whether a layer has the pixel size and the place that napari gives by default."""
    return np.allclose(to_world(layer), np.eye(layer.ndim + 1))


def _unit_factors(layer: Layer, image: ImageLayer, n: int) -> list[float]:
    """Return the factor from the layer's unit to the image's along each axis; 1 for other kinds."""
    pairs = zip(layer.units[-n:], image.units[-n:], strict=True)
    return [
        float((1 * a).to(b).magnitude) if a.dimensionality == b.dimensionality else 1.0
        for a, b in pairs
    ]

"""Measure painted objects, and draw a circle of some diameter to compare objects with."""

from __future__ import annotations

import math

import numpy as np
from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from napari.layers import Shapes

from ...errors import InputError
from ...image import Image
from ..jobs.torch_loader import found_devices
from .conversion import displayed_axes, image_of, paint_of, pixels, placement
from .managed import same_selection
from .places import position
from .purpose import MARK, OBJECT_SIZE, made_of, results_of
from .visible import visible_field

COLOR = "yellow"
MEASURED = 2**24
"""Most pixels of annotations that are measured while they are painted."""
EDGE = 0.05
"""Width of the line, as a share of the diameter."""


def painted_size(
    paint: LabelsLayer | None, layer: ImageLayer | None, image: Image, dimensions: int
) -> float | None:
    """Return the median diameter of the objects that are painted whole, in pixels.

    None if there are none, or the annotations are so large that measuring them would be felt.

    Parameters
    ----------
    dimensions
        Dimensions of the network, 2 or 3.

    Raises
    ------
    InputError
        If the annotations do not fit the image.
    """
    from ...targets import Paint
    from ...targets.object_size import diameters_in
    from ...targets.paint import fitted

    if paint is None or layer is None or math.prod(pixels(paint).shape) > MEASURED:
        return None
    painted = fitted(Paint(paint_of(paint, layer, image), pieces=False), image)
    diameters = diameters_in(image, painted, dimensions)
    return float(np.median(diameters)) if len(diameters) else None


def found_size(viewer: Viewer, layer: ImageLayer) -> float | None:
    """Return the median diameter of the objects found on the plane of an image that is shown.

    None if there are none, the plane is so large that measuring it would be felt, or torch is not
    there yet, which takes a while.
    """
    if not found_devices():
        return None
    from ...targets.object_size import diameter_of_objects

    for result in reversed(results_of(layer, viewer.layers)):
        labels, at = pixels(result), position(viewer, result)
        lengths = labels.shape[:-2]
        index = tuple(min(max(round(i), 0), n - 1) for i, n in zip(at, lengths, strict=False))
        plane = np.asarray(labels[index])
        if plane.size <= MEASURED and (diameter := diameter_of_objects(plane)) is not None:
            return diameter
    return None


class SizeCircle:
    """Show a circle in the middle of what is visible of an image, in a layer of its own.

    The layer is there only while the circle is shown, so it is not taken for data.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._layer: Shapes | None = None
        self._wanted: tuple[object, float] | None = None
        self._is_closed = False

    def show(self, image: ImageLayer | None, axes: str, diameter: float | None) -> None:
        """Show the circle; hide it where there is no image, no diameter, or no plane to draw on.

        Parameters
        ----------
        axes
            A letter per axis of the image's data.
        diameter
            In pixels of the image.
        """
        if image is not None and not displayed_axes(image, axes).endswith("YX"):
            image = None
        wanted = None if image is None or diameter is None else (image.unique_id, diameter)
        if wanted == self._wanted or self._is_closed:
            return  # the list of layers has changed, by the circle or another
        self._wanted = wanted
        self._remove()
        if image is None or diameter is None:
            return
        try:
            _, window = visible_field(self._viewer, image, image_of(image, axes), 2)
        except InputError:  # the picker says why
            return
        centre = [(s.start + s.stop - 1) / 2 for s in window]
        corners = np.array([(-1, -1), (-1, 1), (1, 1), (1, -1)]) * diameter / 2 + centre
        self._layer = Shapes(
            [corners],
            shape_type="ellipse",
            edge_color=COLOR,
            edge_width=EDGE * diameter,
            face_color="transparent",
            name=f"{diameter:g} px",
            metadata={MARK: {"purpose": OBJECT_SIZE, **made_of(image)}},
            **placement(image, "YX"),
        )
        with same_selection(self._viewer):
            self._viewer.layers.append(self._layer)

    def close(self) -> None:
        """Remove the circle, and show none any more."""
        self._is_closed = True
        self._remove()

    def _remove(self) -> None:
        layer, self._layer = self._layer, None
        if layer is not None and layer in self._viewer.layers:
            with same_selection(self._viewer):
                self._viewer.layers.remove(layer)

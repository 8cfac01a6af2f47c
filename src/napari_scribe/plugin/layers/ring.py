"""Show a ring round a place, so that the eye finds it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from weakref import ref

import numpy as np
from napari import Viewer
from napari.layers import Layer, Points
from qtpy.QtCore import QTimer

from .managed import PLACE, same_selection
from .purpose import MARK, PLACE_TO_LOOK, purpose_of

COLOR = "#ffd23f"
SIZE = 1.6
"""Diameter of the ring, in diameters of what it goes round."""
SMALLEST = 12.0
"""Pixels of the layer across the ring, at least."""


class Ring:
    """Show a ring round a place of a layer, in a layer of points with one point.

    A ring takes away that of another dock: there is one place to look at.
    The layer is there only while the ring is shown, so it is not taken for data. It goes with the
    layer that it is shown on.
    """

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self._points: Points | None = None
        self._on: Callable[[], Layer | None] = lambda: None  # whose place the points have

    def show(self, layer: Layer, pixel: Sequence[int], diameter: float) -> None:
        """Show the ring at a pixel of a layer.

        Parameters
        ----------
        diameter
            Of what is there, in pixels; 0 where it is not known.
        """
        points = self._points
        if points is None or points not in self.viewer.layers or self._on() is not layer:
            self.remove()
            self._remove_others()
            points = self._points = _points_on(layer)
            self._on = ref(layer)
            with same_selection(self.viewer):
                self.viewer.layers.append(points)
            self.viewer.layers.events.removed.connect(self._on_removed)
        points.data = np.array([pixel])
        points.size = max(SIZE * diameter, SMALLEST)

    def remove(self) -> None:
        """Take it away."""
        points, self._points = self._points, None
        self.viewer.layers.events.removed.disconnect(self._on_removed)
        if points is not None and points in self.viewer.layers:
            with same_selection(self.viewer):
                self.viewer.layers.remove(points)

    def _remove_others(self) -> None:
        with same_selection(self.viewer):
            for layer in list(self.viewer.layers):
                if purpose_of(layer) == PLACE_TO_LOOK:
                    self.viewer.layers.remove(layer)

    def _on_removed(self, _event: object) -> None:
        """Look a moment later whether the layer is gone: napari may be removing others with it."""
        QTimer.singleShot(0, self._go_with_layer)

    def _go_with_layer(self) -> None:
        if self._on() not in self.viewer.layers:
            self.remove()


def _points_on(layer: Layer) -> Points:
    """Return a layer without points yet, in the place of another."""
    return Points(
        ndim=layer.ndim,
        face_color="transparent",
        border_color=COLOR,
        border_width=0.04,
        name="Look here",
        metadata={MARK: {"purpose": PLACE_TO_LOOK}},
        **{name: getattr(layer, name) for name in PLACE},
    )

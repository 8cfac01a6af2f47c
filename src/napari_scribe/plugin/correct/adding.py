"""Add the objects that a person misses: what the model finds where was clicked, or a disk."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image as ImageLayer
from qtpy.QtCore import QObject, QTimer, Signal

from ...errors import InputError
from ...session.edits import Point
from ...targets.object_size import diameter_of_objects
from ..dock import Dock
from ..jobs.request import Ended
from ..layers.conversion import displayed_axes, labels_for_display
from .corrections import Corrections
from .doubtful import model_for
from .job import AddRequest
from .tools import Tools

if TYPE_CHECKING:
    from ...inference.one_object import ObjectAt


@dataclass(frozen=True)
class Click:
    """Hold a click that adds an object.

    Parameters
    ----------
    corrections, point
        Of the layer that was clicked, and the pixel.
    request
        What the model is asked.
    image_layer
        The image that it is asked about.
    """

    corrections: Corrections
    point: Point
    request: AddRequest
    image_layer: ImageLayer


class AddingByClick(QObject):
    """Add an object at each click, one after the other.

    Parameters
    ----------
    dock
        Runs the jobs; its form says which image and which model are meant.
    tools
        Know which layer is being corrected.

    Signals
    -------
    added
        An object was added: how, in a sentence.
    """

    added = Signal(str)

    def __init__(self, dock: Dock, tools: Tools) -> None:
        super().__init__(dock)
        self.dock, self.tools = dock, tools
        self._waiting: deque[Click] = deque()
        self._soon = QTimer(self, interval=0, singleShot=True)
        self._soon.timeout.connect(self._resume)

    def add_at(self, point: Point, position: Any) -> None:
        """Add the object at a pixel of the chosen layer: what the model finds there, or a disk.

        Parameters
        ----------
        position
            The same place in the viewer.
        """
        dock, corrections = self.dock, self.tools.corrections
        with dock.preparing("Looking for the object"):
            assert corrections is not None
            request = self._request_at(corrections, point, position)
            self._waiting.append(Click(corrections, point, request, dock.form.image.layer.value))
            if not dock.runner.is_running:
                self._ask_next()

    def resume_soon(self) -> None:
        """Go on with the clicks that wait, as soon as the dock is done with the job before."""
        self._soon.start()

    def clear(self) -> None:
        """Forget the clicks that wait."""
        self._waiting.clear()

    def _request_at(self, corrections: Corrections, point: Point, position: Any) -> AddRequest:
        """Return what is asked of the model."""
        form = self.dock.form
        layer, image = form.image.layer.value, form.image.image()
        path = model_for(corrections.layer, form.more.model.value())
        at = np.round(layer.world_to_data(position)).astype(int).tolist()
        pixel = dict(zip(displayed_axes(layer, image.axes), at, strict=True))
        pixel = {axis: pixel[axis] for axis in image.label_axes()}
        if not all(0 <= i < image.length(axis) for axis, i in pixel.items()):
            raise InputError(f"This is outside of {image.name}.")
        plane = corrections.labels[corrections.slice_at(point)].squeeze()
        return AddRequest(
            image,
            pixel,
            path,
            diameter=diameter_of_objects(plane) if plane.ndim == 2 else None,
            channels=form.image.channels.value(),
            device=form.more.device.value or None,
        )

    def _resume(self) -> None:
        if self._waiting and not self.dock.runner.is_running:
            with self.dock.preparing("Looking for the object"):
                self._ask_next()

    def _ask_next(self) -> None:
        """Ask the model for the next object that was clicked; put a disk where it is busy."""
        click = self._waiting.popleft()
        request = click.request
        try:
            self.dock.start(request, partial(self._on_found, click))
        except InputError as busy:
            from ...inference.one_object import DIAMETER, disk_at

            self.dock.progress.clear()
            self._add(click, disk_at(request.image, request.point, request.diameter or DIAMETER))
            self.dock.message.warn(f"{busy} A disk was added meanwhile: redraw it with the brush.")

    def _on_found(self, click: Click, ended: Ended[ObjectAt]) -> None:
        if (found := self.dock.result_of(ended)) is not None:
            self._add(click, found)

    def _add(self, click: Click, found: ObjectAt) -> None:
        """Put what was found into the layer, wherever that lies on the image."""
        layer, request, layers = click.image_layer, click.request, self.dock.viewer.layers
        if layer not in layers or click.corrections.layer not in layers:
            return
        image = request.image
        mask = np.asarray(labels_for_display(found.mask, layer, image.axes))
        letters = displayed_axes(layer, image.axes)[-mask.ndim :]
        here = np.round(click.point).astype(int)
        window = []
        for axis, letter in enumerate(letters):
            covered = found.region.get(letter, slice(0, mask.shape[axis]))
            by = int(here[axis]) - request.point.get(letter, int(here[axis]))
            window.append(slice(covered.start + by, covered.stop + by))
        try:
            click.corrections.add_at(click.point, mask, tuple(window))
        except InputError as error:
            self.dock.message.warn(str(error))
            return
        is_found = found.is_found
        self.added.emit(
            "Added an object." if is_found else "The model finds nothing here: added a disk."
        )

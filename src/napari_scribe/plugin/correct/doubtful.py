"""Take a person to the places of a result that are doubtful, one after the other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from qtpy.QtWidgets import QCheckBox

from ...arrays import Pixels
from ...errors import InputError
from ...image import Image
from ...session.history import History
from ...windows import Window, intersect, overlap, relative_to, shape_of
from ...wording import counted
from ..dock import Dock
from ..jobs.inference import IN_MEMORY
from ..jobs.request import Ended
from ..layers.annotations import mask_on_image
from ..layers.conversion import displayed_axes, pixels
from ..layers.managed import find_layer, same_selection
from ..layers.places import go_to
from ..layers.purpose import UNCERTAINTY, note, source_of
from ..layers.results import show_probability
from ..layers.ring import Ring
from ..layers.visible import visible_region
from ..model_library import dimensions_of
from ..widgets.basics import Fold, Hint, button, row
from .doubtful_job import DoubtRequest, Doubts
from .place_list import PlaceList

if TYPE_CHECKING:
    from ...session.doubtful import Place

AT_ONCE = 2**24
"""Pixels that are looked through; of a larger result, those in view."""
KEY = "W"
NAMES = {"T": "frame", "Z": "slice"}


class DoubtfulPlaces(Fold):
    """List the doubtful places of the chosen result, and go to one after the other.

    Parameters
    ----------
    dock
        Runs the job; its form says which result of which image is meant.
    """

    def __init__(self, dock: Dock) -> None:
        super().__init__("Where to look next")
        self.dock, self.viewer = dock, dock.viewer
        self.layer: LabelsLayer | None = None
        self._places: list[tuple[Place, tuple[int, ...]]] = []
        self._history: History | None = None
        self._shown: tuple[ImageLayer, Image, Mapping[str, slice], Pixels] | None = None
        self._ring = Ring(self.viewer)
        tip = (
            "Find objects that the model has decided by a hair: they come out otherwise when its "
            "thresholds are a little lower or higher"
        )
        self.find_button = button("Find doubtful places", tip, self.find_places)
        tip = "The most doubtful first. A click goes there; tick what is done (Space)"
        self.list = PlaceList(tip)
        tip = f"Tick this place, and go to the next one ({KEY}, while the labels are selected)"
        self.next_button = button("Next", tip, self.next)
        self.with_uncertainty = QCheckBox("Show uncertainty")
        self.with_uncertainty.setToolTip(
            "Show where object and background are about as probable: 0 is sure, 1 is undecided"
        )
        self.about = Hint()
        self.addWidget(row(self.find_button, self.next_button, wide=0))
        for part in (self.list, self.about, self.with_uncertainty):
            self.addWidget(part)
        self.list.chosen.connect(self._go_to)
        self.list.ticked.connect(self.show_state)
        self.with_uncertainty.toggled.connect(self._show_uncertainty)

    def find_places(self) -> None:
        """Find the doubtful places of the chosen result, in a thread."""
        with self.dock.preparing("Looking for doubtful places"):
            layer = self.dock.form.result.value
            if layer is None:
                raise InputError("Choose a result first.")
            image_layer, image = self.dock.form.image.layer.value, self.dock.form.image.image()
            request, pixel = self._request(layer, image_layer, image)
            is_part = request.labels.size < math.prod(pixels(layer).shape)
            self.dock.start(
                request, partial(self._on_found, layer, image_layer, request, pixel, is_part)
            )

    def next(self) -> None:
        """Tick the place that is shown, and go to the next one that is not done."""
        current, n = self.list.currentRow(), len(self._places)
        if current >= 0:
            self.list.tick(current)
        lines = [*range(current + 1, n), *range(max(current, 0))]
        todo = next((line for line in lines if not self.list.done[line]), None)
        if todo is not None:
            self.list.setCurrentRow(todo)
        elif n:
            self._ring.remove()
            self.dock.message.info("All of these places are done.")

    def hide_ring(self) -> None:
        """Take the ring away where the list is not seen."""
        self._ring.remove()

    def follow(self, layer: LabelsLayer | None, history: History | None) -> None:
        """Forget the places of another result; a copy that is being corrected has the same.

        Parameters
        ----------
        history
            What was corrected in the layer; None where it is not being corrected.
        """
        self._history = history
        if layer is self.layer or self.layer is None:
            return
        layers = self.viewer.layers
        is_copy = layer is not None and all(
            (
                source_of(layer, layers) is source_of(self.layer, layers),
                pixels(layer).shape == pixels(self.layer).shape,
                np.allclose(layer.extent.world, self.layer.extent.world),
            )
        )
        if is_copy:
            self._bind(layer)
        else:
            self.clear()

    def on_corrected(self) -> None:
        """Tick places that were corrected."""
        for line, (place, pixel) in enumerate(self._places):
            if not self.list.done[line] and self._is_corrected(place, pixel):
                self.list.tick(line)

    def show_state(self) -> None:
        """Enable what makes sense now, and count."""
        n, n_done = len(self._places), sum(self.list.done)
        is_free = not self.dock.runner.is_busy
        self.find_button.setEnabled(is_free and self.dock.form.result.value is not None)
        self.next_button.setEnabled(n_done < n)
        self.list.setVisible(n > 0)
        self.with_uncertainty.setVisible(self._shown is not None)
        self.about.setText(f"{n_done} of {n} places done." if n else "")

    def clear(self) -> None:
        """Forget all places; take away what is shown of them."""
        self._ring.remove()
        self.with_uncertainty.setChecked(False)
        self._shown = None
        self._places = []
        self.list.show_lines([])
        self._bind(None)
        self.show_state()

    def _request(
        self, layer: LabelsLayer, image_layer: ImageLayer, image: Image
    ) -> tuple[DoubtRequest, dict[str, int]]:
        """Return what is asked, and the pixel of the layer at which its region begins."""
        model = model_for(layer, self.dock.form.more.model.value())
        if math.prod(pixels(layer).shape) > IN_MEMORY:
            raise InputError(
                f"{layer.name} is too large to be looked through: segment what is visible, and "
                "look through that."
            )
        values, window = mask_on_image(layer, image_layer, image)
        letters = displayed_axes(image_layer, image.axes)[-values.ndim :]
        wanted = window
        if values.size > AT_ONCE:
            wanted = self._in_view(window, letters, image_layer, image, dimensions_of(model))
        inside = relative_to(wanted, window)
        part = values[tuple(0 if a == "C" else s for a, s in zip(letters, inside, strict=True))]
        axes = letters.replace("C", "")
        labels = part.transpose([axes.index(a) for a in image.label_axes()])
        request = DoubtRequest(
            image,
            labels.copy(),
            {a: s for a, s in zip(letters, wanted, strict=True) if a != "C"},
            model,
            channels=self.dock.form.image.channels.value(),
            device=self.dock.form.more.device.value or None,
        )
        return request, {a: s.start for a, s in zip(letters, inside, strict=True)}

    def _in_view(
        self, window: Window, letters: str, layer: ImageLayer, image: Image, dimensions: int
    ) -> Window:
        """Return what is in view of a window of an image."""
        region = visible_region(self.viewer, layer, image, dimensions)
        seen = tuple(region.get(a, s) for a, s in zip(letters, window, strict=True))
        wanted = intersect(seen, window)
        if not math.prod(shape_of(wanted)):
            raise InputError("Nothing of the result is in view: move it there first.")
        return wanted

    def _on_found(
        self,
        layer: LabelsLayer,
        image_layer: ImageLayer,
        request: DoubtRequest,
        first: dict[str, int],
        is_part: bool,
        ended: Ended[Doubts | None],
    ) -> None:
        doubts = self.dock.result_of(ended)
        if doubts is None or layer not in self.viewer.layers:
            return
        self.clear()
        self._shown = image_layer, request.image, request.region, doubts.uncertainty
        self._bind(layer)
        axes = request.image.label_axes()
        lines = []
        for place in doubts.places:
            at = dict(zip(axes, place.position, strict=True))
            pixel = {axis: start + at.get(axis, 0) for axis, start in first.items()}
            if not self._is_corrected(place, tuple(pixel.values())):
                self._places.append((place, tuple(pixel.values())))
                lines.append(_line(place, pixel))
        self.list.show_lines(lines)
        n = len(self._places)
        said = f"{counted(n, 'place')}: press Next." if n else "No object is doubtful."
        if is_part:
            said = f"{said} The result is large: only what is in view was looked through."
        self.dock.message.say(said, warns=is_part)
        self.dock.until_changed()
        self.dock.show_state()

    def _go_to(self, line: int) -> None:
        if self.layer is None or self.layer not in self.viewer.layers:
            return
        place, pixel = self._places[line]
        self.dock.settle()
        self._ring.show(self.layer, pixel, place.diameter)
        self.viewer.layers.selection.active = self.layer
        go_to(self.viewer, self.layer, pixel, place.diameter)

    def _is_corrected(self, place: Place, pixel: tuple[int, ...]) -> bool:
        """Return whether the object there was changed; or the pixel, where there is none."""
        history = self._history
        if history is None:
            return False
        if place.number:
            return place.number in history.numbers()
        return any(
            overlap(window, point := tuple(slice(i, i + 1) for i in pixel))
            and bool(mask[relative_to(point, window)].all())
            for window, mask in history.changed()
        )

    def _bind(self, layer: LabelsLayer | None) -> None:
        """Let the key work while a layer is selected."""
        if self.layer is not None:
            self.layer.bind_key(KEY, None)
        self.layer = layer
        if layer is not None:
            layer.bind_key(KEY, self._on_key, overwrite=True)

    def _on_key(self, _layer: LabelsLayer) -> None:
        self.next()

    def _show_uncertainty(self, is_wanted: bool) -> None:
        """Show the layer, or take it away."""
        if self._shown is None:
            return
        image_layer, image, region, values = self._shown
        if is_wanted and image_layer in self.viewer.layers:
            show_probability(
                self.viewer, image_layer, image, values[np.newaxis], UNCERTAINTY, region
            )
        elif (shown := find_layer(self.viewer, image_layer, UNCERTAINTY, "image")) is not None:
            with same_selection(self.viewer):
                self.viewer.layers.remove(shown)


def model_for(layer: LabelsLayer, other: Path | None) -> Path:
    """Return the file of the model that has found the objects of a layer; if it is gone, another.

    Raises
    ------
    InputError
        If there is neither.
    """
    name = str(note(layer).get("model", ""))
    path = Path(name) if name and Path(name).exists() else other
    if path is None:
        raise InputError("There is no model yet: train one, or choose a file under More settings.")
    return path


def _line(place: Place, pixel: Mapping[str, int]) -> tuple[str, str]:
    """Return what the list says of a place, and its tooltip; pixels are those of the layer."""
    what = f"{place.reason}: object {place.number}" if place.number else place.reason
    where = "".join(f", {name} {pixel[axis]}" for axis, name in NAMES.items() if axis in pixel)
    return f"{what}{where}", f"About {max(1, round(place.score))} px may be wrong here"

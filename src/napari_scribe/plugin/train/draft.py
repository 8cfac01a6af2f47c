"""Ask about the objects of a result one by one: each becomes paint, is corrected, or is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from qtpy.QtWidgets import QWidget

from ...errors import InputError
from ...image import Image
from ...session.draft import Draft, Points
from ..layers.annotations import mask_on_image
from ..layers.brush import BACKGROUND, next_number, take
from ..layers.colors import preview_colormap
from ..layers.conversion import has_pixels_of, pixels
from ..layers.places import go_to
from ..layers.purpose import is_corrected, is_found, layers_of
from ..widgets.basics import Hint, button, fill_column, row, stack

REVIEW_TIP = (
    "Show the objects that a model has found in this image one by one, and make those paint that "
    "are right: the result that is selected among the layers, else the topmost one. It is not "
    "changed"
)
ACCEPT_TIP = "It is right: it becomes paint (A)"
CORRECT_TIP = "Make it paint, and stay here with the brush on it; A goes on (C)"
REJECT_TIP = "It is no object: it becomes painted background (R)"
SKIP_TIP = "Decide later: it comes again in the end (S)"
ALL_TIP = "Make paint of all objects that have not been shown yet"
NO_RESULT = (
    "There is no result of this image yet. Segment it first, in the Segment dock; the model that "
    "ships finds nuclei."
)
TOO_LARGE = "{} is too large to be gone through object by object. Segment a part of the image."
NO_FIT = "{} does not fit {}. Press New for annotations that do."
LOOK = ("colormap", "selected_label", "show_selected_label", "visible")
"""What is changed of a result while its objects are shown one by one."""
LARGEST = 2**26
"""Most pixels of a result that is gone through."""


class DraftReview(QWidget):
    """Go through a result as a first draft of paint."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.viewer = viewer
        self._layer: LabelsLayer | None = None
        self._source: tuple[ImageLayer, Image] | None = None
        self._result: LabelsLayer | None = None
        self._draft: Draft | None = None
        self._start = np.zeros(0, int)
        self._corrected: int | None = None
        self._look: dict[str, Any] = {}
        self.review = button("Review a result", REVIEW_TIP, self.begin)
        self.said = Hint()
        answers = {
            "Accept": (ACCEPT_TIP, self.accept),
            "Correct": (CORRECT_TIP, self.correct),
            "Reject": (REJECT_TIP, self.reject),
            "Skip": (SKIP_TIP, self.skip),
            "Accept all": (ALL_TIP, self.accept_all),
            "End": ("End the review; what is painted stays", self.end),
        }
        self.buttons = {name: button(name, *tip) for name, tip in answers.items()}
        accept, correct, reject, skip, rest, end = self.buttons.values()
        self._answers = stack(row(accept, correct), row(reject, skip), row(rest, end))
        fill_column(self, row(self.review, 1), self.said, self._answers)
        self._keys: dict[str, Callable[[LabelsLayer], None]] = {
            "A": lambda _layer: self.accept(),
            "C": lambda _layer: self.correct(),
            "R": lambda _layer: self.reject(),
            "S": lambda _layer: self.skip(),
        }
        viewer.layers.events.removed.connect(self._on_removed)
        self._answers.hide()
        self.said.hide()

    def follow(self, layer: LabelsLayer | None, source: tuple[ImageLayer, Image] | None) -> None:
        """Make paint for other annotations."""
        self.end()
        self._layer, self._source = layer, source

    def close_down(self) -> None:
        """Let go of the viewer and of the layers."""
        self._let_go()
        self.viewer.layers.events.removed.disconnect(self._on_removed)

    def begin(self) -> None:
        """Show the first object."""
        self.end()
        if self._layer is None or self._source is None:
            return
        result = self._result_of(self._source[0])
        if result is None:
            self.said.setText(NO_RESULT)
            return
        if np.prod(pixels(result).shape) > LARGEST:
            self.said.setText(TOO_LARGE.format(result.name))
            return
        try:
            if not has_pixels_of(self._layer, *self._source):
                raise InputError(NO_FIT.format(self._layer.name, self._source[0].name))
            labels, window = mask_on_image(result, *self._source)
        except InputError as error:
            self.said.setText(str(error))
            return
        # A copy: another run may put its answer into the layer meanwhile.
        self._result, self._draft = result, Draft(np.array(labels), self._layer.data[window])
        self._start = np.array([s.start for s in window])
        for key, press in self._keys.items():
            self._layer.bind_key(key, press, overwrite=True)
        self._look = {name: getattr(result, name) for name in LOOK}
        result.colormap = preview_colormap()  # among napari's colours are dark ones
        result.visible = result.show_selected_label = True
        self.viewer.layers.selection.active = self._layer
        self._answers.show()
        self.review.hide()
        self._ask()

    def accept(self) -> None:
        """Make paint of the object, unless it was corrected, and go on."""
        if self._draft is not None and self._draft.current != self._corrected:
            self._paint_current()
        self._go_on()

    def correct(self) -> None:
        """Make paint of the object, and leave the brush on it."""
        if self._draft is not None:
            self._paint_current()
            self._corrected = self._draft.current

    def reject(self) -> None:
        """Paint the object as background, and go on."""
        if self._draft is not None and self._draft.current is not None:
            self._put(self._draft.unpainted(self._draft.current), BACKGROUND)
            self._go_on()

    def skip(self) -> None:
        """Go on without a decision."""
        self._go_on(is_decided=False)

    def accept_all(self) -> None:
        """Make paint of all objects that wait."""
        if self._draft is None or self._layer is None or self._is_full(len(self._draft.waiting)):
            return
        points, values = self._draft.numbered_from(next_number(self._layer))
        self._put(points, values)
        self._draft.waiting.clear()
        self._ask()

    def end(self) -> None:
        """End the review, and show the result as before."""
        self._let_go()
        self.said.setText("")
        self._answers.hide()
        self.review.show()

    def _let_go(self) -> None:
        """Show the result as before, and take the keys from the annotations."""
        if self._result is not None and self._result in self.viewer.layers:
            for name, value in self._look.items():
                setattr(self._result, name, value)
        if self._draft is not None and self._layer is not None:
            for key in self._keys:
                self._layer.bind_key(key, None)
        self._result = self._draft = self._corrected = None

    def _ask(self) -> None:
        """Show the object that is asked about."""
        draft, result = self._draft, self._result
        assert draft is not None
        assert result is not None
        assert self._layer is not None
        if draft.current is None:
            n, name = draft.n_objects, result.name
            self.end()
            self.said.setText(f"{name}: {n} objects decided." if n else f"{name}: all is painted.")
            return
        result.selected_label = draft.current
        place = self._start + draft.place(draft.current)
        go_to(self.viewer, self._layer, place.tolist())
        self.said.setText(f"{result.name}: object {draft.n_decided + 1} of {draft.n_objects}")

    def _go_on(self, *, is_decided: bool = True) -> None:
        if self._draft is not None and self._draft.current is not None:
            self._draft.go_on(is_decided=is_decided)
            self._ask()

    def _paint_current(self) -> None:
        draft, layer = self._draft, self._layer
        if draft is None or draft.current is None or layer is None:
            return
        points = draft.unpainted(draft.current)
        if len(points[0]) and not self._is_full(1):
            number = next_number(layer)
            self._put(points, number)
            take(layer, number)

    def _put(self, points: Points, values: object) -> None:
        assert self._layer is not None
        where = tuple(at + start for at, start in zip(points, self._start, strict=True))
        self._layer.data_setitem(where, values)

    def _is_full(self, n_more: int) -> bool:
        """Return whether the annotations cannot hold so many numbers more, and say so."""
        assert self._layer is not None
        largest = np.iinfo(self._layer.data.dtype).max
        is_full = next_number(self._layer) + n_more - 1 > largest
        if is_full:
            self.said.setText(f"{self._layer.name} can hold no number above {largest}.")
        return is_full

    def _result_of(self, image: ImageLayer) -> LabelsLayer | None:
        """Return the result, or corrected copy, that is selected; else the topmost one."""
        layers = layers_of(image, self.viewer.layers)
        found = [layer for layer in layers if is_found(layer) or is_corrected(layer)]
        active = self.viewer.layers.selection.active
        return active if active in found else (found[-1] if found else None)

    def _on_removed(self, event: object) -> None:
        if self._result is not None and getattr(event, "value", None) is self._result:
            self.end()

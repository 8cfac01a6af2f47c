"""Sort objects into classes by a few examples that are painted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Labels as LabelsLayer
from napari.utils.colormaps import CyclicLabelColormap
from napari.utils.colormaps.standardize_color import transform_color
from qtpy.QtWidgets import QLineEdit

from ...errors import InputError
from ...evaluation.sorting import Sorted
from ...evaluation.table import Measurements
from ..layers.managed import same_selection
from ..layers.purpose import CLASSES, EXAMPLES, MARK, layers_of, made_of, purpose_of
from ..widgets.basics import Fold, Hint, button, named, row
from ..widgets.layer_pickers import LayerPicker
from .job import SortRequest
from .layers import labels_of, laid_on

CLASS_COLORS = ["#ff9f1f", "#4fb3ff", "#6bdc4f", "#ff74b8", "#c9a2ff", "#ffe14d"]
HOW = (
    "New makes a layer to paint on. Paint a dot on a few objects of each class: number 1 for the "
    "first class, 2 for the second; the M key takes the next number."
)


class ClassesFold(Fold):
    """Ask for a few examples of each class, and show which class every object has.

    Parameters
    ----------
    new, sort
        Called when the buttons are pressed.
    """

    def __init__(self, viewer: Viewer, new: Callable[[], None], sort: Callable[[], None]) -> None:
        super().__init__("Sort into classes")
        self.viewer = viewer
        self.examples = LayerPicker(
            viewer,
            lambda layer: purpose_of(layer) == EXAMPLES,
            "Where examples of each class are painted",
        )
        self.new_button = button("New", "Make a layer to paint examples of classes on", new)
        self.names = QLineEdit()
        self.names.setPlaceholderText("class 1, class 2")
        self.names.setToolTip("Names of the classes in the order of their numbers, with commas")
        self.sort_button = button(
            "Sort", "Find the class of every object by those that are painted on", sort
        )
        self.found = Hint()
        how = Hint()
        how.setText(HOW)
        for part in (
            how,
            row(self.examples, self.new_button, wide=0),
            named("Names", self.names, 56),
            row(self.sort_button, wide=0),
            self.found,
        ):
            self.addWidget(part)

    def add_examples(self, layer: LabelsLayer, letters: str, size: float) -> None:
        """Add a layer to paint examples on.

        Parameters
        ----------
        size
            Diameter of an object in pixels.
        """
        shape = labels_of(layer, letters).shape
        data = laid_on(np.zeros(shape, np.uint8), letters, layer)
        made = self.viewer.add_labels(
            **data,
            name=f"{layer.name} {EXAMPLES}",
            colormap=class_colormap(),
            metadata={MARK: {"purpose": EXAMPLES, **made_of(layer)}},
        )
        made.n_edit_dimensions = 2
        made.brush_size = max(2, round(size / 3))
        made.selected_label = 1
        made.mode = "paint"
        self.examples.reset_choices()
        self.examples.value = made

    def request(
        self, table: Measurements, layer: LabelsLayer, letters: str, slices: bool
    ) -> SortRequest:
        """Return what is sorted.

        Raises
        ------
        InputError
            If there are no examples, or they are of another image.
        """
        examples = self.examples.value
        if examples is None:
            raise InputError("Press New, and paint on a few objects of each class first.")
        if examples.ndim != layer.ndim:
            raise InputError(f"{examples.name} belongs to another image: press New.")
        texts = [text.strip() for text in self.names.text().split(",")]
        names = {number: text for number, text in enumerate(texts, start=1) if text}
        painted = labels_of(examples, letters)
        return SortRequest(table, labels_of(layer, letters), painted, slices, names)

    def show_sorted(self, layer: LabelsLayer, letters: str, done: Sorted) -> None:
        """Show the classes in words, and in colours in a layer of their own."""
        squares = (
            f"<span style='color:{color}'>&#9632;</span> {name}"
            for name, color in colors_of(done).items()
        )
        self.found.setText(f"{done.in_words()}<br>{', '.join(squares)}")
        with same_selection(self.viewer):
            for old in layers_of(layer, self.viewer.layers, CLASSES):
                self.viewer.layers.remove(old)
            place: dict[str, Any] = laid_on(done.classes, letters, layer)
            made = self.viewer.add_labels(
                **place,
                name=f"{layer.name} {CLASSES}",
                colormap=class_colormap(),
                opacity=0.6,
                metadata={MARK: {"purpose": CLASSES, **made_of(layer)}},
            )
            if (examples := self.examples.value) in self.viewer.layers:  # stays on top
                self.viewer.layers.move(
                    self.viewer.layers.index(made), self.viewer.layers.index(examples)
                )


def class_colormap() -> CyclicLabelColormap:
    """Return a colour for each class."""
    colors = transform_color(["transparent", *CLASS_COLORS])
    return CyclicLabelColormap(colors=colors, name="object classes")


def colors_of(done: Sorted) -> dict[str, str]:
    """Return the colour of each class by its name, as its number has it."""
    n = len(CLASS_COLORS)
    return {name: CLASS_COLORS[(number - 1) % n] for number, name in done.names.items()}

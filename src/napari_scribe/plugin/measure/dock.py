"""Show the Measure dock: labels, images, Measure; a table, a comparison, classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Labels as LabelsLayer
from qtpy.QtGui import QHideEvent

from ...errors import InputError
from ...evaluation.compare import Comparison
from ...evaluation.sorting import Sorted
from ...evaluation.table import EDGE, Measurements, join
from ..dock import Dock
from ..jobs.request import Ended
from ..layers.purpose import is_annotations
from ..layers.ring import Ring
from ..widgets.basics import button, row, stack, step
from .classes import ClassesFold, colors_of
from .compare import CompareFold
from .form import MeasureForm
from .job import Measured, MeasureRequest, SaveRequest
from .layers import check_open, laid_on
from .link import Edits, Link
from .results import Results

TYPICAL = 24.0
"""Diameter of an object in pixels, where none was measured."""
OUTDATED = "The labels have changed since: press Measure again."


@dataclass(frozen=True)
class Shown:
    """Hold what the table, or a part of it, is of.

    Parameters
    ----------
    layer
        The labels that were measured; None for those in a folder, or closed since.
    letters
        A letter per axis of the layer.
    slices
        Whether Z is a list of slices.
    table
        Of all objects in it.
    """

    layer: LabelsLayer | None
    letters: str
    slices: bool
    table: Measurements


class MeasureDock(Dock):
    """Measure the objects of a labels layer, and compare them with the truth.

    Parameters
    ----------
    napari_viewer
        Given by napari.
    """

    form: MeasureForm

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.form = MeasureForm(self.viewer)
        self.ring = Ring(self.viewer)
        self.linked: list[LabelsLayer] = []
        self.links: list[tuple[int, Link]] = []  # each with its first row in the table
        self.shown: list[Shown] = []
        tip = "Measure size, shape and intensity of every object"
        self.measure_button = button("Measure", tip, self.measure, is_main=True)
        self.results = Results(self.colors)
        self.comparison = CompareFold(
            self.viewer,
            self.colors,
            self.ring,
            self.linked,
            lambda: self.form.image.layer.value,
            self.compare,
        )
        self.classes = ClassesFold(self.viewer, self.new_examples, self.sort)
        scope = self.form.scope, self.form.folder
        self.lay_out(
            step("1", "Labels", self.form.image),
            step("2", "Intensity in", self.form.images),
            step("3", "Measure", stack(*scope, row(self.measure_button, wide=0))),
            self.results,
            self.classes,
            self.comparison,
        )
        self.form.image.layer.changed.connect(self._on_other_labels)
        self.form.more.edge.changed.connect(self._show_table)
        self.results.chosen.connect(self._go_to)
        self.results.wants_save.connect(self.save)

    def hideEvent(self, event: QHideEvent) -> None:
        """Take the ring away where its table is not seen."""
        super().hideEvent(event)
        if not event.spontaneous():  # the window was not minimized
            self.ring.remove()

    def measure(self, pieces: bool | None = None) -> None:
        """Measure the objects of the chosen labels, of all results, or of those in a folder.

        Parameters
        ----------
        pieces
            Whether each separate piece of a number is an object; None asks where that matters.
        """
        with self.preparing():
            if self.form.is_folder:
                self.start(self.form.folder.request(pieces), self._on_folder)
                return
            request = self.form.value(pieces)
            layers = self.form.layers()
            places = [(layer, self.form.image.letters(layer)) for layer in layers]
            edits = Edits(layers)
            try:
                self.start(request, partial(self._on_measured, request, places, edits))
            except InputError:
                edits.stop()
                raise
            self.form.more.remember()

    def save(self, path: Path) -> None:
        """Save the table as it is shown; a name without a suffix gets one, and replaces no file."""
        table = self.results.as_shown()
        if table is not None:
            has_suffix = path.suffix != ""  # then the dialog has asked whether to replace it
            file = path if has_suffix else path.with_name(f"{path.name}.csv")
            with self.preparing("Saving"):
                if not has_suffix and file.exists():
                    raise InputError(f"{file} exists already: choose it there to replace it.")
                self.start(SaveRequest(table, file, overwrite=has_suffix), self._on_saved)

    def compare(self) -> None:
        """Compare the chosen labels with the true ones."""
        with self.preparing():
            self.form.image.image()
            layer, letters = self.form.image.layer.value, self.form.image.letters()
            request = self.comparison.request(layer, letters, self.form.image.slices)
            self.start(request, partial(self._on_compared, layer, letters))

    def new_examples(self) -> None:
        """Add a layer to paint examples of classes on."""
        with self.preparing():
            self.form.image.image()
            layer, letters = self.form.image.layer.value, self.form.image.letters()
            self.classes.add_examples(layer, letters, self._typical_size())
        self.progress.clear()

    def sort(self) -> None:
        """Sort the objects that were measured into classes."""
        with self.preparing():
            if not self.shown:
                raise InputError("Measure the objects first: their sizes and shapes tell classes.")
            if len(self.shown) > 1:
                raise InputError("Measure one result alone: several are not sorted together.")
            (shown,) = self.shown
            if shown.layer is None:
                raise InputError("Open labels and measure them: files are not sorted into classes.")
            check_open(shown.layer, self.viewer, "labels")
            place = shown.layer, shown.letters
            request = self.classes.request(shown.table, *place, shown.slices)
            self.start(request, partial(self._on_sorted, shown))

    def show_state(self) -> None:
        """Enable the buttons that make sense now."""
        super().show_state()
        is_idle = not self.runner.is_busy
        is_free = is_idle and self.form.image.layer.value is not None
        self.measure_button.setEnabled(is_free or (is_idle and self.form.is_folder))
        self.comparison.button.setEnabled(is_free)
        self.classes.new_button.setEnabled(is_free)
        self.classes.sort_button.setEnabled(is_free)

    def reset_choices(self, event: object = None) -> None:
        """Offer the viewer's layers; called by napari."""
        self.comparison.truth.reset_choices()
        self.classes.examples.reset_choices()
        super().reset_choices(event)

    def set_colors(self, colors: dict[str, str]) -> None:
        """Take on the colours of a theme."""
        super().set_colors(colors)
        self.results.histogram.set_colors(colors)
        self.comparison.curve.set_colors(colors)

    def close_down(self) -> None:
        """End the job, and let go of the viewer and of the layers."""
        self._close_links()
        self.comparison.close_link()
        super().close_down()

    def _on_selected(self, _event: object = None) -> None:
        """Follow the labels that the user selects, results too; but not what is painted on."""
        layer = self.viewer.layers.selection.active
        if layer is None or self.runner.is_busy or layer is self.comparison.truth.value:
            return
        if not is_annotations(layer):
            self.form.image.follow(layer)

    def _on_other_labels(self, layer: LabelsLayer | None) -> None:
        """Take away what is of other labels, but not the table of files or of several results."""
        measured = [shown.layer for shown in self.shown]
        if measured == [layer]:
            return
        self.comparison.clear()
        self.comparison.truth.reset_choices()
        if len(measured) < 2 and measured != [None]:
            self._close_links()
            self.shown = []
            self.results.show_table(None)

    def _on_measured(
        self,
        request: MeasureRequest,
        places: list[tuple[LabelsLayer, str]],
        edits: Edits,
        ended: Ended[list[Measured] | None],
    ) -> None:
        edits.stop()
        done = self.result_of(ended)
        self._ask_about_pieces(ended)
        if done is None:
            return
        with self.preparing("Showing"):
            if len(places) == 1:
                check_open(places[0][0], self.viewer, "labels")
            shown = []
            for one, (layer, letters) in zip(done, places, strict=False):  # fewer if it is stopped
                is_open = layer in self.viewer.layers
                if is_open and one.pieces is not None:
                    numbers = laid_on(one.pieces, letters, layer)
                    layer = self.viewer.add_labels(**numbers, name=f"{layer.name} objects")
                part = Shown(layer if is_open else None, letters, request.slices, one.table)
                shown.append(part)
            self._show(shown)
            if edits.any:
                self._on_outdated()
        self.progress.clear()
        if self.is_stopping:
            self.message.warn("Stopped: the table has what was measured by then.")

    def _on_folder(self, ended: Ended[Measurements]) -> None:
        table = self.result_of(ended)
        self._ask_about_pieces(ended)
        if table is None:
            return
        self._show([Shown(None, "", False, table)])
        self.progress.clear()
        if self.is_stopping:
            self.message.warn("Stopped: the table has what was measured by then.")

    def _ask_about_pieces(self, ended: Ended[Any]) -> None:
        """Ask whether each piece of a number is an object, where that matters."""
        if (question := ended.question) is not None:
            answers: dict[str, Callable[[], None]] = {
                question.yes: partial(self.measure, True),
                question.no: partial(self.measure, False),
            }
            self.ask(question.text, answers)

    def _show(self, shown: list[Shown]) -> None:
        """Show the measurements, and link them with their layers."""
        if len(shown) == 1 and shown[0].layer is not None:
            self.form.image.follow(shown[0].layer)
        self.shown = shown
        self._show_table()
        if not any(len(one.table) for one in shown):
            self.message.warn("There are no objects in these labels: all is background.")

    def _show_table(self, _is_ticked: object = None) -> None:
        """Show the measurements, with or without what touches the edge."""
        if not self.shown:
            return
        tables = [shown.table for shown in self.shown]
        if self.form.more.edge.value:
            tables = [table.selected(np.flatnonzero(~table[EDGE])) for table in tables]
        self._close_links()
        self.results.show_table(join(tables))
        first = 0
        for shown, table in zip(self.shown, tables, strict=True):
            if shown.layer is not None:
                place = shown.layer, shown.letters
                link = Link(self.viewer, *place, table, self.ring, self.linked)
                link.picked.connect(partial(self._on_picked_object, first))
                link.outdated.connect(self._on_outdated)
                self.links.append((first, link))
            first += len(table)
        self.scroll_to(self.results)

    def _close_links(self) -> None:
        for _, link in self.links:
            link.close()
        self.links = []

    def _go_to(self, table_row: int) -> None:
        """Go to the object of a row; of several results, select the one that it is in."""
        for first, link in self.links:
            row = table_row - first
            if 0 <= row < len(link.table) and link.layer in self.viewer.layers:
                if len(self.links) > 1:
                    self.viewer.layers.selection.active = link.layer
                link.go_to(row)

    def _on_picked_object(self, first: int, row: int) -> None:
        self.results.go_to(first + row)

    def _on_outdated(self) -> None:
        self.results.outdated.setText(OUTDATED)

    def _on_saved(self, ended: Ended[Path]) -> None:
        if (path := self.result_of(ended)) is not None:
            self.message.info(f"Saved: {path}")

    def _typical_size(self) -> float:
        """Return the median diameter of the measured objects, in pixels."""
        tables = [shown.table for shown in self.shown if shown.table.spacing]
        diameters = np.concatenate([[], *(d for t in tables if (d := t.diameters) is not None)])
        return float(np.median(diameters)) if len(diameters) else TYPICAL

    def _on_sorted(self, shown: Shown, ended: Ended[Sorted]) -> None:
        done = self.result_of(ended)
        if done is None:
            return
        with self.preparing("Showing"):
            check_open(shown.layer, self.viewer, "labels")
            assert shown.layer is not None
            self.results.class_colors = colors_of(done)
            self._show([replace(shown, table=done.table)])
            self.classes.show_sorted(shown.layer, shown.letters, done)
        self.progress.clear()

    def _on_compared(self, layer: LabelsLayer, letters: str, ended: Ended[Comparison]) -> None:
        done = self.result_of(ended)
        if done is None:
            return
        with self.preparing("Showing"):
            check_open(layer, self.viewer, "labels")
            self.comparison.show_comparison(layer, letters, done)
        self.progress.clear()
        self.scroll_to(self.comparison)

"""Compare labels with the truth: counts, curve, and a table of what is found, false and missed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from napari import Viewer
from napari.layers import Labels as LabelsLayer
from napari.layers import Layer
from napari.utils.colormaps import DirectLabelColormap

from ...errors import InputError
from ...evaluation.compare import COLORED, FALSE, FOUND, IOU, MISSED, VERDICT, Comparison
from ..layers.purpose import (
    COMPARED,
    CORRECTED,
    MARK,
    TRUTH,
    is_paint,
    layers_of,
    made_of,
    purpose_of,
)
from ..layers.ring import Ring
from ..widgets.basics import Fold, Hint, button, row
from ..widgets.layer_pickers import LayerPicker
from .job import CompareRequest
from .layers import labels_of, laid_on
from .link import Link
from .plots import ApCurve
from .table import TableView

COLORS = {FALSE: "#f04fd0", MISSED: "#ffd21f"}
ORDER = {FALSE: 0, MISSED: 1, FOUND: 2}
"""What is wrong comes first in the table."""


class TruthPicker(LayerPicker):
    """Offer labels layers, of which none is chosen until somebody says that it is true."""

    def likeliest(self) -> None:
        """Choose none."""


def _rank_of_truth(layer: Layer) -> int:
    """Return how likely labels are meant as the truth; 0 where somebody has to say so."""
    return {TRUTH: 2, CORRECTED: 2, "": 1}.get(purpose_of(layer), 0)


class CompareFold(Fold):
    """Compare the labels that are measured with other ones, which are true.

    Parameters
    ----------
    ring, linked
        As `Link` takes them.
    measured
        Return the labels that are measured, which are not offered as truth.
    compare
        Called when the button is pressed.
    """

    def __init__(
        self,
        viewer: Viewer,
        colors: dict[str, str],
        ring: Ring,
        linked: list[LabelsLayer],
        measured: Callable[[], Layer | None],
        compare: Callable[[], None],
    ) -> None:
        super().__init__("Compare with truth")
        self.viewer, self.ring, self.linked = viewer, ring, linked
        self.truth = TruthPicker(
            viewer,
            lambda layer: is_paint(layer) and layer is not measured(),
            "Labels of the same image that are right",
            _rank_of_truth,
        )
        self.button = button("Compare", "Find which objects are found, false and missed", compare)
        self.words, self.rates = Hint(), Hint()
        self.legend = Hint()
        self.curve = ApCurve(colors)
        self.table = TableView("Objects that are false, missed and found: a click goes there", 160)
        self.link: Link | None = None
        self.table.chosen.connect(self._go_to)
        self._results = (self.words, self.rates, self.legend, self.curve, self.table)
        for part in (row(self.truth, self.button, wide=0), *self._results):
            self.addWidget(part)
        self.clear()

    def request(self, layer: LabelsLayer, letters: str, slices: bool) -> CompareRequest:
        """Return what is compared.

        Raises
        ------
        InputError
            If no other labels are chosen.
        """
        truth = self.truth.value
        if truth is None:
            raise InputError("Choose the true labels, in a layer other than the measured one.")
        if truth.ndim != layer.ndim:
            raise InputError(
                f"{truth.name} has {truth.ndim} axes and {layer.name} {layer.ndim}: choose labels "
                "of the same image."
            )
        return CompareRequest(labels_of(layer, letters), labels_of(truth, letters), slices)

    def show_comparison(self, layer: LabelsLayer, letters: str, done: Comparison) -> None:
        """Show what was found: in words, as a curve, in a table and in the viewer."""
        self.clear()
        scores = done.scores
        self.words.setText(f"<b>{done.in_words()}</b>")
        self.rates.setText(
            f"At IoU .5: precision {scores.precision[0]:.2f}, recall {scores.recall[0]:.2f}, "
            f"F1 {scores.f1[0]:.2f}. AP {scores.ap[0]:.2f}, mean AP (.5 to .95) "
            f"{scores.ap.mean():.2f}. Mean IoU of what is found {scores.mean_iou:.2f}."
        )
        name = self._show_verdicts(layer, letters, done)
        squares = ", ".join(
            f"<span style='color:{color}'>&#9632;</span> {verdict}"
            for verdict, color in COLORS.items()
        )
        self.legend.setText(f"In the layer {name}: {squares}.")
        self.curve.show_curve(scores.thresholds, scores.ap)
        table = done.table
        first = np.array([ORDER[v] for v in table[VERDICT]], int)
        iou = np.nan_to_num(table[IOU], nan=-1)
        table = table.selected(np.lexsort((iou, first)))
        self.table.show_table(table)
        shared = self.ring, self.linked
        self.link = Link(self.viewer, layer, letters, table, *shared, has_features=False)
        self.link.picked.connect(self.table.go_to)
        for part in self._results:
            part.setVisible(True)

    def clear(self) -> None:
        """Show nothing: there is no comparison of the labels that are chosen."""
        self.close_link()
        self.table.show_table(None)
        for part in self._results:
            part.setVisible(False)

    def close_link(self) -> None:
        """Let go of the viewer."""
        if self.link is not None:
            self.link.close()
            self.link = None

    def _show_verdicts(self, layer: LabelsLayer, letters: str, done: Comparison) -> str:
        """Show false and missed objects in a layer of their own; return its name."""
        data = laid_on(done.verdicts, letters, layer)
        for old in layers_of(layer, self.viewer.layers, COMPARED):
            self.viewer.layers.remove(old)
        selection = self.viewer.layers.selection
        colors: dict[int | None, str] = {None: "transparent"}
        colors |= {COLORED[name]: color for name, color in COLORS.items()}
        made = self.viewer.add_labels(
            **data,
            name=f"{layer.name} {COMPARED}",
            colormap=DirectLabelColormap(color_dict=colors),
            opacity=0.8,
            metadata={MARK: {"purpose": COMPARED, **made_of(layer)}},
        )
        selection.active = layer
        return str(made.name)

    def _go_to(self, line: int) -> None:
        if self.link is not None:
            self.link.go_to(line)

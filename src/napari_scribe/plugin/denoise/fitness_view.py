"""Show what the check of noisy pairs found, what can be done about it, and a small plot."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import MaxNLocator, MultipleLocator
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from ..widgets.basics import Fold, Hint, empty, fill_column
from ..widgets.curves import LOSS, VALIDATION, Plot
from ..widgets.feedback import Message
from .job import REMEDIES

if TYPE_CHECKING:
    from ...training.pairs.fitness import Curves, Finding, Fitness

NOT_YET = "Not checked yet. Train checks first."


class FitnessView(QWidget):
    """Show findings in words, a box to tick for each remedy, and a plot folded away.

    Parameters
    ----------
    colors
        Of the theme.
    """

    def __init__(self, colors: dict[str, str]) -> None:
        super().__init__()
        self._colors = colors
        self.boxes: dict[str, QCheckBox] = {}
        self.messages: list[Message] = []
        self.summary = Hint()
        self._findings = QVBoxLayout()
        self.plot = FitnessPlot(colors)
        self.fold = Fold("Plot")
        self.fold.addWidget(self.plot)
        fill_column(self, self.summary, self.fold).insertLayout(1, self._findings)
        self.clear()

    def clear(self) -> None:
        """Show that nothing was checked yet."""
        empty(self._findings)
        self.boxes, self.messages = {}, []
        self.summary.setText(NOT_YET)
        self.fold.hide()

    def show_fitness(self, fitness: Fitness) -> None:
        """Show what a check found; its remedies are ticked."""
        self.clear()
        self.summary.setText(fitness.in_words() if fitness.is_fit else "")
        for finding in fitness.findings:
            self._add(finding, finding.text == fitness.hopeless)
        self.plot.draw_curves(fitness.curves)
        self.fold.show()

    def remedies(self) -> frozenset[str]:
        """Return the remedies that are ticked."""
        return frozenset(name for name, box in self.boxes.items() if box.isChecked())

    def tick(self, remedies: Collection[str]) -> None:
        """Tick these remedies and no others."""
        for name, box in self.boxes.items():
            box.setChecked(name in remedies)

    def set_colors(self, colors: dict[str, str]) -> None:
        """Take on the colours of a theme."""
        self._colors = colors
        for message in self.messages:
            message.set_colors(colors)
        self.plot.set_colors(colors)

    def _add(self, finding: Finding, is_hopeless: bool) -> None:
        message = Message(self._colors)
        say = message.error if is_hopeless else message.warn
        say(finding.text)
        self.messages.append(message)
        self._findings.addWidget(message)
        if finding.remedy and finding.remedy not in self.boxes:
            text, tooltip = REMEDIES[finding.remedy]
            box = QCheckBox(text)
            box.setToolTip(tooltip)
            box.setChecked(True)
            self.boxes[finding.remedy] = box
            self._findings.addWidget(box)


class FitnessPlot(Plot):
    """Plot how far each picture has drifted, and how bright it is."""

    def __init__(self, colors: dict[str, str]) -> None:
        super().__init__(150, (0.14, 0.60, 0.83, 0.36), (0.14, 0.20, 0.83, 0.36))
        self.drift: Any
        self.brightness: Any
        self.drift, self.brightness = self.figure.axes
        self._name_axes()
        self.set_colors(colors)

    def draw_curves(self, curves: Curves) -> None:
        """Draw what was measured, picture by picture."""
        for axes in (self.drift, self.brightness):
            axes.clear()
        numbers = np.arange(len(curves.views))
        look = {"lw": 1.2, "marker": "o", "ms": 2}
        self.drift.plot(numbers, curves.drift, color=VALIDATION, **look)
        self.brightness.plot(numbers, 100 * curves.brightness, color=LOSS, **look)
        self.drift.set_ylim(0, max(1.0, 1.1 * float(np.nanmax([0, *curves.drift]))))
        high = float(np.nanmax([1, *curves.brightness.ravel()]))
        self.brightness.set_ylim(0, 115 * high)
        self._name_axes()
        self.set_colors(self.colors)

    def _name_axes(self) -> None:
        for axes in (self.drift, self.brightness):
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        self.drift.yaxis.set_major_locator(MaxNLocator(3))
        self.brightness.yaxis.set_major_locator(MultipleLocator(50))
        self.drift.tick_params(labelbottom=False)
        self.drift.set_ylabel("drift (px)")
        self.brightness.set_ylabel("brightness (%)", y=0.35)  # clear of the drift
        self.brightness.set_xlabel("picture", labelpad=1)

"""Draw a histogram of what was measured, and the score over the IoU that is asked."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from ...arrays import Pixels
from ..widgets.curves import LOSS, VALIDATION, Plot

MOST_BINS = 40


class Histogram(Plot):
    """Draw how often each value of a column occurs, and where the chosen object lies."""

    def __init__(self, colors: dict[str, str]) -> None:
        super().__init__(120, (0.13, 0.3, 0.84, 0.64))
        self.axes: Any = self.figure.axes[0]
        self._mark: Any = None
        self.set_colors(colors)

    def show_values(
        self, name: str, values: Pixels, classes: Pixels | None, colors: dict[str, str]
    ) -> None:
        """Draw a column without what is NaN; the classes on top of each other.

        Parameters
        ----------
        classes
            The name of the class of each object; None where they are not sorted.
        colors
            Of the classes, by name.
        """
        self.axes.clear()
        self._mark = None
        is_known = np.isfinite(values)
        values = values[is_known]
        if len(values):
            edges = np.histogram_bin_edges(values, "auto")
            edges = np.linspace(edges[0], edges[-1], min(len(edges), MOST_BINS + 1))
            if classes is None:
                self.axes.hist(values, edges, color=LOSS, linewidth=0)
            else:
                parts = [values[classes[is_known] == kind] for kind in colors]
                self.axes.hist(parts, edges, color=[*colors.values()], stacked=True, linewidth=0)
        self.axes.set_xlabel(name, labelpad=1)
        self.axes.set_ylabel("objects", labelpad=2)
        self.axes.xaxis.set_major_locator(MaxNLocator(5))
        self.axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        self.set_colors(self.colors)

    def mark(self, value: float | None) -> None:
        """Draw a line at a value; none for None or what is not defined."""
        if self._mark is not None:
            self._mark.remove()
            self._mark = None
        if value is not None and np.isfinite(value):
            self._mark = self.axes.axvline(value, color=VALIDATION, lw=1.5)
        self.draw_idle()


class ApCurve(Plot):
    """Draw the average precision over the IoU from which two objects count as the same."""

    def __init__(self, colors: dict[str, str]) -> None:
        super().__init__(110, (0.13, 0.32, 0.84, 0.62))
        self.axes: Any = self.figure.axes[0]
        self.axes.set_xlabel("IoU asked", labelpad=1)
        self.axes.set_ylabel("AP", labelpad=2)
        self.axes.set_xlim(0.48, 0.97)
        self.axes.set_ylim(0, 1.05)
        self.axes.yaxis.set_major_locator(MaxNLocator(3))
        (self._line,) = self.axes.plot([], [], color=VALIDATION, lw=1.6, marker="o", ms=3)
        self.set_colors(colors)

    def show_curve(self, thresholds: Pixels, ap: Pixels) -> None:
        """Draw the curve of a comparison."""
        self._line.set_data(thresholds, ap)
        self.draw_idle()

"""Draw the loss and the loss on held-out data while a network is trained."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

REDRAW = 0.5
"""Seconds between two drawings."""
MOST_POINTS = 400
"""Points of a curve that are drawn at least, where there are as many; longer ones are thinned."""
LOSS, VALIDATION = "#8f9bb0", "#f0931a"
CURVES: dict[str, dict[str, Any]] = {
    "training": {"color": LOSS, "lw": 1.2},
    "held-out {}": {"color": VALIDATION, "lw": 1.6, "marker": "o", "ms": 3},
}
FIRST_STEPS = 50
"""Steps that the axis shows at first."""
_SMOOTHING = 0.9
"""Share of the last smoothed loss in the next."""


class Plot(FigureCanvasQTAgg):
    """Draw axes in the colours of a theme.

    Parameters
    ----------
    height
        In pixels.
    *places
        Left, bottom, width and height of each pair of axes, as shares of the figure.
    """

    def __init__(self, height: int, *places: tuple[float, float, float, float]) -> None:
        self.figure = Figure()
        super().__init__(self.figure)
        self.setFixedHeight(height)
        for place in places:
            self.figure.add_axes(place)

    def set_colors(self, colors: dict[str, str]) -> None:
        """Take on the colours of a theme."""
        self.colors = colors
        self.figure.set_facecolor(colors["background"])
        for axes in self.figure.axes:
            axes.set_facecolor(colors["background"])
            axes.tick_params(colors=colors["icon"], labelsize=7, length=2, pad=2)
            axes.xaxis.label.set(color=colors["text"], fontsize=8)
            axes.yaxis.label.set(color=colors["text"], fontsize=8)
            for side, spine in axes.spines.items():
                spine.set(color=colors["highlight"], visible=side in ("left", "bottom"))
        self.draw_idle()


class Curves(Plot):
    """Draw the loss over steps: smoothed for training, as it is for held-out data.

    A whole drawing takes longer than a training step. So the limits of the axes grow by leaps, and
    between two leaps only the curves are drawn, over a copy of the rest.

    Parameters
    ----------
    colors
        Colours of the theme, as `basics.theme_colors` returns them.
    held_out
        What was held out.
    """

    def __init__(self, colors: dict[str, str], held_out: str = "paint") -> None:
        super().__init__(140, (0.13, 0.26, 0.85, 0.68))
        self.axes: Any = self.figure.axes[0]
        self.axes.set_xlabel("step", labelpad=1)
        self.axes.set_ylabel("loss", labelpad=2)
        self.axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        self.axes.yaxis.set_major_locator(MaxNLocator(4))
        self._lines = tuple(
            self.axes.plot([], [], animated=True, label=name.format(held_out), **style)[0]
            for name, style in CURVES.items()
        )
        self._background: Any = None
        self.colors = colors
        self.mpl_connect("draw_event", self._on_draw)
        self.clear()
        self.set_colors(colors)

    def set_colors(self, colors: dict[str, str]) -> None:
        """Take on the colours of a theme."""
        super().set_colors(colors)
        self._name_lines()

    def clear(self) -> None:
        """Forget all steps."""
        self.steps: list[int] = []
        self.losses: list[float] = []
        self.validation: list[tuple[int, float]] = []
        self._smooth: float | None = None
        self._drawn = 0.0
        self._limits = (0.0, 0.0)
        self._named = [False, False]
        self.redraw()

    def add(self, step: int, loss: float, validation: float | None) -> None:
        """Add a step, and draw if the last drawing is old enough."""
        if math.isfinite(loss):
            before = loss if self._smooth is None else self._smooth
            self._smooth = _SMOOTHING * before + (1 - _SMOOTHING) * loss
            self.steps.append(step)
            self.losses.append(self._smooth)
        if len(self.steps) > 2 * MOST_POINTS:
            self.steps, self.losses = self.steps[::2], self.losses[::2]
        if validation is not None and math.isfinite(validation):
            self.validation.append((step, validation))
        if time.monotonic() - self._drawn >= REDRAW and self.isVisible():
            self.redraw()

    def redraw(self) -> None:
        """Draw all steps."""
        self._drawn = time.monotonic()
        loss, validation = self._lines
        loss.set_data(self.steps, self.losses)
        validation.set_data([s for s, _ in self.validation], [v for _, v in self.validation])
        limits, named = self._fitting_limits(), [bool(self.losses), bool(self.validation)]
        if (limits, named) != (self._limits, self._named) or self._background is None:
            self._name_lines()
            self._limits = limits
            self.axes.set_xlim(0, limits[0])
            self.axes.set_ylim(0, limits[1])
            self.draw_idle()
        else:
            self.restore_region(self._background)
            self._draw_lines()
            self.update()

    def _name_lines(self) -> None:
        """Show a legend of the lines that have a point."""
        lines = [line for line in self._lines if np.size(line.get_xdata())]
        self._named = [line in lines for line in self._lines]
        style = {"frameon": False, "fontsize": 8, "labelcolor": self.colors["text"]}
        self.axes.legend(handles=lines, loc="upper right", **style)

    def _fitting_limits(self) -> tuple[float, float]:
        """Return the ends of both axes, which hold all points and change seldom."""
        values = self.losses + [value for _, value in self.validation]
        last = self.steps[-1] if self.steps else 0
        leaps = max(0, math.ceil(math.log(max(last, 1) / FIRST_STEPS, 1.5)))
        height = max(max(values, default=1.0), 1e-6)
        step = 10.0 ** math.floor(math.log10(height)) / 2
        return round(FIRST_STEPS * 1.5**leaps), step * math.ceil(1.05 * height / step)

    def _on_draw(self, _event: object) -> None:
        """Copy the drawing without curves, and draw these."""
        self._background = self.copy_from_bbox(self.figure.bbox)
        self._draw_lines()

    def _draw_lines(self) -> None:
        for line in self._lines:
            self.axes.draw_artist(line)

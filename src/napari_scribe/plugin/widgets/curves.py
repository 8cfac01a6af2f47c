"""The live plot of the loss and of the loss on what was held out."""

from __future__ import annotations

import math
import time
from typing import Any

from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

REDRAW = 0.5
"""Seconds between two drawings."""
KEPT = 400
"""How many points of a curve are drawn; longer ones are thinned out."""
LOSS, VALIDATION = "#8f9bb0", "#f0931a"
CURVES: dict[str, dict[str, Any]] = {
    "training": {"color": LOSS, "lw": 1.2},
    "held-out {}": {"color": VALIDATION, "lw": 1.6, "marker": "o", "ms": 3},
}
FIRST_STEPS = 50
_SMOOTHING = 0.9


class Curves(FigureCanvasQTAgg):
    """Loss over steps: smoothed for training, as it is for what was held out.

    Axes, ticks and legend are drawn when the limits change, which grow by leaps; in between, the
    two curves alone are drawn over a copy of the rest.

    Parameters
    ----------
    colors
        Of the theme, as `parts.theme_colors` gives them.
    held_out
        What was held out.
    """

    def __init__(self, colors: dict[str, str], held_out: str = "paint") -> None:
        self.figure = Figure()
        super().__init__(self.figure)
        self.setFixedHeight(140)
        self.axes: Any = self.figure.add_axes((0.13, 0.26, 0.85, 0.68))
        self.axes.set_xlabel("step", fontsize=8, labelpad=1)
        self.axes.set_ylabel("loss", fontsize=8, labelpad=2)
        self.axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        self.axes.yaxis.set_major_locator(MaxNLocator(4))
        for side in ("top", "right"):
            self.axes.spines[side].set_visible(False)
        self._lines = tuple(
            self.axes.plot([], [], animated=True, label=name.format(held_out), **look)[0]
            for name, look in CURVES.items()
        )
        self._background: Any = None
        self._text = colors["text"]
        self.mpl_connect("draw_event", self._on_draw)
        self.clear()
        self.set_colors(colors)

    def set_colors(self, colors: dict[str, str]) -> None:
        """Take on the colours of a theme."""
        self.figure.set_facecolor(colors["background"])
        self.axes.set_facecolor(colors["background"])
        self.axes.xaxis.label.set_color(colors["text"])
        self.axes.yaxis.label.set_color(colors["text"])
        self.axes.tick_params(colors=colors["icon"], labelsize=7, length=2, pad=2)
        for spine in self.axes.spines.values():
            spine.set_color(colors["highlight"])
        self._text = colors["text"]
        self._name_lines()
        self.draw_idle()

    def clear(self) -> None:
        """Begin anew."""
        self.steps: list[int] = []
        self.losses: list[float] = []
        self.validation: list[tuple[int, float]] = []
        self._smooth: float | None = None
        self._drawn = 0.0
        self._limits = (0.0, 0.0)
        self._named = [False, False]
        self.redraw()

    def add(self, step: int, loss: float, validation: float | None) -> None:
        """Take a step, and draw if the last drawing is old enough."""
        if math.isfinite(loss):
            before = loss if self._smooth is None else self._smooth
            self._smooth = _SMOOTHING * before + (1 - _SMOOTHING) * loss
            self.steps.append(step)
            self.losses.append(self._smooth)
        if len(self.steps) > 2 * KEPT:
            self.steps, self.losses = self.steps[::2], self.losses[::2]
        if validation is not None and math.isfinite(validation):
            self.validation.append((step, validation))
        if time.monotonic() - self._drawn >= REDRAW and self.isVisible():
            self.redraw()

    def redraw(self) -> None:
        """Draw what there is."""
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
        """A legend of the lines that have a point."""
        lines = [line for line in self._lines if len(line.get_xdata())]
        self._named = [line in lines for line in self._lines]
        look = {"frameon": False, "fontsize": 8, "labelcolor": self._text}
        self.axes.legend(handles=lines, loc="upper right", **look)

    def _fitting_limits(self) -> tuple[float, float]:
        """Limits of both axes that hold all points, and change seldom."""
        values = self.losses + [value for _, value in self.validation]
        last = self.steps[-1] if self.steps else 0
        leaps = max(0, math.ceil(math.log(max(last, 1) / FIRST_STEPS, 1.5)))
        height = max(max(values, default=1.0), 1e-6)
        step = 10.0 ** math.floor(math.log10(height)) / 2
        return round(FIRST_STEPS * 1.5**leaps), step * math.ceil(1.05 * height / step)

    def _on_draw(self, _event: Any) -> None:
        """Keep the drawing without curves, and add them."""
        self._background = self.copy_from_bbox(self.figure.bbox)
        self._draw_lines()

    def _draw_lines(self) -> None:
        for line in self._lines:
            self.axes.draw_artist(line)

"""Draw the loss and the loss on held-out data while a network is trained."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
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
    "best, kept": {"color": VALIDATION, "lw": 0, "marker": "o", "ms": 9, "mfc": "none", "mew": 1.6},
}
FIRST_STEPS = 50
"""Steps that the axis shows at first."""
_SMOOTHING = 0.9
"""Share of the last smoothed loss in the next."""


@dataclass
class Course:
    """Hold how a training went.

    Parameters
    ----------
    steps, losses
        Steps, and the smoothed loss of each.
    validation
        Step and loss on held-out data.
    best
        The step whose model is kept; None where none was better than others.
    """

    steps: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    validation: list[tuple[int, float]] = field(default_factory=list)
    best: int | None = None


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
    """Draw the loss over steps, smoothed for training, as it is for held-out data; ring the best.

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
        super().__init__(150, (0.13, 0.24, 0.85, 0.62))
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
        self.show_course(Course())

    def show_course(self, course: Course) -> None:
        """Show another training, which goes on from there."""
        self.course = course
        self._smooth = course.losses[-1] if course.losses else None
        self._drawn = 0.0
        self._limits = (0.0, 0.0)
        self._named = [False] * len(self._lines)
        self.redraw()

    def add(
        self, step: int, loss: float, validation: float | None, best: int | None = None
    ) -> None:
        """Add a step, and draw if the last drawing is old enough.

        Parameters
        ----------
        best
            The step whose model is kept by now.
        """
        course = self.course
        course.best = best
        if math.isfinite(loss):
            before = loss if self._smooth is None else self._smooth
            self._smooth = _SMOOTHING * before + (1 - _SMOOTHING) * loss
            course.steps.append(step)
            course.losses.append(self._smooth)
        if len(course.steps) > 2 * MOST_POINTS:
            course.steps, course.losses = course.steps[::2], course.losses[::2]
        if validation is not None and math.isfinite(validation):
            course.validation.append((step, validation))
        if time.monotonic() - self._drawn >= REDRAW and self.isVisible():
            self.redraw()

    def redraw(self) -> None:
        """Draw all steps."""
        self._drawn = time.monotonic()
        course = self.course
        best = [(s, v) for s, v in course.validation if s == course.best][-1:]
        for line, points in zip(
            self._lines,
            (zip(course.steps, course.losses, strict=True), course.validation, best),
            strict=True,
        ):
            line.set_data(np.array([*points], float).reshape(-1, 2).T)
        limits = self._fitting_limits()
        named = [bool(np.size(line.get_xdata())) for line in self._lines]
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
        style = {"frameon": False, "fontsize": 7.5, "labelcolor": self.colors["text"]}
        # Above the axes, where no curve is: in one line, which fits into 300 pixels.
        place = {"loc": "lower right", "bbox_to_anchor": (1.02, 0.97), "borderpad": 0.1}
        row = {"ncols": len(CURVES), "handlelength": 1.2, "columnspacing": 1, "handletextpad": 0.5}
        self.axes.legend(handles=lines, **style, **place, **row)

    def _fitting_limits(self) -> tuple[float, float]:
        """Return the ends of both axes, which hold all points and change seldom."""
        course = self.course
        values = course.losses + [value for _, value in course.validation]
        last = max([0, *course.steps[-1:], *(step for step, _ in course.validation[-1:])])
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

"""Tell a click of the mouse from a stroke."""

from __future__ import annotations

import math

from napari.utils.events import Event

CLICK = 4.0
"""Pixels of the screen that the mouse may move in a click."""


def on_canvas(event: Event) -> tuple[float, float]:
    """Return where the mouse is, in pixels of the canvas."""
    x, y = event.pos
    return float(x), float(y)


def is_beyond_click(begin: tuple[float, float], now: tuple[float, float]) -> bool:
    """Return whether the mouse has moved farther than in a click."""
    return math.dist(begin, now) > CLICK

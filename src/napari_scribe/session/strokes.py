"""Tell what a person means by a stroke over objects: delete, merge or split."""

from __future__ import annotations

import math
from enum import StrEnum

import numpy as np
from skimage.draw import polygon2mask

from ..arrays import Pixels
from ..windows import Window, intersect, shape_of, start_of
from .edits import Point, Stroke, pixels_along

OPEN = 0.2
"""Gap between the ends of a stroke, as a share of its length, up to which it is a loop."""
ROUND = 0.25
"""Least area of a loop, as a share of the circle of its length: a line there and back has none."""


class Meaning(StrEnum):
    """Name what a stroke does."""

    DELETE = "delete"
    MERGE = "merge"
    SPLIT = "split"


def meaning_of(labels: Pixels, stroke: Stroke, within: Window) -> Meaning:
    """Return what a stroke does where no tool is chosen.

    A loop deletes what lies in it. A line from one object into another merges them. Every other
    line splits.

    Parameters
    ----------
    stroke
        The points of the stroke, ``(n, axes)``.
    within
        The slice on which it is drawn: a window of one pixel along all axes but two.
    """
    if is_loop(stroke):
        return Meaning.DELETE
    first, last = (_number_at(labels, point, within) for point in (stroke[0], stroke[-1]))
    return Meaning.MERGE if first and last and first != last else Meaning.SPLIT


def is_loop(stroke: Stroke) -> bool:
    """Return whether a stroke ends where it began, round something."""
    steps = np.diff(stroke, axis=0)
    length = float(np.linalg.norm(steps, axis=1).sum())
    if np.linalg.norm(stroke[-1] - stroke[0]) > OPEN * length:
        return False
    plane = stroke[:, np.ptp(stroke, axis=0) > 0]
    if plane.shape[1] != 2:
        return False
    y, x = plane.T
    area = abs(float(np.dot(y, np.roll(x, 1)) - np.dot(x, np.roll(y, 1)))) / 2
    return 4 * math.pi * area > ROUND * length**2


def numbers_in(labels: Pixels, stroke: Stroke, within: Window) -> list[int]:
    """Return the numbers of the objects of which more than half lies in a loop.

    Parameters
    ----------
    stroke, within
        As `meaning_of` takes them.
    """
    axes = [axis for axis, n in enumerate(shape_of(within)) if n > 1]
    corners = np.round(stroke[:, axes])
    low, high = corners.min(axis=0).astype(int), corners.max(axis=0).astype(int) + 1
    box = list(within)
    for axis, start, stop in zip(axes, low, high, strict=True):
        box[axis] = slice(int(start), int(stop))
    window = intersect(box, within)
    part = labels[window].squeeze(tuple(a for a in range(labels.ndim) if a not in axes))
    inside = polygon2mask(part.shape, corners - np.array(start_of(window))[axes])
    numbers, counts = np.unique(part[inside], return_counts=True)
    numbers, counts = numbers[numbers > 0], counts[numbers > 0]
    plane = labels[within]
    known = plane[np.isin(plane, numbers)]
    totals = np.unique(known, return_counts=True)[1]
    return [int(n) for n in numbers[2 * counts > totals]]


def _number_at(labels: Pixels, point: Point, within: Window) -> int:
    pixels = pixels_along(point[np.newaxis], within)
    return int(labels[tuple(pixels[0])]) if len(pixels) else 0

"""Make paint of the objects that a person has corrected."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..arrays import Pixels
from ..windows import Window, grow, intersect, shape_of, start_of, whole
from .edits import Mask, free_number, windows_of

BACKGROUND = 1
"""The value of background in paint; objects begin after it."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """Hold the paint that corrections make.

    Parameters
    ----------
    pixels
        Where it is new: an index per axis, as numpy takes them.
    values
        Its values there.
    numbers
        The numbers in paint of the corrected objects.
    n_deleted
        Pixels of new background.
    """

    pixels: tuple[npt.NDArray[np.int_], ...]
    values: Pixels
    numbers: tuple[int, ...]
    n_deleted: int


def lesson(
    labels: Pixels,
    numbers: Collection[int],
    changed: Iterable[tuple[Window, Mask]],
    paint: Pixels,
    taught: Collection[int] = (),
    undone: Iterable[tuple[Window, Mask]] = (),
) -> Lesson:
    """Return the paint that corrected objects make, with background where objects were taken away.

    An object keeps the number that most of it has in the paint already; else it gets a new one.
    What was painted by hand stays: other objects everywhere, and all of it outside of the
    corrected objects.

    Parameters
    ----------
    labels
        The corrected labels: 0 is background, and each number an object.
    numbers
        Of the objects that were corrected; those that are gone are passed over.
    changed
        Where labels were changed, as `History.changed` yields it.
    paint
        ``(*labels)``: 0 is not painted, 1 background, and each number from 2 an object.
    taught
        Numbers in the paint that corrections have made before, which may be replaced.
    undone
        Where changes were undone: what they had taught is taken out of the paint again.

    Raises
    ------
    InputError
        If the paint has no number left.
    """
    own = {*taught}
    windows = windows_of(labels, numbers)
    objects = {n: (windows[n], labels[windows[n]] == n) for n in numbers if n in windows}
    known: dict[int, int] = {}
    for number, (window, is_object) in objects.items():
        in_paint = _number_in_paint(paint, window, is_object, {*known.values()})
        if in_paint is not None:
            known[number] = in_paint
    new = [number for number in objects if number not in known]
    if new:
        first = max(free_number(paint, len(new)), BACKGROUND + 1)
        known |= {number: first + i for i, number in enumerate(new)}
    indices: list[npt.NDArray[np.int_]] = []
    values: list[npt.NDArray[np.int_]] = []
    for number, (window, is_object) in objects.items():
        may_change = np.isin(paint[window], [0, BACKGROUND, known[number], *own])
        at = np.argwhere(is_object & may_change) + start_of(window)
        indices.append(at)
        values.append(np.full(len(at), known[number]))
    for window, mask in undone:
        is_taught = mask & (labels[window] == 0) & np.isin(paint[window], [*own])
        at = np.argwhere(is_taught) + start_of(window)
        indices.append(at)
        values.append(np.zeros(len(at), int))
    n_deleted = 0
    for window, mask in changed:  # after what was undone: of two values for a pixel the last counts
        is_gone = mask & (labels[window] == 0) & np.isin(paint[window], [0, *own])
        at = np.argwhere(is_gone) + start_of(window)
        n_deleted += len(at)
        indices.append(at)
        values.append(np.full(len(at), BACKGROUND))
    at = np.concatenate(indices) if indices else np.empty((0, paint.ndim), int)
    made = np.concatenate(values) if values else np.empty(0, int)
    given = tuple(known[n] for n in objects)
    return Lesson(tuple(at.T), made.astype(paint.dtype), given, n_deleted)


def _number_in_paint(
    paint: Pixels, window: Window, is_object: Mask, given: Collection[int]
) -> int | None:
    """Return the number of the painted object that is the same one: most of it lies in this."""
    inside, counts = np.unique(paint[window][is_object], return_counts=True)
    around = paint[intersect(grow(window, shape_of(window)), whole(paint.shape))]
    for i in np.argsort(-counts):
        number = int(inside[i])
        is_candidate = number > BACKGROUND and number not in given
        if is_candidate and 2 * counts[i] > (around == number).sum():
            return number
    return None

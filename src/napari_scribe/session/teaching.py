"""Make paint of the objects that a person has corrected."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..arrays import Pixels
from ..windows import Window, grow, intersect, shape_of, start_of, whole
from .edits import Mask, free_number, windows_of
from .history import History

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
    n_taken_out
        Pixels that are not painted any more.
    """

    pixels: tuple[npt.NDArray[np.int_], ...]
    values: Pixels
    numbers: tuple[int, ...]
    n_deleted: int
    n_taken_out: int


def lesson(
    labels: Pixels,
    history: History,
    paint: Pixels,
    taught: Collection[int] = (),
) -> Lesson:
    """Return the paint that corrected objects make, with background where objects were taken away.

    An object keeps the number that most of it has in the paint already; else it gets a new one.
    What was painted by hand stays: other objects everywhere, and all of it outside of the
    corrected objects. What was taught and then undone is taken out again.

    Parameters
    ----------
    labels
        The corrected labels: 0 is background, and each number an object.
    history
        Which objects were corrected, and where; those that are gone are passed over.
    paint
        ``(*labels)``: 0 is not painted, 1 background, and each number from 2 an object.
    taught
        Numbers in the paint that corrections have made before, which may be replaced.

    Raises
    ------
    InputError
        If the paint has no number left.
    """
    own, changed = {*taught}, {*history.numbers()}
    windows = windows_of(labels, history.numbers(with_undone=True))
    objects = {n: (window, labels[window] == n) for n, window in windows.items()}
    objects = {
        n: (window, is_object)
        for n, (window, is_object) in objects.items()
        # One that is as it was before means something only where something else was taught.
        if n in changed or np.isin(paint[window][is_object], [BACKGROUND, *own]).any()
    }
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
    for window, mask in history.undone():
        is_taught = mask & (labels[window] == 0) & np.isin(paint[window], [*own])
        at = np.argwhere(is_taught) + start_of(window)
        indices.append(at)
        values.append(np.zeros(len(at), int))
    n_deleted = 0
    # After what was undone: of two values for a pixel, the last one counts.
    for window, mask in history.changed():
        is_gone = mask & (labels[window] == 0) & np.isin(paint[window], [0, *own])
        at = np.argwhere(is_gone) + start_of(window)
        n_deleted += len(at)
        indices.append(at)
        values.append(np.full(len(at), BACKGROUND))
    at = np.concatenate(indices) if indices else np.empty((0, paint.ndim), int)
    made = np.concatenate(values) if values else np.empty(0, int)
    given = tuple(known[n] for n in objects)
    n_taken_out = int(np.count_nonzero(made == 0))
    return Lesson(tuple(at.T), made.astype(paint.dtype), given, n_deleted, n_taken_out)


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

"""Axes of a file and the letters that a person gives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..image import AXES, guess_axes
from .file_array import Pick


def letters_of(found: str, shape: Sequence[int]) -> str:
    """Return the axes of a file as letters of ``TCZYX``; what the file does not name is guessed."""
    letters = [{"S": "C"}.get(a, a) for a in found]
    if not set(letters) & (set(AXES) - {"Y", "X"}):
        return guess_axes(shape) if len(letters) > 2 else "".join(letters)
    free = iter([a for a in "ZTC" if a not in letters])
    return "".join(a if a in AXES else next(free, a) for a in letters)


def named(found: str, shape: Sequence[int]) -> str:
    """Return a letter for each axis of a file, as `letters_of`, without guesses from length 1.

    Such an axis gets the letter of the file, or ``?`` where that is none or another has it.
    """
    long = [i for i, n in enumerate(shape) if n > 1 or found[i] in "YX"]
    letters = letters_of("".join(found[i] for i in long), [shape[i] for i in long])
    by_place = dict(zip(long, letters, strict=True))
    return "".join(
        by_place.get(i) or (a if a in AXES and a not in letters else "?")
        for i, a in enumerate(found)
    )


def composed(picks: Sequence[Any], fits: Sequence[Pick]) -> list[Pick]:
    """Return the picks that show what `fits` shows of what `picks` shows."""
    made: list[Pick] = []
    after = iter(fits)
    for pick in picks:
        if isinstance(pick, int):
            made.append(pick)
            continue
        while (fit := next(after)) is None:
            made.append(None)
        made.append(pick[fit] if isinstance(fit, int) else pick)
    return [*made, *after]


def fitted(shape: Sequence[int], found: str, axes: str) -> tuple[list[Pick], str]:
    """Return how an array is shown so that it has the axes that were asked for.

    Axes of length 1 come and go as it is asked for; others keep their order.

    Parameters
    ----------
    shape, found
        Of the array, with a letter an axis; any letter beyond ``TCZYX`` for one without a name.
    axes
        Letters that were asked for, one an axis.

    Returns
    -------
    picks
        As for `file_array.shown`.
    letters
        `axes`; where they do not fit, the array is as it is, and these are for `Image` to refuse.
    """
    long = [i for i, n in enumerate(shape) if n > 1 or found[i] in "YX"]
    every = list(range(len(shape)))
    for kept in (long, every):
        if len(axes) == len(kept):
            return [range(n) if i in kept else 0 for i, n in enumerate(shape)], axes
    if not _is_part([found[i] for i in long], axes):
        return [range(n) if i in long else 0 for i, n in enumerate(shape)], axes
    picks: list[Pick] = []
    left = iter(axes)
    for i, n in enumerate(shape):
        if i not in long:
            picks.append(0)
            continue
        while next(left) != found[i]:
            picks.append(None)
        picks.append(range(n))
    return [*picks, *(None for _ in left)], axes


def _is_part(letters: Sequence[str], axes: str) -> bool:
    """Whether letters come in that order among others."""
    left = iter(axes)
    return all(letter in left for letter in letters)

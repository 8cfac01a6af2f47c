"""Axes of a file and the letters that a person gives them."""

from __future__ import annotations

from collections.abc import Sequence

from ..image import AXES, guess_axes


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

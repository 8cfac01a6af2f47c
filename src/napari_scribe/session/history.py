"""Remember corrections, to undo and to do them again, with a bound on memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from ..arrays import Pixels
from ..windows import Window
from .edits import Edit, Mask

MOST_BYTES = 2**28


class History:
    """Hold the edits of one labels image, the newest last.

    It knows nothing of what is shown, so that it outlives changes of slice and redrawing.

    Parameters
    ----------
    corrected
        Numbers of the objects that were changed before the first edit.
    most_bytes
        Memory that edits may take. The oldest are forgotten beyond it: they cannot be undone any
        more, and only where they were, and the numbers of the objects, is kept.
    """

    def __init__(self, corrected: Iterable[int] = (), most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._done: deque[Edit] = deque()
        self._undone: list[Edit] = []
        self._settled = _Traces(numbers={*corrected})
        self._given_up = _Traces()

    @property
    def can_undo(self) -> bool:
        """Return whether there is an edit to undo."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Return whether there is an edit to do again."""
        return bool(self._undone)

    def add(self, edit: Edit) -> None:
        """Remember an edit that was applied; what was undone before it cannot be done again."""
        self._done.append(edit)
        for undone in self._undone:
            self._given_up.add(undone)
        self._undone.clear()
        n_bytes = sum(edit.n_bytes for edit in self._done)
        while n_bytes > self._most_bytes and len(self._done) > 1:
            oldest = self._done.popleft()
            n_bytes -= oldest.n_bytes
            self._settled.add(oldest)

    def undo(self, labels: Pixels) -> Edit | None:
        """Revert the newest edit in the labels; return it, or None if there is none."""
        if not self._done:
            return None
        edit = self._done.pop()
        edit.revert(labels)
        self._undone.append(edit)
        return edit

    def redo(self, labels: Pixels) -> Edit | None:
        """Apply the edit again that was undone last; return it, or None if there is none."""
        if not self._undone:
            return None
        edit = self._undone.pop()
        edit.apply(labels)
        self._done.append(edit)
        return edit

    def changed(self) -> Iterator[tuple[Window, Mask]]:
        """Yield where labels were changed: windows, and the pixels ``(*window)`` in them."""
        yield from self._settled.places
        yield from map(_place_of, self._done)

    def undone(self) -> Iterator[tuple[Window, Mask]]:
        """Yield the same of what was undone: it may have been taught before."""
        yield from self._given_up.places
        yield from map(_place_of, self._undone)

    def numbers(self, *, with_undone: bool = False) -> list[int]:
        """Return the numbers of the objects that were changed; some may be gone by now.

        Parameters
        ----------
        with_undone
            Whether to count what was undone, too: it may have been taught before.
        """
        numbers = self._settled.numbers.union(*map(_numbers_of, self._done))
        if with_undone:
            numbers = numbers.union(self._given_up.numbers, *map(_numbers_of, self._undone))
        return sorted(numbers - {0})


@dataclass
class _Traces:
    """Hold where edits were that are forgotten, and which objects they changed."""

    places: list[tuple[Window, Mask]] = field(default_factory=list)
    numbers: set[int] = field(default_factory=set)

    def add(self, edit: Edit) -> None:
        self.places.append(_place_of(edit))
        self.numbers |= _numbers_of(edit)


def _place_of(edit: Edit) -> tuple[Window, Mask]:
    return edit.window, edit.mask


def _numbers_of(edit: Edit) -> set[int]:
    return {*np.unique(edit.before).tolist(), *np.unique(edit.after).tolist()}

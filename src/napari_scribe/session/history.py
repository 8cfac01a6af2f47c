"""Remember corrections, to undo and to do them again, with a bound on memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

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
    most_bytes
        Memory that edits may take. The oldest are forgotten beyond it: they cannot be undone any
        more, and only where they were, and the numbers of the objects, is kept.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._done: deque[Edit] = deque()
        self._undone: list[Edit] = []
        self._settled: list[tuple[Window, Mask]] = []
        self._settled_numbers: set[int] = set()

    @property
    def can_undo(self) -> bool:
        """Return whether there is an edit to undo."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Return whether there is an edit to do again."""
        return bool(self._undone)

    def add(self, edit: Edit) -> None:
        """Remember an edit that was applied; what was undone before it is forgotten."""
        self._done.append(edit)
        self._undone.clear()
        n_bytes = sum(edit.n_bytes for edit in self._done)
        while n_bytes > self._most_bytes and len(self._done) > 1:
            oldest = self._done.popleft()
            n_bytes -= oldest.n_bytes
            self._settled.append((oldest.window, oldest.mask))
            self._settled_numbers |= _numbers_of(oldest)

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

    def changed(self, *, with_undone: bool = False) -> Iterator[tuple[Window, Mask]]:
        """Yield where labels were changed: windows, and the pixels ``(*window)`` in them."""
        yield from self._settled
        yield from ((edit.window, edit.mask) for edit in self._edits(with_undone))

    def numbers(self, *, with_undone: bool = False) -> list[int]:
        """Return the numbers of the objects that were changed; some may be gone by now.

        Parameters
        ----------
        with_undone
            Whether to count what was undone, too: it may have been taught before.
        """
        numbers = map(_numbers_of, self._edits(with_undone))
        return sorted(self._settled_numbers.union(*numbers) - {0})

    def _edits(self, with_undone: bool) -> list[Edit]:
        return [*self._done, *(self._undone if with_undone else ())]


def _numbers_of(edit: Edit) -> set[int]:
    return {*np.unique(edit.before).tolist(), *np.unique(edit.after).tolist()}

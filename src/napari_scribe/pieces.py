"""Separate pieces of labels that have one number."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

FRAMES = 16
"""How many frames are looked at, spread evenly."""
SIDE = {2: 1024, 3: 96}
"""Of the windows that are looked at in frames too large to be looked at whole, three an axis."""
MANY = 3
"""So many pieces of one number are unlikely to be one object."""
SPECK = 4
"""Pixels of the smallest piece that counts."""


class Covering(NamedTuple):
    """A number, and how many separate pieces it has in one frame."""

    number: int
    n_pieces: int


def covering(labels: Any, dimensions: int, first: int) -> Covering | None:
    """Find a number that covers many separate pieces, where that is so of most pieces.

    An object may be in two pieces, and have specks around it; the same number in other frames is
    the same object later on.

    Parameters
    ----------
    labels
        Whole numbers, may be lazy: a bounded sample of them is looked at.
    dimensions
        How many axes, the last ones, a frame has.
    first
        The smallest number of an object.
    """
    n_all, n_covered = 0, 0
    worst = Covering(0, 0)
    for index in _sampled(labels.shape, dimensions):
        found = _pieces_by_number(np.asarray(labels[index]), first)
        n_all += sum(n for _, n, _ in found)
        many = [Covering(value, n) for value, n, is_spread in found if n >= MANY and is_spread]
        n_covered += sum(c.n_pieces for c in many)
        worst = max([worst, *many], key=lambda c: c.n_pieces)
    return worst if 2 * n_covered > n_all else None


def split(labels: Any, dimensions: int, first: int) -> npt.NDArray[np.int32]:
    """Give each separate piece in a frame a number of its own, from `first` up.

    Pieces with different numbers stay apart where they touch. Smaller numbers stay.
    """
    from skimage.measure import label

    labels = np.asarray(labels)
    out = np.zeros(labels.shape, np.int32)
    for frame in np.ndindex(labels.shape[: labels.ndim - dimensions]):
        objects = np.where(labels[frame] >= first, labels[frame], 0)
        pieces = label(objects, background=0, connectivity=objects.ndim)
        out[frame] = np.where(pieces > 0, pieces + (first - 1), labels[frame])
    return out


def _pieces_by_number(frame: npt.NDArray[Any], first: int) -> list[tuple[int, int, bool]]:
    """Each number of a frame, how many pieces it has, and whether they are more than specks."""
    from skimage.measure import label

    objects = np.where(frame >= first, frame, 0)
    pieces = label(objects, background=0, connectivity=objects.ndim)
    sizes = np.bincount(pieces.ravel())
    numbers = np.zeros(len(sizes), objects.dtype)
    numbers[pieces.ravel()] = objects.ravel()
    counted = np.flatnonzero(sizes >= SPECK)
    counted = counted[counted > 0]
    found, at = np.unique(numbers[counted], return_inverse=True)
    total, largest = np.zeros((2, len(found)), np.int64)
    np.add.at(total, at, sizes[counted])
    np.maximum.at(largest, at, sizes[counted])
    n_pieces = np.bincount(at, minlength=len(found))
    is_spread = total - largest >= total / 4
    return list(zip(found.tolist(), n_pieces.tolist(), is_spread.tolist(), strict=True))


def _sampled(shape: tuple[int, ...], dimensions: int) -> Iterator[tuple[int | slice, ...]]:
    """Where to look: in some frames, and in parts of large ones."""
    frames = list(np.ndindex(*shape[: len(shape) - dimensions]))
    chosen = np.linspace(0, len(frames) - 1, min(len(frames), FRAMES)).astype(int)
    side = SIDE[dimensions]
    axes = []
    for n in shape[len(shape) - dimensions :]:
        starts = [0] if n <= 4 * side else np.linspace(0, n - side, 3).astype(int).tolist()
        axes.append([slice(a, n if n <= 4 * side else a + side) for a in starts])
    for i in chosen:
        for window in itertools.product(*axes):
            yield *frames[i], *window

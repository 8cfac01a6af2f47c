"""Find labels whose numbers cover several separate pieces, and split them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .arrays import Array, Pixels

FRAMES = 16
"""Number of frames that are examined, spread evenly."""
SIDE = {2: 1024, 3: 96}
"""Side of the windows that are examined in large frames, three windows per axis."""
MANY = 3
"""From this many pieces on, one number is unlikely to be one object."""
SPECK = 4
"""Size of the smallest piece that counts, in pixels."""


class Covering(NamedTuple):
    """Hold a number and the count of its separate pieces in one frame."""

    number: int
    n_pieces: int


def covering(labels: Array, dimensions: int, first: int) -> Covering | None:
    """Find the number that covers the most separate pieces.

    Return None unless numbers with many pieces cover more than half of all pieces. One object may
    be in two pieces, and have specks around it. Each frame is examined by itself, because the same
    number in another frame may be the same object at another time.

    Parameters
    ----------
    labels
        Whole numbers. They may be lazy: only a bounded sample is read.
    dimensions
        Number of axes of a frame; they are the last ones.
    first
        The smallest number of an object.
    """
    n_all, n_covered = 0, 0
    worst = Covering(0, 0)
    for index in _sampled(labels.shape, dimensions):
        counts = _pieces_by_number(np.asarray(labels[index]), first)
        n_all += sum(n for _, n, _ in counts)
        many = [Covering(value, n) for value, n, is_spread in counts if n >= MANY and is_spread]
        n_covered += sum(c.n_pieces for c in many)
        worst = max([worst, *many], key=lambda c: c.n_pieces)
    return worst if 2 * n_covered > n_all else None


def split(
    labels: Array, dimensions: int, first: int, by_faces: bool = False
) -> npt.NDArray[np.int32]:
    """Give each separate piece in a frame its own number, from `first` up.

    Pieces with different numbers stay apart where they touch. Numbers below `first` stay. Pixels
    that touch at a corner only are one piece, unless `by_faces`.
    """
    numbers = np.asarray(labels)
    out = np.zeros(numbers.shape, np.int32)
    for frame in np.ndindex(numbers.shape[: numbers.ndim - dimensions]):
        pieces = _pieces(numbers[frame], first, by_faces)
        out[frame] = np.where(pieces > 0, pieces + (first - 1), numbers[frame])
    return out


def _pieces(frame: Pixels, first: int, by_faces: bool = False) -> Pixels:
    """Give each separate piece a number from 1, and 0 to all that is below `first`."""
    from skimage.measure import label

    objects = np.where(frame >= first, frame, 0)
    pieces: Pixels = label(objects, background=0, connectivity=1 if by_faces else objects.ndim)
    return pieces


def _pieces_by_number(frame: Pixels, first: int) -> list[tuple[int, int, bool]]:
    """Return each number of a frame, its count of pieces, and whether no piece dominates."""
    pieces = _pieces(frame, first)
    sizes = np.bincount(pieces.ravel())
    numbers = np.zeros(len(sizes), frame.dtype)
    numbers[pieces.ravel()] = frame.ravel()
    large_enough = np.flatnonzero(sizes >= SPECK)
    large_enough = large_enough[large_enough > 0]
    values, at = np.unique(numbers[large_enough], return_inverse=True)
    total, largest = np.zeros((2, len(values)), np.int64)
    np.add.at(total, at, sizes[large_enough])
    np.maximum.at(largest, at, sizes[large_enough])
    n_pieces = np.bincount(at, minlength=len(values))
    is_spread = total - largest >= total / 4  # else it is one object with specks around it
    return list(zip(values.tolist(), n_pieces.tolist(), is_spread.tolist(), strict=True))


def _sampled(shape: tuple[int, ...], dimensions: int) -> Iterator[tuple[int | slice, ...]]:
    """Yield the indices of the sample: some frames, and some windows of large frames."""
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

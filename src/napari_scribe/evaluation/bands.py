"""Read the labels of a frame in bands that fit into memory, each object whole."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..arrays import Pixels
from ..image import Frame
from .subject import Subject

BAND_PIXELS = 2**24
"""A frame of more pixels is read band by band."""


def bands(subject: Subject, frame: Frame) -> Iterator[tuple[int, int, Pixels, int]]:
    """Yield a frame band by band, each with the objects that begin in it, and these whole.

    Yields
    ------
    start, stop
        The rows that are read.
    numbers
        Their labels, without the objects that begin in another band.
    own
        Rows of the band itself; those after it are only the ends of its objects.
    """
    n_rows = subject.shape[0]
    height = max(1, BAND_PIXELS // int(np.prod(subject.shape[1:])))
    if height >= n_rows:
        yield 0, n_rows, subject.read(frame, 0, n_rows), n_rows
        return
    first, last = _extents(subject, frame, height)
    for start in range(0, n_rows, height):
        band = min(start + height, n_rows)
        own = sorted(number for number, row in first.items() if start <= row < band)
        stop = max([band, *(last[number] + 1 for number in own)])
        numbers = subject.read(frame, start, stop)
        numbers = np.where(np.isin(numbers, own), numbers, 0)
        yield start, stop, numbers, band - start


def _extents(subject: Subject, frame: Frame, height: int) -> tuple[dict[int, int], dict[int, int]]:
    """Return the first and the last row of each object."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for start in range(0, subject.shape[0], height):
        numbers = subject.read(frame, start, start + height)
        for row, line in enumerate(numbers, start):
            for number in np.unique(line[line > 0]).tolist():
                first.setdefault(number, row)
                last[number] = row
    return first, last


def dense(numbers: Pixels) -> tuple[Pixels, Pixels]:
    """Return labels whose highest number is no larger than their pixels, and what each stands for.

    scikit-image makes a list as long as the highest number.
    """
    highest = int(numbers.max())
    if highest <= numbers.size:
        is_long = numbers.dtype == np.uint64  # which scipy does not take
        return numbers.astype(np.int64) if is_long else numbers, np.arange(highest + 1)
    labels, dense = np.unique(numbers, return_inverse=True)
    if labels[0] > 0:  # no background: 0 is not to be taken for it
        labels, dense = np.insert(labels, 0, 0), dense + 1
    return dense.reshape(numbers.shape), labels

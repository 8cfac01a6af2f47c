"""Count what is painted, and find what looks like a slip of the brush, plane by plane."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from ..arrays import Array, Pixels
from ..pieces import SPECK
from ..windows import Window, grow, intersect, whole
from ..wording import capitalized, counted

Index = tuple[int, ...]
ENOUGH, GOOD = 3, 10
"""Painted objects to start with, and those from which a network is hardly better with more."""
COUNTED = 2**28
"""Most pixels of paint that are counted while somebody paints."""
_EXAMINED = 50
"""Numbers in several pieces that are examined in a plane; from there on it is a mask of pieces."""


@dataclass(frozen=True)
class Slip:
    """Describe an object in several pieces.

    Parameters
    ----------
    kind
        ``cut`` by background that lies between the pieces, ``apart`` by more than the width of the
        largest, or in ``pieces`` for another reason.
    number
        Of the object.
    place
        A pixel of the piece that is not the largest, along the axes of the paint.
    """

    kind: Literal["cut", "apart", "pieces"]
    number: int
    place: Index


@dataclass(frozen=True)
class Plane:
    """Hold what is painted on one plane.

    Parameters
    ----------
    strokes
        Count of separate pieces per number, without specks.
    at_edge
        Numbers of objects that touch the edge of the plane.
    slips
        Objects in several pieces.
    """

    strokes: dict[int, int] = field(default_factory=dict)
    at_edge: frozenset[int] = frozenset()
    slips: tuple[Slip, ...] = ()


@dataclass(frozen=True)
class PaintState:
    """Hold what is painted on an image.

    Parameters
    ----------
    planes
        What is painted, by the index of the plane along the axes in front of Y and X. Planes
        without paint are left out.
    """

    planes: dict[Index, Plane]

    @cached_property
    def numbers(self) -> frozenset[int]:
        """Return the numbers that are painted."""
        return frozenset(n for plane in self.planes.values() for n in plane.strokes)

    @property
    def n_objects(self) -> int:
        """Return how many objects are painted: an object on several planes is one."""
        return len(self.numbers - {1})

    @property
    def n_background(self) -> int:
        """Return how many strokes of background are painted."""
        return sum(plane.strokes.get(1, 0) for plane in self.planes.values())

    @property
    def n_strokes(self) -> int:
        """Return how many strokes are painted, of any number."""
        return sum(sum(plane.strokes.values()) for plane in self.planes.values())

    @property
    def at_edge(self) -> frozenset[int]:
        """Return the objects that touch the edge of the image."""
        return frozenset(n for plane in self.planes.values() for n in plane.at_edge)

    @property
    def slips(self) -> list[Slip]:
        """Return the objects in several pieces, the most doubtful kind first."""
        found = [slip for plane in self.planes.values() for slip in plane.slips]
        return sorted(found, key=lambda slip: ("cut", "apart", "pieces").index(slip.kind))

    def planes_of(self, number: int) -> list[Index]:
        """Return the planes on which a number is painted, in order."""
        return sorted(index for index, plane in self.planes.items() if number in plane.strokes)


class PaintCounter:
    """Count paint again and again; planes that are as they were are not counted anew."""

    def __init__(self) -> None:
        self._known: dict[Index, tuple[int, Plane]] = {}

    def count(self, paint: Array) -> PaintState:
        """Count what is painted.

        Parameters
        ----------
        paint
            ``(..., Y, X)``; 0 is not painted, 1 background or the first class, 2 and up objects or
            classes.
        """
        known, self._known = self._known, {}
        for index in np.ndindex(*paint.shape[:-2]):
            pixels = np.ascontiguousarray(paint[index])
            if not pixels.any():
                continue
            check = zlib.crc32(pixels.data)
            before, plane = known.get(index, (None, None))
            if plane is None or before != check:
                plane = count_plane(pixels, index)
            if plane.strokes:
                self._known[index] = check, plane
        return PaintState({index: plane for index, (_, plane) in self._known.items()})


def count_plane(pixels: Pixels, index: Index = ()) -> Plane:
    """Count what is painted on a plane ``(Y, X)`` that has this index in the paint."""
    from skimage.measure import label

    rows, columns = (np.flatnonzero(pixels.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return Plane()
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    painted = pixels[window]
    pieces = label(painted, background=0, connectivity=2)
    inside = np.flatnonzero(pieces)
    of_pixel = pieces.ravel()[inside]
    sizes = np.bincount(of_pixel)
    numbers = np.zeros(len(sizes), np.int64)
    numbers[of_pixel] = painted.ravel()[inside]
    large = np.flatnonzero(sizes >= SPECK)
    strokes = _counted(numbers[large])
    sides = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
    at_edge = np.unique(np.concatenate(sides))
    several = [n for n, count in strokes.items() if n > 1 and count > 1][:_EXAMINED]
    boxes = ndimage.find_objects(pieces) if several else []
    origin = window[0].start, window[1].start
    slips = []
    for number in several:
        own = sorted(large[numbers[large] == number], key=lambda piece: -sizes[piece])
        kind, place = _compared(painted, pieces, boxes, own)
        slips.append(Slip(kind, number, (*index, place[0] + origin[0], place[1] + origin[1])))
    return Plane(strokes, frozenset(at_edge[at_edge > 1].tolist()), tuple(slips))


def _counted(numbers: Pixels) -> dict[int, int]:
    values, counts = np.unique(numbers, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def _compared(
    painted: Pixels, pieces: Pixels, boxes: list[Window], own: list[int]
) -> tuple[Literal["cut", "apart", "pieces"], Index]:
    """Say how the pieces of an object lie to its largest one, and name a pixel of another."""
    points = [np.argwhere(pieces[boxes[n - 1]] == n) + _start(boxes[n - 1]) for n in own]
    largest = cKDTree(points[0])
    gaps = [float(largest.query(other)[0].min()) for other in points[1:]]
    farthest = int(np.argmax(gaps))
    place = points[1 + farthest]
    middle = place[len(place) // 2].tolist()
    if gaps[farthest] > 2 * np.sqrt(len(points[0]) / np.pi):
        return "apart", tuple(middle)
    low, high = np.min([p.min(0) for p in points], 0), np.max([p.max(0) for p in points], 0) + 1
    around = tuple(slice(a, b) for a, b in zip(low.tolist(), high.tolist(), strict=True))
    around = intersect(grow(around, 1), whole(painted.shape))
    number = painted[tuple(points[0][0])]
    joined, _ = ndimage.label(np.isin(painted[around], (1, number)), np.ones((3, 3)))
    starts = [tuple(p[0] - _start(around)) for p in points]
    is_cut = len({int(joined[start]) for start in starts}) == 1
    return "cut" if is_cut else "pieces", tuple(middle)


def _start(window: Window) -> Pixels:
    return np.array([s.start for s in window])


def is_enough(state: PaintState, task: str) -> bool:
    """Return whether enough is painted to train on."""
    return state.n_objects >= ENOUGH if task == "objects" else len(state.numbers) > 1


def in_words(state: PaintState, task: str) -> str:
    """Say how much is painted, and what is missing to start."""
    if not state.planes:
        start = f"Paint {ENOUGH} objects whole" if task == "objects" else "Paint two classes"
        return f"Nothing is painted yet. {start} to start."
    if task != "objects":
        classes = counted(len(state.numbers), "class", "es")
        counts = f"{classes}, {counted(state.n_strokes, 'stroke')}"
        missing = "enough to start" if is_enough(state, task) else "paint a second class to start"
        return f"{counts}: {missing}."
    background = counted(state.n_background, "background stroke", none="no")
    at_edge = f" ({len(state.at_edge)} at the edge)" if state.at_edge else ""
    objects = counted(state.n_objects, "object", none="no")
    counts = capitalized(f"{objects}{at_edge}, {background}")
    if not is_enough(state, task):
        more = counted(ENOUGH - state.n_objects, "more object" if state.n_objects else "object")
        return f"{counts}: paint {more} to start."
    better = "" if state.n_objects >= GOOD else f" {GOOD} objects are better."
    return f"{counts}: enough to start.{better}"


def in_several_pieces(slip: Slip) -> str:
    """Say what is doubtful about an object in several pieces."""
    return _SLIPS[slip.kind].format(slip.number)


_SLIPS = {
    "cut": "Background cuts object {} in pieces.",
    "apart": "Object {} lies in places far apart: is one of them another object?",
    "pieces": "Object {} is in several pieces.",
}

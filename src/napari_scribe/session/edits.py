"""Correct the objects of a labels image: delete, merge, split, fill, add. Each can be undone.

Labels are arrays of any number of axes, of which a window may be meant alone: a slice of a stack,
or one volume of a movie. Nothing here changes them: each function returns an `Edit`, to be applied.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.draw import line_nd

from ..arrays import Pixels
from ..errors import InputError
from ..windows import Window, intersect, relative_to, shape_of, shift, start_of, whole

Mask = npt.NDArray[np.bool_]
Point = npt.NDArray[np.float64]
"""A place in the labels, ``(axes,)``, in pixels."""
Stroke = npt.NDArray[np.float64]
"""Points one after the other, ``(n, axes)``, in pixels."""
SLAB = 2**20
"""Pixels that are searched at a time, so that no copy of a large array is made."""
SLIVER = 0.05
"""Share of an object below which what a stroke cuts off is no piece: it has only grazed it."""
TANGENT = 5.0
"""Pixels at the end of a stroke that say where it would go on."""


@dataclass(frozen=True, eq=False)
class Edit:
    """Hold what a correction changes, so that it can be undone and done again.

    Parameters
    ----------
    window
        Where it lies in the labels.
    mask
        ``(*window)``: the pixels that change.
    before, after
        The values of those pixels, in the order of the mask.
    """

    window: Window
    mask: Mask
    before: Pixels
    after: Pixels

    def apply(self, labels: Pixels) -> None:
        """Change the labels, in place."""
        labels[self.window][self.mask] = self.after

    def revert(self, labels: Pixels) -> None:
        """Bring back what was there before, in place."""
        labels[self.window][self.mask] = self.before

    @property
    def n_bytes(self) -> int:
        """Return the memory that it takes."""
        return self.mask.nbytes + self.before.nbytes + self.after.nbytes


def edit_to(before: Pixels, after: Pixels, window: Window) -> Edit:
    """Return the edit from some values of a window to others, cut to what differs."""
    differs = before != after
    box = _box(differs)
    return Edit(shift(box, start_of(window)), differs[box].copy(), before[differs], after[differs])


def delete(labels: Pixels, numbers: Iterable[int], within: Window | None = None) -> Edit:
    """Make background of objects.

    Parameters
    ----------
    within
        The window that is meant; all of the labels when None.
    """
    return _renumbered(labels, list(numbers), 0, within)


def merge(labels: Pixels, numbers: Iterable[int], within: Window | None = None) -> Edit:
    """Make one object of several, which has the number of the first.

    Raises
    ------
    InputError
        If there are fewer than two.
    """
    first, *others = dict.fromkeys(numbers) or [0]
    if not first or not others:
        raise InputError("Nothing to merge: draw the stroke from one object into another.")
    return _renumbered(labels, others, first, within)


def split(
    labels: Pixels, stroke: Stroke, within: Window | None = None, through: Sequence[int] = ()
) -> Edit:
    """Cut objects in two, or more, where a stroke crosses them.

    The largest piece keeps the number, the others get new ones. The pixels under the stroke go to
    the nearest piece. A stroke that ends within the only object that it touches is drawn on to the
    border of that.

    Parameters
    ----------
    stroke
        The points of the stroke.
    through
        Axes along which the cut goes through the whole object: in a volume, across the slices.

    Raises
    ------
    InputError
        If the stroke cuts nothing, or there is no number left for the pieces.
    """
    within = within or whole(labels.shape)
    line = pixels_along(stroke, within)
    touched = numbers_along(labels, line)
    cuts = [cut for n in touched if (cut := _cut(labels, n, line, within, through))]
    if not cuts and touched:
        counts = {n: int((labels[tuple(line.T)] == n).sum()) for n in touched}
        most = max(counts, key=lambda n: counts[n])
        line = pixels_along(_drawn_on(labels, most, stroke, within), within)
        cuts = [cut for cut in [_cut(labels, most, line, within, through)] if cut]
    if not cuts:
        raise InputError("Nothing is cut: draw the stroke right through an object.")
    window = bounding_window([box for _, box, _ in cuts])
    before = labels[window]
    after = before.copy()
    number = free_number(labels, n=sum(int(pieces.max()) - 1 for _, _, pieces in cuts))
    for _, box, pieces in cuts:
        view = after[relative_to(box, window)]
        for piece in range(2, int(pieces.max()) + 1):
            view[pieces == piece] = number
            number += 1
    return edit_to(before, after, window)


def fill(labels: Pixels, within: Window | None = None) -> Edit:
    """Fill the holes of all objects: background that one object encloses becomes a part of it.

    Raises
    ------
    InputError
        If no object has a hole.
    """
    within = within or whole(labels.shape)
    before = labels[within].squeeze()  # an axis of one pixel would be open to both sides
    after = before.copy()
    numbers, ranks = np.unique(before, return_inverse=True)
    boxes = ndimage.find_objects(ranks.reshape(before.shape) + 1)
    for number, box in zip(numbers, boxes, strict=True):
        if number:
            is_hole = ndimage.binary_fill_holes(before[box] == number) & (before[box] == 0)
            after[box][is_hole] = number
    if np.array_equal(before, after):
        raise InputError("No object here has a hole.")
    shape = shape_of(within)
    return edit_to(before.reshape(shape), after.reshape(shape), within)


def add(
    labels: Pixels,
    mask: Mask,
    window: Window,
    number: int | None = None,
    seed: Sequence[int] | None = None,
) -> Edit:
    """Put an object where nothing is yet; what is there stays.

    Parameters
    ----------
    mask, window
        Its pixels, ``(*window)``, and where they lie; what lies outside the labels is left out.
    number
        The next free one when None.
    seed
        A pixel of it: where other objects leave several pieces, only that with this pixel is taken.

    Raises
    ------
    InputError
        If nothing of it is free.
    """
    inside = intersect(window, whole(labels.shape))
    before = labels[inside]
    is_free = mask[relative_to(inside, window)] & (before == 0)
    if seed is not None:
        pieces, _ = ndimage.label(is_free)
        piece = pieces[tuple(np.subtract(seed, start_of(inside)))]
        is_free = (pieces == piece) & (piece > 0)
    if not is_free.any():
        raise InputError("There is an object already.")
    after = before.copy()
    after[is_free] = free_number(labels) if number is None else number
    return edit_to(before, after, inside)


def free_number(labels: Pixels, n: int = 1) -> int:
    """Return the first of `n` numbers that no object has.

    Raises
    ------
    InputError
        If the type of the labels cannot hold them.
    """
    number = int(labels.max(initial=0)) + 1
    if number + n - 1 > np.iinfo(labels.dtype).max:
        raise InputError(
            f"{labels.dtype} labels have no number left for another object: convert them to "
            "int32 (right click on the layer, Convert data type)."
        )
    return number


def pixels_along(stroke: Stroke, within: Window) -> npt.NDArray[np.int_]:
    """Return the pixels on the lines between points, ``(n, axes)``; those in the window alone."""
    points = np.round(np.asarray(stroke)).astype(int)
    lines = [np.stack(line_nd(a, b, endpoint=True), axis=1) for a, b in pairwise(points)]
    pixels: npt.NDArray[np.int_] = np.concatenate([points[:1], *lines])
    low, high = np.transpose([(s.start, s.stop) for s in within])
    is_inside = ((pixels >= low) & (pixels < high)).all(axis=1)
    return np.asarray(pixels[is_inside])


def numbers_along(labels: Pixels, pixels: npt.NDArray[np.int_]) -> list[int]:
    """Return the numbers of the objects at some pixels, in the order in which they come."""
    return [n for n in dict.fromkeys(labels[tuple(pixels.T)].tolist()) if n]


def window_of(labels: Pixels, numbers: Sequence[int], within: Window | None = None) -> Window:
    """Return the smallest window that holds all pixels of some objects; empty where none is."""
    within = within or whole(labels.shape)
    found = [shift(_box(part), start_of(slab)) for slab, part in _search(labels, numbers, within)]
    return bounding_window(found) if found else tuple(slice(s.start, s.start) for s in within)


def windows_of(labels: Pixels, numbers: Collection[int]) -> dict[int, Window]:
    """Return the smallest window that holds each object; those that are nowhere are left out."""
    wanted = np.unique(np.array([*numbers], np.int64))
    found: dict[int, list[Window]] = {}
    for slab, mask in _search(labels, wanted, whole(labels.shape)):
        ranks = np.zeros(mask.shape, np.int64)
        ranks[mask] = np.searchsorted(wanted, labels[slab][mask]) + 1
        for number, box in zip(wanted.tolist(), ndimage.find_objects(ranks), strict=False):
            if box is not None:
                found.setdefault(number, []).append(shift(box, start_of(slab)))
    return {number: bounding_window(boxes) for number, boxes in found.items()}


def bounding_window(windows: Sequence[Window]) -> Window:
    """Return the smallest window that holds all of some."""
    axes = list(zip(*windows, strict=True))
    return tuple(slice(min(s.start for s in a), max(s.stop for s in a)) for a in axes)


def _search(
    labels: Pixels, numbers: Sequence[int] | npt.NDArray[np.int64], within: Window
) -> Iterator[tuple[Window, Mask]]:
    """Yield slabs in which some objects lie, and where they are in these."""
    first, *others = within
    n_planes = max(1, SLAB // max(1, math.prod(shape_of(others))))
    for start in range(first.start, first.stop, n_planes):
        slab = (slice(start, min(first.stop, start + n_planes)), *others)
        found = np.isin(labels[slab], numbers)
        if found.any():
            yield slab, found


def _box(mask: Mask) -> Window:
    """Return the smallest window that holds all true pixels; empty where none is."""
    (box, *_) = ndimage.find_objects(mask.view(np.uint8)) or [None]
    return tuple(slice(0, 0) for _ in mask.shape) if box is None else box


def _renumbered(labels: Pixels, numbers: Sequence[int], number: int, within: Window | None) -> Edit:
    window = window_of(labels, numbers, within)
    mask = np.isin(labels[window], numbers)
    before = labels[window][mask]
    return Edit(window, mask, before, np.full_like(before, number))


def _cut(
    labels: Pixels,
    number: int,
    line: npt.NDArray[np.int_],
    within: Window,
    through: Sequence[int],
) -> tuple[int, Window, npt.NDArray[np.int_]] | None:
    """Cut one object along a line.

    Returns
    -------
    number, window, pieces
        The pieces from 1, the largest first, ``(*window)``, 0 outside of the object. None where the
        line leaves it in one piece.
    """
    window = window_of(labels, [number], within)
    mask = labels[window] == number
    blade = np.zeros(mask.shape, bool)
    at = line - np.array(start_of(window))
    is_inside = ((at >= 0) & (at < mask.shape)).all(axis=1)
    blade[tuple(at[is_inside].T)] = True
    blade = np.broadcast_to(blade.any(axis=tuple(through), keepdims=True), mask.shape)
    bodies, _ = ndimage.label(mask)  # those that the line does not touch stay as they are
    pieces, n_pieces = ndimage.label(mask & ~blade)
    sizes = np.bincount(pieces.ravel(), minlength=n_pieces + 1)
    is_large = sizes >= max(1.0, SLIVER * int(mask.sum()))
    is_large[0] = False
    body_of = ndimage.maximum(bodies, pieces, np.arange(n_pieces + 1))
    cut_bodies = [
        body for body in np.unique(bodies[blade & mask]) if (is_large & (body_of == body)).sum() > 1
    ]
    if not cut_bodies:
        return None
    kept = np.flatnonzero(is_large & np.isin(body_of, cut_bodies))
    kept = kept[np.argsort(-sizes[kept], kind="stable")]
    rank = np.zeros(n_pieces + 1, int)
    rank[kept] = np.arange(1, len(kept) + 1)
    ranked = rank[pieces]
    is_cut = np.isin(bodies, cut_bodies)
    nearest = ndimage.distance_transform_edt(
        ranked == 0, return_distances=False, return_indices=True
    )
    shared = np.where(is_cut, ranked[tuple(nearest)], 0)
    return number, window, np.where(mask & ~is_cut, 1, shared)


def _drawn_on(labels: Pixels, number: int, stroke: Stroke, within: Window) -> Stroke:
    """Draw a stroke on, at both ends, to the border of the object in which it ends."""
    stroke = np.asarray(stroke, float)
    ahead, behind = (
        _onward(labels, number, stroke, within),
        _onward(labels, number, stroke[::-1], within),
    )
    return np.concatenate([behind[::-1], stroke, ahead])


def _onward(labels: Pixels, number: int, stroke: Stroke, within: Window) -> Stroke:
    """Return the points that follow the last one of a stroke, as long as they are in an object."""
    end = stroke[-1]
    lengths = np.linalg.norm(stroke - end, axis=1)
    far = np.flatnonzero(lengths >= min(TANGENT, lengths.max()))[-1]
    if not lengths[far]:
        return np.empty((0, stroke.shape[1]))
    direction = (end - stroke[far]) / lengths[far]
    most = math.ceil(math.hypot(*shape_of(window_of(labels, [number], within))))
    points = end + np.arange(1, most + 1)[:, np.newaxis] * direction
    n_inside = 0
    for pixel in np.round(points).astype(int):
        is_within = all(s.start <= p < s.stop for s, p in zip(within, pixel, strict=True))
        if not is_within or labels[tuple(pixel)] != number:
            break
        n_inside += 1
    return np.asarray(points[: n_inside + 1])

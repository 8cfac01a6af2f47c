"""Paint as a person would, from a known truth.

Objects are drawn whole, or a stroke is drawn inside each; strokes of background lie between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..windows import Window, grow, intersect, neighbour_pairs, whole

Labels = npt.NDArray[np.integer[Any]]
Boxes = dict[int, Window]

_STROKE_LENGTH = 40, 60
"""Shortest and longest stroke, in pixels."""
_INSIDE = 0.4, 0.9
"""Shortest and longest stroke inside an object, in diameters of a circle of its area."""
_MARGIN = 15
"""Pixels around painted objects within which clustered strokes lie."""
SPARSE = 1, 3, 10, 30
"""Numbers of painted objects in the standard test of learning from little paint.

With one seed, what is painted for a number is painted for the larger ones, too.
"""


def simulate_paint(
    truth: Labels,
    n_objects: int,
    n_background: int,
    seed: int = 0,
    stroke_width: float = 3,
    *,
    is_clustered: bool = False,
    is_inside: bool = False,
    n_borders: int = 0,
) -> Labels:
    """Paint on an image as a person would: some objects, some strokes of background.

    Parameters
    ----------
    truth
        ``YX`` or ``ZYX`` labels, 0 background.
    n_objects
        How many objects to paint, at random; those that the border of the image cuts come last.
    n_background
        How many curved strokes to paint between objects, each within one plane. They are 40 to 60
        pixels long, or shorter if there is no room.
    seed
        The same seed gives the same paint.
    stroke_width
        Width of the brush, in pixels.
    is_clustered
        Whether all paint lies in one part of the image.
    is_inside
        Whether a curved stroke is drawn inside each object, in its largest plane, instead of the
        whole object. It is .4 to .9 diameters long; where the brush does not fit, it is thinner.
    n_borders
        Between how many pairs of touching objects to draw a border of background, one pixel wide
        on either side. Pairs of painted objects come first. Objects drawn whole lose these pixels.

    Returns
    -------
    paint
        Same shape as `truth`, uint8 (int32 from 255 objects on): 0 is not painted, 1 is background,
        numbers from 2 are an object each. There is less paint if objects or room are too few.
    """
    # Each kind of paint has random numbers of its own, so that none changes where others lie.
    rng = np.random.default_rng(seed)
    boxes = find_boxes(truth)
    chosen = _choose(boxes, truth.shape, n_objects, is_clustered, rng)
    paint = np.zeros(truth.shape, np.uint8 if len(chosen) < 255 else np.int32)
    rng_inside = np.random.default_rng((seed, 1))
    for value, label in enumerate(chosen, start=2):
        window = boxes[label]
        mask = truth[window] == label
        if is_inside:
            mask = _stroke_inside(mask, stroke_width, rng_inside)
        paint[window][mask] = value
    for stroke in _strokes(truth, paint, n_background, stroke_width, is_clustered, rng):
        paint[stroke] = 1
    for border in _borders(truth, chosen, n_borders, np.random.default_rng((seed, 2))):
        paint[border] = 1
    return paint


def find_boxes(truth: Labels) -> Boxes:
    """Return the bounding box of each object, by its number; numbers may be far apart."""
    labels, compact = np.unique(truth, return_inverse=True)
    found = ndimage.find_objects(compact.reshape(truth.shape) + 1)
    return {int(k): box for k, box in zip(labels, found, strict=True) if k and box}


def _choose(
    boxes: Boxes,
    shape: tuple[int, ...],
    n: int,
    is_clustered: bool,
    rng: np.random.Generator,
) -> list[int]:
    """Choose objects at random, or among those around one of them; whole ones come first."""
    shuffled = [list(boxes)[i] for i in rng.permutation(len(boxes))]

    def is_cut(label: int) -> bool:
        ends = zip(boxes[label], shape, strict=True)
        return any(s.start == 0 or s.stop == end for s, end in ends)

    def place(label: int) -> npt.NDArray[np.float64]:
        return np.array([(s.start + s.stop) / 2 for s in boxes[label]])

    ordered = sorted(shuffled, key=is_cut)
    if is_clustered and ordered:
        focus = place(ordered[0])
        ordered.sort(key=lambda k: (is_cut(k), float(np.linalg.norm(place(k) - focus))))
        near = ordered[: 2 * n]
        ordered = sorted((near[i] for i in rng.permutation(len(near))), key=is_cut)
    return ordered[:n]


def _stroke_inside(
    mask: npt.NDArray[np.bool_], width: float, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Return a stroke inside an object, as a mask of the same shape."""
    planes = mask.reshape(-1, *mask.shape[-2:])
    z = int(planes.sum(axis=(1, 2)).argmax())
    depth = ndimage.distance_transform_edt(np.pad(planes[z], 1))[1:-1, 1:-1]
    radius = min(width / 2, float(depth.max()) - 1)
    is_free = depth >= radius + 1  # people stay a pixel away from the border
    wanted = round(rng.uniform(*_INSIDE) * 2 * float(np.sqrt(planes[z].sum() / np.pi)))
    path = _longest_walk(is_free, np.argwhere(is_free), rng, (wanted, wanted))
    stroke = np.zeros_like(planes)
    y, x = _brushed(path, _brush(2 * radius), mask.shape[-2:])
    stroke[z, y, x] = True
    return stroke.reshape(mask.shape)


def _borders(
    truth: Labels, painted: list[int], n: int, rng: np.random.Generator
) -> Iterator[npt.NDArray[np.bool_]]:
    """Yield a mask of the border between two touching objects, for up to `n` pairs of them."""
    pairs = _touching(truth) if n else np.zeros((0, 2), truth.dtype)
    is_painted = np.isin(pairs, painted).sum(axis=1)
    order = np.lexsort((rng.permutation(len(pairs)), -is_painted))
    around = np.ones((3,) * truth.ndim, bool)
    for one, other in pairs[order[:n]]:
        here, there = truth == one, truth == other
        yield (here & ndimage.binary_dilation(there, around)) | (
            there & ndimage.binary_dilation(here, around)
        )


def _touching(truth: Labels) -> Labels:
    """Return the numbers ``(n, 2)`` of all pairs of objects that touch along an axis."""
    found = []
    for first, second in neighbour_pairs(truth.shape):
        ends = np.stack([truth[first].ravel(), truth[second].ravel()], axis=1)
        ends = ends[(ends > 0).all(axis=1) & (ends[:, 0] != ends[:, 1])]
        found.append(np.unique(np.sort(ends, axis=1), axis=0))
    return np.unique(np.concatenate(found), axis=0)


def _strokes(
    truth: Labels,
    paint: Labels,
    n: int,
    width: float,
    is_clustered: bool,
    rng: np.random.Generator,
) -> Iterator[tuple[npt.NDArray[np.intp], ...]]:
    """Yield the indices of the pixels of each stroke of background."""
    planes = truth.reshape(-1, *truth.shape[-2:])
    near = _neighbourhood(paint) if is_clustered else np.ones(truth.shape, bool)
    brush = _brush(width)
    for _ in range(n):
        z = int(rng.choice(np.flatnonzero(near.reshape(len(planes), -1).any(1))))
        is_free = ~ndimage.binary_dilation(planes[z] > 0, brush)
        starts = np.argwhere(is_free & near.reshape(planes.shape)[z])
        path = _longest_walk(is_free, starts, rng)
        if not len(path):
            continue
        y, x = _brushed(path, brush, truth.shape[-2:])
        yield (np.full_like(y, z), y, x)[-truth.ndim :]


def _brush(width: float) -> npt.NDArray[np.bool_]:
    """Return the mask of a round brush."""
    at = np.arange(-int(width / 2), int(width / 2) + 1)
    return np.asarray(at[:, None] ** 2 + at**2 <= (width / 2) ** 2)


def _brushed(
    path: npt.NDArray[np.intp], brush: npt.NDArray[np.bool_], shape: tuple[int, ...]
) -> npt.NDArray[np.intp]:
    """Return the pixels ``(2, n)`` in a plane that a brush covers along a path ``(m, 2)``."""
    dab = np.argwhere(brush) - len(brush) // 2
    at = np.unique((path[:, None] + dab).reshape(-1, 2), axis=0)
    return np.asarray(at[((at >= 0) & (at < shape)).all(axis=1)].T)


def _neighbourhood(paint: Labels) -> npt.NDArray[np.bool_]:
    """Return a mask of a box around all painted objects; it is the whole image without objects."""
    near = np.zeros(paint.shape, bool)
    boxes = ndimage.find_objects((paint > 0).astype(np.uint8))
    for box in boxes:
        near[intersect(grow(box, _MARGIN), whole(near.shape))] = True
    return near if boxes else ~near


def _longest_walk(
    is_free: npt.NDArray[np.bool_],
    starts: npt.NDArray[np.intp],
    rng: np.random.Generator,
    length: tuple[int, int] = _STROKE_LENGTH,
) -> npt.NDArray[np.intp]:
    """Return the first walk ``(n, 2)`` that is as long as wanted, or the longest of some walks."""
    best: npt.NDArray[np.intp] = np.zeros((0, 2), np.intp)
    for _ in range(40 if len(starts) else 0):
        wanted = int(rng.integers(length[0], length[1] + 1))
        path = _walk(is_free, starts[rng.integers(len(starts))], wanted, rng)
        if len(path) > len(best):
            best = path
        if len(path) > wanted:
            break
    return best


def _walk(
    is_free: npt.NDArray[np.bool_],
    start: npt.NDArray[np.intp],
    length: int,
    rng: np.random.Generator,
) -> npt.NDArray[np.intp]:
    """Return a curve of steps of one pixel that bends away from objects, and ends if it cannot."""
    path = [start]
    at, heading, bend = start.astype(float), rng.uniform(0, 2 * np.pi), 0.0
    for _ in range(length):
        bend = 0.9 * bend + rng.normal(0, 0.025)
        side = 1 if bend >= 0 else -1
        for turn in (0.0, 0.2, -0.2, 0.4, -0.4, 0.7, -0.7):
            angle = heading + bend + side * turn
            ahead = at + np.array([np.sin(angle), np.cos(angle)])
            y, x = np.rint(ahead).astype(int)
            if 0 <= y < is_free.shape[0] and 0 <= x < is_free.shape[1] and is_free[y, x]:
                break
        else:
            break
        at, heading = ahead, angle
        path.append(np.array([y, x]))
    return np.array(path)

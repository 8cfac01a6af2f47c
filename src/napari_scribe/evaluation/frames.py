"""Align two label images, and split movies and stacks into frames."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from ..arrays import Array, Order, arranged, order_onto
from ..errors import ManyPiecesError
from ..image import AXES
from ..io import ImageLike, as_labels
from ..pieces import Covering, covering, split


def aligned(labels: ImageLike, truth: ImageLike) -> tuple[Array, Array]:
    """Return two label images as arrays, the first along the axes of the second.

    Axes of length 1 are ignored. If the two do not fit, they are returned unchanged.
    """
    array, axes = as_labels(labels)
    true_array, true_axes = as_labels(truth, name="truth")
    order = order_onto(axes, array.shape, true_axes, true_array.shape)
    return (array if order is None else arranged(array, order)), true_array


def separated(labels: Array, name: str, pieces: bool | None, by_faces: bool = False) -> Array:
    """Give each separate piece of a number its own number, if `pieces` is True.

    Pixels that touch at a corner only are one piece, unless `by_faces`.

    Raises
    ------
    ManyPiecesError
        If one number covers many pieces, and `pieces` is None.
    """
    if pieces is False or np.dtype(labels.dtype).kind not in "bui" or labels.ndim < 2:
        return labels
    dimensions = min(labels.ndim, 3)
    if pieces:
        pieces_apart: Array = split(labels, dimensions, 1, by_faces)
        return pieces_apart
    # A fast object of a movie is in pieces along time, but whole in each plane: ask for both.
    many = [covering(labels, d, 1) for d in range(2, dimensions + 1)]
    if None not in many and many[0] is not None:
        raise many_pieces(many[0], f"the {name}")
    return labels


def many_pieces(many: Covering, name: str) -> ManyPiecesError:
    """Return the error for labels in which one number covers many separate pieces."""
    return ManyPiecesError(
        f"Number {many.number} of {name} covers {many.n_pieces} separate pieces, but every number "
        "is one object. Say whether each piece is an object, or each number.",
        pieces=None,
    )


def frame_pairs(
    labels: ImageLike, truth: ImageLike, slices: bool = False
) -> Iterator[tuple[Array, Array]]:
    """Yield labels and truth of each frame, as objects may be numbered anew in each frame.

    Time points are always frames, if either of the two images has them. Z is depth, unless `slices`
    makes each plane a frame. An array has the axes of the other one; if both are arrays, three axes
    are ZYX and four TZYX. Without frames, or if shapes differ, one pair is yielded, still lazy.
    """
    array, axes = as_labels(labels)
    true_array, true_axes = as_labels(truth, name="truth")
    order = order_onto(axes, array.shape, true_axes, true_array.shape)
    if order is None:
        yield array, true_array
        return
    array, letters = arranged(array, order), _letters(axes, true_axes, order)
    along = [letters.index(a) for a in ("TZ" if slices else "T") if a in letters]
    if not along:
        yield array, true_array
        return
    for at in itertools.product(*(range(true_array.shape[j]) for j in along)):
        index_along = dict(zip(along, at, strict=True))
        index = tuple(index_along.get(j, slice(None)) for j in range(len(order)))
        yield array[index], true_array[index]


def _letters(axes: str, true_axes: str, order: Order) -> str:
    """Return a letter for each axis of the truth; those of the labels count if these have time."""
    n = len(order)
    if not axes and not true_axes:
        return AXES if n == len(AXES) else "TZYX"[-n:]
    known = true_axes or " " * n
    own = "".join(axes[i] if axes and i is not None else known[j] for j, i in enumerate(order))
    is_timed = "T" in own and len(set(own)) == n
    return own if is_timed or not true_axes else true_axes

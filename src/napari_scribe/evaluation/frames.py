"""Align two label images, and split movies and stacks into frames."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..arrays import Array, arranged, order_onto
from ..errors import ManyPiecesError
from ..image import Image
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


def frame_pairs(labels: Image, truth: Image, slices: bool = False) -> Iterator[tuple[Array, Array]]:
    """Yield labels and truth of each frame, as objects may be numbered anew in each frame.

    Time points are always frames, if either of the two images has them. Z is depth, unless `slices`
    makes each plane a frame. Without frames, or if shapes differ, one pair is yielded, still lazy.
    """
    order = order_onto(labels.axes, labels.shape, truth.axes, truth.shape)
    if order is None:
        yield labels.data, truth.data
        return
    letters = [truth.axes[j] if i is None else labels.axes[i] for j, i in enumerate(order)]
    is_timed = "T" in letters and len(set(letters)) == len(letters)
    image = truth.selected(axes="".join(letters)) if is_timed else truth
    dimensions = 2 if slices or "Z" not in image.axes else 3
    data = arranged(labels.data, order)
    if not image.iterated_axes(dimensions):
        yield data, truth.data
        return
    for frame in image.frames(dimensions):
        index_along = dict(frame)
        index = tuple(index_along.get(a, slice(None)) for a in image.axes)
        yield data[index], truth.data[index]

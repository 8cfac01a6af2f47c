"""The frames of a movie or a stack, which are scored one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..arrays import arranged, order_onto
from ..errors import ManyPiecesError
from ..image import Image
from ..io import as_labels
from ..pieces import covering, split


def aligned(labels: Any, truth: Any) -> tuple[Any, Any]:
    """Return two label images as arrays, the first along the axes of the second.

    Axes of length 1 do not count. Where the two do not fit, they are as they were.
    """
    labels, axes = as_labels(labels)
    truth, true_axes = as_labels(truth, name="truth")
    order = order_onto(axes, labels.shape, true_axes, truth.shape)
    return (labels if order is None else arranged(labels, order)), truth


def separated(labels: Any, name: str, pieces: bool | None) -> Any:
    """Give each piece of a number one of its own, where that is asked for.

    Raises
    ------
    ManyPiecesError
        If one number covers many pieces, and nobody says what they are.
    """
    if pieces is False or np.dtype(labels.dtype).kind not in "bui" or labels.ndim < 2:
        return labels
    dimensions = min(labels.ndim, 3)
    if pieces:
        return split(labels, dimensions, 1)
    # Of a stack, each plane is asked as well: what moves fast is in pieces along time.
    found = [covering(labels, d, 1) for d in range(2, dimensions + 1)]
    if None not in found and found[0] is not None:
        number, n_pieces = found[0]
        raise ManyPiecesError(
            f"Number {number} of the {name} covers {n_pieces} separate pieces, but every number is "
            "one object. Say whether each piece is an object, or each number.",
            pieces=None,
        )
    return labels


def frame_pairs(labels: Image, truth: Image, slices: bool = False) -> Iterator[tuple[Any, Any]]:
    """Labels and truth of each frame: one may count its objects on, the other anew in each frame.

    Times are always frames, if either of the two has them; Z is depth, or frames where `slices`.
    Without frames, or where shapes differ, it is one pair, still lazy.
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
        at = dict(frame)
        index = tuple(at.get(a, slice(None)) for a in image.axes)
        yield data[index], truth.data[index]

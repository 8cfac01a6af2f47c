"""Hold what a person painted, check it, and return what is known about each pixel.

In paint, 0 is unknown, 1 background (or class 1), 2 and up are objects drawn whole (or classes).
An object that is painted only in part has the negative of its number in `Paint.frame`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..arguments import converted
from ..arrays import arranged, order_onto
from ..errors import InputError, ManyPiecesError
from ..image import Frame, Image
from ..io import ImageLike, as_labels
from ..pieces import Covering, covering, split
from ..windows import Window, shift, whole
from .tasks import TASKS

Box = tuple[tuple[int, int], ...]
Labels = npt.NDArray[np.int32]
HELD_OUT_EVERY = 5
"""One painted object (or square) in this many validates."""
PLACE = 32
"""Side of the squares that strokes are divided into for validation, in pixels."""
SOLID = 0.8
"""Share of its ellipse from which on a piece is a blob, such as an object, and no stroke."""
FEWEST_OBJECTS = 3
"""Blobs from which on pieces are perhaps objects, where they mean background or a class."""
LIKE_SIZES = 0.2, 5.0
"""Times the median size of objects between which a piece is about as large as they are."""
PIECES_LOOKED_AT = 50
"""Pieces whose shape is looked at, at most."""


@dataclass(frozen=True, eq=False)
class Paint:
    """Hold a labels image of paint, of the shape of its image without channels.

    Parameters
    ----------
    array
        Integers, as an array, an `Image` or the path of a file.
    complete
        Where 0 means background instead of unknown: None for nowhere, True for everywhere, or a
        list of boxes, each one ``(start, stop)`` per axis of `array`.
    offset
        What is subtracted from a painted value in the results of a class model (1 for masks).
    axes
        A letter per axis of `array`, in its own order. If empty, those of the file, else TZYX.
        Axes of length 1 are ignored.
    pieces
        True: each separate piece of a number is an object. False: each number is one object, in
        however many pieces. None: training raises an error if one number covers many pieces.
    in_part
        Which objects are painted only in part, as by a stroke inside them: True for all, or their
        numbers in `array`. They teach what is inside objects, but not where these end. None:
        training decides (``target.strokes``).
    corrected
        Numbers in `array` of objects that a person has corrected in a prediction. They weigh more
        than others when a network learns (``training.corrections``).
    """

    array: Any
    complete: bool | Sequence[Box] | None = None
    offset: int = 0
    axes: str = ""
    pieces: bool | None = None
    in_part: bool | Sequence[int] | None = None
    corrected: Sequence[int] = ()

    def __post_init__(self) -> None:
        array, axes = as_labels(self.array, self.axes, "The paint")
        object.__setattr__(self, "array", array)
        object.__setattr__(self, "axes", axes)
        if self.complete is not None:
            object.__setattr__(self, "complete", converted("complete", self.complete))
        if self.in_part is not None:
            object.__setattr__(self, "in_part", converted("in_part", self.in_part))
        if not isinstance(self.in_part, bool | None) and min(self.in_part, default=2) < 2:
            raise InputError(f"Objects have numbers from 2 up, so not in_part={self.in_part}.")
        object.__setattr__(self, "corrected", converted("corrected", self.corrected))
        if min(self.corrected, default=2) < 2:
            raise InputError(f"Objects have numbers from 2 up, so not corrected={self.corrected}.")
        if np.dtype(self.array.dtype).kind not in "bui":
            raise InputError(
                f"Paint holds {self.array.dtype} values; it needs whole numbers, as in a labels "
                "layer."
            )

    @classmethod
    def from_mask(cls, mask: ImageLike, axes: str = "", pieces: bool | None = None) -> Paint:
        """Make paint of an ordinary mask: 0 is background, 1 and up are objects or classes.

        Results of class models carry the values of the mask.

        Parameters
        ----------
        mask
            Whole numbers, as an array, an `Image` or the path of a file.
        axes, pieces
            As in `Paint`.
        """
        labels, axes = as_labels(mask, axes, "The mask")
        array = np.asarray(labels)
        if array.dtype.kind == "f" and (np.isfinite(array) & (array == np.round(array))).all():
            array = array.astype(np.int64)
        if array.dtype.kind not in "bui":
            raise InputError(f"A mask needs whole numbers, this one holds {array.dtype} values.")
        if array.size and array.min() < 0:
            raise InputError("A mask needs values of 0 and up, this one has negative ones.")
        if array.size and array.max() >= 2**31 - 1:
            raise InputError(f"The value {array.max()} of a mask is too large: number them anew.")
        return cls(array.astype(np.int32) + 1, True, offset=1, axes=axes, pieces=pieces)

    def frame(self, image: Image, frame: Frame) -> Labels:
        """Return the paint of one frame.

        0 in ``complete`` boxes becomes background, and the numbers of objects that are painted only
        in part become negative.
        """
        index = image.label_index(frame)
        labels = np.asarray(self.array[index]).astype(np.int32)
        if self.complete is True:
            labels[labels == 0] = 1
        elif self.complete:
            for box in self.complete:
                window = _box_in_frame(box, index)
                if window is not None:
                    inside = labels[window]
                    inside[inside == 0] = 1
        if self.in_part:
            is_object = labels > 1
            in_part = is_object if self.in_part is True else np.isin(labels, self.in_part)
            labels[in_part & is_object] *= -1
        return labels


def _box_in_frame(box: Box, index: tuple[int | slice, ...]) -> Window | None:
    """Return the part of a box that lies in a frame; None if none does."""
    window = []
    for (start, stop), at in zip(box, index, strict=True):
        if isinstance(at, slice):
            window.append(slice(start, stop))
        elif not start <= at < stop:
            return None
    return tuple(window)


def as_paint(paint: object) -> Paint:
    """Return paint unchanged, or make paint from an array, an `Image` or a path."""
    return paint if isinstance(paint, Paint) else Paint(paint)


def fitted(paint: Paint, image: Image) -> Paint:
    """Order the axes of paint as in labels of its image; axes of length 1 are ignored.

    Raises
    ------
    InputError
        If the shapes differ, or a ``complete`` box does not lie in the paint.
    """
    shape = tuple(paint.array.shape)
    order = order_onto(paint.axes, shape, image.label_axes(), image.label_shape())
    if order is None:
        raise InputError(
            f"The paint has shape {shape} but {image.name} has {image.label_shape()} "
            f"(axes {image.label_axes()}). Is it the paint of another image? In the viewer, New "
            "makes a layer that fits."
        )
    for box in paint.complete if isinstance(paint.complete, Sequence) else ():
        ends = zip(box, shape, strict=False)
        if len(box) != len(shape) or not all(0 <= a < b <= n for (a, b), n in ends):
            raise InputError(
                f"The complete box {box} does not lie in the paint of {image.name} {shape}: give "
                f"(start, stop) for each of {image.label_axes()}."
            )
    complete = paint.complete
    if isinstance(complete, Sequence):
        complete = [tuple((0, 1) if i is None else box[i] for i in order) for box in complete]
    return replace(
        paint, array=arranged(paint.array, order), complete=complete, axes=image.label_axes()
    )


def separated(paint: Paint, dimensions: int, name: str) -> Paint:
    """Give each separate piece of paint its own number, if ``pieces`` asks for it.

    Parameters
    ----------
    paint
        Paint of objects, along the axes of its image's labels.
    dimensions
        2 or 3, of the network. Pieces are separate if they are separate within one frame.
    name
        Name of the image in messages.

    Raises
    ------
    ManyPiecesError
        If one number covers many pieces, and ``pieces`` is None.
    """
    if paint.pieces:
        is_all_ones = paint.offset == 0 and np.asarray(paint.array).max(initial=0) == 1
        array = objects_from_ones(paint.array) if is_all_ones else split(paint.array, dimensions, 2)
        in_part = paint.in_part
        if in_part and in_part is not True:
            in_part = _numbers_at(array, paint.array, in_part)
        corrected = _numbers_at(array, paint.array, paint.corrected)
        return replace(paint, array=array, pieces=False, in_part=in_part, corrected=corrected)
    many = covering(paint.array, dimensions, 2) if paint.pieces is None else None
    if many is not None:
        text = (
            f"The paint of {name}: {in_words(many, paint.offset)} Say whether each piece is an "
            "object, or each number."
        )
        if paint.complete:
            raise ManyPiecesError(text, pieces=None)
        raise ManyPiecesError(
            f"{text} If 0 is background, it is an ordinary mask (Paint.from_mask).",
            pieces=None,
            complete=True,
        )
    return paint


def _numbers_at(array: Any, paint: Any, numbers: Sequence[int]) -> list[int]:
    """Return the numbers that an array has where paint has some numbers."""
    if not numbers:
        return []
    found: list[int] = np.unique(array[np.isin(paint, numbers)]).tolist()
    return found


def in_words(pieces: Covering, offset: int = 0) -> str:
    """Say that a number covers many pieces; `offset` is what paint adds to the user's numbers."""
    return (
        f"Label {pieces.number - offset} covers {pieces.n_pieces} separate pieces, but every "
        "number is one object."
    )


def check_values(values: set[int], task: str) -> None:
    """Check the values in all paint together, without 0.

    Raises
    ------
    InputError
        If a network cannot learn from them.
    """
    if not values:
        raise InputError(
            "Nothing is painted yet. Paint some objects, each with a number of its own from 2 "
            "up, and a few strokes of background with 1."
            if TASKS[task].separates_objects
            else "Nothing is painted yet. Paint a few strokes of each class, from 1 up."
        )
    if TASKS[task].separates_objects and values == {1}:
        raise InputError(
            "The paint holds no object: everything has label 1, which means background. That "
            "alone teaches nothing, deleted objects included: paint or correct some objects, each "
            "with a number of its own from 2 up. If the painted pieces are objects already, let "
            "each be one of its own.",
            ones_are_objects=True,
        )
    if not TASKS[task].separates_objects and len(values) < 2:
        raise InputError(
            f"Only class {values.pop()} is painted. Paint some strokes of a second class too: "
            "a network learns classes from their difference."
        )


class Slip(NamedTuple):
    """Describe a likely mistake in paint.

    Parameters
    ----------
    kind
        ``ones``: objects painted with napari's default label 1, which means background.
        ``pieces``: many objects with one number other than 1.
        ``mask``: an ordinary mask (0 is background, 1, 2, 3 ... are objects) taken for paint.
    text
        A question for the user.
    """

    kind: Literal["ones", "pieces", "mask"]
    text: str


def question(paint: npt.ArrayLike, task: str, dimensions: int = 2) -> Slip | None:
    """Return what to ask the user if paint looks like a common mistake; else None."""
    if not TASKS[task].separates_objects:
        return None
    paint = np.asarray(paint)
    many = covering(paint, min(dimensions, paint.ndim), 2)
    if many is not None:
        return Slip("pieces", f"{in_words(many)} Is each piece an object?")
    ones = paint == 1
    others, sizes = np.unique(paint[paint > 1], return_counts=True)
    if not ones.any():
        return None
    blobs, n_blobs = ndimage.label(
        ones, np.ones((3,) * ones.ndim)
    )  # with diagonals, so that thin strokes stay whole
    if len(others) == 0:
        if n_blobs >= FEWEST_OBJECTS and _mean_solidity(blobs, n_blobs) > SOLID:
            return Slip(
                "ones",
                f"All {n_blobs} painted pieces have label 1, which means background. "
                "Are they objects?",
            )
        return None
    smallest, largest = (share * np.median(sizes) for share in LIKE_SIZES)
    like_an_object = smallest < ones.sum() < largest
    consecutive = others[0] == 2 and others[-1] == len(others) + 1
    has_many = len(others) >= FEWEST_OBJECTS
    numbered = n_blobs == 1 and consecutive and has_many and like_an_object
    if numbered and _mean_solidity(blobs, 1) > SOLID:
        return Slip(
            "mask",
            "Label 1 looks like an object among the others, but 1 means background in paint. "
            "Is this an ordinary mask, where 0 is background and every number an object?",
        )
    return None


def as_meant(paint: npt.ArrayLike, dimensions: int = 2) -> Labels:
    """Return paint in which each piece that `question` asks about is an object."""
    slip = question(paint, "objects", dimensions)
    if slip is not None and slip.kind == "pieces":
        return split(np.asarray(paint), min(dimensions, np.ndim(paint)), 2)
    return objects_from_ones(paint)


def objects_from_ones(paint: npt.ArrayLike) -> Labels:
    """Return paint in which every separate piece of label 1 is an object."""
    paint = np.asarray(paint).astype(np.int32)
    blobs, n_blobs = ndimage.label(paint == 1, structure=np.ones((3,) * paint.ndim))
    out = np.where(paint > 1, paint + n_blobs, 0)
    out[blobs > 0] = blobs[blobs > 0] + 1
    return out


def _mean_solidity(blobs: Labels, n: int) -> float:
    """Return the share of its ellipse that a piece fills: near 1 for blobs, low for strokes.

    The result is the mean of the first `PIECES_LOOKED_AT` of `n` pieces.
    """
    filled = []
    windows = ndimage.find_objects(blobs, max_label=min(n, PIECES_LOOKED_AT))
    for i, window in enumerate(windows, start=1):
        if window is None:
            continue
        mask = blobs[window] == i
        ellipse = np.prod(mask.shape) * (np.pi / 4 if mask.ndim == 2 else np.pi / 6)
        filled.append(min(1.0, mask.sum() / ellipse))
    return float(np.mean(filled)) if filled else 0.0


def like_objects(paint: npt.ArrayLike) -> str:
    """Return a question if paint of classes looks like objects, one piece per number; else "".

    If class 1 is painted, there must be at least three other numbers, painted as blobs.
    """
    paint = np.asarray(paint)
    values, places = np.unique(paint, return_inverse=True)
    boxes = ndimage.find_objects(places.reshape(paint.shape) + 1)
    solid = []
    for value, box in zip(values, boxes, strict=True):
        if value > 1:
            piece, n_pieces = ndimage.label(paint[box] == value, np.ones((3,) * paint.ndim))
            if n_pieces > 1:
                return ""
            solid.append(_mean_solidity(piece, 1))
    has_first = 1 in values
    fewest = FEWEST_OBJECTS if has_first else 2
    if len(solid) < fewest or (has_first and np.mean(solid) <= SOLID):
        return ""
    return (
        f"{len(solid)} numbers are painted, each in one piece only, as objects are; but the task "
        "is classes, where a number is a kind of thing. Are these objects?"
    )


def held_out(
    labels: Labels, image_index: int, n_images: int, task: str, origin: Sequence[int] | None = None
) -> npt.NDArray[np.bool_]:
    """Choose which painted pixels validate instead of training.

    If there are many images, one image in ten validates. Else whole objects, chosen by their
    label, and whole squares of background or of a class validate. The choice does not change while
    more is painted.

    Parameters
    ----------
    labels
        Paint of one frame or of a window in it, ``(*spatial)``. The sign of a number does not
        matter.
    image_index, n_images
        The number of this image, and how many there are.
    task
        Name of the task.
    origin
        First pixel of the window in the frame; 0 along each axis when None.

    Returns
    -------
    mask
        ``(*spatial)``: True for pixels that validate.
    """
    if n_images >= 2 * HELD_OUT_EVERY:
        chosen = image_index % (2 * HELD_OUT_EVERY) == HELD_OUT_EVERY - 1
        return np.full(labels.shape, chosen)
    index = np.ogrid[shift(whole(labels.shape), origin or (0,) * labels.ndim)]
    place = np.zeros((1,) * labels.ndim, dtype=np.int64)
    for step, along in enumerate(index, start=1):
        place = place + step * (along // PLACE)
    by_place = (place + image_index) % HELD_OUT_EVERY == HELD_OUT_EVERY - 1
    if not TASKS[task].separates_objects:
        return np.broadcast_to(by_place, labels.shape).copy()
    numbers = np.abs(labels)
    by_label = (numbers + 2 * image_index) % HELD_OUT_EVERY == HELD_OUT_EVERY - 1
    return np.asarray(np.where(numbers > 1, by_label, by_place))

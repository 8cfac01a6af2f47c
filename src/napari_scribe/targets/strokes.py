"""Tell strokes inside objects from objects that are drawn whole, by their shape and the image.

A stroke is elongated and as wide as the brush all along, and its border is on no edge of the image.
Shorter strokes of the same brush are recognized by their width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.stats import mannwhitneyu

from ..image import Frame, Image
from ..io import first_few
from ..recipe import ObjectsTarget, Recipe
from ..windows import Window, grow, intersect, whole
from .paint import Labels, Paint

Mask = npt.NDArray[np.bool_]
LONG = 1.8
"""Area of a stroke, at least, in circles as wide as it is; it is 1 of a circle."""
SURE = 3.0
"""The same for a stroke that is one even if nearly all objects beside it are drawn whole."""
INNER, EVEN = 0.75, 0.95
"""A share of `EVEN` of a stroke, at least, is covered by circles of `INNER` times its width."""
ON_EDGE = 0.9
"""From here on the border is on an edge of the image: how surely a pixel inside and one outside
are told apart by their intensity, 0 to 1 (twice the area under the ROC curve, minus 1)."""
BESIDE = 1.5, 4.0
"""Nearest and farthest pixels that are compared with those inside; what lies nearer is blurred."""
AS_WIDE = 1.15
"""Paint is of the brush of the strokes if it is at most this many times as wide as most of them."""


@dataclass(frozen=True)
class Shape:
    """Describe how an object is painted in one frame.

    Parameters
    ----------
    number
        Its number in the paint.
    width
        Half its width at its widest place, in pixels.
    length
        Its area, in circles as wide as it is.
    is_stroke
        Whether it looks like a stroke inside an object.
    """

    number: int
    width: float
    length: float
    is_stroke: bool


@dataclass(frozen=True)
class Seen:
    """Hold how an object was painted when it was last looked at.

    Parameters
    ----------
    window
        A window of its frame.
    digest
        Tells the paint in it from any other.
    shape
        How the object was painted.
    """

    window: Window
    digest: bytes
    shape: Shape


Known = dict[tuple[object, ...], Seen]
"""What was seen before, by image, frame and number: only what has changed since is looked at."""


def with_strokes(
    paints: Sequence[Paint],
    images: Sequence[Image],
    channels: Sequence[int],
    recipe: Recipe,
    known: Known | None = None,
) -> tuple[list[Paint], str]:
    """Mark the objects that are painted only in part, where that is not said in the paint.

    Parameters
    ----------
    paints, images
        Paint of objects, and the image of each.
    channels
        Channels that the network sees.
    recipe
        ``target.strokes`` says whether to look for strokes.
    known
        What was found for the same images before; it is brought up to date.

    Returns
    -------
    paints
        The same, each with `Paint.in_part`.
    note
        What the user should know about it, or "".
    """
    target = recipe.target
    assert isinstance(target, ObjectsTarget)
    if target.strokes != "auto":
        is_inside = target.strokes == "inside"
        return [p if p.in_part is not None else replace(p, in_part=is_inside) for p in paints], ""
    marked, notes = [], []
    seen: Known = {} if known is None else known
    for i, (paint, image) in enumerate(zip(paints, images, strict=True)):
        if paint.in_part is None:
            found = find_strokes(paint, image, channels, recipe.network.dimensions, seen, i)
            paint = replace(paint, in_part=found)
            notes += [f"{first_few([str(n) for n in found])} in {image.name}"] if found else []
        marked.append(paint)
    if not notes:
        return marked, ""
    return marked, (
        "What is painted with these numbers looks like strokes inside objects: "
        f"{first_few(notes)}. That teaches what is inside, not where objects end. If they are "
        "drawn whole, set Painted objects (target.strokes) to whole."
    )


def find_strokes(
    paint: Paint,
    image: Image,
    channels: Sequence[int],
    dimensions: int,
    known: Known | None = None,
    key: object = None,
) -> tuple[int, ...]:
    """Return the numbers of the objects that look like strokes inside them.

    Parameters
    ----------
    paint
        Along the axes of its image's labels. Complete labels hold no strokes.
    dimensions
        2 or 3, of the network. In volumes, the largest plane of an object decides.
    known, key
        What was found before, and what tells this image from others there.
    """
    if paint.complete is True:
        return ()
    seen: Known = {} if known is None else known
    shapes = [
        _shape(around, number, window, image, frame, channels, seen, key)
        for frame in image.frames(dimensions)
        for number, window, around in _objects(paint.frame(image, frame))
    ]
    strokes = [shape for shape in shapes if shape.is_stroke]
    if len(strokes) < max(2, len(shapes) / 3):
        whole_ones = {s.number for s in shapes if not s.is_stroke or s.length < SURE}
    else:
        limit = AS_WIDE * float(np.median([shape.width for shape in strokes]))
        whole_ones = {s.number for s in shapes if not s.is_stroke and s.width > limit}
    return tuple(sorted({shape.number for shape in shapes} - whole_ones))


def _objects(labels: Labels) -> Iterator[tuple[int, Window, Labels]]:
    """Yield each object of a frame: its number, a window around it, and the paint in that."""
    at = np.nonzero(labels > 1)
    values = labels[at]
    order = np.argsort(values, kind="stable")
    numbers, first = np.unique(values[order], return_index=True)
    if not len(numbers):
        return
    low = np.stack([np.minimum.reduceat(along[order], first) for along in at], axis=1)
    high = np.stack([np.maximum.reduceat(along[order], first) for along in at], axis=1)
    for number, starts, ends in zip(numbers.tolist(), low.tolist(), high.tolist(), strict=True):
        box = tuple(slice(a, b + 1) for a, b in zip(starts, ends, strict=True))
        window = _largest_plane(labels, number, intersect(grow(box, 6), whole(labels.shape)))
        yield number, window, labels[window].reshape([s.stop - s.start for s in window[-2:]])


def _shape(
    around: Labels,
    number: int,
    window: Window,
    image: Image,
    frame: Frame,
    channels: Sequence[int],
    known: Known,
    key: object,
) -> Shape:
    """Return how an object is painted: as it is known, if nothing has changed around it."""
    digest = blake2b(around.tobytes(), digest_size=16).digest()
    before = known.get((key, frame, number))
    if before is not None and (before.window, before.digest) == (window, digest):
        return before.shape
    mask = around == number
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    is_stroke = _is_like_brush(mask, depth) and not _is_enclosed(mask, around)
    if is_stroke:
        pixels = image.read(frame, window, tuple(channels)).reshape(-1, *mask.shape)
        is_stroke = all(_contrast(p, mask, around) < ON_EDGE for p in pixels)
    width = float(depth.max())
    shape = Shape(number, width, np.count_nonzero(mask) / (np.pi * width**2), is_stroke)
    known[key, frame, number] = Seen(window, digest, shape)
    return shape


def _largest_plane(labels: Labels, number: int, window: Window) -> Window:
    """Return the part of a window in the plane where most of an object is painted."""
    if labels.ndim == 2:
        return window
    z = int((labels[window] == number).sum(axis=(1, 2)).argmax()) + window[0].start
    return (slice(z, z + 1), *window[1:])


def _is_enclosed(mask: Mask, around: Labels) -> bool:
    """Return whether most of what touches a mask is painted: then it was drawn to its border."""
    beside = ndimage.binary_dilation(mask) & ~mask
    return bool(beside.any()) and bool((around[beside] != 0).mean() > 0.5)


def _is_like_brush(mask: Mask, depth: npt.NDArray[np.float64]) -> bool:
    """Return whether a mask is elongated and equally wide all along.

    Parameters
    ----------
    depth
        Distance to what is outside the mask.
    """
    radius, area = float(depth.max()), np.count_nonzero(mask)
    if area < LONG * np.pi * radius**2:
        return False
    is_core = depth >= INNER * radius
    is_covered = ndimage.distance_transform_edt(~is_core) < depth[is_core].min()
    return bool(np.count_nonzero(is_covered & mask) >= EVEN * area)


def _contrast(pixels: npt.NDArray[Any], mask: Mask, around: Labels) -> float:
    """Return how surely pixels inside and beside a mask differ: 0 not at all, 1 always.

    Pixels of other objects are left out; where none is left, the answer is 1.
    """
    smooth = ndimage.gaussian_filter(pixels.astype(np.float64), 0.7)
    away = ndimage.distance_transform_edt(~mask)
    beside = (away >= BESIDE[0]) & (away <= BESIDE[1]) & (around <= 1)
    if not beside.any():
        return 1.0
    rank_sum = mannwhitneyu(smooth[mask], smooth[beside], method="asymptotic").statistic
    area = float(rank_sum) / (np.count_nonzero(mask) * np.count_nonzero(beside))
    return abs(2 * area - 1)

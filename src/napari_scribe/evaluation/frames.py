"""The frames of a movie or a stack, which are scored one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..image import Image


def frame_pairs(labels: Image, truth: Image, slices: bool = False) -> Iterator[tuple[Any, Any]]:
    """Labels and truth of each frame: one may count its objects on, the other anew in each frame.

    Times are always frames, if either of the two has them; Z is depth, or frames where `slices`.
    Without frames, or where shapes differ, it is one pair, still lazy.
    """
    image = labels if "T" in labels.axes else truth
    dimensions = 2 if slices or "Z" not in image.axes else 3
    if labels.shape != truth.shape or not image.iterated_axes(dimensions):
        yield labels.data, truth.data
        return
    for frame in image.frames(dimensions):
        at = dict(frame)
        index = tuple(at.get(a, slice(None)) for a in image.axes)
        yield labels.data[index], truth.data[index]

"""Find the one object at a place of an image: what a model would find there if it were bolder."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..image import Image
from ..model import Model
from ..progress import Job
from .run import InferenceStep
from .segment import segment

SIDE = 3.0
"""Side of what is looked at, in diameters of objects."""
LEAST = 96
"""Least side of it, in pixels."""
BOLD = 0.5, 0.2
"""Share of the model's own thresholds that are tried, one after the other."""
MOST = 4.0
"""Largest object that is believed, in times the area (the volume) of an ordinary one."""
DIAMETER = 20.0
"""Pixels across an object where nobody knows how large objects are."""


@dataclass(frozen=True, eq=False)
class ObjectAt:
    """Hold an object at a place of an image.

    Parameters
    ----------
    region
        The part of the image that was looked at, per axis letter.
    mask
        ``(*region)``, along TZYX as far as the image has them.
    is_found
        Whether the model has found it; else it is a disk.
    """

    region: dict[str, slice]
    mask: npt.NDArray[np.bool_]
    is_found: bool


def object_at(
    model: Model,
    image: Image,
    point: Mapping[str, int],
    *,
    diameter: float | None = None,
    channels: Sequence[int] | None = None,
    device: str | None = None,
) -> Job[InferenceStep, ObjectAt | None]:
    """Return the job that finds the object at a pixel.

    The model is run over a small window, with lower thresholds than its own, since that is where it
    has found nothing so far. Where it finds nothing even so, or something much too large, a disk
    of the usual size takes the place of an object. Stopped early, it has no result: None.

    Parameters
    ----------
    point
        The pixel, per axis letter.
    diameter
        Diameter of the objects in the image, in pixels; that of the model's objects when None.
    channels, device
        As `segment` takes them.

    Raises
    ------
    InputError
        Before any work, if the model does not fit the image.
    """
    diameter = diameter or model.object_size or DIAMETER
    spatial = image.spatial_axes(model.dimensions)
    region = _region_around(image, point, spatial, max(LEAST, math.ceil(SIDE * diameter)))
    size = {} if model.object_size is None else {"object_size": diameter}
    options: dict[str, Any] = {"channels": channels, "device": device, **size}
    jobs = []
    if model.recipe.task == "objects":
        jobs = [
            segment(model, image, region=region, decoding=_bolder(model, share), **options)
            for share in BOLD
        ]
    largest = MOST * _volume(diameter, len(spatial))

    def find(this: Any) -> Generator[InferenceStep, None, ObjectAt | None]:
        for job in jobs:
            with closing(job):
                for step in job:
                    yield step
                    if this.stop_requested:
                        return None
            labels = np.asarray(job.result)
            covered = {a: job.region.get(a, slice(0, image.length(a))) for a in image.label_axes()}
            at = tuple(point[a] - covered[a].start for a in image.label_axes())
            mask = labels == labels[at]
            if labels[at] and mask.sum() <= largest:
                return ObjectAt(covered, mask, is_found=True)
        return disk_at(image, point, diameter)

    return Job(find)


def disk_at(image: Image, point: Mapping[str, int], diameter: float) -> ObjectAt:
    """Return a disk around a pixel, in its slice."""
    radius = diameter / 2
    region = _region_around(image, point, "YX", 2 * math.ceil(radius) + 1)
    axes = image.label_axes()
    offsets = np.meshgrid(
        *(np.arange(region[a].start, region[a].stop) - point[a] for a in axes), indexing="ij"
    )
    distance = np.sqrt(sum(offset**2 for offset in offsets))
    return ObjectAt({a: region[a] for a in axes}, distance <= radius, is_found=False)


def _bolder(model: Model, share: float) -> dict[str, float]:
    """Return thresholds that are lower than the model's own, by name."""
    own = {
        knob.name: model.parameters.get(knob.name, knob.default) for knob in model.encoding.knobs
    }
    return {name: share * own[name] for name in ("foreground", "peak") if name in own}


def _region_around(
    image: Image, point: Mapping[str, int], spatial: str, side: int
) -> dict[str, slice]:
    """Return a window around a pixel, of one pixel along the axes that are not spatial."""
    region = {}
    for axis in image.label_axes():
        low, high = (point[axis] - side // 2, side) if axis in spatial else (point[axis], 1)
        region[axis] = slice(max(0, low), min(image.length(axis), low + high))
    return region


def _volume(diameter: float, dimensions: int) -> float:
    return math.pi * diameter**2 / 4 if dimensions == 2 else math.pi * diameter**3 / 6

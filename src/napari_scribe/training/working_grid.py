"""Bring images and their paint to the grid on which objects have the size that is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from ..image import Image
from ..memory import free_bytes
from ..model import Model
from ..recipe import Recipe
from ..recipe.targets import NEAR
from ..resampling import resampled_length, resampled_paint
from ..targets import Paint, task_of
from ..targets.object_size import check_room, check_size, diameters_in, factor_to, on_grid
from ..wording import counted
from .spill import Spill

PAINT_BYTES = 4
"""Bytes of a pixel of paint."""


@dataclass(frozen=True)
class WorkingGrids:
    """Hold by how much the working grid of each image is finer than the image's own pixels.

    Parameters
    ----------
    factors
        One per image; 1 leaves an image as it is.
    object_size
        Diameter of the objects on these grids, in pixels; None if it is not known.
    is_measured
        Whether that is known of the objects in these images.
    """

    factors: tuple[float, ...]
    object_size: float | None = None
    is_measured: bool = True

    @property
    def size_in_images(self) -> float | None:
        """Return the diameter of the objects in the images, in pixels; None if it differs much."""
        if not self.is_measured or self.object_size is None:
            return None
        if max(self.factors) > NEAR * min(self.factors):
            return None
        return self.object_size / float(np.median(self.factors))

    def in_words(self) -> str:
        """Say which images are brought to which size; an empty text if none is."""
        changed = [factor for factor in self.factors if factor != 1]
        if not changed or self.object_size is None:
            return ""
        sizes = sorted(
            {round(self.object_size / factor) for factor in (min(changed), max(changed))}
        )
        own = " to ".join(map(str, sizes))
        n_images = f"{counted(len(changed), 'image')} of {len(self.factors)}"
        return (
            f"The network sees objects of about {self.object_size:.3g} px: {n_images}, whose "
            f"objects are about {own} px wide, brought to that."
        )

    def images(self, images: Sequence[Image]) -> list[Image]:
        """Return each image on its grid.

        Raises
        ------
        InputError
            If one would vanish, or its paint does not fit into memory.
        """
        pairs = list(zip(images, self.factors, strict=True))
        for image, factor in pairs:
            room = free_bytes("cpu"), "memory"
            check_room(image, factor, self.object_size, PAINT_BYTES, *room)
        return [on_grid(image, factor, self.object_size) for image, factor in pairs]

    def paints(self, paints: Sequence[Paint], images: Sequence[Image], spill: Spill) -> list[Paint]:
        """Return the paint of each image on its grid, from paint on the images' own pixels."""
        triples = zip(paints, images, self.factors, strict=True)
        return [
            paint if factor == 1 else spill.paint(_paint_on_grid(paint, image, factor))
            for paint, image, factor in triples
        ]


def _paint_on_grid(paint: Paint, image: Image, factor: float) -> Paint:
    """Return paint on a finer or coarser grid, in which 0 is unknown everywhere."""
    *front, height, width = image.label_shape()
    shape = (*front, resampled_length(height, factor), resampled_length(width, factor))
    array = np.zeros(shape, np.int32)
    all_whole = replace(paint, in_part=None)  # what is in part is marked on the new grid again
    for frame in image.frames(2):
        plane = all_whole.frame(image, frame)
        if plane.any():
            array[image.label_index(frame)] = resampled_paint(plane, (factor, factor))
    return replace(paint, array=array, complete=None)


def choose_grids(
    images: Sequence[Image],
    paints: Sequence[Paint],
    recipe: Recipe,
    start: Model | None,
    object_size: float | Sequence[float] | None,
) -> WorkingGrids:
    """Decide by how much the working grid of each image is finer than its own pixels.

    Images whose objects are far from the wanted size are brought to it; others stay as they are. An
    image without a whole object is taken to be like the others.

    Parameters
    ----------
    object_size
        Diameter of the objects in the images, in pixels, or one for each image; measured on their
        paint when None.

    Raises
    ------
    InputError
        If `object_size` makes no sense, or nothing is brought to a size.
    """
    is_objects = task_of(recipe).separates_objects
    wanted = getattr(recipe.target, "object_size", 0) if start is None else start.object_size
    given = _given(object_size, len(images))
    if not wanted or not is_objects:
        if given is not None:
            raise InputError(_unused(recipe, start, is_objects), object_size=False)
        return WorkingGrids((1.0,) * len(images))
    if given is None:
        pairs = zip(images, paints, strict=True)
        measured = [diameters_in(i, p, recipe.network.dimensions) for i, p in pairs]
    else:
        measured = [np.array([diameter]) for diameter in given]
    known = [float(np.median(diameters)) for diameters in measured if len(diameters)]
    if not known:
        size = wanted if start else None
        return WorkingGrids((1.0,) * len(images), size, is_measured=False)
    others = float(np.median(known))
    sizes = [float(np.median(d)) if len(d) else others for d in measured]
    factors = tuple(factor_to(wanted, size) for size in sizes)
    scaled = [d * factor for d, factor in zip(measured, factors, strict=True)]
    return WorkingGrids(factors, wanted if start else float(np.median(np.concatenate(scaled))))


def _given(object_size: float | Sequence[float] | None, n_images: int) -> list[float] | None:
    """Return the diameter that the user gave for each image; None if none was given."""
    if object_size is None:
        return None
    sizes = list(object_size) if isinstance(object_size, Sequence) else [object_size] * n_images
    if len(sizes) != n_images:
        raise InputError(
            f"{len(sizes)} sizes of objects for {n_images} images: give one, or one for each.",
            object_size=None,
        )
    return [check_size(size) for size in sizes]


def _unused(recipe: Recipe, start: Model | None, is_objects: bool) -> str:
    """Say why a size of objects is of no use."""
    if not is_objects:
        return f"A size of objects is for the task objects, not for {recipe.task}: leave it out."
    if start is not None:
        return (
            f"{start.name} does not know the size of the objects it was trained on, so images are "
            "not brought to one: leave the size out, or train from nothing."
        )
    return (
        "The recipe leaves images as they are (target.object_size is 0): leave the size of the "
        "objects out, or give the size that images are brought to."
    )

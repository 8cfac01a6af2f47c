"""Check the input of a training on paint, before any work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ..contrast import NOISE_ALONE
from ..errors import InputError
from ..image import Frame, Image
from ..inference.denoise.denoised_image import denoised_image
from ..inference.denoise.job import check_denoiser
from ..inference.per_image import sample_of
from ..inference.reading import Read, tile_reader
from ..inference.source import choose_channels
from ..io import as_image
from ..model import Model, as_tuple
from ..networks import Geometry, Network, depends_on_image, with_statistics_of
from ..normalization import Normalization, Statistics
from ..recipe import Recipe
from ..recipe.targets import NEAR
from ..resampling import Placed, ResampledLabels, ResampledPixels, window_on
from ..targets import Paint, PaintEncoding, Task, paint_encoding_of, task_of
from ..targets.object_size import thickness
from ..targets.paint import Labels, as_paint, check_values, fitted, separated
from ..targets.strokes import Known, with_strokes
from ..windows import Window, start_of
from .distributed import check_distributed, device_of_process
from .losses import loss_of
from .spill import Spill, spill_of_files
from .working_grid import WorkingGrids, choose_grids

MOST_CLASSES = 256
"""Most classes: more values are objects taken for classes, and model files list no more."""


@dataclass(frozen=True)
class Setup:
    """Hold the checked input of a training.

    `images`, `paints` and `statistics` are those on the working grids. `own_images` are as they
    were given.
    """

    images: list[Image]
    paints: list[Paint]
    recipe: Recipe
    channels: tuple[int, ...]
    normalization: Normalization
    statistics: list[Statistics]
    painted: tuple[int, ...]
    offset: int
    device: torch.device
    own_images: list[Image]
    grids: WorkingGrids
    spill: Spill
    denoiser: Model | None = None
    note: str = ""
    """What the user should know about how the paint is understood."""
    seen: Known = field(default_factory=dict)
    """How objects were painted when they were last looked at for strokes inside them."""

    @property
    def encoding(self) -> PaintEncoding:
        """Return what the network learns."""
        return paint_encoding_of(self.recipe, self.painted, self.offset, len(self.channels))

    @property
    def thickness(self) -> float | None:
        """Return how far apart the slices of the volumes lie, in pixels of the plane.

        It is None if one of the images does not say it, or if they differ.
        """
        if self.recipe.network.dimensions == 2:
            return None
        distances = [thickness(image) for image in self.images]
        known = [distance for distance in distances if distance is not None]
        if len(known) < len(distances) or max(known) > NEAR * min(known):
            return None
        return float(np.median(known))

    def on_grids(self, paints: Sequence[Paint]) -> list[Paint]:
        """Return paint on the images' own pixels on the working grids."""
        return self.grids.paints(paints, self.own_images, self.spill)

    def window_on_grid(self, index: int, window: Window) -> Window:
        """Return the window of a working grid that decides what a window of an image shows."""
        factors, image = self._factors(index), self.images[index]
        return window_on(window, factors, image.frame_shape(len(factors)))

    def on_own_pixels(
        self,
        index: int,
        window: Window,
        own_window: Window,
        labels: Labels,
        maps: npt.NDArray[np.float32],
    ) -> tuple[Labels, npt.NDArray[np.float32]]:
        """Return labels and maps of a window of a working grid on the image's own pixels.

        Parameters
        ----------
        window, own_window
            A window of the working grid, and the window on own pixels of which it is the
            `window_on_grid`.
        labels, maps
            ``(*window)`` and ``(channels, *window)``.
        """
        if window == own_window:
            return labels, maps
        factors = tuple(1 / f for f in self._factors(index))
        shapes = [i[index].frame_shape(len(factors)) for i in (self.images, self.own_images)]
        start = start_of(window)

        def own(array: np.ndarray) -> Placed:
            return Placed(array, start, shapes[0])

        voted = ResampledLabels(own(labels), factors, shapes[1], is_smooth=True)[own_window]
        linear = [ResampledPixels(own(m), factors, shapes[1])[own_window] for m in maps]
        return voted, np.stack(linear)

    def _factors(self, index: int) -> tuple[float, ...]:
        """Return by how much the working grid of an image is finer, per axis of a frame."""
        factor = self.grids.factors[index]
        return (1.0,) * (self.recipe.network.dimensions - 2) + (factor, factor)

    def reader(self, index: int, frame: Frame) -> Read:
        """Return what reads tiles of a frame of an image as the network sees them."""
        dimensions = self.recipe.network.dimensions
        return tile_reader(
            self.images[index], frame, self.channels, self.statistics[index], dimensions
        )

    def network_for(self, network: Network, index: int) -> Network:
        """Return the network as it is applied to an image."""
        if not depends_on_image(network):
            return network
        return with_statistics_of(network, self._sample_of(index, network.geometry))

    @cached_property
    def _sample_of(self) -> Callable[[int, tuple[Geometry, ...]], torch.Tensor]:
        """Return what samples an image; the last sample is kept, for the next preview."""

        @lru_cache(maxsize=1)
        def sample(index: int, geometry: tuple[Geometry, ...]) -> torch.Tensor:
            return sample_of(geometry, self.images[index], self.channels, self.statistics[index])

        return sample


def set_up(
    images: Sequence[object],
    paints: Sequence[object],
    recipe: Recipe | None,
    channels: Sequence[int] | None,
    start: Model | None,
    device: str | None,
    denoiser: Model | None = None,
    object_size: float | Sequence[float] | None = None,
) -> Setup:
    """Check the input of `train`, before any work, and bring images and paint to their grids.

    Raises
    ------
    InputError
        If something does not fit.
    """
    if not (isinstance(images, list | tuple) and isinstance(paints, list | tuple)):
        raise InputError("Give lists, even for one image: train([image], [paint]).")
    spill = spill_of_files(len(images))
    all_images = [
        spill.image(as_image(image)) if isinstance(image, str | Path) else as_image(image)
        for image in images
    ]
    all_paints = [
        spill.paint(as_paint(paint)) if isinstance(paint, str | Path) else as_paint(paint)
        for paint in paints
    ]
    if not all_images or len(all_images) != len(all_paints):
        raise InputError(
            f"{len(all_images)} images and {len(all_paints)} paints: give one paint for each image."
        )
    if start is not None and task_of(start.recipe).source != "paint":
        raise InputError(
            f"{start.name} is a denoiser, which learns from noisy pairs and not from paint: start "
            "from a model of labels, or train it on as a denoiser (train_denoiser)."
        )
    all_images, denoiser = _denoised(denoiser, start, all_images, channels, device)
    channels = None if denoiser is not None else channels
    recipe = recipe or (start.recipe if start else Recipe())
    loss_of(recipe, paint_encoding_of(recipe).heads)
    if start is not None:
        check_same_network(start, recipe)
    for image in all_images:
        if "Z" in image.spatial_axes(recipe.network.dimensions) and image.length("Z") == 1:
            raise InputError(
                f"{image.name} has one slice along Z: a 3D network needs more. Take a 2D network "
                "(network.dimensions=2, or a preset such as unet)."
            )
    all_paints = [fitted(paint, image) for image, paint in zip(all_images, all_paints, strict=True)]
    task = task_of(recipe)
    if task.separates_objects:
        pairs = zip(all_images, all_paints, strict=True)
        all_paints = [_separated(p, recipe.network.dimensions, i.name, spill) for i, p in pairs]
    painted, offset = painted_values(all_paints, task)
    if start is not None:
        if new := sorted(set(painted) - set(start.painted)):
            raise InputError(
                f"Class {new[0]} is painted, but the model to start from knows "
                f"{list(start.painted)} only. Erase it, or train from nothing."
            )
        if offset != start.offset:
            kind = "ordinary masks" if start.offset else "paint, where 0 is unknown"
            raise InputError(
                f"The model to start from was trained on {kind}: give the same, or its classes "
                "would change their values."
            )
        painted = start.painted
    chosen = channels_of(all_images[0], channels, start)
    for image in all_images:
        if image.n_channels != all_images[0].n_channels:
            raise InputError(
                f"{image.name} has {image.n_channels} channels, {all_images[0].name} has "
                f"{all_images[0].n_channels}: train on images with the same channels."
            )
    note, seen = "", Known()
    if task.separates_objects:
        all_paints, note = with_strokes(all_paints, all_images, chosen, recipe, seen)
    elif any(paint.in_part for paint in all_paints):
        raise InputError("Objects can be painted in part (in_part), classes cannot: leave it out.")
    elif any(paint.corrected for paint in all_paints):
        raise InputError("Objects can be corrected (corrected), classes cannot: leave it out.")
    chosen_device = device_of_process(device)
    grids = choose_grids(all_images, all_paints, recipe, start, object_size)
    on_grids = grids.images(all_images)
    recipe = recipe if start else for_thick_slices(recipe, on_grids[0])
    check_distributed(recipe, chosen_device)
    normalization, statistics = _normalization(all_images, chosen, start, denoiser is not None)
    return Setup(
        images=on_grids,
        paints=grids.paints(all_paints, all_images, spill),
        recipe=recipe,
        channels=chosen,
        normalization=normalization,
        statistics=[
            measured if image is own else normalization.measure_resampled(image, chosen, measured)
            for image, own, measured in zip(on_grids, all_images, statistics, strict=True)
        ],
        painted=painted,
        offset=offset,
        device=chosen_device,
        own_images=all_images,
        grids=grids,
        spill=spill,
        denoiser=denoiser,
        note=note,
        seen=seen,
    )


def _separated(paint: Paint, dimensions: int, name: str, spill: Spill) -> Paint:
    """Give each piece its own number if that is asked for; new paint is on disk if it must be."""
    new = separated(paint, dimensions, name)
    return paint if new is paint else spill.paint(new)


def check_same_network(start: Model, recipe: Recipe) -> None:
    """Check that a model can be trained on with a recipe.

    Raises
    ------
    InputError
        If the recipe has another network, task or encoding.
    """
    parent = start.recipe
    if (parent.network, parent.task) != (recipe.network, recipe.task):
        known = f"{parent.network.dimensions}D, {parent.task}"
        new = f"{recipe.network.dimensions}D, {recipe.task}"
        words = f" (the model: {known}; the recipe: {new})" if known != new else ""
        raise InputError(
            f"The recipe has another network or task than the model to start from{words}. Leave "
            "them as they are in the model, or train from nothing."
        )
    if parent.encoding != recipe.encoding:
        raise InputError(
            f"The model to start from has the encoding '{parent.encoding}', the recipe "
            f"'{recipe.encoding}'. Leave it as it is, or train from nothing."
        )


def _denoised(
    denoiser: Model | None,
    start: Model | None,
    images: list[Image],
    channels: Sequence[int] | None,
    device: str | None,
) -> tuple[list[Image], Model | None]:
    """Return the images as the network sees them, denoised if there is a denoiser."""
    if denoiser is not None:
        check_denoiser(denoiser)
    if start is not None:
        if denoiser is not None and (
            start.denoiser is None or start.denoiser.fingerprint() != denoiser.fingerprint()
        ):
            raise InputError(
                "The model to start from was trained without this denoiser: leave it out, or train "
                "from nothing."
            )
        denoiser = start.denoiser
    if denoiser is None:
        return images, None
    return [denoised_image(denoiser, image, channels, device) for image in images], denoiser


def for_thick_slices(recipe: Recipe, image: Image) -> Recipe:
    """Adapt a 3D network to how far slices lie apart, if the image says it."""
    ratio = thickness(image)
    if recipe.network.dimensions == 2 or ratio is None:
        return recipe
    changes = recipe.network.for_thick_slices(ratio)
    return recipe.changed({f"network.{name}": value for name, value in changes.items()})


def channels_of(
    image: Image, channels: Sequence[int] | None, start: Model | None
) -> tuple[int, ...]:
    """Return the chosen channels, or those of the model to start from.

    Raises
    ------
    InputError
        If it sees another number of channels, or others of such images.
    """
    if start is None:
        return as_tuple(channels, image)
    chosen = choose_channels(start.changed(denoiser=None), image, channels)
    if image.n_channels == start.image_channels and chosen != start.channels:
        raise InputError(
            f"The model to start from sees the channels {list(start.channels)}, not "
            f"{list(chosen)}. Leave them as they are, or train from nothing."
        )
    return chosen


def painted_values(paints: Sequence[Paint], task: Task) -> tuple[tuple[int, ...], int]:
    """Return the values of the classes in paint, checked, and the offset of masks.

    For objects there are no values, because their numbers mean nothing to a network.

    Raises
    ------
    InputError
        If a network cannot learn from them.
    """
    values: set[int] = set()
    for paint in paints:
        array = np.asarray(paint.array)
        values |= set(np.unique(array[array != 0]).tolist())
        if paint.complete:
            values.add(1)
    if values and min(values) < 0:
        raise InputError("Paint needs values of 0 and up, this one has negative ones.")
    if values and max(values) >= 2**31 - 1:
        raise InputError(f"The label {max(values)} is too large: number the labels anew.")
    check_values({v for v in values if v > 0}, task.name)
    if task.separates_objects:
        return (), 0
    if len(values) > MOST_CLASSES:
        raise InputError(
            f"The paint has {len(values)} classes, more than {MOST_CLASSES}. Are these objects? "
            "Then choose the task 'objects'."
        )
    offsets = {paint.offset for paint in paints}
    if len(offsets) > 1:
        raise InputError("Some paints are masks and others are not: use one kind of them.")
    return tuple(sorted(values)), offsets.pop()


def _normalization(
    images: Sequence[Image],
    channels: tuple[int, ...],
    start: Model | None,
    is_absolute: bool,
) -> tuple[Normalization, list[Statistics]]:
    """Measure the images, and set the contrast below which a new model takes an image for flat.

    It is a hundredth of the lowest contrast among the images, or the contrast of noise alone. It
    is less if the images themselves hardly have more.
    """
    normalization = Normalization(dtype=str(images[0].dtype), is_absolute=is_absolute)
    if start is not None and isinstance(start.normalization, Normalization):
        normalization = start.normalization
    # An image that somebody painted on is not empty, however noisy it is.
    measure = replace(normalization, noise=0.0).measure
    statistics = [measure(image, channels) for image in images]
    flat = [i.name for i, s in zip(images, statistics, strict=True) if s.flat.all()]
    if len(flat) == len(images):
        raise InputError(
            f"{', '.join(flat)}: nothing stands out from an even background, so there is nothing "
            "to learn from. Check that this is the right image, channel or slice."
        )
    if start is None:
        with_contrast = [s for s in statistics if not s.flat.all()]
        lowest = min(float((s.high - s.low)[~s.flat].min()) for s in with_contrast)
        ratio = min(
            float(((s.high - s.low) / np.maximum(s.noise, 1e-37))[~s.flat].min())
            for s in with_contrast
        )
        normalization = replace(
            normalization, floor=0.01 * lowest, noise=min(NOISE_ALONE, 0.9 * ratio)
        )
    return normalization, statistics

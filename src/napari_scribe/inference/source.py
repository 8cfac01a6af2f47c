"""What is looked at, and by which model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..image import AXES, Frame, Image
from ..model import Model, as_tuple
from ..normalization import Statistics
from ..targets import task_of
from .reading import Read, tile_reader
from .tiles import Tile

Region = dict[str, slice]
"""Axis letter -> pixels of the image along it, for each of its axes but C."""


@dataclass(frozen=True)
class Source:
    """A part of an image, and a model for it. What lies beyond the part is seen, but not answered.

    Parameters
    ----------
    model, image
        A model and an image that fits it.
    channels
        Those of the image that the model is given.
    statistics
        Of these channels, in the whole image.
    region
        What is answered.
    dtype
        Type of an answer that is an image: float32, or integers, to whose limits it is clipped.
    """

    model: Model
    image: Image
    channels: tuple[int, ...]
    statistics: Statistics
    region: Region
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.float32))

    @cached_property
    def spatial(self) -> str:
        """Axes of a frame: ``YX`` or ``ZYX``."""
        return self.image.spatial_axes(self.model.dimensions)

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Of each frame, in pixels."""
        return tuple(_length(self.region[a]) for a in self.spatial)

    @property
    def is_image(self) -> bool:
        """Whether the answer is an image, not labels."""
        return task_of(self.model.recipe).is_image

    @property
    def label_shape(self) -> tuple[int, ...]:
        """Of labels for the region, along the image's label axes."""
        return tuple(_length(self.region[a]) for a in self.image.label_axes())

    @property
    def axes(self) -> str:
        """Of the answer: those of labels, and C for an image of several channels."""
        labels = self.image.label_axes()
        with_channels = self.is_image and len(self.channels) > 1
        return "".join(a for a in AXES if a in labels or (a == "C" and with_channels))

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the answer, along `axes`."""
        return tuple(len(self.channels) if a == "C" else _length(self.region[a]) for a in self.axes)

    def frames(self) -> list[Frame]:
        """Every frame of the region, in the order of T, then Z."""
        return [
            frame
            for frame in self.image.frames(self.model.dimensions)
            if all(self.region[a].start <= i < self.region[a].stop for a, i in frame)
        ]

    def at(self, frame: Frame, window: Sequence[slice], axes: str = "") -> tuple[int | slice, ...]:
        """Where a window of a frame lies in the answer, or in an array with other axes of its."""
        place: dict[str, int | slice] = dict(zip(self.spatial, window, strict=True))
        place |= {a: i - self.region[a].start for a, i in frame}
        return tuple(place.get(a, slice(None)) for a in axes or self.axes)

    def finished(self, answer: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What a model answers, as it is given back: images in the units and type of the image.

        Parameters
        ----------
        answer
            Labels ``(*spatial)``, or an image ``(C, *spatial)``, normalized.
        """
        if not self.is_image:
            return answer
        pixels: npt.NDArray[Any] = self.statistics.undo(answer)
        if self.dtype.kind in "ui":
            limits = np.iinfo(self.dtype)
            # The limits of large types are no float32.
            exact = pixels.astype(np.float64) if self.dtype.itemsize > 2 else pixels
            pixels = np.clip(np.rint(exact), limits.min, limits.max)
            if self.dtype.itemsize == 8:  # nor float64
                pixels = np.minimum(pixels, np.nextafter(float(limits.max), 0))
        elif self.dtype == np.float16:
            pixels = np.clip(pixels, -65504, 65504)
        typed = pixels.astype(self.dtype)
        return typed if "C" in self.axes else typed[0]

    def reader(self, frame: Frame) -> Read:
        """How tiles of a frame are read; they are counted from where the region begins."""
        origin = [self.region[a].start for a in self.spatial]
        read = tile_reader(self.image, frame, self.channels, self.statistics, self.model.dimensions)

        def read_shifted(tile: Tile) -> npt.NDArray[np.float32]:
            return read(tile.shifted(origin))

        return read_shifted

    @property
    def translate(self) -> dict[str, float]:
        """Where the first pixel of the answer lies, per axis letter."""
        image = self.image
        return {
            a: image.translate.get(a, 0.0) + s.start * image.scale.get(a, 1.0)
            for a, s in self.region.items()
        }


def source_of(
    model: Model,
    image: Image,
    channels: Sequence[int] | None,
    region: Mapping[str, slice] | None,
    dtype: npt.DTypeLike = np.float32,
    device: str | None = None,
) -> Source:
    """What a model is run over; the image is measured.

    Parameters
    ----------
    channels, region
        As for `segment`.
    dtype
        Of an answer that is an image.
    device
        Of the model's denoiser, where it has one: the model then sees what that makes of the image.

    Raises
    ------
    InputError
        If the model does not fit the image, or there is no such channel or region.
    """
    spatial = image.spatial_axes(model.dimensions)
    chosen = _channels(model, image, channels)
    if model.denoiser is not None:
        from .denoise.denoised_image import denoised_image  # which itself has a source

        image = denoised_image(model.denoiser, image, chosen, device)
        chosen = tuple(range(image.n_channels))
    strides = {a: g.stride for a, g in zip(spatial, model.network.geometry, strict=True)}
    taken = region_of(image, region, strides)
    statistics = model.normalization.measure(image, chosen)
    return Source(model, image, chosen, statistics, taken, np.dtype(dtype))


def _channels(model: Model, image: Image, channels: Sequence[int] | None) -> tuple[int, ...]:
    """Channels of the image for the model, in the model's order."""
    if channels is None:
        return model.channels_for(image)
    chosen = as_tuple(channels, image)
    n = len((model.denoiser or model).channels)
    if len(chosen) != n:
        raise InputError(
            f"{len(chosen)} channels of {image.name} were chosen: {list(chosen)}. This model sees "
            f"{n}: choose one for each."
        )
    return chosen


def region_of(
    image: Image, wanted: Mapping[str, slice] | None, strides: Mapping[str, int]
) -> Region:
    """What is answered, of an image, where so much is wanted.

    Parameters
    ----------
    wanted
        Per axis letter, in pixels; all of the others.
    strides
        Of the network, per spatial axis: starts are put on multiples of it, so that what is found
        is the same as in a run over all.

    Raises
    ------
    InputError
        If an axis is not the image's, or nothing of it is wanted.
    """
    region = {}
    wanted = wanted or {}
    if unknown := set(wanted) - set(image.label_axes()):
        raise InputError(
            f"{image.name} has no axis {', '.join(sorted(unknown))} to take a part of."
        )
    for axis in image.label_axes():
        n, stride = image.length(axis), strides.get(axis, 1)
        start, stop, step = wanted.get(axis, slice(None)).indices(n)
        if step != 1 or stop <= start:
            raise InputError(
                f"Nothing of {image.name} lies in {start} to {stop} along {axis}, which has {n} px."
            )
        region[axis] = slice(start // stride * stride, stop)
    return region


def _length(part: slice) -> int:
    return int(part.stop - part.start)

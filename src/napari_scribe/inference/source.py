"""Describe what a model is run over: an image, its channels, and a region of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..image import AXES, Frame, Image
from ..model import Model, as_tuple
from ..networks import Network
from ..normalization import Normalization, Statistics
from ..resampling import window_on
from ..targets import task_of
from ..targets.object_size import along_z_to, on_grid, per_axis
from ..windows import Window, shape_of, start_of
from .per_image import network_for
from .reading import Read, tile_reader
from .tiles import Tile

Region = dict[str, slice]
"""Axis letter -> pixels of the image along it, for each axis of the image but C."""


@dataclass(frozen=True)
class Source:
    """Hold a model, and the region of an image that it is applied to.

    The network also sees the pixels around the region.

    Parameters
    ----------
    model, image
        A model and an image that fits it.
    channels
        Channels of the image that the network sees.
    statistics
        Statistics of these channels in the whole image.
    region
        The region that the answer covers.
    dtype
        Type of a denoised image. Pixels are clipped to the limits of an integer type or float16.
    factor, along_z
        How much finer its grid is than the image's own pixels, in the plane and along Z: see
        `on_grid`.
    original
        The source on the image's own pixels, if this is one on another grid.
    """

    model: Model
    image: Image
    channels: tuple[int, ...]
    statistics: Statistics
    region: Region
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.float32))
    factor: float = 1.0
    along_z: float = 1.0
    original: Source | None = None

    @cached_property
    def network(self) -> Network:
        """Return the network of the model as it is applied to this image."""
        return network_for(self.model.network, self.image, self.channels, self.statistics)

    def with_image(self, image: Image) -> Source:
        """Return the same with the image opened in another way; the network stays as measured.

        On another grid than the image's own pixels, `image` is still the image on these.
        """
        other = replace(self, image=image)
        if self.original is not None:
            original = self.original.with_image(image)
            pixels = replace(self.image.data, source=image.data)
            other = replace(self, image=self.image.selected(data=pixels), original=original)
        other.__dict__["network"] = self.network  # as cached_property keeps it
        return other

    @property
    def own(self) -> Source:
        """Return the source on the image's own pixels, on which results are."""
        return self.original or self

    def on_grid(self, factor: float) -> Source:
        """Return the source on a grid that is finer by a factor; the same source if that is 1.

        Slices of a volume are brought to the distance that the model knows. The region holds all
        pixels that decide what the answer is on the image's own pixels.

        Raises
        ------
        InputError
            If hardly a pixel would be left, or pixels of a sample are NaN or infinite.
        """
        along_z = self.along_z_for(factor)
        if factor == along_z == 1:
            return self
        image = on_grid(self.image, factor, self.model.object_size, along_z)
        axes = self.image.label_axes()
        factors = [per_axis(factor, along_z).get(a, 1.0) for a in axes]
        window = window_on(self._window(axes), factors, image.label_shape())
        strides = strides_of(self.model, image)
        normalization = self.model.normalization
        assert isinstance(normalization, Normalization)  # denoisers know no size of objects
        return replace(
            self,
            image=image,
            statistics=normalization.measure_resampled(image, self.channels, self.statistics),
            region=aligned_region(image, dict(zip(axes, window, strict=True)), strides),
            factor=factor,
            along_z=along_z,
            original=self,
        )

    def along_z_for(self, factor: float) -> float:
        """Return how much finer a grid is along Z that is finer by a factor in the plane."""
        return 1.0 if self.is_empty else along_z_to(self.image, factor, self.model.thickness)

    def slices_in_words(self) -> str:
        """Say how slices were brought to another distance; an empty text if they were not."""
        known = self.model.thickness
        if self.along_z == 1 or known is None:
            return ""
        there = "" if self.factor == 1 else " then"
        return (
            f"Slices that lie {known * self.along_z:.3g} px apart{there} were brought to the "
            f"{known:.3g} px that the model knows."
        )

    @cached_property
    def spatial(self) -> str:
        """Return the axes of a frame: ``YX`` or ``ZYX``."""
        return self.image.spatial_axes(self.model.dimensions)

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Return the shape of each frame of the region, in pixels."""
        return shape_of(self._window(self.spatial))

    @property
    def is_image(self) -> bool:
        """Return whether the answer is an image, not labels."""
        return task_of(self.model.recipe).is_image

    @property
    def is_empty(self) -> bool:
        """Return whether nothing stands out in any channel."""
        return bool(self.statistics.flat.all())

    @property
    def label_shape(self) -> tuple[int, ...]:
        """Return the shape of labels for the region, along the image's label axes."""
        return shape_of(self._window(self.image.label_axes()))

    @property
    def axes(self) -> str:
        """Return the axes of the answer: those of labels, and C for images of several channels."""
        labels = self.image.label_axes()
        with_channels = self.is_image and len(self.channels) > 1
        return "".join(a for a in AXES if a in labels or (a == "C" and with_channels))

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of the answer, along `axes`."""
        lengths = dict(zip(self.image.label_axes(), self.label_shape, strict=True))
        return tuple(lengths.get(a, len(self.channels)) for a in self.axes)

    @property
    def translate(self) -> dict[str, float]:
        """Return the position of the first pixel of the answer, per axis letter."""
        image = self.image
        return {
            a: image.translate.get(a, 0.0) + s.start * image.scale.get(a, 1.0)
            for a, s in self.region.items()
        }

    def frames(self) -> list[Frame]:
        """Return every frame of the region, in the order of T, then Z."""
        return [
            frame
            for frame in self.image.frames(self.model.dimensions)
            if all(self.region[a].start <= i < self.region[a].stop for a, i in frame)
        ]

    def index_of(self, frame: Frame, window: Sequence[slice]) -> tuple[int | slice, ...]:
        """Return the index in the answer of a window of a frame."""
        by_axis: dict[str, int | slice] = dict(zip(self.spatial, window, strict=True))
        by_axis |= {a: i - self.region[a].start for a, i in frame}
        return tuple(by_axis.get(a, slice(None)) for a in self.axes)

    def reader(self, frame: Frame) -> Read:
        """Return a function that reads tiles of a frame, with windows relative to the region."""
        origin = start_of(self._window(self.spatial))
        read = tile_reader(self.image, frame, self.channels, self.statistics, self.model.dimensions)

        def read_shifted(tile: Tile) -> npt.NDArray[np.float32]:
            return read(tile.shifted(origin))

        return read_shifted

    def to_output(self, decoded: np.ndarray) -> np.ndarray:
        """Convert a decoded answer to the form in which it is stored.

        Labels stay as they are. A denoised image gets the units of the image, and `dtype`.

        Parameters
        ----------
        decoded
            Labels ``(*spatial)``, or a normalized image ``(C, *spatial)``.
        """
        if not self.is_image:
            return decoded
        pixels: np.ndarray = self.statistics.undo(decoded)
        if self.dtype.kind in "ui":
            limits = np.iinfo(self.dtype)
            # float32 cannot hold the limits of types above 16 bits, nor float64 those of 64 bits.
            rounded = np.rint(pixels.astype(np.float64) if self.dtype.itemsize > 2 else pixels)
            pixels = np.clip(rounded, limits.min, limits.max)
            if self.dtype.itemsize == 8:
                pixels = np.minimum(pixels, np.nextafter(float(limits.max), 0))
        elif self.dtype == np.float16:
            pixels = np.clip(pixels, -65504, 65504)  # the limits of float16
        typed = pixels.astype(self.dtype)
        return typed if "C" in self.axes else typed[0]

    def _window(self, axes: str) -> Window:
        """Return the region along some axes."""
        return tuple(self.region[a] for a in axes)


def source_of(
    model: Model,
    image: Image,
    channels: Sequence[int] | None,
    region: Mapping[str, slice] | None,
    dtype: npt.DTypeLike = np.float32,
) -> Source:
    """Measure the statistics of an image, and describe what a model is run over.

    The image is not denoised, even if the model has a denoiser: see `denoised_source_of`.

    Parameters
    ----------
    channels, region
        As for `segment`.
    dtype
        Type of a denoised image.

    Raises
    ------
    InputError
        If the model does not fit the image, or there is no such channel or region.
    """
    strides = strides_of(model, image)
    chosen = choose_channels(model, image, channels)
    aligned = aligned_region(image, region, strides)
    statistics = model.normalization.measure(image, chosen)
    return Source(model, image, chosen, statistics, aligned, np.dtype(dtype))


def strides_of(model: Model, image: Image) -> dict[str, int]:
    """Return the stride of a model's network along each axis of a frame."""
    spatial = image.spatial_axes(model.dimensions)
    return {a: g.stride for a, g in zip(spatial, model.network.geometry, strict=True)}


def choose_channels(model: Model, image: Image, channels: Sequence[int] | None) -> tuple[int, ...]:
    """Return the channels of the image for the model (or its denoiser), in the model's order.

    Raises
    ------
    InputError
        If the model sees another number of channels, or the image lacks one.
    """
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


def aligned_region(
    image: Image, wanted: Mapping[str, slice] | None, strides: Mapping[str, int]
) -> Region:
    """Return the region that a run covers so that it holds the wanted pixels.

    Parameters
    ----------
    wanted
        Wanted pixels per axis letter. Along the other axes all pixels are wanted.
    strides
        The network's stride per spatial axis. Starts are moved back to multiples of it, so that
        the answer is the same as in a run over the whole image.

    Raises
    ------
    InputError
        If the image has no such axis, no pixel is wanted, or a slice has a step.
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

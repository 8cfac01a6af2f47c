"""Lay labels and images on each other, to measure one in the other."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..arrays import Pixels, arranged
from ..errors import InputError
from ..image import Frame, Image
from ..io import ImageLike, as_image, as_labels, stem
from ..io.units import in_micrometers, symbol

PIXELS = "px"
SQUARE = 1e-3
"""Relative difference of the sides of pixels that still count as squares."""
INTENSITY = "intensity"
"""Name of the only channel of an image without names."""


@dataclass(frozen=True)
class Channel:
    """Name a channel of an image."""

    image: Image
    number: int
    name: str


@dataclass(frozen=True)
class Subject:
    """Hold labels, and the channels in which their objects are measured.

    Parameters
    ----------
    labels
        Along ``TZYX``, or some of these.
    channels
        Each of an image with the axes and lengths of the labels.
    dimensions
        2, or 3 where Z is depth.
    spacing
        Size of a pixel along each axis of a frame, in `unit`.
    name
        Of the image; of the labels where the image has none.
    """

    labels: Image
    channels: tuple[Channel, ...]
    dimensions: int
    spacing: tuple[float, ...]
    unit: str
    name: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of a frame."""
        return self.labels.frame_shape(self.dimensions)

    def frames(self) -> Iterator[Frame]:
        """Yield every frame."""
        return self.labels.frames(self.dimensions)

    def window(self, start: int, stop: int) -> tuple[slice, ...]:
        """Return a band of a frame: some rows along its first axis."""
        return slice(start, min(stop, self.shape[0])), *(slice(0, n) for n in self.shape[1:])

    def read(self, frame: Frame, start: int, stop: int) -> Pixels:
        """Copy the labels of a band."""
        numbers = self.labels.read(frame, self.window(start, stop))[0]
        # A copy: somebody may paint on the labels meanwhile.
        return np.array(numbers, np.uint8 if numbers.dtype == bool else numbers.dtype)

    def intensities(self, frame: Frame, start: int, stop: int) -> Pixels | None:
        """Return the channels in a band, ``(*band, channels)``; None where there are none."""
        window = self.window(start, stop)
        bands = [
            image.read(frame, window, [channel.number for channel in channels])
            for image, channels in itertools.groupby(self.channels, lambda channel: channel.image)
        ]
        return np.stack([*itertools.chain(*bands)], axis=-1) if bands else None

    def paired(self, frame: Frame) -> Pixels:
        """Return the first channel of a frame: of labels that were laid on the labels."""
        pixels = self.intensities(frame, 0, self.shape[0])
        assert pixels is not None
        first: Pixels = pixels[..., 0]
        return first

    def with_labels(self, numbers: Pixels) -> Subject:
        """Return the same subject with other labels of the same shape."""
        return replace(self, labels=self.labels.selected(data=numbers))


def place(
    labels: ImageLike, image: ImageLike | Mapping[str, ImageLike] | None, slices: bool
) -> Subject:
    """Lay images on labels, and find the size of their pixels.

    Raises
    ------
    InputError
        If labels are no whole numbers from 0, or sizes differ.
    """
    subject = _labels(labels)
    images: dict[str, Image] = {}
    for name, other in _named(image).items():
        subject, images[name] = _alike(subject, _without_short_axes(as_image(other)))
    channels = tuple(
        Channel(other, number, channel)
        for name, other in images.items()
        for number, channel in enumerate(_channel_names(other, name))
    )
    dimensions = 3 if "Z" in subject.axes and not slices else 2
    all_images = [subject, *images.values()]
    sized = next((i for i in all_images if symbol(i.units.get("X", ""))), subject)
    spacing, unit = _spacing(sized, "ZYX"[-dimensions:])
    names = [i.name for i in images.values() if i.source is not None or i.name != Image.name]
    return Subject(subject, channels, dimensions, spacing, unit, [*names, subject.name][0])


def _labels(labels: ImageLike) -> Image:
    """Return labels with axes; three axes of an array are ZYX, four TZYX."""
    array, axes = as_labels(labels)
    image = labels if isinstance(labels, Image) else None
    if image is None:
        name = stem(labels) if isinstance(labels, str | Path) else "labels"
        image = Image(array, axes or "TZYX"[-array.ndim :], name=name)
    if image.dtype.kind not in "bui":
        raise InputError(
            f"{image.name} has values of type {image.dtype}, but labels are whole numbers, one an "
            "object. Segment the image first, or give its labels."
        )
    if image.dtype.kind == "i" and isinstance(image.data, np.ndarray) and image.data.min() < 0:
        raise InputError(f"{image.name} has negative numbers, but labels are whole numbers from 0.")
    if image.n_channels > 1:
        raise InputError(
            f"{image.name} has {image.n_channels} channels, and labels have none: name its axes "
            "without C."
        )
    return _without_short_axes(image, "C")


def _named(image: ImageLike | Mapping[str, ImageLike] | None) -> Mapping[str, ImageLike]:
    """Return images by name; one alone has none."""
    if image is None:
        return {}
    return image if isinstance(image, Mapping) else {"": image}


def _without_short_axes(image: Image, others: str = "") -> Image:
    """Leave out T and Z where they have length 1."""
    short = [a for a in "TZ" + others if a in image.axes and image.length(a) == 1]
    axes = "".join(a for a in image.axes if a not in short)
    if axes == image.axes:
        return image
    kept = tuple(image.axes.index(a) for a in axes)
    return image.selected(data=arranged(image.data, kept), axes=axes)


def _alike(labels: Image, image: Image) -> tuple[Image, Image]:
    """Return labels and an image with the same letters for axes of the same length.

    An array does not tell time from depth: where the letters differ, those with a T are right.
    """
    one, other = labels.label_axes(), image.label_axes()
    if one != other and labels.label_shape() == image.label_shape():
        if "T" in one:
            image = _renamed(image, other, one)
        else:
            labels = _renamed(labels, one, other)
    if (labels.label_axes(), labels.label_shape()) != (image.label_axes(), image.label_shape()):
        raise InputError(
            f"{labels.name} has {_size(labels)}, and {image.name} has {_size(image)}. Give labels "
            "and the image that they belong to."
        )
    return labels, image


def _renamed(image: Image, axes: str, new: str) -> Image:
    """Give axes other letters."""
    letters = dict(zip(axes, new, strict=True))
    return image.selected(axes="".join(letters.get(a, a) for a in image.axes))


def _size(image: Image) -> str:
    lengths = " x ".join(str(n) for n in image.label_shape())
    return f"{lengths} pixels ({image.label_axes()})"


def _channel_names(image: Image, name: str) -> list[str]:
    """Return a name for each channel, which tells it from those of other images."""
    names = list(image.channel_names)
    if len(names) != image.n_channels:
        names = [""] if image.n_channels == 1 else [f"channel {i}" for i in range(image.n_channels)]
    if len(set(names)) < len(names):  # a column for each
        names = [f"{channel} {i}" for i, channel in enumerate(names)]
    if not name:
        return [channel or INTENSITY for channel in names]
    return [name] if len(names) == 1 else [f"{name} {channel}" for channel in names]


def _spacing(image: Image, axes: str) -> tuple[tuple[float, ...], str]:
    """Return the size of a pixel along axes, and its unit; in widths of a pixel without a unit.

    Where the distance of slices is not known, a pixel is as deep as it is wide, without a unit.
    """
    if "X" in image.scale and any(axis not in image.scale for axis in axes):
        return (1.0,) * len(axes), PIXELS
    unit = symbol(image.units.get("X", ""))
    width = _length(image, "X")
    sizes = [_length(image, a) / (1 if unit else width) for a in axes]
    if unit:
        sizes = [size / (in_micrometers(unit) or 1) for size in sizes]
    # scikit-image has no perimeter where pixels are not exactly square.
    squares = [sizes[-1] if math.isclose(s, sizes[-1], rel_tol=SQUARE) else s for s in sizes]
    return tuple(squares), unit or PIXELS


def _length(image: Image, axis: str) -> float:
    """Return the size of a pixel, in micrometers if its unit is known."""
    size = abs(image.scale.get(axis, 1.0)) or 1.0
    unit = image.units.get(axis, "") or image.units.get("X", "")
    return size * (in_micrometers(unit) or in_micrometers(image.units.get("X", "")) or 1.0)

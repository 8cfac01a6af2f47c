"""Hold an image: pixels from any source, and the meaning of their axes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from .arrays import Pixels, as_array, with_axes
from .errors import InputError

AXES = "TCZYX"
Frame = tuple[tuple[str, int], ...]
"""Which frame: the index along T, and along Z if it is a list of slices, by axis letter."""


def guess_axes(shape: Sequence[int]) -> str:
    """Guess the axes of an array from its shape.

    A last axis of length 1, 3 or 4 beside larger axes is taken for channels. So is a first axis of
    length 2 to 4. Of the axes that remain, a third one is taken for Z and a fourth one for T.

    Raises
    ------
    InputError
        If there are fewer than 2 axes or more than 5.
    """
    n = len(shape)
    if n < 2 or n > 5:
        raise InputError(f"An image needs 2 to 5 axes, this array has {n} (shape {tuple(shape)}).")
    if n == 2:
        return "YX"
    if shape[-1] in (1, 3, 4) and min(shape[-3:-1]) > 4:
        return "TZ"[5 - n :] + "YXC"
    if n == 3:
        return "CYX" if shape[0] in (2, 3, 4) and min(shape[1:]) > 4 else "ZYX"
    if n == 4:
        return "CZYX" if shape[0] in (2, 3, 4) else "TZYX"
    return AXES


@dataclass(frozen=True, eq=False)
class Image:
    """Hold pixels and the meaning of their axes.

    Parameters
    ----------
    data
        Array of any library that indexes like numpy (numpy, zarr, dask, memory map), or a list or
        a tensor of numbers. It is never read whole here.
    axes
        A subset of ``TCZYX`` with ``Y`` and ``X``, one letter per axis of `data` in that array's
        own order (``YXC`` for an RGB picture). Guessed from the shape when empty. The letters
        may name an axis of length 1 that `data` lacks, or leave one out, such as the T of a movie
        of one frame.
    scale, translate
        Size of a pixel and position of the first pixel, per axis letter; 1 and 0 if left out.
    units
        Unit per axis letter, such as ``{"Y": "micrometer"}``.
    channel_names
        One name per channel, if known.
    name
        Name of this image in messages and results.
    source, level, series
        The file or folder that it was read from, the level of a pyramid, and the number of the
        image in a file of several.
    notes
        Remarks from reading: a pixel size that makes no sense, frames that are missing, other
        images in the file.
    nodata
        The value of pixels that hold no data, if the file declares one, as those of GDAL do.
        Such pixels are left out of all statistics, and count as background.

    Raises
    ------
    InputError
        If the axes do not fit the array, or it holds no real numbers.
    """

    data: Any
    axes: str = ""
    scale: dict[str, float] = field(default_factory=dict)
    translate: dict[str, float] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    channel_names: tuple[str, ...] = ()
    name: str = "image"
    source: Path | None = None
    level: int = 0
    series: int = 0
    notes: tuple[str, ...] = ()
    nodata: float | None = None

    def __post_init__(self) -> None:
        for field_name in ("scale", "translate", "units"):
            if not isinstance(getattr(self, field_name), Mapping):
                raise InputError(
                    f"Give the {field_name} of {self.name} per axis letter, as {{'Y': ...}}."
                )
        data = as_array(self.data, self.name)
        axes = str(self.axes or guess_axes(data.shape)).upper()
        if set(axes) - set(AXES) or len(set(axes)) < len(axes) or not set("YX") <= set(axes):
            raise InputError(
                f"Axes '{axes}' of {self.name}: use letters of {AXES}, each once, with Y and X."
            )
        if self.axes:
            data = with_axes(data, axes, guess_axes(data.shape))
        object.__setattr__(self, "axes", axes)
        object.__setattr__(self, "data", data)
        shape = tuple(data.shape)
        if len(axes) != len(shape):
            raise InputError(
                f"{self.name} has {len(shape)} axes (shape {shape}) but '{axes}' names "
                f"{len(axes)}. Give one letter of {AXES} per axis, for example "
                f"{guess_axes(shape)}.",
                axes=guess_axes(shape),
            )
        if 0 in shape:
            raise InputError(f"{self.name} is empty (shape {shape}).")
        if np.dtype(data.dtype).kind not in "buif":
            raise InputError(f"{self.name} holds {data.dtype} values; it needs real numbers.")
        if len(self.channel_names) != self.n_channels:  # files name colours as one, or some only
            object.__setattr__(self, "channel_names", ())

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the length of each axis, in the order of `axes`."""
        return tuple(int(n) for n in self.data.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the type of the pixels."""
        dtype: np.dtype[Any] = np.dtype(self.data.dtype)
        return dtype

    def length(self, axis: str) -> int:
        """Return the length of an axis; 1 if the image has no such axis."""
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1

    def axes_in_words(self) -> str:
        """Return the axes and their lengths, such as "T 5, Y 512, X 512"."""
        return ", ".join(f"{a} {n}" for a, n in zip(self.axes, self.shape, strict=True))

    @property
    def n_channels(self) -> int:
        """Return the number of channels; 1 without a channel axis."""
        return self.length("C")

    @property
    def is_rgb(self) -> bool:
        """Return whether its channels are colours: three or four of them, on the last axis."""
        return self.axes.endswith("C") and self.n_channels in (3, 4)

    def spatial_axes(self, dimensions: int) -> str:
        """Return the axes of one frame of a 2D or 3D network: ``YX`` or ``ZYX``.

        Raises
        ------
        InputError
            If the network is 3D and the image has no Z axis.
        """
        if dimensions == 2:
            return "YX"
        if "Z" in self.axes:
            return "ZYX"
        said = f"{self.name} has axes {self.axes}: a 3D model needs a Z axis."
        other = "T" if "T" in self.axes else "" if self.is_rgb else self.axes.strip("YX")
        if not other:
            raise InputError(
                f"{said} This image is 2D: take a 2D network (network.dimensions=2, or a preset "
                "such as unet)."
            )
        axes = self.axes.replace(other, "Z")  # slices may have been taken for this axis
        raise InputError(
            f"{said} Name it among the axes, for example {axes}, or use a 2D model.", axes=axes
        )

    def frame_shape(self, dimensions: int) -> tuple[int, ...]:
        """Return the shape of one frame, in pixels along `spatial_axes`."""
        return tuple(self.length(a) for a in self.spatial_axes(dimensions))

    def iterated_axes(self, dimensions: int) -> str:
        """Return the axes that frames lie along: T, and Z if it is a list of slices."""
        spatial = self.spatial_axes(dimensions)
        return "".join(a for a in "TZ" if a in self.axes and a not in spatial)

    def frames(self, dimensions: int) -> Iterator[Frame]:
        """Yield every frame, in order of T, then Z."""
        axes = self.iterated_axes(dimensions)
        for index in itertools.product(*(range(self.length(a)) for a in axes)):
            yield tuple(zip(axes, index, strict=True))

    def label_axes(self) -> str:
        """Return the axes of labels for this image: the same without C, in the order TZYX."""
        return "".join(a for a in "TZYX" if a in self.axes)

    def label_shape(self) -> tuple[int, ...]:
        """Return the shape of labels for this image, along `label_axes`."""
        return tuple(self.length(a) for a in self.label_axes())

    def label_index(self, frame: Frame) -> tuple[int | slice, ...]:
        """Return the index of a frame in an array of labels for this image."""
        at = dict(frame)
        return tuple(at.get(a, slice(None)) for a in self.label_axes())

    def read(
        self,
        frame: Frame,
        window: Sequence[slice],
        channels: Sequence[int] | None = None,
    ) -> Pixels:
        """Read a window of one frame.

        Parameters
        ----------
        frame
            One of `frames`.
        window
            A slice per spatial axis, inside the frame.
        channels
            Numbers of channels, in this order; all when None.

        Returns
        -------
        array
            ``(C, *window)``, in the type of the image.
        """
        spatial = "ZYX"[-len(window) :]
        at: dict[str, Any] = dict(frame)
        at |= dict(zip(spatial, window, strict=True))
        first = 0
        if channels and "C" in self.axes:  # of a file, channels in between are read as well
            first = min(channels)
            at["C"] = slice(first, max(channels) + 1)
        index = tuple(at.get(a, slice(None) if a == "C" else 0) for a in self.axes)
        pixels = np.asarray(self.data[index])
        axes = [a for a in self.axes if a in spatial or a == "C"]
        pixels = pixels.transpose([axes.index(a) for a in ["C", *spatial] if a in axes])
        if "C" not in axes:
            pixels = pixels[np.newaxis]
        return pixels if channels is None else pixels[[c - first for c in channels]]

    def selected(self, **changes: Any) -> Image:
        """Return the same image with some fields changed."""
        return replace(self, **changes)

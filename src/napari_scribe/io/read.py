"""Read any file as an image, or as labels."""

from __future__ import annotations

import math
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..arguments import checked
from ..arrays import Array, as_array, picks_for
from ..errors import InputError
from ..image import Image
from .file_array import FileArray, check_pieces, show
from .files import SUFFIXES, check_file, is_zarr, stem

ImageLike = Image | Array | npt.ArrayLike | str | Path
"""An image, an array or what numpy makes one of, or a path."""
_UNEXPECTED_BYTES = (
    LookupError,
    ArithmeticError,
    AttributeError,
    TypeError,
    AssertionError,
    struct.error,
    RecursionError,
)
"""Errors that readers raise at bytes that they did not expect.

Their texts are Python's, and tell the user nothing.
"""
_CHECKED_BYTES = 2**28
"""Larger labels are not searched for negative numbers, because that would read them whole."""


@checked
def read_image(path: str | Path, axes: str = "", level: int = 0, series: int = 0) -> Image:
    """Open an image; its pixels stay on disk unless it is small.

    Parameters
    ----------
    path
        TIFF (plain, ImageJ, OME), PNG, JPEG or NPY file; zarr array or OME-NGFF group.
    axes
        Letters of ``TCZYX``, one per axis, in the order of the file. When empty, the letters in the
        file are used, or letters are guessed from the shape. Axes of length 1 may be left out.
    level
        Level of a pyramid, 0 the full resolution.
    series
        Number of the image in a file that holds several, from 0. Thumbnails, overviews and pictures
        of a slide's label do not count.

    Returns
    -------
    image
        The image, with the scale, units and channel names that the file tells. `Image.notes` say
        what was left out or not understood. An alpha channel is left out, as it is no measurement.

    Raises
    ------
    InputError
        If the file is missing, damaged, of an unknown kind, or its axes do not fit.
    """
    kind = _kind(path)
    path = Path(path)
    with _naming_file(path):
        image = _read(path, kind, axes, level, series)
        named = _with_axes(image, path, axes)
        return named.selected(source=path.absolute(), level=level, series=series)


@contextmanager
def _naming_file(path: Path) -> Iterator[None]:
    """Turn errors of readers into errors that name the file, and say what to do."""
    try:
        yield
    except (InputError, MemoryError):
        raise
    except _UNEXPECTED_BYTES as error:
        raise InputError(
            f"Could not read {path}: it is damaged, or something else than its name says. Copy or "
            "save it again."
        ) from error
    except Exception as error:  # every library raises its own for a damaged file
        reason = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
        raise InputError(
            f"Could not read {path}: {reason}. Is it damaged, or something else than its name says?"
        ) from error


def list_series(path: str | Path) -> list[str]:
    """Return the name and shape of each image in a file that can hold several.

    Raises
    ------
    InputError
        As for `read_image`.
    """
    kind = _kind(path)
    with _naming_file(Path(path)):
        if kind == ".zarr":
            from .ngff_reader import describe_zarr

            return describe_zarr(Path(path))
        if kind in (".tif", ".tiff"):
            from .tiff_reader import describe_tiff

            return describe_tiff(Path(path))
    return [stem(path)]


def _read(path: Path, kind: str, axes: str, level: int, series: int) -> Image:
    """Read a file of a known kind."""
    if kind == ".zarr":
        from .ngff_reader import read_zarr

        return read_zarr(path, axes, level, series)
    if kind in (".tif", ".tiff"):
        from .tiff_reader import read_tiff

        return read_tiff(path, axes, level, series)
    if level:
        raise InputError(f"{path} has only level 0, not {level}.")
    if series:
        raise InputError(f"{path} has only one image, 0, not {series}.", series=None)
    if kind == ".npy":
        pixels = np.load(path, mmap_mode="r")
        native = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
        return Image(native, name=stem(path))
    from .pictures import read_picture

    return Image(read_picture(path), name=stem(path))


def _with_axes(image: Image, path: Path, axes: str) -> Image:
    """Return an image with the axes that were asked for.

    Errors that its pixels raise when they are read name the file.
    """
    if not isinstance(image.data, np.ndarray | FileArray):
        check_pieces(image.data, path)
    letters = axes.upper() or image.axes
    return image.selected(
        data=show(image.data, picks_for(image.shape, image.axes, letters), path, letters),
        axes=letters,
        scale={a: s for a, s in image.scale.items() if a in letters},
        translate={a: t for a, t in image.translate.items() if a in letters},
        units={a: u for a, u in image.units.items() if a in letters},
    )


def as_image(image: ImageLike) -> Image:
    """Return an `Image` as it is, or make one from an array or a path."""
    if isinstance(image, Image):
        return image
    return _warned(read_image(image)) if isinstance(image, str | Path) else Image(image)


def _warned(image: Image) -> Image:
    """Warn of the notes on an image, for callers who do not see `Image.notes`."""
    for note in image.notes:
        warnings.warn(f"{image.source}: {note}", stacklevel=4)
    return image


def as_labels(labels: ImageLike, axes: str = "", name: str = "labels") -> tuple[Array, str]:
    """Return labels as an array, and their axes; the axes are empty if they are not known.

    Parameters
    ----------
    labels
        An array, an `Image` or a path.
    axes
        A letter per axis; empty if they are not known.
    name
        Name of an array in messages.
    """
    if isinstance(labels, str | Path):
        labels = read_label_image(labels, axes)
    elif axes and not isinstance(labels, Image):
        labels = Image(labels, axes, name=name)
    if isinstance(labels, Image):
        return labels.data, labels.axes
    return as_array(labels, name), ""


def read_labels(path: str | Path, axes: str = "") -> Array:
    """Open labels: whole numbers from 0, one per object or class.

    Parameters
    ----------
    path
        As for `read_image`, but no JPEG or other compression that changes values. A picture with a
        palette gives its indices. A grey picture that is stored as RGB is taken as grey.
    axes
        As for `read_image`.

    Returns
    -------
    labels
        Integer array along the axes of the file; lazy if it is large.

    Raises
    ------
    InputError
        If it is no image of labels, because it has fractions, negative numbers or colours.
    """
    labels: Array = _warned(read_label_image(path, axes)).data
    return labels


def read_label_image(path: str | Path, axes: str = "", series: int = 0) -> Image:
    """Open labels as `read_labels` does, with their axes.

    Labels have no channels. An axis that was taken for channels becomes Z, or T if there is a Z.
    """
    kind = _kind(path)
    path = Path(path)
    if kind in (".jpg", ".jpeg"):
        raise InputError(f"{path} is a JPEG, which changes values: save labels as TIFF or PNG.")
    image = _indices(path, axes) if kind == ".png" else read_image(path, axes, series=series)
    is_colour = image.is_rgb
    if kind in (".tif", ".tiff"):
        from tifffile import PHOTOMETRIC

        from .tiff_compression import check_lossless

        is_colour |= check_lossless(path, series).photometric == PHOTOMETRIC.RGB
    if is_colour and image.n_channels == 3:
        image = _grey(image, path)
    letters = image.axes.replace("C", next((a for a in "ZT" if a not in image.axes), "C"))
    return image.selected(axes=letters, data=_whole_numbers(image.data, path), channel_names=())


def _indices(path: Path, axes: str) -> Image:
    """Return the labels in a PNG. A PNG with a palette gives its indices, not its colours."""
    from .pictures import read_indices

    try:
        return _with_axes(Image(read_indices(path), name=stem(path)), path, axes)
    except (OSError, SyntaxError):
        return read_image(path, axes)  # it reports what is wrong with the file


def _grey(image: Image, path: Path) -> Image:
    """Return a colour picture as a grey one, after a check that its three colours are equal."""
    channel = image.axes.index("C")
    colours = np.moveaxis(np.asarray(image.data), channel, 0)
    if not all(np.array_equal(colours[0], other) for other in colours[1:]):
        raise InputError(f"{path} is a colour picture, not labels: one whole number a pixel.")
    return image.selected(axes=image.axes.replace("C", ""), data=colours[0])


def _kind(path: str | Path) -> str:
    """Return the kind of a file or folder, as the suffix that stands for it."""
    check_file(path)
    path = Path(path)
    if path.is_dir():
        if is_zarr(path):
            return ".zarr"
        raise InputError(f"{path} is a folder without zarr data. Name one image in it.")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES or suffix == ".zarr":
        raise InputError(f"{path} is not a kind of image that can be read: {', '.join(SUFFIXES)}.")
    return suffix


def _whole_numbers(data: Array, path: Path) -> Array:
    """Return labels as integers. Labels of type bool or float are converted."""
    kind = np.dtype(data.dtype).kind
    if kind == "b":
        return np.asarray(data).astype(np.uint8)
    if kind == "f":
        values = np.asarray(data)
        with np.errstate(invalid="ignore"):
            numbers = values.astype(np.int64)
        if not np.array_equal(numbers, values):
            example = values[numbers != values].flat[0]
            raise InputError(
                f"{path} holds values such as {example:.3g}: a map or an image, not labels, which "
                "are whole numbers, one an object or class."
            )
        largest = int(np.abs(numbers).max())
        data = numbers.astype(np.int32) if largest < 2**31 else numbers
    is_small = math.prod(data.shape) * np.dtype(data.dtype).itemsize <= _CHECKED_BYTES
    if np.dtype(data.dtype).kind == "i" and is_small and np.asarray(data).min() < 0:
        raise InputError(f"{path} holds negative numbers: labels are whole numbers from 0.")
    return data

"""Any file as an `Image`, or as labels."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arguments import checked
from ..arrays import as_array
from ..errors import InputError
from ..image import Image
from .files import SUFFIXES, is_zarr, stem

_STUMBLES = (LookupError, ArithmeticError, AttributeError, TypeError, AssertionError, struct.error)
"""What readers raise over bytes that they did not expect: the words are Python's, not theirs."""
_CHECKED_BYTES = 2**28
_PNG_BIT_DEPTH, _PNG_COLOUR = 24, 25
"""Where the head of a PNG tells them."""


@checked
def read_image(path: str | Path, axes: str = "", level: int = 0) -> Image:
    """Open an image; its pixels stay on disk unless it is small.

    Parameters
    ----------
    path
        TIFF (plain, ImageJ, OME), PNG, JPEG or NPY file; zarr array or OME-NGFF group.
    axes
        Letters of ``TCZYX``, one an axis of the file in its own order. Left out, they are what the
        file says, else guessed from the shape. Of a TIFF, axes of length 1 need not be named.
    level
        Level of a pyramid, 0 the full resolution.

    Returns
    -------
    image
        With scale, units and names of channels where the file tells. The alpha channel of a PNG
        is left out, as it is no measurement.

    Raises
    ------
    InputError
        If the file is missing, damaged, of an unknown kind, or its axes do not fit.
    """
    path = Path(path)
    kind = _kind(path)
    try:
        return _read(path, kind, axes, level).selected(source=path, level=level)
    except (InputError, MemoryError):
        raise
    except _STUMBLES as error:
        raise InputError(
            f"Could not read {path}: it is damaged, or something else than its name says. Copy or "
            "save it again."
        ) from error
    except Exception as error:  # every library raises its own for a damaged file
        reason = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
        raise InputError(
            f"Could not read {path}: {reason}. Is it damaged, or something else than its name says?"
        ) from error


def _read(path: Path, kind: str, axes: str, level: int) -> Image:
    if kind == ".zarr":
        from .ngff import read_zarr

        return read_zarr(path, axes, level)
    if kind in (".tif", ".tiff"):
        from .tiff import read_tiff

        return read_tiff(path, axes, level)
    if level:
        raise InputError(f"{path} has only level 0, not {level}.")
    pixels = np.load(path, mmap_mode="r") if kind == ".npy" else _picture(path)
    return Image(_native(pixels), axes, name=stem(path))


def as_image(image: Any) -> Image:
    """An `Image` from one, from an array or from a path."""
    if isinstance(image, Image):
        return image
    return read_image(image) if isinstance(image, str | Path) else Image(image)


def as_labels(labels: Any, axes: str = "", name: str = "labels") -> tuple[Any, str]:
    """Return labels as an array, and its axes, which are empty where nobody says.

    Parameters
    ----------
    labels
        An array, an `Image` or a path.
    axes
        A letter per axis, where they are known.
    name
        What messages call an array.
    """
    if isinstance(labels, str | Path):
        labels = read_label_image(labels, axes)
    elif axes and not isinstance(labels, Image):
        labels = Image(labels, axes, name=name)
    if isinstance(labels, Image):
        return labels.data, labels.axes
    return as_array(labels, name), ""


def read_labels(path: str | Path, axes: str = "") -> Any:
    """Open labels: whole numbers from 0, one an object or class.

    Parameters
    ----------
    path
        As for `read_image`, without JPEG, which changes values. A picture with a palette gives its
        indices; a grey picture stored as RGB is taken as grey.
    axes
        As for `read_image`.

    Returns
    -------
    labels
        Integer array along the axes of the file; lazy where it is large.

    Raises
    ------
    InputError
        If it is no image of labels: fractions, negative numbers, colours.
    """
    return read_label_image(path, axes).data


def read_label_image(path: str | Path, axes: str = "") -> Image:
    """Labels as `read_labels` opens them, with their axes.

    Labels have no channels: an axis that was taken for them is Z, or T where there is a Z.
    """
    path = Path(path)
    if _kind(path) in (".jpg", ".jpeg"):
        raise InputError(f"{path} is a JPEG, which changes values: save labels as TIFF or PNG.")
    is_png = path.suffix.lower() == ".png"
    image = Image(_indices(path), axes, name=stem(path)) if is_png else read_image(path, axes)
    data = image.data
    if image.is_rgb:
        data = np.asarray(data)
        if not all(np.array_equal(data[..., 0], data[..., i]) for i in (1, 2)):
            raise InputError(f"{path} is a colour picture, not labels: one whole number a pixel.")
        data = data[..., 0]
        image = image.selected(axes=image.axes[:-1], data=data)
    letters = image.axes.replace("C", next((a for a in "ZT" if a not in image.axes), "C"))
    return image.selected(axes=letters, data=_whole_numbers(data, path), channel_names=())


def _kind(path: Path) -> str:
    if not path.exists():
        raise InputError(f"{path} does not exist. Check the path.")
    if path.is_dir():
        if is_zarr(path):
            return ".zarr"
        raise InputError(f"{path} is a folder without zarr data. Name one image in it.")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES or suffix == ".zarr":
        raise InputError(f"{path} is not a kind of image that can be read: {', '.join(SUFFIXES)}.")
    return suffix


def _native(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def _picture(path: Path) -> npt.NDArray[Any]:
    """``YX`` or ``YXC`` pixels of a PNG or JPEG, without alpha."""
    import imageio.v3 as iio

    if path.suffix.lower() == ".png":
        with path.open("rb") as file:
            head = file.read(_PNG_COLOUR + 1)
        if len(head) > _PNG_COLOUR and head[_PNG_BIT_DEPTH] == 16 and head[_PNG_COLOUR]:
            return _without_alpha(_deep_png(path))
    is_cmyk = iio.immeta(path, plugin="pillow")["mode"] == "CMYK"
    return _without_alpha(iio.imread(path, plugin="pillow", mode="RGB" if is_cmyk else None))


def _deep_png(path: Path) -> npt.NDArray[Any]:
    """Colours of 16 bits, of which imageio would keep eight."""
    import imagecodecs

    pixels: npt.NDArray[Any] = imagecodecs.png_decode(path.read_bytes())
    return pixels


def _without_alpha(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if pixels.ndim == 3 and pixels.shape[-1] in (2, 4):
        pixels = pixels[..., :-1]
    return pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels


def _indices(path: Path) -> npt.NDArray[Any]:
    """Pixels of a PNG; of one with a palette its indices, not its colours."""
    import imageio.v3 as iio

    try:
        if iio.immeta(path, plugin="pillow")["mode"] == "P":
            return np.asarray(iio.imread(path, plugin="pillow", mode="P"))
    except (OSError, SyntaxError):
        pass  # read_image says what is wrong with it
    return np.asarray(read_image(path).data)


def _whole_numbers(data: Any, path: Path) -> Any:
    """Integers as they are; bool and floats that are whole as integers."""
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
    is_small = data.size * np.dtype(data.dtype).itemsize <= _CHECKED_BYTES
    if np.dtype(data.dtype).kind == "i" and is_small and np.asarray(data).min() < 0:
        raise InputError(f"{path} holds negative numbers: labels are whole numbers from 0.")
    return data

"""Accept arrays of any library, check their values, and order their axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from .errors import InputError

Pixels = npt.NDArray[Any]
"""A numpy array of numbers of any type."""
Floats = npt.NDArray[np.float64]
"""A numpy array of measurements."""
Pick = int | range | tuple[int, ...] | None
"""What to select from an axis: one index (which removes the axis), or several.

None inserts a new axis.
"""
Order = tuple[int | None, ...]
"""For each axis of a result, the axis of the array; None for a new axis of length 1."""
_STANDARD_ORDER = "TCZYX"


class Array(Protocol):
    """Describe the part of an array that this package uses, whatever library the array is of."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the length of each axis."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the type of the pixels."""

    @property
    def ndim(self) -> int:
        """Return the number of axes."""

    def __getitem__(self, index: Any, /) -> Any: ...


def as_array(data: object, name: str) -> Array:
    """Return an array unchanged, and convert lists, tensors and the like to a numpy array.

    Parameters
    ----------
    data
        An array, or numbers that make one.
    name
        Its name in messages.

    Raises
    ------
    InputError
        If it is no array of numbers, or its shape is not known yet.
    """
    array = cast(Array, data)
    try:
        np.dtype(array.dtype)  # raises TypeError for a tensor of torch
        shape = tuple(array.shape)
    except (AttributeError, TypeError):
        return _numbers_of(data, name)
    if any(n != n for n in shape):
        raise InputError(
            f"{name} has a shape that is not known yet, like a dask array that was made by "
            "selecting pixels. Call its compute_chunk_sizes() first."
        )
    return array


def _numbers_of(data: object, name: str) -> Pixels:
    """Convert lists, tensors and the like to a numpy array."""
    try:
        if hasattr(data, "detach"):  # a torch tensor, on any device
            data = data.detach().cpu()
        numbers = np.asarray(data)
    except (ValueError, TypeError, RuntimeError):
        numbers = np.empty(0, object)
    if numbers.dtype.kind not in "buif" or numbers.ndim == 0:
        raise InputError(
            f"{name} is of type {type(data).__name__}, which is no array of numbers. "
            "Give an array such as numpy's, an Image, or the path of one file."
        )
    return numbers


def check_finite(pixels: Pixels, name: str, place: str = "") -> None:
    """Check that no pixel is NaN or infinite.

    Parameters
    ----------
    pixels
        Pixels of any type. Whole numbers are always finite.
    name
        Name of the image in messages.
    place
        Where the pixels are in the image, such as " at Z 2".

    Raises
    ------
    InputError
        If one is NaN or infinite.
    """
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise InputError(
            f"{name} has NaN or infinite pixels{place}. Replace them first: in Fiji by Process > "
            "Noise > Remove NaNs, in Python by numpy.nan_to_num."
        )


def order_onto(axes: str, shape: Sequence[int], onto: str, lengths: Sequence[int]) -> Order | None:
    """Match the axes of an array to the axes of another one.

    Axes are matched by their letters if both arrays have the same letters. An array without
    letters is taken to be in the order TCZYX. If the letters differ, axes are matched by their
    order, because the letters of a file may be guesses. Axes of length 1 are ignored.

    Parameters
    ----------
    axes, shape
        Letters and lengths of the array's axes. `axes` is empty if the letters are not known.
    onto, lengths
        Letters and lengths of the other array's axes.

    Returns
    -------
    order
        The matching axis of the array for each axis of the other one. None if the array does not
        fit.
    """
    long = [i for i, n in enumerate(shape) if n > 1]
    wanted = [j for j, n in enumerate(lengths) if n > 1]
    letters, others = [axes[i] for i in long if axes], [onto[j] for j in wanted if onto]
    letters, others = (
        letters or sorted(others, key=_STANDARD_ORDER.index),
        others or sorted(letters, key=_STANDARD_ORDER.index),
    )
    if len(letters) == len(long) and set(letters) == set(others):
        long = [long[letters.index(letter)] for letter in others]
    if [shape[i] for i in long] != [lengths[j] for j in wanted]:
        return None
    axis_along = dict(zip(wanted, long, strict=True))
    return tuple(axis_along.get(j) for j in range(len(lengths)))


def as_dask(data: Array) -> Any:
    """Return a dask array unchanged, and wrap any other array in a lazy dask array."""
    import dask.array as da

    # By default, dask hashes the content to make a name, and reads what may be a large file.
    return data if isinstance(data, da.Array) else da.from_array(data, name=False)


def numpy_or_dask(data: Array) -> Any:
    """Return a numpy array unchanged, and any other array as a lazy dask array."""
    return data if isinstance(data, np.ndarray) else as_dask(data)


def arranged(data: Array, order: Order) -> Any:
    """Put the axes of an array in an order, without reading its pixels.

    Axes that the order leaves out must have length 1. The result is a view of a numpy array, and a
    dask array of any other array.
    """
    axes = [i for i in order if i is not None]
    shape = tuple(1 if i is None else int(data.shape[i]) for i in order)
    if shape == tuple(data.shape) and axes == sorted(axes):
        return data
    array = numpy_or_dask(data)
    array = array[tuple(slice(None) if i in axes else 0 for i in range(array.ndim))]
    array = array.transpose([sorted(axes).index(i) for i in axes])
    return array[tuple(None if i is None else slice(None) for i in order)]


def picks_for(shape: Sequence[int], guessed: str, axes: str) -> list[Pick]:
    """Return what to select from each axis so that an array gets the requested axes.

    Axes of length 1 are added or left out. The others keep their order. If the axes do not fit,
    the number of selected axes differs from theirs, and `Image` raises the error.

    Parameters
    ----------
    shape, guessed
        Length and guessed letter of each axis. An axis without a name has a letter that is not
        one of ``TCZYX``.
    axes
        Requested letters, one per axis.

    Returns
    -------
    picks
        What to select from each axis, in order. A None between them is a new axis.
    """
    long = [a for a, n in zip(guessed, shape, strict=True) if n > 1 or a in "YX"]
    if len(axes) == len(shape) > len(long):
        return [range(n) for n in shape]
    requested = iter(axes if _is_part(long, axes) else long)
    picks: list[Pick] = []
    for letter, n in zip(guessed, shape, strict=True):
        if n == 1 and letter not in "YX":
            picks.append(0)
            continue
        while next(requested) != letter:
            picks.append(None)
        picks.append(range(n))
    return [*picks, *(None for _ in requested)]


def _is_part(letters: Sequence[str], axes: str) -> bool:
    """Return whether all letters occur in `axes`, in the same order."""
    remaining = iter(axes)
    return all(letter in remaining for letter in letters)


def with_axes(data: Array, axes: str, guessed: str) -> Any:
    """Add or remove axes of length 1 so that an array has the requested axes.

    If the array does not fit, the result has another number of axes, and the caller raises an
    error.

    Parameters
    ----------
    axes, guessed
        Requested letters, one per axis, and the guessed letters of the array.
    """
    picks = picks_for(data.shape, guessed, axes)
    if all(isinstance(pick, range) for pick in picks):
        return data
    index = tuple(slice(None) if isinstance(pick, range) else pick for pick in picks)
    return numpy_or_dask(data)[index]

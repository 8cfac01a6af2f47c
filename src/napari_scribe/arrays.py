"""Read arrays of any library, check their numbers, and order their axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from .errors import InputError

Pixels = npt.NDArray[Any]
"""A numpy array of numbers of any type."""
Pick = int | range | tuple[int, ...] | None
"""What is shown of an axis: one index (the axis goes), some of them; None is a new axis."""
Order = tuple[int | None, ...]
"""Which axis of an array comes at each place; None for a new one of length 1."""
_USUAL = "TCZYX"


class Array(Protocol):
    """Describe what is used of an array of any library that indexes like numpy."""

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
    """Return an array as it is, and a numpy array for lists, tensors and the like.

    Parameters
    ----------
    data
        An array, or numbers that make one.
    name
        What messages call it.

    Raises
    ------
    InputError
        If it is no array of numbers, or its shape is not known yet.
    """
    array = cast(Array, data)
    try:
        np.dtype(array.dtype)  # a tensor has a type of its own
        shape = tuple(array.shape)
    except (AttributeError, TypeError):
        return _numbers_of(data, name)
    if any(n != n for n in shape):
        raise InputError(
            f"{name} has a shape that is not known yet, as a dask array made by a choice of pixels "
            "has. Call its compute_chunk_sizes() first."
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
            f"{name} is of type {type(data).__name__}, of which no array of numbers can be made. "
            "Give an array such as numpy's, an Image, or the path of one file."
        )
    return numbers


def check_finite(pixels: Pixels, name: str, place: str = "") -> None:
    """Check that no pixel is NaN or infinite.

    Parameters
    ----------
    pixels
        Of any type; whole numbers are always finite.
    name
        What messages call the image.
    place
        Where in it the pixels are, such as " at Z 2".

    Raises
    ------
    InputError
        If one is NaN or infinite.
    """
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise InputError(
            f"{name} has NaN or infinite pixels{place}. Replace them first, for example with "
            "numpy.nan_to_num."
        )


def order_onto(axes: str, shape: Sequence[int], onto: str, lengths: Sequence[int]) -> Order | None:
    """Find the axis of an array that lies along each axis of another one.

    Letters decide where both arrays have the same ones. An array without letters is taken to be in
    the order TCZYX. Where letters differ, the order of the axes decides, as the letters of a file
    may be guessed. Axes of length 1 do not count.

    Parameters
    ----------
    axes, shape
        Of the array; axes are empty where they are not known.
    onto, lengths
        Axes of the other, and their lengths.

    Returns
    -------
    order
        One entry per axis of the other; None if the array does not fit.
    """
    long = [i for i, n in enumerate(shape) if n > 1]
    wanted = [j for j, n in enumerate(lengths) if n > 1]
    letters, others = [axes[i] for i in long if axes], [onto[j] for j in wanted if onto]
    letters, others = (
        letters or sorted(others, key=_USUAL.index),
        others or sorted(letters, key=_USUAL.index),
    )
    if len(letters) == len(long) and set(letters) == set(others):
        long = [long[letters.index(letter)] for letter in others]
    if [shape[i] for i in long] != [lengths[j] for j in wanted]:
        return None
    axis_along = dict(zip(wanted, long, strict=True))
    return tuple(axis_along.get(j) for j in range(len(lengths)))


def as_dask(data: Array) -> Any:
    """Return a dask array as it is, and a lazy dask array of any other array."""
    import dask.array as da

    # dask would make a name from the content, by reading or pickling what may be a large file.
    return data if isinstance(data, da.Array) else da.from_array(data, name=False)


def arranged(data: Array, order: Order) -> Any:
    """Lay the axes of an array in an order, without reading it.

    Axes that the order leaves out have length 1. The result is a view of a numpy array, and a dask
    array of any other.
    """
    axes = [i for i in order if i is not None]
    shape = tuple(1 if i is None else int(data.shape[i]) for i in order)
    if shape == tuple(data.shape) and axes == sorted(axes):
        return data
    array: Any = data if isinstance(data, np.ndarray) else as_dask(data)
    array = array[tuple(slice(None) if i in axes else 0 for i in range(array.ndim))]
    array = array.transpose([sorted(axes).index(i) for i in axes])
    return array[tuple(None if i is None else slice(None) for i in order)]


def picks_for(shape: Sequence[int], guessed: str, axes: str) -> tuple[list[Pick], str]:
    """Return how an array is shown so that it has the axes that were asked for.

    Axes of length 1 are added or left out. Others keep their order.

    Parameters
    ----------
    shape, guessed
        Of the array, with a letter per axis; any letter beyond ``TCZYX`` for one without a name.
    axes
        Letters that were asked for, one per axis.

    Returns
    -------
    picks
        What is shown of each axis, in order, with None between them for each new axis.
    letters
        `axes`; where they do not fit, the array is as it is, and these are for `Image` to refuse.
    """
    long = [i for i, n in enumerate(shape) if n > 1 or guessed[i] in "YX"]
    every = list(range(len(shape)))
    for shown in (long, every):
        if len(axes) == len(shown):
            return [range(n) if i in shown else 0 for i, n in enumerate(shape)], axes
    if not _is_part([guessed[i] for i in long], axes):
        return [range(n) if i in long else 0 for i, n in enumerate(shape)], axes
    picks: list[Pick] = []
    left = iter(axes)
    for i, n in enumerate(shape):
        if i not in long:
            picks.append(0)
            continue
        while next(left) != guessed[i]:
            picks.append(None)
        picks.append(range(n))
    return [*picks, *(None for _ in left)], axes


def _is_part(letters: Sequence[str], axes: str) -> bool:
    """Return whether letters come in that order among others."""
    left = iter(axes)
    return all(letter in left for letter in letters)


def with_axes(data: Array, axes: str, guessed: str) -> Any:
    """Give an array the axes that were asked for, where it lacks or has axes of length 1.

    An array that does not fit has another number of axes then, which the caller refuses.

    Parameters
    ----------
    axes, guessed
        Letters that were asked for, and those that were guessed, one per axis.
    """
    picks, _ = picks_for(data.shape, guessed, axes)
    of_axes = [pick for pick in picks if pick is not None]
    shown = iter(i for i, pick in enumerate(of_axes) if not isinstance(pick, int))
    return arranged(
        data, tuple(None if p is None else next(shown) for p in picks if not isinstance(p, int))
    )

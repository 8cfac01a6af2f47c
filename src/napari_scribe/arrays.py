"""Arrays of any library: what can be taken for one, and the order of its axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

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


def as_array(data: Any, name: str) -> Any:
    """Return an array as it is, and one of numpy for lists, tensors and the like.

    Parameters
    ----------
    data
        What is to be read.
    name
        What messages call it.

    Raises
    ------
    InputError
        If it is no array of numbers, or its shape is not known yet.
    """
    try:
        np.dtype(data.dtype)
        shape = tuple(data.shape)
    except (AttributeError, TypeError):
        return _numbers_of(data, name)
    if any(n != n for n in shape):
        raise InputError(
            f"{name} has a shape that is not known yet, as a dask array made by a choice of pixels "
            "has. Call its compute_chunk_sizes() first."
        )
    return data


def _numbers_of(data: Any, name: str) -> npt.NDArray[Any]:
    """Convert what is no array of any library that indexes like numpy."""
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


def order_onto(axes: str, shape: Sequence[int], onto: str, lengths: Sequence[int]) -> Order | None:
    """Find which axis of an array lies along each of another; axes of length 1 do not count.

    Letters decide where both have the same ones, and an array without letters is taken to be in the
    usual order. Else places decide, as the letters of a file may be guessed.

    Parameters
    ----------
    axes, shape
        Of the array; axes are empty where they are not known.
    onto, lengths
        Axes of the other, and their lengths.

    Returns
    -------
    order
        One entry an axis of the other; None if the array does not fit.
    """
    long = [i for i, n in enumerate(shape) if n > 1]
    wanted = [j for j, n in enumerate(lengths) if n > 1]
    own, others = [axes[i] for i in long if axes], [onto[j] for j in wanted if onto]
    own, others = own or sorted(others, key=_USUAL.index), others or sorted(own, key=_USUAL.index)
    if len(own) == len(long) and set(own) == set(others):
        long = [long[own.index(letter)] for letter in others]
    if [shape[i] for i in long] != [lengths[j] for j in wanted]:
        return None
    found = dict(zip(wanted, long, strict=True))
    return tuple(found.get(j) for j in range(len(lengths)))


def as_dask(data: Any) -> Any:
    """Return an array of dask as it is, and one of dask for any other, which it reads lazily."""
    import dask.array as da

    # A name by the content would be found by reading or pickling what may be a large file.
    return data if isinstance(data, da.Array) else da.from_array(data, name=False)


def arranged(data: Any, order: Order) -> Any:
    """Lay the axes of an array in an order, without reading it.

    Axes that the order leaves out have length 1. A numpy array gives a view.
    """
    found = [i for i in order if i is not None]
    shape = tuple(1 if i is None else int(data.shape[i]) for i in order)
    if shape == tuple(data.shape) and found == sorted(found):
        return data
    if not isinstance(data, np.ndarray):
        data = as_dask(data)
    data = data[tuple(slice(None) if i in found else 0 for i in range(data.ndim))]
    data = data.transpose([sorted(found).index(i) for i in found])
    return data[tuple(None if i is None else slice(None) for i in order)]


def picks_for(shape: Sequence[int], found: str, axes: str) -> tuple[list[Pick], str]:
    """Return how an array is shown so that it has the axes that were asked for.

    Axes of length 1 come and go as it is asked for; others keep their order.

    Parameters
    ----------
    shape, found
        Of the array, with a letter an axis; any letter beyond ``TCZYX`` for one without a name.
    axes
        Letters that were asked for, one an axis.

    Returns
    -------
    picks
        What is shown of each axis, in order, with None between them for each new axis.
    letters
        `axes`; where they do not fit, the array is as it is, and these are for `Image` to refuse.
    """
    long = [i for i, n in enumerate(shape) if n > 1 or found[i] in "YX"]
    every = list(range(len(shape)))
    for kept in (long, every):
        if len(axes) == len(kept):
            return [range(n) if i in kept else 0 for i, n in enumerate(shape)], axes
    if not _is_part([found[i] for i in long], axes):
        return [range(n) if i in long else 0 for i, n in enumerate(shape)], axes
    picks: list[Pick] = []
    left = iter(axes)
    for i, n in enumerate(shape):
        if i not in long:
            picks.append(0)
            continue
        while next(left) != found[i]:
            picks.append(None)
        picks.append(range(n))
    return [*picks, *(None for _ in left)], axes


def _is_part(letters: Sequence[str], axes: str) -> bool:
    """Whether letters come in that order among others."""
    left = iter(axes)
    return all(letter in left for letter in letters)


def with_axes(data: Any, axes: str, found: str) -> Any:
    """Give an array the axes that were asked for, where only axes of length 1 are in question.

    Returns it as it is where that is not plain: the caller compares.

    Parameters
    ----------
    axes, found
        Letters that were asked for, and those that were guessed, one an axis.
    """
    picks, _ = picks_for(data.shape, found, axes)
    of_axes = [pick for pick in picks if pick is not None]
    places = iter(i for i, pick in enumerate(of_axes) if not isinstance(pick, int))
    return arranged(
        data, tuple(None if p is None else next(places) for p in picks if not isinstance(p, int))
    )

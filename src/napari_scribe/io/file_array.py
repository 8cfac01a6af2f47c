"""Show pixels that stay on disk, with errors that name the file and the place in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arrays import Array, Pick, Pixels
from ..errors import InputError
from ..memory import free_bytes, is_out_of_memory, size_in_words
from .chunks import PiecewiseArray, chunks_of, window_of

_CHECKED_BYTES = 2**28
"""Reading less than this is not checked against the free memory."""


def show(array: Array, picks: Sequence[Pick], path: Path, letters: str = "") -> Array:
    """Return a part of an array, with axes added or dropped. An array in memory gives a view.

    Parameters
    ----------
    array
        Array of any library that indexes like numpy.
    picks
        One for each axis of `array`, in order. None between them adds an axis of length 1.
    path, letters
        File, and letters of the shown axes, that are named in errors.
    """
    if isinstance(array, FileArray):
        return FileArray(array.array, compose(array.picks, picks), path, letters)
    if isinstance(array, np.ndarray) and not any(isinstance(p, tuple) for p in picks):
        index = (slice(p.start, p.stop) if isinstance(p, range) else p for p in picks)
        view: Array = array[tuple(index)]
        return view
    return FileArray(array, picks, path, letters)


def compose(first: Sequence[Pick], second: Sequence[Pick]) -> list[Pick]:
    """Return the picks that have the effect of `first`, then `second`.

    Parameters
    ----------
    second
        Picks for the axes that `first` shows. They only add and drop axes: a range stands for a
        whole axis.
    """
    picks: list[Pick] = []
    of_second = iter(second)
    for pick in first:
        if isinstance(pick, int):
            picks.append(pick)
            continue
        while (second_pick := next(of_second)) is None:
            picks.append(None)
        if not isinstance(second_pick, int):
            picks.append(pick)
        elif pick is not None:
            picks.append(pick[second_pick])
    return [*picks, *of_second]


class FileArray:
    """Hold an array that is read when it is indexed.

    Reading raises OSError if the file is damaged, and InputError if memory is too small for what is
    read at once. Both errors name the file.

    Parameters
    ----------
    array, picks, path
        As for `show`.
    letters
        Letters of the shown axes, for errors. When empty, errors give numbers of axes.
    """

    def __init__(self, array: Array, picks: Sequence[Pick], path: Path, letters: str = "") -> None:
        self.array, self.picks, self._path = array, tuple(picks), path
        self._letters = letters
        shown = (p for p in self.picks if not isinstance(p, int))
        self.shape: tuple[int, ...] = tuple(1 if p is None else len(p) for p in shown)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)
        self.ndim: int = len(self.shape)

    @property
    def size(self) -> int:
        """Return the number of pixels."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Return the size in bytes."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Pixels:
        return np.asarray(self[...], dtype)

    def __getitem__(self, index: Any) -> Pixels:
        places = _one_per_axis(index, self.ndim)
        # Other indices, such as arrays, are applied by numpy to all pixels.
        if not all(isinstance(i, slice | int | np.integer) for i in places):
            return np.asarray(np.asarray(self)[index])
        spans = [range(n)[i] for i, n in zip(places, self.shape, strict=True)]
        shape = tuple(len(span) for span in spans if isinstance(span, range))
        check_memory(self._path, math.prod(shape) * self.dtype.itemsize)
        if 0 in shape:
            return np.empty(shape, self.dtype)
        wanted = self._wanted(places)
        block = self._read(tuple(i if isinstance(i, int) else _hull(i) for i in wanted), spans)
        within = tuple(_within_hull(i) for i in wanted if not isinstance(i, int))
        return block[within].reshape(shape)  # with the axes that were added

    def _wanted(self, places: Sequence[int | slice]) -> list[int | range | tuple[int, ...]]:
        """Return what an index along the shown axes picks from each axis of the array."""
        wanted: list[int | range | tuple[int, ...]] = []
        of_shown = iter(places)
        for pick in self.picks:
            if isinstance(pick, int):
                wanted.append(pick)
                continue
            place = next(of_shown)
            if pick is not None:
                wanted.append(pick[place])
        return wanted

    def _read(self, index: tuple[int | slice, ...], spans: Sequence[int | range]) -> Pixels:
        try:
            return np.asarray(self.array[index])
        except InputError:
            raise
        except Exception as error:  # every codec raises its own for damaged bytes
            if is_out_of_memory(error):
                raise
            reason = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
            text = f"Could not read {self._path} at {self._place(spans)}: {reason}"
            if isinstance(error, OSError) and error.errno is not None:
                raise OSError(error.errno, text) from error
            share = _damaged_share(self.array, index)
            raise OSError(f"{text}. It is damaged{share}: copy or save it again.") from error

    def _place(self, spans: Sequence[int | range]) -> str:
        """Return a window in words, such as ``T 3, Y 0 to 511``."""
        letters = self._letters or [f"axis {axis}" for axis in range(self.ndim)]
        return ", ".join(
            f"{letter} {span}" if isinstance(span, int) else f"{letter} {min(span)} to {max(span)}"
            for letter, span in zip(letters, spans, strict=True)
        )


def _hull(wanted: range | tuple[int, ...]) -> slice:
    """Return the smallest slice that holds some places."""
    return slice(min(wanted), max(wanted) + 1)


def _within_hull(wanted: range | tuple[int, ...]) -> slice | npt.NDArray[np.intp]:
    """Return the index of some places in what was read of their hull."""
    if isinstance(wanted, range):
        return slice(None, None, wanted.step)
    return np.array(wanted) - min(wanted)


def _damaged_share(array: Array, index: tuple[int | slice, ...]) -> str:
    """Return in words how many pieces of a part of a zarr array cannot be read.

    The pieces are read one by one. This gives zarr the time to end its other tasks: otherwise it
    would print an error for each task that is left when the program ends.
    """
    if not isinstance(array, PiecewiseArray):
        return " there"
    n_pieces = n_damaged = 0
    for chunk in chunks_of(array, index):
        n_pieces += 1
        try:
            array[window_of(array, chunk)]
        except Exception:
            n_damaged += 1
    return f" there ({n_damaged} of {n_pieces} pieces)"


def check_pieces(array: PiecewiseArray, path: Path) -> None:
    """Check that memory can hold one of the pieces in which a zarr array is stored.

    Raises
    ------
    InputError
        If it cannot. Then no window can be read, because each needs at least one piece.
    """
    check_memory(path, math.prod(array.chunks) * array.dtype.itemsize, "each piece of it")


def check_memory(path: Path, n_bytes: int, what: str = "all of it at once") -> None:
    """Check that memory can hold what is to be read.

    Parameters
    ----------
    n_bytes, what
        Size of what is to be read, and words for it.

    Raises
    ------
    InputError
        If it cannot.
    """
    if n_bytes < _CHECKED_BYTES:
        return
    free = free_bytes("cpu")
    if n_bytes > free:
        raise InputError(
            f"{path} is too large to read: {what} needs {size_in_words(n_bytes)} of memory, and "
            f"{size_in_words(free)} are free. Save a part of it, or save it as a tiled TIFF or "
            "zarr."
        )


def _one_per_axis(index: object, ndim: int) -> list[Any]:
    """Return an index with one entry per axis; ``[None]`` for an index that is left to numpy."""
    places = list(index) if isinstance(index, tuple) else [index]
    if any(isinstance(i, bool) or i is None for i in places):
        return [None]
    dots = [k for k, i in enumerate(places) if i is Ellipsis]
    n_before = dots[0] if dots else len(places)
    n_missing = ndim - (len(places) - bool(dots))
    if n_missing < 0:
        raise IndexError(f"There are {ndim} axes, and {len(places)} places along them.")
    return [*places[:n_before], *[slice(None)] * n_missing, *places[n_before + bool(dots) :]]

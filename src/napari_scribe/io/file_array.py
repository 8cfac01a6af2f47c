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
"""Reading less than this is not checked against the memory that is left."""


def show(array: Array, picks: Sequence[Pick], path: Path) -> Array:
    """Return a part of an array with axes added or dropped: a view where it is in memory.

    Parameters
    ----------
    array
        Array of any library that indexes like numpy.
    picks
        One for each of its axes, in order, with None between them for each new axis of length 1.
    path
        File that errors name.
    """
    if isinstance(array, FileArray):
        return FileArray(array.array, compose(array.picks, picks), path)
    if isinstance(array, np.ndarray) and not any(isinstance(p, tuple) for p in picks):
        index = (slice(p.start, p.stop) if isinstance(p, range) else p for p in picks)
        view: Array = array[tuple(index)]
        return view
    return FileArray(array, picks, path)


def compose(first: Sequence[Pick], second: Sequence[Pick]) -> list[Pick]:
    """Return the picks that show the same as `second` of what `first` shows.

    Parameters
    ----------
    second
        Only adds and drops axes: a range stands for the whole axis.
    """
    picks: list[Pick] = []
    after = iter(second)
    for pick in first:
        if isinstance(pick, int):
            picks.append(pick)
            continue
        while (then := next(after)) is None:
            picks.append(None)
        if not isinstance(then, int):
            picks.append(pick)
        elif pick is not None:
            picks.append(pick[then])
    return [*picks, *after]


def all_picks(array: Array) -> list[Pick]:
    """Return the picks that show an array as it is."""
    return [range(n) for n in array.shape]


class FileArray:
    """Hold an array that is read when it is indexed.

    Reading raises OSError where the file is damaged, and InputError where more is wanted at once
    than memory holds; both name the file.

    Parameters
    ----------
    array, picks, path
        As for `show`.
    letters
        Letters of the axes that are shown, for errors; numbers of axes where left out.
    """

    def __init__(self, array: Array, picks: Sequence[Pick], path: Path, letters: str = "") -> None:
        self.array, self.picks, self._path = array, tuple(picks), path
        self._shown = [p for p in self.picks if not isinstance(p, int)]
        self._letters = letters
        self.shape: tuple[int, ...] = tuple(1 if p is None else len(p) for p in self._shown)
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

    def named(self, letters: str) -> FileArray:
        """Return the same array with letters for its axes."""
        return FileArray(self.array, self.picks, self._path, letters)

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Pixels:
        return np.asarray(self[...], dtype)

    def __getitem__(self, index: Any) -> Pixels:
        places = _one_per_axis(index, self.ndim)
        if not all(isinstance(i, slice | int | np.integer) for i in places):
            return np.asarray(np.asarray(self)[index])
        shown = iter(zip(places, self.shape, strict=True))
        inner: list[int | slice] = []
        after: list[Any] = []
        for pick in self.picks:
            if isinstance(pick, int):
                inner.append(pick)
                continue
            to_read, of_block = _split(pick, *next(shown))
            inner += to_read
            after += of_block
        self._check_memory(places)
        block: Pixels = self._read(tuple(inner), places)[tuple(after)]
        sliced = [(p, i) for p, i in zip(self._shown, places, strict=True) if isinstance(i, slice)]
        return block[tuple(i if p is None else slice(None) for p, i in sliced)]

    def _check_memory(self, places: Sequence[int | slice]) -> None:
        """Refuse to read more at once than memory can hold."""
        lengths = zip(places, self.shape, strict=True)
        n = math.prod(len(range(n)[i]) for i, n in lengths if isinstance(i, slice))
        check_memory(self._path, n * self.dtype.itemsize)

    def _read(self, inner: tuple[int | slice, ...], places: Sequence[int | slice]) -> Pixels:
        try:
            return np.asarray(self.array[inner])
        except InputError:
            raise
        except Exception as error:  # every codec raises its own for damaged bytes
            if is_out_of_memory(error):
                raise
            reason = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
            text = f"Could not read {self._path} at {self._place(places)}: {reason}"
            if isinstance(error, OSError) and error.errno is not None:
                raise OSError(error.errno, text) from error
            share = _damaged_share(self.array, inner)
            raise OSError(f"{text}. It is damaged{share}: copy or save it again.") from error

    def _place(self, places: Sequence[int | slice]) -> str:
        """Return a window in words, such as ``T 3, Y 0 to 511``."""
        words = []
        for axis, (place, n) in enumerate(zip(places, self.shape, strict=True)):
            name = self._letters[axis] if self._letters else f"axis {axis}"
            span = range(n)[place]
            if isinstance(span, range):
                words.append(f"{name} {min(span, default=0)} to {max(span, default=0)}")
            else:
                words.append(f"{name} {span}")
        return ", ".join(words)


def _damaged_share(array: Array, index: tuple[int | slice, ...]) -> str:
    """Count the pieces in a part of a zarr array that cannot be read, in words.

    Reading them one by one gives zarr the time to end its other tasks: it would print an error for
    each task that is left when the program ends.
    """
    if not isinstance(array, PiecewiseArray) or not all(isinstance(i, int | slice) for i in index):
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
    """Make sure that memory can hold one of the pieces in which a zarr array is stored.

    Raises
    ------
    InputError
        If it cannot: any window would need one.
    """
    check_memory(path, math.prod(array.chunks) * array.dtype.itemsize, "each piece of it")


def check_memory(path: Path, n_bytes: int, what: str = "all of it at once") -> None:
    """Make sure that memory can hold what is to be read.

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
    """Return an index with one entry an axis."""
    places = list(index) if isinstance(index, tuple) else [index]
    if any(isinstance(i, bool) or i is None for i in places):
        return [None]
    dots = [k for k, i in enumerate(places) if i is Ellipsis]
    at = dots[0] if dots else len(places)
    n_missing = ndim - (len(places) - bool(dots))
    if n_missing < 0:
        raise IndexError(f"There are {ndim} axes, and {len(places)} places along them.")
    return [*places[:at], *[slice(None)] * n_missing, *places[at + bool(dots) :]]


def _split(
    pick: range | tuple[int, ...] | None, place: int | slice, n: int
) -> tuple[list[int | slice], list[Any]]:
    """Split an index along an axis that is shown into what is read and an index of what was read.

    Parameters
    ----------
    pick, n
        What is shown of the axis, and its length.
    place
        The index.
    """
    if pick is None:
        range(1)[place]  # raises where it is outside
        return [], [np.newaxis] if isinstance(place, slice) else []
    if not isinstance(place, slice):
        return [int(pick[range(n)[place]])], []
    wanted = pick[place]
    low, high = min(wanted, default=0), max(wanted, default=-1) + 1
    if isinstance(wanted, tuple):
        return [slice(low, high)], [np.array(wanted, int) - low]
    return [slice(low, high)], [slice(None, None, wanted.step)]

"""Pixels that stay on disk: what is shown of them, and errors that name the file and the place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arrays import Pick
from ..errors import InputError
from ..memory import free_bytes, is_out_of_memory, size_in_words
from .chunks import chunks_of, window_of

_CHECKED_BYTES = 2**28
"""Reading less than this is not checked against the memory that is left."""


def shown(array: Any, picks: Sequence[Pick], path: Path) -> Any:
    """Return a part of an array with axes added or dropped: a view where it is in memory.

    Parameters
    ----------
    array
        Array of any library that indexes like numpy.
    picks
        One for each of its axes, in order, with None between them for each new axis of length 1.
    path
        What an error calls the file.
    """
    if isinstance(array, FileArray):
        return FileArray(array.array, composed(array.picks, picks), path)
    if isinstance(array, np.ndarray) and not any(isinstance(p, tuple) for p in picks):
        index = (slice(p.start, p.stop) if isinstance(p, range) else p for p in picks)
        return array[tuple(index)]
    return FileArray(array, picks, path)


def composed(picks: Sequence[Any], fits: Sequence[Pick]) -> list[Pick]:
    """Return the picks that show what `fits` shows of what `picks` shows."""
    made: list[Pick] = []
    after = iter(fits)
    for pick in picks:
        if isinstance(pick, int):
            made.append(pick)
            continue
        while (fit := next(after)) is None:
            made.append(None)
        made.append(pick[fit] if isinstance(fit, int) else pick)
    return [*made, *after]


def whole(array: Any) -> list[Pick]:
    """Return the picks that show an array as it is."""
    return [range(n) for n in array.shape]


class FileArray:
    """An array that is read when it is indexed.

    Reading raises OSError where the file is damaged, and InputError where more is wanted at once
    than memory holds; both name the file.

    Parameters
    ----------
    array, picks, path
        As for `shown`.
    letters
        Of the axes that are shown, for errors; numbers where left out.

    Attributes
    ----------
    array, picks
        What is read, and what of it is shown.
    """

    def __init__(self, array: Any, picks: Sequence[Pick], path: Path, letters: str = "") -> None:
        self.array, self.picks, self._path = array, tuple(picks), path
        self._shown = [p for p in self.picks if not isinstance(p, int)]
        self._letters = letters
        self.shape: tuple[int, ...] = tuple(1 if p is None else len(p) for p in self._shown)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)
        self.ndim: int = len(self.shape)

    @property
    def size(self) -> int:
        """Number of pixels."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.size * self.dtype.itemsize

    def named(self, letters: str) -> FileArray:
        """Return the same with names of its axes."""
        return FileArray(self.array, self.picks, self._path, letters)

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self[...], dtype)

    def __getitem__(self, index: Any) -> npt.NDArray[Any]:
        places = _completed(index, self.ndim)
        if not all(isinstance(i, slice | int | np.integer) for i in places):
            return np.asarray(np.asarray(self)[index])
        rest = iter(zip(places, self.shape, strict=True))
        inner: list[Any] = []
        after: list[Any] = []
        for pick in self.picks:
            if isinstance(pick, int):
                inner.append(pick)
                continue
            there, then = _through(pick, *next(rest))
            inner += there
            after += then
        self._check_memory(places)
        block: npt.NDArray[Any] = self._read(tuple(inner), places)[tuple(after)]
        kept = [(p, i) for p, i in zip(self._shown, places, strict=True) if isinstance(i, slice)]
        return block[tuple(i if p is None else slice(None) for p, i in kept)]

    def _check_memory(self, places: Sequence[Any]) -> None:
        """Refuse to read at once what memory cannot hold."""
        lengths = zip(places, self.shape, strict=True)
        n = math.prod(len(range(n)[i]) for i, n in lengths if isinstance(i, slice))
        check_memory(self._path, n * self.dtype.itemsize)

    def _read(self, inner: tuple[Any, ...], places: Sequence[Any]) -> npt.NDArray[Any]:
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

    def _place(self, places: Sequence[Any]) -> str:
        """A window in words: ``T 3, Y 0 to 511``."""
        words = []
        for axis, (place, n) in enumerate(zip(places, self.shape, strict=True)):
            name = self._letters[axis] if self._letters else f"axis {axis}"
            span = range(n)[place]
            if isinstance(span, range):
                words.append(f"{name} {min(span, default=0)} to {max(span, default=0)}")
            else:
                words.append(f"{name} {span}")
        return ", ".join(words)


def _damaged_share(array: Any, index: tuple[Any, ...]) -> str:
    """Say how many of the pieces in a part of a zarr array cannot be read.

    They are read one by one. Meanwhile zarr comes to the end of what it was reading at once: it
    would tell of each such task when the program ends.
    """
    if not hasattr(array, "chunks") or not all(isinstance(i, int | slice) for i in index):
        return " there"
    n_pieces = n_damaged = 0
    for chunk in chunks_of(array, index):
        n_pieces += 1
        try:
            array[window_of(array, chunk)]
        except Exception:
            n_damaged += 1
    return f" there ({n_damaged} of {n_pieces} pieces)"


def check_pieces(array: Any, path: Path) -> None:
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
        How much that is, and what it is.

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


def _completed(index: Any, ndim: int) -> list[Any]:
    """An index with one entry an axis."""
    places = list(index) if isinstance(index, tuple) else [index]
    if any(isinstance(i, bool) or i is None for i in places):
        return [None]
    dots = [k for k, i in enumerate(places) if i is Ellipsis]
    at = dots[0] if dots else len(places)
    n_missing = ndim - (len(places) - bool(dots))
    if n_missing < 0:
        raise IndexError(f"There are {ndim} axes, and {len(places)} places along them.")
    return [*places[:at], *[slice(None)] * n_missing, *places[at + bool(dots) :]]


def _through(pick: Any, place: Any, n: int) -> tuple[list[Any], list[Any]]:
    """What to read of an axis, and the index of what was read, for a place along what is shown."""
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

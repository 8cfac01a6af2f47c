"""Notice what other programs delete or damage in the folder of a run, so that it is done again.

Programs that clean up or synchronize may delete files there. zarr reads a missing chunk as 0,
without an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np

from ...errors import DamagedError
from ...io.chunks import (
    Chunk,
    are_on_disk,
    chunks_of,
    chunks_on_disk,
    lost_chunks,
    remove_chunks,
    window_of,
)
from .sinks import Array, Index

Place = tuple[Array, Index]
"""An array and a part of it."""


def read_written(array: Array, index: Index) -> np.ndarray:
    """Read a part of an array that was written before.

    Raises
    ------
    DamagedError
        If a chunk of it is missing or cannot be read. A chunk that cannot be read is deleted, so
        that it is done again.
    """
    if isinstance(array, np.ndarray):
        return array[index]
    try:
        block = np.asarray(array[index])
    except (RuntimeError, ValueError) as error:  # a chunk cannot be decoded
        remove_chunks(array, index)
        raise DamagedError(f"A part of {_path(array)} was damaged on the disk.") from error
    # Checked after reading: a chunk may be deleted between a check and the reading.
    if not are_on_disk(array, index):
        raise DamagedError(f"A part of {_path(array)} was deleted.")
    return block


def remove_unreadable(arrays: Iterable[Array]) -> None:
    """Delete the chunks of arrays on disk that cannot be decoded.

    Raises
    ------
    DamagedError
        If there was such a chunk.
    """
    for array in arrays:
        for chunk in () if isinstance(array, np.ndarray) else chunks_on_disk(array):
            read_written(array, window_of(array, chunk))


@contextmanager
def missing_is_damage() -> Iterator[None]:
    """Treat files of a run that are not found as damage.

    Raises
    ------
    DamagedError
        Instead of `FileNotFoundError`. Also instead of `FileExistsError`: making a folder raises it
        when the folder is deleted at that moment.
    """
    try:
        yield
    except (FileNotFoundError, FileExistsError) as error:
        raise DamagedError(f"A part of the work was deleted: {error}") from error


class OnDisk:
    """Tell which chunks of arrays are on disk. The chunks of each array are listed only once."""

    def __init__(self) -> None:
        self._chunks: dict[int, set[Chunk]] = {}

    def has(self, places: Iterable[Place]) -> bool:
        """Return whether every chunk of some places is on disk."""
        return all(
            chunk in self._listed(array)
            for array, index in places
            for chunk in chunks_of(array, index)
        )

    def _listed(self, array: Array) -> set[Chunk]:
        if id(array) not in self._chunks:
            self._chunks[id(array)] = chunks_on_disk(array)
        return self._chunks[id(array)]


def check_final(final: Array, labels: Array, maps: Iterable[Array]) -> None:
    """Check that no chunk of the maps, and none of the final labels that held objects, is missing.

    Parameters
    ----------
    final
        The final labels. Their chunks full of 0 need not be on disk.
    labels
        The labels that `final` was made from, with the same chunks and 0 at the same pixels. Or
        `final` itself, if every chunk was written.
    maps
        Arrays of which every chunk was written.

    Raises
    ------
    DamagedError
        If such a chunk is missing.
    """
    lost = lost_chunks(final)
    if lost and (
        final is labels or any(read_written(labels, window_of(labels, c)).any() for c in lost)
    ):
        raise DamagedError(f"Parts of {_path(final)} were deleted.")
    for array in maps:
        if lost_chunks(array):
            raise DamagedError(f"Parts of {_path(array)} were deleted.")


def _path(array: Array) -> object:
    return getattr(array, "store_path", "an array")

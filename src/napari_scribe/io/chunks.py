"""Find out which chunks of a zarr array are on disk.

zarr reads a missing chunk as 0. If every chunk was written, a missing one is damage.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast, runtime_checkable

from ..arrays import Array

if TYPE_CHECKING:
    import zarr

    ZarrArray = zarr.Array[Any]

Stored = TypeVar("Stored", bound=Array)
Chunk = tuple[int, ...]
"""Number of a chunk along each axis."""


@runtime_checkable
class PiecewiseArray(Array, Protocol):
    """Describe an array that is stored in pieces of one shape, such as zarr's."""

    @property
    def chunks(self) -> tuple[int, ...]:
        """Return the shape of a piece."""


def with_empty_chunks(array: Stored) -> Stored:
    """Return the same array, set to write chunks full of 0 to disk like all others."""
    return cast(Stored, cast("ZarrArray", array).with_config({"write_empty_chunks": True}))


def lost_chunks(array: Array) -> set[Chunk]:
    """Return the chunks of a zarr array that are not on disk."""
    counts = (-(-n // c) for n, c in zip(array.shape, _chunk_shape(array), strict=True))
    return set(itertools.product(*map(range, counts))) - chunks_on_disk(array)


def chunks_on_disk(array: Array) -> set[Chunk]:
    """Return the chunks of a zarr array that are on disk, from a listing of its folder."""
    return set(_listed(_folder(array), array.ndim))


def are_on_disk(array: Array, index: Sequence[int | slice]) -> bool:
    """Return whether every chunk that holds a part of an array is on disk.

    Each chunk is looked up by itself, without a listing of the folder.
    """
    folder = os.fspath(_folder(array))
    return all(
        os.path.exists("/".join([folder, *map(str, chunk)])) for chunk in chunks_of(array, index)
    )


def remove_chunks(array: Array, index: Sequence[int | slice]) -> None:
    """Delete the chunks that hold a part of an array."""
    for chunk in chunks_of(array, index):
        _folder(array).joinpath(*map(str, chunk)).unlink(missing_ok=True)


def window_of(array: Array, chunk: Chunk) -> tuple[slice, ...]:
    """Return the window of an array that a chunk holds; the last one may reach beyond the array."""
    return tuple(slice(i * c, (i + 1) * c) for i, c in zip(chunk, _chunk_shape(array), strict=True))


def chunks_of(array: Array, index: Sequence[int | slice]) -> Iterator[Chunk]:
    """Return the chunks that hold a part of an array.

    Parameters
    ----------
    index
        A number, or a slice without steps, per axis.
    """
    spans = []
    for i, n, c in zip(index, array.shape, _chunk_shape(array), strict=True):
        start, stop, _ = i.indices(n) if isinstance(i, slice) else (i, i + 1, 1)
        spans.append(range(start // c, -(-stop // c)))
    return itertools.product(*spans)


def _chunk_shape(array: Array) -> tuple[int, ...]:
    """Return the shape of a chunk of an array that is stored in chunks."""
    return cast(PiecewiseArray, array).chunks


def _folder(array: Array) -> Path:
    """Return the folder that holds the chunks of a zarr array."""
    stored = cast("ZarrArray", array)
    store: Any = stored.store  # a store on disk, which has a root
    folder = Path(store.root, stored.path)
    return folder / "c" if stored.metadata.zarr_format == 3 else folder


def _listed(folder: Path, n_axes: int) -> Iterator[Chunk]:
    """Yield the chunks in a folder, which has a level of folders for each axis."""
    with suppress(FileNotFoundError, NotADirectoryError):
        for name in os.listdir(folder):
            if not name.isdigit():  # a file that is still being written
                continue
            if n_axes == 1:
                yield (int(name),)
                continue
            for deeper in _listed(folder / name, n_axes - 1):
                yield int(name), *deeper

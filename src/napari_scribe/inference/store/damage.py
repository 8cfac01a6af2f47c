"""What a run has done, and what of it is still on disk: what is gone is done again.

A cleaner or a sync tool may delete in the folder of a run. zarr would read 0 there.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...errors import DamagedError
from ...io import (
    are_on_disk,
    chunks_of,
    chunks_on_disk,
    lost_chunks,
    remove_chunks,
    window_of,
)
from ...io.chunks import Chunk

if TYPE_CHECKING:
    from ..frame import FrameWork
    from .sinks import Folder

Place = tuple[Any, tuple[int | slice, ...]]
"""An array and a part of it."""
NUMBERED = "numbered"
"""Name under which blocks are recorded whose objects have their ids."""


def read_written(array: Any, index: tuple[int | slice, ...]) -> npt.NDArray[Any]:
    """Read a part of an array that was written before.

    Raises
    ------
    DamagedError
        If some of it is gone, or cannot be read. Then it is taken away, so that it counts as gone.
    """
    if isinstance(array, np.ndarray):
        return array[index]
    try:
        block = np.asarray(array[index])
    except (RuntimeError, ValueError) as error:  # of what decodes it
        remove_chunks(array, index)
        raise DamagedError(f"A part of {array.store_path} was damaged on the disk.") from error
    if not are_on_disk(array, index):  # asked after it was read, or it may go between
        raise DamagedError(f"A part of {array.store_path} was deleted.")
    return block


def remove_unreadable(arrays: Iterable[Any]) -> None:
    """Take away the chunks of arrays on disk that cannot be decoded.

    Raises
    ------
    DamagedError
        If there was one.
    """
    for array in arrays:
        for chunk in () if isinstance(array, np.ndarray) else chunks_on_disk(array):
            read_written(array, window_of(array, chunk))


@contextmanager
def gone_is_damage() -> Iterator[None]:
    """Tell files of a run that are not found from other failures.

    Raises
    ------
    DamagedError
        Instead of `FileNotFoundError`; and of `FileExistsError`, which making a folder raises that
        is deleted at that moment.
    """
    try:
        yield
    except (FileNotFoundError, FileExistsError) as error:
        raise DamagedError(f"A part of the work was deleted: {error}") from error


class OnDisk:
    """What arrays have on disk at one moment; each is listed once."""

    def __init__(self) -> None:
        self._chunks: dict[int, set[Chunk]] = {}

    def has(self, places: Iterable[Place]) -> bool:
        """Whether all of some places is there."""
        return all(
            chunk in self._listed(array)
            for array, index in places
            for chunk in chunks_of(array, index)
        )

    def _listed(self, array: Any) -> set[Chunk]:
        if id(array) not in self._chunks:
            self._chunks[id(array)] = chunks_on_disk(array)
        return self._chunks[id(array)]


def check_recorded(frames: Sequence[FrameWork], sink: Folder, patience: float) -> None:
    """Make sure that all that was recorded is on disk.

    Parameters
    ----------
    patience
        Seconds to wait until what other machines have written is seen.

    Raises
    ------
    DamagedError
        If it is not.
    """
    end = time.monotonic() + patience
    while True:
        sink.check_arrays()
        on_disk = OnDisk()
        if not any(any(frame.lost(on_disk)) for frame in frames):
            return
        if time.monotonic() > end:
            raise DamagedError(f"Parts of what was done in {sink.path} were deleted.")
        time.sleep(1.0)


def forget_lost(frames: Sequence[FrameWork], sink: Folder, results: Sequence[str]) -> None:
    """Take back the records of what is no longer on disk.

    Parameters
    ----------
    results
        Names of what objects that have their ids are written to: made anew, where objects are.
    """
    on_disk = OnDisk()
    lost = [frame.forget_lost(on_disk) for frame in frames]
    if any(lost):
        sink.unrecord(NUMBERED)
        for name in results:
            sink.drop(name)


def check_final(final: Any, found: Any) -> None:
    """Make sure that no chunk of the labels is gone that held some.

    Parameters
    ----------
    final
        Labels whose chunks full of 0 may have been left out.
    found
        What they were made from, with the same chunks: 0 at the same pixels. Or `final` itself, of
        which every chunk was written.

    Raises
    ------
    DamagedError
        If there is one.
    """
    lost = lost_chunks(final)
    if lost and (final is found or any(_has_labels(found, chunk) for chunk in lost)):
        raise DamagedError(f"Parts of {final.store_path} were deleted.")


def _has_labels(found: Any, chunk: Chunk) -> bool:
    return bool(read_written(found, window_of(found, chunk)).any())


def forget_lost_ids(frames: Sequence[FrameWork], final: Any, sink: Folder) -> None:
    """Take back the records of blocks whose ids were written to `final` and are gone from it."""
    on_disk = OnDisk()
    lost = [
        frame.block_name(block)
        for frame in frames
        for block in frame.parts.blocks
        if sink.is_done(NUMBERED, frame.block_name(block))
        and not on_disk.has([(final, frame.at(block.core))])
    ]
    sink.unrecord(NUMBERED, lost)

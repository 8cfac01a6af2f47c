"""Hold the work on all frames of a run, and do it in this process."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import DamagedError
from ..io import create_zarr, is_zarr_name, written_whole
from .frame import NUMBERED, FrameWork, Parts
from .plan import Plan
from .retry import RetryingPredictor
from .source import Source
from .stitch import MARGIN, SIDE, Block, plan_blocks
from .store.damage import OnDisk
from .store.results import head_of, smallest_type
from .store.sinks import Array, Folder, Memory
from .tiles import Tile

Progress = Generator[tuple[FrameWork, int], None, None]
"""Yields a frame, and how many of its parts have been done since the last time."""
CHUNK = {2: (1, 1, 512, 512), 3: (1, 16, 128, 128)}
"""Chunks of labels, in TZYX, for 2D and 3D networks; blocks are multiples of it."""


@dataclass(frozen=True)
class Work:
    """Hold the work on all frames, and the arrays that it writes to.

    Parameters
    ----------
    source
        A model, and the region of an image that it answers.
    sink
        Where the work is kept until the output is whole.
    out
        Path of the output; a zarr grows in the sink under its name.
    parts
        Parts of each frame.
    labels
        Array of the answer. Labels of objects are counted from 1 in each block.
    maps
        Name -> array ``(channels, *label shape)`` of the maps that are saved.
    frames
        The work on each frame.
    """

    source: Source
    sink: Memory | Folder
    out: Path | None
    parts: Parts
    labels: Array
    maps: Mapping[str, Array]
    frames: tuple[FrameWork, ...]

    @property
    def n_parts(self) -> int:
        """Return the number of parts of all frames."""
        return len(self.frames) * len(self.parts)

    @property
    def is_whole(self) -> bool:
        """Return whether every part of every frame was recorded."""
        return all(frame.is_whole for frame in self.frames)

    def run(self, predictor: RetryingPredictor, share: int = 1, n_shares: int = 1) -> Progress:
        """Do what is not done: tiles, and each block as soon as its tiles are predicted.

        Parameters
        ----------
        share, n_shares
            Which share of the work this process does, such as the third of 16.
        """
        n_units = self.parts.n_units
        for i, frame in enumerate(self.frames):
            first, n_all = i * n_units, n_units * len(self.frames)
            mine = {n for n in range(n_units) if (first + n) * n_shares // n_all == share - 1}
            tiles, blocks = _left(frame, mine)
            read, n_before = self.source.reader(frame.frame), 0
            for n in itertools.chain([0], predictor.predict(tiles, read, frame.write_tile)):
                if n:
                    yield frame, n - n_before
                    n_before = n
                while blocks and frame.is_ready(blocks[0]):
                    frame.decode_block(blocks.popleft())
                    yield frame, 1
            if frame.is_whole:
                frame.finish()

    def output(self, dtype: npt.DTypeLike) -> Array:
        """Return the array on disk for the final answer."""
        return _output(self.source, self.sink, self.out, self.parts, dtype)

    def check_recorded(self, patience: float) -> None:
        """Check that all that was recorded is on disk.

        Parameters
        ----------
        patience
            Seconds to wait until this machine sees what other machines have written.

        Raises
        ------
        DamagedError
            If it is not.
        """
        assert isinstance(self.sink, Folder)
        end = time.monotonic() + patience
        while True:
            self.sink.check_arrays()
            on_disk = OnDisk()
            if not any(any(frame.lost_parts(on_disk)) for frame in self.frames):
                return
            if time.monotonic() > end:
                raise DamagedError(f"Parts of what was done in {self.sink.path} were deleted.")
            time.sleep(1.0)

    def forget_lost(self) -> None:
        """Remove the records of what is no longer on disk, and the final labels made from it."""
        on_disk = OnDisk()
        lost = [frame.forget_lost(on_disk) for frame in self.frames]
        if any(lost):
            self.sink.unrecord(NUMBERED)
            if self.parts.blocks and self.out is not None:
                self.sink.drop(_final_name(self.out))

    def forget_lost_ids(self, final: Array, frames: Sequence[FrameWork]) -> None:
        """Remove the records of blocks whose ids are gone from the final labels."""
        on_disk = OnDisk()
        lost = [
            frame.block_name(block)
            for frame in frames
            for block in self.parts.blocks
            if frame.is_numbered(block) and not on_disk.has([(final, frame.index_of(block.core))])
        ]
        self.sink.unrecord(NUMBERED, lost)


def open_work(
    source: Source, plan: Plan, sink: Memory | Folder, out: Path | None, maps: Sequence[str]
) -> Work:
    """Divide the work into parts, and open the arrays that it writes to."""
    blocks = []
    if not source.model.coder.is_pixelwise:
        n = source.model.dimensions
        blocks = plan_blocks(source.frame_shape, SIDE[n], MARGIN[n])
    parts = Parts(tuple(plan.tiles(source)), tuple(blocks))
    labels = _labels(source, sink, out, parts)
    opened = {name: _map(name, source, sink, parts) for name in maps}
    by_head = {head_of(name, source).name: array for name, array in opened.items()}
    frames = tuple(
        FrameWork(source, frame, f"frame-{i}", sink, parts, labels, by_head)
        for i, frame in enumerate(source.frames())
    )
    return Work(source, sink, out, parts, labels, opened, frames)


def _left(frame: FrameWork, mine: set[int]) -> tuple[list[Tile], deque[Block]]:
    """Return the tiles and blocks of some units that are not done.

    A block that needs a tile of another process's share is left to the run that finishes the work.
    """
    if frame.is_finished:
        return [], deque()
    parts = frame.parts
    numbers = parts.numbers_for(mine)
    predicted_here = set(numbers)
    blocks = deque(
        block
        for unit, block in enumerate(parts.blocks)
        if unit in mine
        and not frame.is_decoded(block)
        and all(
            i in predicted_here or frame.is_predicted(parts.tiles[i])
            for i in parts.tiles_of[block.index]
        )
    )
    return [t for i in numbers if not frame.is_predicted(t := parts.tiles[i])], blocks


def _labels(source: Source, sink: Memory | Folder, out: Path | None, parts: Parts) -> Array:
    """Return the array that tiles or blocks are written to."""
    if isinstance(sink, Memory):
        dtype = source.dtype if source.is_image else np.dtype(np.int32)
        return sink.array("labels", source.shape, dtype, source.shape)
    if parts.blocks:
        return sink.array("provisional", source.shape, np.int32, _chunks(source, parts))
    if source.is_image:
        return _output(source, sink, out, parts, source.dtype)
    largest = max(source.model.painted) - source.model.offset
    return _output(source, sink, out, parts, smallest_type(largest))


def _map(name: str, source: Source, sink: Memory | Folder, parts: Parts) -> Array:
    """Return the array that a map is written to, ``(channels, *label shape)``."""
    n, shape = head_of(name, source).channels, source.label_shape
    side = parts.tiles[0].kept_shape
    chunks = [n, *[1] * (len(shape) - len(side)), *side]
    return sink.array(name, (n, *shape), np.float16, chunks)


def _output(
    source: Source, sink: Memory | Folder, out: Path | None, parts: Parts, dtype: npt.DTypeLike
) -> Array:
    """Return the array on disk for the final answer: within the zarr of an output, if it is one."""
    assert isinstance(sink, Folder)
    chunks = _chunks(source, parts)
    if out is None or not is_zarr_name(out):
        return sink.array("labels", source.shape, dtype, chunks)
    create = partial(
        create_zarr,
        shape=source.shape,
        dtype=dtype,
        axes=source.axes,
        scale=source.image.scale,
        units=source.image.units,
        chunks=chunks,
        translate=source.translate,
    )
    array = sink.open_or_create(out.name, "0", create)
    # Of objects, chunks full of 0 may be left out: the provisional labels tell which these are.
    return array if parts.blocks else written_whole(array)


def _chunks(source: Source, parts: Parts) -> list[int]:
    """Return the chunks of labels, along the axes of the answer."""
    n, shape = source.model.dimensions, source.shape
    side = CHUNK[n] if parts.blocks else parts.tiles[0].kept_shape
    padded = ((1,) * len(shape) + tuple(side))[-len(shape) :]
    return [min(c, n) for c, n in zip(padded, shape, strict=True)]


def _final_name(out: Path) -> str:
    """Return the name in the sink of the final labels of objects."""
    return out.name if is_zarr_name(out) else "labels"

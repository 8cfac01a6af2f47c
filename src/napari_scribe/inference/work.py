"""Divide a run into tiles and blocks, do these parts in this process, and record each.

`Work` holds all frames of a run. `FrameWork` does the parts of one frame.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..arrays import Array as ReadableArray
from ..errors import DamagedError
from ..image import Frame
from ..io import create_zarr, is_zarr_name
from ..io.chunks import with_empty_chunks
from ..io.files import is_in_image
from ..io.ngff_labels import options_of, zarr_format
from ..targets import count_channels
from ..windows import Window
from .engine import by_head
from .own_pixels import NUMBERS, RENUMBERED, RESAMPLED, OwnPixels
from .plan import Plan
from .retry import RetryingPredictor
from .source import Source
from .stitch import MARGIN, SIDE, Block, Index, crop_to_core, merge, plan_blocks
from .store.damage import OnDisk, Place, missing_is_damage, read_written
from .store.results import head_of
from .store.sinks import Array, Folder, Memory, Sink
from .tiles import Tile

CHUNK = {2: (1, 1, 512, 512), 3: (1, 16, 128, 128)}
"""Shape of a chunk of labels, in TZYX, for 2D and 3D networks. Blocks are multiples of it."""
FINISHED = "frames"
"""Name under which frames are recorded whose predictions are no longer needed."""
NUMBERED = "numbered"
"""Name under which blocks are recorded whose objects have their ids."""
IDS = "ids"
"""Name of the labels with their ids on the working grid, where that is another grid."""


@dataclass(frozen=True)
class Parts:
    """Hold the parts of a frame; all frames have the same.

    Parameters
    ----------
    tiles
        Each tile goes through the network.
    blocks
        Each block is decoded into objects. Without blocks each tile is decoded by itself.
    """

    tiles: tuple[Tile, ...]
    blocks: tuple[Block, ...]

    def __len__(self) -> int:
        return len(self.tiles) + len(self.blocks)

    @cached_property
    def tiles_of(self) -> Mapping[Index, list[int]]:
        """Return, for each block, the numbers of the tiles that its window overlaps."""
        sides = self.tiles[0].kept_shape
        counts = [max(t.keep[a].start for t in self.tiles) // n + 1 for a, n in enumerate(sides)]
        numbers = {}
        for block in self.blocks:
            spans = [
                range(w.start // n, -(-w.stop // n))
                for w, n in zip(block.window, sides, strict=True)
            ]
            places = np.array(list(itertools.product(*spans))).T
            numbers[block.index] = np.ravel_multi_index(tuple(places), counts).tolist()
        return numbers

    @cached_property
    def units(self) -> list[list[int]]:
        """Return the numbers of the tiles of each unit that processes share.

        A unit is a block, with the tiles that no earlier block needs. Without blocks, it is a tile.
        """
        if not self.blocks:
            return [[i] for i in range(len(self.tiles))]
        earlier: set[int] = set()
        units = []
        for block in self.blocks:
            units.append([i for i in self.tiles_of[block.index] if i not in earlier])
            earlier.update(units[-1])
        return units


@dataclass(frozen=True)
class FrameWork:
    """Do and record the parts of one frame.

    Parameters
    ----------
    source, frame
        The model and its image, and one of its frames.
    name
        Name of the frame in the sink.
    sink
        Storage of predictions and records.
    parts
        Tiles and blocks of the frame.
    labels
        Array of the whole answer. Labels of objects are counted from 1 in each block.
    maps
        Head name -> array ``(channels, *labels)`` of the predictions that are saved.
    """

    source: Source
    frame: Frame
    name: str
    sink: Sink
    parts: Parts
    labels: Array
    maps: Mapping[str, Array]

    @property
    def is_whole(self) -> bool:
        """Return whether every part was recorded."""
        if self.is_finished:
            return True
        blocks, tiles = self.parts.blocks, self.parts.tiles
        return all(map(self.is_decoded, blocks)) if blocks else all(map(self.is_predicted, tiles))

    @property
    def is_finished(self) -> bool:
        """Return whether every part is done, and the predictions may have been deleted."""
        return self.sink.is_done(FINISHED, self.name)

    @property
    def n_done(self) -> int:
        """Return how many parts were recorded."""
        if self.is_whole:
            return len(self.parts)
        return sum(map(self.is_predicted, self.parts.tiles)) + sum(
            map(self.is_decoded, self.parts.blocks)
        )

    def is_predicted(self, tile: Tile) -> bool:
        """Return whether a tile has gone through the network."""
        return self.sink.is_done(f"{self.name}/tiles", tile.key)

    def is_decoded(self, block: Block) -> bool:
        """Return whether the objects of a block were found."""
        return self.sink.is_done("objects", self.block_name(block))

    def is_ready(self, block: Block) -> bool:
        """Return whether all tiles that a block overlaps have gone through the network."""
        return all(self.is_predicted(self.parts.tiles[i]) for i in self.parts.tiles_of[block.index])

    def write_tile(self, tile: Tile, answer: np.ndarray) -> None:
        """Write the network's answer for a tile, ``(channels, *keep)``, then record it."""
        model = self.source.model
        by_name = by_head(answer, model.encoding.heads)
        self.sink.check()
        with missing_is_damage():
            if self.parts.blocks:
                self._prediction()[(slice(None), *tile.keep)] = answer
            else:
                decoded = model.encoding.decode(by_name, model.parameters)
                self.labels[self.index_of(tile.keep)] = self.source.to_output(decoded)
            for head, array in self.maps.items():
                array[(slice(None), *self.index_of(tile.keep))] = by_name[head]
            self.sink.record(f"{self.name}/tiles", tile.key)

    def decode_block(self, block: Block) -> None:
        """Find the objects of a block, then record it.

        Raises
        ------
        DamagedError
            If a prediction that the block needs is missing.
        """
        model = self.source.model
        stored = read_written(self._prediction(), (slice(None), *block.window))
        prediction = torch.from_numpy(stored).float().numpy()  # numpy is slow with float16
        decoded = model.encoding.decode(by_head(prediction, model.encoding.heads), model.parameters)
        core, n_objects, zones = crop_to_core(decoded, block, self.source.frame_shape)
        self.sink.check()
        with missing_is_damage():
            self.labels[self.index_of(block.core)] = core
            name = self.block_name(block)
            self.sink.save(f"objects/{name}", n=np.array(n_objects), **zones)
            self.sink.record("objects", name)

    def decode_partly(self) -> None:
        """Decode the blocks that are left, from the tiles that are predicted."""
        for block in self.parts.blocks:
            if not self.is_decoded(block):
                self.decode_block(block)

    def finish(self) -> None:
        """Record that every part is done, and delete the predictions."""
        if not self.is_finished:
            self.sink.record(FINISHED, self.name)
        self.sink.drop(f"{self.name}/")

    def merge_blocks(self) -> tuple[dict[Index, npt.NDArray[np.int32]], int]:
        """Return a table from labels to ids of objects for each block, and the number of objects.

        Raises
        ------
        DamagedError
            If what was saved of a block is missing.
        """
        blocks = {block.index: block for block in self.parts.blocks}

        def saved(index: Index, key: str) -> np.ndarray:
            array = self.sink.load(f"objects/{self.block_name(blocks[index])}", key)
            if array is None:
                raise DamagedError(f"The objects of block {index} were deleted or damaged.")
            return array

        return merge({index: int(saved(index, "n")) for index in blocks}, saved)

    def write_ids(self, block: Block, table: npt.NDArray[np.int32], final: Array) -> None:
        """Write the ids of the objects of a block to the final labels, then record it."""
        index = self.index_of(block.core)
        self.sink.check()
        final[index] = table[read_written(self.labels, index)].astype(final.dtype)
        self.sink.record(NUMBERED, self.block_name(block))

    def is_numbered(self, block: Block) -> bool:
        """Return whether the ids of the objects of a block were written."""
        return self.sink.is_done(NUMBERED, self.block_name(block))

    def lost_parts(self, on_disk: OnDisk) -> tuple[list[Tile], list[Block]]:
        """Return the tiles and blocks that were done and are no longer on disk."""
        is_finished = self.is_finished
        tiles = [
            tile
            for tile in self.parts.tiles
            if (is_finished or self.is_predicted(tile)) and not on_disk.has(self._places(tile))
        ]
        blocks = [
            block
            for block in self.parts.blocks
            if (is_finished or self.is_decoded(block))
            and not (
                self.sink.has(f"objects/{self.block_name(block)}")
                and on_disk.has([(self.labels, self.index_of(block.core))])
            )
        ]
        return tiles, blocks

    def forget_lost(self, on_disk: OnDisk) -> bool:
        """Remove the records of parts that are no longer on disk; return whether there were any."""
        tiles, blocks = self.lost_parts(on_disk)
        if tiles or blocks:
            self.sink.unrecord(FINISHED, {self.name})
            self.sink.unrecord(f"{self.name}/tiles", {tile.key for tile in tiles})
            self.sink.unrecord("objects", set(map(self.block_name, blocks)))
        return bool(tiles or blocks)

    def _places(self, tile: Tile) -> list[Place]:
        """Return the places where the answer for a tile is stored and still needed."""
        index = self.index_of(tile.keep)
        places: list[Place] = [(array, (slice(None), *index)) for array in self.maps.values()]
        if not self.parts.blocks:
            places.append((self.labels, index))
        elif not self.is_finished:
            places.append((self._prediction(), (slice(None), *tile.keep)))
        return places

    def block_name(self, block: Block) -> str:
        """Return the name of a block in the whole run."""
        return f"{self.name}-" + "-".join(str(i) for i in block.index)

    def _prediction(self) -> Array:
        channels = count_channels(self.source.model.encoding.heads)
        shape = (channels, *self.source.frame_shape)
        chunks = (channels, *self.parts.tiles[0].kept_shape)
        return self.sink.array(f"{self.name}/prediction", shape, np.float16, chunks)

    def index_of(self, window: Sequence[slice]) -> tuple[int | slice, ...]:
        """Return the index of a window of the frame in the answer."""
        return self.source.index_of(self.frame, window)


Progress = Generator[tuple[FrameWork, int], None, None]
"""Yield a frame, and how many of its parts were done since the last yield."""


@dataclass(frozen=True)
class Work:
    """Hold the work on all frames, and the arrays that it writes to.

    Parameters
    ----------
    source
        A model, and the region of an image that it is applied to.
    plan
        What is decided for the run.
    sink
        Storage of the work until the output is whole.
    out
        Path of the output. A zarr is written in the sink under its name.
    map_names
        Names of the maps that are saved.
    """

    source: Source
    plan: Plan
    sink: Sink
    out: Path | None
    map_names: Sequence[str]

    @cached_property
    def parts(self) -> Parts:
        """Return the parts of each frame."""
        source, blocks = self.source, list[Block]()
        if not source.model.encoding.is_pixelwise:
            n = source.model.dimensions
            blocks = plan_blocks(source.frame_shape, SIDE[n], MARGIN[n])
        return Parts(tuple(self.plan.tiles(source)), tuple(blocks))

    @cached_property
    def labels(self) -> Array:
        """Return the array of the answer. Labels of objects are counted from 1 in each block."""
        source, sink = self.source, self.sink
        if isinstance(sink, Memory):
            dtype = source.dtype if source.is_image else np.dtype(np.int32)
            return sink.array("labels", source.shape, dtype, source.shape)
        if self.parts.blocks:
            return sink.array("provisional", source.shape, np.int32, self._chunks())
        if source.is_image:
            return self.output(source.dtype)
        return self.ids(np.min_scalar_type(max(source.model.painted) - source.model.offset))

    @cached_property
    def maps(self) -> Mapping[str, Array]:
        """Return the arrays ``(channels, *label shape)`` of the maps that are saved, by name."""
        shape, kept_shape = self.source.label_shape, self.parts.tiles[0].kept_shape
        chunks = [*[1] * (len(shape) - len(kept_shape)), *kept_shape]
        counts = {name: head_of(name, self.source).channels for name in self.map_names}
        return {
            name: self.sink.array(name, (n, *shape), np.float16, [n, *chunks])
            for name, n in counts.items()
        }

    @cached_property
    def frames(self) -> tuple[FrameWork, ...]:
        """Return the work on each frame."""
        source, parts, labels = self.source, self.parts, self.labels
        maps = {head_of(name, source).name: array for name, array in self.maps.items()}
        return tuple(
            FrameWork(source, frame, f"frame-{i}", self.sink, parts, labels, maps)
            for i, frame in enumerate(source.frames())
        )

    @cached_property
    def own(self) -> OwnPixels | None:
        """Return what brings the answer back to the image's own pixels; None if it is on them."""
        return OwnPixels(self.source) if self.source.original is not None else None

    @cached_property
    def own_windows(self) -> list[tuple[Frame, Window, str]]:
        """Return the windows of the image's own pixels that are written in the end."""
        return list(self.own.windows()) if self.own is not None else []

    @property
    def so_far(self) -> ReadableArray:
        """Return what is made of the answer, on the image's own pixels; quick to read."""
        return self.labels if self.own is None else self.own.rough_labels(self.labels)

    @property
    def answer(self) -> ReadableArray:
        """Return the answer on the image's own pixels."""
        return self.labels if self.own is None else self.own.labels(self.labels)

    @property
    def maps_so_far(self) -> Mapping[str, Any]:
        """Return what is made of the maps, on the image's own pixels."""
        if self.own is None:
            return self.maps
        return {name: self.own.map(array) for name, array in self.maps.items()}

    @property
    def n_parts(self) -> int:
        """Return the number of parts of all frames."""
        return len(self.frames) * len(self.parts)

    @property
    def n_steps(self) -> int:
        """Return the number of parts. Blocks count twice: they are decoded, and numbered.

        Windows that are brought to the image's own pixels are parts, too.
        """
        n_blocks = len(self.frames) * len(self.parts.blocks)
        return self.n_parts + n_blocks + len(self.own_windows)

    @property
    def n_tiles(self) -> int:
        """Return the number of tiles of all frames."""
        return len(self.frames) * len(self.parts.tiles)

    @property
    def is_whole(self) -> bool:
        """Return whether every part of every frame was recorded."""
        return all(frame.is_whole for frame in self.frames)

    def run(self, predictor: RetryingPredictor, share: int = 1, n_shares: int = 1) -> Progress:
        """Do the remaining parts: tiles, and each block as soon as its tiles are predicted.

        Parameters
        ----------
        share, n_shares
            Number of the share that this process does, from 1, and number of shares.
        """
        n_units = len(self.parts.units)
        for i, frame in enumerate(self.frames):
            first, n_all = i * n_units, n_units * len(self.frames)
            my_units = [n for n in range(n_units) if (first + n) * n_shares // n_all == share - 1]
            tiles, blocks = _remaining(frame, my_units)
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

    def ids(self, dtype: npt.DTypeLike) -> Array:
        """Return the array on disk for the labels of objects with their ids."""
        if self.own is None:
            return self.output(dtype)
        return self.sink.array(IDS, self.source.shape, dtype, self._chunks())

    def output(self, dtype: npt.DTypeLike) -> Array:
        """Return the array on disk for the final answer. If the output is a zarr, it lies in it."""
        assert isinstance(self.sink, Folder)
        source, out, chunks = self.source.own, self.out, self._chunks(self.source.own.shape)
        if out is None or not is_zarr_name(out):
            return self.sink.array("labels", source.shape, dtype, chunks)
        image = source.image
        place = {"scale": image.scale, "units": image.units, "translate": source.translate}
        options = options_of(out) if is_in_image(out) else place
        create = partial(
            create_zarr,
            shape=source.shape,
            dtype=dtype,
            axes=source.axes,
            chunks=chunks,
            **options,
        )
        array = self.sink.open_or_create(out.name, "0", create, zarr_format(out))
        # For objects, chunks full of 0 need not be on disk: the provisional labels tell which they
        # are, if they are on the same grid.
        is_told = bool(self.parts.blocks) and self.own is None
        return array if is_told else with_empty_chunks(array)

    def _chunks(self, shape: tuple[int, ...] | None = None) -> list[int]:
        """Return the chunks of labels of some shape, by default that of the answer."""
        shape = self.source.shape if shape is None else shape
        sides = self.parts.tiles[0].kept_shape
        if self.parts.blocks:
            sides = CHUNK[self.source.model.dimensions]
        padded = ((1,) * len(shape) + sides)[-len(shape) :]
        return [min(c, n) for c, n in zip(padded, shape, strict=True)]

    def check_recorded(self, patience: float) -> None:
        """Check that every recorded part is on disk.

        Parameters
        ----------
        patience
            Seconds to wait until this machine sees what other machines have written.

        Raises
        ------
        DamagedError
            If a part is missing.
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
        """Remove the records of parts that are no longer on disk.

        If there are any, the final labels are deleted, because they were made from these parts.
        """
        on_disk = OnDisk()
        lost = [frame.forget_lost(on_disk) for frame in self.frames]
        if any(lost):
            self.sink.unrecord(NUMBERED)
            self.sink.unrecord(RESAMPLED)
            self.sink.unrecord(RENUMBERED)
            self.sink.drop(NUMBERS.partition("/")[0])
            if self.parts.blocks and self.out is not None:
                self.sink.drop(self.out.name if is_zarr_name(self.out) else "labels")
                if self.own is not None:
                    self.sink.drop(IDS)

    def forget_lost_ids(self, final: Array, frames: Sequence[FrameWork]) -> None:
        """Remove the records of blocks whose ids are missing from the final labels."""
        on_disk = OnDisk()
        lost = [
            frame.block_name(block)
            for frame in frames
            for block in self.parts.blocks
            if frame.is_numbered(block) and not on_disk.has([(final, frame.index_of(block.core))])
        ]
        self.sink.unrecord(NUMBERED, lost)


def _remaining(frame: FrameWork, my_units: Sequence[int]) -> tuple[list[Tile], deque[Block]]:
    """Return the tiles and blocks of some units that are not done.

    A block is left out if it needs a tile that is in another process's share and not done. The run
    that finishes the work decodes it.
    """
    if frame.is_finished:
        return [], deque()
    parts = frame.parts
    numbers = [i for unit in my_units for i in parts.units[unit]]
    predicted_here = set(numbers)
    blocks = deque(
        block
        for block in (parts.blocks[unit] for unit in my_units if parts.blocks)
        if not frame.is_decoded(block)
        and all(
            i in predicted_here or frame.is_predicted(parts.tiles[i])
            for i in parts.tiles_of[block.index]
        )
    )
    return [t for i in numbers if not frame.is_predicted(t := parts.tiles[i])], blocks

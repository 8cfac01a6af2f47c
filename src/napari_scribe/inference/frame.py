"""Do the work on one frame: run its tiles, decode its blocks, and record each part."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from ..errors import DamagedError
from ..image import Frame
from ..targets import count_channels
from .engine import by_head
from .source import Source
from .stitch import Block, Index, crop_to_core, merge
from .store.damage import OnDisk, Place, missing_is_damage, read_written
from .store.sinks import Array, Sink
from .tiles import Tile

FINISHED = "frames"
"""Name under which frames are recorded whose predictions are no longer needed."""
NUMBERED = "numbered"
"""Name under which blocks are recorded whose objects have their ids."""


@dataclass(frozen=True)
class Parts:
    """Hold the parts that each frame is divided into.

    Parameters
    ----------
    tiles
        Each tile goes through the network.
    blocks
        Each block is decoded into objects. Without blocks each tile is decoded at once.
    """

    tiles: tuple[Tile, ...]
    blocks: tuple[Block, ...]

    def __len__(self) -> int:
        return len(self.tiles) + len(self.blocks)

    @property
    def n_units(self) -> int:
        """Return the number of blocks, else of tiles: what is shared out to processes."""
        return len(self.blocks) or len(self.tiles)

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

    def numbers_for(self, units: Collection[int]) -> list[int]:
        """Return the numbers of the tiles for some units, ordered by the block that needs them."""
        if not self.blocks:
            return sorted(units)
        return [i for unit in sorted(units) for i in self._first_needed_by[unit]]

    @cached_property
    def _first_needed_by(self) -> list[list[int]]:
        """Return, for each block, the numbers of its tiles that no block before it needs."""
        seen: set[int] = set()
        numbers = []
        for block in self.blocks:
            numbers.append([i for i in self.tiles_of[block.index] if i not in seen])
            seen.update(numbers[-1])
        return numbers


@dataclass(frozen=True)
class FrameWork:
    """Do and record the parts of one frame. Parts that were recorded before are not done again.

    Parameters
    ----------
    source, frame
        The model and its image, and the frame.
    name
        Name of the frame in the sink.
    sink
        Where predictions and records are kept.
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
        by_name = by_head(answer, model.coder.heads)
        self.sink.check()
        with missing_is_damage():
            if self.parts.blocks:
                self._prediction()[(slice(None), *tile.keep)] = answer
            else:
                decoded = model.coder.decode(by_name, model.parameters)
                self.labels[self.index_of(tile.keep)] = self.source.to_output(decoded)
            for head, array in self.maps.items():
                array[(slice(None), *self.index_of(tile.keep))] = by_name[head]
            self.sink.record(f"{self.name}/tiles", tile.key)

    def decode_block(self, block: Block) -> None:
        """Find the objects of a block, then record it.

        Raises
        ------
        DamagedError
            If a prediction that it needs is gone.
        """
        model = self.source.model
        stored = read_written(self._prediction(), (slice(None), *block.window))
        prediction = torch.from_numpy(stored).float().numpy()  # numpy is slow with float16
        decoded = model.coder.decode(by_head(prediction, model.coder.heads), model.parameters)
        core, objects = crop_to_core(decoded, block, self.source.frame_shape)
        self.sink.check()
        with missing_is_damage():
            self.labels[self.index_of(block.core)] = core
            name = self.block_name(block)
            self.sink.save(f"objects/{name}", n=np.array(objects.n), **objects.zones)
            self.sink.record("objects", name)

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
            If what was saved of a block is gone.
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
        """Remove the records of what is no longer on disk; return whether there was any.

        If the predictions were deleted, all tiles are run once more.
        """
        tiles, blocks = self.lost_parts(on_disk)
        if tiles or blocks:
            self.sink.unrecord(FINISHED, {self.name})
            self.sink.unrecord(f"{self.name}/tiles", {tile.key for tile in tiles})
            self.sink.unrecord("objects", set(map(self.block_name, blocks)))
        return bool(tiles or blocks)

    def _places(self, tile: Tile) -> list[Place]:
        """Return where the answer for a tile is stored, as long as it is needed."""
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
        channels = count_channels(self.source.model.coder.heads)
        shape = (channels, *self.source.frame_shape)
        chunks = (channels, *self.parts.tiles[0].kept_shape)
        return self.sink.array(f"{self.name}/prediction", shape, np.float16, chunks)

    def index_of(self, window: Sequence[slice]) -> tuple[int | slice, ...]:
        """Return the index of a window of the frame in the answer."""
        return self.source.index_of(self.frame, window)

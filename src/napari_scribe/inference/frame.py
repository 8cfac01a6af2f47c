"""One frame through one model, part by part, into a sink: tiles, and objects block by block."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..errors import DamagedError
from ..image import Frame
from ..targets import count_channels
from .engine import Write, by_head
from .reading import Read
from .source import Source
from .stitch import Block, Index, keep_core, merge
from .store.damage import OnDisk, Place, gone_is_damage, read_written
from .store.in_memory import Sink
from .tiles import Tile

Predict = Callable[[Sequence[Tile], Read, Write], Iterator[int]]
"""Runs a network over tiles, as `Ladder.predict` does."""
FRAMES = "frames"
"""Name under which frames are recorded whose predictions are no longer needed."""


@dataclass(frozen=True)
class Parts:
    """What the work on each frame consists of.

    Parameters
    ----------
    tiles
        Each goes through the network.
    blocks
        Each is made into objects; without any, each tile becomes labels at once.
    """

    tiles: tuple[Tile, ...]
    blocks: tuple[Block, ...]

    @property
    def n_units(self) -> int:
        """Number of blocks, else of tiles: what is shared out to processes."""
        return len(self.blocks) or len(self.tiles)

    @cached_property
    def tiles_of(self) -> Mapping[Index, list[int]]:
        """For each block, the numbers of the tiles that it looks at."""
        sides = self.tiles[0].kept_shape
        counts = [max(t.keep[a].start for t in self.tiles) // n + 1 for a, n in enumerate(sides)]
        found = {}
        for block in self.blocks:
            spans = [
                range(w.start // n, -(-w.stop // n))
                for w, n in zip(block.window, sides, strict=True)
            ]
            places = np.array(list(itertools.product(*spans))).T
            found[block.index] = np.ravel_multi_index(tuple(places), counts).tolist()
        return found

    def numbers_for(self, mine: Collection[int]) -> list[int]:
        """Numbers of the tiles for some of the units, those first that the first block needs."""
        if not self.blocks:
            return sorted(mine)
        return [i for unit in sorted(mine) for i in self._first_needed_by[unit]]

    @cached_property
    def _first_needed_by(self) -> list[list[int]]:
        """For each block, the numbers of the tiles that it looks at and none before it does."""
        seen: set[int] = set()
        found = []
        for block in self.blocks:
            found.append([i for i in self.tiles_of[block.index] if i not in seen])
            seen.update(found[-1])
        return found


@dataclass(frozen=True)
class FrameWork:
    """The work on one frame. What was recorded in the sink before is not done again.

    Parameters
    ----------
    source, frame
        What is looked at.
    name
        Of the frame in the sink.
    sink
        Where predictions and records are.
    parts
        Tiles and blocks.
    labels
        Array of the whole answer to write to: of objects, labels that each block counts from 1;
        of a denoiser, an image.
    maps
        Head -> array ``(channels, *labels)`` of what the network says, where that is kept.
    """

    source: Source
    frame: Frame
    name: str
    sink: Sink
    parts: Parts
    labels: Any
    maps: Mapping[str, Any]

    @property
    def is_whole(self) -> bool:
        """Whether every part was recorded."""
        if self.sink.is_done(FRAMES, self.name):
            return True
        blocks, tiles = self.parts.blocks, self.parts.tiles
        return all(map(self.is_found, blocks)) if blocks else all(map(self.is_predicted, tiles))

    def is_predicted(self, tile: Tile) -> bool:
        """Whether a tile has gone through the network."""
        return self.sink.is_done(f"{self.name}/tiles", tile_key(tile))

    def is_found(self, block: Block) -> bool:
        """Whether the objects of a block are there."""
        return self.sink.is_done("objects", self.block_name(block))

    def is_ready(self, block: Block) -> bool:
        """Whether all tiles that a block looks at have gone through the network."""
        return all(self.is_predicted(self.parts.tiles[i]) for i in self._needed(block))

    def run(self, predict: Predict, mine: Collection[int]) -> Iterator[int]:
        """Do what is not done: tiles, and each block as soon as its tiles are.

        Parameters
        ----------
        mine
            Numbers of the blocks (tiles, where there are none) that this process works on.

        Yields
        ------
        done
            How many parts have been done here.
        """
        if self.sink.is_done(FRAMES, self.name):
            return
        tiles, numbers = self.parts.tiles, self.parts.numbers_for(mine)
        left = [tiles[i] for i in numbers if not self.is_predicted(tiles[i])]
        there = set(numbers)
        # A block beside another process's share waits for its tiles: the last run finds it.
        todo = deque(
            block
            for unit, block in enumerate(self.parts.blocks)
            if unit in mine
            and not self.is_found(block)
            and all(i in there or self.is_predicted(tiles[i]) for i in self._needed(block))
        )
        n_found = 0
        predicted = predict(left, self.source.reader(self.frame), self.keep_answer)
        for n_predicted in itertools.chain([0], predicted):
            if n_predicted:
                yield n_predicted + n_found
            while todo and self.is_ready(todo[0]):
                self.find_objects(todo.popleft())
                n_found += 1
                yield n_predicted + n_found

    def keep_answer(self, tile: Tile, answer: npt.NDArray[Any]) -> None:
        """Write what the network says of a tile, ``(channels, *keep)``, then record it."""
        model = self.source.model
        by_name = by_head(answer, model.coder.heads)
        self.sink.check()
        with gone_is_damage():
            if self.parts.blocks:
                self._prediction()[(slice(None), *tile.keep)] = answer
            else:
                answered = self.source.finished(model.coder.decode(by_name, model.parameters))
                self.labels[self.at(tile.keep)] = answered
            for head, array in self.maps.items():
                array[(slice(None), *self.at(tile.keep))] = by_name[head]
            self.sink.record(f"{self.name}/tiles", tile_key(tile))

    def find_objects(self, block: Block) -> None:
        """Find the objects of a block, then record it.

        Raises
        ------
        DamagedError
            If a prediction that it looks at is gone.
        """
        model = self.source.model
        stored = read_written(self._prediction(), (slice(None), *block.window))
        window = torch.from_numpy(stored).float().numpy()  # numpy is slow with float16
        decoded = model.coder.decode(by_head(window, model.coder.heads), model.parameters)
        core, found = keep_core(decoded, block, self.source.frame_shape)
        self.sink.check()
        with gone_is_damage():
            self.labels[self.at(block.core)] = core
            self.sink.save(f"objects/{self.block_name(block)}", n=np.array(found.n), **found.zones)
            self.sink.record("objects", self.block_name(block))

    def close(self) -> None:
        """Let go of the predictions: every part is done."""
        if not self.sink.is_done(FRAMES, self.name):
            self.sink.record(FRAMES, self.name)
        self.sink.drop(f"{self.name}/")

    def tables(self) -> tuple[dict[Index, npt.NDArray[np.int32]], int]:
        """From the labels of each block to ids of the frame's objects; how many there are.

        Raises
        ------
        DamagedError
            If what was kept of them is damaged.
        """
        blocks = {block.index: block for block in self.parts.blocks}

        def kept(index: Index, key: str) -> Any:
            found = self.sink.load(f"objects/{self.block_name(blocks[index])}", key)
            if found is None:
                raise DamagedError(f"The objects of block {index} were deleted or damaged.")
            return found[key]

        return merge({index: int(kept(index, "n")) for index in blocks}, kept)

    def number(self, block: Block, table: npt.NDArray[np.int32], labels: Any) -> None:
        """Write the objects of a block under their ids."""
        at = self.at(block.core)
        labels[at] = table[read_written(self.labels, at)].astype(labels.dtype)

    def lost(self, on_disk: OnDisk) -> tuple[list[Tile], list[Block]]:
        """Return the tiles and blocks that were done and are no longer on disk."""
        is_closed = self.sink.is_done(FRAMES, self.name)
        tiles = [
            tile
            for tile in self.parts.tiles
            if (is_closed or self.is_predicted(tile)) and not on_disk.has(self._places(tile))
        ]
        blocks = [
            block
            for block in self.parts.blocks
            if (is_closed or self.is_found(block))
            and not (
                self.sink.has(f"objects/{self.block_name(block)}")
                and on_disk.has([(self.labels, self.at(block.core))])
            )
        ]
        return tiles, blocks

    def forget_lost(self, on_disk: OnDisk) -> bool:
        """Take back the records of what is no longer on disk; whether there was any.

        Where the predictions were let go of, all tiles are run once more.
        """
        tiles, blocks = self.lost(on_disk)
        if tiles or blocks:
            self.sink.unrecord(FRAMES, {self.name})
            self.sink.unrecord(f"{self.name}/tiles", set(map(tile_key, tiles)))
            self.sink.unrecord("objects", set(map(self.block_name, blocks)))
        return bool(tiles or blocks)

    def _places(self, tile: Tile) -> list[Place]:
        """Where what the network says of a tile is kept, as long as it is needed."""
        at = self.at(tile.keep)
        places: list[Place] = [(array, (slice(None), *at)) for array in self.maps.values()]
        if not self.parts.blocks:
            places.append((self.labels, at))
        elif not self.sink.is_done(FRAMES, self.name):
            places.append((self._prediction(), (slice(None), *tile.keep)))
        return places

    def block_name(self, block: Block) -> str:
        """Of a block, in the whole run."""
        return f"{self.name}-" + "-".join(str(i) for i in block.index)

    def _prediction(self) -> Any:
        channels = count_channels(self.source.model.coder.heads)
        shape = (channels, *self.source.frame_shape)
        chunks = (channels, *self.parts.tiles[0].kept_shape)
        return self.sink.array(f"{self.name}/prediction", shape, np.float16, chunks)

    def _needed(self, block: Block) -> list[int]:
        return self.parts.tiles_of[block.index]

    def at(self, window: Sequence[slice]) -> tuple[int | slice, ...]:
        """Where a window of the frame lies in the answer."""
        return self.source.at(self.frame, window)


def tile_key(tile: Tile) -> str:
    """Names a tile in its frame."""
    return ",".join(str(s.start) for s in tile.keep)

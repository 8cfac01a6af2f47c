"""One frame through one model, part by part, into a sink: tiles first, then blocks of objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..image import Frame, Image
from ..model import Model
from ..normalization import Statistics
from .engine import Predictor, by_head, predict_tiles, tile_reader
from .sinks import Sink
from .stitch import Block, Found, keep_core, merge_tables
from .tiles import Tile


@dataclass(frozen=True)
class Source:
    """What is looked at, and by which model.

    Parameters
    ----------
    model, image
        A model and an image that fits it.
    channels
        Those of the image that the model is given.
    statistics
        Of these channels.
    """

    model: Model
    image: Image
    channels: tuple[int, ...]
    statistics: Statistics

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Of each frame, in pixels."""
        return self.image.frame_shape(self.model.dimensions)


@dataclass(frozen=True)
class FrameWork:
    """The work on one frame. What an earlier run has recorded in the sink is not done again.

    Parameters
    ----------
    source, frame
        What is looked at.
    name
        Of the frame in the sink.
    sink
        Where predictions, provisional labels and records are.
    tiles, blocks
        The parts; without blocks, each tile becomes labels at once.
    labels, probability
        Arrays of the whole image to write to; probability may be None.
    """

    source: Source
    frame: Frame
    name: str
    sink: Sink
    tiles: Sequence[Tile]
    blocks: Sequence[Block]
    labels: Any
    probability: Any

    def parts(self, predictor: Predictor) -> Iterator[int]:
        """Do part by part what is not done; how many of tiles and blocks are."""
        left = [t for t in self.tiles if not self.sink.is_done(f"{self.name}/tiles", _key(t))]
        done = len(self.tiles) - len(left)
        for n in self._predict(left, predictor):
            yield done + n
        for n in self.find_objects():
            yield len(self.tiles) + n

    def _predict(self, left: Sequence[Tile], predictor: Predictor) -> Iterator[int]:
        source = self.source
        statistics, dimensions = source.statistics, source.model.dimensions
        read = tile_reader(source.image, self.frame, source.channels, statistics, dimensions)
        network = _blank(self._n_channels) if statistics.flat.all() else predictor
        batch = source.model.recipe.tiling.batch
        yield from predict_tiles(network, left, read, self._keep_answer, batch)

    def _keep_answer(self, tile: Tile, answer: npt.NDArray[np.float32]) -> None:
        """Write what the network says of a tile, then record it."""
        model = self.source.model
        if self.blocks:
            self._prediction()[(slice(None), *tile.keep)] = answer
        else:
            parts = by_head(answer, model.coder.heads)
            self.labels[self._at(tile.keep)] = model.coder.decode(parts, model.parameters)
        if self.probability is not None:
            first = answer[: model.coder.heads[0].channels]
            self.probability[(slice(None), *self._at(tile.keep))] = first
        self.sink.record(f"{self.name}/tiles", _key(tile))

    def find_objects(self) -> Iterator[int]:
        """Find the objects of each block, under provisional numbers; how many blocks are done."""
        model, shape = self.source.model, self.source.frame_shape
        for done, block in enumerate(self.blocks, start=1):
            if self.sink.load(self._name_of(block)) is None:
                window = np.asarray(self._prediction()[(slice(None), *block.window)])
                parts = by_head(window, model.coder.heads)
                decoded = model.coder.decode(parts, model.parameters)
                core, found = keep_core(decoded, block, shape)
                self._provisional()[block.core] = core
                self.sink.save(self._name_of(block), n=np.array(found.n), **found.zones)
            yield done

    def number_objects(self, n_before: int) -> int:
        """Give the objects their numbers, after those of the frames before; how many there are."""
        found = {}
        for block in self.blocks:
            known = dict(self.sink.load(self._name_of(block)) or {})
            found[block.index] = Found(int(known.pop("n")), known)
        tables, n_objects = merge_tables(found)
        for block in self.blocks:
            table = tables[block.index]
            table[1:] += n_before
            self.labels[self._at(block.core)] = table[self._provisional()[block.core]]
        return n_before + n_objects

    def _prediction(self) -> Any:
        shape = (self._n_channels, *self.source.frame_shape)
        chunks = (self._n_channels, *self.tiles[0].kept_shape)
        return self.sink.array(f"{self.name}/prediction", shape, np.float16, chunks)

    def _provisional(self) -> Any:
        chunks = [s.stop - s.start for s in self.blocks[0].core]
        shape = self.source.frame_shape
        return self.sink.array(f"{self.name}/provisional", shape, np.int32, chunks)

    @property
    def _n_channels(self) -> int:
        return sum(head.channels for head in self.source.model.coder.heads)

    def _name_of(self, block: Block) -> str:
        return f"{self.name}/block-" + "-".join(str(i) for i in block.index)

    def _at(self, window: Sequence[slice]) -> tuple[int | slice, ...]:
        """Where a window of the frame lies in labels of the whole image."""
        parts = iter(window)
        index = self.source.image.label_index(self.frame)
        return tuple(next(parts) if isinstance(i, slice) else i for i in index)


def _key(tile: Tile) -> str:
    return ",".join(str(s.start) for s in tile.keep)


def _blank(n_channels: int) -> Any:
    """What stands in for the network where there is nothing to see."""

    def nothing(batch: Tensor) -> Tensor:
        return torch.zeros(len(batch), n_channels, *batch.shape[2:])

    return nothing

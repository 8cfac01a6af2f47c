"""One image through one model: tiles, then blocks, frame by frame, into a sink."""

from __future__ import annotations

import shutil
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import zarr
from torch import Tensor

from ..image import Frame, Image
from ..io import create_zarr, read_image, read_labels, write_tiff
from ..model import Model
from ..normalization import Statistics
from ..progress import Job
from .engine import Predictor, by_head, predict_tiles, tile_reader
from .sinks import Folder, Memory
from .stitch import MARGIN, SIDE, Block, Found, keep_core, merge_tables, plan_blocks
from .tiles import Tile, plan_tiles


@dataclass(frozen=True)
class SegmentStep:
    """A record of `segment`.

    Parameters
    ----------
    done, total
        Parts: tiles that go through the network, blocks that are made into objects.
    elapsed
        Seconds since the start.
    frame
        The frame that was worked on.
    """

    done: int
    total: int
    elapsed: float
    frame: Frame


class SegmentJob(Job[SegmentStep, Any]):
    """A running segmentation; its result is the labels, an array of the image's label shape.

    Attributes
    ----------
    probability
        ``(channels, *label shape)``: foreground, or one channel a class. None unless asked for.
    is_complete
        False where the job was stopped early: what was not reached is 0, and no output is written.
    goes_on
        Whether the same call goes on where this job was stopped or broke off.
    note
        A word to the user about the image.
    """

    probability: Any = None
    is_complete: bool = True
    goes_on: bool = False
    note: str = ""


@dataclass
class Run:
    """The work of `segment`.

    Parameters
    ----------
    model, image, channels, statistics
        What is run over what.
    tile
        Side of what a tile keeps, in pixels.
    sink
        Where it grows.
    out
        Where it goes once it is whole; to a zarr only from a `Folder`.
    keep_probability
        Whether probabilities are kept, too.
    made_by
        What the output says of its origin.
    """

    model: Model
    image: Image
    channels: tuple[int, ...]
    statistics: Statistics
    tile: int
    sink: Memory | Folder
    out: Path | None
    keep_probability: bool
    made_by: str

    def __call__(self, job: SegmentJob, predictor: Predictor) -> Generator[SegmentStep, None, Any]:
        """Run; the result is the labels."""
        tiles = plan_tiles(self._shape, self.tile, predictor.geometry)
        try:
            self.sink.begin()
            labels = self._labels(tiles)
            job.probability = self._probability(tiles, predictor)
            yield from self._frames(job, predictor, tiles, labels)
        except GeneratorExit:
            if isinstance(self.sink, Folder) and self.sink.is_new:
                self.sink.remove()
            raise
        if not job.is_complete:
            return labels
        labels = self._write(labels, job.probability)
        if isinstance(self.sink, Folder):
            self.sink.remove()
            if job.probability is not None and self.out is not None:
                job.probability = read_image(probability_path(self.out)).data
        return labels

    @property
    def _shape(self) -> tuple[int, ...]:
        """Of a frame."""
        return self.image.frame_shape(self.model.dimensions)

    def _frames(
        self, job: SegmentJob, predictor: Predictor, tiles: Sequence[Tile], labels: Any
    ) -> Generator[SegmentStep, None, None]:
        began = time.perf_counter()
        dimensions = self.model.dimensions
        blocks = (
            []
            if self.model.coder.is_pixelwise
            else plan_blocks(self._shape, SIDE[dimensions], MARGIN[dimensions])
        )
        frames = list(self.image.frames(dimensions))
        per_frame = len(tiles) + len(blocks)
        n_objects = 0
        for i, frame in enumerate(frames):
            known = self.sink.load(f"frames/{i}")
            if known is not None:
                n_objects = int(known["n_objects"])
                continue
            done = i * per_frame
            for done in self._parts(i, frame, predictor, tiles, blocks, labels, job.probability):
                elapsed = time.perf_counter() - began
                yield SegmentStep(i * per_frame + done, len(frames) * per_frame, elapsed, frame)
                if job.stop_requested:
                    break
            if done < per_frame:  # stopped
                job.is_complete = False
                if isinstance(self.sink, Folder):
                    return  # the rest of it is for the next run
                for _ in self._decode(i, blocks):
                    pass
            n_objects = self._number(i, frame, blocks, labels, n_objects)
            self.sink.save(f"frames/{i}", n_objects=np.array(n_objects))
            self.sink.drop(f"frame-{i}/")
            if job.stop_requested:
                job.is_complete = done == per_frame and i + 1 == len(frames)
                return

    def _parts(
        self,
        i: int,
        frame: Frame,
        predictor: Predictor,
        tiles: Sequence[Tile],
        blocks: Sequence[Block],
        labels: Any,
        probability: Any,
    ) -> Iterator[int]:
        """Do what is not done of a frame, part by part; how many are done."""
        left = [t for t in tiles if not self.sink.is_done(f"frame-{i}/tiles", _key(t))]
        done = len(tiles) - len(left)
        for n in self._predict(i, frame, predictor, left, tiles, labels, probability):
            yield done + n
        for n in self._decode(i, blocks):
            yield len(tiles) + n

    def _predict(
        self,
        i: int,
        frame: Frame,
        predictor: Predictor,
        left: Sequence[Tile],
        tiles: Sequence[Tile],
        labels: Any,
        probability: Any,
    ) -> Iterator[int]:
        """Run the network over tiles; its answers go to the sink, classes at once to the labels."""
        coder, index = self.model.coder, self.image.label_index(frame)
        n_channels = sum(head.channels for head in predictor.heads)
        prediction: Any = None
        if not coder.is_pixelwise:
            chunks = (n_channels, *_kept_shape(tiles[0]))
            shape = (n_channels, *self._shape)
            prediction = self.sink.array(f"frame-{i}/prediction", shape, np.float16, chunks)

        def write(tile: Tile, answer: npt.NDArray[np.float32]) -> None:
            if prediction is None:
                decoded = coder.decode(by_head(answer, predictor.heads), self.model.parameters)
                labels[_at(index, tile.keep)] = decoded
            else:
                prediction[(slice(None), *tile.keep)] = answer
            if probability is not None:
                first = answer[: predictor.heads[0].channels]
                probability[(slice(None), *_at(index, tile.keep))] = first
            self.sink.record(f"frame-{i}/tiles", _key(tile))

        def nothing(batch: Tensor) -> Tensor:
            return torch.zeros(len(batch), n_channels, *batch.shape[2:])

        network = nothing if self.statistics.flat.all() else predictor
        read = tile_reader(self.image, frame, self.channels, self.statistics, self.model.dimensions)
        yield from predict_tiles(network, left, read, write, self.model.recipe.tiling.batch)

    def _decode(self, i: int, blocks: Sequence[Block]) -> Iterator[int]:
        """Find the objects of each block, under provisional numbers."""
        if not blocks:
            return
        coder = self.model.coder
        n_channels = sum(head.channels for head in coder.heads)
        shape = (n_channels, *self._shape)
        prediction = self.sink.array(f"frame-{i}/prediction", shape, np.float16, shape)
        provisional = self._provisional(i, blocks)
        for done, block in enumerate(blocks, start=1):
            if self.sink.load(f"frame-{i}/{_name(block)}") is None:
                window = np.asarray(prediction[(slice(None), *block.window)])
                answer = by_head(window, coder.heads)
                decoded = coder.decode(answer, self.model.parameters)
                core, found = keep_core(decoded, block, self._shape)
                provisional[block.core] = core
                self.sink.save(f"frame-{i}/{_name(block)}", n=np.array(found.n), **found.zones)
            yield done

    def _number(
        self, i: int, frame: Frame, blocks: Sequence[Block], labels: Any, n_before: int
    ) -> int:
        """Give the objects of a frame their final numbers, after those of the frames before."""
        if not blocks:
            return 0
        found = {}
        for block in blocks:
            known = dict(self.sink.load(f"frame-{i}/{_name(block)}") or {})
            found[block.index] = Found(int(known.pop("n")), known)
        tables, n_objects = merge_tables(found)
        provisional, index = self._provisional(i, blocks), self.image.label_index(frame)
        for block in blocks:
            table = tables[block.index]
            table[1:] += n_before
            labels[_at(index, block.core)] = table[provisional[block.core]]
        return n_before + n_objects

    def _provisional(self, i: int, blocks: Sequence[Block]) -> Any:
        chunks = [s.stop - s.start for s in blocks[0].core]
        return self.sink.array(f"frame-{i}/provisional", self._shape, np.int32, chunks)

    def _labels(self, tiles: Sequence[Tile]) -> Any:
        """Where the labels go; what is written at once is a chunk or some of them."""
        shape, axes = self.image.label_shape(), self.image.label_axes()
        kept = _kept_shape(tiles[0]) if self.model.coder.is_pixelwise else (1, 512, 512)
        chunks = [1] * (len(shape) - len(self._shape)) + list(kept[-len(self._shape) :])
        chunks = [min(c, n) for c, n in zip(chunks, shape, strict=True)]
        if not isinstance(self.sink, Folder) or self.out is None or self.out.suffix != ".zarr":
            return self.sink.array("labels", shape, np.int32, chunks)
        group = self.sink.path / self.out.name
        if (group / "0" / "zarr.json").exists():
            return zarr.open_array(group / "0", mode="r+")
        return create_zarr(
            group,
            shape,
            np.int32,
            axes,
            self.image.scale,
            self.image.units,
            chunks,
            translate=self.image.translate,
            overwrite=True,
        )

    def _probability(self, tiles: Sequence[Tile], predictor: Predictor) -> Any:
        """Where probabilities go, ``(channels, *label shape)``; None where nobody wants them."""
        if not self.keep_probability:
            return None
        n, shape = predictor.heads[0].channels, self.image.label_shape()
        kept = _kept_shape(tiles[0])
        chunks = [n, *[1] * (len(shape) - len(kept)), *kept]
        return self.sink.array("probability", (n, *shape), np.float16, chunks)

    def _write(self, labels: Any, probability: Any) -> Any:
        """Put the labels where they belong, now that they are whole; what the job gives back."""
        if self.out is None:
            return labels
        axes, scale, units = self.image.label_axes(), self.image.scale, self.image.units
        if probability is not None:
            beside = probability_path(self.out)
            write_tiff(beside, probability, "C" + axes, scale, units, software=self.made_by)
        if self.out.suffix == ".zarr":
            assert isinstance(self.sink, Folder)
            group = self.sink.path / self.out.name
            zarr.open_group(group, mode="r+").attrs[MADE_BY] = self.made_by
            if self.out.exists():
                shutil.rmtree(self.out)
            group.rename(self.out)
            labels = zarr.open_array(self.out / "0", mode="r+")
        else:
            whole = smallest(labels) if isinstance(labels, np.ndarray) else labels
            write_tiff(self.out, whole, axes, scale, units, software=self.made_by)
            labels = labels if whole is not labels else read_labels(self.out)
        return labels


MADE_BY = "napari-scribe"
"""Attribute of a zarr that says what it was made by."""


def probability_path(out: Path) -> Path:
    """Where probabilities go, beside the labels."""
    return out.with_name(f"{out.stem}.probability.tif")


def smallest(labels: npt.NDArray[np.int32]) -> npt.NDArray[Any]:
    """Labels in the smallest unsigned type that holds them all."""
    return labels.astype(np.min_scalar_type(int(labels.max(initial=0))))


def _key(tile: Tile) -> str:
    return ",".join(str(s.start) for s in tile.keep)


def _name(block: Block) -> str:
    return "block-" + "-".join(str(i) for i in block.index)


def _kept_shape(tile: Tile) -> tuple[int, ...]:
    return tuple(s.stop - s.start for s in tile.keep)


def _at(index: Sequence[int | slice], window: Sequence[slice]) -> tuple[int | slice, ...]:
    """A window of a frame in an array of labels, from where the whole frame lies in it."""
    parts = iter(window)
    return tuple(next(parts) if isinstance(i, slice) else i for i in index)

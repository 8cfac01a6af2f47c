"""One image through one model: tiles, then blocks, frame by frame, into a sink."""

from __future__ import annotations

import shutil
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from ..image import Frame
from ..io import create_zarr, read_image, read_labels, write_tiff
from ..progress import Job
from .engine import Predictor
from .frame import FrameWork, Source
from .sinks import Folder, Memory
from .stitch import MARGIN, SIDE, plan_blocks
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


@dataclass(frozen=True)
class Run:
    """The work of `segment`.

    Parameters
    ----------
    source
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

    source: Source
    tile: int
    sink: Memory | Folder
    out: Path | None
    keep_probability: bool
    made_by: str

    def __call__(self, job: SegmentJob, predictor: Predictor) -> Generator[SegmentStep, None, Any]:
        """Run; the result is the labels."""
        tiles = plan_tiles(self.source.frame_shape, self.tile, predictor.geometry)
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

    def _frames(
        self, job: SegmentJob, predictor: Predictor, tiles: Sequence[Tile], labels: Any
    ) -> Generator[SegmentStep, None, None]:
        """Frame after frame; sets whether it came to the end."""
        began = time.perf_counter()
        model, image = self.source.model, self.source.image
        shape, n = self.source.frame_shape, model.dimensions
        blocks = [] if model.coder.is_pixelwise else plan_blocks(shape, SIDE[n], MARGIN[n])
        frames = list(image.frames(n))
        per_frame = len(tiles) + len(blocks)
        n_objects = 0
        for i, frame in enumerate(frames):
            name = f"frame-{i}"
            known = self.sink.load(f"done/{name}")
            if known is not None:
                n_objects = int(known["n_objects"])
                continue
            work = FrameWork(
                self.source, frame, name, self.sink, tiles, blocks, labels, job.probability
            )
            done = 0
            for done in work.parts(predictor):
                elapsed = time.perf_counter() - began
                yield SegmentStep(i * per_frame + done, len(frames) * per_frame, elapsed, frame)
                if job.stop_requested:
                    break
            job.is_complete = done == per_frame and (i + 1 == len(frames) or not job.stop_requested)
            if done < per_frame:
                if isinstance(self.sink, Folder):
                    return  # the rest of the frame is for the next run
                for _ in work.find_objects():
                    pass
            n_objects = work.number_objects(n_objects)
            self.sink.save(f"done/{name}", n_objects=np.array(n_objects))
            self.sink.drop(f"{name}/")
            if not job.is_complete:
                return

    def _labels(self, tiles: Sequence[Tile]) -> Any:
        """Where the labels go; what is written at once is a chunk or some of them."""
        image, is_pixelwise = self.source.image, self.source.model.coder.is_pixelwise
        shape = image.label_shape()
        kept = tiles[0].kept_shape if is_pixelwise else (1, 512, 512)[-len(shape) :]
        chunks = [1] * (len(shape) - len(kept)) + list(kept)
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
            image.label_axes(),
            image.scale,
            image.units,
            chunks,
            translate=image.translate,
            overwrite=True,
        )

    def _probability(self, tiles: Sequence[Tile], predictor: Predictor) -> Any:
        """Where probabilities go, ``(channels, *label shape)``; None where nobody wants them."""
        if not self.keep_probability:
            return None
        n, shape = predictor.heads[0].channels, self.source.image.label_shape()
        kept = tiles[0].kept_shape
        chunks = [n, *[1] * (len(shape) - len(kept)), *kept]
        return self.sink.array("probability", (n, *shape), np.float16, chunks)

    def _write(self, labels: Any, probability: Any) -> Any:
        """Put the labels where they belong, now that they are whole; what the job gives back."""
        if self.out is None:
            return labels
        image = self.source.image
        axes, scale, units = image.label_axes(), image.scale, image.units
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

"""The public job `segment`: a model over an image of any size."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from ..device import pick_device, precision
from ..errors import InputError
from ..image import Frame, Image
from ..io import as_image, check_writable, create_zarr, write_tiff
from ..model import Model, as_tuple
from ..normalization import Statistics
from ..progress import Job
from ..targets import Head
from .engine import Predictor, by_head, predict_tiles, tile_reader
from .tiles import Tile, plan_tiles


@dataclass(frozen=True)
class SegmentStep:
    """A record of `segment`.

    Parameters
    ----------
    done, total
        Tiles.
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
        ``(channels, *label shape)`` float16: foreground, or one channel a class. None unless
        asked for.
    is_complete
        False where the job was stopped early: what was not reached is 0.
    note
        A word to the user about the image.
    """

    probability: npt.NDArray[np.float16] | None = None
    is_complete: bool = True
    note: str = ""


def segment(
    model: Model,
    image: Any,
    out: str | Path | None = None,
    *,
    channels: Sequence[int] | None = None,
    tile: int | None = None,
    device: str | None = None,
    save: Sequence[str] = ("labels",),
    overwrite: bool = False,
) -> SegmentJob:
    """Segment an image.

    Parameters
    ----------
    model
        A trained model.
    image
        An `Image`, an array, or the path of one.
    out
        ``.tif`` or ``.zarr`` to write the labels to. None: they are given back only.
    channels
        Which channels of the image the model is given, one for each that it sees, in its order.
        Those that it was trained on when None.
    tile
        Side of what a tile keeps, in pixels; the recipe's when None. The answer does not depend
        on it.
    device
        ``cuda``, ``mps`` or ``cpu``; the best there is when None.
    save
        ``labels`` and, where wanted, ``probability``: the latter is kept as the job's
        ``probability`` and written beside `out`, as ``NAME.probability.tif``.
    overwrite
        Whether `out` may exist already.

    Returns
    -------
    job
        Its result is the labels: a numpy array, or a zarr array for ``.zarr``. Stopping it keeps
        what is done.

    Raises
    ------
    InputError
        Before any work: if the model does not fit the image, the image has NaN or infinite
        pixels, or `out` cannot be written.
    """
    image = as_image(image)
    if out is not None and image.source is not None:
        check_apart(Path(out), image.source)
    image.spatial_axes(model.dimensions)
    chosen = _channels(model, image, channels)
    if tile is not None and tile < 1:
        raise InputError(f"A tile of {tile} px keeps nothing: use 1 or more.")
    if unknown := set(save) - {"labels", "probability"}:
        raise InputError(f"Cannot save {sorted(unknown)}: choose from labels, probability.")
    path = None if out is None else Path(out)
    if path is not None:
        check_output(path, image, overwrite)
        if "probability" in save:
            check_output(probability_path(path), image, overwrite)
    target = pick_device(device)
    statistics = model.normalization.measure(image, chosen)
    run = _Run(model, image, chosen, statistics, tile, path, "probability" in save)
    predictor = Predictor(model.network, model.coder.heads, target, precision(target))
    job = SegmentJob(lambda job: run(job, predictor))
    if statistics.flat.all():
        contrast = float((statistics.high - statistics.low).max())
        job.note = (
            f"{image.name} was taken for empty: nothing in it stands out from even ground or noise "
            f"(contrast {contrast:.3g})."
        )
    return job


def _channels(model: Model, image: Image, channels: Sequence[int] | None) -> tuple[int, ...]:
    """Channels of the image for the model, in the model's order."""
    if channels is None:
        return model.channels_for(image)
    chosen = as_tuple(channels, image)
    if len(chosen) != len(model.channels):
        raise InputError(
            f"{len(chosen)} channels of {image.name} were chosen: {list(chosen)}. This model sees "
            f"{len(model.channels)}: choose one for each."
        )
    return chosen


def probability_path(out: Path) -> Path:
    """Where probabilities go, beside the labels."""
    return out.with_name(f"{out.stem}.probability.tif")


def check_apart(out: Path, image: Path) -> None:
    """Make sure that labels do not replace the image that they are of.

    Raises
    ------
    InputError
        If both are the same file or folder, or the image lies in what would be replaced.
    """
    if out.resolve() in (image.resolve(), *image.resolve().parents):
        raise InputError(f"{out} is the image itself: choose another name for its labels.")


def check_output(path: Path, image: Image, overwrite: bool) -> None:
    """Make sure that labels can be written, before any work.

    Raises
    ------
    InputError
        If the suffix is unknown, the place cannot be written, or something is there already.
    """
    if path.suffix not in (".tif", ".tiff", ".zarr"):
        raise InputError(f"Cannot write {path.name}: labels go to .tif or .zarr.")
    if path.exists() and not overwrite:
        raise InputError(
            f"{path} exists already. Choose another name, or allow replacing it (--overwrite)."
        )
    check_writable(path, n_bytes=4 * math.prod(image.label_shape()))


@dataclass
class _Run:
    """One segmentation, frame by frame."""

    model: Model
    image: Image
    channels: tuple[int, ...]
    statistics: Statistics
    tile: int | None
    out: Path | None
    keep_probability: bool

    def __call__(self, job: SegmentJob, predictor: Predictor) -> Generator[SegmentStep, None, Any]:
        """Run; a zarr takes its place only when it is whole, and nothing half written stays."""
        try:
            return (yield from self._frames(job, predictor))
        finally:
            if self.out is not None:
                shutil.rmtree(self._partial, ignore_errors=True)

    def _frames(self, job: SegmentJob, predictor: Predictor) -> Generator[SegmentStep, None, Any]:
        start = time.perf_counter()
        frames = list(self.image.frames(self.model.dimensions))
        shape = self.image.frame_shape(self.model.dimensions)
        side = self.tile or self.model.recipe.tiling.tile
        tiles = plan_tiles(shape, side, predictor.geometry)
        labels = self._labels()
        first, n_found = predictor.heads[0], 0
        if self.keep_probability:
            job.probability = np.zeros((first.channels, *self.image.label_shape()), np.float16)
        for i, frame in enumerate(frames):
            prediction = np.zeros((sum(h.channels for h in predictor.heads), *shape), np.float16)
            done = len(tiles)
            if not self.statistics.flat.all():
                for done in self._predict(job, predictor, tiles, frame, prediction):
                    elapsed = time.perf_counter() - start
                    total = len(frames) * len(tiles)
                    yield SegmentStep(i * len(tiles) + done, total, elapsed, frame)
            index = self.image.label_index(frame)
            decoded = self._decode(prediction, predictor.heads)
            if done < len(tiles):
                decoded[~_reached(tiles[:done], shape)] = 0
            if self.model.recipe.task == "objects":  # no two objects of a stack share a label
                decoded[decoded > 0] += n_found
                n_found = max(n_found, int(decoded.max(initial=0)))
            labels[index] = decoded
            if job.probability is not None:
                job.probability[(slice(None), *index)] = prediction[: first.channels]
            if job.stop_requested:
                job.is_complete = i + 1 == len(frames) and done == len(tiles)
                break
        return self._write(labels, job.probability)

    def _predict(
        self,
        job: SegmentJob,
        predictor: Predictor,
        tiles: Sequence[Tile],
        frame: Frame,
        prediction: npt.NDArray[np.float16],
    ) -> Generator[int, None, None]:
        def write(tile: Tile, answer: npt.NDArray[np.float32]) -> None:
            prediction[(slice(None), *tile.keep)] = answer

        read = tile_reader(self.image, frame, self.channels, self.statistics, self.model.dimensions)
        batch = self.model.recipe.tiling.batch
        for done in predict_tiles(predictor, tiles, read, write, batch):
            yield done
            if job.stop_requested:
                return

    def _decode(
        self, prediction: npt.NDArray[np.float16], heads: Sequence[Head]
    ) -> npt.NDArray[np.int32]:
        """Labels of one frame; a flat image has no object, and its pixels are the first class."""
        return self.model.coder.decode(by_head(prediction, heads), self.model.parameters)

    def _labels(self) -> Any:
        """Where the labels go: memory, or a zarr that holds them frame by frame."""
        shape = self.image.label_shape()
        if self.out is None or self.out.suffix != ".zarr":
            return np.zeros(shape, np.int32)
        axes = self.image.label_axes()
        chunks = tuple(min(n, 512) if a in "YX" else 1 for n, a in zip(shape, axes, strict=True))
        return create_zarr(
            self._partial / self.out.name,
            shape,
            np.int32,
            axes,
            self.image.scale,
            self.image.units,
            chunks,
            translate=self.image.translate,
            overwrite=True,
        )

    @property
    def _partial(self) -> Path:
        """A hidden folder beside the output, where a zarr grows until it is whole."""
        assert self.out is not None
        return self.out.with_name(f".{self.out.name}.part")

    def _write(self, labels: Any, probability: npt.NDArray[np.float16] | None) -> Any:
        """Put the labels where they belong; what the job gives back."""
        if self.out is None:
            return labels
        axes, scale, units = self.image.label_axes(), self.image.scale, self.image.units
        if self.out.suffix != ".zarr":
            write_tiff(self.out, smallest(labels), axes, scale, units)
        else:
            if self.out.exists():
                shutil.rmtree(self.out)
            (self._partial / self.out.name).rename(self.out)
            labels = zarr.open_array(self.out / "0", mode="r+")
        if probability is not None:
            beside = probability_path(self.out)
            write_tiff(beside, probability.astype(np.float32), "C" + axes, scale, units)
        return labels


def _reached(tiles: Sequence[Tile], shape: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Which pixels of a frame some tiles keep."""
    reached = np.zeros(shape, np.bool_)
    for tile in tiles:
        reached[tile.keep] = True
    return reached


def smallest(labels: npt.NDArray[np.int32]) -> npt.NDArray[Any]:
    """Labels in the smallest unsigned type that holds them all."""
    return labels.astype(np.min_scalar_type(int(labels.max(initial=0))))

"""The public job `segment`: a model over an image of any size."""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Generator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
import zarr

from ..device import pick_device, precision
from ..errors import InputError
from ..image import Image
from ..io import as_image, check_writable, read_labels
from ..model import Model, as_tuple, load_model
from ..normalization import Statistics
from .engine import Predictor
from .frame import Source
from .run import MADE_BY, Run, SegmentJob, SegmentStep, probability_path
from .sinks import Folder, Memory

SOON_DONE = 16
"""Up to so many tiles a run is too short to be gone on with."""


def segment(
    model: Model | str | Path,
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
        A trained model, or its file.
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
        Whether `out` may exist already, or be begun by another model, image or setting.

    Returns
    -------
    job
        Its result is the labels: a numpy array, or a zarr array for ``.zarr``. `out` appears once
        it is whole. What takes long grows in a hidden folder beside it: after a stop, an error or
        a crash, the same call goes on from there. Where the same call has been done before, there
        is nothing to do.

    Raises
    ------
    InputError
        Before any work: if the model does not fit the image, the image has NaN or infinite
        pixels, or `out` cannot be written.
    """
    model = model if isinstance(model, Model) else load_model(model)
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
    side = tile or model.recipe.tiling.tile
    statistics = model.normalization.measure(image, chosen)
    made_by = f"napari-scribe, run {_fingerprint(model, image, chosen, statistics, side, save)}"
    if path is not None and not overwrite and _was_made_by(path, made_by, save):
        return _done_before(path)
    if path is not None:
        check_output(path, image, overwrite)
        if "probability" in save:
            check_output(probability_path(path), image, overwrite)
    target = pick_device(device)
    dtype = precision(target)
    sink = _sink(path, image, model, side, made_by, str(dtype), overwrite)
    if isinstance(sink, Folder):
        dtype = getattr(torch, sink.precision.removeprefix("torch."))
    source = Source(model, image, chosen, statistics)
    work = Run(source, side, sink, path, "probability" in save, made_by)
    predictor = Predictor(model.network, model.coder.heads, target, dtype)
    job = SegmentJob(lambda job: work(job, predictor))
    job.goes_on = isinstance(sink, Folder)
    if statistics.flat.all():
        contrast = float((statistics.high - statistics.low).max())
        job.note = (
            f"{image.name} was taken for empty: nothing in it stands out from even ground or noise "
            f"(contrast {contrast:.3g})."
        )
    return job


def _fingerprint(
    model: Model,
    image: Image,
    channels: Sequence[int],
    statistics: Statistics,
    tile: int,
    save: Sequence[str],
) -> str:
    """What two calls have in common that give the same result; of the image, its statistics."""
    what = (model.fingerprint(), image.axes, image.shape, str(image.dtype), tuple(channels), tile)
    numbers = (statistics.low, statistics.high, statistics.noise)
    parts = [repr((*what, sorted(save))).encode(), *(np.asarray(n).tobytes() for n in numbers)]
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def _was_made_by(path: Path, made_by: str, save: Sequence[str]) -> bool:
    """Whether an output is there already, whole, of the same call."""
    if "probability" in save and not probability_path(path).exists():
        return False
    with suppress(Exception):  # something else lies there
        if path.suffix == ".zarr":
            return bool(zarr.open_group(path, mode="r").attrs.get(MADE_BY) == made_by)
        with tifffile.TiffFile(path) as file:
            return bool(file.pages.first.tags["Software"].value == made_by)
    return False


def _done_before(path: Path) -> SegmentJob:
    """Nothing to do."""

    def nothing(_job: SegmentJob) -> Generator[SegmentStep, None, Any]:
        yield from ()
        return read_labels(path)

    job = SegmentJob(nothing)
    job.note = f"{path} was made before by the same model from the same image: nothing to do."
    return job


def _sink(
    path: Path | None,
    image: Image,
    model: Model,
    tile: int,
    made_by: str,
    precision: str,
    overwrite: bool,
) -> Memory | Folder:
    """Memory for what is soon done or has no output, else a hidden folder beside the output."""
    shape = image.frame_shape(model.dimensions)
    n_tiles = math.prod(-(-n // tile) for n in shape) * len(list(image.frames(model.dimensions)))
    if path is None or (path.suffix != ".zarr" and n_tiles <= SOON_DONE):
        return Memory()
    folder = path.with_name(f".{path.name}.part")
    if overwrite and not Folder.is_begun(folder, made_by):
        shutil.rmtree(folder, ignore_errors=True)
    return Folder(folder, made_by, precision)


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

"""The public job `segment`: a model over an image of any size."""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tifffile
import zarr

from ..device import pick_device
from ..errors import InputError, TakenError
from ..io import as_image, check_writable, open_levels, read_labels
from ..model import Model, load_model
from .cluster import Cluster
from .execute import Execution
from .maps import MAPS, map_path, read_maps
from .presence import WHOLE, Presence, check_free
from .run import MADE_BY, SegmentJob, SegmentStep
from .sinks import Folder, Memory
from .source import Source, source_of


def segment(
    model: Model | str | Path,
    image: Any,
    out: str | Path | None = None,
    *,
    channels: Sequence[int] | None = None,
    region: Mapping[str, slice] | None = None,
    tile: int | None = None,
    batch: int | None = None,
    halo: Literal["exact", "quick"] = "exact",
    device: str | None = None,
    save: Sequence[str] = ("labels",),
    overwrite: bool = False,
    part: tuple[int, int] | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
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
    region
        What to segment: pixels per axis letter, as ``{"T": slice(3, 4)}``; all when None. What
        lies around it is looked at, so that the answer is that of a run over all; for that its
        start is moved to a multiple of the network's stride. See the job's ``region``.
    tile
        Side of what a tile keeps, in pixels; chosen for this machine when None. The answer does
        not depend on it.
    batch
        Tiles per forward pass; chosen when None.
    halo
        ``exact``, or ``quick``: the smallest halo that changes the probabilities of some places of
        this image by less than `quick.BOUND`; the job's ``note`` says by how much.
    device
        ``cuda`` (all of them), ``cuda:0``, ``mps`` or ``cpu``; the best there is when None.
    save
        ``labels`` and, where wanted, ``probability`` and (of objects) ``distance``: these are kept
        as the job's ``maps`` and written beside `out`, as ``NAME.probability.tif`` (or ``.zarr``).
    overwrite
        Whether `out` may exist already, or be begun by another model, image or setting.
    part
        Which share of the work this process does, as ``(3, 16)``: the others are for other
        processes, on this or other machines. A run without `part` then ends the work.
    workers, scheduler
        Share the work among so many processes of this machine, or give it to the dask scheduler
        at an address such as ``tcp://host:8786``, whose workers see the same files. Needs
        ``napari-scribe[cluster]`` and an `out`.

    Returns
    -------
    job
        Its result is the labels: a numpy array, or those of `out`, lazily where they are large.
        `out` appears once it is whole. Until then it grows in a hidden folder beside it: after a
        stop, an error or a crash, the same call goes on from there. Where the same call has been
        done before, there is nothing to do. (Of an image, shape, type and a sample of its pixels
        are compared.)

    Raises
    ------
    InputError
        Before any work: if the model does not fit the image, a sample of the image has NaN or
        infinite pixels, `out` cannot be written, or another process is at work on it. Midway, if
        there are such pixels elsewhere.
    """
    model = model if isinstance(model, Model) else load_model(model)
    image = as_image(image)
    _check_values(tile, batch, halo, save, part)
    cluster = Cluster(workers, scheduler) if workers or scheduler else None
    if out is None and (part or cluster):
        raise InputError("Work that is shared needs an output on disk (out).")
    if cluster is not None:
        cluster.check()
    if out is not None and image.source is not None:
        check_apart(Path(out), image.source)
    source = source_of(model, image, channels, region)
    path = None if out is None else Path(out)
    maps = tuple(name for name in MAPS if name in save)
    if "distance" in maps and model.recipe.task != "objects":
        raise InputError("A model of classes has no distance to save: choose labels, probability.")
    identity = f"napari-scribe, run {_fingerprint(source, halo, save)}"
    if path is not None and not overwrite and _was_made_by(path, identity, save):
        return _done_before(path, source, save)
    if path is not None:
        check_output(path, source.label_shape, overwrite)
        for name in maps:
            check_output(map_path(path, name), source.label_shape, overwrite)
    sink = _sink(path, identity, overwrite)
    who = WHOLE if part is None else f"part-{part[0]}"
    execution = Execution(
        source=source,
        sink=sink,
        out=path,
        made_by=identity,
        device=pick_device(device),
        device_name=device,
        presence=Presence(sink.path, who) if isinstance(sink, Folder) else None,
        tile=tile,
        batch=batch,
        is_quick=halo == "quick",
        maps=maps,
        part=part,
        cluster=cluster,
    )
    job = SegmentJob(execution)
    job.goes_on = isinstance(sink, Folder)
    job.region = source.region
    job.note = _note_on(source)
    return job


def _check_values(
    tile: int | None,
    batch: int | None,
    halo: str,
    save: Sequence[str],
    part: tuple[int, int] | None,
) -> None:
    if tile is not None and tile < 1:
        raise InputError(f"A tile of {tile} px keeps nothing: use 1 or more.")
    if batch is not None and batch < 1:
        raise InputError(f"A batch of {batch} has no tile: use 1 or more.")
    if halo not in ("exact", "quick"):
        raise InputError(f"A halo is exact or quick, not {halo!r}.")
    if unknown := set(save) - {"labels", *MAPS}:
        raise InputError(
            f"Cannot save {sorted(unknown)}: choose from labels, probability, distance."
        )
    if part is not None and not 1 <= part[0] <= part[1]:
        raise InputError(f"There is no part {part[0]}/{part[1]}: the first is 1/{part[1]}.")


def _note_on(source: Source) -> str:
    statistics = source.statistics
    if not statistics.flat.all():
        return ""
    contrast = float((statistics.high - statistics.low).max())
    return (
        f"{source.image.name} was taken for empty: nothing in it stands out from even ground or "
        f"noise (contrast {contrast:.3g})."
    )


def _fingerprint(source: Source, halo: str, save: Sequence[str]) -> str:
    """What two calls have in common that give the same result; of the image, its statistics."""
    image, numbers = source.image, source.statistics
    region = sorted((a, s.start, s.stop) for a, s in source.region.items())
    what = (source.model.fingerprint(), image.axes, image.shape, str(image.dtype), source.channels)
    parts = [repr((*what, region, halo, sorted(save))).encode()]
    parts += [np.asarray(n).tobytes() for n in (numbers.low, numbers.high, numbers.noise)]
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def _was_made_by(path: Path, made_by: str, save: Sequence[str]) -> bool:
    """Whether an output is there already, whole, of the same call."""
    if not all(map_path(path, name).exists() for name in MAPS if name in save):
        return False
    with suppress(Exception):  # something else lies there
        if path.suffix == ".zarr":
            return bool(zarr.open_group(path, mode="r").attrs.get(MADE_BY) == made_by)
        with tifffile.TiffFile(path) as file:
            return bool(file.pages.first.tags["Software"].value == made_by)
    return False


def _done_before(path: Path, source: Source, save: Sequence[str]) -> SegmentJob:
    """Nothing to do."""

    def nothing(job: SegmentJob) -> Generator[SegmentStep, None, Any]:
        yield from ()
        job.levels = open_levels(path) if path.suffix == ".zarr" else [read_labels(path)]
        names = [name for name in MAPS if name in save]
        job.maps = read_maps(path, names, source.image.label_axes())
        return job.levels[0]

    job = SegmentJob(nothing)
    job.region = source.region
    job.note = f"{path} was made before by the same model from the same image: nothing to do."
    return job


def _sink(path: Path | None, identity: str, overwrite: bool) -> Memory | Folder:
    """Memory for what has no output, else a hidden folder beside it."""
    if path is None:
        return Memory()
    folder = path.with_name(f".{path.name}.part")
    if overwrite and not Folder.is_begun(folder, identity):
        check_free(folder)
        shutil.rmtree(folder, ignore_errors=True)
    return Folder(folder, identity)


def check_apart(out: Path, image: Path) -> None:
    """Make sure that labels do not replace the image that they are of.

    Raises
    ------
    InputError
        If both are the same file or folder, or the image lies in what would be replaced.
    """
    if out.resolve() in (image.resolve(), *image.resolve().parents):
        raise InputError(f"{out} is the image itself: choose another name for its labels.")


def check_output(path: Path, shape: Sequence[int], overwrite: bool) -> None:
    """Make sure that labels of a shape can be written, before any work.

    Raises
    ------
    InputError
        If the suffix is unknown, or the place cannot be written.
    TakenError
        If something is there already.
    """
    if path.suffix not in (".tif", ".tiff", ".zarr"):
        raise InputError(f"Cannot write {path.name}: labels go to .tif or .zarr.")
    if path.exists() and not overwrite:
        raise TakenError(
            f"{path} exists already. Choose another name, or allow replacing it (--overwrite)."
        )
    check_writable(path, n_bytes=4 * math.prod(shape))

"""What all runs of a model over an image begin with: checks of the output, and where it grows."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tifffile
import zarr

from ..device import pick_device
from ..errors import InputError, TakenError
from ..image import Image
from ..io import check_writable, delete, hidden, open_levels, sweep
from ..io.origin import MADE_BY, RUN
from .cluster import Cluster
from .denoised_image import DenoisedPixels
from .execute import Execution
from .maps import map_path, read_maps
from .presence import WHOLE, Presence, check_free
from .run import SegmentJob, SegmentStep, read_answer
from .sinks import Folder, Memory
from .source import Source


@dataclass(frozen=True)
class Settings:
    """How a model is run over an image, as `segment` and `denoise` are asked."""

    out: Path | None
    maps: tuple[str, ...] = ()
    tile: int | None = None
    batch: int | None = None
    is_quick: bool = False
    device: str | None = None
    overwrite: bool = False
    part: tuple[int, int] | None = None
    workers: int | None = None
    scheduler: str | None = None

    @property
    def cluster(self) -> Cluster | None:
        """Where the work goes, if not here."""
        return Cluster(self.workers, self.scheduler) if self.workers or self.scheduler else None

    def check(self, image: Image) -> None:
        """Refuse what cannot be done, before anything is read.

        Raises
        ------
        InputError
            If a value makes no sense, or the output would replace the image.
        """
        if self.tile is not None and self.tile < 1:
            raise InputError(f"A tile of {self.tile} px keeps nothing: use 1 or more.")
        if self.batch is not None and self.batch < 1:
            raise InputError(f"A batch of {self.batch} has no tile: use 1 or more.")
        if self.part is not None and not 1 <= self.part[0] <= self.part[1]:
            raise InputError(
                f"There is no part {self.part[0]}/{self.part[1]}: the first is 1/{self.part[1]}."
            )
        cluster = self.cluster
        if self.out is None and (self.part or cluster):
            raise InputError("Work that is shared needs an output on disk (out).")
        if cluster is not None:
            cluster.check()
        if self.out is not None and image.source is not None:
            check_apart(self.out, image.source)


def begin(source: Source, settings: Settings) -> SegmentJob:
    """The job that runs a model over an image.

    Raises
    ------
    InputError
        If the output cannot be written, or another process is at work on it.
    TakenError
        If something else is there already.
    """
    path = settings.out
    identity = f"{RUN}{_fingerprint(source, settings)}"
    if path is not None and not settings.overwrite and _was_made_by(path, identity, settings.maps):
        sweep(hidden(path))
        return _done_before(path, source, settings.maps)
    if path is not None:
        check_output(path, source, settings.overwrite)
        is_own = settings.overwrite or Folder.is_begun(hidden(path), identity)
        for name in settings.maps:  # they are written first
            check_output(map_path(path, name), source, is_own)
    sink = _sink(path, identity, settings.overwrite)
    who = WHOLE if settings.part is None else f"part-{settings.part[0]}"
    execution = Execution(
        source=source,
        sink=sink,
        out=path,
        made_by=identity,
        device=pick_device(settings.device),
        device_name=settings.device,
        presence=Presence(sink.path, who) if isinstance(sink, Folder) else None,
        tile=settings.tile,
        batch=settings.batch,
        is_quick=settings.is_quick,
        maps=settings.maps,
        part=settings.part,
        cluster=settings.cluster,
    )
    job = SegmentJob(execution)
    job.goes_on = isinstance(sink, Folder)
    job.region = source.region
    return job


def _fingerprint(source: Source, settings: Settings) -> str:
    """What two calls have in common that give the same result; of the image, its sample."""
    pixels = source.image.data
    seen = pixels.source if isinstance(pixels, DenoisedPixels) else source  # before any denoiser
    image = seen.image
    region = sorted((a, s.start, s.stop) for a, s in source.region.items())
    what = (image.axes, image.shape, str(image.dtype), seen.channels, seen.statistics.digest)
    form = (settings.is_quick, sorted(settings.maps), str(source.dtype))
    known = repr((source.model.fingerprint(), *what, region, *form))
    return hashlib.sha256(known.encode()).hexdigest()[:16]


def _was_made_by(path: Path, made_by: str, maps: Sequence[str]) -> bool:
    """Whether an output is there already, whole, of the same call."""
    if not all(map_path(path, name).exists() for name in maps):
        return False
    with suppress(Exception):  # something else lies there
        if path.suffix == ".zarr":
            return bool(zarr.open_group(path, mode="r").attrs.get(MADE_BY) == made_by)
        with tifffile.TiffFile(path) as file:
            return bool(file.pages.first.tags["Software"].value == made_by)
    return False


def _done_before(path: Path, source: Source, maps: Sequence[str]) -> SegmentJob:
    """Nothing to do."""

    def nothing(job: SegmentJob) -> Generator[SegmentStep, None, Any]:
        yield from ()
        is_zarr = path.suffix == ".zarr"
        job.levels = open_levels(path) if is_zarr else [read_answer(path, source)]
        job.maps = read_maps(path, maps, source.image.label_axes())
        return job.levels[0]

    job = SegmentJob(nothing)
    job.region = source.region
    job.note = f"{path} was made before by the same model from the same image: nothing to do."
    return job


def _sink(path: Path | None, identity: str, overwrite: bool) -> Memory | Folder:
    """Memory for what has no output, else a hidden folder beside it."""
    if path is None:
        return Memory()
    folder = hidden(path)
    if overwrite and not Folder.is_begun(folder, identity):
        check_free(folder)
        delete(folder)
    return Folder(folder, identity)


def check_apart(out: Path, image: Path) -> None:
    """Make sure that a result does not replace the image that it is of.

    Raises
    ------
    InputError
        If both are the same file or folder, or the image lies in what would be replaced.
    """
    if out.resolve() in (image.resolve(), *image.resolve().parents):
        raise InputError(f"{out} is the image itself: choose another name for the result.")


def check_output(path: Path, source: Source, overwrite: bool) -> None:
    """Make sure that a result can be written, before any work.

    Raises
    ------
    InputError
        If the suffix is unknown, or the place cannot be written.
    TakenError
        If something is there already.
    """
    if path.suffix not in (".tif", ".tiff", ".zarr"):
        raise InputError(f"Cannot write {path.name}: results go to .tif or .zarr.")
    check_not_taken(path, overwrite)
    check_writable(path, n_bytes=4 * math.prod(source.shape))


def check_not_taken(path: Path, overwrite: bool) -> None:
    """Make sure that nothing is replaced that may not be.

    Raises
    ------
    TakenError
        If something is there already.
    """
    if path.exists() and not overwrite:
        raise TakenError(
            f"{path} exists already. Choose another name, or allow replacing it (--overwrite)."
        )

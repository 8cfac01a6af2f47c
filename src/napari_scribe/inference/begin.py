"""What all runs of a model over an image begin with: checks of the output, and where it grows."""

from __future__ import annotations

import math
import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..device import pick_device
from ..errors import InputError, TakenError
from ..image import Image
from ..io import (
    RESULT_SUFFIXES,
    check_text,
    check_writable,
    is_zarr_name,
    open_levels,
    resolve_links,
    tidy,
    work_folder,
)
from ..io.origin import maker_of
from .cluster import Cluster
from .execute import Execution
from .run import SegmentJob, SegmentStep
from .source import Source
from .store.identity import compared, identity_of, made_from_changed
from .store.in_memory import Memory
from .store.lock import WHOLE, Presence
from .store.maps import map_path, read_maps
from .store.results import read_answer
from .store.sinks import Folder

MOST_PARTS = 100_000
"""Into which the work is divided."""


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
        if self.workers is not None and self.workers < 1:
            raise InputError(f"{self.workers} workers do nothing: use 1 or more.")
        if self.part is not None and self.part[1] > MOST_PARTS:
            raise InputError(
                f"The work cannot be shared among {self.part[1]}: use at most {MOST_PARTS} parts."
            )
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
    if path is not None:
        check_text(path)
        path = resolve_links(path) if os.path.islink(path) else path
    identity = identity_of(source, settings.maps, settings.is_quick)
    if path is not None:
        outputs = [path, *(map_path(path, name) for name in settings.maps)]
        for output in [*outputs, work_folder(path)]:
            tidy(output)
        if not settings.overwrite and all(maker_of(output) == identity for output in outputs):
            Folder.remove_left(work_folder(path), identity)
            return _done_before(path, source, settings.maps)
        _check_outputs(outputs, source, settings, identity)
    sink = Memory() if path is None else Folder(work_folder(path), identity, settings.overwrite)
    who = WHOLE if settings.part is None else f"part-{settings.part[0]}"
    execution = Execution(
        source=source,
        sink=sink,
        out=path,
        overwrite=settings.overwrite,
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


def _check_outputs(
    outputs: Sequence[Path], source: Source, settings: Settings, identity: str
) -> None:
    """Make sure that labels, and then maps, can be written; maps may be left by the same call."""
    for output in outputs:
        is_first, maker = output == outputs[0], maker_of(output)
        if made_from_changed(maker, identity) and not settings.overwrite:
            raise TakenError(
                f"{output} was made from the same image before its file changed (size or time of "
                "change). Replace it with --overwrite, or choose another name."
            )
        may_replace = settings.overwrite or (maker == identity and not is_first)
        check_output(output, may_replace, room_for(source, settings) if is_first else 0)


def room_for(source: Source, settings: Settings) -> int:
    """Bytes that results and the work for them take at most, all together."""
    n_pixels, model = math.prod(source.shape), source.model
    n_labels = math.prod(source.label_shape)
    if source.is_image:
        return 2 * n_pixels * source.dtype.itemsize
    heads = {head.name: head.channels for head in model.coder.heads}
    of_maps = [
        next(iter(heads.values())) if n == "probability" else heads[n] for n in settings.maps
    ]
    n_bytes = 8 * n_pixels + sum(6 * n * n_labels for n in of_maps)
    if model.coder.is_pixelwise:
        return n_bytes
    # Numbers that each block counts, and predictions: of one frame after the other, if alone.
    n_frames = len(source.frames()) if settings.part or settings.cluster else 1
    return (
        n_bytes + 4 * n_pixels + 2 * sum(heads.values()) * n_frames * math.prod(source.frame_shape)
    )


def _done_before(path: Path, source: Source, maps: Sequence[str]) -> SegmentJob:
    """Nothing to do."""

    def nothing(job: SegmentJob) -> Generator[SegmentStep, None, Any]:
        yield from ()
        job.levels = open_levels(path) if is_zarr_name(path) else [read_answer(path, source)]
        job.maps = read_maps(path, maps, source)
        return job.levels[0]

    job = SegmentJob(nothing)
    job.region = source.region
    job.note = (
        f"{path} was made before by the same model from the same image ({compared(source)}): "
        "nothing to do."
    )
    return job


def check_apart(out: Path, image: Path) -> None:
    """Make sure that a result does not replace the image that it is of.

    Raises
    ------
    InputError
        If both are the same file or folder, or the image lies in what would be replaced.
    """
    if out.resolve() in (image.resolve(), *image.resolve().parents):
        raise InputError(f"{out} is the image itself: choose another name for the result.")


def check_output(path: Path, overwrite: bool, n_bytes: int) -> None:
    """Make sure that a result can be written, before any work.

    Parameters
    ----------
    n_bytes
        Room that it and the work for it need.

    Raises
    ------
    InputError
        If the suffix is unknown, or the place cannot be written.
    TakenError
        If something is there already.
    """
    if path.suffix.lower() not in RESULT_SUFFIXES:
        raise InputError(f"Cannot write {path.name}: results go to .tif or .zarr.")
    check_not_taken(path, overwrite)
    check_writable(path, n_bytes)


def check_not_taken(path: Path, overwrite: bool) -> None:
    """Make sure that nothing is replaced that may not be.

    Raises
    ------
    TakenError
        If something is there already.
    """
    if os.path.exists(path) and not overwrite:
        raise TakenError(
            f"{path} exists already. Choose another name, or allow replacing it (--overwrite)."
        )

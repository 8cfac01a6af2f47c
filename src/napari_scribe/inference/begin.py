"""Begin a run of a model over an image: check its output, or open it if it is done already."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..device import pick_device
from ..errors import InputError, TakenError
from ..image import Image
from ..io import (
    RESULT_SUFFIXES,
    check_not_taken,
    check_writable,
    is_zarr_name,
    resolve_links,
    stamp,
    tidy,
    work_folder,
)
from ..io.files import is_in_image
from ..io.ngff_labels import check_labels, enter
from ..io.origin import RUN, maker_of
from ..io.writable import check_text
from ..model import Model
from ..targets.object_size import check_size, thickness
from .cluster import check_cluster
from .denoise.denoised_image import noisy_source
from .plan import Settings
from .room import bytes_needed
from .run import InferenceJob, InferenceStep, Run
from .source import Source
from .store.lock import WHOLE, RunLock
from .store.results import map_path, open_results
from .store.sinks import Folder, Memory, made_from_changed

MOST_SHARES = 100_000
"""Largest number of processes that may share the work."""


def check_settings(settings: Settings, image: Image) -> None:
    """Check, before anything is read, that the settings make sense.

    Raises
    ------
    InputError
        If a value makes no sense, or the output would replace the image.
    """
    if settings.tile is not None and settings.tile < 1:
        raise InputError(f"A tile of {settings.tile} px keeps nothing: use 1 or more.")
    if settings.batch is not None and settings.batch < 1:
        raise InputError(f"A batch of {settings.batch} has no tile: use 1 or more.")
    if settings.workers is not None and settings.workers < 1:
        raise InputError(f"{settings.workers} workers do nothing: use 1 or more.")
    if settings.part is not None:
        share, n_shares = settings.part
        if n_shares > MOST_SHARES:
            raise InputError(
                f"The work cannot be shared among {n_shares}: use at most {MOST_SHARES} parts."
            )
        if not 1 <= share <= n_shares:
            raise InputError(f"There is no part {share}/{n_shares}: the first is 1/{n_shares}.")
    if settings.out is None and (settings.part or settings.is_on_cluster):
        raise InputError("Work that is shared needs an output on disk (out).")
    if settings.is_on_cluster:
        check_cluster(settings)
    if settings.out is not None and image.source is not None:
        check_apart(settings.out, image.source)


def checked_size(model: Model, object_size: float) -> float:
    """Return the diameter of the objects in an image, checked.

    Raises
    ------
    InputError
        If it makes no sense, or the model does not know its own.
    """
    if model.object_size is None:
        raise InputError(
            f"{model.name} does not know the size of the objects it was trained on, so images are "
            "not brought to one: leave the size out, or train a new model.",
            object_size=False,
        )
    return check_size(object_size)


def begin(source: Source, settings: Settings, note: str = "", advice: str = "") -> InferenceJob:
    """Return the job that runs a model over an image.

    Parameters
    ----------
    note
        A sentence for the user about the image. It is left out if the output is done already.
    advice
        A sentence for the user about the model.

    Raises
    ------
    InputError
        If the output cannot be written, or another process is at work on it.
    TakenError
        If something else lies at the path of an output.
    """
    if settings.out is None:
        run = Run(source, settings, Memory(), pick_device(settings.device), None)
        return InferenceJob(run, source.region, f"{note} {advice}".strip())
    check_text(settings.out)
    if is_in_image(settings.out):
        _check_in_image(settings.out, source, settings)
    path = resolve_links(settings.out) if os.path.islink(settings.out) else settings.out
    identity = identity_of(source, settings)
    outputs = [path, *(map_path(path, name) for name in settings.maps)]
    for output in [*outputs, work_folder(path)]:
        tidy(output)
    if not settings.overwrite and all(maker_of(output) == identity for output in outputs):
        Folder.remove_finished(work_folder(path), identity)
        return _done_before(path, source, settings.maps, advice)
    _check_outputs(outputs, source, settings, identity)
    sink = Folder(work_folder(path), identity, settings.overwrite)
    lock = RunLock(sink.path, WHOLE if settings.part is None else f"part-{settings.part[0]}")
    run = Run(source, replace(settings, out=path), sink, pick_device(settings.device), lock)
    return InferenceJob(run, source.region, f"{note} {advice}".strip(), can_resume=True)


def _done_before(path: Path, source: Source, maps: Sequence[str], advice: str) -> InferenceJob:
    """Return a job that only opens the results."""

    def body(job: InferenceJob) -> Generator[InferenceStep, None, Any]:
        yield from ()
        if is_in_image(path):  # the process may have ended just before
            enter(path)
        job.levels, job.maps = open_results(path, maps, source)
        return job.levels[0]

    compared = "same size and time of change, and the same sample of the pixels"
    if noisy_source(source).image.source is None:
        compared = "by shape, type and a sample of the pixels"
    note = (
        f"{path} was made before by the same model from the same image ({compared}): "
        f"nothing to do. {advice}"
    )
    return InferenceJob(body, source.region, note.strip())


def identity_of(source: Source, settings: Settings) -> str:
    """Return a text that differs between calls that may have different results.

    Images are compared by shape, type and a sample of the pixels. Images that were read from disk
    are also compared by size and time of change of their files.
    """
    noisy = noisy_source(source)
    image = noisy.image
    region = sorted((a, s.start, s.stop) for a, s in source.region.items())
    pixels = (image.axes, image.shape, str(image.dtype), noisy.channels, noisy.statistics.digest)
    options = (settings.is_quick, sorted(settings.maps), str(source.dtype), image.series)
    size = () if settings.object_size is None else (settings.object_size,)
    if source.model.thickness is not None:
        size = *size, thickness(image)
    call = repr((source.model.fingerprint(), *pixels, region, *options, *size))
    digest = hashlib.sha256(call.encode()).hexdigest()[:16]
    return f"{RUN}{digest}-{stamp(image.source, image.data) if image.source is not None else ''}"


def _check_outputs(
    outputs: Sequence[Path], source: Source, settings: Settings, identity: str
) -> None:
    """Check that labels and maps can be written. Maps of the same call may be replaced."""
    for output in outputs:
        if output.suffix.lower() not in RESULT_SUFFIXES and not is_zarr_name(output):
            raise InputError(f"Cannot write {output.name}: results go to .tif or .zarr.")
        is_first, maker = output == outputs[0], maker_of(output)
        if made_from_changed(maker, identity) and not settings.overwrite:
            raise TakenError(
                f"{output} was made from the same image before its file changed (size or time of "
                "change). Choose another name, or allow replacing it.",
                overwrite=True,
            )
        check_not_taken(output, settings.overwrite or (maker == identity and not is_first))
        check_writable(output, bytes_needed(source, settings) if is_first else 0)


def _check_in_image(out: Path, source: Source, settings: Settings) -> None:
    """Check that a result may be written into an OME-Zarr image."""
    if source.is_image or settings.maps:
        what = "A denoised image" if source.is_image else f"The map {settings.maps[0]}"
        raise InputError(
            f"{what} cannot be written into an image, which takes labels alone: choose another "
            "place."
        )
    check_labels(out, source.image, source.shape)


def check_apart(out: Path, image: Path) -> None:
    """Check that a result does not replace the image that it was made from.

    Raises
    ------
    InputError
        If both are the same file or folder, or the image lies in the folder that is replaced.
    """
    if out.resolve() in (image.resolve(), *image.resolve().parents):
        raise InputError(f"{out} is the image itself: choose another name for the result.")

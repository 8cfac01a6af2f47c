"""Segment all images of a folder, one after the other, into another folder."""

from __future__ import annotations

import logging
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ...errors import InputError, TakenError
from ...image import Image
from ...io import beside_images, check_writable, list_images, read_image, result_names
from ...progress import Job
from ..jobs.progress import JobClock, Progressed
from ..jobs.request import Question, Request
from ..messages import Remark, explain, with_remarks
from ..model_library import duration

if TYPE_CHECKING:
    from ...inference.run import InferenceJob
    from ...model import Model

log = logging.getLogger("napari_scribe")

Pair = tuple[Path, Path]
"""An image, and where its labels go."""


@dataclass(frozen=True)
class FolderRequest(Request["FolderStep", "FolderDone"]):
    """Describe which folder is segmented, and where results go.

    Parameters
    ----------
    images, out
        Folders.
    pairs
        The images, and the results, as `with_results` gives them.
    model
        The file of a model.
    channels, of_channels
        Which channels the model sees of images with so many; its own choice of others, and of all
        when None.
    series
        Which image of files that hold several.
    tile, halo, device, with_probability, object_size
        As in `SegmentRequest`.
    overwrite
        Results that may be replaced.
    """

    images: Path
    out: Path
    pairs: tuple[Pair, ...]
    model: Path
    channels: list[int] | None = None
    of_channels: int = 0
    series: int = 0
    tile: int | None = None
    halo: Literal["exact", "quick"] = "exact"
    device: str | None = None
    with_probability: bool = False
    object_size: float | None = None
    overwrite: frozenset[Path] = frozenset()

    @property
    def title(self) -> str:
        """Return what is done."""
        return f"Segmenting the images in {self.images.name}"

    def begin(self) -> Job[FolderStep, FolderDone]:
        """Make the job; called in its thread."""
        return Job(lambda job: _segment_each(job, self))

    def progress(self, record: FolderStep, clock: JobClock) -> Progressed:
        """Return what the progress bar shows of a record."""
        clock.add(record.done, record.total)
        text = f"image {record.number} of {record.n_images}{clock.time_left}"
        return Progressed(clock.fraction, text)


def with_results(images: Path, out: Path) -> tuple[Pair, ...]:
    """Return the images of a folder, each with its result: a ``.tif`` with the image's name.

    Raises
    ------
    InputError
        If there are none, the folders are the same, or two results would have one name.
    """
    paths = list_images(images)
    if out.resolve() == images.resolve():
        raise InputError("Choose another folder for the results than that of the images.")
    return tuple(zip(paths, (out / name for name in result_names(paths)), strict=True))


@dataclass(frozen=True)
class FolderStep:
    """Record how far the job of a folder is.

    Parameters
    ----------
    done, total
        Images, those left out that were there before; the one that is worked on as a share.
    number, n_images
        Which image that is, from 1, of how many.
    """

    done: float
    total: int
    number: int
    n_images: int


@dataclass(frozen=True)
class FolderDone:
    """Hold what became of a folder.

    Parameters
    ----------
    out
        Where results are.
    n_images
        How many images there are.
    n_done, n_before
        How many were segmented now, and how many by an earlier run.
    failed
        Names of the others, with what was wrong.
    notes
        Names, with a word about the image, or about memory that ran out.
    is_complete
        False where it was stopped early.
    seconds
        How long it took.
    """

    out: Path
    n_images: int
    n_done: int = 0
    n_before: int = 0
    failed: tuple[Remark, ...] = ()
    notes: tuple[Remark, ...] = ()
    is_complete: bool = True
    seconds: float = 0.0

    def in_words(self) -> str:
        """Return a few lines for the user."""
        done = f"{self.n_done} of {self.n_images} images segmented in {duration(self.seconds)}"
        before = f", {self.n_before} done before" if self.n_before else ""
        text = f"{done}{before}. Results are in {self.out}."
        if not self.is_complete:
            text = f"Stopped: {text} Segment goes on from here."
        return with_remarks(text, self.failed, self.notes)


def _segment_each(
    job: Job[FolderStep, FolderDone], request: FolderRequest
) -> Generator[FolderStep, None, FolderDone]:
    """Segment one image after the other; one that fails does not end the rest."""
    from ...describe import slice_by_slice
    from ...model import load_model

    model, pairs = load_model(request.model), request.pairs
    before = _made_before(job, model, request)
    check_writable(pairs[0][1])
    request.out.mkdir(parents=True, exist_ok=True)
    done = FolderDone(
        request.out, len(pairs), n_before=len(before), notes=_left_out(request.images)
    )
    left = [(image, target) for image, target in pairs if target not in before]
    for i, (path, target) in enumerate(left):
        if _is_stopped(job):
            return replace(done, is_complete=False)
        try:
            image = read_image(path, series=request.series)
            one = _job(model, image, target, request)
            for step in one:
                if _is_stopped(job):
                    one.stop()
                share = step.done / max(step.total, 1)
                yield FolderStep(i + share, len(left), len(before) + i + 1, len(pairs))
        except Exception as error:
            done = replace(done, failed=(*done.failed, (path.name, _reason(path, error))))
            continue
        words = *image.notes, slice_by_slice(model, image.length("Z")), one.note, *one.memory_notes
        if note := " ".join(word for word in words if word):
            done = replace(done, notes=(*done.notes, (path.name, note)))
        if not one.is_complete:
            return replace(done, is_complete=False)
        done = replace(done, n_done=done.n_done + 1)
    return done


def _is_stopped(job: Job[FolderStep, FolderDone]) -> bool:
    """Return whether the user has stopped the job by now, in the main thread."""
    return job.stop_requested


def _made_before(
    job: Job[FolderStep, FolderDone], model: Model, request: FolderRequest
) -> set[Path]:
    """Return the results that the same request has made already.

    Raises
    ------
    Question
        If others lie where results go, before anything is done.
    """
    before: set[Path] = set()
    taken: set[Path] = set()
    there = [path.name for path in request.out.glob("*")]
    for image, target in request.pairs:
        if job.stop_requested:
            return before
        if target in request.overwrite or not any(target.stem in name for name in there):
            continue
        try:
            if not _job(
                model, read_image(image, series=request.series), target, request
            ).can_resume:
                before.add(target)
        except TakenError:
            taken.add(target)
        except Exception:
            log.debug("%s is told of when it is its turn", image, exc_info=True)
    if taken:
        raise _question(request, frozenset(taken))
    return before


def _question(request: FolderRequest, taken: frozenset[Path]) -> Question:
    """Return whether results of something else, that lie there already, are to be replaced."""
    n = len(taken)
    return Question(
        f"{request.out} has other results already, of another model, image or setting, for {n} of "
        f"{len(request.pairs)} images. Replace {'it' if n == 1 else 'them'}?",
        "Replace all" if n > 1 else "Replace it",
        "Cancel",
        replace(request, overwrite=taken),
    )


def _left_out(folder: Path) -> tuple[Remark, ...]:
    """Return notes on the files of a folder that are labels or maps of others."""
    return tuple((p.name, "left out, as labels of an image here") for p in beside_images(folder))


def _job(model: Model, image: Image, target: Path, request: FolderRequest) -> InferenceJob:
    from ...inference.segment import segment

    return segment(
        model,
        image,
        target,
        channels=request.channels if image.n_channels == request.of_channels else None,
        tile=request.tile,
        halo=request.halo,
        device=request.device,
        save=("labels", "probability") if request.with_probability else ("labels",),
        overwrite=target in request.overwrite,
        object_size=request.object_size,
    )


def _reason(image: Path, error: Exception) -> str:
    """Return why an image failed, in words that can stand in brackets."""
    is_foreseen = isinstance(error, InputError)
    text = str(error) if is_foreseen else explain(error, f"Segmenting {image}")
    log.warning("%s was not segmented: %s", image, text)
    return text.rstrip(".")

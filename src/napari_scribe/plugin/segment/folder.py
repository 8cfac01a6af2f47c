"""All images of a folder, one after the other, into another folder."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...errors import InputError, TakenError
from ...image import Image
from ...io import beside_images, check_writable, list_images, read_image, result_names
from ...progress import Job
from ..jobs.remaining_time import Progressed
from ..jobs.runner import Ended, JobRun, Question
from ..messages import explain, listed
from ..model_library import duration

log = logging.getLogger("napari_scribe")

Pair = tuple[Path, Path]
"""An image, and where its labels go."""


class Taken(Question):
    """Whether results of something else, that lie in the folder already, are replaced.

    Parameters
    ----------
    targets
        These results.
    out, n_images
        The folder, and of how many images it is to hold the results.
    """

    def __init__(self, targets: frozenset[Path], out: Path, n_images: int) -> None:
        n = len(targets)
        super().__init__(
            f"{out} has other results already, of another model, image or setting, for {n} of "
            f"{n_images} images. Replace {'it' if n == 1 else 'them'}?",
            "Replace all" if n > 1 else "Replace it",
            "Cancel",
        )
        self.targets = targets


@dataclass(frozen=True)
class FolderInput:
    """What is segmented, and where results go.

    Parameters
    ----------
    images, out
        Folders. Results have the names of the images, and end in ``.tif``.
    model
        The file of a model.
    channels, of_channels
        Which channels the model is given of images with so many; its own choice of others, and of
        all when None.
    series
        Which image of files that hold several.
    tile, halo, device, with_probability
        As in `SegmentInput`.
    overwrite
        Results that may be replaced.
    """

    images: Path
    out: Path
    model: Path
    channels: list[int] | None = None
    of_channels: int = 0
    series: int = 0
    tile: int | None = None
    halo: str = "exact"
    device: str | None = None
    with_probability: bool = False
    overwrite: frozenset[Path] = frozenset()


@dataclass(frozen=True)
class FolderStep:
    """A record of a folder's job.

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
    """What became of a folder.

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
    failed: tuple[tuple[str, str], ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    is_complete: bool = True
    seconds: float = 0.0

    def in_words(self) -> str:
        """A few lines for the user."""
        done = f"{self.n_done} of {self.n_images} images segmented in {duration(self.seconds)}"
        before = f", {self.n_before} done before" if self.n_before else ""
        text = f"{done}{before}. Results are in {self.out}."
        if not self.is_complete:
            text = f"Stopped: {text} Segment goes on from here."
        if self.failed:
            text += f" {len(self.failed)} failed: {listed(self.failed)}."
        if len({note for _, note in self.notes}) == 1 and len(self.notes) > 1:
            text += f" Note on {len(self.notes)} images: {self.notes[0][1].rstrip('.')}."
        elif self.notes:
            text += f" Notes: {listed(self.notes)}."
        return text


class FolderRun(JobRun):
    """Drives the segmentation of one folder at a time; `ended` comes with `FolderDone`."""

    given: FolderInput | None = None

    def start(self, given: FolderInput) -> None:
        """Begin.

        Raises
        ------
        InputError
            If another job runs, or the folders will not do.
        """
        pairs = _pairs(given)
        self.begin(
            f"Segmenting the images in {given.images.name}",
            lambda: Job(lambda job: _each(job, given, pairs)),
            lambda job: job.result,
        )
        self.given = given

    def _on_record(self, record: FolderStep) -> None:
        self.pace.add(record.done, record.total)
        text = f"image {record.number} of {record.n_images}{self.pace.left}"
        self.stepped.emit(Progressed(self.pace.fraction, text))

    def _on_ended(self, ended: Ended) -> None:
        if isinstance(ended.value, FolderDone):
            ended = replace(ended, value=replace(ended.value, seconds=self.pace.active))
        super()._on_ended(ended)


def _pairs(given: FolderInput) -> list[Pair]:
    images = list_images(given.images)
    if given.out.resolve() == given.images.resolve():
        raise InputError("Choose another folder for the results than that of the images.")
    names = result_names(images)
    return [(image, given.out / name) for image, name in zip(images, names, strict=True)]


def _each(
    job: Job[FolderStep, FolderDone], given: FolderInput, pairs: list[Pair]
) -> Generator[FolderStep, None, FolderDone]:
    """Segment one image after the other; one that fails keeps no other from its turn."""
    from ...model import load_model

    model = load_model(given.model)
    before = _made_before(job, model, given, pairs)
    check_writable(pairs[0][1])
    given.out.mkdir(parents=True, exist_ok=True)
    done = FolderDone(given.out, len(pairs), n_before=len(before), notes=_left_out(given.images))
    left = [(image, target) for image, target in pairs if target not in before]
    for i, (path, target) in enumerate(left):
        if job.stop_requested:
            return replace(done, is_complete=False)
        try:
            image = read_image(path, series=given.series)
            one = _job(model, image, target, given)
            for step in one:
                if job.stop_requested:
                    one.stop()
                share = step.done / max(step.total, 1)
                yield FolderStep(i + share, len(left), len(before) + i + 1, len(pairs))
        except Exception as error:
            done = replace(done, failed=(*done.failed, (path.name, _reason(path, error))))
            continue
        if note := " ".join(word for word in (*image.notes, one.note, *one.memory_notes) if word):
            done = replace(done, notes=(*done.notes, (path.name, note)))
        if not one.is_complete:
            return replace(done, is_complete=False)
        done = replace(done, n_done=done.n_done + 1)
    return done


def _made_before(
    job: Job[FolderStep, FolderDone], model: Any, given: FolderInput, pairs: list[Pair]
) -> set[Path]:
    """Results that the same call has made already.

    Raises
    ------
    Taken
        If others lie where results go, before anything is done.
    """
    before, taken = set(), set()
    there = [path.name for path in given.out.glob("*")]
    for image, target in pairs:
        if job.stop_requested:
            return before
        if target in given.overwrite or not any(target.stem in name for name in there):
            continue
        try:
            if not _job(model, read_image(image, series=given.series), target, given).can_resume:
                before.add(target)
        except TakenError:
            taken.add(target)
        except Exception:
            log.debug("%s is told of when it is its turn", image, exc_info=True)
    if taken:
        raise Taken(frozenset(taken), given.out, len(pairs))
    return before


def _left_out(folder: Path) -> tuple[tuple[str, str], ...]:
    """Notes on the files of a folder that are labels or maps of others."""
    return tuple((p.name, "left out, as labels of an image here") for p in beside_images(folder))


def _job(model: Any, image: Image, target: Path, given: FolderInput) -> Any:
    from ...inference.segment import segment

    return segment(
        model,
        image,
        target,
        channels=given.channels if image.n_channels == given.of_channels else None,
        tile=given.tile,
        halo=given.halo,
        device=given.device,
        save=("labels", "probability") if given.with_probability else ("labels",),
        overwrite=target in given.overwrite,
    )


def _reason(image: Path, error: Exception) -> str:
    """Why an image failed, in words that can stand in brackets."""
    if isinstance(error, InputError):
        text = str(error)
    else:
        log.error("%s failed\n%s", image, traceback.format_exc())
        text = explain(error)
    log.warning("%s was not segmented: %s", image, text)
    return text.rstrip(".")

"""All images of a folder, one after the other, into another folder."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..io import list_images, stem
from ..progress import Job
from .jobs import Ended, JobRun
from .kept import duration
from .pace import Progressed
from .wording import explain, for_the_viewer

log = logging.getLogger("napari_scribe")

LISTED = 10
"""So many of the images that failed are named; the terminal has all."""


@dataclass(frozen=True)
class FolderInput:
    """What is segmented, and where results go.

    Parameters
    ----------
    images, out
        Folders. Results have the names of the images, and end in ``.tif``.
    model
        The file of a model.
    tile, halo, device, with_probability
        As in `SegmentInput`.
    """

    images: Path
    out: Path
    model: Path
    tile: int | None = None
    halo: str = "exact"
    device: str | None = None
    with_probability: bool = False


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
    is_complete
        False where it was stopped early.
    seconds
        How long it took.
    """

    out: Path
    n_images: int
    n_done: int = 0
    n_before: int = 0
    failed: tuple[tuple[str, str], ...] = field(default=())
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
            named = "; ".join(f"{name} ({reason})" for name, reason in self.failed[:LISTED])
            more = f"; and {len(self.failed) - LISTED} more" if len(self.failed) > LISTED else ""
            text += f" {len(self.failed)} failed: {named}{more}."
        return text


class FolderRun(JobRun):
    """Drives the segmentation of one folder at a time; `ended` comes with `FolderDone`."""

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

    def _on_record(self, record: FolderStep) -> None:
        self.pace.add(record.done, record.total)
        text = f"image {record.number} of {record.n_images}{self.pace.left}"
        self.stepped.emit(Progressed(self.pace.fraction, text))

    def _on_ended(self, ended: Ended) -> None:
        if isinstance(ended.value, FolderDone):
            ended = replace(ended, value=replace(ended.value, seconds=self.pace.active))
        super()._on_ended(ended)


def _pairs(given: FolderInput) -> list[tuple[Path, Path]]:
    """Each image, and where its labels go."""
    images = list_images(given.images)
    if given.out.resolve() == given.images.resolve():
        raise InputError("Choose another folder for the results than that of the images.")
    names = [f"{stem(path)}.tif" for path in images]
    if double := next((name for name in names if names.count(name) > 1), ""):
        raise InputError(
            f"More than one image in {given.images.name} would become {double}: rename one."
        )
    return [(image, given.out / name) for image, name in zip(images, names, strict=True)]


def _each(
    job: Job[FolderStep, FolderDone], given: FolderInput, pairs: list[tuple[Path, Path]]
) -> Generator[FolderStep, None, FolderDone]:
    """Segment one image after the other; one that fails keeps no other from its turn."""
    from ..model import load_model

    model = load_model(given.model)
    given.out.mkdir(parents=True, exist_ok=True)
    done = FolderDone(given.out, len(pairs))
    for i, (image, target) in enumerate(pairs):
        n_steps = 0
        try:
            one = _job(model, image, target, given)
            for step in one:
                n_steps += 1
                if job.stop_requested:
                    one.stop()
                share = step.done / max(step.total, 1)
                total = len(pairs) - done.n_before
                yield FolderStep(i - done.n_before + share, total, i + 1, len(pairs))
        except Exception as error:
            done = replace(done, failed=(*done.failed, (image.name, _reason(image, error))))
        else:
            if not one.is_complete:
                return replace(done, is_complete=False)
            which = "n_done" if n_steps else "n_before"
            done = replace(done, **{which: getattr(done, which) + 1})
        if job.stop_requested and i + 1 < len(pairs):
            return replace(done, is_complete=False)
    return done


def _job(model: Any, image: Path, target: Path, given: FolderInput) -> Any:
    from ..inference.segment import segment

    return segment(
        model,
        image,
        target,
        tile=given.tile,
        halo=given.halo,
        device=given.device,
        save=("labels", "probability") if given.with_probability else ("labels",),
    )


def _reason(image: Path, error: Exception) -> str:
    """Why an image failed, in words that can stand in brackets."""
    if isinstance(error, InputError):
        text = for_the_viewer(str(error))
    else:
        log.error("%s failed\n%s", image, traceback.format_exc())
        text = explain(error)
    log.warning("%s was not segmented: %s", image, text)
    return text.rstrip(".")

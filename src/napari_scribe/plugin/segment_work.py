"""The part of a segmentation that runs in its thread, and what goes in and out of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..image import Image
from .kept import duration
from .places import at_chosen_place, at_free_place

if TYPE_CHECKING:
    from ..inference.run import SegmentJob
    from ..model import Model

IN_MEMORY = 2**26
"""Results of more pixels than this are written to disk and shown from there."""


@dataclass(frozen=True)
class SegmentInput:
    """What is segmented, and with which model.

    Parameters
    ----------
    image_layer, image
        A layer, and what it holds.
    model
        A model, or the file of one.
    channels
        Which channels of the image the model is given; its own choice when None.
    region, part
        Which part of the image, per axis letter, and what it is called; all of it when None.
    tile, halo, device
        As `segment` takes them.
    with_probability
        Whether probabilities are shown too.
    out, overwrite
        The file to write; chosen where the result is large when None. Whether it may be replaced.
    """

    image_layer: Any
    image: Image
    model: Model | Path
    channels: list[int] | None = None
    region: dict[str, slice] | None = None
    part: str = ""
    tile: int | None = None
    halo: str = "exact"
    device: str | None = None
    with_probability: bool = False
    out: Path | None = None
    overwrite: bool = False

    @property
    def purpose(self) -> str:
        """What the layer of the result is called after its image."""
        return f"labels ({self.part})" if self.part else "labels"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the result, along TZYX as far as the image has them."""
        wanted = self.region or {}
        return tuple(
            len(range(self.image.length(a))[wanted.get(a, slice(None))])
            for a in self.image.label_axes()
        )


@dataclass(frozen=True)
class Segmented:
    """What a segmentation gave.

    Parameters
    ----------
    labels
        Along TZYX as far as the image has them; on disk where they are many.
    levels
        The same and smaller copies, for display; empty where `labels` can be shown and painted on.
    probability
        ``(channels, *labels)``, where asked for and not too large to be shown.
    region
        What the labels are of.
    task
        What the labels are.
    n_found
        How many objects or classes there are; None where nobody has counted.
    seconds
        How long it took.
    is_complete
        False where it was stopped early.
    goes_on
        Whether the next run goes on where this one was stopped.
    note
        A word about the image.
    path
        Where the result is kept.
    is_old
        Whether an earlier run has made it.
    """

    labels: Any
    levels: list[Any]
    probability: Any
    region: dict[str, slice]
    task: str
    n_found: int | None
    seconds: float
    is_complete: bool
    goes_on: bool = False
    note: str = ""
    path: Path | None = None
    is_old: bool = False

    @property
    def is_shown_anew(self) -> bool:
        """Whether the labels take the place of what was seen growing; else that stays."""
        return isinstance(self.labels, np.ndarray) or (self.is_complete and not self.is_too_large)

    @property
    def is_too_large(self) -> bool:
        """Whether it lies on disk without smaller copies, so that napari would read all of it."""
        return len(self.levels) == 1 and math.prod(self.labels.shape[-2:]) > IN_MEMORY

    def found_in_words(self) -> str:
        """As in "3 objects"."""
        what, plural = {"objects": ("object", "s"), "classes": ("class", "es")}[self.task]
        if self.n_found is None:
            return "Done"
        return f"{self.n_found} {what}{'' if self.n_found == 1 else plural}"

    def in_words(self) -> str:
        """A line or two for the user."""
        if self.is_complete and self.is_old and self.path is not None:
            parts = [f"Made before, by the same model from the same image: {self.path}."]
        elif self.is_complete:
            kept = f"Kept in {self.path}." if self.path is not None else ""
            took = duration(self.seconds) if self.seconds >= 60 else f"{self.seconds:.1f} s"
            parts = [f"{self.found_in_words()} in {took}.", self.note, kept]
            if self.is_too_large:
                parts.append("It is too large to be shown from there: save to a .zarr for that.")
        elif self.goes_on:
            parts = ["Stopped. Segment goes on from here.", self.note]
        else:
            parts = [
                "Stopped: only a part was segmented, and Segment would begin anew. To be able to "
                "go on, choose a .zarr under More settings, Save to.",
                self.note,
            ]
        return " ".join(part for part in parts if part)


@dataclass
class Begun:
    """What is known of a segmentation once its job is there; filled in the job's thread."""

    task: str = ""
    path: Path | None = None
    goes_on: bool = False


def begin(given: SegmentInput, begun: Begun) -> SegmentJob:
    """Make the job; in its thread."""
    from ..inference.segment import check_apart, segment
    from ..model import load_model

    model = load_model(given.model) if isinstance(given.model, Path) else given.model
    begun.task = model.recipe.task

    def job_at(path: Path | None) -> SegmentJob:
        begun.path = path
        job = segment(
            model,
            given.image,
            path,
            channels=given.channels,
            region=given.region,
            tile=given.tile,
            halo=given.halo,
            device=given.device,
            save=("labels", "probability") if given.with_probability else ("labels",),
            overwrite=given.overwrite,
        )
        begun.goes_on = job.goes_on
        return job

    if given.out is not None:
        if file := given.image_layer.source.path:
            check_apart(given.out, Path(file))
        return at_chosen_place(given.out, job_at)
    if math.prod(given.shape) <= IN_MEMORY:
        return job_at(None)
    return at_free_place(f"{given.image.name} {given.part}", job_at)


def finish(job: SegmentJob, given: SegmentInput, begun: Begun) -> Segmented:
    """What the job gave; in its thread."""
    labels, levels = job.result, list(job.levels)
    is_small = math.prod(labels.shape) <= IN_MEMORY
    n_found = job.n_objects
    if isinstance(labels, np.ndarray) or (is_small and job.is_complete):
        labels, levels = np.asarray(labels), []  # a copy of its own: painting changes no file
        n_found = _n_found(labels, begun.task)
    probability, notes = job.probability, [job.note, *job.ladder]
    if probability is not None and math.prod(probability.shape) > IN_MEMORY:
        probability = None
        notes.append("The probability lies beside the labels, too large to be shown.")
    return Segmented(
        labels=labels,
        levels=levels,
        probability=None if probability is None else np.asarray(probability),
        region=job.region or given.region or {},
        task=begun.task,
        n_found=n_found,
        seconds=0.0,
        is_complete=job.is_complete,
        goes_on=job.goes_on,
        note=" ".join(note for note in notes if note),
        path=begun.path,
    )


def _n_found(labels: Any, task: str) -> int:
    return int(labels.max(initial=0)) if task == "objects" else len(np.unique(labels))

"""The part of a segmentation that runs in its thread, and what goes in and out of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..jobs.inference import IN_MEMORY, Begun, Outcome, RunInput
from ..output_paths import at_place

if TYPE_CHECKING:
    from ...inference.run import InferenceJob


@dataclass(frozen=True)
class SegmentInput(RunInput):
    """What is segmented, and with which model.

    Parameters
    ----------
    halo
        As `segment` takes it.
    with_probability
        Whether probabilities are shown too.
    """

    halo: str = "exact"
    with_probability: bool = False

    result = "labels"


@dataclass(frozen=True, kw_only=True)
class Segmented(Outcome):
    """What a segmentation gave; its `levels` are empty where `labels` can be painted on.

    Parameters
    ----------
    labels
        Along TZYX as far as the image has them; on disk where they are many.
    probability
        ``(channels, *labels)``, where asked for and not too large to be shown.
    task
        What the labels are.
    n_found
        How many objects or classes there are; None where nobody has counted.
    """

    labels: Any
    probability: Any
    task: str
    n_found: int | None

    button, done = "Segment", "segmented"

    @property
    def answer(self) -> Any:
        """The labels."""
        return self.labels

    def found_in_words(self) -> str:
        """As in "3 objects"."""
        from ...targets import TASKS

        if self.n_found is None:
            return "Done"
        task = TASKS[self.task]
        return f"{self.n_found} {task.noun if self.n_found == 1 else task.plural}"


def begin(given: SegmentInput, begun: Begun) -> InferenceJob:
    """Make the job; in its thread."""
    from ...inference.segment import segment
    from ...model import load_model

    model = load_model(given.model) if isinstance(given.model, Path) else given.model
    begun.task = model.recipe.task

    def job_at(path: Path | None) -> InferenceJob:
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
        begun.goes_on = job.can_resume
        return job

    name = f"{given.image.name} {given.part}"
    is_small = math.prod(given.shape) <= IN_MEMORY
    return at_place(given.out, name, is_small, given.image_layer.source.path, job_at)


def finish(job: InferenceJob, given: SegmentInput, begun: Begun) -> Segmented:
    """What the job gave; in its thread."""
    labels, levels = job.result, list(job.levels)
    is_small = math.prod(labels.shape) <= IN_MEMORY
    n_found = job.n_objects
    if isinstance(labels, np.ndarray) or (is_small and job.is_complete):
        labels, levels = np.asarray(labels), []  # a copy of its own: painting changes no file
        n_found = _n_found(labels, begun.task)
    probability, notes = job.probability, [job.note, *job.memory_notes]
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
        goes_on=job.can_resume,
        note=" ".join(note for note in notes if note),
        path=begun.path,
    )


def _n_found(labels: Any, task: str) -> int:
    from ...targets import TASKS

    is_counted = TASKS[task].separates_objects
    return int(labels.max(initial=0)) if is_counted else len(np.unique(labels))

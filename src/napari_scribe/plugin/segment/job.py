"""Segment an image with a model: what is asked, the work in its thread, what it gave."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from napari import Viewer

from ...progress import Job
from ..jobs.inference import Outcome, RunRequest, is_small
from ..jobs.request import Request
from ..layers.colors import labels_look
from ..layers.purpose import LABELS, PROBABILITY
from ..layers.results import show_labels, show_probability

if TYPE_CHECKING:
    from ...arrays import Array
    from ...inference.run import InferenceJob
    from ...inference.seams import Seams
    from ...model import Model

KEPT = 2**22
"""Objects in more pixels than this cannot be decoded again: what they are made of is not kept."""
TOO_LARGE = "The probability lies beside the labels, too large to be shown."


@dataclass(frozen=True)
class SegmentRequest(RunRequest["Segmented"]):
    """Describe what is segmented, and with which model.

    Parameters
    ----------
    halo
        As `segment` takes it.
    with_probability
        Whether probabilities are shown too.
    object_size
        As `segment` takes it.
    """

    halo: Literal["exact", "quick"] = "exact"
    with_probability: bool = False
    object_size: float | None = None

    result, verb, button = LABELS, "Segmenting", "Segment"
    show = staticmethod(show_labels)

    @property
    def look(self) -> dict[str, Any]:
        """Return how labels are shown: as those of objects, or of classes."""
        return labels_look(self.facts.task, self.shape)

    def begin(self) -> InferenceJob:
        """Make the job; called in its thread."""
        from ...describe import slice_by_slice, too_little_learnt
        from ...inference.decoding import maps_to_decode
        from ...inference.segment import segment

        model = self.facts.model = self.loaded_model()
        self.facts.task = model.recipe.task
        save = {"labels", "probability"} if self.with_probability else {"labels"}
        if self.can_be_decoded_again:
            save |= {*maps_to_decode(model)}
        self.facts.is_undertrained = bool(too_little_learnt(model))
        self.facts.slices = slice_by_slice(model, self.n_slices)
        make = partial(
            segment,
            model,
            self.image,
            channels=self.channels,
            region=self.region,
            tile=self.tile,
            halo=self.halo,
            device=self.device,
            save=tuple(save),
            overwrite=self.overwrite,
            object_size=self.object_size,
        )
        return self.job_at_free_path(f"{self.image.name} {self.part}", make)

    @property
    def can_be_decoded_again(self) -> bool:
        """Return whether what objects are made of is kept after the run."""
        fits = self.out is None and math.prod(self.shape) <= KEPT
        return fits and self.facts.task == "objects" and self.turn == (1, 1)

    def finish(self, job: InferenceJob) -> Segmented:
        """Return what the job gave; called in its thread."""
        probability, note = job.probability if self.with_probability else None, ""
        if probability is not None and not is_small(probability):
            probability, note = None, TOO_LARGE
        outcome = self.outcome_of(job, note, job.size_note)
        labels, n_found = outcome["answer"], job.n_objects
        if isinstance(labels, np.ndarray):
            is_objects = self.facts.task == "objects"
            n_found = int(labels.max(initial=0)) if is_objects else len(np.unique(labels))
        return Segmented(
            probability=None if probability is None else np.asarray(probability),
            task=self.facts.task,
            n_found=n_found,
            decodable=self._decodable(job),
            object_size=job.object_size,
            **outcome,
        )

    def _decodable(self, job: InferenceJob) -> Decodable | None:
        """Return what the objects can be made of again; None if it was not kept."""
        model = self.facts.model
        if not (self.can_be_decoded_again and job.is_complete) or model is None:
            return None
        maps = job.maps_to_decode
        if math.prod(maps["probability"].shape[1:]) > KEPT:  # a finer grid than the image's pixels
            return None
        return Decodable(self, model, maps, job.region or self.region or {})


@dataclass(frozen=True)
class Decodable:
    """Hold what objects are made of, so that they can be made again.

    Parameters
    ----------
    request
        What was segmented, and how its labels are shown.
    model
        The model, with its decoding parameters.
    maps
        Its answer, as `decode` takes it.
    region
        The part of the image that it is of.
    """

    request: SegmentRequest
    model: Model
    maps: Mapping[str, Array]
    region: dict[str, slice]


@dataclass(frozen=True, kw_only=True)
class Segmented(Outcome):
    """Hold what a segmentation gave; its `levels` are empty where its labels can be painted on.

    Parameters
    ----------
    probability
        ``(channels, *labels)``, where asked for and not too large to be shown.
    task
        What the labels are.
    n_found
        How many objects or classes there are; None where nobody has counted.
    decodable
        What the objects can be made of again with another decoding; None if it was not kept.
    object_size
        Diameter of the objects in pixels, as it was given or estimated; None if it is not known.
    """

    probability: np.ndarray | None
    task: str
    n_found: int | None
    decodable: Decodable | None = None
    object_size: float | None = None

    button, done = "Segment", "segmented"

    def result_in_words(self) -> str:
        """Return what was found, as in "3 objects"."""
        what, plural = {"objects": ("object", "s"), "classes": ("class", "es")}[self.task]
        if self.n_found is None:
            return "Done"
        return f"{self.n_found} {what}{'' if self.n_found == 1 else plural}"

    def show_beneath(self, viewer: Viewer, request: RunRequest[Any], purpose: str) -> None:
        """Show the probability."""
        if self.probability is not None:
            name = purpose.replace(LABELS, PROBABILITY)
            place = viewer, request.image_layer, request.image
            show_probability(*place, self.probability, name, self.region)


@dataclass(frozen=True)
class SeamRequest(Request[Any, "Seams"]):
    """Describe a test for seams: whether tiles can be told by the answers at their borders.

    Parameters
    ----------
    run
        The segmentation that is tested.
    """

    run: SegmentRequest

    @property
    def title(self) -> str:
        """Return what is done."""
        return f"Testing {self.run.image.name} for seams"

    def begin(self) -> Job[Any, Seams]:
        """Make the job; called in its thread."""
        from ...inference.seams import seam_test

        run = self.run
        return seam_test(
            run.loaded_model(),
            run.image,
            channels=run.channels,
            region=run.region,
            tile=run.tile,
            halo=run.halo,
            device=run.device,
            object_size=run.object_size,
        )

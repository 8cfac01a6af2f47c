"""The part of a training that runs in its thread, and what goes in and out of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from ...errors import InputError
from ...image import Image
from ...recipe import Recipe
from ..jobs.runner import Question

if TYPE_CHECKING:
    from ...model import Model
    from ...training.checkpoint import Checkpoint
    from ...training.train import TrainJob


PACE = "training", "augmentation"
"""The parts of a recipe that may change while the network stays."""


class PaintQuestion(Question):
    """What the user has to decide about paint.

    Parameters
    ----------
    kind
        Of a `Slip`; or ``classes``, where numbers of classes are used as those of objects are.
    text, yes, no
        As for `Question`.
    """

    def __init__(self, kind: str, text: str, yes: str, no: str) -> None:
        super().__init__(text, yes, no)
        self.kind = kind


@dataclass(frozen=True)
class TrainInput:
    """What is trained, on what, for how long.

    Parameters
    ----------
    image_layer, paint_layer
        Layers of the viewer.
    image, paint
        What they held when Train was pressed; `paint` along TZYX.
    recipe, channels, device
        As `train` takes them.
    seconds
        None: until it is stopped.
    start
        The file of a model to start from.
    resume
        A training to go on with.
    is_asked
        Whether the questions about paint have been answered.
    denoiser
        The file of a model that the image goes through first.
    """

    image_layer: Any
    paint_layer: Any
    image: Image
    paint: npt.NDArray[Any]
    recipe: Recipe
    seconds: float | None
    channels: list[int] | None = None
    device: str | None = None
    start: Path | None = None
    resume: Checkpoint | None = None
    is_asked: bool = False
    has_previews: bool = True
    denoiser: Path | None = None

    @property
    def layers(self) -> tuple[Any, ...]:
        """Those whose removal the user is told of."""
        return self.image_layer, self.paint_layer

    @property
    def dimensions(self) -> int:
        """Of the network."""
        return self.recipe.network.dimensions

    def changed(self, **changes: Any) -> TrainInput:
        """The same with some fields changed."""
        return replace(self, **changes)


@dataclass(frozen=True)
class Trained:
    """What a training gave.

    Parameters
    ----------
    model, path
        The model, and the file it is kept in; None where it could not be written.
    checkpoint
        What Continue goes on from.
    is_parent
        Whether fine-tuning did not help, so that this is the model it started from.
    given
        What was trained on.
    problem
        What broke the training off, or why the model could not be written.
    """

    model: Model
    path: Path | None
    checkpoint: Checkpoint | None
    given: TrainInput
    is_parent: bool = False
    problem: str = ""

    def gone_on(self, now: TrainInput) -> TrainInput:
        """The same training, with the paint and the pace of a form as it is now."""
        parts = {name: getattr(now.recipe, name) for name in PACE}
        return now.changed(
            recipe=self.given.recipe.model_copy(update=parts),
            channels=self.given.channels,
            start=self.given.start,
            is_asked=self.given.is_asked,
            denoiser=self.given.denoiser,
            resume=self.checkpoint,
        )


def begin(given: TrainInput, field: Any) -> TrainJob:
    """Make the job; in its thread."""
    from ...model import load_model
    from ...targets import Paint
    from ...training.train import train

    start = load_model(given.start) if given.start is not None else None
    recipe = _recipe(given, start)
    if not given.is_asked:
        _ask(given)
    job = train(
        [given.image],
        [Paint(given.paint, pieces=False)],
        recipe,
        channels=None if start is not None else given.channels,
        start=start,
        resume=given.resume,
        seconds=given.seconds,
        device=given.device,
        denoiser=load_model(given.denoiser) if given.denoiser is not None else None,
    )
    if field is not None:
        job.request_preview(0, *field)
    return job


def _ask(given: TrainInput) -> None:
    from ...targets.paint import like_objects, question

    if given.recipe.task == "classes" and (doubt := like_objects(given.paint)):
        raise PaintQuestion("classes", doubt, "They are objects", "They are classes")
    slip = question(given.paint, given.recipe.task, given.dimensions)
    if slip is not None:
        raise PaintQuestion(slip.kind, slip.text, "They are objects", "Leave it")


def _recipe(given: TrainInput, start: Model | None) -> Recipe:
    """The form's recipe; network and answer are those of the model to start from."""
    if start is None:
        return given.recipe
    if start.recipe.task != given.recipe.task:
        raise InputError(
            f"The model to start from answers {start.recipe.task}, but {given.recipe.task} are "
            f"painted. Choose {start.recipe.task} above, another model, or start from nothing."
        )
    return start.recipe.model_copy(update={name: getattr(given.recipe, name) for name in PACE})


def finish(job: TrainJob, given: TrainInput, path: Path | None = None) -> Trained:
    """Keep the model; in the job's thread, so that it is kept even if the viewer is gone.

    It takes the place of what lies at `path`; a new one is found where nothing does.
    """
    given = given.changed(resume=None)  # two checkpoints would be one too many to keep
    from ...io.model_folder import new_model_path

    trained = Trained(job.result, given.start, job.checkpoint, given, job.kept_parent, job.problem)
    if job.kept_parent:
        return trained
    if path is None or not path.is_file():
        path = new_model_path(given.image.name)
    try:
        return replace(trained, path=job.result.save(path))
    except InputError as error:
        return replace(trained, path=None, problem=f"{job.problem} {error}".strip())

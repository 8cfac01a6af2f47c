"""The part of checking, training and denoising that runs in a thread, and what goes in and out."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputError
from ...image import Image
from ...progress import Job
from ...recipe import Recipe
from ..jobs.inference import IN_MEMORY, Begun, Outcome, RunInput
from ..layers.lazy import Lazy
from ..output_paths import at_place
from .pairs import PairSource

if TYPE_CHECKING:
    from ...inference.run import InferenceJob
    from ...model import Model
    from ...training.checkpoint import Checkpoint
    from ...training.pairs.fitness import Fitness
    from ...training.pairs.sources import Pairs
    from ...training.trainer import TrainingJob
    from ..train.job import Trained

TOO_LARGE = (
    "What was removed is too large to be shown as a whole: denoise what is visible to see it."
)
UNCHECKED = "What was removed is not checked, as the image is too small or nothing was removed."


@dataclass(frozen=True)
class Checked:
    """Pairs that were looked at.

    Parameters
    ----------
    source
        Where they come from.
    pairs, fitness
        As `check_pairs` takes and gives them.
    """

    source: PairSource
    pairs: Pairs
    fitness: Fitness


def check(source: PairSource) -> Job[Any, Checked]:
    """Make the job that looks at pairs; in its thread."""
    from ...training.pairs.fitness import check_pairs

    def look(_job: Any) -> Generator[Any, None, Checked]:
        pairs = source.make()
        yield from ()
        return Checked(source, pairs, check_pairs(pairs))

    return Job(look)


@dataclass(frozen=True)
class DenoiserInput:
    """What a denoiser is trained on, and for how long.

    Parameters
    ----------
    image_layer, other_layer
        Layers of the viewer.
    checked, remedies
        The pairs, and what is done about what was found.
    recipe, device
        As `train_denoiser` takes them.
    seconds, steps
        None: until it is stopped.
    start
        The file of a denoiser to start from.
    resume, extended
        A training to go on with, and the file of its model, which is at best as good.
    has_previews, half
        Whether there are previews, and of the right half of what is visible only.
    """

    image_layer: Any
    other_layer: Any
    checked: Checked
    remedies: frozenset[str]
    recipe: Recipe
    seconds: float | None
    steps: int | None = None
    device: str | None = None
    start: Path | None = None
    resume: Checkpoint | None = None
    extended: Path | None = None
    has_previews: bool = True
    half: bool = True

    @property
    def image(self) -> Image:
        """What is denoised."""
        return self.checked.source.image

    @property
    def layers(self) -> tuple[Any, ...]:
        """Those whose removal the user is told of."""
        return tuple(x for x in (self.image_layer, self.other_layer) if x is not None)

    @property
    def dimensions(self) -> int:
        """Of the network."""
        return self.checked.source.dimensions

    def changed(self, **changes: Any) -> DenoiserInput:
        """The same with some fields changed."""
        return replace(self, **changes)

    def gone_on(self, trained: Trained) -> DenoiserInput:
        """A training before this one on its own pairs, at the pace of this one."""
        given = trained.given
        recipe = given.recipe.model_copy(update={"training": self.recipe.training})
        now = {n: getattr(self, n) for n in ("seconds", "steps", "device", "has_previews", "half")}
        now["extended"] = None if trained.is_parent else trained.path
        return replace(given, recipe=recipe, resume=trained.checkpoint, **now)


def begin_training(given: DenoiserInput, field: Any) -> TrainingJob:
    """Make the job; in its thread."""
    from ...inference.denoise.job import check_denoiser
    from ...model import load_model
    from ...training.pairs.fitness import apply_remedies
    from ...training.train_denoiser import train_denoiser

    recipe, start = given.recipe, None
    if given.start is not None:
        start = load_model(given.start)
        check_denoiser(start)
        parts = {"training": recipe.training, "target": recipe.target}
        recipe = start.recipe.model_copy(update=parts)
    pairs = apply_remedies(given.checked.pairs, given.checked.fitness, given.remedies)
    job = train_denoiser(
        pairs,
        recipe,
        start=start,
        resume=given.resume,
        seconds=given.seconds,
        steps=given.steps,
        device=given.device,
    )
    if field is not None:
        job.request_preview(0, *field)
    return job


@dataclass(frozen=True)
class DenoiseInput(RunInput):
    """What is denoised, and with which model.

    Parameters
    ----------
    dtype
        As `denoise` takes it.
    with_removed
        Whether what was removed is shown too.
    """

    dtype: str = "float32"
    with_removed: bool = False

    result = "denoised"


@dataclass(frozen=True, kw_only=True)
class Denoised(Outcome):
    """What a denoiser gave.

    Parameters
    ----------
    pixels
        Along TCZYX as far as the image has them, without C for a single channel.
    removed
        The image less that, where asked for and not too large.
    verdict, is_noise
        Whether what was removed is noise, in words.
    """

    pixels: Any
    removed: Any = None
    verdict: str = ""
    is_noise: bool = True

    button, done = "Apply", "denoised"

    @property
    def answer(self) -> Any:
        """The pixels."""
        return self.pixels

    def found_in_words(self) -> str:
        """What was done."""
        return "Denoised"

    def in_words(self, save_to: str = "under More settings, Save to") -> str:
        """What was done, and whether to trust it."""
        where = "What was removed lies in a hidden layer." if self.removed is not None else ""
        return " ".join(part for part in (super().in_words(save_to), self.verdict, where) if part)


def begin_denoising(given: DenoiseInput, begun: Begun) -> InferenceJob:
    """Make the job; in its thread."""
    from ...inference.denoise.job import check_denoiser, denoise
    from ...model import load_model

    model: Model = load_model(given.model) if isinstance(given.model, Path) else given.model
    check_denoiser(model)
    begun.task = model.recipe.task
    begun.channels = tuple(given.channels or model.channels_for(given.image))

    def job_at(path: Path | None) -> InferenceJob:
        begun.path = path
        job = denoise(
            model,
            given.image,
            path,
            channels=given.channels,
            region=given.region,
            dtype=given.dtype,
            tile=given.tile,
            device=given.device,
            overwrite=given.overwrite,
        )
        begun.goes_on = job.can_resume
        return job

    name = f"{given.image.name} denoised {given.part}"
    is_small = math.prod(given.shape) <= IN_MEMORY
    return at_place(given.out, name, is_small, given.image_layer.source.path, job_at)


def finish_denoising(job: InferenceJob, given: DenoiseInput, begun: Begun) -> Denoised:
    """What the job gave, and whether only noise was taken away; in its thread."""
    pixels, levels = job.result, list(job.levels)
    is_small = math.prod(pixels.shape) <= IN_MEMORY
    if isinstance(pixels, np.ndarray) or (is_small and job.is_complete):
        pixels, levels = np.asarray(pixels), []
    verdict, is_noise, removed = "", True, None
    if job.is_complete:
        part = _part(given.image, job.region or given.region or {})
        verdict, is_noise = _verdict(part, pixels, begun.channels)
        if given.with_removed and is_small:
            removed = _removed(part, pixels, begun.channels)
    notes = [job.note, *job.memory_notes]
    if given.with_removed and not is_small:
        notes.append(TOO_LARGE)
    return Denoised(
        pixels=pixels,
        levels=levels,
        removed=removed,
        verdict=verdict,
        is_noise=is_noise,
        region=job.region or given.region or {},
        seconds=0.0,
        is_complete=job.is_complete,
        goes_on=job.can_resume,
        note=" ".join(note for note in notes if note),
        path=begun.path,
    )


def _part(image: Image, region: dict[str, slice]) -> Image:
    """A region of an image, lazy where that is."""
    index = tuple(region.get(a, slice(None)) for a in image.axes)
    data = image.data if isinstance(image.data, np.ndarray) else Lazy(image.data)
    return image.selected(data=data[index])


def _verdict(part: Image, pixels: Any, channels: tuple[int, ...]) -> tuple[str, bool]:
    from ...inference.denoise.removed import check_removed_from

    try:
        found = check_removed_from(part, pixels, channels)
    except InputError:
        return UNCHECKED, True
    return found.in_words(), found.is_clean


def _removed(part: Image, pixels: Any, channels: tuple[int, ...]) -> Any:
    from ...inference.denoise.removed import removed_noise

    return np.asarray(removed_noise(part, pixels, channels).data)

"""Check noisy pairs, train on them, denoise: what is asked, the work in its thread, the results."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from napari import Viewer
from napari.layers import Image as ImageLayer

from ...errors import InputError
from ...image import Frame, Image
from ...progress import Job
from ...windows import Window
from ..jobs.inference import SAVE_TO, Outcome, RunRequest, is_small
from ..jobs.progress import JobClock, Progressed
from ..jobs.request import Request
from ..jobs.training import (
    Change,
    Earlier,
    TrainingRequest,
    channels_in_words,
    named,
)
from ..layers.lazy import Lazy
from ..layers.purpose import DENOISED, PREVIEW, REMOVED_NOISE
from ..layers.results import show_image, show_image_window
from ..model_library import names_of_channels
from .pairs import CHANNELS, LAYER, WAYS, PairSource

if TYPE_CHECKING:
    from ...inference.run import InferenceJob
    from ...training.job import DenoisedPreview, TrainingJob
    from ...training.pairs.fitness import CheckStep, Fitness
    from ...training.pairs.sources import Pairs

TOO_LARGE = (
    "What was removed is too large to be shown as a whole: denoise what is visible to see it."
)
UNCHECKED = "What was removed is not checked, as the image is too small or nothing was removed."
SPREAD = 3.5
"""Removed noise is shown up to so many standard deviations, grey where nothing was removed."""
REMEDIES = {
    "register": ("Register", "Take into account how far each picture has moved"),
    "match": ("Match brightness", "Take into account how bright each picture is"),
    "leave_out_motion": ("Leave out what moves", "Learn nothing where the two of a pair differ"),
    "drop": ("Leave out these pictures", "Learn nothing from them"),
}
"""What each remedy is called, and what it does."""


@dataclass(frozen=True)
class Checked:
    """Hold pairs that were checked.

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


@dataclass(frozen=True)
class CheckRequest(Request["CheckStep", "Checked | None"]):
    """Describe which noisy pairs are checked; stopped early, it gives nothing."""

    source: PairSource

    @property
    def title(self) -> str:
        """Return what is done."""
        return f"Checking the pairs of {self.source.image.name}"

    def begin(self) -> Job[CheckStep, Checked | None]:
        """Make the job; called in its thread."""
        return Job(self._check)

    def _check(
        self, job: Job[CheckStep, Checked | None]
    ) -> Generator[CheckStep, None, Checked | None]:
        from ...training.pairs.fitness import checking_pairs

        pairs = self.source.make()
        inner = checking_pairs(pairs)
        for step in inner:
            yield step
            if job.stop_requested:
                inner.stop()
        return None if inner.result is None else Checked(self.source, pairs, inner.result)

    def progress(self, record: CheckStep, clock: JobClock) -> Progressed:
        """Return what the progress bar shows of a record."""
        clock.add(record.done, record.total)
        return Progressed(clock.fraction, f"{self.title}{clock.time_left}")


@dataclass(frozen=True, kw_only=True)
class DenoiserRequest(TrainingRequest):
    """Describe what a denoiser is trained on, and for how long.

    Parameters
    ----------
    other_layer
        The layer of the viewer that pairs are made with, if there is one.
    checked, remedies
        The pairs, and what is done about what was found.
    steps
        None: as many as time allows.
    half
        Whether previews are of the right half of what is visible only.
    """

    other_layer: ImageLayer | None
    checked: Checked
    remedies: frozenset[str]
    steps: int | None = None
    half: bool = True

    own_parts = ("target",)
    finds = "denoiser"

    @property
    def layers(self) -> tuple[ImageLayer, ...]:
        """Return the layers whose removal the user is told of."""
        return tuple(x for x in (self.image_layer, self.other_layer) if x is not None)

    @property
    def dimensions(self) -> int:
        """Return the dimensions of the network."""
        return self.checked.source.dimensions

    def begin(self) -> TrainingJob:
        """Make the job; called in its thread."""
        from ...inference.denoise.job import check_denoiser
        from ...model import load_model
        from ...training.pairs.fitness import apply_remedies
        from ...training.train_denoiser import train_denoiser

        recipe, start = self.recipe, None
        if self.start is not None:
            start = load_model(self.start)
            check_denoiser(start)
            recipe = self.recipe_like(start.recipe, ("training", "target"))
        return train_denoiser(
            apply_remedies(self.checked.pairs, self.checked.fitness, self.remedies),
            recipe,
            start=start,
            resume=self.resumed(),
            seconds=self.seconds,
            steps=self.steps,
            device=self.device,
        )

    def continuing(self, trained: Earlier[DenoiserRequest]) -> DenoiserRequest:
        """Return the request to go on with a training on its pairs, as long as this one says."""
        before = trained.request
        return before.changed(
            recipe=self.recipe_like(before.recipe, ("training",)),
            seconds=self.seconds,
            steps=self.steps,
            device=self.device,
            has_previews=self.has_previews,
            half=self.half,
            resume=trained.checkpoint,
        )

    def fixed(self) -> Iterator[tuple[object, str]]:
        """Yield what Continue cannot change: each value, and it in words; the recipe among them."""
        source = self.checked.source
        yield self.image.axes, f"axes {self.image.axes}"
        for words in (self._pairs_in_words(), channels_in_words(source.image, source.channels)):
            yield words, words
        yield self.remedies, _remedies_in_words(self.remedies)
        yield self.start, named(self.start, "model to start from")
        yield self.recipe, "recipe"

    def changes_since(self, before: DenoiserRequest) -> Iterator[Change]:
        """Yield what differs from a training before but for how long it takes."""
        if before.image_layer is not self.image_layer:
            yield before.image_layer.name, self.image_layer.name
        elif before.image.data is not self.image.data:
            yield f"{before.image.name} as it was", f"{self.image.name} as it is now"
        yield from super().changes_since(before)

    def visible_field(self, viewer: Viewer) -> tuple[Frame, Window]:
        """Return what is visible, or the right half of it, so that both can be compared."""
        frame, window = super().visible_field(viewer)
        across = window[-1]
        if self.half:
            across = slice((across.start + across.stop) // 2, across.stop)
        return frame, (*window[:-1], across)

    def show_preview(self, viewer: Viewer, preview: DenoisedPreview) -> None:
        """Show the field denoised, as far as the network can by now."""
        place = viewer, self.image_layer, self.image, preview.frame, preview.window
        show_image_window(*place, preview.denoised, PREVIEW)

    def _pairs_in_words(self) -> str:
        source = self.checked.source
        words = WAYS[source.way][0].lower()
        if source.way == LAYER and self.other_layer is not None:
            words += f" ({self.other_layer.name})"
        elif source.way == CHANNELS:
            names = names_of_channels(source.image)
            words += f" ({' and '.join(names[c] for c in source.two)})"
        return words


def _remedies_in_words(remedies: Collection[str]) -> str:
    return " and ".join(REMEDIES[name][0].lower() for name in sorted(remedies)) or "no remedy"


@dataclass(frozen=True)
class DenoiseRequest(RunRequest["Denoised"]):
    """Describe what is denoised, and with which model.

    Parameters
    ----------
    dtype
        As `denoise` takes it.
    with_removed
        Whether what was removed is shown too.
    """

    dtype: Literal["float32", "source"] = "float32"
    with_removed: bool = False

    result, verb, button = DENOISED, "Denoising", "Apply"
    show = staticmethod(show_image)

    def begin(self) -> InferenceJob:
        """Make the job; called in its thread."""
        from ...describe import slice_by_slice
        from ...inference.denoise.job import check_denoiser, denoise

        model = self.loaded_model()
        check_denoiser(model)
        self.facts.task = model.recipe.task
        self.facts.slices = slice_by_slice(model, self.n_slices)
        self.facts.channels = tuple(self.channels or model.channels_for(self.image))
        make = partial(
            denoise,
            model,
            self.image,
            channels=self.channels,
            region=self.region,
            dtype=self.dtype,
            tile=self.tile,
            device=self.device,
            overwrite=self.overwrite,
        )
        return self.job_at_free_path(f"{self.image.name} denoised {self.part}", make)

    def finish(self, job: InferenceJob) -> Denoised:
        """Return what the job gave, and whether only noise was taken away; in its thread."""
        from ...inference.denoise.removed import removed_noise

        note = TOO_LARGE if self.with_removed and not is_small(job.result) else ""
        outcome = self.outcome_of(job, note)
        verdict, is_noise, removed = "", True, None
        if job.is_complete:
            place = _part(self.image, outcome["region"]), outcome["answer"], self.facts.channels
            verdict, is_noise = _verdict(*place)
            if self.with_removed and not note:
                removed = np.asarray(removed_noise(*place).data)
        return Denoised(removed=removed, verdict=verdict, is_noise=is_noise, **outcome)


@dataclass(frozen=True, kw_only=True)
class Denoised(Outcome):
    """Hold what a denoiser gave.

    Parameters
    ----------
    removed
        The image less the answer, where asked for and not too large.
    verdict, is_noise
        Whether what was removed is noise, in words.
    """

    removed: np.ndarray | None = None
    verdict: str = ""
    is_noise: bool = True

    button, done = "Apply", "denoised"

    def result_in_words(self) -> str:
        """Return what was done."""
        return "Denoised"

    def in_words(self, save_to: str = SAVE_TO) -> str:
        """Return what was done, and whether to trust it."""
        hidden = "What was removed lies in a hidden layer." if self.removed is not None else ""
        return " ".join(part for part in (super().in_words(save_to), self.verdict, hidden) if part)

    def show_above(self, viewer: Viewer, request: RunRequest[Any]) -> None:
        """Show what was removed, hidden at first: it is opaque."""
        if self.removed is None:
            return
        high = SPREAD * float(np.std(self.removed)) or 1.0
        show_image(
            viewer,
            request.image_layer,
            request.image,
            self.removed,
            request.purpose.replace(DENOISED, REMOVED_NOISE),
            region=self.region,
            contrast_limits=(-high, high),
            colormap="gray",
            gamma=1.0,
            visible=False,
        )


def _part(image: Image, region: dict[str, slice]) -> Image:
    """Return a region of an image, lazy where that is."""
    index = tuple(region.get(a, slice(None)) for a in image.axes)
    data = image.data if isinstance(image.data, np.ndarray) else Lazy(image.data)
    return image.selected(data=data[index])


def _verdict(part: Image, pixels: np.ndarray, channels: tuple[int, ...]) -> tuple[str, bool]:
    """Return whether only noise was removed, in words, and as a truth value."""
    from ...inference.denoise.removed import check_removed_from

    try:
        result = check_removed_from(part, pixels, channels)
    except InputError:
        return UNCHECKED, True
    return result.in_words(), result.is_clean

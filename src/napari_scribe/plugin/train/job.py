"""Train on paint: what is asked, the work in its thread, what is asked back about the paint."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from napari.layers import Layer

from ...errors import InputError
from ...image import Image
from ...recipe import Recipe
from ...session.trainings import About, KeptTraining
from ..jobs.request import Question
from ..jobs.training import Earlier, TrainingRequest, channels_in_words, named
from ..layers.colors import preview_look
from ..layers.purpose import PREVIEW, note
from ..layers.results import show_window
from ..model_library import fits_channels

if TYPE_CHECKING:
    from ...model import Model
    from ...targets import Paint
    from ...targets.paint import Box
    from ...training.job import Preview
    from ...training.train import TrainJob

CHANGEABLE = "training", "augmentation", "losses"
"""The parts of a recipe that may change while the network stays."""


class PaintQuestion(Question):
    """Ask what the user has to decide about paint.

    Parameters
    ----------
    kind
        Of a `Slip`; or ``classes``, where numbers of classes are used as those of objects are; or
        ``sizes``, where objects differ much in size.
    text, yes, no
        As for `Question`.
    other
        Name of the other image whose paint it is about; empty for the paint of the chosen one.
    """

    def __init__(self, kind: str, text: str, yes: str, no: str, other: str = "") -> None:
        super().__init__(text, yes, no)
        self.kind, self.other = kind, other

    @property
    def about(self) -> tuple[str, str]:
        """Return what it is about, by which it is known when it is answered."""
        return self.kind, self.other


@dataclass(frozen=True)
class PaintedImage:
    """Hold another image that is learnt from, and its paint along TZYX.

    Parameters
    ----------
    image_layer, paint_layer
        Its layers in the viewer; None where it is read from files.
    complete
        Regions in which all is annotated.
    corrected
        Numbers of corrected objects, where it is read from files.
    """

    image: Image
    paint: np.ndarray
    image_layer: ImageLayer | None = None
    paint_layer: LabelsLayer | None = None
    complete: tuple[Box, ...] = ()
    corrected: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """Return the name of the annotations, for messages."""
        return self.image.name if self.paint_layer is None else str(self.paint_layer.name)


@dataclass(frozen=True, kw_only=True)
class TrainRequest(TrainingRequest):
    """Describe what is trained on which paint, and for how long.

    Parameters
    ----------
    paint_layer, paint
        A layer of the viewer, and what it held when Train was pressed, along TZYX.
    complete
        Boxes in which 0 is background, as `Paint` takes them.
    channels
        As `train` takes them.
    answered
        What the questions about paint were about that have been answered.
    denoiser
        The file of a model that the image goes through first.
    object_size
        As `train` takes it.
    others
        Further images that are learnt from.
    """

    paint_layer: LabelsLayer
    paint: np.ndarray
    complete: tuple[Box, ...] = ()
    channels: list[int] | None = None
    answered: frozenset[tuple[str, str]] = frozenset()
    denoiser: Path | None = None
    object_size: float | None = None
    others: tuple[PaintedImage, ...] = ()

    @property
    def title(self) -> str:
        """Return what is done."""
        return f"{super().title}{f' and {len(self.others)} more' if self.others else ''}"

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Return the layers whose removal the user is told of."""
        others = (
            layer for other in self.others for layer in (other.image_layer, other.paint_layer)
        )
        return self.image_layer, self.paint_layer, *(layer for layer in others if layer is not None)

    @property
    def painted(self) -> tuple[PaintedImage, ...]:
        """Return all images that are learnt from; the one that is previewed comes first."""
        first = PaintedImage(
            self.image, self.paint, self.image_layer, self.paint_layer, self.complete
        )
        return first, *self.others

    def begin(self) -> TrainJob:
        """Make the job; called in its thread."""
        from ...model import load_model
        from ...training.train import train

        start = load_model(self.start) if self.start is not None else None
        recipe = self._recipe_for(start)
        self._check_paint()
        return train(
            [painted.image for painted in self.painted],
            [self.as_paint(painted.paint, painted) for painted in self.painted],
            recipe,
            channels=self._channels_to_choose(),
            start=start,
            resume=self.resumed(),
            seconds=self.seconds,
            device=self.device,
            denoiser=load_model(self.denoiser) if self.denoiser is not None else None,
            object_size=self.object_size,
        )

    def _channels_to_choose(self) -> list[int] | None:
        """Return the chosen channels; None where the model to start from says which it sees."""
        is_clear = self.start is not None and fits_channels(self.start, self.image)
        return None if is_clear else self.channels

    def as_paint(self, paint: np.ndarray, painted: PaintedImage) -> Paint:
        """Return what is painted on an image now, with what is said about the paint there."""
        from ...targets import Paint

        if self.recipe.task != "objects":  # classes are complete nowhere, and not corrected
            return Paint(paint, pieces=False)
        layer = painted.paint_layer
        corrected = painted.corrected if layer is None else note(layer).get("corrected", ())
        return Paint(paint, painted.complete or None, pieces=False, corrected=corrected)

    def about(self) -> About:
        """Return what the training goes on with after a restart, beside its checkpoint."""
        more = {name: getattr(self, name) for name in ("channels", "denoiser", "object_size")}
        return super().about().model_copy(update=more)

    def earlier(self, kept: KeptTraining) -> Earlier[TrainRequest]:
        """Return a training on disk, as one on the image and the paint that are chosen now."""
        about, earlier = kept.about, super().earlier(kept)
        more = {name: getattr(about, name) for name in ("channels", "denoiser", "object_size")}
        return replace(earlier, request=earlier.request.changed(**more))

    def continuing(self, trained: Earlier[TrainRequest]) -> TrainRequest:
        """Return the request to go on with a training on this paint, as long as this one says."""
        before = trained.request
        return self.changed(
            recipe=self.recipe_like(before.recipe, CHANGEABLE),
            channels=before.channels,
            start=before.start,
            answered=self.answered | before.answered,
            denoiser=before.denoiser,
            object_size=before.object_size,
            resume=trained.checkpoint,
        )

    def fixed(self) -> Iterator[tuple[object, str]]:
        """Yield what Continue cannot change: each value, and it in words; the recipe among them."""
        yield self.recipe.task, self.recipe.task.capitalize()
        yield self.start, named(self.start, "model to start from")
        yield self.recipe, "recipe"
        channels = channels_in_words(self.image, self.channels)
        yield channels, channels
        yield self.denoiser, named(self.denoiser, "denoiser")
        size = "as painted" if self.object_size is None else f"{self.object_size:g} px"
        yield self.object_size, f"object size {size}"

    def show_preview(self, viewer: Viewer, preview: Preview) -> None:
        """Show what the network finds by now."""
        place = viewer, self.image_layer, self.image, preview.frame, preview.window
        show_window(*place, preview.labels, PREVIEW, **preview_look(self.recipe.task))

    def _check_paint(self) -> None:
        """Check that the paint means what it seems to mean, where that is not answered yet.

        Raises
        ------
        PaintQuestion
            If that is doubtful.
        """
        for doubt in self._doubts():
            if doubt.about not in self.answered:
                raise doubt

    def _doubts(self) -> Iterator[PaintQuestion]:
        from ...targets import Paint
        from ...targets.object_size import diameters_in, doubt_about_sizes
        from ...targets.paint import fitted, like_objects, question

        if self.recipe.task == "classes" and (doubt := like_objects(self.paint)):
            yield PaintQuestion("classes", doubt, "They are objects", "They are classes")
        slip = question(self.paint, self.recipe.task, self.dimensions)
        is_taught = "corrected" in note(self.paint_layer)  # then 1 is what somebody has deleted
        if slip is not None and not (slip.kind == "ones" and is_taught):
            yield PaintQuestion(slip.kind, slip.text, "They are objects", "Leave it")
        if self.recipe.task == "objects":
            paint = fitted(Paint(self.paint), self.image)
            diameters = diameters_in(self.image, paint, self.dimensions)
            if doubt := doubt_about_sizes(diameters):
                yield PaintQuestion("sizes", doubt, "I will correct them", "Train on them")
        for other in self.others:
            slip = question(other.paint, self.recipe.task, self.dimensions)
            if slip is not None:
                text = f"{other.name}: {slip.text}"
                answers = "I will correct them", "Train on them"
                yield PaintQuestion(slip.kind, text, *answers, other.name)

    def _recipe_for(self, start: Model | None) -> Recipe:
        """Return the form's recipe; network and target are those of the model to start from."""
        if start is None:
            return self.recipe
        if start.recipe.task != self.recipe.task:
            raise InputError(
                f"The model to start from answers {start.recipe.task}, but {self.recipe.task} are "
                f"painted. Choose {start.recipe.task} above, another model, or start from nothing."
            )
        return self.recipe_like(start.recipe, CHANGEABLE)

"""Describe a training: what is trained on what, what it gave, how it is continued."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Layer

from ...errors import InputError, in_words
from ...image import Frame, Image
from ...io.held_out import HeldOut
from ...recipe import Recipe, parse_recipe
from ...session.trainings import About, KeptTraining, TrainingKeeper
from ...windows import Window
from ..layers.visible import visible_field
from ..model_library import duration, names_of_channels
from .progress import JobClock, Progressed
from .request import Request

if TYPE_CHECKING:
    from ...model import Model
    from ...training.checkpoint import Checkpoint
    from ...training.job import TrainingJob, TrainStep  # named in a string

Change = tuple[str, str]
"""What a training was, and what is chosen now, in words."""


@dataclass(frozen=True, kw_only=True)
class TrainingRequest(Request["TrainStep", "Trained[Any]"]):
    """Describe what is trained, and for how long.

    Parameters
    ----------
    image_layer, image
        A layer of the viewer, and what it held when the training was asked for.
    recipe, device
        As `train` takes them.
    seconds
        None: until it is stopped.
    start
        The file of a model to start from.
    resume
        A training to continue, or the file of its checkpoint.
    has_previews
        Whether previews are shown while it runs.

    Attributes
    ----------
    keeper
        Keeps the training on disk while it runs.
    """

    image_layer: ImageLayer
    image: Image
    recipe: Recipe
    seconds: float | None
    device: str | None = None
    start: Path | None = None
    resume: Checkpoint | Path | None = None
    has_previews: bool = True
    keeper: TrainingKeeper = field(init=False, repr=False, compare=False)

    own_parts: ClassVar[Collection[str]] = ()
    """Of the recipe: what Continue cannot change where the model to start from gives the rest."""
    finds: ClassVar[str] = ""
    """What the model is for, in its name; the task where that is empty."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "keeper", TrainingKeeper(self.about(), self.model_path))

    @property
    def title(self) -> str:
        """Return what is done."""
        return f"Training on {self.image.name}"

    @property
    @abstractmethod
    def layers(self) -> tuple[Layer, ...]:
        """Return the layers whose removal the user is told of."""

    @property
    def dimensions(self) -> int:
        """Return the dimensions of the network."""
        return self.recipe.network.dimensions

    @abstractmethod
    def begin(self) -> TrainingJob:
        """Make the job; called in its thread."""

    def progress(self, record: TrainStep, clock: JobClock) -> Progressed:
        """Return what the progress bar shows of a step: its number, and the time left."""
        fraction, elapsed, text = record.fraction, record.elapsed, f"step {record.index}"
        if fraction is None:
            text += f", {duration(elapsed)}"
        elif fraction > 0.01 or elapsed > 2:
            text += f", {duration(elapsed * (1 - fraction) / max(fraction, 1e-6))} left"
        return Progressed(fraction or 0.0, text)

    def between_steps(self, job: TrainingJob) -> None:
        """Keep what a crash would lose; called in the job's thread."""
        self.keeper.keep(job)

    def finish(self, job: TrainingJob) -> Trained[Self]:
        """Save the model; called in the job's thread, so that it is saved without a viewer, too."""
        trained = Trained(
            self.changed(resume=None),  # two checkpoints would take twice the memory
            job.checkpoint,
            model=job.result,
            path=self.start,
            is_parent=job.kept_parent,
            problem=job.problem,
        )
        if job.fine_tuning is not None:
            trained = replace(trained, note=job.fine_tuning.in_words())
        if job.kept_parent:
            self.keeper.drop()
            return trained
        if self.start is not None and self.resume is None:
            trained = replace(trained, parent=loaded(self.start))
        try:
            return replace(trained, path=self.keeper.end(job.result, job.checkpoint))
        except InputError as error:
            return replace(trained, path=None, problem=f"{job.problem} {error}".strip())

    def model_path(self) -> Path:
        """Return the file that the model is saved to: a new one."""
        from ...io.model_folder import new_model_path

        return new_model_path(self.image.name, self.finds or self.recipe.task)

    def about(self) -> About:
        """Return what the training goes on with after a restart, beside its checkpoint."""
        return About(
            image=self.image.name,
            shape=self.image.shape,
            recipe=self.recipe.model_dump(mode="json"),
            start=self.start,
        )

    def earlier(self, kept: KeptTraining) -> Earlier[Self]:
        """Return a training on disk, as one on the image that is chosen now."""
        about = kept.about
        changes = {"recipe": parse_recipe(about.recipe), "start": about.start}
        return Earlier(self.changed(**changes), kept.checkpoint)

    def resumed(self) -> Checkpoint | None:
        """Return the checkpoint to go on from.

        Raises
        ------
        InputError
            If its file cannot be read.
        """
        if not isinstance(self.resume, Path):
            return self.resume
        from ...training.checkpoint import Checkpoint

        try:
            return Checkpoint.from_bytes(self.resume.read_bytes())
        except OSError as error:
            raise InputError(
                f"That training cannot go on: {in_words(error)} Choose its model under More "
                "settings, Start from, and press Train."
            ) from error

    def changed(self, **changes: Any) -> Self:
        """Return the same request with some fields changed."""
        return replace(self, **changes)

    def recipe_like(self, other: Recipe, parts: Collection[str]) -> Recipe:
        """Return another recipe with these parts of this one."""
        return other.model_copy(update={name: getattr(self.recipe, name) for name in parts})

    @abstractmethod
    def continuing(self, trained: Earlier[Self]) -> Self:
        """Return the request to go on with a training, and with what of this one may change."""

    @abstractmethod
    def fixed(self) -> Iterator[tuple[object, str]]:
        """Yield what Continue cannot change: each value, and it in words; the recipe among them."""

    def changes_since(self, before: Self) -> Iterator[Change]:
        """Yield what differs from a training before that Continue cannot change."""
        parts = self.own_parts if before.start or self.start else ("network", "target")
        for (old, old_words), (new, new_words) in zip(before.fixed(), self.fixed(), strict=True):
            if isinstance(old, Recipe) and isinstance(new, Recipe):
                yield from changes_of_recipe(old, new, parts)
            elif old != new:
                yield old_words, new_words

    def visible_field(self, viewer: Viewer) -> tuple[Frame, Window]:
        """Return the frame and the window that are previewed: what is visible."""
        return visible_field(viewer, self.image_layer, self.image, self.dimensions)

    @abstractmethod
    def show_preview(self, viewer: Viewer, preview: Any) -> None:
        """Show a `Preview`, or a `DenoisedPreview`, in a layer."""


Asked = TypeVar("Asked", bound=TrainingRequest)


@dataclass(frozen=True)
class Earlier(Generic[Asked]):
    """Hold what Continue goes on with.

    Parameters
    ----------
    request
        What was asked for.
    checkpoint
        Where the training stopped, or the file that holds it; None if it cannot go on.
    """

    request: Asked
    checkpoint: Checkpoint | Path | None


@dataclass(frozen=True, kw_only=True)
class Trained(Earlier[Asked]):
    """Hold what a training gave.

    Parameters
    ----------
    request, checkpoint
        As for `Earlier`.
    model, path
        The model, and the file it is saved in; None where it could not be written.
    is_parent
        Whether fine-tuning did not help, so that this is the model it started from.
    parent
        The model that it started from, if there was one.
    problem
        What broke the training off, or why the model could not be written.
    note
        What a fine-tuning gained and lost.
    """

    model: Model
    path: Path | None
    is_parent: bool = False
    parent: Model | None = None
    problem: str = ""
    note: str = ""

    @property
    def name(self) -> str:
        """Return the name of the model."""
        return "the model" if self.path is None else self.path.stem

    @property
    def is_refused(self) -> bool:
        """Return whether fine-tuning did not help; not where somebody went back by Revert."""
        return self.is_parent and self.checkpoint is not None and not self.is_too_short

    @property
    def is_too_short(self) -> bool:
        """Return whether fine-tuning did not help because it was stopped while it warmed up."""
        from ...training.checkpoint import WARM_UP, Checkpoint

        if self.problem or not (self.is_parent and isinstance(self.checkpoint, Checkpoint)):
            return False
        return bool(self.checkpoint.numbers["index"] < WARM_UP)

    @property
    def held_out(self) -> HeldOut:
        """Return how much of what was held out here the model answers rightly."""
        if self.is_parent:
            return HeldOut()  # its own says what was held out elsewhere
        return HeldOut.model_validate(self.model.provenance.get("held_out", {}))

    def before(self) -> Self | None:
        """Return the model that this one was fine-tuned from, as one that was trained."""
        if self.parent is None:
            return None
        path = self.request.start
        changes: dict[str, Any] = {"model": self.parent, "path": path, "parent": None}
        return replace(self, checkpoint=None, is_parent=True, **changes)


def loaded(model: Path) -> Model | None:
    """Return the model in a file; None where it is gone."""
    from ...model import load_model

    try:
        return load_model(model)
    except InputError:
        return None


def changes_of_recipe(before: Recipe, now: Recipe, parts: Collection[str]) -> Iterator[Change]:
    """Yield the values of these parts that differ; of a network of another kind, its kind."""
    for part in parts:
        one, other = getattr(before, part), getattr(now, part)
        if type(one) is not type(other):
            if part == "network":
                yield f"network {one.kind}", f"network {other.kind}"
            continue
        for name, described in type(one).model_fields.items():
            value, new = getattr(one, name), getattr(other, name)
            if value != new:
                title = (described.title or name).lower()
                yield f"{title} {value}", f"{title} {new}"


def named(model: Path | None, what: str) -> str:
    """Return the name of a model that is used for something, as in "denoiser nuclei"."""
    return f"no {what}" if model is None else f"{what} {model.stem}"


def channels_in_words(image: Image, chosen: list[int] | None) -> str:
    """Return the chosen channels of an image, as in "channels red, green"; all for None."""
    names = names_of_channels(image)
    return f"channels {', '.join(names if chosen is None else [names[c] for c in chosen])}"

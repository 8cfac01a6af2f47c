"""Provide the public job `train`: from paint to a model."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ..arguments import checked
from ..describe import too_little_learnt
from ..device import precision
from ..errors import InputError, in_words
from ..inference.engine import Predictor, predict_window
from ..inference.object_size import finds_such_objects
from ..inference.source import source_of
from ..io.held_out import HeldOut
from ..io.replay import Patches
from ..model import Model, as_model
from ..networks import Network
from ..recipe import Recipe, as_recipe
from ..targets import Paint, Parameters, task_of
from ..targets.paint import as_paint, check_values, fitted, separated
from ..targets.strokes import with_strokes
from ..wording import counted
from . import CHECKPOINT_EVERY
from .checkpoint import Checkpoint, TrainState, check_checkpoint
from .checkpoint_file import CheckpointFile, described, hash_of_array, locking, open_checkpoint
from .distributed import join
from .fine_tuning import NEW_KIND_REPLAY, origin_of
from .finish import assemble, fit_parameters, predict_paint
from .job import Limits, Preview, Request, TrainingJob, TrainStep
from .losses import loss_of
from .patches import PaintData
from .regions import RegionLoader
from .replay import known_before, replay_data, replay_of
from .score import score_classes, score_objects
from .setup import Setup, painted_values, set_up
from .spill import spill_of_regions
from .trainer import Trainer, new_network, new_state

UNCHECKED = (
    "Too little is painted to hold anything out, so it cannot be checked whether fine-tuning "
    "helps: paint more objects."
)
MOST_LOOKED_AT = 3
"""Most images that are looked at to learn whether a model knows such images."""
FINISH = {2: 0.02, 3: 0.1}
"""Share of the seconds reserved for fitting the decoding, by the dimensions of the network."""


class TrainJob(TrainingJob):
    """Run a training on paint. Everything here may be called from any thread.

    Attributes
    ----------
    grids
        The sizes of the objects, and by how much each image is shrunk or grown for the network.
    """

    def __init__(
        self, body: Callable[..., Generator[TrainStep, None, Model]], setup: Setup
    ) -> None:
        super().__init__(body)
        self.grids = setup.grids
        self._images, self._recipe = setup.own_images, setup.recipe
        self._paints: list[Paint] | None = None

    def update_paint(self, paints: Sequence[object]) -> None:
        """Let the next steps learn from newer paint.

        Parameters
        ----------
        paints
            One `Paint` (or array, or path of a file) per image. They must not change later.

        Raises
        ------
        InputError
            If it does not fit the images. The training goes on with the paint that it has.
        """
        if not isinstance(paints, list | tuple) or len(paints) != len(self._images):
            raise InputError(
                f"Give a list of paint, one for each of {counted(len(self._images), 'image')}: "
                "update_paint([paint])."
            )
        pairs = zip(self._images, paints, strict=True)
        newer = [fitted(as_paint(paint), image) for image, paint in pairs]
        if task_of(self._recipe).separates_objects:
            dimensions = self._recipe.network.dimensions
            newer = [separated(replace(p, pieces=bool(p.pieces)), dimensions, "") for p in newer]
        with self._lock:
            self._paints = newer

    def take_paint(self) -> list[Paint] | None:
        """Return the newest paint, each only once; None if there is none."""
        with self._lock:
            paints, self._paints = self._paints, None
        return paints


@checked
def train(
    images: Sequence[object],
    paints: Sequence[object],
    recipe: Recipe | Mapping[str, object] | str | Path | None = None,
    *,
    channels: Sequence[int] | None = None,
    start: Model | str | Path | None = None,
    resume: Checkpoint | None = None,
    steps: int | None = None,
    seconds: float | None = None,
    device: str | None = None,
    keep_worse: bool = False,
    denoiser: Model | str | Path | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: float = CHECKPOINT_EVERY,
    object_size: float | Sequence[float] | None = None,
) -> TrainJob:
    """Train a network on painted images.

    Parameters
    ----------
    images
        A list of `Image` objects, arrays or paths.
    paints
        A list of one `Paint` (or array, or path of a file) per image.
    recipe
        How to train: a recipe, its values or its file. If None, the recipe of `start`, else the
        default.
    channels
        Which channels of the images the network sees; all when None.
    start
        A model to fine-tune, its file or its name. The result lies between it and what was learnt;
        it is this model unchanged if nothing between is better on held-out paint without harm to
        what it knew, unless `keep_worse`. If most painted objects are corrected ones, it lies a
        quarter of the way, unless that does damage. `TrainJob.fine_tuning` tells what became of it.
    resume
        A `TrainJob.checkpoint` to continue from, exactly.
    steps, seconds
        When to end. Without either, training ends when `Job.stop` is called. `seconds` count from
        the first step, after everything is opened, read, measured and loaded.
    device
        ``cuda``, ``mps`` or ``cpu``; the fastest available one when None.
    keep_worse
        Whether to return a fine-tuned model that is worse than `start`.
    denoiser
        A model, its file or its name. The images go through it first, here and wherever the model
        is applied: it becomes part of the model. If None, the denoiser of `start`.
    checkpoint
        A file to write checkpoints to while training. If it exists, the same training goes on from
        it exactly, as after a crash; the steps and seconds before count. It stays after the end:
        delete it when the model is saved.
    checkpoint_every
        Seconds from one checkpoint to the next.
    object_size
        Diameter of the objects in the images, in pixels, or one for each image, where it does not
        follow from their paint. Images are brought to the size that ``target.object_size`` of the
        recipe names, or that `start` was trained on, if their objects are far from it.

    Returns
    -------
    job
        Its result is the best model so far, by the loss on held-out paint.

    Raises
    ------
    InputError
        Before any work, if something does not fit.
    """
    limits = Limits(steps, seconds)
    check_checkpoint(resume)
    parent = None if start is None else as_model(start)
    denoising_model = None if denoiser is None else as_model(denoiser)
    setup = set_up(
        images, paints, as_recipe(recipe), channels, parent, device, denoising_model, object_size
    )
    limits = replace(limits, finish=FINISH[setup.recipe.network.dimensions])
    file, resumed = open_checkpoint(
        checkpoint, checkpoint_every, resume, (steps, seconds), lambda: _described(setup, parent)
    )
    return TrainJob(
        lambda job: locking(
            file, _train(job, setup, limits, parent, resumed or resume, keep_worse, file)
        ),
        setup,
    )


def _described(setup: Setup, start: Model | None) -> dict[str, str]:
    """Return what has to be the same for a training to go on from a file."""
    statistics = zip(setup.images, setup.statistics, strict=True)
    paints = [
        (
            hash_of_array(paint.array),
            paint.complete,
            paint.offset,
            *filter(None, [paint.in_part]),
            *([("corrected", paint.corrected)] if paint.corrected else []),
        )
        for paint in setup.paints
    ]
    return described(
        setup.recipe,
        setup.device,
        start,
        images=[(image.shape, numbers.digest) for image, numbers in statistics],
        channels=setup.channels,
        paint=paints,
    )


def _train(
    job: TrainJob,
    setup: Setup,
    limits: Limits,
    start: Model | None,
    resume: Checkpoint | None,
    keep_worse: bool,
    file: CheckpointFile | None,
) -> Generator[TrainStep, None, Model]:
    """Yield the steps of a training on paint, and return its model."""
    recipe, encoding, n_channels = setup.recipe, setup.encoding, len(setup.channels)
    group = join(setup.device)
    dtype = group.of_first(precision(setup.device))
    resume = group.of_first(resume)
    state = new_state(recipe, n_channels, encoding, setup.device, dtype, start, resume)
    resumed = resume.numbers if resume else None
    del resume  # its tensors would take twice the memory
    known, notes = None, [setup.note]
    if start is not None:
        known, note = known_before(start)
        notes.append(note)
    data = paint_data(setup, state, known)
    if start is not None and not data.validation:
        notes.append(UNCHECKED)

    def update() -> str:
        note = " ".join(filter(None, (*notes, _take_paint(job, data, setup))))
        notes.clear()
        return note

    def preview(request: Request) -> Preview:
        return _preview(request, setup, state, dtype)

    def another() -> Network:
        return new_network(recipe, n_channels, encoding)

    loss = loss_of(recipe, encoding.heads)
    trainer = Trainer(
        job,
        state,
        data,
        loss,
        dtype,
        limits,
        preview,
        update,
        file,
        resumed,
        group=group,
        before=data.replay.validation if data.replay is not None else (),
        knows_images=lambda: _knows_images(start, setup),
        is_corrected=lambda: data.is_corrected,
        new_network=another if start is not None and not too_little_learnt(start) else None,
    )

    def so_far() -> tuple[Checkpoint, Model]:
        network = trainer.network_so_far(recipe, n_channels, encoding)
        parameters = {} if start is None else start.parameters
        now = replace(setup, paints=data.paints)
        numbers = parameters, state, trainer.history, trainer.seconds
        model = assemble(now, network, *numbers, start=start, is_final=False)
        return trainer.checkpoint(), model

    job.so_far = so_far
    yield from trainer.steps()
    job.so_far = None
    if start is not None and trainer.parent_stays(keep_worse):
        return start
    network = trainer.network(recipe, n_channels, encoding)
    setup = replace(setup, paints=data.paints)
    parameters: Parameters = {}
    held_out = HeldOut()
    try:
        # Those of a model that knows such images were fitted on more than this paint.
        fitted = start.parameters if start is not None and state.is_known_kind else None
        parameters = fitted or {}
        if encoding.is_pixelwise and not job.is_urgent:
            held_out = score_classes(trainer.answer, data.validation)
        elif not encoding.is_pixelwise:
            examples = predict_paint(
                *(setup, network, data.regions, dtype, trainer.seconds_left),
                only_held=fitted is not None,
            )
            if fitted is None:
                parameters = fit_parameters(encoding, examples, trainer.seconds_left)
            held_out = score_objects(encoding, examples, parameters)
    except (RuntimeError, MemoryError, OSError, InputError) as error:
        # The defaults are good enough; the trained network must not be lost.
        job.problem = job.problem or f"The decoding could not be fitted: {in_words(error)}"
    numbers = parameters, state, trainer.history, trainer.seconds
    model = assemble(setup, network, *numbers, start=start)
    model.provenance["held_out"] = held_out.model_dump(mode="json", exclude_defaults=True)
    if job.fine_tuning is not None and start is not None:
        model.provenance["fine_tuning"] = origin_of(start, job.fine_tuning)
    if not recipe.training.keep_replay:
        return model
    try:
        replay = replay_of(data.regions, setup, network.geometry, known)
    except (RuntimeError, MemoryError, OSError) as error:  # the model must not be lost
        job.problem = job.problem or f"No sample of the images was kept: {in_words(error)}"
        return model
    return model.changed(replay=replay)


def _knows_images(start: Model | None, setup: Setup) -> bool | None:
    """Return whether a model finds clear objects in most of the images that it is fine-tuned on.

    A few images are looked at. What is painted may be just where the model is wrong, so paint does
    not tell. None where the model does not know the size of its objects.
    """
    if start is None or start.object_size is None:
        return None
    painted = [i for i, paint in enumerate(setup.paints) if np.asarray(paint.array).any()]
    model = start.changed(denoiser=None)  # the images have gone through it
    looked_at = painted[:: max(1, len(painted) // MOST_LOOKED_AT)][:MOST_LOOKED_AT]
    found = [
        finds_such_objects(
            source_of(model, setup.own_images[i], setup.channels, None),
            setup.grids.factors[i],
            setup.device,
        )
        for i in looked_at
    ]
    return 2 * sum(found) > len(found)


def paint_data(setup: Setup, state: TrainState, known: Patches | None = None) -> PaintData:
    """Build the batches of a training, with what a model to start from learnt from."""
    loader = RegionLoader(
        setup.images,
        setup.channels,
        setup.statistics,
        setup.encoding,
        setup.recipe,
        setup.device,
        spill_of_regions(setup.device),
    )
    replay = replay_data(known, setup, state) if known is not None else None

    def replay_share() -> float:
        share = setup.recipe.training.replay
        return share if state.is_known_kind else min(share, NEW_KIND_REPLAY)

    return PaintData(
        loader, state.network.geometry, state.generator, setup.paints, replay, replay_share
    )


def _take_paint(job: TrainJob, data: PaintData, setup: Setup) -> str:
    """Replace the paint if there is newer paint; return what the user should know about it."""
    paints = job.take_paint()
    if paints is None:
        return ""
    if not any(np.asarray(paint.array).any() for paint in paints):
        return "All paint was erased: training goes on with what was there before."
    task, note = task_of(setup.recipe), ""
    try:
        painted = set(painted_values(paints, task)[0])
        if not task.separates_objects:
            check_values(painted & set(setup.painted), task.name)
        else:
            place = setup.own_images, setup.channels, setup.recipe
            paints, note = with_strokes(paints, *place, setup.seen)
        data.load(setup.on_grids(paints))
    except InputError as error:
        return f"{error} Training goes on with the paint from before."
    if new := sorted(painted - set(setup.painted)):
        return f"Class {new[0]} is new: it will be learnt from the next Train on."
    return note


def _preview(request: Request, setup: Setup, state: TrainState, dtype: torch.dtype) -> Preview:
    """Predict a window with the current average of the network."""
    index, frame, own_window = request
    window = setup.window_on_grid(index, own_window)
    encoding = setup.encoding
    network = setup.network_for(state.average, index)
    predictor = Predictor(network, encoding.heads, setup.device, dtype)
    read = setup.reader(index, frame)
    answer = predict_window(predictor, read, window, setup.recipe.tile)
    labels, probability = encoding.decode(answer, {}), answer[encoding.heads[0].name]
    labels, probability = setup.on_own_pixels(index, window, own_window, labels, probability)
    return Preview(index, frame, own_window, labels, probability)

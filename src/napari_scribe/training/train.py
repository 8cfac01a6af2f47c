"""Provide the public job `train`: from paint to a model."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ..arguments import checked
from ..device import precision
from ..errors import InputError, in_words
from ..image import Image
from ..inference.engine import Predictor, predict_window
from ..inference.reading import tile_reader
from ..model import Model, as_model, counted
from ..recipe import Recipe, as_recipe
from ..targets import Paint, task_of
from ..targets.paint import as_paint, check_values, fitted, separated
from .checkpoint import Checkpoint, TrainState, check_checkpoint
from .finish import assemble, fit_parameters
from .losses import loss_of
from .patches import PaintData
from .regions import RegionLoader
from .setup import Setup, painted_values, set_up
from .trainer import Limits, Preview, Request, Trainer, TrainingJob, TrainStep, new_state

UNCHECKED = (
    "Too little is painted to hold anything out, so it cannot be checked whether fine-tuning "
    "helps: paint more objects."
)
FINISH = {2: 0.02, 3: 0.1}
"""Share of ``seconds`` reserved for fitting the decoding parameters, by the dimensions of the
network.
"""


class TrainJob(TrainingJob):
    """Run a training on paint. Everything here may be called from any thread."""

    def __init__(
        self,
        body: Callable[..., Generator[TrainStep, None, Model]],
        images: Sequence[Image],
        recipe: Recipe,
    ) -> None:
        super().__init__(body)
        self._images, self._recipe = images, recipe
        self._paints: list[Paint] | None = None

    def update_paint(self, paints: Sequence[object]) -> None:
        """Let the next steps learn from newer paint.

        Parameters
        ----------
        paints
            One `Paint` (or array, or path of a file) per image; they may not change later.

        Raises
        ------
        InputError
            If it does not fit the images; the training goes on with what it has.
        """
        if not isinstance(paints, list | tuple) or len(paints) != len(self._images):
            raise InputError(
                f"Give a list of paint, one for each of {counted(len(self._images), 'image')}: "
                "update_paint([paint])."
            )
        listed = zip(self._images, paints, strict=True)
        newer = [fitted(as_paint(paint), image) for image, paint in listed]
        if task_of(self._recipe).separates_objects:
            dimensions = self._recipe.network.dimensions
            newer = [separated(replace(p, pieces=bool(p.pieces)), dimensions, "") for p in newer]
        with self._lock:
            self._paints = newer

    def take_paint(self) -> list[Paint] | None:
        """Return the newest paint, once."""
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
) -> TrainJob:
    """Train a network on painted images.

    Parameters
    ----------
    images
        A list of `Image` objects, arrays or paths.
    paints
        A list of one `Paint` (or array, or path of a file) per image.
    recipe
        How, or its values or its file; that of `start` when None, else the default.
    channels
        Which channels of the images the network sees; all when None.
    start
        A model to fine-tune, its file or its name. If fine-tuning does not lower the loss on
        held-out paint, it is given back as it is, unless `keep_worse`.
    resume
        A `TrainJob.checkpoint` to go on from, exactly.
    steps, seconds
        When to end; without either, when `Job.stop` is called. `seconds` count from the
        first step: what is opened, read, measured and loaded for it comes before.
    device
        ``cuda``, ``mps`` or ``cpu``; the best there is when None.
    keep_worse
        See `start`.
    denoiser
        A model, its file or its name, which the images go through first, here and wherever the
        model is applied: it becomes part of the model. That of `start` when None.

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
    before = None if denoiser is None else as_model(denoiser)
    setup = set_up(images, paints, as_recipe(recipe), channels, parent, device, before)
    limits = replace(limits, finish=FINISH[setup.recipe.network.dimensions])
    return TrainJob(
        lambda job: _train(job, setup, limits, parent, resume, keep_worse),
        setup.images,
        setup.recipe,
    )


def _train(
    job: TrainJob,
    setup: Setup,
    limits: Limits,
    start: Model | None,
    resume: Checkpoint | None,
    keep_worse: bool,
) -> Generator[TrainStep, None, Model]:
    recipe, encoding, n_channels = setup.recipe, setup.encoding, len(setup.channels)
    dtype = precision(setup.device)
    state = new_state(recipe, n_channels, encoding, setup.device, dtype, start, resume)
    data = paint_data(setup, state)
    notes = [UNCHECKED] if start is not None and not data.validation else []

    def update() -> str:
        note = " ".join(filter(None, (*notes, _take_paint(job, data, setup))))
        notes.clear()
        return note

    def preview(request: Request) -> Preview:
        return _preview(request, setup, state, dtype)

    loss = loss_of(recipe, encoding.heads)
    trainer = Trainer(job, state, data, loss, dtype, limits, preview, update)
    yield from trainer.steps()
    if start is not None and trainer.parent_stays(keep_worse):
        return start
    network = trainer.network(recipe, n_channels, encoding)
    setup = replace(setup, paints=data.paints)
    try:
        parameters = fit_parameters(setup, network, data.regions, dtype, trainer.seconds_left)
    except (RuntimeError, MemoryError, OSError, InputError) as error:
        parameters = {}  # the defaults will do; the trained network must not be lost
        job.problem = job.problem or f"The decoding could not be fitted: {in_words(error)}"
    return assemble(setup, network, parameters, state, trainer.history, trainer.seconds)


def paint_data(setup: Setup, state: TrainState) -> PaintData:
    """Return the batches of a training."""
    loader = RegionLoader(
        setup.images,
        setup.channels,
        setup.statistics,
        setup.encoding,
        setup.recipe,
        setup.device,
    )
    return PaintData(loader, state.network.geometry, state.generator, setup.paints)


def _take_paint(job: TrainJob, data: PaintData, setup: Setup) -> str:
    """Learn from newer paint, where there is some; return what the user should know of it."""
    paints = job.take_paint()
    if paints is None:
        return ""
    if not any(np.asarray(paint.array).any() for paint in paints):
        return "All paint was erased: training goes on with what was there before."
    task = task_of(setup.recipe)
    try:
        painted = set(painted_values(paints, task)[0])
        if not task.separates_objects:
            check_values(painted & set(setup.painted), task.name)
        data.load(paints)
    except InputError as error:
        return f"{error} Training goes on with the paint from before."
    if new := sorted(painted - set(setup.painted)):
        return f"Class {new[0]} is new: it takes part from the next Train on."
    return ""


def _preview(request: Request, setup: Setup, state: TrainState, dtype: torch.dtype) -> Preview:
    """Predict a window with the network as it is."""
    index, frame, window = request
    encoding = setup.encoding
    predictor = Predictor(state.average, encoding.heads, setup.device, dtype)
    read = tile_reader(
        setup.images[index],
        frame,
        setup.channels,
        setup.statistics[index],
        setup.recipe.network.dimensions,
    )
    answer = predict_window(predictor, read, window, setup.recipe.tile)
    probability = answer[encoding.heads[0].name]
    return Preview(index, frame, window, encoding.decode(answer, {}), probability)

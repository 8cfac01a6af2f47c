"""The public job `train`: from paint to a model."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..arguments import checked
from ..device import precision
from ..errors import InputError, in_words
from ..image import Image
from ..inference.engine import Predictor, predict_window
from ..inference.reading import tile_reader
from ..model import Model, as_model, counted
from ..recipe import Recipe, as_recipe
from ..targets import Paint
from ..targets.paint import as_paint, check_values, fitted, separated
from .checkpoint import Checkpoint, TrainState, check_checkpoint
from .finish import assemble, fit_parameters
from .losses import total_loss
from .patches import Batch, PatchSampler, held_paint_is_telling, validation_batches
from .regions import Layout, Region, RegionLoader
from .setup import Setup, painted_values, set_up
from .trainer import Drive, Limits, Preview, Request, TrainingJob, TrainStep, new_state

UNCHECKED = (
    "Too little is painted to hold anything out, so it cannot be checked whether fine-tuning "
    "helps: paint more objects."
)
FINISH = {2: 0.02, 3: 0.1}
"""Share of ``seconds`` kept back for choosing the decoding parameters, by the dimensions of the
network.
"""


class TrainJob(TrainingJob):
    """A running training on paint. Everything here may be called from any thread."""

    def __init__(self, body: Any, images: Sequence[Image], recipe: Recipe) -> None:
        super().__init__(body)
        self._images, self._recipe = images, recipe
        self._paints: list[Paint] | None = None

    def update_paint(self, paints: Sequence[Any]) -> None:
        """Let the next steps learn from newer paint, which is not changed later.

        Parameters
        ----------
        paints
            One `Paint` (or array, or path of a file) per image.

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
        pairs = zip(self._images, paints, strict=True)
        newer = [fitted(as_paint(paint), image) for image, paint in pairs]
        if self._recipe.task == "objects":
            dimensions = self._recipe.network.dimensions
            newer = [separated(replace(p, pieces=bool(p.pieces)), dimensions, "") for p in newer]
        with self._lock:
            self._paints = newer

    def take_paint(self) -> list[Paint] | None:
        """The newest paint that was not taken yet."""
        with self._lock:
            taken, self._paints = self._paints, None
        return taken


@checked
def train(
    images: Sequence[Any],
    paints: Sequence[Any],
    recipe: Recipe | Mapping[str, Any] | str | Path | None = None,
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
        lambda job: _run(job, setup, limits, parent, resume, keep_worse),
        setup.images,
        setup.recipe,
    )


class PaintData:
    """Batches from paint that may grow while the network learns."""

    def __init__(self, setup: Setup, state: TrainState) -> None:
        self.setup, self.state = setup, state
        self.loader = RegionLoader(
            setup.images,
            setup.channels,
            setup.statistics,
            setup.coder,
            setup.recipe,
            setup.device,
        )
        self.version = 0
        self.regions: list[Region] = []
        self.validation: list[Batch] = []
        self.load(setup.paints)

    def load(self, paints: Sequence[Paint]) -> None:
        """Learn from this paint from now on."""
        recipe, geometry = self.setup.recipe, self.state.network.geometry
        layout = Layout(self.setup.coder.heads, len(self.setup.channels))
        self.regions = self.loader.load(paints, self.regions)
        self.paints = list(paints)
        self.sampler = PatchSampler(self.regions, recipe, geometry, layout, self.state.generator)
        self.validation = (
            validation_batches(self.regions, recipe, geometry, layout)
            if held_paint_is_telling(self.regions, recipe.task)
            else []
        )
        self.version += 1

    def draw(self) -> Batch:
        """The next training batch."""
        return self.sampler.draw()


def _run(
    job: TrainJob,
    setup: Setup,
    limits: Limits,
    start: Model | None,
    resume: Checkpoint | None,
    keep_worse: bool,
) -> Generator[TrainStep, None, Model]:
    dtype, coder, n_channels = precision(setup.device), setup.coder, len(setup.channels)
    state = new_state(setup.recipe, n_channels, coder, setup.device, dtype, start, resume)
    data = PaintData(setup, state)

    def loss(logits: Tensor, values: Tensor, weights: Tensor) -> Tensor:
        return total_loss(logits, values, weights, coder.heads)

    words = [UNCHECKED] if start is not None and not data.validation else []

    def between() -> tuple[Preview | None, str]:
        preview, problem = _preview(job, setup, state, dtype)
        said = [*words, _take_paint(job, data, setup), problem]
        words.clear()
        return preview, " ".join(filter(None, said))

    drive = Drive(job, state, data, loss, dtype, limits)
    yield from drive.steps(between)
    if start is not None and drive.parent_stays(keep_worse):
        return start
    network = drive.network(setup.recipe, n_channels, coder)
    setup = replace(setup, paints=data.paints)
    try:
        parameters = fit_parameters(setup, network, data.regions, dtype, drive.seconds_left)
    except (RuntimeError, MemoryError, OSError, InputError) as error:
        parameters = {}  # the defaults will do; the trained network must not be lost
        job.problem = job.problem or f"The decoding could not be fitted: {in_words(error)}"
    return assemble(setup, network, parameters, state, drive.history, drive.seconds)


def _take_paint(job: TrainJob, data: PaintData, setup: Setup) -> str:
    """Take over newer paint; says what of it has to wait."""
    paints = job.take_paint()
    if paints is None:
        return ""
    if not any(np.asarray(paint.array).any() for paint in paints):
        return "All paint was erased: training goes on with what was there before."
    task = setup.recipe.task
    try:
        painted = set(painted_values(paints, task)[0])
        if task == "classes":
            check_values(painted & set(setup.painted), task)
        data.load(paints)
    except InputError as error:
        return f"{error} Training goes on with the paint from before."
    if new := sorted(painted - set(setup.painted)):
        return f"Class {new[0]} is new: it takes part from the next Train on."
    return ""


def _preview(
    job: TrainJob, setup: Setup, state: TrainState, dtype: torch.dtype
) -> tuple[Preview | None, str]:
    """The preview that was asked for, or why there is none: it must not end the training."""
    request = job.take_request()
    if request is None:
        return None, ""
    try:
        return _predict(request, setup, state, dtype), ""
    except Exception as error:
        return None, f"No preview: {in_words(error)}"


def _predict(
    request: Request,
    setup: Setup,
    state: TrainState,
    dtype: torch.dtype,
) -> Preview:
    index, frame, window = request
    coder = setup.coder
    predictor = Predictor(state.average, coder.heads, setup.device, dtype)
    read = tile_reader(
        setup.images[index],
        frame,
        setup.channels,
        setup.statistics[index],
        setup.recipe.network.dimensions,
    )
    answer = predict_window(predictor, read, window, setup.recipe.tile)
    probability = answer[coder.heads[0].name]
    return Preview(index, frame, window, coder.decode(answer, {}), probability)

"""The public job `train`: from paint to a model."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..device import precision
from ..errors import InputError
from ..image import Frame, Image
from ..inference.engine import Predictor, predict_window
from ..inference.reading import tile_reader
from ..model import Model, build_network
from ..networks.blocks import placed
from ..progress import Job
from ..recipe import Recipe
from ..targets import Paint
from ..targets.paint import Labels, check_shape, check_values
from .checkpoint import Checkpoint, TrainState
from .finish import assemble, fit_parameters
from .loop import learn, rescore_best, validate
from .losses import total_loss
from .patches import Batch, PatchSampler, held_paint_is_telling, validation_batches
from .regions import Layout, Region, RegionLoader
from .setup import Setup, painted_values, set_up

UNCHECKED = (
    "Too little is painted to hold anything out, so it cannot be checked whether fine-tuning "
    "helps: paint more objects."
)
FINISH = {2: 0.02, 3: 0.1}
"""Share of ``seconds`` kept back for choosing the decoding parameters, by the dimensions of the
network; at least half a second.
"""
AFTER_STOP = 3.0
"""Seconds that choosing them may take after a stop."""


@dataclass(frozen=True)
class Preview:
    """What the network answers in a window while it learns.

    Parameters
    ----------
    image_index, frame, window
        Where.
    labels
        ``(*window)``, decoded.
    probability
        ``(channels, *window)`` of the first head.
    """

    image_index: int
    frame: Frame
    window: tuple[slice, ...]
    labels: Labels
    probability: npt.NDArray[np.float32]


@dataclass(frozen=True)
class TrainStep:
    """A record of `train`.

    Parameters
    ----------
    index
        Steps done, those before a Continue included.
    loss
        Of this step.
    validation
        Loss on held-out paint; None where this step took none.
    elapsed
        Seconds since the start of this job.
    fraction
        How much of the steps or seconds asked for is done; None without an end.
    preview
        An answer to `TrainJob.request_preview`.
    note
        Something the user should know, or empty.
    """

    index: int
    loss: float
    validation: float | None
    elapsed: float
    fraction: float | None
    preview: Preview | None = None
    note: str = ""


class TrainJob(Job[TrainStep, Model]):
    """A running training. Everything here may be called from any thread.

    Attributes
    ----------
    checkpoint
        After the end: what ``train(..., resume=...)`` goes on from.
    kept_parent
        After the end: whether fine-tuning did not help, so that the result is the model it
        started from.
    problem
        After the end: what broke the training off, so that the result is the best until then.
    """

    checkpoint: Checkpoint | None = None
    kept_parent: bool = False
    problem: str = ""

    def __init__(self, body: Any, images: Sequence[Image]) -> None:
        super().__init__(body)
        self._images = images
        self._lock = threading.Lock()
        self._paints: list[Paint] | None = None
        self._request: tuple[int, Frame, tuple[slice, ...]] | None = None

    def update_paint(self, paints: Sequence[Paint]) -> None:
        """Let the next steps learn from newer paint, one per image, which is not changed later.

        Raises
        ------
        InputError
            If its shape is not that of the image; the training goes on with what it has.
        """
        for image, paint in zip(self._images, paints, strict=True):
            check_shape(image, paint)
        with self._lock:
            self._paints = list(paints)

    def request_preview(self, image_index: int, frame: Frame, window: tuple[slice, ...]) -> None:
        """Ask for an answer in a window (a slice per spatial axis) with one of the next steps."""
        with self._lock:
            self._request = (image_index, frame, window)

    def take_paint(self) -> list[Paint] | None:
        """The newest paint that was not taken yet."""
        with self._lock:
            taken, self._paints = self._paints, None
        return taken

    def take_request(self) -> tuple[int, Frame, tuple[slice, ...]] | None:
        """The newest preview asked for that was not taken yet."""
        with self._lock:
            taken, self._request = self._request, None
        return taken


def train(
    images: Sequence[Any],
    paints: Sequence[Any],
    recipe: Recipe | None = None,
    *,
    channels: Sequence[int] | None = None,
    start: Model | None = None,
    resume: Checkpoint | None = None,
    steps: int | None = None,
    seconds: float | None = None,
    device: str | None = None,
    keep_worse: bool = False,
) -> TrainJob:
    """Train a network on painted images.

    Parameters
    ----------
    images
        `Image` objects, arrays or paths.
    paints
        One `Paint` (or array, or path of a file) per image.
    recipe
        How; that of `start` when None, else the default.
    channels
        Which channels of the images the network sees; all when None.
    start
        A model to fine-tune. If fine-tuning does not lower the loss on held-out paint, it is
        given back as it is, unless `keep_worse`.
    resume
        A `TrainJob.checkpoint` to go on from, exactly.
    steps, seconds
        When to end; without either, when `Job.stop` is called. `seconds` count from the first
        step that is asked for.
    device
        ``cuda``, ``mps`` or ``cpu``; the best there is when None.
    keep_worse
        See `start`.

    Returns
    -------
    job
        Its result is the best model so far, by the loss on held-out paint.

    Raises
    ------
    InputError
        Before any work, if something does not fit.
    """
    setup = set_up(images, paints, recipe, channels, start, device)
    if steps is not None and steps < 1:
        raise InputError(f"{steps} steps train nothing: use 1 or more.")
    if seconds is not None and not seconds > 0:
        raise InputError(f"{seconds} seconds train nothing: use more than 0.")
    limits = _Limits(steps, seconds, FINISH[setup.recipe.network.dimensions])
    return TrainJob(lambda job: _run(job, setup, limits, start, resume, keep_worse), setup.images)


@dataclass(frozen=True)
class _Limits:
    steps: int | None
    seconds: float | None
    finish: float

    def fraction(self, done: int, elapsed: float) -> float | None:
        """How much of what was asked is done."""
        parts = []
        if self.steps is not None:
            parts.append(done / self.steps)
        if self.seconds is not None:
            kept_back = min(max(0.5, self.finish * self.seconds), 0.5 * self.seconds)
            parts.append(elapsed / (self.seconds - kept_back))
        return min(1.0, max(parts)) if parts else None


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
    limits: _Limits,
    start: Model | None,
    resume: Checkpoint | None,
    keep_worse: bool,
) -> Generator[TrainStep, None, Model]:
    state = new_state(setup, start, resume)
    data = PaintData(setup, state)
    began = time.perf_counter()
    dtype = precision(setup.device)
    heads = setup.coder.heads

    def loss(logits: torch.Tensor, values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        return total_loss(logits, values, weights, heads)

    if start is not None and resume is None:
        state.keep_parent()
    rescore_best(state, data, loss, dtype)
    first, version = state.index, data.version
    word = UNCHECKED if start is not None and not data.validation else ""
    history: list[tuple[int, float]] = []
    try:
        for progress in learn(state, data, loss, dtype):
            elapsed = time.perf_counter() - began
            fraction = limits.fraction(progress.index - first, elapsed)
            if progress.validation is not None:
                history.append((progress.index, progress.validation))
            preview, problem = _preview(job, setup, state, dtype)
            note = " ".join(filter(None, (word, _take_paint(job, data, setup), problem)))
            word = ""
            yield TrainStep(
                progress.index,
                progress.loss,
                progress.validation,
                elapsed,
                fraction,
                preview,
                note,
            )
            if job.stop_requested or (fraction is not None and fraction >= 1):
                break
    except (RuntimeError, MemoryError, OSError, InputError) as error:
        if state.index == first:
            raise
        job.problem = f"The training broke off after step {state.index}: {error}"
    ended = time.perf_counter()

    def seconds_left() -> float:
        until = math.inf if limits.seconds is None else began + limits.seconds
        if job.stop_requested:  # now or while the parameters are chosen
            until = min(until, ended + AFTER_STOP)
        return until - time.perf_counter()

    job.checkpoint = state.checkpoint()  # before the last look, which going on would not take
    if data.version != version:
        rescore_best(state, data, loss, dtype)
    if data.validation and (not history or history[-1][0] != state.index):
        last = validate(state.average, data.validation, loss, dtype)
        history.append((state.index, last))
        state.keep_if_best(last)
    if start is not None and state.best_is_parent and state.best_loss is not None:
        job.kept_parent = not keep_worse
        if not keep_worse:
            return start
        state.best = None
    network = build_network(setup.recipe, len(setup.channels), setup.coder)
    network.load_state_dict({k: v.cpu() for k, v in state.result().items()})
    setup = replace(setup, paints=data.paints)
    try:
        parameters = fit_parameters(setup, network, data.regions, dtype, seconds_left)
    except (RuntimeError, MemoryError, OSError, InputError) as error:
        parameters = {}  # the defaults will do; the trained network must not be lost
        job.problem = job.problem or f"The decoding could not be fitted: {error}"
    return assemble(setup, network.eval(), parameters, state, history, time.perf_counter() - began)


def new_state(setup: Setup, start: Model | None, resume: Checkpoint | None) -> TrainState:
    """A network and what it needs to learn: fresh, from a model, or from a checkpoint."""
    training = setup.recipe.training
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        network = build_network(setup.recipe, len(setup.channels), setup.coder)
    if start is not None:
        network.load_state_dict(start.network.state_dict())
    network = placed(network, setup.recipe.network.dimensions, setup.device)
    state = TrainState(network, training, training.seed, precision(setup.device))
    if resume is not None:
        try:
            state.restore(resume)
        except (RuntimeError, KeyError) as error:
            raise InputError(
                "This training cannot go on: its network differs from the recipe's "
                f"({str(error).splitlines()[0]}). Use the recipe and classes it began with, or "
                "train anew."
            ) from None
    return state


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
        return None, f"No preview: {error}"


def _predict(
    request: tuple[int, Frame, tuple[slice, ...]],
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

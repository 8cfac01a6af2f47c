"""A training from its first step to its last: limits, records, previews, what is kept of it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..describe import steps_learnt
from ..errors import InputError, in_words
from ..image import Frame
from ..model import Model, are_numbers, build_network
from ..networks import Network
from ..networks.blocks import placed
from ..progress import Job
from ..recipe import LARGEST, Recipe
from ..targets import Coder
from ..targets.paint import Labels
from .checkpoint import Checkpoint, TrainState
from .loop import Data, Loss, learn, rescore_best, validate

AFTER_STOP = 3.0
"""Seconds that what comes after the last step may take after a stop."""
Request = tuple[int, Frame, tuple[slice, ...]]
"""Which image, which frame, and a slice per spatial axis."""
History = list[tuple[int, float]]
"""Steps, and the validation loss after them."""


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
class DenoisedPreview:
    """What a denoiser makes of a window while it learns.

    Parameters
    ----------
    image_index, frame, window
        Where.
    denoised
        ``(C, *window)`` in the units of the image.
    """

    image_index: int
    frame: Frame
    window: tuple[slice, ...]
    denoised: npt.NDArray[np.float32]


@dataclass(frozen=True)
class TrainStep:
    """A record of `train` and `train_denoiser`.

    Parameters
    ----------
    index
        Steps done, those before a Continue included.
    loss
        Of this step.
    validation
        Loss on what was held out; None where this step took none.
    elapsed
        Seconds that this job has learnt for; what the first step loads is left out.
    fraction
        How much of the steps or seconds asked for is done; None without an end.
    preview
        An answer to `TrainingJob.request_preview`.
    note
        Something the user should know, or empty.
    """

    index: int
    loss: float
    validation: float | None
    elapsed: float
    fraction: float | None
    preview: Preview | DenoisedPreview | None = None
    note: str = ""


class TrainingJob(Job[TrainStep, Model]):
    """A running training. Everything here may be called from any thread.

    Attributes
    ----------
    checkpoint
        After the end: what ``resume=...`` goes on from.
    kept_parent
        After the end: whether fine-tuning did not help, so that the result is the model it
        started from.
    problem
        After the end: what broke the training off, so that the result is the best until then.
    is_urgent
        Whether `hurry` was called.
    """

    checkpoint: Checkpoint | None = None
    kept_parent: bool = False
    problem: str = ""

    def __init__(self, body: Any) -> None:
        super().__init__(body)
        self.is_urgent = False
        self._lock = threading.Lock()
        self._request: Request | None = None

    def hurry(self) -> None:
        """Cut short what comes after the last step: what was learnt is given back as it is."""
        self.is_urgent = True

    def request_preview(self, image_index: int, frame: Frame, window: tuple[slice, ...]) -> None:
        """Ask for an answer in a window (a slice per spatial axis) with one of the next steps."""
        with self._lock:
            self._request = (image_index, frame, window)

    def take_request(self) -> Request | None:
        """The newest preview asked for that was not taken yet."""
        with self._lock:
            taken, self._request = self._request, None
        return taken


@dataclass(frozen=True)
class Limits:
    """When a training ends.

    Parameters
    ----------
    steps, seconds
        Whichever comes first; without either, when it is stopped. The seconds count from the
        first step: what is opened, read, measured and loaded for it comes before.
    finish
        Share of the seconds kept back for what comes after the last step; at least half a second.

    Raises
    ------
    InputError
        If nothing could be learnt within them.
    """

    steps: int | None
    seconds: float | None
    finish: float = 0.01

    def __post_init__(self) -> None:
        if self.steps is not None and self.steps < 1:
            raise InputError(f"{self.steps} steps train nothing: use 1 or more.")
        if self.steps is not None and self.steps > LARGEST:
            raise InputError(f"{self.steps} steps never end: use {LARGEST} at most.")
        if self.seconds is not None and not self.seconds > 0:
            raise InputError(f"{self.seconds} seconds train nothing: use more than 0.")
        if self.seconds == math.inf:
            raise InputError("A training has an end: give seconds as a number, or leave them out.")

    def fraction(self, done: int, elapsed: float) -> float | None:
        """How much of what was asked is done."""
        parts = []
        if self.steps is not None:
            parts.append(done / self.steps)
        if self.seconds is not None:
            kept_back = min(max(0.5, self.finish * self.seconds), 0.5 * self.seconds)
            parts.append(elapsed / (self.seconds - kept_back))
        return min(1.0, max(parts)) if parts else None


Between = Callable[[], tuple[Preview | DenoisedPreview | None, str]]
"""Called between steps: serves requests; gives a preview, and a word to the user."""


@dataclass
class Drive:
    """Trains a network until it is enough.

    Parameters
    ----------
    job
        Looked at for a stop; told what broke the training off.
    state, data, loss, dtype
        As for `learn`.
    limits
        When to end.
    score
        Loss by which the best is told, where it is not `loss`.
    """

    job: TrainingJob
    state: TrainState
    data: Data
    loss: Loss
    dtype: torch.dtype
    limits: Limits
    score: Loss | None = None

    def __post_init__(self) -> None:
        self.began = time.perf_counter()
        self._before = self.state.seconds
        self.history: History = []

    @property
    def elapsed(self) -> float:
        """Seconds since the first step began, what that one loaded left out."""
        return time.perf_counter() - self.began

    @property
    def seconds(self) -> float:
        """The same, and those before a Continue."""
        return self._before + self.elapsed

    @property
    def _score(self) -> Loss:
        return self.score or self.loss

    def steps(self, between: Between) -> Generator[TrainStep, None, None]:
        """Train; after that, the job has a checkpoint, and the state its best weights."""
        job, state = self.job, self.state
        rescore_best(state, self.data, self._score, self.dtype)
        self.began = time.perf_counter()  # what came before prepared the training
        first, version = state.index, self.data.version
        try:
            for progress in learn(state, self.data, self.loss, self.dtype, self._score):
                elapsed = self._elapsed_after(progress.index - first)
                fraction = self.limits.fraction(progress.index - first, elapsed)
                if progress.validation is not None:
                    self.history.append((progress.index, progress.validation))
                preview, note = between()
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
        except Exception as error:  # whatever it is, what was learnt must not be lost
            if state.index == first:
                raise
            job.problem = f"The training broke off after step {state.index}: {in_words(error)}"
        self._ended = time.perf_counter()
        state.seconds = self.seconds
        job.checkpoint = state.checkpoint()  # before the last look, which going on would not take
        if self.data.version != version:
            rescore_best(state, self.data, self._score, self.dtype)
        if job.is_urgent:
            return
        if self.data.validation and (not self.history or self.history[-1][0] != state.index):
            last = validate(state.average, self.data.validation, self._score, self.dtype)
            self.history.append((state.index, last))
            state.keep_if_best(last)

    def _elapsed_after(self, n_steps: int) -> float:
        """Seconds of learning. The first step loads much, once: it counts as the second does."""
        now = time.perf_counter()
        if n_steps == 1:
            self._first = now - self.began
            self.began = now
        elif n_steps == 2:
            self.began -= min(self._first, now - self.began)
        return now - self.began

    def seconds_left(self) -> float:
        """Of the time asked for, or of what is due after a stop; none where it is urgent."""
        if self.job.is_urgent:
            return -1.0
        until = math.inf
        if self.limits.seconds is not None:
            until = self.began + self.limits.seconds
        if self.job.stop_requested:  # now or while something is still to be done
            until = min(until, self._ended + AFTER_STOP)
        return until - time.perf_counter()

    def parent_stays(self, keep_worse: bool) -> bool:
        """Whether fine-tuning did not help, so that the model it began with is the result."""
        state, job = self.state, self.job
        if not state.best_is_parent or state.best_loss is None:
            return False
        job.kept_parent = not keep_worse
        if keep_worse:
            state.best = None
        return job.kept_parent

    def network(self, recipe: Recipe, n_channels: int, coder: Coder) -> Network:
        """The best network, on the CPU.

        Raises
        ------
        RuntimeError
            If its weights are no numbers.
        """
        network = build_network(recipe, n_channels, coder)
        network.load_state_dict({k: v.cpu() for k, v in self.state.result().items()})
        if not are_numbers(network.state_dict()):
            raise RuntimeError(
                "The training diverged: its weights are no longer numbers. A lower learning rate "
                "may help (training.learning_rate)."
            )
        return network.eval()


def new_state(
    recipe: Recipe,
    n_channels: int,
    coder: Coder,
    device: torch.device,
    dtype: torch.dtype,
    start: Model | None,
    resume: Checkpoint | None,
) -> TrainState:
    """A network and what it needs to learn: fresh, from a model, or from a checkpoint.

    Raises
    ------
    InputError
        If a checkpoint is of another network.
    """
    training = recipe.training
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        network = build_network(recipe, n_channels, coder)
    if start is not None:
        network.load_state_dict(start.network.state_dict())
    network = placed(network, recipe.network.dimensions, device)
    state = TrainState(network, training, training.seed, dtype)
    if resume is None:
        if start is not None:
            state.keep_parent(steps_learnt(start))
        return state
    try:
        state.restore(resume)
    except (RuntimeError, KeyError) as error:
        raise InputError(
            "This training cannot go on: its network differs from the recipe's "
            f"({str(error).splitlines()[0]}). Use the recipe and classes it began with, or "
            "train anew."
        ) from None
    return state

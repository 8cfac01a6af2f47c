"""Train a network from the first step to the last: the loop, and what it measures."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from ..describe import steps_learnt
from ..device import repeatable
from ..errors import InputError, in_words
from ..model import Model, are_numbers, build_network
from ..networks import Network
from ..networks.blocks import placed
from ..recipe import Recipe
from ..targets import Encoding
from .checkpoint import Checkpoint, Tensors, TrainState
from .checkpoint_file import CheckpointFile
from .distributed import ALONE, Group, synchronized
from .fine_tuning import (
    BEGUN_AGAIN,
    CORRECTED,
    KNOWN_KIND,
    NEW_KIND,
    Caution,
    FineTuning,
    begin_again,
    between,
    choose,
)
from .job import (
    DenoisedPreview,
    History,
    Limits,
    Preview,
    Request,
    TrainingJob,
    TrainStep,
)
from .judge import Judge, LossOfBatch, forward
from .regions import Batch

AFTER_STOP = 3.0
"""Seconds that the work after the last step may take, if the training was stopped."""
RANKS_APART = 2**32
"""Difference between the seeds of two processes that train together: they drop other pixels."""


class Data(Protocol):
    """Provide the batches that a network learns from; they may change between steps."""

    def draw(self) -> Batch:
        """Return the next training batch."""
        ...

    @property
    def validation(self) -> Sequence[Batch]:
        """Return fixed batches that are never trained on; none if nothing validates."""
        ...

    @property
    def version(self) -> int:
        """Return a number that counts up with each change of the data."""
        ...


@dataclass
class Trainer:
    """Train a network until a limit is reached or the job is stopped.

    Parameters
    ----------
    job
        It is asked for a stop and for previews. It gets the checkpoint, and any error.
    state
        The network and its optimizer, changed in place.
    data, loss
        What the network learns from, and the loss that it lowers.
    dtype
        Precision of the convolutions; the weights stay float32.
    limits
        When to end.
    preview
        Answers a request with the current network.
    update
        Called between steps. It may change the data. It returns what the user should know.
    file
        Where checkpoints are written while it trains; None for nowhere.
    resumed
        The numbers of the checkpoint that the training continues from. If that is from a file, the
        training goes on as if it had not been interrupted.
    data_state
        Returns what the data need to go on, as a checkpoint holds it: plain values.
    group
        The processes that train together.
    before
        Held-out batches of what the model to start from learnt from; none without such a sample.
    knows_images
        Returns whether the model to start from knows such images; None where only its answers on
        held-out paint can tell.
    is_corrected
        Returns whether most of what is painted was corrected in a prediction.
    new_network
        Returns a new network of the same kind. A fine-tuning adds its weights where the model to
        start from knows nothing of the images; without it, it goes on from that model always.
    """

    job: TrainingJob
    state: TrainState
    data: Data
    loss: LossOfBatch
    dtype: torch.dtype
    limits: Limits
    preview: Callable[[Request], Preview | DenoisedPreview] | None = None
    update: Callable[[], str] = lambda: ""
    file: CheckpointFile | None = None
    resumed: Mapping[str, Any] | None = None
    data_state: Callable[[], Any] = lambda: None
    group: Group = ALONE
    before: Sequence[Batch] = ()
    knows_images: Callable[[], bool | None] = lambda: None
    is_corrected: Callable[[], bool] = lambda: False
    new_network: Callable[[], Network] | None = None

    def __post_init__(self) -> None:
        self.judge = Judge(self.state.average, self.loss, self.dtype)
        self.began = time.perf_counter()
        self._seconds_before = self.state.seconds
        progress = (self.resumed or {}).get("progress", {})
        self._first: int = progress.get("first", self.state.index)
        self._elapsed_before: float = progress.get("elapsed", 0.0)
        self._n_worse: int = progress.get("n_worse", 0)
        self.history: History = [(index, loss) for index, loss in progress.get("history", [])]
        self._module = self.group.wrapped(self.state.network)
        if not self.group.is_first:
            self.job.hurry()  # the result is that of the first process

    def steps(self) -> Generator[TrainStep, None, None]:
        """Train. Afterwards the job has a checkpoint, and the state has its best weights."""
        job, state, data = self.job, self.state, self.data
        self._rescore_best()
        if "is_known_kind" not in (self.resumed or {}):  # else as it was decided then
            # Looking through all paint takes time that only a fine-tuning needs.
            is_corrected = state.parent is not None and self.is_corrected()
            state.is_corrected = self.group.of_first(is_corrected)
            state.is_known_kind = self.group.of_first(self._knows_such_images())
            state.has_begun_again = self.group.of_first(self._knows_nothing())
            if state.has_begun_again:
                assert self.new_network is not None
                begin_again(state.network, self.new_network())
                state.average.load_state_dict(state.network.state_dict())
        self.began = time.perf_counter() - self._elapsed_before  # the time until now prepared it
        start, version = state.index, data.version
        fraction = self.limits.fraction(start - self._first, self._elapsed_before)
        is_over = self._is_over(fraction)  # if it was interrupted during the work after its end
        note = self._note_at_start()
        try:
            while not is_over:
                if data.version != version:
                    version, self._n_worse = data.version, 0
                    self._rescore_best()
                loss = self.learn(data.draw())
                validation = None
                if self._validates and state.index % state.recipe.validate_every == 0:
                    validation = self._validate()
                elapsed = self._elapsed_after(state.index - start)
                fraction = self.limits.fraction(state.index - self._first, elapsed)
                is_over = self._is_over(fraction)
                preview, failed = self._answer_request()
                notes = note, self.update(), failed, self._write_if_due(), self._end_in_words()
                note = " ".join(filter(None, notes))
                fraction = 1.0 if state.ended_early else fraction
                best = None if state.best is None else state.best_index
                yield TrainStep(
                    *(state.index, loss, validation, elapsed, fraction, preview, note, best),
                    has_no_preview=bool(failed),
                )
                is_over, note = self._agreed(is_over), ""
        except Exception as error:  # whatever the error is, what was learnt must not be lost
            if state.index == start:
                raise
            job.problem = f"The training broke off after step {state.index}: {in_words(error)}"
        self._ended = time.perf_counter()
        state.seconds = self.seconds
        # Before the last validation, because a training without a stop would not validate here.
        job.checkpoint = state.checkpoint()
        if self.file is not None and self.group.is_first and job.stop_requested and not job.problem:
            self._write(self.file, job.checkpoint)  # whoever stops it may want to go on from here
        if data.version != version:
            self._rescore_best()
        is_validated = bool(self.history) and self.history[-1][0] == state.index
        if self._validates and not is_validated and not job.is_urgent:
            self._validate()

    @property
    def _validates(self) -> bool:
        """Return whether this process judges the network on held-out data."""
        return bool(self.data.validation) and self.group.is_first

    def _is_over(self, fraction: float | None) -> bool:
        """Return whether a limit is reached, or validations in a row were no better."""
        patience = self.state.recipe.patience
        self.state.ended_early = 0 < patience <= self._n_worse
        return self.state.ended_early or (fraction is not None and fraction >= 1)

    def _agreed(self, is_over: bool) -> bool:
        """Return whether the training is over in any process; a stop of one stops all."""
        highest = self.group.highest(2 if self.job.stop_requested else int(is_over))
        if highest == 2:
            self.job.stop()
        return highest > 0

    def _knows_such_images(self) -> bool:
        """Return whether a fine-tuning starts from a model that has learnt from such images.

        Then the statistics of one painted image would only take the place of those of all images
        before. On another kind of image, and where the model had to be corrected, statistics have
        to follow.
        """
        parent = self.state.parent
        if parent is None or self.state.is_corrected:
            return False
        knows = self.knows_images()
        if knows is not None:
            return knows
        return not self._validates or self._parent_fits_paint(parent)

    def _knows_nothing(self) -> bool:
        """Return whether a fine-tuning starts from a model that is no help on such images."""
        state = self.state
        if state.parent is None or state.is_corrected or state.is_known_kind:
            return False
        if self.new_network is None or self.resumed is not None:
            return False
        return self._validates and not self._parent_fits_paint(state.parent)

    def _parent_fits_paint(self, parent: Tensors) -> bool:
        return self.judge.fits(parent, self.data.validation, is_known_kind=False)

    def _note_at_start(self) -> str:
        """Return what the user should know from the first step on."""
        notes = []
        if self.file is not None and self.resumed is not None:
            notes.append(f"Continues from step {self.state.index} of {self.file.path}.")
        if self.state.has_begun_again and self.resumed is None:
            notes.append(
                "The model to start from does not know such images. It learns them nearly from the "
                "beginning: give it minutes, or train from nothing."
            )
        if self.state.recipe.patience and not self.data.validation:
            notes.append(
                "Too little is held out to judge by, so training.patience does not end this "
                "training."
            )
        return " ".join(notes)

    def _end_in_words(self) -> str:
        if not self.state.ended_early:
            return ""
        n = self._n_worse
        last = "the last validation was not" if n == 1 else f"none of the last {n} validations was"
        return f"Ended early: {last} better than the best before."

    def _write_if_due(self) -> str:
        """Write a checkpoint if one is due; return why it could not be written."""
        if self.file is None or not self.group.is_first or not self.file.is_due():
            return ""
        return self._write(self.file, self.state.checkpoint())

    def _write(self, file: CheckpointFile, checkpoint: Checkpoint) -> str:
        """Write a checkpoint of the present step; return why it could not be written."""
        progress = {
            "first": self._first,
            "elapsed": self.elapsed,
            "n_worse": self._n_worse,
            "history": self.history,
        }
        numbers = {
            **checkpoint.numbers,
            "seconds": self._seconds_before,  # those since are in `progress`
            "progress": progress,
            "data": self.data_state(),
        }
        return file.write(replace(checkpoint, numbers=numbers))

    def checkpoint(self) -> Checkpoint:
        """Return a checkpoint of the present step, with the seconds until now."""
        self.state.seconds = self.seconds
        return self.state.checkpoint()

    def learn(self, batch: Batch) -> float:
        """Take one step, and return its loss.

        Raises
        ------
        RuntimeError
            If the training diverges. It is raised before the step spoils the weights.
        """
        state = self.state
        state.network.train()
        if state.is_known_kind:
            keep_statistics(state.network)
        seed = state.recipe.seed + state.index + RANKS_APART * self.group.rank
        with repeatable(), seeded(state.network, seed):
            logits = forward(self._module, self.group.share_of(batch.pixels), self.dtype)
            logits = self.group.gathered(logits)
            loss = self.loss(logits, batch.values, batch.weights, state.index)
            number = float(loss.detach())
            if not math.isfinite(number):
                raise self._diverged("loss")
            if state.index == 0 and state.parent is None:
                state.first_loss = number
            state.set_learning_rate()
            state.optimizer.zero_grad(set_to_none=True)
            state.scaler.scale(self.group.summed(loss)).backward()
            # A scaler skips steps with infinite gradients by itself.
            if not (state.scaler.is_enabled() or _gradients_are_finite(state.network)):
                raise self._diverged("gradient of the loss")
            state.scaler.step(state.optimizer)
            state.scaler.update()
        state.index += 1
        state.update_average()
        return number

    def _diverged(self, quantity: str) -> RuntimeError:
        """Set the network back to its average, and return an error to raise."""
        self.state.network.load_state_dict(self.state.average.state_dict())
        return RuntimeError(
            f"the {quantity} is no longer a number. A lower learning rate may help "
            "(training.learning_rate)."
        )

    def _validate(self) -> float:
        """Measure the averaged network on held-out data, and keep it if it is the best."""
        loss = self.judge.loss_of(self.state.average.state_dict(), self.data.validation)
        self.history.append((self.state.index, loss))
        self._n_worse = 0 if self.state.keep_if_best(loss) else self._n_worse + 1
        return loss

    def _rescore_best(self) -> None:
        """Measure the best weights so far on the present data, so that new ones compare fairly.

        If nothing validates, they have no loss, and the newest weights are the result.
        """
        state = self.state
        state.best_loss = None
        if state.best is None or not self._validates:
            return
        loss = self.judge.loss_of(state.best, self.data.validation)
        state.best_loss = loss if math.isfinite(loss) else None

    def _answer_request(self) -> tuple[Preview | DenoisedPreview | None, str]:
        """Return the requested preview, or why it failed: the training goes on."""
        request = self.job.take_request()
        if request is None or self.preview is None:
            return None, ""
        try:
            return self.preview(request), ""
        except Exception as error:
            return None, f"No preview: {in_words(error)}"

    @property
    def elapsed(self) -> float:
        """Return the seconds since the first step began, without its time to load."""
        return time.perf_counter() - self.began

    @property
    def seconds(self) -> float:
        """Return the seconds of learning, with those before a Continue."""
        return self._seconds_before + self.elapsed

    def _elapsed_after(self, n_steps: int) -> float:
        """Return the seconds of learning after a number of steps of this job.

        The first step loads much that later ones need not load, so it counts as long as the second.
        """
        now = time.perf_counter()
        here = now - self.began - self._elapsed_before
        if n_steps == 1:
            self._first_duration = here
            self.began = now - self._elapsed_before
        elif n_steps == 2:
            self.began -= min(self._first_duration, here)
        return now - self.began

    def seconds_left(self) -> float:
        """Return the rest of the requested time, or of the time that is allowed after a stop.

        It is negative where the job is urgent.
        """
        if self.job.is_urgent:
            return -1.0
        until = math.inf
        if self.limits.seconds is not None:
            until = self.began + self.limits.seconds
        if self.job.stop_requested:  # before now, or during the work after the last step
            until = min(until, self._ended + AFTER_STOP)
        return until - time.perf_counter()

    def parent_stays(self, keep_worse: bool) -> bool:
        """Return whether the model that a fine-tuning started from is the result.

        Else the result lies between that model and what was learnt; with `keep_worse`, it is the
        newest weights where none between them are better.
        """
        state, job = self.state, self.job
        if state.parent is None or not self.group.is_first:
            return False
        tuned = state.result()
        job.fine_tuning = choice = self._choice(state.parent, tuned)
        job.kept_parent = choice.share == 0 and not keep_worse
        if choice.share:
            state.average.load_state_dict(between(state.parent, tuned, choice.share))
        state.best = None  # the average is the result
        state.best_loss = choice.paint[1] if choice.share and choice.paint else None
        if not choice.share:
            state.best_index = None
        return job.kept_parent

    @property
    def _caution(self) -> Caution:
        """Return how much may be given up, by what was found at the start."""
        if self.state.is_corrected:
            return CORRECTED
        if self.state.has_begun_again:
            return BEGUN_AGAIN
        return KNOWN_KIND if self.state.is_known_kind else NEW_KIND

    def _choice(self, parent: Tensors, tuned: Tensors) -> FineTuning:
        """Return how far the result goes away from its parent."""
        paint, judge, caution = self.data.validation, self.judge, self._caution
        choice = choose(
            *(parent, tuned, paint, self.before, judge.loss_of),
            caution,
            only_largest=self.job.is_urgent,
        )
        if not (choice.share and paint and caution.paint_decides):
            return choice
        weights = between(parent, tuned, choice.share)
        fits = judge.fits(weights, paint, is_known_kind=self.state.is_known_kind)
        return choice if fits else choice.refused()

    def answer(self, pixels: Tensor) -> Tensor:
        """Return the logits of the best network."""
        with self.judge.holding(self.state.result()) as network:
            return forward(network, pixels, self.dtype)

    def network_so_far(self, recipe: Recipe, n_channels: int, encoding: Encoding) -> Network:
        """Return the best network by now, on the CPU; part of the way from the one to start from.

        How far a fine-tuning may go is found out only at its end.
        """
        weights = self.state.result()
        if self.state.parent is not None:
            weights = between(self.state.parent, weights, self._caution.unchecked_share)
        network = build_network(recipe, n_channels, encoding)
        network.load_state_dict({k: v.cpu() for k, v in weights.items()})
        return network.eval()

    def network(self, recipe: Recipe, n_channels: int, encoding: Encoding) -> Network:
        """Return the best network, on the CPU.

        Raises
        ------
        RuntimeError
            If its weights are NaN or infinite.
        """
        network = build_network(recipe, n_channels, encoding)
        network.load_state_dict({k: v.cpu() for k, v in self.state.result().items()})
        if not are_numbers(network.state_dict()):
            raise RuntimeError(
                "The training diverged: its weights are no longer numbers. A lower learning rate "
                "may help (training.learning_rate)."
            )
        return network.eval()


@contextmanager
def seeded(network: torch.nn.Module, seed: int) -> Generator[None, None, None]:
    """Let dropout choose by a seed: a step chooses the same after a Continue, too."""
    if not any(isinstance(m, torch.nn.Dropout) and m.p > 0 for m in network.modules()):
        yield
        return
    device = next(network.parameters()).device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def keep_statistics(network: torch.nn.Module) -> None:
    """Let batch normalization use the statistics that it has, and not those of each batch."""
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()


def _gradients_are_finite(network: torch.nn.Module) -> bool:
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    return bool(torch.nn.utils.get_total_norm(gradients).isfinite())


def new_network(recipe: Recipe, n_channels: int, encoding: Encoding) -> Network:
    """Return a network with random weights, the same ones for the same seed, on the CPU."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.training.seed)
        return build_network(recipe, n_channels, encoding)


def new_state(
    recipe: Recipe,
    n_channels: int,
    encoding: Encoding,
    device: torch.device,
    dtype: torch.dtype,
    start: Model | None,
    resume: Checkpoint | None,
) -> TrainState:
    """Return a network and what it needs to learn: new, from a model, or from a checkpoint.

    Raises
    ------
    InputError
        If the checkpoint is of another network.
    """
    training = recipe.training
    network = new_network(recipe, n_channels, encoding)
    if start is not None:
        network.load_state_dict(start.network.state_dict())
    network = placed(synchronized(network), recipe.network.dimensions, device)
    state = TrainState(network, training, training.seed, dtype)
    if start is not None:
        state.keep_parent(steps_learnt(start))
    if resume is None:
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

"""Hold what a training is asked for, and what it answers while it runs: its job and its steps."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..image import Frame
from ..model import Model
from ..progress import Job
from ..recipe import LARGEST
from ..targets.paint import Labels
from ..windows import Window
from .checkpoint import Checkpoint
from .fine_tuning import FineTuning

Request = tuple[int, Frame, Window]
"""Index of an image, a frame of it, and a window in the frame."""
History = list[tuple[int, float]]
"""Number of steps done, and the validation loss then."""


@dataclass(frozen=True)
class Preview:
    """Hold the answer of a network in a window while it learns.

    Parameters
    ----------
    image_index, frame, window
        Where that is.
    labels
        ``(*window)``, decoded.
    probability
        ``(channels, *window)`` of the first head.
    """

    image_index: int
    frame: Frame
    window: Window
    labels: Labels
    probability: npt.NDArray[np.float32]


@dataclass(frozen=True)
class DenoisedPreview:
    """Hold the answer of a denoiser in a window while it learns.

    Parameters
    ----------
    image_index, frame, window
        Where that is.
    denoised
        ``(C, *window)`` in the units of the image.
    """

    image_index: int
    frame: Frame
    window: Window
    denoised: npt.NDArray[np.float32]


@dataclass(frozen=True)
class TrainStep:
    """Hold what one step of `train` or `train_denoiser` gave.

    Parameters
    ----------
    index
        Steps done, those before a Continue included.
    loss
        Loss of this step.
    validation
        Loss on held-out data; None if it was not measured after this step.
    elapsed
        Seconds of learning, those before a Continue from a file included, without the time that
        the first step loads.
    fraction
        How much of the requested steps or seconds is done; None without a limit.
    preview
        An answer to `TrainingJob.request_preview`.
    note
        Something the user should know, or empty.
    best
        Steps done when the network was the best by now on held-out data: that one is kept. None if
        nothing is held out, or nothing was validated yet.
    has_no_preview
        Whether a preview was asked for and failed; `note` says why.
    """

    index: int
    loss: float
    validation: float | None
    elapsed: float
    fraction: float | None
    preview: Preview | DenoisedPreview | None = None
    note: str = ""
    best: int | None = None
    has_no_preview: bool = False


class TrainingJob(Job[TrainStep, Model]):
    """Run a training. Everything here may be called from any thread.

    Attributes
    ----------
    checkpoint
        After the end: what ``resume=...`` continues from.
    kept_parent
        After the end: True if fine-tuning did not help, so that the result is the model that it
        started from.
    fine_tuning
        After the end of a fine-tuning: what became of it.
    problem
        After the end: the error that ended the training early. The result is then the best model
        until that error. Empty without an error.
    is_urgent
        Whether `hurry` was called.
    so_far
        While it runs, between two of its steps and in the thread that iterates it: returns what a
        crash would lose, the checkpoint and the best model by now, its decoding not yet fitted.
    """

    checkpoint: Checkpoint | None = None
    kept_parent: bool = False
    fine_tuning: FineTuning | None = None
    problem: str = ""
    so_far: Callable[[], tuple[Checkpoint, Model]] | None = None

    def __init__(self, body: Callable[..., Generator[TrainStep, None, Model]]) -> None:
        super().__init__(body)
        self.is_urgent = False
        self._lock = threading.Lock()
        self._request: Request | None = None

    def hurry(self) -> None:
        """Shorten the work after the last step: the result is returned as soon as possible."""
        self.is_urgent = True

    def request_preview(self, image_index: int, frame: Frame, window: Window) -> None:
        """Ask for a preview of a window. It comes with one of the next steps."""
        with self._lock:
            self._request = (image_index, frame, window)

    def take_request(self) -> Request | None:
        """Return the newest request for a preview, each only once; None if there is none."""
        with self._lock:
            request, self._request = self._request, None
        return request


@dataclass(frozen=True)
class Limits:
    """Hold the limits at which a training ends.

    Parameters
    ----------
    steps, seconds
        Whichever comes first. Without either, the training ends when it is stopped. The seconds
        count from the first step, after everything is opened, read, measured and loaded.
    finish
        Share of the seconds reserved for the work after the last step; at least half a second.

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
        """Return how much of the requested steps or seconds is done."""
        parts = []
        if self.steps is not None:
            parts.append(done / self.steps)
        if self.seconds is not None:
            reserved = min(max(0.5, self.finish * self.seconds), 0.5 * self.seconds)
            parts.append(elapsed / (self.seconds - reserved))
        return min(1.0, max(parts)) if parts else None

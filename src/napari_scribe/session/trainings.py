"""Keep trainings on disk while they run, so that a crash loses seconds and Continue goes on.

The checkpoints of the last few trainings lie in one folder, and each names its model. It is written
between two steps, in the thread that trains, and rarely enough not to slow it.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from ..errors import InputError, TakenError, in_words
from ..io import replacing, tidy
from ..io.model_folder import model_folder
from ..user_folder import home

if TYPE_CHECKING:
    from ..model import Model
    from ..training.checkpoint import Checkpoint
    from ..training.job import TrainingJob

log = logging.getLogger("napari_scribe")

EVERY = 10.0
"""Seconds from one checkpoint to the next at least."""
SHARE = 0.02
"""Most of the time that writing takes: what is written slowly is written less often."""
MOST_FILES = 5
"""How many checkpoints are kept."""
MOST_BYTES = 500_000_000
"""How many bytes they take together; the newest one is kept however large it is."""
LONGEST_HEADER = 2**24
"""Most bytes of the header of a checkpoint, which holds its numbers."""


class About(BaseModel):
    """Hold what a training goes on with, beside its checkpoint.

    Parameters
    ----------
    image, shape
        Name and shape of the image.
    recipe, channels, object_size
        As `train` takes them.
    start, denoiser
        Files of the model to start from, and of the one that the image goes through first.
    """

    image: str
    shape: tuple[int, ...]
    recipe: dict[str, Any]
    channels: list[int] | None = None
    object_size: float | None = None
    start: Path | None = None
    denoiser: Path | None = None

    @property
    def task(self) -> str:
        """Return what the model answers; empty where the recipe does not say it."""
        target = self.recipe.get("target")
        return str(target.get("kind", "")) if isinstance(target, dict) else ""


class _Numbers(BaseModel):
    """Hold the numbers of a checkpoint that are read without its tensors."""

    about: About
    index: Annotated[int, Field(ge=0)]
    seconds: Annotated[float, Field(ge=0)]
    history: list[tuple[int, float]] = []
    best_index: int | None = None


@dataclass(frozen=True)
class KeptTraining:
    """Hold what is known of a training on disk.

    Parameters
    ----------
    model, checkpoint
        Its files.
    about
        What it goes on with.
    steps, seconds
        How much was trained.
    history
        Steps, and the loss on held-out data then.
    best
        The step whose model is kept.
    """

    model: Path
    checkpoint: Path
    about: About
    steps: int
    seconds: float
    history: list[tuple[int, float]]
    best: int | None


def checkpoint_beside(model: Path) -> Path:
    """Return the file of the checkpoint that belongs to a model."""
    return home() / "checkpoints" / f"{model.stem}.checkpoint"


def kept_training(model: Path) -> KeptTraining | None:
    """Return the training of a model in the model folder; None if it cannot go on."""
    if model.parent != model_folder() or not model.is_file():
        return None
    path = checkpoint_beside(model)
    try:
        numbers = _numbers(path, path.stat().st_mtime_ns)
    except (OSError, ValueError):
        return None
    return KeptTraining(
        *(model, path, numbers.about, numbers.index, numbers.seconds),
        *(numbers.history, numbers.best_index),
    )


def kept_trainings() -> list[KeptTraining]:
    """Return the trainings on disk that can go on, the newest first."""
    models = [model_folder() / f"{path.stem}.zip" for path in _checkpoints()]
    return [kept for model in models if (kept := kept_training(model)) is not None]


def _checkpoints() -> list[Path]:
    """Return the files of checkpoints, the newest first."""
    files = checkpoint_beside(Path("any")).parent.glob("*.checkpoint")
    return sorted(files, key=lambda path: path.stat().st_mtime, reverse=True)


@lru_cache(4 * MOST_FILES)
def _numbers(path: Path, _changed: int) -> _Numbers:
    """Read the numbers of a checkpoint, once per time of change.

    Raises
    ------
    ValueError
        If it is none, or of another program.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > LONGEST_HEADER:
            raise ValueError("no checkpoint")
        header = json.loads(file.read(length))
    try:
        return _Numbers.model_validate_json(header["__metadata__"]["numbers"])
    except (LookupError, TypeError, ValidationError) as error:
        raise ValueError("no checkpoint") from error


class TrainingKeeper:
    """Write the checkpoint of a training and its best model by now, every few seconds.

    Parameters
    ----------
    about
        What it goes on with.
    new_path
        Returns a new file for its model.

    Attributes
    ----------
    model
        The file that the model is written to; None before it was first written.
    """

    def __init__(self, about: About, new_path: Callable[[], Path]) -> None:
        self.model: Path | None = None
        self._about, self._new_path = about, new_path
        self._written, self._every = time.perf_counter(), EVERY
        self._history: list[tuple[int, float]] = []
        self._best: int | None = None

    def keep(self, job: TrainingJob) -> None:
        """Write if it is time; called between two steps. What cannot be written is left out."""
        now = time.perf_counter()
        if job.so_far is None or now - self._written < self._every:
            return
        checkpoint, model = job.so_far()
        self._history = [(step, loss) for step, loss in model.provenance["validation"]]
        if self._save_model(model):
            self._save_checkpoint(checkpoint)
        self._written = time.perf_counter()
        self._every = max(EVERY, (self._written - now) / SHARE)

    def end(self, model: Model, checkpoint: Checkpoint | None) -> Path:
        """Write the model that was trained, and what it goes on from; return the model's file.

        Raises
        ------
        InputError
            If the model cannot be written.
        """
        path = model.save(self.model or self._new_path())
        self.model = path
        if checkpoint is not None:
            self._history = [(step, loss) for step, loss in model.provenance["validation"]]
            self._save_checkpoint(checkpoint)
            _drop_old_ones()
        return path

    def drop(self) -> None:
        """Delete what was written: the training gave no model of its own."""
        if self.model is not None:
            checkpoint_beside(self.model).unlink(missing_ok=True)
            self.model.unlink(missing_ok=True)

    def _save_model(self, model: Model) -> bool:
        """Save the best model by now, if it is another one than before; return whether it is there.

        Its file is taken from the first time on: it replaces no other one.
        """
        best = model.provenance["best_step"]
        if best is not None and best == self._best:
            return True
        try:
            if self.model is None:
                self.model = model.save(self._new_path(), overwrite=False)
            else:
                model.save(self.model)
        except (TakenError, InputError) as error:
            log.info("The model by now was not saved: %s", error)
            return False
        self._best = best
        return True

    def _save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint beside the model."""
        assert self.model is not None
        about = self._about.model_dump(mode="json")
        numbers = {**checkpoint.numbers, "about": about, "history": self._history}
        try:
            with replacing(checkpoint_beside(self.model)) as partial:
                partial.write_bytes(replace(checkpoint, numbers=numbers).to_bytes())
        except OSError as error:
            log.info("No checkpoint was written: %s", in_words(error))


def _drop_old_ones() -> None:
    """Delete all but the last few checkpoints."""
    n_bytes = 0
    for n, path in enumerate(_checkpoints()):
        tidy(path)
        n_bytes += path.stat().st_size
        if n and (n >= MOST_FILES or n_bytes > MOST_BYTES):
            path.unlink(missing_ok=True)

"""Write the checkpoints of a training to a file, and go on from them in another process."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from ..device import precision
from ..errors import InputError, InUseError, in_words
from ..inference.store.lock import RunLock
from ..io import check_writable, replacing
from ..model import Model
from ..recipe import Recipe
from .checkpoint import Checkpoint
from .processes import is_first_process

Step = TypeVar("Step")
Result = TypeVar("Result")
RECIPE = "recipe"
"""What `CheckpointFile.training` calls the recipe, which is written as JSON."""
SHARE = 0.05
"""Most of the time that writing may take: large networks are written less often."""


class CheckpointFile:
    """Write the checkpoints of one training to a file, each in place of the one before.

    A file of safetensors holds numbers alone: reading it runs no code.

    Parameters
    ----------
    path
        The file.
    every
        Seconds from one checkpoint to the next.
    training
        What has to be the same for the training to go on: name -> a text that differs if it does.
    """

    def __init__(self, path: str | Path, every: float, training: Mapping[str, str]) -> None:
        self.path, self.training = Path(path), dict(training)
        self._every, self._written = every, time.perf_counter()
        self._lock: RunLock | None = None

    def read(self) -> Checkpoint | None:
        """Return the newest checkpoint; None if there is no file.

        Raises
        ------
        InputError
            If another training writes the file, or if it is of another training or damaged, or
            could not be written.
        """
        check_writable(self.path)
        with self._in_use_in_words():
            self._lock = RunLock(self.path.parent, f".{self.path.name}")
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f"Could not read {self.path}: {in_words(error)}") from error
        try:
            checkpoint = Checkpoint.from_bytes(data)
            written_by = dict(checkpoint.numbers["training"])
        except (InputError, LookupError, TypeError, ValueError):
            raise InputError(
                f"{self.path} is no checkpoint of a training, or it is damaged. Delete it to train "
                "anew."
            ) from None
        different = [
            f"{n}{_changes(str(written_by.get(n)), text) if n == RECIPE else ''}"
            for n, text in self.training.items()
            if written_by.get(n) != text
        ]
        if different:
            raise InputError(
                f"{self.path} is of a training that differs in: {', '.join(different)}. Give the "
                "same to go on with it, or delete it to train anew."
            )
        return checkpoint

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let no other training write the file meanwhile; it has been read before.

        Raises
        ------
        InUseError
            If another one has begun to write it since.
        """
        assert self._lock is not None
        with self._in_use_in_words(), suppress(OSError):  # then no checkpoint can be written either
            self._lock.hold(0)
        try:
            yield
        finally:
            self._lock.release()

    @contextmanager
    def _in_use_in_words(self) -> Iterator[None]:
        """Let an error of the lock name the file, not its folder."""
        try:
            yield
        except InUseError:
            raise InUseError(
                f"Another training writes {self.path}: wait until it has ended, stop it, or choose "
                "another name."
            ) from None

    def is_due(self) -> bool:
        """Return whether it is time for the next checkpoint."""
        return time.perf_counter() - self._written >= self._every

    def write(self, checkpoint: Checkpoint) -> str:
        """Replace the file by a checkpoint; return why that failed, or an empty text.

        The training goes on without it.
        """
        began = time.perf_counter()
        numbers = {**checkpoint.numbers, "training": self.training}
        problem = ""
        try:
            with replacing(self.path) as partial, partial.open("wb") as file:
                file.write(Checkpoint(checkpoint.tensors, numbers).to_bytes())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            problem = f"No checkpoint was written: {in_words(error)}"
        self._written = time.perf_counter()
        self._every = max(self._every, (self._written - began) / SHARE)
        return problem


def open_checkpoint(
    path: str | Path | None,
    every: float,
    resume: Checkpoint | None,
    limits: tuple[int | None, float | None],
    training: Callable[[], dict[str, str]],
) -> tuple[CheckpointFile | None, Checkpoint | None]:
    """Return the file that a training writes its checkpoints to, and the one that is in it.

    Of several processes, the first one alone reads it, and hands it to the others when they join:
    they may run on machines that do not see the file.

    Parameters
    ----------
    path, every
        As for `CheckpointFile`; without a path there is neither.
    resume
        Another checkpoint to continue from: only one is possible.
    limits
        Steps and seconds that are asked for, those before the checkpoint included.
    training
        Returns `CheckpointFile.training`.

    Raises
    ------
    InputError
        If the file cannot be used, or more than is asked for was done already.
    """
    if path is None:
        return None, None
    if not every > 0:
        raise InputError(f"A checkpoint every {every} seconds is not possible: use more than 0.")
    file = CheckpointFile(path, every, training())
    checkpoint = file.read() if is_first_process() else None
    if checkpoint is not None and resume is not None:
        raise InputError(
            f"The training cannot go on from resume and from {path} at once: leave one out."
        )
    if checkpoint is not None:
        _check_limits(checkpoint, path, *limits)
    return file, checkpoint


def _check_limits(
    checkpoint: Checkpoint, path: str | Path, steps: int | None, seconds: float | None
) -> None:
    """Check that a training does not end before its checkpoint."""
    progress = checkpoint.numbers["progress"]
    n_done = checkpoint.numbers["index"] - progress["first"]
    n_seconds = progress["elapsed"]
    if steps is not None and n_done > steps:
        done = f"{n_done} steps, more than the {steps}"
    elif seconds is not None and n_seconds > seconds:
        done = f"{n_seconds:.0f} seconds, more than the {seconds:g}"
    else:
        return
    raise InputError(
        f"The training of {path} has done {done} that are asked for: ask for more to go on with "
        "it, or delete the file to train anew."
    )


def locking(
    file: CheckpointFile | None, training: Generator[Step, None, Result]
) -> Generator[Step, None, Result]:
    """Run a training while no other one may write its file."""
    with file.locked() if file is not None and is_first_process() else nullcontext():
        return (yield from training)


def described(
    recipe: Recipe,
    device: torch.device,
    start: Model | None,
    **data: object,
) -> dict[str, str]:
    """Return what has to be the same for a training to go on: `CheckpointFile.training`.

    Parameters
    ----------
    recipe, device, start
        What is trained, on what, and the model to start from.
    data
        Name -> what differs in its ``repr`` if the network learns from something else.
    """
    return {
        **{name: hash_of(repr(what).encode()) for name, what in data.items()},
        RECIPE: recipe.model_dump_json(),
        "device": f"{device.type}, {precision(device)}",
        "model to start from": "" if start is None else start.fingerprint(),
    }


def _changes(before: str, now: str) -> str:
    """Return which values of two recipes differ, in words: " (training.batch: 8, now 4)"."""
    try:
        old, new = _values(json.loads(before)), _values(json.loads(now))
    except (ValueError, AttributeError):  # checkpoints of before recorded a hash alone
        return ""
    names = dict.fromkeys([*new, *old])
    changed = [
        f"{name}: {old.get(name, 'nothing')}, now {new.get(name, 'nothing')}"
        for name in names
        if old.get(name) != new.get(name)
    ]
    return f" ({'; '.join(changed)})"


def _values(recipe: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    """Return dotted name -> value of a recipe."""
    return {f"{part}.{key}": v for part, values in recipe.items() for key, v in values.items()}


def hash_of(data: bytes | memoryview) -> str:
    """Return a short hash: data that differ have different ones."""
    return hashlib.sha256(data).hexdigest()[:16]


def hash_of_array(array: npt.ArrayLike) -> str:
    """Return a short hash of the values of an array."""
    return hash_of(np.ascontiguousarray(array).data)

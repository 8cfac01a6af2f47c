"""Run long work as a job: an object that is iterated, stopped, and asked for its result."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from typing import Generic, TypeVar

from .errors import InputError

Step = TypeVar("Step")
Result = TypeVar("Result")

_UNSET = object()


class Abandoned(GeneratorExit):
    """Tell the generator of a job that the job was closed, and not just deleted."""


class Job(Generic[Step, Result]):
    """Run a generator step by step: each iteration gives one frozen record.

    Parameters
    ----------
    body
        Called with this job once, at the first step, and returns the generator that does the work.
        The generator checks ``stop_requested`` between steps, ends early when it is set, and
        returns the result.
    """

    def __init__(self, body: Callable[..., Generator[Step, None, Result]]) -> None:
        self._body = body
        self._generator: Generator[Step, None, Result] | None = None
        self._result: object = _UNSET
        self._closed = False
        self.stop_requested = False

    def __iter__(self) -> Iterator[Step]:
        return self

    def __next__(self) -> Step:
        if self.done or self._closed:
            raise StopIteration
        try:
            if self._generator is None:
                # A weak reference makes no cycle. So a job that is deleted ends at once, in the
                # thread that deletes it, and not later in the thread that collects garbage.
                self._generator = self._body(weakref.proxy(self))
                del self._body  # and what it holds, such as a checkpoint to go on from
            return next(self._generator)
        except StopIteration as end:
            self._result = end.value
            raise StopIteration from None
        except BaseException:
            self._closed = True  # a job that failed has no more steps
            raise

    def stop(self) -> None:
        """Ask for an early end that keeps the best result so far, from any thread."""
        self.stop_requested = True

    def close(self) -> None:
        """Abandon the work, and leave nothing half written behind."""
        self._closed = True
        if self._generator is not None:
            with suppress(Abandoned):
                self._generator.throw(Abandoned())

    @property
    def done(self) -> bool:
        """Return whether the work has ended and there is a result."""
        return self._result is not _UNSET

    @property
    def result(self) -> Result:
        """Return the result of the work.

        Raises
        ------
        RuntimeError
            If the job has not ended yet, failed or was closed.
        """
        if not self.done:
            raise RuntimeError("The job has no result yet: iterate it to its end first.")
        return self._result  # type: ignore[return-value]


def run(job: Job[Step, Result]) -> Result:
    """Drive a job to its end and return its result.

    Raises
    ------
    InputError
        If it is not a job.
    """
    if not isinstance(job, Job):
        raise InputError(
            f"{type(job).__name__} is no job to run: give what train, segment, denoise or "
            "train_denoiser returns."
        )
    for _ in job:
        pass
    return job.result

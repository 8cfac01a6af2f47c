"""Long work as an object: iterate it, stop it, take its result."""

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
    """Raised within the work of a job that is closed; of one that is dropped, `GeneratorExit`."""


class Job(Generic[Step, Result]):
    """A generator of frozen records that the caller drives at its own pace.

    Parameters
    ----------
    body
        Called with this job once, at the first step; returns the generator that does the work.
        The generator looks at ``stop_requested`` between steps, ends early when it is set, and
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
                # Without a cycle, a job that is dropped ends at once, in the thread that drops it,
                # not whenever and wherever garbage is collected.
                self._generator = self._body(weakref.proxy(self))
            return next(self._generator)
        except StopIteration as end:
            self._result = end.value
            raise StopIteration from None
        except BaseException:
            self._closed = True  # it failed: asking once more does not make it done
            raise

    def stop(self) -> None:
        """Ask for an early end that keeps the best so far; may be called from any thread."""
        self.stop_requested = True

    def close(self) -> None:
        """Abandon the work; nothing half written stays behind."""
        self._closed = True
        if self._generator is not None:
            with suppress(Abandoned):
                self._generator.throw(Abandoned())

    @property
    def done(self) -> bool:
        """Whether the work has ended and `result` is there."""
        return self._result is not _UNSET

    @property
    def result(self) -> Result:
        """What the work gave.

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
        If it is no job.
    """
    if not isinstance(job, Job):
        raise InputError(
            f"{type(job).__name__} is no job to run: give what train, segment, denoise or "
            "train_denoiser returns."
        )
    for _ in job:
        pass
    return job.result

"""Describe what a click asks for: a job that a thread makes, runs and finishes. No Qt in here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from ...progress import Job
from .progress import JobClock, Progressed

if TYPE_CHECKING:
    from napari.layers import Layer

Step = TypeVar("Step")
Value = TypeVar("Value")


class Request(ABC, Generic[Step, Value]):
    """Describe what a click asks for.

    A new kind of job is a frozen dataclass of this kind: its fields are what the form holds.

    Attributes
    ----------
    needs_torch
        Whether torch is loaded before it begins. Of jobs with torch one runs at a time.
    can_wait
        Whether it waits where another job runs; else it is refused.
    """

    needs_torch: ClassVar[bool] = True
    can_wait: ClassVar[bool] = True

    @property
    @abstractmethod
    def title(self) -> str:
        """Return what is done, for messages: "Training on nuclei"."""

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Return the layers without which it is not begun, if it had to wait."""
        return ()

    @abstractmethod
    def begin(self) -> Job[Step, Any]:
        """Make the job; called in the job's thread.

        Raises
        ------
        InputError
            If something is wrong with what was asked.
        Question
            If the user has to decide about something first.
        """

    def between_steps(self, job: Any) -> None:
        """Do what belongs between two steps of the job; called in its thread."""

    def finish(self, job: Any) -> Value:
        """Return what the job gave, and save what has to be saved; called in the job's thread.

        It is called when the job has ended or was stopped, even if the viewer is gone by then.
        """
        result: Value = job.result
        return result

    def progress(self, record: Any, clock: JobClock) -> Progressed:
        """Return what the progress bar shows of a record."""
        clock.add(record.done, record.total)
        return Progressed(clock.fraction, clock.in_words("tile"))


class Question(Exception):
    """Ask something that only the user can decide; raised while a job is prepared.

    Parameters
    ----------
    text
        The question.
    yes, no
        What the two buttons say.
    request
        What is started where the user says yes; None where the dock decides that.
    """

    def __init__(
        self, text: str, yes: str, no: str, request: Request[Any, Any] | None = None
    ) -> None:
        super().__init__(text)
        self.text, self.yes, self.no, self.request = text, yes, no, request


@dataclass(frozen=True)
class Ended(Generic[Value]):
    """Hold how a job ended.

    Parameters
    ----------
    value
        What `Request.finish` returned; None where there is nothing.
    error
        What went wrong, in words; empty if nothing did.
    question
        What has to be answered before the job can begin.
    """

    value: Value | None = None
    error: str = ""
    question: Question | None = None

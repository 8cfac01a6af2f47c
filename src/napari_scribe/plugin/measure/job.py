"""Measure, compare and sort objects: what is asked, and what a thread does."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from ...arrays import Pixels
from ...errors import ManyPiecesError
from ...evaluation.compare import CompareJob, CompareStep, Comparison, comparing
from ...evaluation.measure import MeasureJob, MeasureStep, measuring
from ...evaluation.sorting import Sorted, SortJob, SortStep, sorting
from ...evaluation.table import Measurements
from ...image import Image
from ...pieces import split
from ...progress import Job
from ..jobs.progress import JobClock, Progressed
from ..jobs.request import Question, Request


@dataclass(frozen=True)
class Measured:
    """Hold what a measurement gave.

    Parameters
    ----------
    table
        A row an object.
    pieces
        The labels that were measured, along the axes of `labels` in the request, where the pieces
        of one number were numbered anew.
    """

    table: Measurements
    pieces: Pixels | None


@dataclass(frozen=True)
class MeasureRequest(Request[MeasureStep, Measured]):
    """Describe what is measured.

    Parameters
    ----------
    labels, images, slices, pieces, at
        As `measuring` takes them.
    """

    needs_torch: ClassVar[bool] = False
    labels: Image
    images: Mapping[str, Image]
    slices: bool = False
    at: Mapping[str, int] | None = None
    pieces: bool | None = None
    made: dict[str, Pixels] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Return what is done."""
        return f"Measuring {self.labels.name}"

    def begin(self) -> MeasureJob:
        """Make the job; called in its thread."""
        labels = self.labels
        if self.pieces:
            is_3d = "Z" in labels.axes and not self.slices
            self.made["pieces"] = split(labels.data, 3 if is_3d else 2, 1)
            labels = labels.selected(data=self.made["pieces"])
        pieces = None if self.pieces is None else False
        try:
            return measuring(labels, self.images, slices=self.slices, pieces=pieces, at=self.at)
        except ManyPiecesError as error:
            raise Question(str(error), "Each piece", "Each number") from None

    def finish(self, job: MeasureJob) -> Measured:
        """Return what the job gave; called in its thread."""
        return Measured(job.result, self.made.get("pieces"))

    def progress(self, record: MeasureStep, clock: JobClock) -> Progressed:
        """Return what the progress bar shows of a record."""
        clock.add(record.done, record.total)
        frames = f", frame {record.done:.0f} of {record.total}" if record.total > 1 else ""
        text = f"{record.n_objects:,} objects{frames}{clock.time_left}"
        return Progressed(clock.fraction, text)


@dataclass(frozen=True)
class CompareRequest(Request[CompareStep, Comparison]):
    """Describe labels and the truth that they are compared with."""

    needs_torch: ClassVar[bool] = False
    labels: Image
    truth: Image
    slices: bool = False

    @property
    def title(self) -> str:
        """Return what is done."""
        return f"Comparing {self.labels.name}"

    def begin(self) -> CompareJob:
        """Make the job; called in its thread."""
        return comparing(self.labels, self.truth, slices=self.slices)

    def progress(self, record: CompareStep, clock: JobClock) -> Progressed:
        """Return what the progress bar shows of a record."""
        clock.add(record.done, record.total)
        return Progressed(clock.fraction, clock.in_words("frame"))


@dataclass(frozen=True)
class SortRequest(Request[SortStep, Sorted]):
    """Describe which objects are sorted into classes, and by which examples."""

    needs_torch: ClassVar[bool] = False
    table: Measurements
    labels: Image
    examples: Image
    slices: bool
    names: Mapping[int, str]

    @property
    def title(self) -> str:
        """Return what is done."""
        return f"Sorting {self.labels.name}"

    def begin(self) -> SortJob:
        """Make the job; called in its thread."""
        pair = self.labels, self.examples
        return sorting(self.table, *pair, slices=self.slices, names=self.names)

    def progress(self, record: SortStep, clock: JobClock) -> Progressed:
        """Return what the progress bar shows of a record."""
        clock.add(record.done, record.total)
        return Progressed(clock.fraction, f"{self.title}{clock.time_left}")


@dataclass(frozen=True)
class SaveRequest(Request[int, Path]):
    """Describe a table that is saved; a hundred thousand rows take two seconds."""

    needs_torch: ClassVar[bool] = False
    table: Measurements
    path: Path

    @property
    def title(self) -> str:
        """Return what is done."""
        return f"Saving {self.path.name}"

    def begin(self) -> Job[int, Path]:
        """Make the job; called in its thread."""
        return Job(lambda _job: self._save())

    def _save(self) -> Generator[int, None, Path]:
        yield 0
        return self.table.save(self.path)

    def progress(self, record: int, clock: JobClock) -> Progressed:
        """Return what the progress bar shows: that it is being saved."""
        return Progressed(0.0, self.title)

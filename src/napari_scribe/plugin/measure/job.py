"""Measure, compare and sort objects: what is asked, and what a thread does."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from ...arrays import Pixels
from ...errors import ManyPiecesError
from ...evaluation.compare import CompareJob, CompareStep, Comparison, comparing
from ...evaluation.measure import MeasureJob, MeasureStep, measuring
from ...evaluation.sorting import Sorted, SortJob, SortStep, sorting
from ...evaluation.table import IMAGE, Measurements
from ...image import Image
from ...pieces import covering, split
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
class MeasureRequest(Request[MeasureStep, "list[Measured] | None"]):
    """Describe what is measured: labels, or several one after the other.

    Parameters
    ----------
    subjects
        Labels, each with the images in which their intensities are measured.
    slices, pieces, at
        As `measuring` takes them.
    """

    needs_torch: ClassVar[bool] = False
    subjects: tuple[tuple[Image, Mapping[str, Image]], ...]
    slices: bool = False
    at: Mapping[str, int] | None = None
    pieces: bool | None = None

    @property
    def title(self) -> str:
        """Return what is done."""
        n = len(self.subjects)
        return f"Measuring {self.subjects[0][0].name if n == 1 else f'{n} results'}"

    def begin(self) -> Job[MeasureStep, list[Measured] | None]:
        """Make the job; called in its thread."""
        return Job(self._measure)

    def _measure(
        self, job: Job[MeasureStep, list[Measured] | None]
    ) -> Generator[MeasureStep, None, list[Measured] | None]:
        begun = []
        n_objects, n = 0, len(self.subjects)
        for subject in self.subjects:  # errors and questions first
            begun.append(self._begun(*subject))
            yield MeasureStep(0, n, 0)
            if job.stop_requested:
                return None
        measured: list[Measured] = []
        for inner, pieces in begun:
            for step in inner:
                done, found = len(measured) + step.done / max(step.total, 1), step.n_objects
                yield step if n == 1 else MeasureStep(done, n, n_objects + found)
                if job.stop_requested:
                    inner.stop()
            n_objects += len(inner.result)
            measured.append(Measured(inner.result, pieces))
            if job.stop_requested:
                break
        return _told_apart(measured, [labels.name for labels, _ in self.subjects])

    def _begun(
        self, labels: Image, images: Mapping[str, Image]
    ) -> tuple[MeasureJob, Pixels | None]:
        """Return the job that measures labels, and their pieces if these are numbered anew."""
        pieces = None
        if self.pieces and covering(labels.data, dimensions := self._dimensions(labels), 1):
            pieces = split(labels.data, dimensions, 1)
            labels = labels.selected(data=pieces)
        as_is = None if self.pieces is None else False
        try:
            job = measuring(labels, images, slices=self.slices, pieces=as_is, at=self.at)
        except ManyPiecesError as error:
            raise Question(str(error), "Each piece", "Each number") from None
        return job, pieces

    def _dimensions(self, labels: Image) -> int:
        return 3 if "Z" in labels.axes and not self.slices else 2

    def progress(self, record: MeasureStep, clock: JobClock) -> Progressed:
        """Return what the progress bar shows of a record."""
        clock.add(record.done, record.total)
        part = "frame" if len(self.subjects) == 1 else "result"
        parts = f", {part} {record.done:.0f} of {record.total}" if record.total > 1 else ""
        text = f"{record.n_objects:,} objects{parts}{clock.time_left}"
        return Progressed(clock.fraction, text)


def _told_apart(measured: list[Measured], names: list[str]) -> list[Measured]:
    """Name the tables of one image by their labels, so that their rows are told apart."""
    images = [next(iter(one.table[IMAGE]), "") for one in measured]
    return [
        one
        if images.count(image) == 1 or len(measured) == 1
        else replace(one, table=one.table.with_column(IMAGE, np.full(len(one.table), name, object)))
        for one, image, name in zip(measured, images, names, strict=False)
    ]


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
    overwrite: bool = True

    @property
    def title(self) -> str:
        """Return what is done."""
        return f"Saving {self.path.name}"

    def begin(self) -> Job[int, Path]:
        """Make the job; called in its thread."""
        return Job(lambda _job: self._save())

    def _save(self) -> Generator[int, None, Path]:
        yield 0
        return self.table.save(self.path, self.overwrite)

    def progress(self, record: int, clock: JobClock) -> Progressed:
        """Return what the progress bar shows: that it is being saved."""
        return Progressed(0.0, self.title)

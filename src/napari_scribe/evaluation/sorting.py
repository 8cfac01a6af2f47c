"""Sort objects into classes by a few examples of each, on what was measured."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass

import numpy as np

from ..arrays import Pixels
from ..errors import InputError
from ..io import ImageLike
from ..progress import Job
from .overlap import count_overlap
from .subject import Subject, place
from .table import CENTROID, CLASS, COLUMN_ALONG, LABEL, Measurements

TREES = 100
NOT_TOLD = "orientation"
"""What the name of a column begins with that says nothing about the kind of an object."""


@dataclass(frozen=True)
class SortStep:
    """Record how many frames are read: all of them for examples, and again for the result."""

    done: int
    total: int


@dataclass(frozen=True, eq=False)
class Sorted:
    """Hold objects that were sorted into classes.

    Parameters
    ----------
    table
        The measurements, with a column of the names of classes.
    classes
        The number of the class of each object in its pixels, along the axes of the labels.
    names
        Of the classes, by number.
    n_examples, n_right
        Examples, and how many of these are sorted right by the trees that have not seen them.
    """

    table: Measurements
    classes: Pixels
    names: dict[int, str]
    n_examples: int
    n_right: int

    def in_words(self) -> str:
        """Return how many objects each class has, and what the examples say of it."""
        kinds = self.table[CLASS]
        counts = ", ".join(f"{np.count_nonzero(kinds == n):,} {n}" for n in self.names.values())
        right = f"{self.n_right} are" if self.n_right != 1 else "1 is"
        return f"{counts}. Of {self.n_examples} examples, {right} sorted right when left out."


SortJob = Job[SortStep, Sorted | None]


def sorting(
    table: Measurements,
    labels: ImageLike,
    examples: ImageLike,
    *,
    slices: bool = False,
    names: Mapping[int, str] | None = None,
) -> SortJob:
    """Sort measured objects into classes by a random forest, as a job.

    An object on which something is painted is an example of the class of that number; where several
    are, the one with the most pixels counts. Sizes, shapes and intensities decide, places do not.
    Stopped early, it has no result: None.

    Parameters
    ----------
    table
        What `measure` gave for these labels.
    labels
        The labels that were measured.
    examples
        Of the size of the labels: 0 where nothing is painted, else the number of a class.
    slices
        As it was measured.
    names
        Names of classes by number; "class 1" and so on where there is none.

    Raises
    ------
    InputError
        If sizes differ; while it runs, if the examples are of fewer than two classes.

    References
    ----------
    L. Breiman, Random forests, Machine Learning 45, 2001.
    """
    subject = place(labels, place(examples, None, slices).labels, slices)
    return Job(lambda job: _sort(job, table, subject, names or {}))


def _sort(
    job: SortJob, table: Measurements, subject: Subject, names: Mapping[int, str]
) -> Generator[SortStep, None, Sorted | None]:
    frames = list(subject.frames())
    known = np.zeros(len(table), np.int64)
    for n, frame in enumerate(frames, start=1):
        if job.stop_requested:
            return None
        labels, painted = subject.read(frame, 0, subject.shape[0]), subject.paired(frame)
        rows = _rows(table, dict(frame))
        for number, of_it in _majority(labels, painted).items():
            known[rows[table[LABEL][rows] == number]] = of_it
        yield SortStep(n, 2 * len(frames))
    found, n_right = _classify(table, known)
    classes = np.zeros(subject.labels.label_shape(), np.uint8)
    for n, frame in enumerate(frames, start=1):
        if job.stop_requested:
            return None
        labels = subject.read(frame, 0, subject.shape[0])
        rows = _rows(table, dict(frame))
        classes[subject.labels.label_index(frame)] = _mapped(
            labels, table[LABEL][rows], found[rows]
        )
        yield SortStep(len(frames) + n, 2 * len(frames))
    named = {k: names.get(k) or f"class {k}" for k in np.unique(found).tolist()}
    column = np.array([named[k] for k in found.tolist()], object)
    n_examples = int(np.count_nonzero(known))
    return Sorted(table.with_column(CLASS, column), classes, named, n_examples, n_right)


def _rows(table: Measurements, frame: Mapping[str, int]) -> Pixels:
    """Return the rows of a frame."""
    is_in = np.ones(len(table), bool)
    for axis, name in COLUMN_ALONG.items():
        if name in table.columns:
            is_in &= table[name] == frame[axis]
    return np.flatnonzero(is_in)


def _majority(labels: Pixels, painted: Pixels) -> dict[int, int]:
    """Return the class that covers the most pixels of each object on which something is painted."""
    overlap = count_overlap(labels, painted)
    both = (overlap.predicted > 0) & (overlap.true > 0)
    order = np.argsort(overlap.pixels[both], kind="stable")  # the largest comes last, and counts
    pairs = zip(overlap.predicted[both][order], overlap.true[both][order], strict=True)
    return {int(number): int(of_it) for number, of_it in pairs}


def _classify(table: Measurements, known: Pixels) -> tuple[Pixels, int]:
    """Return the class of each row, and the number of examples that are right without themselves.

    Examples keep the class that was painted.
    """
    from sklearn.ensemble import RandomForestClassifier

    examples = np.flatnonzero(known)
    numbers = np.unique(known[examples])
    if len(numbers) < 2:
        has = f"there is only class {numbers[0]}" if len(numbers) else "none is painted"
        raise InputError(
            f"Paint on a few objects of at least two classes, each with its own number: {has}."
        )
    if numbers[-1] > np.iinfo(np.uint8).max:
        raise InputError(f"Class {numbers[-1]} is painted: give classes numbers from 1 to 255.")
    told = [n for n in table.numeric_names if not n.startswith((CENTROID, NOT_TOLD))]
    values = np.stack([table[name] for name in told], axis=1)
    values = np.where(np.isfinite(values), values, np.nanmedian(values, axis=0))
    forest = RandomForestClassifier(TREES, class_weight="balanced", oob_score=True, random_state=0)
    forest.fit(values[examples], known[examples])
    unseen = forest.classes_[forest.oob_decision_function_.argmax(axis=1)]
    found = forest.predict(values)
    found[examples] = known[examples]
    return found, int(np.count_nonzero(unseen == known[examples]))


def _mapped(labels: Pixels, numbers: Pixels, classes: Pixels) -> Pixels:
    """Return the class of each pixel's object; 0 for background and what was not measured."""
    order = np.argsort(numbers)
    numbers, classes = numbers[order], classes[order]
    if not len(numbers):
        return np.zeros(labels.shape, np.uint8)
    at = np.minimum(np.searchsorted(numbers, labels), len(numbers) - 1)
    return np.where(numbers[at] == labels, classes[at], 0).astype(np.uint8)

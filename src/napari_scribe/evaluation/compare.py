"""Say of every object whether it is true: found, false or missed."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..arguments import checked
from ..arrays import Pixels
from ..image import Frame
from ..io import ImageLike
from ..progress import Job, run
from ..wording import counted
from .metrics import Scores, evaluate, pool
from .overlap import count_overlap, match_objects
from .subject import Subject, place
from .table import CENTROID, COLUMN_ALONG, LABEL, Measurements, join

FOUND, FALSE, MISSED = "found", "false", "missed"
VERDICT, TRUTH, IOU = "verdict", "truth", "IoU"
COLORED = {FALSE: 1, MISSED: 2}
"""Numbers of the verdicts in `Comparison.verdicts`."""


@dataclass(frozen=True)
class CompareStep:
    """Record how many frames are compared."""

    done: int
    total: int


@dataclass(frozen=True, eq=False)
class Comparison:
    """Hold labels compared with the truth, object by object, at IoU .5.

    Parameters
    ----------
    scores
        Of all frames together.
    table
        A row an object: verdict, its number in the labels and in the truth (0 where it is in one of
        them only), the IoU of the two, and the centroid.
    verdicts
        Along the axes of the labels: 1 where an object is false, 2 where one is missed, else 0. A
        false object hides a missed one.
    axes
        Of `verdicts`.
    """

    scores: Scores
    table: Measurements
    verdicts: Pixels
    axes: str

    def in_words(self) -> str:
        """Return what was found, as "99 true objects: 98 found, 1 missed; 1 false"."""
        scores = self.scores
        found, false = int(scores.tp[0]), int(scores.fp[0])
        true = counted(scores.n_true, "true object")
        return f"{true}: {found:,} found, {int(scores.fn[0]):,} missed; {false:,} false."


CompareJob = Job[CompareStep, Comparison]


@checked
def compare(labels: ImageLike, truth: ImageLike, *, slices: bool = False) -> Comparison:
    """Compare labels with the truth, object by object: which are found, false and missed.

    `comparing` does the same as a job, and says what is given and what is raised.
    """
    return run(comparing(labels, truth, slices=slices))


def comparing(labels: ImageLike, truth: ImageLike, *, slices: bool = False) -> CompareJob:
    """Compare labels with the truth, frame by frame, as a job.

    Each number is one object. Two objects are the same if their IoU is .5 or more, as in
    `evaluate`. Stopped early, it has the frames compared so far.

    Parameters
    ----------
    labels, truth
        Labels of the same size; `measure` says how their axes are told.
    slices
        Whether Z is a list of slices with objects of their own.

    Raises
    ------
    InputError
        If labels are no whole numbers from 0, or sizes differ.
    """
    subject = place(labels, place(truth, None, slices).labels, slices)
    return Job(lambda job: _compare_frames(job, subject))


def _compare_frames(job: CompareJob, subject: Subject) -> Generator[CompareStep, None, Comparison]:
    verdicts = np.zeros(subject.labels.label_shape(), np.uint8)
    frames = list(subject.frames())
    scores, tables = [], []
    for n, frame in enumerate(frames, start=1):
        labels, truth = subject.read(frame, 0, subject.shape[0]), subject.paired(frame)
        table = _table(subject, frame, labels, truth)
        verdicts[subject.labels.label_index(frame)] = _verdicts(table, labels, truth)
        scores.append(evaluate(labels, truth, pieces=False))
        tables.append(table)
        yield CompareStep(n, len(frames))
        if job.stop_requested:
            break
    return Comparison(pool(scores), join(tables), verdicts, subject.labels.label_axes())


def _table(subject: Subject, frame: Frame, labels: Pixels, truth: Pixels) -> Measurements:
    """Return the verdict on each object of a frame."""
    matches = match_objects(count_overlap(labels, truth))
    false = np.setdiff1d(np.unique(labels[labels > 0]), matches.predicted)
    missed = np.setdiff1d(np.unique(truth[truth > 0]), matches.true)
    n_found, n_false, n_missed = len(matches.iou), len(false), len(missed)
    numbers = np.concatenate([matches.predicted, false, np.zeros(n_missed)]).astype(np.int64)
    true_numbers = np.concatenate([matches.true, np.zeros(n_false), missed]).astype(np.int64)
    counts = {FOUND: n_found, FALSE: n_false, MISSED: n_missed}
    centroids = np.concatenate(
        [_centroids(labels, numbers[: n_found + n_false]), _centroids(truth, missed)]
    )
    where = {COLUMN_ALONG[axis]: np.full(len(numbers), index) for axis, index in frame}
    spatial = "ZYX"[-subject.dimensions :]
    spacing = dict(zip(spatial, subject.spacing, strict=True))
    places = {
        f"{CENTROID} {axis.lower()} ({subject.unit})": centroids[:, i] * size
        for i, (axis, size) in enumerate(spacing.items())
    }
    columns = {
        **where,
        VERDICT: np.repeat(np.array([*counts], object), [*counts.values()]),
        LABEL: numbers,
        TRUTH: true_numbers,
        IOU: np.concatenate([matches.iou, np.full(n_false + n_missed, np.nan)]),
        **places,
    }
    return Measurements(columns, spacing)


def _centroids(labels: Pixels, numbers: Pixels) -> Pixels:
    """Return the centroids of objects in pixels, ``(n, axes)``."""
    if not len(numbers):
        return np.empty((0, labels.ndim))
    return np.array(ndimage.center_of_mass(labels > 0, labels, numbers))


def _verdicts(table: Measurements, labels: Pixels, truth: Pixels) -> Pixels:
    """Return where objects of a frame are false, and where they are missed."""
    verdicts = np.zeros(labels.shape, np.uint8)
    for name, array, column in ((MISSED, truth, TRUTH), (FALSE, labels, LABEL)):
        numbers = table[column][table[VERDICT] == name]
        verdicts[np.isin(array, numbers)] = COLORED[name]
    return verdicts

"""Measure objects: size, shape, place, and intensity in each channel."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..arguments import checked
from ..arrays import Pixels
from ..image import Frame
from ..io import ImageLike
from ..pieces import covering, split
from ..progress import Job, run
from .bands import bands, dense
from .frames import many_pieces
from .subject import Subject, place
from .table import CENTROID, COLUMN_ALONG, DIAMETER, EDGE, IMAGE, LABEL, Measurements, join

BATCH = 64
"""Objects measured between two records."""
STATISTICS = "mean", "min", "max", "std", "sum"


@dataclass(frozen=True)
class MeasureStep:
    """Record how far a measurement is: frames done, with a share of the next one, and objects."""

    done: float
    total: int
    n_objects: int


MeasureJob = Job[MeasureStep, Measurements]
Rows = list[list[float]]


@checked
def measure(
    labels: ImageLike,
    image: ImageLike | Mapping[str, ImageLike] | None = None,
    *,
    slices: bool = False,
    pieces: bool | None = None,
) -> Measurements:
    """Measure the size, shape, place and intensity of every object.

    Sizes and shapes are those of `skimage.measure.regionprops`, in the unit of the labels' scale,
    else in that of the image, else in pixels (where pixels are no squares, in widths of a pixel).
    Intensities are those of the pixels of an object: mean, lowest, highest, standard deviation and
    sum. Each time point is measured by itself, and so is each slice with `slices`: the same number
    in two of them makes two rows.

    Frames are read one by one, a frame of more than 16 million pixels in bands along its first
    axis, so that an image may be larger than memory. (An object has to fit, with the rows that it
    lies in.)

    Parameters
    ----------
    labels
        Whole numbers, 0 the background; an array, an `Image` or a file. Two axes are ``YX``, three
        ``ZYX`` and four ``TZYX``, if nothing else is known.
    image
        The image in which intensities are measured, or several by name. Its size is that of the
        labels; channels come on top.
    slices
        Whether Z is a list of slices with objects of their own, and no depth.
    pieces
        If True, each separate piece of a number is an object, numbered anew, with all labels in
        memory. If False, each number is one object. If None, numbers in many pieces are an error.

    Returns
    -------
    measurements
        A row an object; `Measurements.columns` gives the arrays, `Measurements.save` writes CSV.

    Raises
    ------
    InputError
        If labels are no whole numbers from 0, sizes differ, or one number covers many separate
        pieces and `pieces` is None.

    Examples
    --------
    >>> measure(np.array([[0, 1, 1], [0, 1, 1]]))["area (px²)"]
    array([4.])
    """
    return run(measuring(labels, image, slices=slices, pieces=pieces))


def measuring(
    labels: ImageLike,
    image: ImageLike | Mapping[str, ImageLike] | None = None,
    *,
    slices: bool = False,
    pieces: bool | None = None,
    at: Mapping[str, int] | None = None,
) -> MeasureJob:
    """Return `measure` as a job; stopped early, it has the objects measured so far.

    Parameters
    ----------
    at
        The index along T, and along Z with `slices`, of the frames that are measured; all of them
        along an axis that is not named.
    """
    subject = place(labels, image, slices)
    if pieces is not False and (many := covering(subject.labels.data, subject.dimensions, 1)):
        if pieces is None:
            raise many_pieces(many, subject.labels.name)
        numbers = split(subject.labels.data, subject.dimensions, 1)
        subject = subject.with_labels(numbers)
    frames = [f for f in subject.frames() if not at or all(at.get(a, i) == i for a, i in f)]
    return Job(lambda job: _measure_frames(job, subject, frames))


def _measure_frames(
    job: MeasureJob, subject: Subject, frames: list[Frame]
) -> Generator[MeasureStep, None, Measurements]:
    shape = Shape.of(subject)
    tables, n_objects = [_table(subject, (), shape, [])], 0
    for n_done, frame in enumerate(frames):
        batches: list[Pixels] = []
        for rows, share in _measure_frame(subject, frame, shape):
            if rows:
                batches.append(np.array(rows, np.float64))
            n_objects += len(rows)
            yield MeasureStep(n_done + share, len(frames), n_objects)
            if job.stop_requested:
                break
        tables.append(_table(subject, frame, shape, batches))
        if job.stop_requested:
            break
    return join(tables)


class Shape(NamedTuple):
    """Name the properties of scikit-image that are measured, with the columns that they become."""

    spacing: tuple[float, ...]
    columns: dict[str, str]
    has_channels: bool

    @classmethod
    def of(cls, subject: Subject) -> Shape:
        """Return what can be measured in 2D or 3D, and with these pixels."""
        unit = subject.unit
        if subject.dimensions == 3:
            columns = {"area": f"volume ({unit}³)"}
        else:
            columns = {"area": f"area ({unit}²)"}
        columns |= {
            "equivalent_diameter_area": f"{DIAMETER} ({unit})",
            "axis_major_length": f"major axis ({unit})",
            "axis_minor_length": f"minor axis ({unit})",
        }
        if subject.dimensions == 2:
            columns |= {"eccentricity": "eccentricity", "orientation": "orientation (°)"}
            if len(set(subject.spacing)) == 1:  # scikit-image has no perimeter of other pixels
                columns |= {"perimeter": f"perimeter ({unit})"}
            columns |= {"solidity": "solidity"}
        else:
            columns |= {"extent": "extent"}  # a convex hull in 3D takes seconds an object
        return cls(subject.spacing, columns, bool(subject.channels))

    def measure(
        self, region: Any, label: int, offset: int, lengths: tuple[int, ...]
    ) -> list[float]:
        """Return label, shape, intensities, centroid and edge of a region, as one row.

        Parameters
        ----------
        label
            The number of the object.
        offset
            Rows of the frame before the first one of the array that the region lies in.
        lengths
            Shape of the frame.
        """
        first, *others = region.slice
        parts = slice(first.start + offset, first.stop + offset), *others
        is_cut = any(p.start == 0 or p.stop == n for p, n in zip(parts, lengths, strict=True))
        row: list[float] = [label]
        for name in self.columns:
            value = float(getattr(region, name))
            row.append(np.degrees(value) if name == "orientation" else value)
        if self.has_channels:
            values = region.image_intensity[region.image].astype(np.float64)
            of_channels = [getattr(values, name)(axis=0) for name in STATISTICS]
            row += np.transpose(of_channels).ravel().tolist()
        first_axis, *other_axes = region.centroid
        return [*row, first_axis + offset * self.spacing[0], *other_axes, is_cut]


def _measure_frame(subject: Subject, frame: Frame, shape: Shape) -> Iterator[tuple[Rows, float]]:
    """Yield rows of some objects of a frame, and the share of the frame that is done by then."""
    from skimage.measure import regionprops

    lengths = subject.shape
    for start, stop, numbers, own in bands(subject, frame):
        numbers, labels = dense(numbers)
        pixels = subject.intensities(frame, start, stop)
        regions = regionprops(numbers, pixels, spacing=shape.spacing)
        for first in range(0, max(1, len(regions)), BATCH):
            batch = regions[first : first + BATCH]
            rows = [shape.measure(r, labels[r.label], start, lengths) for r in batch]
            share = (first + len(batch)) / max(1, len(regions))
            yield rows, (start + share * own) / lengths[0]


def _table(subject: Subject, frame: Frame, shape: Shape, batches: list[Pixels]) -> Measurements:
    """Return the rows of a frame as a table with names."""
    spatial = "ZYX"[-subject.dimensions :]
    centroid = [f"{CENTROID} {a} ({subject.unit})" for a in spatial.lower()]
    intensities = [f"{c.name} {statistic}" for c in subject.channels for statistic in STATISTICS]
    names = [LABEL, *shape.columns.values(), *intensities, *centroid, EDGE]
    rows = np.concatenate([np.empty((0, len(names))), *batches])
    columns = dict(zip(names, rows.T, strict=True))
    which = {
        IMAGE: np.full(len(rows), subject.name, object),
        **{
            COLUMN_ALONG[a]: np.full(len(rows), dict(frame).get(a, 0))
            for a in subject.labels.iterated_axes(subject.dimensions)
        },
        LABEL: columns.pop(LABEL).astype(np.int64),
    }
    edge = columns.pop(EDGE).astype(bool)
    spacing = dict(zip(spatial, subject.spacing, strict=True))
    return Measurements({**which, **columns, EDGE: edge}, spacing)

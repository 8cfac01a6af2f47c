"""Measure the objects in files: labels with their images, or folders of both."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..io import list_images, match_labels, read_image, read_label_image
from ..progress import Job
from .measure import MeasureJob, measuring
from .table import Measurements, join

Files = tuple[Path, Path | None]
"""Labels, and the image in which intensities are measured."""


@dataclass(frozen=True)
class FilesStep:
    """Record how far the measurement of several files is.

    Parameters
    ----------
    done, total
        Files; the one that is measured as a share.
    number
        Which one that is, from 1; 0 while it is looked whether all can be measured.
    n_objects
        Objects so far.
    """

    done: float
    total: int
    number: int
    n_objects: int


def label_files(labels: Path, images: Path | None = None) -> list[Files]:
    """Return each file of labels with its image, if there are images.

    Parameters
    ----------
    labels, images
        Files, or folders with the same names.

    Raises
    ------
    InputError
        If something is missing, or has no partner.
    """
    if images is None:
        return [(path, None) for path in list_images(labels, labels=True)]
    found = list_images(images)
    return list(zip(match_labels(found, labels), found, strict=True))


def measuring_file(
    files: Files,
    *,
    slices: bool = False,
    pieces: bool | None = None,
    axes: str = "",
    level: int = 0,
    series: int = 0,
) -> MeasureJob:
    """Return the job that measures the objects in a file, as `measuring` does.

    Parameters
    ----------
    axes
        Those of the labels.
    level, series
        Of the image, as `read_image` takes them.

    Raises
    ------
    InputError
        If they cannot be measured: the message names the file.
    """
    path, image_path = files
    image = None if image_path is None else read_image(image_path, "", level, series)
    try:
        return measuring(read_label_image(path, axes), image, slices=slices, pieces=pieces)
    except InputError as error:
        named = error if path.stem in str(error) else f"{path.name}: {error}"
        raise type(error)(str(named), **error.options) from None


def measuring_files(
    files: Sequence[Files], *, slices: bool = False, pieces: bool | None = None
) -> Job[FilesStep, Measurements]:
    """Return the job that measures files one after the other, into one table.

    What is wrong with one of them is said before any is measured. Stopped early, the table has what
    was measured by then.
    """
    return Job(lambda job: _measure_each(job, files, slices, pieces))


def _measure_each(
    job: Job[FilesStep, Measurements], files: Sequence[Files], slices: bool, pieces: bool | None
) -> Generator[FilesStep, None, Measurements]:
    for pair in files:
        measuring_file(pair, slices=slices, pieces=pieces)
        yield FilesStep(0, len(files), 0, 0)
        if job.stop_requested:
            break
    tables: list[Measurements] = []
    for n_done, pair in enumerate(files):
        one = measuring_file(pair, slices=slices, pieces=pieces)
        n_before = sum(map(len, tables))
        if job.stop_requested:
            one.stop()
        for step in one:
            share = step.done / max(step.total, 1)
            yield FilesStep(n_done + share, len(files), n_done + 1, n_before + step.n_objects)
            if job.stop_requested:
                one.stop()
        tables.append(one.result)
        if job.stop_requested:
            break
    return join(tables)

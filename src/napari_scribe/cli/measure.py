"""Define the command `measure`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from ..terminal import exit_status, measure_with_bar
from .options import Level, Pieces, Series, open_image

if TYPE_CHECKING:
    from ..evaluation.measure import MeasureJob

TABLES = ".csv", ".txt"
"""Suffixes of tables."""


def measure(
    labels: Annotated[Path, typer.Argument(help="Labels of objects, or a folder of them.")],
    image: Annotated[
        Path | None,
        typer.Argument(
            help="Image in which intensities are measured, or a folder with the same names. "
            "Default: sizes and shapes only."
        ),
    ] = None,
    *,
    out: Annotated[Path, typer.Option(help="The table, a .csv.", metavar="TABLE.csv")],
    slices: Annotated[
        bool, typer.Option("--slices", help="Z is a list of slices with objects of their own.")
    ] = False,
    pieces: Pieces = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the table if it exists.")
    ] = False,
    axes: Annotated[
        str,
        typer.Option(
            help="A letter of TCZYX per axis of the labels. Default: from the files, or guessed."
        ),
    ] = "",
    level: Level = 0,
    series: Series = 0,
) -> None:
    """Measure every object: size, shape, place, and intensity in each channel.

    Writes one table with a row an object, for one image, a movie or a folder. Columns have units,
    from the scale of labels or image, or px. Numbers are those of scikit-image's regionprops. The
    columns image, frame and slice (from 0) and label say which object it is.
    """
    from ..evaluation.measure import measuring
    from ..evaluation.table import join
    from ..io import check_not_taken, check_writable, read_label_image

    if out.suffix.lower() not in TABLES:
        raise InputError(f"--out {out}: give a file ending in {' or '.join(TABLES)}.")
    check_writable(out)
    check_not_taken(out, overwrite)
    files = _pairs(labels, image)

    def job_for(path: Path, image_path: Path | None) -> MeasureJob:
        pixels = None if image_path is None else open_image(image_path, "", level, series)
        try:
            return measuring(read_label_image(path, axes), pixels, slices=slices, pieces=pieces)
        except InputError as error:
            named = error if path.stem in str(error) else f"{path.name}: {error}"
            raise InputError(str(named), **error.options) from None

    for pair in files:  # what is wrong with one of them is said before any work
        job_for(*pair)
    tables = []
    for path, image_path in files:
        job = job_for(path, image_path)
        tables.append(measure_with_bar(job, path.name))
        if job.stop_requested:
            typer.echo("Stopped: no table was written.", err=True)
            raise typer.Exit(exit_status())
        if len(files) > 1:
            typer.echo(f"{path.name}: {tables[-1].in_words()}")
    table = join(tables)
    if not len(table):
        raise InputError(f"There are no objects in {labels}: all its pixels are 0.")
    typer.echo(f"{table.in_words()}{_of(len(files))}")
    typer.echo(f"Table: {table.save(out, overwrite)}")


def _pairs(labels: Path, image: Path | None) -> Sequence[tuple[Path, Path | None]]:
    """Return each file of labels with its image, if there are images."""
    from ..io import list_images, match_labels

    if image is None:
        return [(path, None) for path in list_images(labels, labels=True)]
    images = list_images(image)
    return list(zip(match_labels(images, labels), images, strict=True))


def _of(n_files: int) -> str:
    """Return words on the number of images, if there are several."""
    return f" in {n_files} images" if n_files > 1 else ""

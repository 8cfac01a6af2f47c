"""Define the command `measure`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from ..terminal import exit_status, measure_with_bar
from .options import Level, Pieces, Series

if TYPE_CHECKING:
    from ..evaluation.measure import MeasureJob
    from ..evaluation.measure_files import Files

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
    from ..evaluation.measure_files import label_files, measuring_file
    from ..evaluation.table import join
    from ..io import check_not_taken, check_writable

    if out.suffix.lower() not in TABLES:
        raise InputError(f"--out {out}: give a file ending in {' or '.join(TABLES)}.")
    check_writable(out)
    check_not_taken(out, overwrite)
    files = label_files(labels, image)

    def job_for(pair: Files) -> MeasureJob:
        return measuring_file(
            pair, slices=slices, pieces=pieces, axes=axes, level=level, series=series
        )

    for pair in files:  # what is wrong with one of them is said before any work
        job_for(pair)
    tables = []
    for pair in files:
        path, job = pair[0], job_for(pair)
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


def _of(n_files: int) -> str:
    """Return words on the number of images, if there are several."""
    return f" in {n_files} images" if n_files > 1 else ""

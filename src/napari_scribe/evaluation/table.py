"""Hold what was measured: a table with a row an object, and write it as CSV."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..arrays import Pixels
from ..io import check_not_taken, replacing
from ..wording import counted

IMAGE, FRAME, SLICE, LABEL = "image", "frame", "slice", "label"
EDGE, CLASS, CENTROID = "touches edge", "class", "centroid"
"""Names of columns that hold neither size nor intensity; that of a centroid has axis and unit."""
COLUMN_ALONG = {"T": FRAME, "Z": SLICE}
"""Name of the column with the index along an axis, by the letter of the axis."""
DIAMETER = "equivalent diameter"
"""What the name of the column begins with that has the diameter of a disk, or a ball, as large."""
SIZES = "area", "volume"
"""What the name of the column with the size of the objects begins with."""


@dataclass(frozen=True, eq=False)
class Measurements:
    """Hold a table of objects.

    Parameters
    ----------
    columns
        Name, with the unit, and values of each column, all ``(n,)``. The first columns say which
        object it is: image, frame and slice (from 0, in movies and lists of slices), label.
    spacing
        Size of a pixel along Z, Y and X, in the unit of the centroids.
    """

    columns: dict[str, Pixels]
    spacing: dict[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.columns[LABEL])

    def __getitem__(self, name: str) -> Pixels:
        return self.columns[name]

    @property
    def size_name(self) -> str:
        """Return the name of the column with the area or volume."""
        return next(name for name in self.columns if name.split(" (")[0] in SIZES)

    @property
    def diameters(self) -> Pixels | None:
        """Return the diameters of the objects in pixels; None where they were not measured."""
        name = next((name for name in self.columns if name.startswith(DIAMETER)), None)
        return None if name is None else self.columns[name] / self.spacing["X"]

    @property
    def numeric_names(self) -> list[str]:
        """Return the names of the columns with sizes, shapes and intensities."""
        return [name for name, values in self.columns.items() if values.dtype.kind == "f"]

    def selected(self, rows: Pixels) -> Measurements:
        """Return some of the rows, by their numbers or a mask."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        return replace(self, columns=columns)

    def with_column(self, name: str, values: Pixels) -> Measurements:
        """Return the same table with one more column, or another one of that name."""
        return replace(self, columns={**self.columns, name: values})

    def pixel(self, row: int) -> dict[str, float]:
        """Return where an object is, per axis letter: its frame and slice, and its centroid."""
        found = {
            axis: float(self.columns[name][row])
            for axis, name in COLUMN_ALONG.items()
            if name in self.columns
        }
        for axis, size in self.spacing.items():
            head = f"{CENTROID} {axis.lower()} ("
            name = next(name for name in self.columns if name.startswith(head))
            found[axis] = float(self.columns[name][row]) / size
        return found

    def __repr__(self) -> str:
        return f"Measurements({self.in_words()}; columns: {', '.join(self.columns)})"

    def in_words(self) -> str:
        """Return how many objects there are and their median size, as "99 objects, ..."."""
        n = len(self)
        objects = counted(n, "object")
        if not n:
            return objects
        name, _, unit = self.size_name.partition(" (")
        sizes = self[self.size_name]
        if np.isnan(sizes).any():  # of tables with other units
            return objects
        median = float(np.median(sizes))
        return f"{objects}, median {name} {in_digits(median)} {unit.rstrip(')')}"

    def save(self, path: str | Path, overwrite: bool = True) -> Path:
        """Write the table as CSV, all or nothing.

        The text is UTF-8 and says so by its first bytes, or Excel would misread units. What is not
        defined, such as the shape of a single pixel, is left empty.

        Raises
        ------
        TakenError
            If the file exists, and may not be replaced.
        """
        check_not_taken(Path(path), overwrite)
        texts = [_texts(values) for values in self.columns.values()]
        with (
            replacing(path, overwrite) as part,
            open(part, "w", encoding="utf-8-sig", newline="") as file,
        ):
            writer = csv.writer(file)
            writer.writerow(self.columns)
            writer.writerows(zip(*texts, strict=True))
        return Path(path)


def in_digits(value: float) -> str:
    """Return a number with four digits at least, as people read it; empty for NaN."""
    if value != value:
        return ""
    return f"{value:.0f}" if 1e3 <= abs(value) < 1e9 else f"{value:.4g}"


def _texts(values: Pixels) -> list[str]:
    """Return values as text with ten digits at most."""
    if values.dtype.kind != "f":
        return [str(value) for value in values.tolist()]
    return ["" if value != value else f"{value:.10g}" for value in values.tolist()]


def join(tables: Sequence[Measurements]) -> Measurements:
    """Put tables one under the other.

    What one of them has no column for is not defined there: a number is NaN, a text empty.
    """
    names = list(dict.fromkeys(name for table in tables for name in table.columns))
    kinds = {name: values.dtype for table in tables for name, values in table.columns.items()}

    def column(table: Measurements, name: str) -> Pixels:
        if name in table.columns:
            return table[name]
        missing = "" if kinds[name].kind in "UO" else np.nan
        return np.full(len(table), missing)

    columns = {name: np.concatenate([column(table, name) for table in tables]) for name in names}
    spacings = [table.spacing for table in tables]
    is_one = all(spacing == spacings[0] for spacing in spacings)
    return Measurements(columns, spacings[0] if is_one else {})

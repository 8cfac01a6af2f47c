"""Finished results, from the folder of their run to where they belong."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...arrays import as_dask
from ...errors import DamagedError, TakenError
from ...io import is_zarr_name, lost_chunks, move_into_place, read_image, read_labels, write_tiff
from ...io.origin import maker_of, sign
from ..source import Source
from .damage import remove_unreadable
from .maps import map_path, write_map
from .sinks import Folder

FOLDER = "results"
"""Of what is written last, within the folder of a run."""


def hand_over(
    out: Path,
    labels: Any,
    maps: Mapping[str, Any],
    source: Source,
    sink: Folder,
    overwrite: bool,
    check: Callable[[], None],
) -> None:
    """Write the results of a run, move them to where they belong, and take its folder away.

    Parameters
    ----------
    out
        Where the labels go; maps go beside them.
    labels
        The array of a run. Of a zarr it lies in the group that is moved.
    maps
        Name -> array ``(channels, *labels)``.
    overwrite
        Whether they take the place of what is there by then.
    check
        Raises where parts of the labels are no longer on disk.

    Raises
    ------
    TakenError
        If something has appeared there that may not be replaced. The results are then put beside
        it, under another name.
    DamagedError
        If parts of them are no longer on disk.
    """
    try:
        made = _written(out, labels, maps, source, sink)
    except (RuntimeError, ValueError):  # of what decodes the arrays of the run
        remove_unreadable([labels, *maps.values()])
        raise
    sink.check()
    check()  # when all is written: what was deleted before that may be missing in it
    if any(map(lost_chunks, maps.values())) or not all(path.exists() for path in made.values()):
        raise DamagedError(f"Parts of the result in {sink.path} were deleted.")
    try:
        _place(made, sink.identity, overwrite)
    except TakenError as error:
        other = _place_beside(out, made)
        sink.remove()
        raise TakenError(f"{error} The result is kept in {other} instead.") from None
    sink.remove()


def _written(
    out: Path, labels: Any, maps: Mapping[str, Any], source: Source, sink: Folder
) -> dict[Path, Path]:
    """Write labels and maps within the folder of a run; from their places to where they are now."""
    made: dict[Path, Path] = {}
    for name, array in maps.items():
        path = map_path(out, name)
        made[path] = sink.path / FOLDER / path.name
        write_map(made[path], array, source, sink.identity)
    if is_zarr_name(out):
        made[out] = sink.path / out.name
        sign(made[out], sink.identity)
    else:
        made[out] = sink.path / FOLDER / out.name
        image = source.image
        write_tiff(made[out], labels, source.axes, image.scale, image.units, software=sink.identity)
    return made


def _place(made: dict[Path, Path], made_by: str, overwrite: bool) -> None:
    """Move results to their places; what they lie at is noted in `made`."""
    for path, new in made.items():
        move_into_place(new, path, overwrite or maker_of(path) == made_by)
        made[path] = path


def _place_beside(out: Path, made: Mapping[Path, Path]) -> Path:
    """Move results to free names beside the one that they were to have; that of the labels."""
    n = 2
    while True:
        other = out.with_name(f"{out.stem}-{n}{out.suffix}")
        places = {path: _renamed(path, out, other) for path in made}
        if not any(map(os.path.lexists, places.values())):
            for path, new in made.items():
                move_into_place(new, places[path], overwrite=False)
            return other
        n += 1


def _renamed(path: Path, out: Path, other: Path) -> Path:
    """Where a result goes that was to lie beside `out`, and lies beside `other` now."""
    return other if path == out else path.with_name(path.name.replace(out.stem, other.stem, 1))


def smallest_type(largest: int) -> np.dtype[Any]:
    """The smallest type that holds labels up to the largest."""
    return np.min_scalar_type(largest)


def read_answer(path: Path, source: Source) -> Any:
    """What a run wrote to a file, lazily where it is large.

    A TIFF lacks axes of length 1: they are put back.
    """
    answer = read_image(path).data if source.is_image else read_labels(path)
    if answer.shape == source.shape:
        return answer
    if isinstance(answer, np.ndarray):
        return answer.reshape(source.shape)
    return as_dask(answer).reshape(source.shape)

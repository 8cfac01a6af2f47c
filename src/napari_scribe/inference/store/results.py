"""Write finished results to their final paths, and read them from there.

The maps that were asked for lie beside the labels. A map holds the network's prediction for each
pixel, ``(channels, *label shape)`` float16.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from ...arrays import Array as ReadableArray
from ...arrays import as_dask
from ...errors import TakenError
from ...image import AXES, Image
from ...io import create_zarr, is_zarr_name, open_levels, read_image, read_labels, write_tiff
from ...io.files import is_in_image
from ...io.ngff_labels import enter
from ...io.origin import maker_of, sign
from ...io.replace import move_into_place, replacing_folder, resolve_links, tidy
from ...targets import Head
from ..source import Source
from .damage import remove_unreadable
from .sinks import Array, Folder

FOLDER = "results"
"""Folder within the folder of a run, for results that are written in the end."""


def write_results(
    out: Path, labels: Array, maps: Mapping[str, ReadableArray], source: Source, sink: Folder
) -> dict[Path, Path]:
    """Write the results of a run within its folder.

    Parameters
    ----------
    out
        Final path of the labels; maps go beside them.
    labels
        The labels of a run. If `out` is a zarr, they lie in the group that is moved there.
    maps
        Name -> array ``(channels, *labels)``.

    Returns
    -------
    made
        Final path -> present path.

    Raises
    ------
    DamagedError
        If a chunk cannot be decoded.
    """
    made: dict[Path, Path] = {}
    try:
        for name, array in maps.items():
            path = map_path(out, name)
            made[path] = sink.path / FOLDER / path.name
            write_map(made[path], array, source, sink.identity)
        if is_zarr_name(out):
            made[out] = sink.path / out.name
            sign(made[out], sink.identity)
        else:
            made[out] = sink.path / FOLDER / out.name
            scale, units = source.image.scale, source.image.units
            write_tiff(made[out], labels, source.axes, scale, units, software=sink.identity)
    except (RuntimeError, ValueError):  # a chunk cannot be decoded
        # Maps on the image's own pixels are dask arrays, which check what they read.
        stored = [labels, *(a for a in maps.values() if not hasattr(a, "dask"))]
        remove_unreadable(cast(list[Array], stored))
        raise
    return made


def hand_over(out: Path, made: dict[Path, Path], sink: Folder, overwrite: bool) -> None:
    """Move results to their final paths, and delete the folder of the run.

    Parameters
    ----------
    out
        Final path of the labels.
    made
        Final path -> present path, of labels and maps.
    overwrite
        Whether results replace what lies at their paths by then.

    Raises
    ------
    TakenError
        If something has appeared at a path that may not be replaced. The results are then moved
        beside it, under another name.
    """
    try:
        for path, new in made.items():
            move_into_place(new, path, overwrite or maker_of(path) == sink.identity)
            made[path] = path
    except TakenError as error:
        moved_to = _place_beside(out, made)
        sink.remove()
        if is_in_image(moved_to):
            enter(moved_to)
        raise TakenError(f"{error} The result is kept in {moved_to} instead.") from None
    sink.remove()
    if is_in_image(out):
        enter(out)


def _place_beside(out: Path, made: Mapping[Path, Path]) -> Path:
    """Move results to free names beside their final paths; return the path of the labels."""
    for n in itertools.count(2):
        stem = f"{out.stem}-{n}"
        places = {path: path.with_name(path.name.replace(out.stem, stem, 1)) for path in made}
        if not any(map(os.path.lexists, places.values())):
            break
    for path, new in made.items():
        move_into_place(new, places[path], overwrite=False)
    return places[out]


def write_map(path: Path, array: ReadableArray, source: Source, made_by: str) -> None:
    """Write a map piece by piece.

    A TIFF holds it as float32, because programs that read TIFF know no float16.
    """
    image = source.image
    axes = image.label_axes()
    if not is_zarr_name(path):
        write_tiff(path, array, "C" + axes, image.scale, image.units, software=made_by)
        return
    import dask.array as da

    order = _with_channels(axes)
    lazy = da.moveaxis(as_dask(array), 0, order.index("C"))
    write_zarr(path, image.selected(data=lazy, axes=order, translate=source.translate))
    sign(path, made_by)


def write_zarr(path: Path, image: Image, overwrite: bool = True) -> None:
    """Write an image piece by piece. The zarr appears when it is whole."""
    import dask.array as da

    lazy = da.asarray(image.data)
    chunks = [sizes[0] for sizes in lazy.chunks]
    tidy(resolve_links(path))
    with replacing_folder(path, overwrite) as partial:
        target: Any = create_zarr(
            partial,
            image.shape,
            image.dtype,
            image.axes,
            image.scale,
            image.units,
            chunks,
            translate=image.translate,
        )
        da.store(lazy, target, lock=False, scheduler="single-threaded")


def open_results(
    out: Path, names: Sequence[str], source: Source
) -> tuple[list[Any], dict[str, Any]]:
    """Open the results of a run. Large results are lazy.

    Returns
    -------
    levels
        The labels or the denoised image. From a zarr, smaller copies for display follow.
    maps
        Name -> map ``(channels, *label shape)``.
    """
    levels = open_levels(out) if is_zarr_name(out) else [_read_tiff(out, source)]
    return levels, {name: _read_map(map_path(out, name), name, source) for name in names}


def _read_tiff(path: Path, source: Source) -> Any:
    """Read labels or a denoised image; add the axes of length 1, which a TIFF lacks."""
    answer = read_image(path).data if source.is_image else read_labels(path)
    if answer.shape == source.shape:
        return answer
    if isinstance(answer, np.ndarray):
        return answer.reshape(source.shape)
    return as_dask(answer).reshape(source.shape)


def _read_map(path: Path, name: str, source: Source) -> Any:
    """Read a map; add the axes of length 1, which a TIFF lacks."""
    import dask.array as da

    axes, n_channels = source.image.label_axes(), head_of(name, source).channels
    lengths = dict(zip("C" + axes, (n_channels, *source.label_shape), strict=True))
    order = _with_channels(axes)
    array = as_dask(read_image(path).data)
    return da.moveaxis(array.reshape([lengths[a] for a in order]), order.index("C"), 0)


def map_path(out: Path, name: str) -> Path:
    """Return the path of a map: beside the labels, with the same suffix."""
    suffix = ".zarr" if is_zarr_name(out) else ".tif"
    return out.with_name(f"{out.stem}.{name}{suffix}")


def head_of(name: str, source: Source) -> Head:
    """Return the head that a map shows."""
    heads = source.model.encoding.heads
    return heads[0] if name == "probability" else next(h for h in heads if h.name == name)


def _with_channels(axes: str) -> str:
    """Return axes and C, in the order of a file."""
    return "".join(a for a in AXES if a in axes + "C")

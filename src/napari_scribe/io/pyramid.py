"""The smaller levels of an OME-NGFF image, which a viewer shows when it is zoomed out."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .chunks import Chunk, lost_chunks, window_of

_SMALL = 1024
"""Longer side, in pixels, of a level that needs no smaller one."""


def add_pyramid(group: Path, labels: bool) -> Iterator[tuple[int, int]]:
    """Add levels of half the size in Y and X to what `create_zarr` made, until they are small.

    Each pixel of a level comes from two by two of the level before: of labels the first of them,
    so that a number stays one that was there; of intensities the mean. The levels are named in the
    group when all are written: if that is broken off, the next call makes them anew. Of a group
    that has levels, only chunks that are not on disk are made.

    Parameters
    ----------
    group
        Folder of the OME-NGFF image.
    labels
        Whether its pixels are labels.

    Yields
    ------
    progress
        Chunks that are written, and how many there will be. Memory holds little more than four.
    """
    import zarr

    node = zarr.open_group(group, mode="r+")
    ome: dict[str, Any] = dict(node.attrs["ome"])  # type: ignore[arg-type]
    multiscale = ome["multiscales"][0]
    full: Any = node["0"]
    axes = "".join(str(entry["name"]).upper() for entry in multiscale["axes"])
    shapes = list(_shapes(full.shape, axes))
    levels = [full]
    for i, shape in enumerate(shapes, 1):
        chunks = tuple(map(min, full.chunks, shape))
        options = {"dtype": full.dtype, "fill_value": 0, "dimension_names": list(axes.lower())}
        is_there = len(multiscale["datasets"]) > 1 and str(i) in node
        if not is_there:
            node.create_array(str(i), shape=shape, chunks=chunks, overwrite=True, **options)
        levels.append(node[str(i)])
    missing = [sorted(lost_chunks(level)) for level in levels]
    total = sum(map(len, missing[1:]))
    done = 0
    for (source, level), gone in zip(itertools.pairwise(levels), missing[1:], strict=True):
        for _ in _halve(source, level, gone, axes, labels):
            done += 1
            yield done, total
    if len(multiscale["datasets"]) == len(levels):
        return
    first = multiscale["datasets"][0]
    datasets = [_dataset(first, i, axes, labels) for i in range(len(levels))]
    kind = "nearest" if labels else "mean"
    node = zarr.open_group(group, mode="r+")  # with what others have noted there since
    node.attrs["ome"] = ome | {"multiscales": [multiscale | {"datasets": datasets, "type": kind}]}


def forget_pyramid(group: Path) -> None:
    """Let the full resolution be the only level that the metadata name."""
    import zarr

    node = zarr.open_group(group, mode="r+")
    ome: dict[str, Any] = dict(node.attrs["ome"])  # type: ignore[arg-type]
    multiscale = ome["multiscales"][0]
    datasets = multiscale["datasets"][:1]
    node.attrs["ome"] = ome | {"multiscales": [multiscale | {"datasets": datasets}]}


def open_levels(path: Path) -> list[Any]:
    """Every level of a zarr image as a zarr array, the full resolution first; read only."""
    import zarr

    from .ngff import multiscales, read_zarr

    node = zarr.open(path, mode="r")
    found = multiscales(node) if isinstance(node, zarr.Group) else []
    if not found:
        return [read_zarr(path).data]
    return [node[dataset["path"]] for dataset in found[0]["datasets"]]


def _shapes(shape: Sequence[int], axes: str) -> Iterator[tuple[int, ...]]:
    """Shapes of the levels below the full resolution; what is left over by two is a pixel."""
    while max(n for a, n in zip(axes, shape, strict=True) if a in "YX") > _SMALL:
        shape = tuple(-(-n // 2) if a in "YX" else n for a, n in zip(axes, shape, strict=True))
        yield shape


def _halve(
    source: Any, level: Any, chunks: Iterable[Chunk], axes: str, labels: bool
) -> Iterator[None]:
    """Fill chunks of a level from the one before."""
    factors = [2 if a in "YX" else 1 for a in axes]
    for chunk in chunks:
        place = window_of(level, chunk)
        window = [slice(f * s.start, f * s.stop) for f, s in zip(factors, place, strict=True)]
        block = np.asarray(source[tuple(window)])
        every_second = tuple(slice(None, None, f) for f in factors)
        level[place] = block[every_second] if labels else _mean(block, axes)
        yield


def _mean(block: npt.NDArray[Any], axes: str) -> npt.NDArray[Any]:
    """Mean of two by two pixels; at the end of an odd side, of those that are there."""
    rows = _added(block, axes.index("Y"), np.result_type(block.dtype, np.float32))
    mean = _added(rows, axes.index("X"), rows.dtype) / 4
    return (mean if block.dtype.kind == "f" else np.rint(mean)).astype(block.dtype)


def _added(block: npt.NDArray[Any], axis: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Sums of neighbours along an axis, two by two; a single one at the end counts twice."""
    block = np.moveaxis(block, axis, 0)
    if len(block) % 2:
        block = np.concatenate([block, block[-1:]])
    sums: npt.NDArray[Any] = np.add(block[::2], block[1::2], dtype=dtype)
    return np.moveaxis(sums, 0, axis)


def _dataset(full: Any, level: int, axes: str, labels: bool) -> dict[str, Any]:
    """How NGFF describes a level: the size of its pixels, and where the middle of the first lies.

    A mean stands for the middle of its pixels, which is half a pixel of the level before further
    on; a label that was taken stays where it is.
    """
    transforms = {t["type"]: t[t["type"]] for t in full["coordinateTransformations"]}
    scale = transforms["scale"]
    shift = transforms.get("translation", [0.0] * len(axes))
    factors = [2**level if a in "YX" else 1 for a in axes]
    scaled = [s * f for s, f in zip(scale, factors, strict=True)]
    if not labels:
        shift = [t + s * (f - 1) / 2 for t, s, f in zip(shift, scale, factors, strict=True)]
    described: list[dict[str, Any]] = [{"type": "scale", "scale": scaled}]
    if any(shift):
        described.append({"type": "translation", "translation": shift})
    return {"path": str(level), "coordinateTransformations": described}

"""Write OME-NGFF images: create them, and add smaller levels, which viewers show zoomed out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from ..arrays import Pixels
from ..errors import InputError
from ..image import AXES
from .chunks import Chunk, lost_chunks, window_of
from .files import stem
from .replace import replacing_folder
from .writable import check_not_taken

if TYPE_CHECKING:
    import zarr

    from .chunks import ZarrArray

Dataset = Mapping[str, Any]
"""Metadata of a level: its path and coordinate transformations."""
_TYPES = {"T": "time", "C": "channel"}
_SMALL = 1024
"""Longer side, in pixels, of a level that needs no smaller one."""


def create_zarr(
    path: str | Path,
    shape: Sequence[int],
    dtype: npt.DTypeLike,
    axes: str,
    scale: Mapping[str, float] | None = None,
    units: Mapping[str, str] | None = None,
    chunks: Sequence[int] | None = None,
    *,
    translate: Mapping[str, float] | None = None,
    overwrite: bool = False,
    zarr_format: Literal[2, 3] = 3,
    is_label: bool = False,
) -> ZarrArray:
    """Create an OME-NGFF image to write into, all or nothing.

    Parameters
    ----------
    path
        Folder to create; the full resolution is its array ``0``.
    shape, axes
        Length and letter of each axis, in the order ``TCZYX``.
    dtype
        Type of the pixels. A chunk that is never written is read as 0 and takes no disk space.
    scale, units, translate
        Per axis letter, as in `Image`.
    chunks
        Shape of a chunk, in pixels, cut to the shape of the image. Planes of 512 x 512 when None.
    overwrite
        Whether to replace what lies at `path`. It stays there until the new image is created.
    zarr_format
        3 for OME-NGFF 0.5, 2 for 0.4.
    is_label
        Whether it is the labels of the image two folders above it.

    Returns
    -------
    array
        The zarr array ``0``.

    Raises
    ------
    InputError
        If the axes are not in order.
    TakenError
        If something lies at `path` already.
    OSError
        If the image cannot be written.
    """
    import zarr

    path, axes = Path(path), axes.upper()
    in_order = "".join(a for a in AXES if a in axes)
    if axes != in_order or len(axes) != len(shape) or not set("YX") <= set(axes):
        raise InputError(
            f"A zarr of shape {tuple(shape)} needs as many axes, in the order {AXES}; not '{axes}'."
        )
    check_not_taken(path, overwrite)
    if chunks is None:
        chunks = [512 if a in "YX" else 1 for a in axes]
    with replacing_folder(path, overwrite) as partial:
        group = zarr.open_group(partial, mode="w", zarr_format=zarr_format)
        _create_level(group, "0", shape, dtype, list(map(min, chunks, shape)), axes)
        multiscale = _multiscale_of(path, axes, scale or {}, translate or {}, units or {})
        ome: dict[str, Any] = {"multiscales": [multiscale]}
        if is_label:
            ome["image-label"] = {"source": {"image": "../../"}}
        if zarr_format == 3:
            group.attrs["ome"] = {"version": "0.5", **ome}
        else:
            for part in (multiscale, *([ome["image-label"]] if is_label else [])):
                part["version"] = "0.4"
            group.attrs.update(ome)
    return zarr.open_array(path / "0", mode="r+")


def _create_level(
    group: zarr.Group,
    name: str,
    shape: Sequence[int],
    dtype: npt.DTypeLike,
    chunks: Sequence[int],
    axes: str,
) -> ZarrArray:
    """Create the array of a level, full of 0; one that is there is replaced."""
    options: Any = {"dimension_names": list(axes.lower())}
    if group.metadata.zarr_format == 2:
        options = {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
    return group.create_array(
        name,
        shape=tuple(shape),
        dtype=dtype,
        chunks=tuple(chunks),
        fill_value=0,
        overwrite=True,
        **options,
    )


def _multiscale_of(
    path: Path,
    axes: str,
    scale: Mapping[str, float],
    translate: Mapping[str, float],
    units: Mapping[str, str],
) -> dict[str, Any]:
    """Return the metadata of an image with one level.

    JSON knows no NaN or infinity, so such a size becomes 1, and such a position 0.
    """
    entries = []
    for letter in axes:
        entry = {"name": letter.lower(), "type": _TYPES.get(letter, "space")}
        entries.append(entry | ({"unit": units[letter]} if units.get(letter) else {}))
    sizes = [size if math.isfinite(size := float(scale.get(a, 1))) else 1.0 for a in axes]
    shifts = [by if math.isfinite(by := float(translate.get(a, 0))) else 0.0 for a in axes]
    return {"name": stem(path), "axes": entries, "datasets": [_dataset(0, sizes, shifts)]}


def _dataset(level: int, scale: Sequence[float], shifts: Sequence[float]) -> Dataset:
    """Return the metadata of a level."""
    transforms = [{"type": "scale", "scale": list(scale)}]
    if any(shifts):
        transforms.append({"type": "translation", "translation": list(shifts)})
    return {"path": str(level), "coordinateTransformations": transforms}


# ---- pyramid -------------------------------------------------------------------------------------


def add_pyramid(
    group: Path, labels: bool, n_levels: int | None = None
) -> Iterator[tuple[int, int]]:
    """Add levels to an image of `create_zarr`, each half as wide in Y and X as the one before.

    Each pixel of a level comes from two by two pixels of the level before. For labels it is the
    first of them, so that no new number arises. For intensities it is their mean.

    The levels are named in the metadata once all are written. If the work is broken off before
    that, the next call makes them anew. If the levels are named already, only chunks that are
    missing on disk are made.

    Parameters
    ----------
    group
        Folder of the OME-NGFF image.
    labels
        Whether its pixels are labels.
    n_levels
        Number of levels with the full resolution; as many as it takes until one is small when None.

    Yields
    ------
    progress
        Number of chunks written so far, and in total. Memory holds little more than four chunks.
    """
    import zarr

    node = zarr.open_group(group, mode="r+")
    multiscale = _multiscale(node)
    full: Any = node["0"]
    axes = "".join(str(entry["name"]).upper() for entry in multiscale["axes"])
    shapes = list(_shapes(full.shape, axes, n_levels))
    levels: list[Any] = [full]
    for i, shape in enumerate(shapes, 1):
        chunks = list(map(min, full.chunks, shape))
        is_there = len(multiscale["datasets"]) > 1 and str(i) in node
        if not is_there:
            _create_level(node, str(i), shape, full.dtype, chunks, axes)
        levels.append(node[str(i)])
    missing = [sorted(lost_chunks(level)) for level in levels]
    total = sum(map(len, missing[1:]))
    done = 0
    for (source, level), lost in zip(itertools.pairwise(levels), missing[1:], strict=True):
        for _ in _halve(source, level, lost, axes, labels):
            done += 1
            yield done, total
    if len(multiscale["datasets"]) == len(levels):
        return
    first = multiscale["datasets"][0]
    datasets = [first, *(_smaller(first, i, axes, labels) for i in range(1, len(levels)))]
    _change(group, {"datasets": datasets, "type": "nearest" if labels else "mean"})


def forget_pyramid(group: Path) -> None:
    """Remove the smaller levels from the metadata; their pixels stay on disk."""
    import zarr

    _change(group, {"datasets": _multiscale(zarr.open_group(group))["datasets"][:1]})


def _multiscale(node: zarr.Group) -> dict[str, Any]:
    """Return the metadata of the image in a group of `create_zarr`."""
    ome: Any = node.attrs.get("ome", node.attrs)
    return dict(ome["multiscales"][0])


def _change(group: Path, changes: dict[str, Any]) -> None:
    """Change the metadata of an image. They are read anew, because others may have added some."""
    import zarr

    node = zarr.open_group(group, mode="r+")
    new = {"multiscales": [_multiscale(node) | changes]}
    ome: Any = node.attrs.get("ome")
    node.attrs.update(new if ome is None else {"ome": ome | new})


def _shapes(shape: Sequence[int], axes: str, n_levels: int | None) -> Iterator[tuple[int, ...]]:
    """Yield the shapes of the smaller levels. Half of an odd side is rounded up."""
    for level in itertools.count(1):
        is_small = max(n for a, n in zip(axes, shape, strict=True) if a in "YX") <= _SMALL
        if is_small if n_levels is None else level >= n_levels:
            return
        shape = tuple(-(-n // 2) if a in "YX" else n for a, n in zip(axes, shape, strict=True))
        yield shape


def _halve(
    source: ZarrArray, level: ZarrArray, chunks: Iterable[Chunk], axes: str, labels: bool
) -> Iterator[None]:
    """Fill chunks of a level from the level before; yield after each chunk."""
    factors = [2 if a in "YX" else 1 for a in axes]
    for chunk in chunks:
        place = window_of(level, chunk)
        window = [slice(f * s.start, f * s.stop) for f, s in zip(factors, place, strict=True)]
        block = np.asarray(source[tuple(window)])
        every_second = tuple(slice(None, None, f) for f in factors)
        level[place] = block[every_second] if labels else _mean(block, axes)
        yield


def _mean(block: Pixels, axes: str) -> Pixels:
    """Return the means of two by two pixels; at the end of an odd side, of fewer."""
    rows = _sums(block, axes.index("Y"), np.result_type(block.dtype, np.float32))
    mean = _sums(rows, axes.index("X"), rows.dtype) / 4
    return (mean if block.dtype.kind == "f" else np.rint(mean)).astype(block.dtype)


def _sums(block: Pixels, axis: int, dtype: npt.DTypeLike) -> Pixels:
    """Add each two neighbours along an axis. A single pixel at the end counts twice."""
    block = np.moveaxis(block, axis, 0)
    if len(block) % 2:
        block = np.concatenate([block, block[-1:]])
    sums: Pixels = np.add(block[::2], block[1::2], dtype=dtype)
    return np.moveaxis(sums, 0, axis)


def _smaller(full: Dataset, level: int, axes: str, labels: bool) -> Dataset:
    """Return the metadata of a smaller level: size of its pixels, and position of the first one.

    A mean lies at the middle of the pixels that it was made from, so its position is shifted. A
    label is that of the first of these pixels, so its position stays.
    """
    transforms = {t["type"]: t[t["type"]] for t in full["coordinateTransformations"]}
    scale = transforms["scale"]
    shifts = transforms.get("translation", [0.0] * len(axes))
    factors = [2**level if a in "YX" else 1 for a in axes]
    if not labels:
        shifts = [t + s * (f - 1) / 2 for t, s, f in zip(shifts, scale, factors, strict=True)]
    return _dataset(level, [s * f for s, f in zip(scale, factors, strict=True)], shifts)

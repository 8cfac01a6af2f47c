"""What the network says, kept beside the labels: ``(channels, *label shape)``, float16."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...arrays import as_dask
from ...image import AXES, Image
from ...io import (
    create_zarr,
    is_zarr_name,
    read_image,
    replacing_folder,
    resolve_links,
    tidy,
    write_tiff,
)
from ...io.origin import sign
from ...targets import Head
from ..source import Source

MAPS = ("probability", "distance")


def map_path(out: Path, name: str) -> Path:
    """Where a map goes: beside the labels, and of their kind."""
    suffix = ".zarr" if is_zarr_name(out) else ".tif"
    return out.with_name(f"{out.stem}.{name}{suffix}")


def write_map(path: Path, array: Any, source: Source, made_by: str) -> None:
    """Write a map piece by piece. A TIFF holds it as float32, as its readers know no float16."""
    image = source.image
    axes = image.label_axes()
    if not is_zarr_name(path):
        write_tiff(path, array, "C" + axes, image.scale, image.units, software=made_by)
        return
    import dask.array as da

    order = _order(axes)
    lazy = da.moveaxis(as_dask(array), 0, order.index("C"))
    write_zarr(path, image.selected(data=lazy, axes=order, translate=source.translate))
    sign(path, made_by)


def write_zarr(path: Path, image: Image, overwrite: bool = True) -> None:
    """Write an image piece by piece; it appears when it is whole."""
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


def head_of(name: str, source: Source) -> Head:
    """The head that a map is of."""
    heads = source.model.coder.heads
    return heads[0] if name == "probability" else next(h for h in heads if h.name == name)


def read_maps(out: Path, names: Sequence[str], source: Source) -> dict[str, Any]:
    """The maps beside the labels of a source, ``(channels, *label shape)``, lazily."""
    return {
        name: _read(map_path(out, name), head_of(name, source).channels, source) for name in names
    }


def _read(path: Path, n_channels: int, source: Source) -> Any:
    """A map; a TIFF lacks axes of length 1: they are put back."""
    import dask.array as da

    axes = source.image.label_axes()
    lengths = dict(zip("C" + axes, (n_channels, *source.label_shape), strict=True))
    order = _order(axes)
    array = as_dask(read_image(path).data)
    return da.moveaxis(array.reshape([lengths[a] for a in order]), order.index("C"), 0)


def _order(axes: str) -> str:
    """Axes of a file that has channels as well."""
    return "".join(a for a in AXES if a in axes + "C")

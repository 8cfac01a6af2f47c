"""Write labels into the OME-Zarr image that they belong to, as its ``labels/NAME``."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..image import Image
from .files import LABELS, SUFFIXES, is_in_image, is_zarr
from .ngff_reader import image_groups, open_levels
from .read import read_image

_NAME = re.compile(r"[^\W_][\w.-]*")
"""Names that every program and disk takes."""


def labels_path(image: str | Path, name: str, series: int = 0) -> Path:
    """Return where labels of an image lie in its own OME-Zarr.

    Parameters
    ----------
    image
        An OME-Zarr image: its folder, or a level in it.
    name
        Name of the labels there.
    series
        As for `read_image`.

    Raises
    ------
    InputError
        If the image is no OME-Zarr, or labels cannot have this name.
    """
    if not _NAME.fullmatch(name) or name.lower().endswith(SUFFIXES):
        raise InputError(
            f"Labels in an image cannot be named '{name}': use letters, digits, '-', '_' and '.', "
            "a letter or digit first, and no suffix of a file."
        )
    group = image_group(image, series)
    if group is None:
        raise InputError(
            f"{image} is no OME-Zarr image, so labels cannot be written into it: write them to a "
            "file or folder of their own."
        )
    return group / LABELS / name


def image_group(path: str | Path, series: int | None = None) -> Path | None:
    """Return the group of an OME-Zarr image, which also holds its labels; None if it is none.

    Parameters
    ----------
    series
        As for `read_image`; None where there has to be one image alone.
    """
    path = Path(path).absolute()
    with suppress(Exception):  # whoever reads the image says what is wrong with it
        if is_zarr(path):
            groups = image_groups(path)
            return groups[series or 0] if series is not None or len(groups) == 1 else None
    return None


def check_labels(out: Path, image: Image, shape: tuple[int, ...]) -> None:
    """Check that labels of an image can be written into an OME-Zarr image.

    Parameters
    ----------
    out
        Their path, as of `labels_path`.
    image
        The image that they are made of.
    shape
        That of the labels.

    Raises
    ------
    InputError
        If the image is read-only, or the labels would have other axes or pixels than it.
    """
    group = out.parent.parent
    if not all(os.access(p, os.W_OK) for p in (group, out.parent) if p.exists()):
        raise InputError(
            f"{group} is read-only, so labels cannot be written into it: write them to another "
            "place."
        )
    try:
        host = read_image(group)
    except InputError as error:
        raise InputError(
            f"Labels cannot be written into {group.name}: {error} Write to another place."
        ) from None
    axes = host.axes.replace("C", "")
    if axes != image.label_axes():
        raise InputError(
            f"The axes were chosen as {image.axes}, where {group.name} has {host.axes}. Labels in "
            "it need its own axes: leave the axes as they are there, or write to another place."
        )
    if shape != tuple(host.length(axis) for axis in axes):
        raise InputError(
            f"The labels have {_sides(shape)} pixels, and {group.name} has "
            f"{_sides(host.label_shape())}. Labels in it are of all of its full resolution: choose "
            "the whole image, or write to another place."
        )


def options_of(out: Path) -> dict[str, Any]:
    """Return how labels in an image are created, as `create_zarr` takes it: like the image."""
    host = read_image(out.parent.parent)
    place = {"scale": host.scale, "units": host.units, "translate": host.translate}
    return {**place, "zarr_format": zarr_format(out), "is_label": True}


def levels_of(out: Path) -> int | None:
    """Return how many levels a zarr has to have: in an image those of the image; else None."""
    return len(open_levels(out.parent.parent)) if is_in_image(out) else None


def zarr_format(out: Path) -> int:
    """Return the format of a zarr that is to be written: 2 in an image of that format, else 3."""
    return 2 if is_in_image(out) and not (out.parent.parent / "zarr.json").is_file() else 3


def enter(out: Path) -> None:
    """Enter labels in the list of those that an image has, unless they are there.

    Metadata that are consolidated in the store, or above it, are brought up to date.
    """
    import zarr

    is_old = zarr_format(out) == 2
    options: Any = {"zarr_format": 2 if is_old else 3, "use_consolidated": False}
    group = zarr.open_group(out.parent, mode="a", **options)
    ome: Any = {} if is_old else group.attrs.get("ome", {"version": "0.5"})
    listed: Any = (group.attrs if is_old else ome).get(LABELS, [])
    if out.name in listed:
        return
    names = {LABELS: [*listed, out.name]}
    group.attrs.update(names if is_old else {"ome": ome | names})
    for folder in _consolidated_above(out):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the format does not know consolidated metadata
            zarr.consolidate_metadata(folder)


def _consolidated_above(path: Path) -> Iterator[Path]:
    """Yield the groups above a path that repeat the metadata of all that is in them."""
    import zarr

    for folder in path.parents:
        if not is_zarr(folder):
            return
        if zarr.open_group(folder, mode="r").metadata.consolidated_metadata is not None:
            yield folder


def _sides(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))

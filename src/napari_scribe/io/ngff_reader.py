"""Read zarr arrays and OME-NGFF groups, of version 0.1 to 0.5.

Metadata are read by hand. Libraries for the standard refuse an image for any value that breaks the
standard. Here only that value is left out, with a note.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..arrays import Array
from ..errors import InputError
from ..image import AXES, Image
from .files import is_zarr, stem
from .series import choose_series
from .units import size_of, unclear

if TYPE_CHECKING:
    import zarr

    from .chunks import ZarrArray

Multiscale = Mapping[str, Any]
"""Metadata of one image: its axes, and its levels with path and transforms."""


def read_zarr(path: Path, axes: str = "", level: int = 0, series: int = 0) -> Image:
    """Open a zarr array, or one level of an OME-NGFF group; pixels stay on disk.

    Raises
    ------
    InputError
        If there is no such array or image, or its axes are not of ``TCZYX``.
    """
    import zarr

    node = zarr.open(path, mode="r")
    if isinstance(node, zarr.Array):
        return _level_by_its_own_path(path, axes) or _bare(node, path)
    _check_no_plate(node, path)
    images = _images(node)
    if images:
        notes = choose_series(path, [_in_words(*image) for image in images], series)
        image = _level(*images[series], path, axes, level)
        return image.selected(notes=(*notes, *image.notes))
    arrays = sorted(name for name, _ in node.arrays())
    if len(arrays) != 1:
        inside = f"arrays {', '.join(arrays)}" if arrays else "no array"
        within = arrays or sorted(name for name, _ in node.groups())
        example = f" Give the path of what is in it, such as {path / within[0]}." if within else ""
        raise InputError(f"The zarr group {path} is no OME-NGFF image and has {inside}.{example}")
    return _bare(_array(node, arrays[0]), path)


def describe_zarr(path: Path) -> list[str]:
    """Return the name and shape of each image in a zarr."""
    import zarr

    node = zarr.open(path, mode="r")
    images = _images(node) if isinstance(node, zarr.Group) else []
    return [_in_words(*image) for image in images] or [stem(path)]


def open_levels(path: Path) -> list[Array]:
    """Open every level of a zarr image as a zarr array, the full resolution first; read only."""
    import zarr

    node = zarr.open(path, mode="r")
    images = _multiscales(node) if isinstance(node, zarr.Group) else []
    if not images or not isinstance(node, zarr.Group):
        return [read_zarr(path).data]
    return [_array(node, dataset["path"]) for dataset in images[0]["datasets"]]


# ---- groups --------------------------------------------------------------------------------------


def _ome(group: zarr.Group) -> dict[str, Any]:
    """Return the OME-NGFF metadata of a group, of version 0.5 or before."""
    attributes = dict(group.attrs)
    ome = attributes.get("ome", attributes)
    return dict(ome) if isinstance(ome, dict) else {}


def _multiscales(group: zarr.Group) -> list[Multiscale]:
    """Return the metadata of the images that a group itself holds."""
    return list(_ome(group).get("multiscales") or ())


def image_groups(path: Path) -> list[Path]:
    """Return the group of each image in a zarr; of a level of an image, that of the image."""
    import zarr

    node = zarr.open(path, mode="r")
    if isinstance(node, zarr.Array):
        path = path.parent
        node = zarr.open_group(path, mode="r")
    top = node.path
    return [path / group.path.removeprefix(top).strip("/") for group, _ in _images(node)]


def _images(node: zarr.Group) -> list[tuple[zarr.Group, Multiscale]]:
    """Return the images in a group or in the groups in it, each as its group and its metadata."""
    import zarr

    if multiscales := _multiscales(node):
        return [(node, multiscale) for multiscale in multiscales]
    images: list[tuple[zarr.Group, Multiscale]] = []
    for i in itertools.count():  # bioformats2raw: groups 0, 1 ... are images
        group = node.get(str(i))
        if not isinstance(group, zarr.Group):
            return images
        images += [(group, multiscale) for multiscale in _multiscales(group)]
    return images


def _array(group: zarr.Group, path: str) -> ZarrArray:
    """Return the array at a path in a group."""
    array: Any = group[path]  # a group, if the metadata are wrong: then its use raises
    opened: ZarrArray = array
    return opened


def _in_words(group: zarr.Group, multiscale: Multiscale) -> str:
    """Return the name and shape of one of several images."""
    shape = " x ".join(map(str, _array(group, multiscale["datasets"][0]["path"]).shape))
    name = str(multiscale.get("name") or group.basename)
    return f"{name} ({shape})" if name else shape


def _check_no_plate(group: zarr.Group, path: Path) -> None:
    """Check that a group is no plate and no well of a high-content screen.

    Raises
    ------
    InputError
        If it is. The message names a field of view that exists.
    """
    ome = _ome(group)
    if "plate" in ome:
        what, wells = "a plate", _paths(ome["plate"], "wells")
    elif "well" in ome:
        what, wells = "a well of a plate", [""]
    else:
        return
    field = next((f for well in wells for f in _fields(group, well)), "")
    if not field:
        raise InputError(f"{path} is {what}, and none of the images that it names is there.")
    raise InputError(f"{path} is {what}, not one image: give one of its, such as {path / field}.")


def _fields(group: zarr.Group, well: str) -> Iterator[str]:
    """Yield the paths of the fields of a well that are in a group."""
    node: Any = group.get(well) if well else group
    if node is None:
        return
    for field in _paths(_ome(node).get("well"), "images"):
        if node.get(field) is not None:
            yield f"{well}/{field}".strip("/")


def _paths(holder: object, key: str) -> list[str]:
    """Return the paths of the entries that metadata list under a key."""
    entries = holder.get(key) if isinstance(holder, dict) else None
    listed = entries if isinstance(entries, list) else []
    return [str(e["path"]) for e in listed if isinstance(e, dict) and e.get("path")]


# ---- arrays --------------------------------------------------------------------------------------


def _bare(array: ZarrArray, path: Path) -> Image:
    """Return an array without OME-NGFF metadata as an image."""
    names = [str(n).upper() for n in getattr(array.metadata, "dimension_names", None) or ()]
    return Image(array, "".join(names) if _are_axes(names) else "", name=stem(path))


def _are_axes(names: Sequence[str]) -> bool:
    """Return whether names are letters of axes, each once, with Y and X."""
    return {"Y", "X"} <= set(names) <= set(AXES) and len(set(names)) == len(names)


def _level_by_its_own_path(path: Path, axes: str) -> Image | None:
    """Read an array with the metadata of the OME-NGFF group around it; None if there is none."""
    import zarr

    if not is_zarr(path.absolute().parent):
        return None
    group = zarr.open_group(path.absolute().parent, mode="r")
    for multiscale in _multiscales(group):
        paths = [d["path"] for d in multiscale["datasets"]]
        if path.name in paths:
            return _level(group, multiscale, path, axes, paths.index(path.name))
    return None


def _level(group: zarr.Group, multiscale: Multiscale, path: Path, axes: str, level: int) -> Image:
    """Return one level of an image."""
    datasets = multiscale["datasets"]
    if not 0 <= level < len(datasets):
        raise InputError(f"{path} has levels 0 to {len(datasets) - 1}, not {level}.")
    array = _array(group, datasets[level]["path"])
    entries = _axis_entries(multiscale, array.ndim)
    letters = [str(entry.get("name")).upper() for entry in entries]
    is_named = _are_axes(letters) and len(letters) == array.ndim
    if not axes and not is_named:
        raise InputError(
            f"{path} has axes {', '.join(letters).lower()}. Say which of {AXES} they are, one "
            "letter each.",
            axes=None,
        )
    transforms = [
        transform
        for holder in (datasets[level], multiscale)
        for transform in _listed(holder.get("coordinateTransformations"))
    ]
    scale, translate, notes = _combined(transforms, len(letters))
    spaced = [i for i, a in enumerate(letters) if a in "TZYX"]
    return Image(
        array,
        "".join(letters) if is_named else axes,
        scale={letters[i]: scale[i] for i in spaced},
        translate={letters[i]: translate[i] for i in spaced},
        units={letters[i]: unit for i in spaced if isinstance(unit := entries[i].get("unit"), str)},
        channel_names=_channel_names(_ome(group).get("omero")),
        name=stem(path),
        notes=notes,
    )


def _channel_names(omero: object) -> tuple[str, ...]:
    """Return the names of channels; empty if any channel has no name."""
    channels = omero.get("channels") if isinstance(omero, dict) else None
    described = channels if isinstance(channels, list) else []
    names = [c.get("label") if isinstance(c, dict) else None for c in described]
    return tuple(map(str, names)) if all(names) else ()


def _axis_entries(multiscale: Multiscale, n_axes: int) -> list[dict[str, Any]]:
    """Return an entry per axis, as versions 0.4 and 0.5 have them.

    Older groups have a list of letters. The oldest have no list, and always five axes.
    """
    axes = multiscale.get("axes") or (AXES.lower() if n_axes == len(AXES) else "")
    return [a if isinstance(a, dict) else {"name": a} for a in axes]


# ---- coordinate transformations ------------------------------------------------------------------


def _listed(transforms: object) -> list[object]:
    """Return transforms as a list. A value that is no list becomes its only entry."""
    if isinstance(transforms, list):
        return transforms
    return [] if transforms is None else [transforms]


def _combined(
    transforms: Sequence[object], n_axes: int
) -> tuple[list[float], list[float], tuple[str, ...]]:
    """Return the scale and translation per axis of all transforms, in order.

    Values that make no sense are left out, with a note.
    """
    ones, zeros = [1.0] * n_axes, [0.0] * n_axes
    scale, translate, notes = ones, zeros, list[str]()
    for transform in transforms:
        if not isinstance(transform, dict):
            notes.append(unclear("coordinate transformation", transform))
            continue
        factors = _numbers(transform.get("scale", ones), n_axes, lambda v: size_of(v) or math.nan)
        shifts = _numbers(transform.get("translation", zeros), n_axes, float)
        for key, numbers in (("scale", factors), ("translation", shifts)):
            if any(map(math.isnan, numbers)):
                notes.append(unclear(key, transform[key]))
        factors = [1.0 if math.isnan(f) else f for f in factors]
        shifts = zeros if any(map(math.isnan, shifts)) else shifts
        scale = [a * f for a, f in zip(scale, factors, strict=True)]
        translate = [a * f + s for a, f, s in zip(translate, factors, shifts, strict=True)]
    return scale, translate, tuple(dict.fromkeys(notes))


def _numbers(values: object, n_axes: int, read: Callable[[Any], float]) -> list[float]:
    """Return a number per axis; NaN for a value that makes no sense."""
    numbers = []
    for value in values if isinstance(values, list) and len(values) == n_axes else [None] * n_axes:
        try:
            number = read(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        numbers.append(number if math.isfinite(number) else math.nan)
    return numbers

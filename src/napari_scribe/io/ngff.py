"""zarr arrays and OME-NGFF groups."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..image import AXES, Image
from .files import is_zarr, stem
from .ngff_place import listed, placed
from .plate import check_no_plate, ome_of
from .replace import replacing_folder
from .several import chosen

_TYPES = {"T": "time", "C": "channel"}


def read_zarr(path: Path, axes: str = "", level: int = 0, series: int = 0) -> Image:
    """Open a zarr array, or one level of an OME-NGFF group (0.1 to 0.5); pixels stay on disk.

    Raises
    ------
    InputError
        If there is no such array or image, or its axes are none of ``TCZYX``.
    """
    import zarr

    node = zarr.open(path, mode="r")
    if isinstance(node, zarr.Array):
        return _level_by_its_own_path(path, axes) or _bare(node, path)
    check_no_plate(node, path)
    groups = _images(node)
    if groups:
        notes = chosen(path, [_in_words(*image) for image in groups], series)
        image = _level(*groups[series], path, axes, level)
        return image.selected(notes=(*notes, *image.notes))
    arrays = sorted(name for name, _ in node.arrays())
    if len(arrays) != 1:
        inside = f"arrays {', '.join(arrays)}" if arrays else "no array"
        within = arrays or sorted(name for name, _ in node.groups())
        example = f" Give the path of what is in it, such as {path / within[0]}." if within else ""
        raise InputError(f"The zarr group {path} is no OME-NGFF image and has {inside}.{example}")
    return _bare(node[arrays[0]], path)


def describe_zarr(path: Path) -> list[str]:
    """Return the name and shape of each image in a zarr."""
    import zarr

    node = zarr.open(path, mode="r")
    images = _images(node) if isinstance(node, zarr.Group) else []
    return [_in_words(*image) for image in images] or [stem(path)]


def _images(node: Any) -> list[tuple[Any, Any]]:
    """The images in a group, each as a group and what its metadata say; one level down, too."""
    if here := multiscales(node):
        return [(node, multiscale) for multiscale in here]
    groups = map(node.get, map(str, itertools.count()))  # bioformats2raw: 0, 1 ... are images
    there = itertools.takewhile(lambda group: hasattr(group, "groups"), groups)
    return [(group, multiscale) for group in there for multiscale in multiscales(group)]


def _in_words(group: Any, multiscale: Any) -> str:
    """Name and shape of one of several images."""
    shape = " x ".join(map(str, group[multiscale["datasets"][0]["path"]].shape))
    name = str(multiscale.get("name") or group.basename)
    return f"{name} ({shape})" if name else shape


def multiscales(group: Any) -> list[Any]:
    """What OME-NGFF metadata say of the images of a zarr group; nothing where there are none."""
    return list(ome_of(group).get("multiscales") or ())


def _bare(array: Any, path: Path) -> Image:
    names = [str(n).upper() for n in getattr(array.metadata, "dimension_names", None) or ()]
    return Image(array, "".join(names) if _are_axes(names) else "", name=stem(path))


def _are_axes(names: Sequence[str]) -> bool:
    """Whether names are letters of axes, each once, with Y and X."""
    return {"Y", "X"} <= set(names) <= set(AXES) and len(set(names)) == len(names)


def _level_by_its_own_path(path: Path, axes: str) -> Image | None:
    """Read an array that lies in an OME-NGFF group with the meaning that the group gives it."""
    import zarr

    if not is_zarr(path.absolute().parent):
        return None
    group = zarr.open(path.absolute().parent, mode="r")
    for multiscale in multiscales(group):
        paths = [d["path"] for d in multiscale["datasets"]]
        if path.name in paths:
            return _level(group, multiscale, path, axes, paths.index(path.name))
    return None


def _level(group: Any, multiscale: Any, path: Path, axes: str, level: int) -> Image:
    datasets = multiscale["datasets"]
    if not 0 <= level < len(datasets):
        raise InputError(f"{path} has levels 0 to {len(datasets) - 1}, not {level}.")
    array = group[datasets[level]["path"]]
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
        for transform in listed(holder.get("coordinateTransformations"))
    ]
    place = placed(transforms, len(letters))
    spaced = [i for i, a in enumerate(letters) if a in "TZYX"]
    return Image(
        array,
        "".join(letters) if is_named else axes,
        scale={letters[i]: place.scale[i] for i in spaced},
        translate={letters[i]: place.translate[i] for i in spaced},
        units={letters[i]: unit for i in spaced if (unit := _unit(entries[i]))},
        channel_names=_channel_names(ome_of(group).get("omero")),
        name=stem(path),
        notes=place.notes,
    )


def _unit(entry: Mapping[str, Any]) -> str:
    unit = entry.get("unit")
    return unit if isinstance(unit, str) else ""


def _channel_names(omero: Any) -> tuple[str, ...]:
    """Names that a group gives to its channels; none where one has none."""
    channels = omero.get("channels") if isinstance(omero, dict) else None
    described = channels if isinstance(channels, list) else []
    names = [c.get("label") if isinstance(c, dict) else None for c in described]
    return tuple(map(str, names)) if all(names) else ()


def _axis_entries(multiscale: Any, n_axes: int) -> list[dict[str, Any]]:
    """Axes as 0.4 and 0.5 describe them; older groups have letters only, or always all five."""
    axes = multiscale.get("axes") or (AXES.lower() if n_axes == len(AXES) else "")
    return [a if isinstance(a, dict) else {"name": a} for a in axes]


def create_zarr(
    path: str | Path,
    shape: Sequence[int],
    dtype: Any,
    axes: str,
    scale: Mapping[str, float] | None = None,
    units: Mapping[str, str] | None = None,
    chunks: Sequence[int] | None = None,
    *,
    translate: Mapping[str, float] | None = None,
    overwrite: bool = False,
) -> Any:
    """Create an OME-NGFF 0.5 image (zarr 3) to write into, all or nothing.

    Parameters
    ----------
    path
        Folder to create; the full resolution is its array ``0``.
    shape, axes
        Length and letter of each axis, in the order ``TCZYX``.
    dtype
        Type of the pixels. Chunks that nothing is written to read as 0 and take no room.
    scale, units, translate
        Per axis letter, as in `Image`.
    chunks
        Shape of a chunk, in pixels, cut to that of the image: by default planes of 512 x 512.
    overwrite
        Whether to replace what is at `path`. It is there until the new image is made.

    Returns
    -------
    array
        The zarr array ``0``.

    Raises
    ------
    InputError
        If something is there already, or the axes are not in order.
    OSError
        If it cannot be written.
    """
    import zarr

    path, axes = Path(path), axes.upper()
    in_order = "".join(a for a in AXES if a in axes)
    if axes != in_order or len(axes) != len(shape) or not set("YX") <= set(axes):
        raise InputError(
            f"A zarr of shape {tuple(shape)} needs as many axes, in the order {AXES}; not '{axes}'."
        )
    if path.exists() and not overwrite:
        raise InputError(
            f"{path} exists already. Choose another name, or allow replacing it.", overwrite=True
        )
    if chunks is None:
        chunks = [512 if a in "YX" else 1 for a in axes]
    with replacing_folder(path, overwrite) as partial:
        group = zarr.open_group(partial, mode="w", zarr_format=3)
        group.create_array(
            "0",
            shape=tuple(shape),
            dtype=dtype,
            chunks=tuple(map(min, chunks, shape)),
            fill_value=0,
            dimension_names=list(axes.lower()),
        )
        group.attrs["ome"] = _metadata(path, axes, scale or {}, translate or {}, units or {})
    return zarr.open_array(path / "0", mode="r+")


def _metadata(
    path: Path,
    axes: str,
    scale: Mapping[str, float],
    translate: Mapping[str, float],
    units: Mapping[str, str],
) -> dict[str, Any]:
    """What NGFF 0.5 wants to be told of an image with one level; JSON knows no NaN or infinity."""
    entries = []
    for letter in axes:
        entry = {"name": letter.lower(), "type": _TYPES.get(letter, "space")}
        entries.append(entry | ({"unit": units[letter]} if units.get(letter) else {}))
    sizes = [size if math.isfinite(size := float(scale.get(a, 1))) else 1.0 for a in axes]
    shifts = [at if math.isfinite(at := float(translate.get(a, 0))) else 0.0 for a in axes]
    transforms = [{"type": "scale", "scale": sizes}]
    if any(shifts):
        transforms.append({"type": "translation", "translation": shifts})
    level = {"path": "0", "coordinateTransformations": transforms}
    multiscale = {"name": stem(path), "axes": entries, "datasets": [level]}
    return {"version": "0.5", "multiscales": [multiscale]}

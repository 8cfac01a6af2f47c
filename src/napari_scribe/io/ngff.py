"""zarr arrays and OME-NGFF groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..image import AXES, Image
from .files import is_zarr, stem
from .replace import replacing_folder

_TYPES = {"T": "time", "C": "channel"}


def read_zarr(path: Path, axes: str = "", level: int = 0) -> Image:
    """Open a zarr array, or one level of an OME-NGFF group (0.1 to 0.5); pixels stay on disk.

    Raises
    ------
    InputError
        If there is no such array, or its axes are none of ``TCZYX``.
    """
    import zarr

    node = zarr.open(path, mode="r")
    if isinstance(node, zarr.Array):
        return _level_by_its_own_path(path, axes) or _bare(node, path, axes)
    found = multiscales(node)
    if found:
        return _level(node, found[0], path, axes, level)
    if isinstance(node.get("0"), zarr.Group):  # bioformats2raw: one group an image
        return read_zarr(path / "0", axes, level)
    arrays = sorted(name for name, _ in node.arrays())
    if len(arrays) != 1:
        inside = f"arrays {', '.join(arrays)}" if arrays else "no array"
        raise InputError(
            f"The zarr group {path} is no OME-NGFF image and has {inside}. Give the path of one "
            f"array, such as {path / (arrays or ['0'])[0]}."
        )
    return _bare(node[arrays[0]], path, axes)


def multiscales(group: Any) -> list[Any]:
    """What OME-NGFF metadata say of the images of a zarr group; nothing where there are none."""
    return list(_ome(group).get("multiscales") or ())


def _ome(group: Any) -> dict[str, Any]:
    attributes = dict(group.attrs)
    return dict(attributes.get("ome", attributes))


def _bare(array: Any, path: Path, axes: str) -> Image:
    names = [str(n).upper() for n in getattr(array.metadata, "dimension_names", None) or ()]
    known = "".join(names) if set(names) <= set(AXES) else ""
    return Image(array, axes or known, name=stem(path))


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
    letters = [str(entry["name"]).upper() for entry in entries]
    if not axes and not set(letters) <= set(AXES):
        raise InputError(
            f"{path} has axes {', '.join(letters).lower()}. Say which of {AXES} they are, one "
            "letter each, with --axes."
        )
    transforms = [
        transform
        for holder in (datasets[level], multiscale)
        for transform in holder.get("coordinateTransformations") or ()
    ]
    scale, translate = _place(transforms, len(letters))
    chosen = axes.upper() or "".join(letters)
    spaced = [i for i, a in enumerate(letters) if a in "TZYX" and (not chosen or a in chosen)]
    channels = (_ome(group).get("omero") or {}).get("channels") or ()
    names = tuple(str(c.get("label") or "") for c in channels)
    return Image(
        array,
        chosen,
        scale={letters[i]: scale[i] for i in spaced},
        translate={letters[i]: translate[i] for i in spaced},
        units={letters[i]: str(entries[i]["unit"]) for i in spaced if entries[i].get("unit")},
        channel_names=names if all(names) else (),
        name=stem(path),
    )


def _axis_entries(multiscale: Any, n_axes: int) -> list[dict[str, Any]]:
    """Axes as 0.4 and 0.5 describe them; older groups have letters only, or always all five."""
    axes = multiscale.get("axes") or (AXES.lower() if n_axes == len(AXES) else "")
    return [a if isinstance(a, dict) else {"name": a} for a in axes]


def _place(transforms: Sequence[Any], n_axes: int) -> tuple[list[float], list[float]]:
    """Scale and translation that transforms come to, one after the other."""
    scale, translate = [1.0] * n_axes, [0.0] * n_axes
    for transform in transforms:
        factors = transform.get("scale") or [1.0] * n_axes
        shifts = transform.get("translation") or [0.0] * n_axes
        scale = [a * float(f) for a, f in zip(scale, factors, strict=True)]
        translate = [a * float(f) + s for a, f, s in zip(translate, factors, shifts, strict=True)]
    return scale, translate


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
        raise InputError(f"{path} exists already. Choose another name, or say --overwrite.")
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
    """What NGFF 0.5 wants to be told of an image with one level."""
    entries = []
    for letter in axes:
        entry = {"name": letter.lower(), "type": _TYPES.get(letter, "space")}
        entries.append(entry | ({"unit": units[letter]} if units.get(letter) else {}))
    transforms = [{"type": "scale", "scale": [float(scale.get(a, 1)) for a in axes]}]
    if any(translate.get(a) for a in axes):
        shifts = [float(translate.get(a, 0)) for a in axes]
        transforms.append({"type": "translation", "translation": shifts})
    level = {"path": "0", "coordinateTransformations": transforms}
    multiscale = {"name": stem(path), "axes": entries, "datasets": [level]}
    return {"version": "0.5", "multiscales": [multiscale]}

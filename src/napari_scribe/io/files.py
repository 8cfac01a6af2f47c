"""Find images in folders, and the labels that belong to them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import InputError
from ..recipe import MAPS

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".npy", ".zarr")
"""Suffixes that `read_image` reads; any folder that holds a zarr works too."""
_ZARR_FILES = "zarr.json", ".zarray", ".zgroup"
"""Names of files that only a folder of a zarr has."""
LABELS = "labels"
"""Folder in an OME-Zarr image that holds the labels of the image, each under a name."""
_OF_LABELS = (
    "_cp_masks", "_cp_output", "_flows", "_labels", "_label", "_masks", "_mask", "_paint", "_truth",
    "_seg", "_gt", "_probabilities",
)  # fmt: skip
"""Endings of the names of labels and maps, which other programs write, too."""
_OF_MAPS = tuple(f".{name}" for name in (*MAPS, "removed"))
"""Endings of the names of maps that lie beside a result."""
_ENDINGS = (*_OF_LABELS, *_OF_MAPS, "_image", "_img")


def check_file(path: str | Path) -> None:
    """Check that there is a file or folder to read.

    Raises
    ------
    InputError
        If there is none, or it is a web address, a pipe or a device: reading these may never end.
    """
    place = Path(path)
    try:
        if place.is_file() or place.is_dir():
            return
        if place.exists():
            raise InputError(f"{path} is a pipe or a device, not a file. Save it as a file first.")
    except OSError as error:  # a folder that may not be entered, a name that is too long
        raise InputError(f"{path} cannot be read: {error.strerror}. Check the path.") from None
    check_no_address(path)
    raise InputError(f"{path} does not exist. Check the path.")


def check_no_address(path: str | Path) -> None:
    """Check that a path is no web address.

    `Path` makes one slash of the two in an address, so one is enough here.

    Raises
    ------
    InputError
        If it is a web address.
    """
    if os.path.exists(path):
        return
    if address := re.match(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.*)", str(path)):
        host = "/" if address[1].lower() == "file" else ""
        typed = path if isinstance(path, str) else f"{address[1]}://{host}{address[2]}"
        raise InputError(f"{typed} is a web address: download it, and give the path of the file.")


def is_tiff(path: Path) -> bool:
    """Return whether a path has the suffix of a TIFF."""
    return path.suffix.lower() in (".tif", ".tiff")


def is_zarr(path: Path) -> bool:
    """Return whether a path is a folder with a zarr array or group in it."""
    return any((path / name).is_file() for name in _ZARR_FILES)


def is_in_image(path: Path) -> bool:
    """Return whether a path is that of labels in a zarr with an image."""
    return path.parent.name == LABELS and is_zarr(path.parent.parent)


def stem(path: str | Path) -> str:
    """Return the name of a file without folder and suffix: ``a/b.ome.tif`` is ``b``."""
    name = Path(path).name
    for suffix in SUFFIXES:
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
            break
    return name[:-4] if name.lower().endswith(".ome") else name


def list_images(path: str | Path, labels: bool = False) -> list[Path]:
    """Return the images that a path stands for.

    Parameters
    ----------
    path
        An image (file or zarr), or a folder of images. For a folder, the images directly in it with
        one of `SUFFIXES` are returned, sorted by name. Hidden files, and maps that lie beside
        labels, are left out. If several files hold one image, the first is returned.
    labels
        Whether the images are labels. If not, labels that lie beside their images are left out, as
        are maps: see `beside_images`.

    Raises
    ------
    InputError
        If the path does not exist, or the folder has no image.
    """
    check_file(path)
    path = Path(path)
    if not path.is_dir() or is_zarr(path):
        return [path]
    images = _in_folder(path)
    if not images:
        raise InputError(f"The folder {path} has no image in it ({', '.join(SUFFIXES)}).")
    left_out = [] if labels else _labels_among(images)
    return _first_files([p for p in images if p not in left_out])


def beside_images(path: str | Path) -> list[Path]:
    """Return the labels and maps that `list_images` leaves out: they are named like an image."""
    path = Path(path)
    return [] if not path.is_dir() or is_zarr(path) else _labels_among(_in_folder(path))


def _is_image(path: Path) -> bool:
    """Return whether a path in a folder is an image, and no map of a result."""
    return not path.stem.endswith(_OF_MAPS) and _is_readable(path)


def _is_readable(path: Path) -> bool:
    """Return whether a path in a folder is of a kind that can be read, and not hidden."""
    if path.name.startswith("."):
        return False
    if path.is_dir():
        return is_zarr(path)
    return path.suffix.lower() in SUFFIXES and path.is_file()


def list_maps(path: str | Path, name: str) -> list[Path]:
    """Return the maps that a path stands for.

    Parameters
    ----------
    path
        A map, or a folder. Of a folder, the maps of this name that lie beside results are returned,
        sorted; without any, all its images.
    name
        Name of the maps, such as ``probability`` for files like ``a.probability.tif``.

    Raises
    ------
    InputError
        As for `list_images`.
    """
    check_file(path)
    folder = Path(path)
    if not folder.is_dir() or is_zarr(folder):
        return [folder]
    maps = [p for p in _in_folder(folder, _is_readable) if p.stem.endswith(f".{name}")]
    return maps or list_images(folder, labels=True)


def _in_folder(folder: Path, is_listed: Callable[[Path], bool] = _is_image) -> list[Path]:
    """Return the images in a folder, sorted by name."""
    try:
        return sorted(p for p in folder.iterdir() if is_listed(p))
    except OSError as error:
        reason = error.strerror
        raise InputError(f"The folder {folder} cannot be read: {reason}. Check it.") from None


def _labels_among(paths: Sequence[Path]) -> list[Path]:
    """Return the paths whose names are that of another path and an ending for labels or maps.

    Beside an ``image``, the ending alone is such a name, as ``mask``.
    """
    images = {_core(p) for p in paths if not _ending(p, _OF_LABELS)}
    alone = _OF_LABELS if images & {"image", "img"} else ()
    return [
        p
        for p in paths
        if (_ending(p, _OF_LABELS) and _core(p) in images) or f"_{stem(p).lower()}" in alone
    ]


def _first_files(paths: list[Path]) -> list[Path]:
    """Return the first file of each image. An image may be split into several files."""
    if sum(map(is_tiff, paths)) < 2:
        return paths
    from .tiff_ome import partners_of

    first_files: list[Path] = []
    other_names: set[str] = set()
    for path in paths:
        if path.name not in other_names:
            first_files.append(path)
            other_names |= partners_of(path) if is_tiff(path) else set()
    return first_files


def result_names(images: Sequence[Path]) -> list[str]:
    """Return the name of a result for each image: the name of the image, as a TIFF.

    Bytes of a name that are no UTF-8 become underscores.

    Raises
    ------
    InputError
        If two results would have the same name.
    """
    names = [re.sub("[\udc80-\udcff]", "_", f"{stem(path)}.tif") for path in images]
    if repeated := next((name for name in names if names.count(name) > 1), ""):
        raise InputError(
            f"More than one image would become {repeated}: rename one, or use other folders."
        )
    return names


def match_labels(
    images: Sequence[str | Path], labels: Sequence[str | Path] | str | Path
) -> list[Path]:
    """Find the labels of each image.

    Parameters
    ----------
    images
        Paths of images.
    labels
        One path per image, in the same order. Or a folder (or folders), where a file belongs to the
        image of the same name. The suffix does not count, nor does an ending such as ``_mask`` or
        ``_labels``.

    Returns
    -------
    paths
        One per image, in the order of `images`.

    Raises
    ------
    InputError
        If labels are missing, fit more than one image, or are the image itself. Other files in a
        folder are no error: see `unmatched_labels`.
    """
    paths, listed = [Path(p) for p in images], _as_list(labels)
    for path in listed:
        check_no_address(path)
        if not os.path.exists(path):
            raise InputError(f"The labels {path} do not exist. Check the path.")
        check_file(path)
    label_paths = [Path(p) for p in listed]
    folders = _folders(label_paths)
    if folders and len(folders) == len(label_paths):
        candidates = [p for folder in folders for p in list_images(folder, labels=True)]
        return _apart(paths, _match_by_name(paths, candidates))
    if folders:
        raise InputError(
            f"{folders[0]} is a folder, other labels are files. Give one file an image, or folders "
            "only (matched by file name)."
        )
    if len(label_paths) != len(paths):
        raise InputError(
            f"There are {len(paths)} images, and labels for {len(label_paths)}. Give one file of "
            "labels an image, in the same order, or a folder with labels of the same names."
        )
    return _apart(paths, label_paths)


def unmatched_labels(
    labels: Sequence[str | Path] | str | Path, matched: Sequence[Path]
) -> list[Path]:
    """Return the files in folders of labels that were not `matched` to images."""
    folders = _folders([Path(p) for p in _as_list(labels)])
    return [p for f in folders for p in list_images(f, labels=True) if p not in matched]


def _as_list(labels: Sequence[str | Path] | str | Path) -> Sequence[str | Path]:
    """Return one path, or several, as several."""
    return [labels] if isinstance(labels, str | Path) else labels


def _folders(paths: Sequence[Path]) -> list[Path]:
    """Return the paths that are folders of images."""
    return [p for p in paths if p.is_dir() and not is_zarr(p)]


def _apart(images: list[Path], labels: list[Path]) -> list[Path]:
    """Return the labels, after a check that no image is its own labels."""
    for image, path in zip(images, labels, strict=True):
        if path.resolve() == image.resolve():
            raise InputError(
                f"{path} would be its own labels: give other files, or keep labels in another "
                "folder than images."
            )
    return labels


def _match_by_name(images: list[Path], labels: list[Path]) -> list[Path]:
    """Match by stem; if an image has no labels by its stem, by the stem without endings.

    An image is matched to itself only if nothing else fits, so that the error can say so.
    """
    by_stem, by_core = _grouped(labels, stem), _grouped(labels, _core)
    matches = [
        _others(by_stem.get(stem(p), []), p)
        or _others(by_core.get(_core(p), []), p)
        or by_stem.get(stem(p), [])
        for p in images
    ]
    missing = [p.name for p, labels_of in zip(images, matches, strict=True) if not labels_of]
    if missing:
        raise InputError(
            f"No labels for {first_few(missing)} in {labels[0].parent}. Labels need the name of "
            "their image, with any suffix; images without labels are to be left out."
        )
    for path, labels_of in zip(images, matches, strict=True):
        if len(labels_of) > 1:
            both = first_few([p.name for p in labels_of])
            raise InputError(f"{path.name} could have labels {both}: give files, in order.")
        if sum(labels_of[0] in match for match in matches) > 1:
            raise InputError(
                f"{labels_of[0]} would belong to more than one image, such as {path}: give files, "
                "in order."
            )
    return [labels_of[0] for labels_of in matches]


def _others(labels: list[Path], image: Path) -> list[Path]:
    """Return the labels other than the image itself, which may lie in the same folder."""
    return [p for p in labels if p.resolve() != image.resolve()]


def _grouped(paths: list[Path], key: Callable[[Path], str]) -> dict[str, list[Path]]:
    """Return key -> paths with that key."""
    groups: dict[str, list[Path]] = {}
    for path in paths:
        groups.setdefault(key(path), []).append(path)
    return groups


def _core(path: Path) -> str:
    """Return the stem without an ending such as ``_mask`` or ``_img``."""
    name = stem(path)
    return name[: len(name) - len(_ending(path, _ENDINGS))] or name


def _ending(path: Path, endings: Sequence[str]) -> str:
    """Return the first of `endings` that the stem ends with; empty if there is none."""
    name = stem(path).lower()
    return next((e for e in endings if name.endswith(e)), "")


def first_few(names: Sequence[str], n: int = 5) -> str:
    """Return the first few of some names, and the number of others, in words."""
    more = f" and {len(names) - n} more" if len(names) > n else ""
    return ", ".join(names[:n]) + more

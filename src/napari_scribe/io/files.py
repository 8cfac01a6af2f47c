"""Paths: which files are images, and which labels belong to which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import InputError

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".npy", ".zarr")
"""What `read_image` reads, by the end of the name; any folder that holds a zarr works too."""
_ZARR_FILES = "zarr.json", ".zarray", ".zgroup"
_ENDINGS = (
    "_labels", "_label", "_masks", "_mask", "_paint", "_truth", "_seg", "_gt", "_image", "_img"
)  # fmt: skip


def is_zarr(path: Path) -> bool:
    """Whether a path is a folder with a zarr array or group in it."""
    return any((path / name).is_file() for name in _ZARR_FILES)


def stem(path: str | Path) -> str:
    """Name of a file without folder and suffix: ``a/b.ome.tif`` is ``b``."""
    name = Path(path).name
    for suffix in SUFFIXES:
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
            break
    return name[:-4] if name.lower().endswith(".ome") else name


def list_images(path: str | Path) -> list[Path]:
    """Find the images that a path stands for.

    Parameters
    ----------
    path
        An image (file or zarr), or a folder of them. Of a folder: what lies directly in it and has
        one of `SUFFIXES`, sorted by name; hidden files are left out, and probabilities
        and distances beside labels.

    Raises
    ------
    InputError
        If the path does not exist, or the folder has no image.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist. Check the path.")
    if not path.is_dir() or is_zarr(path):
        return [path]
    found = sorted(p for p in path.iterdir() if _is_image(p))
    if not found:
        raise InputError(f"The folder {path} has no image in it ({', '.join(SUFFIXES)}).")
    return found


def _is_image(path: Path) -> bool:
    if path.name.startswith(".") or path.stem.endswith((".probability", ".distance")):
        return False
    return is_zarr(path) if path.is_dir() else path.suffix.lower() in SUFFIXES


def match_labels(
    images: Sequence[str | Path], labels: Sequence[str | Path] | str | Path
) -> list[Path]:
    """Find the labels of each image.

    Parameters
    ----------
    images
        Paths of images.
    labels
        One path an image, in the same order; or a folder (or folders), where a file belongs to the
        image of the same name. The suffix does not count, nor does an ending such as ``_mask`` or
        ``_labels``.

    Returns
    -------
    paths
        One an image, in the order of `images`.

    Raises
    ------
    InputError
        If labels are missing, fit more than one image, or are the image itself. What a folder
        holds for no image is no error: see `left_over`.
    """
    given = [Path(p) for p in ([labels] if isinstance(labels, str | Path) else labels)]
    paths = [Path(p) for p in images]
    for path in given:
        if not path.exists():
            raise InputError(f"The labels {path} do not exist. Check the path.")
    folders = _folders(given)
    if folders and len(folders) == len(given):
        found = _match_by_name(paths, [p for folder in folders for p in list_images(folder)])
        return _apart(paths, found)
    if folders:
        raise InputError(
            f"{folders[0]} is a folder, other labels are files. Give one file an image, or folders "
            "only (matched by file name)."
        )
    if len(given) != len(paths):
        raise InputError(
            f"There are {len(paths)} images but {len(given)} labels. Give one file of labels an "
            "image, in the same order, or a folder with labels of the same names."
        )
    return _apart(paths, given)


def left_over(labels: Sequence[str | Path] | str | Path, matched: Sequence[Path]) -> list[Path]:
    """What folders of labels hold beside those that were `matched` to images."""
    given = [Path(p) for p in ([labels] if isinstance(labels, str | Path) else labels)]
    return [p for folder in _folders(given) for p in list_images(folder) if p not in matched]


def _folders(paths: Sequence[Path]) -> list[Path]:
    return [p for p in paths if p.is_dir() and not is_zarr(p)]


def _apart(images: list[Path], labels: list[Path]) -> list[Path]:
    """The labels, if none of them is the image that it belongs to."""
    for image, own in zip(images, labels, strict=True):
        if own.resolve() == image.resolve():
            raise InputError(
                f"{own} would be its own labels: give other files, or keep labels in another "
                "folder than images."
            )
    return labels


def _match_by_name(images: list[Path], labels: list[Path]) -> list[Path]:
    """Match by stem, and only where that fails for an image by what is left without endings."""
    by_stem, by_core = _grouped(labels, stem), _grouped(labels, _core)
    found = [by_stem.get(stem(p)) or by_core.get(_core(p)) or [] for p in images]
    missing = [p.name for p, labels_of in zip(images, found, strict=True) if not labels_of]
    if missing:
        raise InputError(
            f"No labels for {some(missing)} in {labels[0].parent}. Labels need the name of their "
            "image, with any suffix; images without labels are to be left out."
        )
    for path, labels_of in zip(images, found, strict=True):
        if len(labels_of) > 1:
            both = some([p.name for p in labels_of])
            raise InputError(f"{path.name} could have labels {both}: give files, in order.")
        if sum(labels_of[0] in other for other in found) > 1:
            raise InputError(
                f"{labels_of[0]} would belong to more than one image, such as {path}: give files, "
                "in order."
            )
    return [labels_of[0] for labels_of in found]


def _grouped(paths: list[Path], key: Callable[[Path], str]) -> dict[str, list[Path]]:
    groups: dict[str, list[Path]] = {}
    for path in paths:
        groups.setdefault(key(path), []).append(path)
    return groups


def _core(path: Path) -> str:
    """The stem without an ending that only says what kind of file it is."""
    name = stem(path)
    ending = next((e for e in _ENDINGS if name.lower().endswith(e)), "")
    return name[: len(name) - len(ending)] or name


def some(names: Sequence[str], n: int = 5) -> str:
    """The first few of some names, and how many more there are."""
    more = f" and {len(names) - n} more" if len(names) > n else ""
    return ", ".join(names[:n]) + more

"""Check that a result can be written, before the work for it starts."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from ..errors import InputError, TakenError
from ..memory import size_in_words
from .files import SUFFIXES, is_in_image
from .replace import EXTRA_CHARACTERS, resolve_links, temporary_path, tidy, work_folder

_NAME_BYTES = 255
"""Most bytes of a file's name, if the system does not tell."""
_DEEPER_BYTES = 200
"""Most bytes by which a path within the folder of a run is longer than the folder's own path."""

RESULT_SUFFIXES = (".tif", ".tiff", ".zarr")
"""Suffixes of the files and folders that results are written to."""


def is_zarr_name(path: Path) -> bool:
    """Return whether a path is that of a zarr: by its suffix, or as that of labels in an image."""
    return path.suffix.lower() == ".zarr" or is_in_image(path)


def check_writable(path: str | Path, n_bytes: int = 0) -> None:
    """Check that a result can be written, before the work for it starts.

    Unfinished work of a process that was killed is tidied up.

    Parameters
    ----------
    path
        File or folder to write; folders above it need not exist yet. Nothing is created.
    n_bytes
        Bytes that the result and the work for it will need.

    Raises
    ------
    InputError
        If it cannot be written there, its name is not possible, or the disk has too little room.
    """
    path = Path(path)
    check_text(path)
    target = resolve_links(path)
    if os.path.isdir(target) and path.suffix.lower() in SUFFIXES and not is_zarr_name(path):
        raise InputError(f"Cannot write {path}: it is a folder. Choose another name.")
    try:
        folder = next(p for p in target.parents if os.path.lexists(p))
        if not folder.is_dir():
            raise InputError(f"Cannot write {path}: {folder} is not a folder. Choose another path.")
        _check_length(target, folder)
        tidy(target)
        with tempfile.TemporaryFile(dir=folder):
            pass
        if folder == target.parent:
            probe = temporary_path(target, "part")
            probe.touch()
            probe.unlink()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"Cannot write {path}: {reason}. Choose another folder.") from error
    if free < n_bytes and free + _size(work_folder(target)) < n_bytes:
        raise InputError(
            f"Cannot write {path}: it needs up to {size_in_words(n_bytes)}, and {folder} has "
            f"{size_in_words(free)} left. Make room or choose another disk."
        )


def check_not_taken(path: Path, overwrite: bool) -> None:
    """Check that a path is free, or that what lies there may be replaced.

    Raises
    ------
    TakenError
        If something is there already.
    """
    if os.path.exists(path) and not overwrite:
        raise TakenError(
            f"{path} exists already. Choose another name, or allow replacing it.", overwrite=True
        )


def check_text(path: Path) -> None:
    """Check that a path is text that can be written into files and messages.

    Raises
    ------
    InputError
        If the path has bytes that are no text.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        shown = str(path).encode(errors="backslashreplace").decode()
        raise InputError(
            f"Cannot write {shown}: it has bytes that are no text in UTF-8. Choose another name."
        ) from None
    if "\0" in str(path):
        raise InputError(f"Cannot write {path!r}: no name has a character 0. Choose another name.")


def _check_length(path: Path, folder: Path) -> None:
    """Check that a path and the temporary names beside it are not too long.

    Parameters
    ----------
    folder
        Lowest folder above `path` that exists.
    """
    limit, path_limit = _NAME_BYTES, None
    if hasattr(os, "pathconf"):
        limit, path_limit = (os.pathconf(folder, f"PC_{n}_MAX") for n in ("NAME", "PATH"))
    *above, name = path.relative_to(folder).parts
    longest = max([len(os.fsencode(part)) for part in above], default=0)
    if longest > limit or len(os.fsencode(name)) + EXTRA_CHARACTERS > limit:
        raise InputError(
            f"Cannot write {path}: a name in it is too long. This disk has names of up to {limit} "
            f"bytes, and the work for a result needs {EXTRA_CHARACTERS} more than its own. Shorten "
            "it."
        )
    if path_limit and len(os.fsencode(path)) + _DEEPER_BYTES > path_limit:
        raise InputError(f"Cannot write {path}: the whole path is too long. Choose a shorter one.")


def _size(folder: Path) -> int:
    """Return the bytes of the files in a folder."""
    files = (Path(root, name) for root, _, names in os.walk(folder) for name in names)
    return sum(file.lstat().st_size for file in files if os.path.lexists(file))

"""Rename, remove, bring back and hand on the models of the user, without torch."""

from __future__ import annotations

import zipfile
from pathlib import Path

from ..errors import InputError, TakenError, in_words
from ..io import replacing
from ..io.model_file import REPLAY
from ..io.model_folder import check_not_shipped, free_path, is_taken, model_folder, safe_name
from ..io.writable import check_not_taken
from .trainings import checkpoint_beside

REMOVED = "removed"
"""Folder in the model folder for models that the user deleted."""


def rename(model: Path, name: str) -> Path:
    """Give a model another name; what its training goes on from follows.

    Raises
    ------
    InputError
        If the name is empty or taken, or the file cannot be moved.
    """
    stem = safe_name(name)
    if not stem:
        raise InputError("A model needs a name: letters, digits, spaces, dots and dashes.")
    new = model.with_name(f"{stem}.zip")
    if new == model:
        return model
    if is_taken(new):
        raise InputError(f"There is a model {stem} already: choose another name.")
    _move(model, new)
    return new


def remove(model: Path) -> Path:
    """Move a model to the folder of removed ones, from which `restore` brings it back.

    Raises
    ------
    InputError
        If the file cannot be moved.
    """
    removed = free_path(model_folder() / REMOVED, model.stem)
    _move(model, removed)
    return removed


def restore(removed: Path, to: Path) -> Path:
    """Bring a removed model back to where it was, or beside what lies there by now.

    Raises
    ------
    InputError
        If the file cannot be moved.
    """
    path = free_path(to.parent, to.stem)
    _move(removed, path)
    return path


def has_sample(model: Path) -> bool:
    """Return whether a model holds a sample of its images, to be seen by whoever has the file."""
    try:
        with zipfile.ZipFile(model) as archive:
            return REPLAY in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def save_copy(model: Path, to: Path, *, with_sample: bool) -> Path:
    """Write a copy of a model, with the sample of its images or without it.

    It replaces a file of the same name, but not where the name lacked its suffix: whoever typed it
    was not asked about that file.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    path = to if to.suffix.lower() == ".zip" else to.with_name(f"{to.name}.zip")
    check_not_shipped(path)
    if path.exists() and path.samefile(model):
        raise InputError(f"{path.name} is this model itself: choose another name or folder.")
    check_not_taken(path, overwrite=path == to)
    try:
        with (
            zipfile.ZipFile(model) as source,
            replacing(path, overwrite=path == to) as partial,
            zipfile.ZipFile(partial, "w") as copy,
        ):
            for entry in source.infolist():
                if with_sample or entry.filename != REPLAY:
                    copy.writestr(entry, source.read(entry))
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{in_words(error)} Choose another place or make room.") from error
    return path


def _move(model: Path, new: Path) -> None:
    """Move a model, and what its training goes on from."""
    check_not_shipped(model)
    try:
        new.parent.mkdir(parents=True, exist_ok=True)
        if new.exists():
            raise TakenError(f"{new} has appeared meanwhile, and is not replaced.")
        model.rename(new)
        beside = checkpoint_beside(model)
        if beside.exists():
            beside.replace(checkpoint_beside(new))
    except OSError as error:
        raise InputError(f"{model.stem} could not be moved: {in_words(error)}") from error

"""Find and name models in the folder where trained models are saved."""

from __future__ import annotations

import re
import time
from pathlib import Path

from ..errors import InputError
from ..user_folder import home
from .files import SUFFIXES

_NOT_IN_NAMES = re.compile(r"[^\w .+-]+")


def model_folder() -> Path:
    """Return the folder where trained models are saved."""
    return home() / "models"


def new_model_path(image_name: str) -> Path:
    """Return a new file in the model folder, named after the image and the minute."""
    name = _NOT_IN_NAMES.sub("-", image_name).strip(" .-")[:60] or "model"
    stem = f"{name} {time.strftime('%Y-%m-%d %H.%M')}"
    path, n = model_folder() / f"{stem}.zip", 1
    while path.exists():
        n += 1
        path = model_folder() / f"{stem} ({n}).zip"
    return path


def list_models() -> list[Path]:
    """Return the files in the model folder, newest first."""
    return sorted(model_folder().glob("*.zip"), key=lambda p: p.stat().st_mtime, reverse=True)


def find_model(name: str | Path) -> Path:
    """Return the file of a model: a path, or the name of one in the model folder.

    Raises
    ------
    InputError
        If there is no such model.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return path
    saved = model_folder() / f"{path.name.removesuffix('.zip')}.zip"
    if path.name == str(name) and saved.is_file():
        return saved
    if path.name != str(name) or path.suffix.lower() in (".zip", *SUFFIXES):
        what = "that file does not exist"
        if path.exists():
            what = "it is a folder" if path.is_dir() else "it is no ordinary file"
        raise InputError(f"There is no model '{name}': {what}. Check the path.")
    names = ", ".join(p.stem for p in list_models()[:10]) or "none"
    raise InputError(f"There is no model '{name}': give a file. Models kept by name: {names}.")

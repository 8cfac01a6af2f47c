"""Find and name models: those of the user, in the folder where trained models are saved, and those
that ship with the package.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path

from ..errors import InputError
from ..user_folder import home
from .files import SUFFIXES

SHIPPED = Path(__file__).resolve().parents[1] / "models"
"""The folder of the models that ship."""
_NOT_IN_NAMES = re.compile(r"[^\w .+()-]+")
_NO_WORD = re.compile(r"[0-9a-fA-F-]{16,}")
"""Names that nobody can read: hashes and long numbers."""
_COUNTER = re.compile(r" \(\d+\)$")


def model_folder() -> Path:
    """Return the folder where trained models are saved."""
    return home() / "models"


def safe_name(name: str) -> str:
    """Return a name without what file systems do not take; empty where nothing is left."""
    return _NOT_IN_NAMES.sub("-", name).strip(" .-")[:60].strip(" .-")


def free_path(folder: Path, stem: str) -> Path:
    """Return the first of ``STEM.zip``, ``STEM (2).zip`` ... in a folder that is not taken."""
    stem = _COUNTER.sub("", stem)
    names = (stem if n == 1 else f"{stem} ({n})" for n in itertools.count(1))
    return next(p for name in names if not is_taken(p := folder / f"{name}.zip"))


def is_taken(path: Path) -> bool:
    """Return whether a model lies there, or one of its name ships: names have one meaning."""
    return path.exists() or (SHIPPED / path.name).exists()


def new_model_path(image_name: str, finds: str = "") -> Path:
    """Return a new file in the model folder, named after the image and what the model finds.

    Parameters
    ----------
    finds
        Added to the name, as in "nuclei objects". Of names that are numbers and no words, as hashes
        are, the beginning is enough.
    """
    name = safe_name(image_name) or "model"
    if _NO_WORD.fullmatch(name):
        name = name[:6]
    return free_path(model_folder(), f"{name} {finds}".strip())


def list_models() -> list[Path]:
    """Return the files in the model folder, newest first."""
    files = [path for path in model_folder().glob("*.zip") if path.is_file()]  # no dangling links
    return sorted(files, key=_time_of, reverse=True)


def _time_of(path: Path) -> float:
    """Return when a file was changed last; 0 if it is gone by now."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def shipped_models() -> list[Path]:
    """Return the files of the models that ship with the package, by name."""
    return sorted(SHIPPED.glob("*.zip"))


def is_shipped(path: Path) -> bool:
    """Return whether a file lies, or would lie, among the models that ship."""
    return path.resolve().parent == SHIPPED


def check_not_shipped(path: Path) -> None:
    """Check that a file is not among the models that ship, which stay as they are.

    Raises
    ------
    InputError
        If it is.
    """
    if is_shipped(path):
        raise InputError(
            f"{path} is where the models lie that ship with napari-scribe, which stay as they are. "
            "Save the model elsewhere."
        )


def find_model(name: str | Path) -> Path:
    """Return the file of a model: a path, or the name of one in the model folder, or that ships.

    Raises
    ------
    InputError
        If there is no such model.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return path
    named = f"{path.name.removesuffix('.zip')}.zip"
    kept = [folder / named for folder in (model_folder(), SHIPPED)]
    if path.name == str(name) and (found := next((p for p in kept if p.is_file()), None)):
        return found
    if path.name != str(name) or path.suffix.lower() in (".zip", *SUFFIXES):
        what = "that file does not exist"
        if path.exists():
            what = "it is a folder" if path.is_dir() else "it is no ordinary file"
        raise InputError(f"There is no model '{name}': {what}. Check the path.")
    names = ", ".join(p.stem for p in list_models()[:10]) or "none"
    shipped = ", ".join(p.stem for p in shipped_models())
    raise InputError(
        f"There is no model '{name}': give a file. Models kept by name: {names}."
        + (f" Those that ship: {shipped}." if shipped else "")
    )

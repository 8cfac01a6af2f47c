"""The models that were trained: where they go, and what they are in words."""

from __future__ import annotations

import json
import re
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..image import Image

_NOT_IN_NAMES = re.compile(r"[^\w .+-]+")


def new_model_path(image_name: str) -> Path:
    """A new file in the model folder, named after the image and the minute."""
    from ..model import model_folder

    name = _NOT_IN_NAMES.sub("-", image_name).strip(" .-")[:60] or "model"
    stem = f"{name} {time.strftime('%Y-%m-%d %H.%M')}"
    path, n = model_folder() / f"{stem}.zip", 1
    while path.exists():
        n += 1
        path = model_folder() / f"{stem} ({n}).zip"
    return path


def kept() -> list[Path]:
    """Files of the kept models, newest first; without loading torch."""
    from ..device import home

    files = (home() / "models").glob("*.zip")
    return sorted(files, key=lambda path: path.stat().st_mtime, reverse=True)


def read_description(path: Path) -> dict[str, Any]:
    """What a model file says of itself, without its weights and without torch.

    Raises
    ------
    InputError
        If it is not a model.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            values = json.loads(archive.read("model.json"))
        if not isinstance(values["recipe"], dict) or not isinstance(values["provenance"], dict):
            raise KeyError("recipe")
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        raise InputError(
            f"{path.name} is not a model of napari-scribe, or it is damaged. Choose a file that "
            "napari-scribe saved."
        ) from None
    return values


def in_words(path: Path) -> str:
    """A model in a line or two: what it answers, what it was trained on, how long, when.

    Raises
    ------
    InputError
        If it is not a model.
    """
    values = read_description(path)
    recipe, provenance = values["recipe"], values["provenance"]
    answer = {"objects": "Objects", "classes": "Classes"}.get(recipe["target"]["kind"], "Labels")
    dimensions = recipe["network"]["dimensions"]
    channels = values["image_channels"], len(values["channels"])
    images = provenance.get("images") or []
    trained = f"{_names(images)}, {provenance.get('steps', '?')} steps"
    if seconds := provenance.get("seconds"):
        trained += f" in {duration(seconds)}"
    when = time.strftime("%d %b %Y, %H:%M", time.localtime(path.stat().st_mtime))
    seen = f"{channels[1]} of {channels[0]} channels" if channels[0] > 1 else "1 channel"
    return f"{answer}, {dimensions}D, {seen}. Trained on {trained}; {when}."


def _names(images: Sequence[dict[str, Any]]) -> str:
    if not images:
        return "unknown images"
    if len(images) == 1:
        return str(images[0].get("name", "1 image"))
    return f"{len(images)} images"


def duration(seconds: float) -> str:
    """Seconds, in words short enough for a progress bar."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60}:{seconds % 60:02d} min"
    return f"{seconds // 3600}:{seconds % 3600 // 60:02d} h"


def size_in_words(image: Image) -> str:
    """An image in a line: size, channels, pixel size, axes."""
    parts = [" x ".join(str(image.length(a)) for a in image.label_axes()) + " px"]
    if image.n_channels > 1:
        parts.append(f"{image.n_channels} channels")
    unit = image.units.get("X", "")
    if unit and unit != "pixel":
        short = {"micrometer": "\N{MICRO SIGN}m", "nanometer": "nm", "millimeter": "mm"}
        parts.append(f"{image.scale['X']:g} {short.get(unit, unit)}/px")
    return ", ".join(parts)

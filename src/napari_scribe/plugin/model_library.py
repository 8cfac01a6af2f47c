"""The models that were trained, in words; without torch."""

from __future__ import annotations

import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..image import Image
from ..io.archive import Archive
from ..io.model_file import DESCRIPTION, LONGEST, parse_values, refusing_damage

ANSWERS = {"objects": "Objects", "classes": "Classes", "denoised": "Denoiser"}
_DAMAGE = LookupError, TypeError, AttributeError, ArithmeticError
"""What is raised where something is missing, or of another kind than it should be."""


def kept() -> list[Path]:
    """Files of the kept models, newest first; without loading torch."""
    from ..user_folder import home

    files = (home() / "models").glob("*.zip")
    return sorted(files, key=lambda path: path.stat().st_mtime, reverse=True)


def read_description(path: Path) -> dict[str, Any]:
    """What a model file says of itself, without its weights and without torch.

    Raises
    ------
    InputError
        If it is not a model, or one of a newer version.
    """
    with refusing_damage(path, *_DAMAGE):
        values = parse_values(_description(path, path.stat().st_mtime_ns))
        if not isinstance(values["recipe"]["network"], dict):
            raise TypeError("network")
        return values


@lru_cache(512)
def _description(path: Path, _changed: int) -> bytes:
    """Of a file as it was when it was changed last: forms ask for it at each keystroke."""
    with Archive(path) as archive:
        return archive.read(DESCRIPTION, LONGEST)


def channels_of(path: Path) -> tuple[int, int]:
    """How many channels a model needs, and how many the images had that it was trained on.

    Raises
    ------
    InputError
        If it is not a model.
    """
    values = read_description(path)
    with refusing_damage(path, *_DAMAGE):
        return len(values["channels"]), int(values["image_channels"])


def channels_to_tick(path: Path, n_image: int) -> str:
    """What to say where a model needs other channels than images of so many have; else nothing."""
    try:
        needed, trained = channels_of(path)
    except InputError:
        return ""
    if n_image in (needed, trained) or n_image < needed:
        return ""
    return f"The model needs {needed} of these {n_image} channels: tick which."


def dimensions_of(path: Path) -> int:
    """Whether a model takes slices, 2, or volumes, 3.

    Raises
    ------
    InputError
        If it is not a model.
    """
    values = read_description(path)
    with refusing_damage(path, *_DAMAGE):
        return int(values["recipe"]["network"]["dimensions"])


def task_of(path: Path) -> str:
    """What a model answers: ``objects``, ``classes`` or ``denoised``; empty where nobody knows."""
    try:
        return str(read_description(path)["recipe"]["target"]["kind"])
    except (InputError, *_DAMAGE):
        return ""


def in_words(path: Path) -> str:
    """A model in a line or two: what it answers, what it was trained on, how long, when.

    Raises
    ------
    InputError
        If it is not a model.
    """
    values = read_description(path)
    needed, there = channels_of(path)
    with refusing_damage(path, *_DAMAGE):
        recipe, provenance = values["recipe"], values["provenance"]
        kind = recipe["target"]["kind"]
        answer = ANSWERS.get(kind, "Labels")
        trained = f"{_names(provenance)}, {provenance.get('steps', '?')} steps"
        if seconds := provenance.get("seconds"):
            trained += f" in {duration(seconds)}"
        when = time.strftime("%d %b %Y, %H:%M", time.localtime(path.stat().st_mtime))
        seen = f"{needed} of {there} channels" if there > 1 else "1 channel"
        dimensions = recipe["network"]["dimensions"]
        return f"{answer}, {dimensions}D, {seen}. Trained on {trained}; {when}."


def trained_on(path: Path) -> list[str]:
    """Names of the images that a model was trained on, as far as it knows them.

    Raises
    ------
    InputError
        If it is not a model.
    """
    values = read_description(path)
    with refusing_damage(path, *_DAMAGE):
        return [str(image["name"]) for image in values["provenance"].get("images") or []]


def _names(provenance: dict[str, Any]) -> str:
    images = provenance.get("images") or []
    if not images:
        return "unknown images"
    if len(images) == 1:
        return str(images[0].get("name", "1 image"))
    return f"{provenance.get('n_images') or len(images)} images"


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

"""Describe models and images in words, without torch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..image import Image
from ..io.model_file import Provenance, read_summary
from ..wording import capitalized, counted

if TYPE_CHECKING:
    from ..model import Model

ANSWERS = {"objects": "Objects", "classes": "Classes", "denoised": "Denoiser"}


def channels_of(path: Path) -> tuple[int, int]:
    """Return how many channels a model needs, and how many its training images had.

    Raises
    ------
    InputError
        If it is not a model.
    """
    summary = read_summary(path)
    return len(summary.channels), summary.image_channels


def channels_to_tick(path: Path, n_image: int) -> str:
    """Return a hint where a model needs some of the channels of an image; empty where it does not.

    Parameters
    ----------
    n_image
        Number of channels of the image.
    """
    try:
        needed, trained = channels_of(path)
    except InputError:
        return ""
    if n_image in (needed, trained) or n_image < needed:
        return ""
    which = "one" if needed == 1 else "ones"
    return f"The model needs {needed} of these {n_image} channels: tick only the right {which}."


def fits_channels(path: Path, image: Image, chosen: Sequence[int] | None = None) -> bool:
    """Return whether a model sees an image as it is, or as many channels of it as are chosen.

    None are chosen where all are seen.
    """
    try:
        needed, trained = channels_of(path)
    except InputError:
        return False
    return image.n_channels in (needed, trained) or (chosen is not None and len(chosen) == needed)


def dimensions_of(model: Path | Model) -> int:
    """Return 2 for a model of slices, 3 for one of volumes.

    Raises
    ------
    InputError
        If it is a file that is not a model.
    """
    return (read_summary(model) if isinstance(model, Path) else model).dimensions


def task_of(path: Path) -> str:
    """Return what a model gives: ``objects``, ``classes`` or ``denoised``; empty if it is none."""
    try:
        return read_summary(path).task
    except InputError:
        return ""


def object_size_of(path: Path) -> float | None:
    """Return the diameter of the objects that a model knows, in pixels; None if it knows none."""
    try:
        return read_summary(path).object_size
    except InputError:
        return None


def has_enough_steps(path: Path) -> bool:
    """Return whether a model was trained long enough to be judged; True for what is no model."""
    try:
        return read_summary(path).provenance.has_enough_steps
    except InputError:
        return True


def in_words(path: Path) -> str:
    """Describe a model in a line or two: what it gives, and what it is for, where it says so.

    Else what it was trained on, how long, and when.

    Raises
    ------
    InputError
        If it is not a model.
    """
    summary = read_summary(path)
    made = summary.provenance
    needed, n_image = len(summary.channels), summary.image_channels
    channels = f"{needed} of {n_image} channels" if n_image > 1 else "1 channel"
    gives = f"{ANSWERS.get(summary.task, 'Labels')}, {summary.dimensions}D, {channels}."
    if "for" in made.card:
        return f"{gives} For {made.card['for']}."
    steps = "? steps" if made.steps is None else counted(made.steps, "step")
    trained = f"{_names(made)}, {steps}"
    if made.seconds:
        trained += f" in {duration(made.seconds)}"
    can = sentence(made.held_out.in_words())
    when = time.strftime("%d %b %Y, %H:%M", time.localtime(path.stat().st_mtime))
    return f"{gives} Trained on {trained}; {when}. {can}".strip()


def trained_on(path: Path) -> list[str]:
    """Return the names of the images that a model was trained on, as far as they are known.

    Raises
    ------
    InputError
        If it is not a model.
    """
    images = read_summary(path).provenance.images
    return [str(image["name"]) for image in images if "name" in image]


def _names(made: Provenance) -> str:
    """Return the name of the training image, or the number of images, in words."""
    if not made.images:
        return "unknown images"
    if len(made.images) == 1:
        return str(made.images[0].get("name", "1 image"))
    return f"{made.n_images or len(made.images)} images"


def sentence(words: str) -> str:
    """Return words as a sentence; empty for none."""
    return f"{capitalized(words)}." if words else ""


def duration(seconds: float) -> str:
    """Return seconds in words that are short enough for a progress bar."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60}:{seconds % 60:02d} min"
    return f"{seconds // 3600}:{seconds % 3600 // 60:02d} h"


def names_of_channels(image: Image) -> list[str]:
    """Return the names of an image's channels, or their numbers where they have none."""
    return list(image.channel_names or map(str, range(image.n_channels)))


def size_in_words(image: Image) -> str:
    """Describe an image in a line: size, channels, pixel size."""
    parts = [" x ".join(str(image.length(a)) for a in image.label_axes()) + " px"]
    if image.n_channels > 1:
        parts.append(f"{image.n_channels} channels")
    unit = image.units.get("X", "")
    if unit and unit != "pixel":
        short = {"micrometer": "\N{MICRO SIGN}m", "nanometer": "nm", "millimeter": "mm"}
        parts.append(f"{image.scale['X']:g} {short.get(unit, unit)}/px")
    return ", ".join(parts)

"""Define paint, the tasks that a network can have, and the encodings of their answers."""

from __future__ import annotations

from typing import cast

from ..errors import InputError
from ..recipe import Recipe
from .affinities import AffinitiesEncoding
from .border import BorderEncoding
from .classes import ClassesEncoding
from .denoised import DenoisedEncoding
from .distance import DistanceEncoding
from .encoding import (
    Encoded,
    Encoding,
    EncodingOptions,
    Head,
    Knob,
    PaintEncoding,
    Parameters,
    Prediction,
    checked_knobs,
    count_channels,
    defaults_of,
    savable_maps,
)
from .paint import Paint
from .tasks import TASKS, Task, task_of

ENCODINGS: dict[str, type[Encoding]] = {
    "distance": DistanceEncoding,
    "affinities": AffinitiesEncoding,
    "border": BorderEncoding,
    "classes": ClassesEncoding,
    "denoised": DenoisedEncoding,
}
"""Every encoding, by its name in recipes."""


def encoding_of(
    recipe: Recipe, painted: tuple[int, ...] = (), offset: int = 0, n_channels: int = 1
) -> Encoding:
    """Build the encoding that a recipe names; the other arguments are as in `EncodingOptions`.

    Raises
    ------
    InputError
        If there is no such encoding for the task.
    """
    task, name = task_of(recipe), recipe.encoding
    suitable = [n for n, encoding in ENCODINGS.items() if encoding.task == task.name]
    if name not in suitable:
        raise InputError(
            f"There is no encoding '{name}' for the task {task.name}: choose from "
            f"{', '.join(suitable)} (target.encoding)."
        )
    return ENCODINGS[name].from_options(EncodingOptions(recipe, painted, offset, n_channels))


def paint_encoding_of(
    recipe: Recipe, painted: tuple[int, ...] = (), offset: int = 0, n_channels: int = 1
) -> PaintEncoding:
    """Build the encoding of a task that is learnt from paint.

    Raises
    ------
    InputError
        If the recipe is one of a denoiser, or names no encoding for its task.
    """
    if task_of(recipe).source != "paint":
        raise InputError(
            "This is a recipe of a denoiser, which learns from noisy pairs and not from paint: "
            "train it as such (train_denoiser), or use the task objects or classes."
        )
    return cast(PaintEncoding, encoding_of(recipe, painted, offset, n_channels))


__all__ = [
    "ENCODINGS",
    "TASKS",
    "Encoded",
    "Encoding",
    "EncodingOptions",
    "Head",
    "Knob",
    "Paint",
    "PaintEncoding",
    "Parameters",
    "Prediction",
    "Task",
    "checked_knobs",
    "count_channels",
    "defaults_of",
    "encoding_of",
    "paint_encoding_of",
    "savable_maps",
    "task_of",
]

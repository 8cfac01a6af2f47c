"""Define the tasks: what a person gets from a model, whatever its encoding is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import InputError
from ..recipe import Recipe


@dataclass(frozen=True)
class Task:
    """Describe what a person gets.

    An encoding defines how the network represents it. Several encodings can serve one task.

    Parameters
    ----------
    name
        Its name in recipes.
    layer
        The kind of napari layer that a result is.
    separates_objects
        Whether each number, in paint and in results, is one object (instance segmentation); else
        it is a class. Objects are scored by matching, and classes one by one.
    source
        What a network learns from: ``paint``, or ``pairs`` of noisy images.
    """

    name: str
    layer: Literal["labels", "image"]
    separates_objects: bool
    source: Literal["paint", "pairs"]

    @property
    def is_image(self) -> bool:
        """Return whether a result is an image instead of labels."""
        return self.layer == "image"


TASKS: dict[str, Task] = {
    "objects": Task(
        name="objects",
        layer="labels",
        separates_objects=True,
        source="paint",
    ),
    "classes": Task(
        name="classes",
        layer="labels",
        separates_objects=False,
        source="paint",
    ),
    "denoised": Task(
        name="denoised",
        layer="image",
        separates_objects=False,
        source="pairs",
    ),
}
"""Every task, by its name in recipes."""


def task_of(recipe: Recipe) -> Task:
    """Return the task of a recipe.

    Raises
    ------
    InputError
        If there is no task of that name.
    """
    if recipe.task not in TASKS:
        raise InputError(f"There is no task '{recipe.task}': choose from {', '.join(TASKS)}.")
    return TASKS[recipe.task]

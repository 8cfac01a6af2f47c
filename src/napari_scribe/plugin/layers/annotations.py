"""What is noted on annotations: for which image they were made, and what they are for."""

from __future__ import annotations

from typing import Any

from ...errors import InputError
from .alignment import is_aligned
from .conversion import add_note, has_pixels_of, image_of, note

TASKS = ("objects", "classes")
DIMENSIONS = (2, 3)
"""Of the network: slices one by one, or Z as depth."""


def settings_of(layer: Any) -> dict[str, Any]:
    """Return the task of annotations, and the dimensions of their network: as noted, or default.

    The default, too, where there are none.
    """
    noted = {} if layer is None else note(layer)
    task, dimensions = noted.get("task"), noted.get("dimensions")
    return {
        "task": task if task in TASKS else TASKS[0],
        "dimensions": dimensions if dimensions in DIMENSIONS else DIMENSIONS[0],
    }


def note_settings(layer: Any, image: Any, **settings: Any) -> None:
    """Note what annotations are used for; where they are the user's own layer, of which image."""
    of_image = {"purpose": "annotations", "source": image.name}
    add_note(layer, **{**of_image, **note(layer), **settings})


def is_annotations_of(layer: Any, image: Any) -> bool:
    """Whether a layer is noted as annotations of an image."""
    return note(layer).get("purpose") == "annotations" and note(layer).get("source") == image.name


def is_made_on(paint: Any, image: Any) -> bool:
    """Whether labels of which nobody has noted the image fit this one."""
    if paint is None or image is None or "source" in note(paint):
        return False
    try:
        return has_pixels_of(paint, image, image_of(image)) and is_aligned(paint, image)
    except InputError:  # its axes are not clear
        return False

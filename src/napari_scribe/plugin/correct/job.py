"""Ask a model for the object at a place: what is asked, and the work in its thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ...image import Image
from ..jobs.request import Request

if TYPE_CHECKING:
    from ...inference.one_object import ObjectAt
    from ...model import Model
    from ...progress import Job


@dataclass(frozen=True)
class AddRequest(Request[Any, "ObjectAt"]):
    """Describe where in an image an object is missing, and which model finds it.

    Parameters
    ----------
    image
        The image.
    point
        The pixel, per axis letter.
    model
        The file of the model.
    diameter
        Diameter of the objects in the image, in pixels; None where it is not known.
    channels, device
        As `segment` takes them.
    """

    can_wait: ClassVar[bool] = False  # whoever clicks wants to go on with the object
    image: Image
    point: Mapping[str, int]
    model: Path
    diameter: float | None = None
    channels: list[int] | None = None
    device: str | None = None

    @property
    def title(self) -> str:
        """Return what is done."""
        return f"Adding an object to {self.image.name}"

    def begin(self) -> Job[Any, ObjectAt | None]:
        """Make the job; called in its thread."""
        from ...inference.one_object import object_at

        return object_at(
            _model_in(self.model, self.model.stat().st_mtime_ns if self.model.exists() else 0),
            self.image,
            self.point,
            diameter=self.diameter,
            channels=self.channels,
            device=self.device,
        )


@lru_cache(maxsize=1)
def _model_in(path: Path, _changed: int) -> Model:
    """Return the model in a file, which is read once for many clicks."""
    from ...model import load_model

    return load_model(path)

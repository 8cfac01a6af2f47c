"""A run of a model over an image: what is asked, what is known meanwhile, what it gave."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ...image import Image
from ...io import work_folder
from ..model_library import duration

if TYPE_CHECKING:
    from ...model import Model

IN_MEMORY = 2**26
"""Results of more pixels than this are written to disk and shown from there."""


@dataclass(frozen=True)
class RunInput:
    """What is run over what.

    Parameters
    ----------
    image_layer, image
        A layer, and what it holds.
    model
        A model, or the file of one.
    channels
        Which channels of the image the model is given; its own choice when None.
    region, part
        Which part of the image, per axis letter, and what it is called; all of it when None.
    tile, device
        As `segment` takes them.
    out, overwrite
        The file to write; chosen where the result is large when None. Whether it may be replaced.
    """

    image_layer: Any
    image: Image
    model: Model | Path
    channels: list[int] | None = None
    region: dict[str, slice] | None = None
    part: str = ""
    tile: int | None = None
    device: str | None = None
    out: Path | None = None
    overwrite: bool = False

    result: ClassVar[str]
    """What comes out."""

    @property
    def purpose(self) -> str:
        """What the layer of the result is called after its image."""
        return f"{self.result} ({self.part})" if self.part else self.result

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the result, along TZYX as far as the image has them."""
        wanted = self.region or {}
        return tuple(
            len(range(self.image.length(a))[wanted.get(a, slice(None))])
            for a in self.image.label_axes()
        )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a model gave for an image.

    Parameters
    ----------
    levels
        The answer and smaller copies, for display; empty where it can be shown as it is.
    region
        What the answer is of.
    seconds
        How long it took.
    is_complete
        False where it was stopped early.
    goes_on
        Whether the next run goes on where this one was stopped.
    note
        A word about the image.
    path
        Where the result is kept.
    is_old
        Whether an earlier run has made it.
    """

    levels: list[Any]
    region: dict[str, slice]
    seconds: float
    is_complete: bool
    goes_on: bool = False
    note: str = ""
    path: Path | None = None
    is_old: bool = False

    button: ClassVar[str]
    """What the user pressed for it."""
    done: ClassVar[str]
    """What was done to the image."""

    @property
    def answer(self) -> Any:
        """Along TCZYX as far as it has them; on disk where it is large."""
        raise NotImplementedError

    @property
    def is_shown_anew(self) -> bool:
        """Whether the answer takes the place of what was seen growing; else that stays."""
        return isinstance(self.answer, np.ndarray) or (self.is_complete and not self.is_too_large)

    @property
    def is_too_large(self) -> bool:
        """Whether it lies on disk without smaller copies, so that napari would read all of it."""
        return len(self.levels) == 1 and math.prod(self.answer.shape[-2:]) > IN_MEMORY

    def found_in_words(self) -> str:
        """As in "3 objects"."""
        return "Done"

    def in_words(self, save_to: str = "under More settings, Save to") -> str:
        """A line or two for the user, who finds the line for a file in that place."""
        if self.is_complete and self.is_old and self.path is not None:
            parts = [f"Made before, by the same model from the same image: {self.path}."]
        elif self.is_complete:
            kept = f"Kept in {self.path}." if self.path is not None else ""
            took = duration(self.seconds) if self.seconds >= 60 else f"{self.seconds:.1f} s"
            parts = [f"{self.found_in_words()} in {took}.", self.note, kept]
            if self.is_too_large:
                parts.append("It is too large to be shown from there: save to a .zarr for that.")
        elif self.goes_on:
            parts = [f"Stopped. {self.button} goes on from here.", self.note]
        else:
            parts = [
                f"Stopped: only a part was {self.done}, and {self.button} would begin anew. To be "
                f"able to go on, choose a .zarr {save_to}.",
                self.note,
            ]
        return " ".join(part for part in parts if part)


@dataclass
class Begun:
    """What is known of a run once its job is there; filled in the job's thread."""

    task: str = ""
    channels: tuple[int, ...] = ()
    path: Path | None = None
    goes_on: bool = False

    @property
    def is_kept(self) -> bool:
        """Whether the next run finds something of it: the hidden folder that it grew in."""
        if not self.goes_on or self.path is None:
            return False
        return work_folder(self.path).exists()

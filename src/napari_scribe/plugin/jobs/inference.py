"""Describe a run of a model over an image: what is asked, what is known meanwhile, what it gave."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Layer

from ...errors import TakenError
from ...image import Image
from ...io import work_folder
from ...user_folder import home
from ..model_library import duration
from .progress import JobClock, Progressed
from .request import Question, Request

if TYPE_CHECKING:
    from ...inference.run import InferenceJob, InferenceStep
    from ...model import Model

Answer = TypeVar("Answer", bound="Outcome")

IN_MEMORY = 2**26
"""Results of more pixels than this are written to disk and shown from there."""
SAVE_TO = "under More settings, Save to"
"""Where the user finds the line for a file."""
_PHASES = {
    "numbers": "Numbering the objects",
    "pixels": "Bringing the objects to the image's pixels",
    "pyramid": "Making smaller copies for display",
}
_NOT_IN_NAMES = re.compile(r'[\\/:*?"<>|\x00-\x1f]+')


@dataclass
class Facts:
    """Hold what is known of a run once its job is made.

    The job's thread writes them, the main thread reads them.

    Parameters
    ----------
    task
        What the model answers.
    model
        The model, once it is read; None where nobody needs it afterwards.
    channels
        Which channels of the image it sees.
    path
        Where the result is written; None where it stays in memory.
    goes_on
        Whether the next run could continue this one.
    is_undertrained
        Whether the model has learnt too little to be judged by its results.
    slices
        How a 2D model sees the slices of a volume, in words; empty where there are none.
    """

    task: str = ""
    model: Model | None = None
    channels: tuple[int, ...] = ()
    path: Path | None = None
    goes_on: bool = False
    is_undertrained: bool = False
    slices: str = ""

    @property
    def has_leftovers(self) -> bool:
        """Return whether the next run finds the hidden folder in which this result grew."""
        return self.goes_on and self.path is not None and work_folder(self.path).exists()


@dataclass(frozen=True)
class RunRequest(Request["InferenceStep", Answer]):
    """Describe which model is run over which image.

    Parameters
    ----------
    image_layer, image
        A layer, and what it holds.
    model
        A model, or the file of one.
    channels
        Which channels of the image the model sees; its own choice when None.
    region, part
        Which part of the image, per axis letter, and its name; all of it when None.
    tile, device
        As `segment` takes them.
    out, overwrite
        The file to write; chosen where the result is large when None. Whether it may be replaced.
    turn
        Number of this layer in the queue, from 1, and how many layers the queue has.
    """

    image_layer: ImageLayer
    image: Image
    model: Model | Path
    channels: list[int] | None = None
    region: dict[str, slice] | None = None
    part: str = ""
    tile: int | None = None
    device: str | None = None
    out: Path | None = None
    overwrite: bool = False
    turn: tuple[int, int] = (1, 1)
    facts: Facts = field(default_factory=Facts, init=False, compare=False)

    result: ClassVar[str]
    """What comes out."""
    verb: ClassVar[str]
    """What is done, for the title."""
    button: ClassVar[str]
    """What the user presses for it."""
    show: ClassVar[Callable[..., Layer]]
    """Shows the answer in a layer: `show_labels` or `show_image`."""

    @property
    def title(self) -> str:
        """Return what is done."""
        return f"{self.verb} {self.image.name}"

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Return the layer of the image."""
        return (self.image_layer,)

    @property
    def purpose(self) -> str:
        """Return what the layer of the result is called after its image."""
        return f"{self.result} ({self.part})" if self.part else self.result

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of the result, along TZYX as far as the image has them."""
        wanted = self.region or {}
        return tuple(
            len(range(self.image.length(a))[wanted.get(a, slice(None))])
            for a in self.image.label_axes()
        )

    @property
    def n_slices(self) -> int:
        """Return the number of slices along Z of the result."""
        return dict(zip(self.image.label_axes(), self.shape, strict=True)).get("Z", 1)

    @property
    def look(self) -> dict[str, Any]:
        """Return how the result is shown, as napari's layers take it."""
        return {}

    def loaded_model(self) -> Model:
        """Return the model, read from its file where it is one."""
        from ...model import load_model

        return load_model(self.model) if isinstance(self.model, Path) else self.model

    def job_at_free_path(
        self, name: str, make: Callable[[Path | None], InferenceJob]
    ) -> InferenceJob:
        """Return the job that writes where the user said; else in memory, or where there is room.

        Parameters
        ----------
        name
            Of a large result for which the user chose no file.
        make
            Makes the job that writes to a path, or to memory for None. It raises `TakenError` where
            something else lies there.

        Raises
        ------
        Question
            If something else lies where the user said: it is not replaced unasked.
        InputError
            If the image itself lies there.
        """
        stem = _NOT_IN_NAMES.sub("-", name).strip(" .-")[:60] or "image"
        path, n = self.out, 1
        if path is not None and (source := self.image_layer.source.path):
            from ...inference.begin import check_apart

            check_apart(path, Path(source))
        elif path is None and math.prod(self.shape) > IN_MEMORY:
            path = home() / "results" / f"{stem}.zarr"
        while True:
            try:
                job = make(path)
            except TakenError:
                if self.out is not None:
                    text = f"{self.out.name} holds something else already. Replace it?"
                    overwriting = replace(self, overwrite=True)
                    raise Question(text, "Replace it", "Leave it", overwriting) from None
                n += 1
                path = home() / "results" / f"{stem}-{n}.zarr"
            else:
                self.facts.path, self.facts.goes_on = path, job.can_resume
                return job

    def outcome_of(self, job: InferenceJob, *notes: str) -> dict[str, Any]:
        """Return the fields that every `Outcome` has; called in the job's thread.

        Parameters
        ----------
        *notes
            What is noted beside what the job notes.
        """
        answer, levels = job.result, list(job.levels)
        if isinstance(answer, np.ndarray) or (is_small(answer) and job.is_complete):
            answer, levels = np.asarray(answer), []  # a copy, so that painting changes no file
        words = [self.facts.slices, job.note, *job.memory_notes, *notes]
        return {
            "answer": answer,
            "levels": levels,
            "region": job.region or self.region or {},
            "is_complete": job.is_complete,
            "goes_on": job.can_resume,
            "note": " ".join(word for word in words if word),
            "path": self.facts.path,
            "is_undertrained": self.facts.is_undertrained,
        }

    def progress(self, record: InferenceStep, clock: JobClock) -> Progressed:
        """Return what the progress bar shows of a record: tiles, then what comes after them."""
        number, n_layers = self.turn
        detail = ""
        if record.phase in _PHASES:
            clock.add(record.done, record.total, record.phase)
            text = _PHASES[record.phase] + clock.time_left
        else:
            clock.add(*_in_tiles(record), record.phase)
            text = clock.in_words("tile", with_speed=n_layers == 1)
            detail = f"A tile keeps {' x '.join(map(str, record.tile))} px"
        share = record.done / max(record.total, 1)
        if n_layers > 1:
            share, text = (number - 1 + share) / n_layers, f"layer {number} of {n_layers}, {text}"
        return Progressed(share, text, detail)


def _in_tiles(record: InferenceStep) -> tuple[float, int]:
    """Return how many tiles are done, and of how many.

    The record counts blocks, too: once while they are made into objects, between the tiles, and
    once more in the end, while they are numbered. Those between the tiles count as a part of them.
    """
    n_tiles, n_parts = record.n_tiles, record.n_parts
    return min(record.done * n_tiles / max(n_parts, 1), n_tiles), n_tiles


def is_small(answer: Any) -> bool:
    """Return whether a result is read into memory where it can be."""
    return bool(math.prod(answer.shape) <= IN_MEMORY)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Hold what a model gave for an image.

    Parameters
    ----------
    answer
        Labels along TZYX, or pixels along TCZYX, as far as the image has them, without C for a
        single channel; on disk where they are many.
    levels
        The answer and smaller copies, for display; empty where it can be shown as it is.
    region
        Which part of the image the answer is of.
    is_complete
        False where it was stopped early.
    seconds
        How long it took.
    goes_on
        Whether the next run continues this one where it was stopped.
    note
        A word about the image.
    path
        Where the result is saved.
    is_old
        Whether an earlier run has made it.
    is_undertrained
        Whether the model has learnt too little to be judged by this.
    """

    answer: Any
    levels: list[Any]
    region: dict[str, slice]
    is_complete: bool
    seconds: float = 0.0
    goes_on: bool = False
    note: str = ""
    path: Path | None = None
    is_old: bool = False
    is_undertrained: bool = False

    button: ClassVar[str]
    """What the user pressed for it."""
    done: ClassVar[str]
    """What was done to the image."""

    @property
    def is_shown_anew(self) -> bool:
        """Return whether the answer replaces the layer in which it grew; else that layer stays."""
        return isinstance(self.answer, np.ndarray) or (self.is_complete and not self.is_too_large)

    @property
    def is_too_large(self) -> bool:
        """Return whether it lies on disk without smaller copies: napari would read all of it."""
        return len(self.levels) == 1 and math.prod(self.answer.shape[-2:]) > IN_MEMORY

    def show_beneath(self, viewer: Viewer, request: RunRequest[Any], purpose: str) -> None:
        """Show what came with the answer, in layers beneath that with this purpose."""

    def show_above(self, viewer: Viewer, request: RunRequest[Any]) -> None:
        """Show what came with the answer, in layers above it."""

    def result_in_words(self) -> str:
        """Return what was found, as in "3 objects"."""
        return "Done"

    def in_words(self, save_to: str = SAVE_TO) -> str:
        """Return a line or two for the user, who finds the line for a file in that place."""
        if self.is_complete and self.is_old and self.path is not None:
            parts = [f"Made before, by the same model from the same image: {self.path}."]
        elif self.is_complete:
            saved = f"The result is kept in {self.path}." if self.path is not None else ""
            took = duration(self.seconds) if self.seconds >= 60 else f"{self.seconds:.1f} s"
            parts = [f"{self.result_in_words()} in {took}.", self.note, saved]
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

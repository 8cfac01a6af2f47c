"""A segmentation and the layers it belongs to."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QObject, Signal

from ..image import Image
from .jobs import Ended, Runner

if TYPE_CHECKING:
    from ..inference.run import SegmentJob
    from ..model import Model


@dataclass(frozen=True)
class SegmentInput:
    """What is segmented, and with which model.

    Parameters
    ----------
    image_layer, image
        A layer, and what it holds.
    model
        A model, or the file of one.
    channels
        Which channels of the image the model is given; its own choice when None.
    tile, device
        As `segment` takes them.
    with_probability
        Whether probabilities are shown too.
    """

    image_layer: Any
    image: Image
    model: Model | Path
    channels: list[int] | None = None
    tile: int | None = None
    device: str | None = None
    with_probability: bool = False


@dataclass(frozen=True)
class Segmented:
    """What a segmentation gave.

    Parameters
    ----------
    labels
        Along TZYX as far as the image has them.
    probability
        ``(channels, *labels)``, where asked for.
    task
        What the labels are.
    n_found
        How many objects or classes there are.
    seconds
        How long it took.
    is_complete
        False where it was stopped early.
    note
        A word about the image.
    """

    labels: npt.NDArray[Any]
    probability: npt.NDArray[Any] | None
    task: str
    n_found: int
    seconds: float
    is_complete: bool
    note: str = ""

    def in_words(self) -> str:
        """One line for the user."""
        what = {"objects": "object", "classes": "class"}[self.task]
        plural = "" if self.n_found == 1 else ("es" if self.task == "classes" else "s")
        text = f"{self.n_found} {what}{plural} in {self.seconds:.1f} s. {self.note}".strip()
        return text if self.is_complete else f"Stopped: only a part was segmented. {text}"


class SegmentRun(QObject):
    """Drives one segmentation at a time for a viewer, and shows its result.

    Signals
    -------
    stepped
        Each `SegmentStep` that is worth showing.
    ended
        `Ended`, with `Segmented` as its value, after the result is shown.
    """

    stepped = Signal(object)
    ended = Signal(object)

    def __init__(self, viewer: Any, runner: Runner) -> None:
        super().__init__()
        self.viewer, self.runner = viewer, runner
        self._given: SegmentInput | None = None

    def start(self, given: SegmentInput) -> None:
        """Begin.

        Raises
        ------
        InputError
            If another job runs.
        """
        began = time.perf_counter()
        models: list[Model] = []
        self.runner.start(
            f"Segmenting {given.image.name}",
            lambda: _begin(given, models),
            lambda job: _finish(job, given, models[0], began),
        )
        self._given = given
        self.runner.record.connect(self.stepped)
        self.runner.ended.connect(self._on_ended)

    def close(self) -> None:
        """Stop, and hear no more of it."""
        if self._given is not None:
            self._drop()
            self.runner.close()

    def _drop(self) -> None:
        self._given = None
        self.runner.record.disconnect(self.stepped)
        self.runner.ended.disconnect(self._on_ended)

    def _on_ended(self, ended: Ended) -> None:
        given = self._given
        self._drop()
        if given is not None and isinstance(ended.value, Segmented):
            self._show(given, ended.value)
        self.ended.emit(ended)

    def _show(self, given: SegmentInput, done: Segmented) -> None:
        from .colors import paint_colormap
        from .results import set_previews_visible, show_labels, show_probability

        look: dict[str, Any] = {"opacity": 0.6}
        if done.task == "classes":
            look["colormap"] = paint_colormap()
        if done.probability is not None:
            show_probability(
                self.viewer, given.image_layer, given.image, done.probability, "probability"
            )
        # A part takes nobody's place: the whole result of an earlier run stays as it is.
        purpose = "labels" if done.is_complete else "labels so far"
        show_labels(self.viewer, given.image_layer, given.image, done.labels, purpose, **look)
        set_previews_visible(self.viewer, given.image_layer, False)


def _begin(given: SegmentInput, models: list[Model]) -> SegmentJob:
    """Make the job; in its thread."""
    from ..inference.segment import segment
    from ..model import load_model

    model = load_model(given.model) if isinstance(given.model, Path) else given.model
    models.append(model)
    return segment(
        model,
        given.image,
        channels=given.channels,
        tile=given.tile,
        device=given.device,
        save=("labels", "probability") if given.with_probability else ("labels",),
    )


def _finish(job: SegmentJob, given: SegmentInput, model: Model, began: float) -> Segmented:
    labels = np.asarray(job.result)
    task = model.recipe.task
    n_found = int(labels.max(initial=0)) if task == "objects" else len(np.unique(labels))
    seconds = time.perf_counter() - began
    return Segmented(labels, job.probability, task, n_found, seconds, job.is_complete, job.note)

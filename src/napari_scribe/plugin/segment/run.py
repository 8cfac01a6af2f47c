"""A segmentation and the layers it belongs to."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..jobs.inference import Begun, Outcome
from ..jobs.remaining_time import Progressed
from ..jobs.runner import Ended, JobRun, Runner
from ..layers.colors import labels_look
from ..layers.live import LiveLayer
from ..layers.managed import find_layer
from ..layers.results import set_previews_visible, show_labels, show_probability
from ..messages import explain
from .job import SegmentInput, begin, finish

if TYPE_CHECKING:
    from ...inference.run import InferenceStep

log = logging.getLogger("napari_scribe")
PHASES = {"numbers": "Numbering the objects", "pyramid": "Making smaller copies for display"}


class SegmentRun(JobRun):
    """Drives one segmentation at a time for a viewer, and shows its result while it grows.

    Its `ended` comes with `Segmented` as its value, after the result is shown. What differs where a
    model gives something else is in the first few attributes and methods.

    Attributes
    ----------
    is_brief
        Whether progress leaves the speed out.
    """

    is_brief = False
    doing, button, show = "Segmenting", "Segment", staticmethod(show_labels)

    @staticmethod
    def make(given: Any, begun: Begun) -> Any:
        """Make the job; in its thread."""
        return begin(given, begun)

    @staticmethod
    def take(job: Any, given: Any, begun: Begun) -> Any:
        """What it gave; in its thread."""
        return finish(job, given, begun)

    @staticmethod
    def look(given: Any, task: str) -> dict[str, Any]:
        """How the result is shown."""
        return labels_look(task)

    @staticmethod
    def show_beside(where: tuple[Any, Any, Any], done: Any, purpose: str) -> None:
        """Show what came with the result of that purpose, beneath it."""
        if done.probability is not None:
            name = purpose.replace("labels", "probability")
            show_probability(*where, done.probability, name, done.region)

    def __init__(self, viewer: Any, runner: Runner) -> None:
        super().__init__(runner)
        self.viewer = viewer
        self.given: Any = None
        self._begun, self._has_worked, self._phase = Begun(), False, "tiles"
        self._look: dict[str, Any] = {}
        self._growing: LiveLayer | None = None

    def start(self, given: SegmentInput | Any) -> None:
        """Begin.

        Raises
        ------
        InputError
            If another job runs.
        """
        begun, make, take = Begun(), self.make, self.take
        self.begin(
            f"{self.doing} {given.image.name}",
            lambda: make(given, begun),
            lambda job: take(job, given, begun),
        )
        self.given, self._begun, self._has_worked, self._phase = given, begun, False, "tiles"
        if self._growing is not None:
            self._growing.close()
        where = self.viewer, given.image_layer, given.image
        self._growing = LiveLayer(*where, f"{given.purpose} so far", self.runner, self.show)

    def close(self) -> None:
        """Stop, and hear no more of it."""
        if self._growing is not None:
            self._growing.close()
        super().close()

    def _on_record(self, record: InferenceStep) -> None:
        given, growing = self.given, self._growing
        assert given is not None and growing is not None
        if not self._has_worked:
            self._look = self.look(given, self._begun.task)
        self._has_worked = True
        growing.update(record.done, self._look)
        if record.phase != self._phase:
            self.pace.turn()
            self._phase = record.phase
        share = record.done / max(record.total, 1)
        if record.phase in PHASES:
            self.pace.add(record.done, record.total)
            self.stepped.emit(Progressed(share, PHASES[record.phase] + self.pace.left))
        else:
            self.pace.add(*_in_tiles(record, given))
            detail = f"A tile keeps {' x '.join(map(str, record.tile))} px"
            text = self.pace.in_words("tile", self.is_brief)
            self.stepped.emit(Progressed(share, text, detail))

    def _on_ended(self, ended: Ended) -> None:
        self._drop()
        given, growing = self.given, self._growing
        assert given is not None and growing is not None
        done = ended.value
        if isinstance(done, Outcome):
            done = replace(done, seconds=self.pace.active, is_old=not self._has_worked)
            ended = replace(ended, value=done)
            so_far = find_layer(self.viewer, given.image_layer, f"{given.purpose} so far")
            try:
                self._show(given, done, growing.layer or so_far)
            except Exception as error:  # somebody has changed the layers meanwhile
                log.exception("the result of %s was not shown", given.image.name)
                ended = Ended(error=f"The result could not be shown: {explain(error)}")
        elif ended.error and self._begun.is_kept and self._has_worked:
            text = f"{ended.error} What was done is kept: {self.button} goes on from there."
            ended = replace(ended, error=text)
        if isinstance(done, Outcome) and done.is_complete:
            growing.close()
        else:
            growing.finish()
        self.ended.emit(ended)

    def _show(self, given: Any, done: Any, grown: Any) -> None:
        where = self.viewer, given.image_layer, given.image
        # A part takes nobody's place: the whole result of an earlier run stays as it is.
        purpose = given.purpose if done.is_complete else f"{given.purpose} so far"
        self.show_beside(where, done, purpose)
        if done.is_shown_anew:
            answer, look = done.levels or done.answer, self.look(given, self._begun.task)
            self.show(*where, answer, purpose, region=done.region, instead_of=grown, **look)
        elif done.is_complete and grown is not None:
            self.viewer.layers.remove(grown)
        set_previews_visible(self.viewer, given.image_layer, False)


def _in_tiles(record: InferenceStep, given: Any) -> tuple[float, int]:
    """How many tiles are done, and of how many.

    The record counts blocks too: once while they are made into objects, between the tiles, of which
    that is taken for a part, and once more in the end, while they are numbered.
    """
    shape, tile = given.shape, record.tile
    frames = math.prod(shape[: len(shape) - len(tile)])
    sides = zip(shape[-len(tile) :], tile, strict=True)
    n_tiles = frames * math.prod(-(-n // t) for n, t in sides)
    before_numbering = (record.total + n_tiles) / 2
    return min(record.done * n_tiles / before_numbering, n_tiles), n_tiles

"""A segmentation and the layers it belongs to."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .colors import paint_colormap
from .growing import Growing
from .jobs import Ended, JobRun, Runner
from .own import own_layer
from .pace import Progressed
from .results import set_previews_visible, show_labels, show_probability
from .segment_work import Begun, Segmented, SegmentInput, begin, finish
from .wording import explain

if TYPE_CHECKING:
    from ..inference.run import SegmentStep

log = logging.getLogger("napari_scribe")
PHASES = {"numbers": "Numbering the objects", "pyramid": "Making smaller copies for display"}


class SegmentRun(JobRun):
    """Drives one segmentation at a time for a viewer, and shows its result while it grows.

    Its `ended` comes with `Segmented` as its value, after the result is shown.

    Attributes
    ----------
    is_brief
        Whether progress leaves the speed out.
    """

    is_brief = False

    def __init__(self, viewer: Any, runner: Runner) -> None:
        super().__init__(runner)
        self.viewer = viewer
        self.given: SegmentInput | None = None
        self._begun, self._has_worked = Begun(), False
        self._growing: Growing | None = None

    def start(self, given: SegmentInput) -> None:
        """Begin.

        Raises
        ------
        InputError
            If another job runs.
        """
        begun = Begun()
        self.begin(
            f"Segmenting {given.image.name}",
            lambda: begin(given, begun),
            lambda job: finish(job, given, begun),
        )
        self.given, self._begun, self._has_worked = given, begun, False
        if self._growing is not None:
            self._growing.close()
        where = self.viewer, given.image_layer, given.image
        self._growing = Growing(*where, f"{given.purpose} so far", self.runner)

    def close(self) -> None:
        """Stop, and hear no more of it."""
        if self._growing is not None:
            self._growing.close()
        super().close()

    def _on_record(self, record: SegmentStep) -> None:
        if self._growing is not None:
            self._growing.follow(record.done, self._look())
        self._has_worked = True
        share = record.done / max(record.total, 1)
        if record.phase in PHASES:
            self.stepped.emit(Progressed(share, PHASES[record.phase]))
        elif self.given is not None:
            n_tiles = _n_tiles(self.given, record.tile)
            self.pace.add(record.done * n_tiles // max(record.total, 1), n_tiles)
            detail = f"A tile keeps {' x '.join(map(str, record.tile))} px"
            text = self.pace.in_words("tile", self.is_brief)
            self.stepped.emit(Progressed(share, text, detail))

    def _look(self) -> dict[str, Any]:
        if self._begun.task == "classes":
            return {"opacity": 0.6, "colormap": paint_colormap()}
        return {"opacity": 0.6}

    def _on_ended(self, ended: Ended) -> None:
        self._drop()
        given, growing = self.given, self._growing
        assert given is not None and growing is not None
        done = ended.value
        if isinstance(done, Segmented):
            done = replace(done, seconds=self.pace.active, is_old=not self._has_worked)
            ended = replace(ended, value=done)
            so_far = own_layer(self.viewer, given.image_layer, f"{given.purpose} so far")
            try:
                self._show(given, done, growing.shown or so_far)
            except Exception as error:  # somebody has changed the layers meanwhile
                log.exception("the result of %s was not shown", given.image.name)
                ended = Ended(error=f"The result could not be shown: {explain(error)}")
        elif ended.error and self._begun.goes_on and self._has_worked:
            text = f"{ended.error} What was done is kept: Segment goes on from there."
            ended = replace(ended, error=text)
        if isinstance(done, Segmented) and done.is_complete:
            growing.close()
        else:
            growing.end()
        self.ended.emit(ended)

    def _show(self, given: SegmentInput, done: Segmented, grown: Any) -> None:
        where = self.viewer, given.image_layer, given.image
        # A part takes nobody's place: the whole result of an earlier run stays as it is.
        purpose = given.purpose if done.is_complete else f"{given.purpose} so far"
        if done.probability is not None:
            name = purpose.replace("labels", "probability")
            show_probability(*where, done.probability, name, done.region)
        if done.is_shown_anew:
            labels, look = done.levels or done.labels, self._look()
            show_labels(*where, labels, purpose, region=done.region, instead_of=grown, **look)
        elif done.is_complete and grown is not None:
            self.viewer.layers.remove(grown)
        set_previews_visible(self.viewer, given.image_layer, False)


def _n_tiles(given: SegmentInput, tile: tuple[int, ...]) -> int:
    """How many tiles there are in all: what is done besides is counted as a part of them."""
    shape = given.shape
    frames = math.prod(shape[: len(shape) - len(tile)])
    return frames * math.prod(-(-n // t) for n, t in zip(shape[-len(tile) :], tile, strict=True))

"""Hand new paint to a training while it runs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from napari import Viewer
from napari.layers import Labels as LabelsLayer
from napari.layers import Layer
from napari.utils.events import Event
from qtpy.QtCore import QTimer

from ...errors import InputError, in_words
from ..jobs.mailbox import Mailbox
from ..jobs.previews import LivePreviews
from ..jobs.request import Ended
from ..jobs.runner import Runner
from ..layers.conversion import paint_events, paint_in
from ..layers.results import hide_found, set_previews_visible
from .job import PaintedImage, TrainRequest

if TYPE_CHECKING:
    from ...training.job import TrainStep

SETTLED = 1.0
"""Seconds without a stroke after which new paint is taken: a half drawn object teaches nonsense."""
NOT_TAKEN = "{} Training goes on with the paint from before."


class LivePaint(LivePreviews):
    """Connect a training that runs with the viewer: paint goes in, previews come out."""

    request: TrainRequest

    def __init__(
        self, viewer: Viewer, runner: Runner, request: TrainRequest, warn: Callable[[str], None]
    ) -> None:
        super().__init__(viewer, runner, request, warn)
        self._sent = [other.paint for other in request.painted]
        self._fresh: set[LabelsLayer] = set()
        self._copied: set[LabelsLayer] = set()
        self._hidden: list[Layer] = []
        self._has_shown = False
        self._pool, self._mailbox, self._is_copying = ThreadPoolExecutor(1), Mailbox(), False
        self._mailbox.delivered.connect(self._hand_over)
        self._settle = QTimer(self, interval=int(1000 * SETTLED), singleShot=True)
        self._settle.timeout.connect(self._send_paint)
        self._events = [
            event
            for other in request.painted
            if (layer := other.paint_layer) is not None
            for event in (*paint_events(layer), layer.events.set_data)
        ]
        for event in self._events:
            event.connect(self._on_paint)
        # What was painted while the training waited for its turn.
        layers = (other.paint_layer for other in request.painted)
        self._fresh.update(layer for layer in layers if layer is not None)
        self._settle.start()

    def step(self, record: TrainStep) -> None:
        """Show the preview of a record, the first one instead of what was found before."""
        if record.preview is not None and not self._has_shown:
            self._has_shown = True
            self._hidden = hide_found(self.viewer, self.request.image_layer)
        super().step(record)

    def end(self, ended: Ended[Any]) -> Ended[Any]:
        """Show what was found before again, where nothing better was learnt."""
        if (ended.value is None or ended.value.is_parent) and self._hidden:
            set_previews_visible(self.viewer, self.request.image_layer, False)
            for layer in self._hidden:
                layer.visible = True
        return super().end(ended)

    def close(self) -> None:
        """Let go of the viewer and of the paint."""
        super().close()
        self._settle.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)
        for event in self._events:
            event.disconnect(self._on_paint)
        self._events = []

    def _on_paint(self, event: Event) -> None:
        self._fresh.add(event.source)
        self._settle.start()  # anew with each stroke

    def _send_paint(self) -> None:
        """Copy fresh paint in a thread: of a large stack it would stop the viewer."""
        if self.runner.job is None or self._is_copying:  # it is still being prepared, or copied
            self._settle.start()
            return
        try:
            paints = [self._now(i, other) for i, other in enumerate(self.request.painted)]
        except InputError as error:
            self.warn(NOT_TAKEN.format(error))
            return
        self._copied, self._fresh = self._fresh, set()
        self._is_copying = True
        self._pool.submit(_copy, paints, self._sent, self._mailbox.send)

    def _now(self, index: int, painted: PaintedImage) -> np.ndarray:
        """Return the paint of an image, not copied; the array that was sent where none is fresh."""
        sent, layer = self._sent[index], painted.paint_layer
        if layer not in self._fresh or layer not in self.viewer.layers:
            return sent
        assert layer is not None and painted.image_layer is not None
        return paint_in(layer, painted.image_layer, painted.image)

    def _hand_over(self, paints: list[np.ndarray] | MemoryError) -> None:
        """Hand copies of the paint to the training, if they differ from the last ones."""
        self._is_copying = False
        job = self.runner.job
        if job is None or not self._events:  # the training is over
            return
        if isinstance(paints, MemoryError):
            self._not_taken(in_words(paints))
            return
        if all(new is old for new, old in zip(paints, self._sent, strict=True)):
            return
        try:
            job.update_paint(list(map(self.request.as_paint, paints, self.request.painted)))
            self._sent = paints
        except InputError as error:  # which may be about one image of several
            self._not_taken(str(error))

    def _not_taken(self, reason: str) -> None:
        """Tell why copies are of no use; what was painted is tried again with the next stroke."""
        self._fresh |= self._copied
        self.warn(NOT_TAKEN.format(reason))


def _copy(paints: list[np.ndarray], sent: list[np.ndarray], tell: Callable[[object], None]) -> None:
    """Tell copies of paint; what was sent before where it is equal."""
    pairs = zip(paints, sent, strict=True)
    try:
        tell([old if np.array_equal(new, old) else np.array(new) for new, old in pairs])
    except MemoryError as error:
        tell(error)

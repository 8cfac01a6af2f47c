"""Take several layers one after the other, and remember what became of each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from napari import Viewer
from napari.layers import Image as ImageLayer

from ...errors import InputError
from ..jobs.request import Ended
from ..messages import Remark, with_remarks
from ..model_library import duration
from .job import Segmented, SegmentRequest


class LayerQueue:
    """Hold the layers that are still to be segmented, and what became of the others.

    Parameters
    ----------
    viewer
        A layer that was removed from it fails.
    layers
        In this order.
    make
        Makes the request for a layer, when it is its turn. May raise `InputError`.
    """

    def __init__(
        self,
        viewer: Viewer,
        layers: Sequence[ImageLayer],
        make: Callable[[ImageLayer], SegmentRequest],
    ) -> None:
        self._viewer, self._make = viewer, make
        self._waiting = deque(layers)
        self.n_layers = len(layers)
        self.n_done = 0
        self.seconds = 0.0
        self.is_complete = True
        self.failed: list[Remark] = []
        self._notes: list[Remark] = []

    def next_request(self) -> SegmentRequest | None:
        """Return the request for the next layer that can be segmented; None after the last one."""
        while self._waiting:
            layer = self._waiting.popleft()
            try:
                if layer not in self._viewer.layers:
                    raise InputError("it was removed")
                turn = self.n_layers - len(self._waiting), self.n_layers
                return replace(self._make(layer), turn=turn)
            except InputError as error:
                self.failed.append((layer.name, str(error)))
        return None

    def add(self, name: str, ended: Ended[Segmented]) -> None:
        """Record what became of a layer; its pixels are not kept."""
        done = ended.value
        if done is not None:
            self.n_done += done.is_complete
            self.seconds += done.seconds
            if done.note:
                self._notes.append((name, done.note))
        if ended.error:
            self.failed.append((name, ended.error))
        elif done is None or not done.is_complete:
            self.is_complete = False
            self._waiting.clear()

    def stop(self) -> None:
        """Take no other layer."""
        if self._waiting:
            self._waiting.clear()
            self.is_complete = False

    def in_words(self) -> str:
        """Return a few lines for the user."""
        text = f"{self.n_done} of {self.n_layers} layers segmented in {duration(self.seconds)}."
        if not self.is_complete:
            text = f"Stopped: {text}"
        return with_remarks(text, self.failed, self._notes)

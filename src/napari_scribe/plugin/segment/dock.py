"""Show the Segment dock: image, model, Segment."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari import Viewer
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QDockWidget

from ..dock import Dock
from ..jobs.request import Ended
from ..widgets.basics import button, stack, step
from ..widgets.feedback import paused
from ..widgets.inputs import refresh_when_seen
from ..widgets.scope_picker import FOLDER, LAYERS
from .decoding import DecodingFold
from .folder import FolderDone
from .form import SegmentForm
from .job import SeamRequest, Segmented, SegmentRequest
from .queue import LayerQueue

if TYPE_CHECKING:
    from ...inference.seams import Seams

PAUSE = "Pause", "Wait, and let other programs compute; what is done stays in memory"
CONTINUE = "Continue", "Go on where it waits"


class SegmentDock(Dock):
    """Segment images with a model that was trained before.

    Parameters
    ----------
    napari_viewer
        Given by napari.
    """

    form: SegmentForm

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.queue: LayerQueue | None = None
        self.form = SegmentForm(self.viewer, self.test_for_seams)
        tip = "Segment what is chosen above"
        self.segment_button = button("Segment", tip, self.segment, is_main=True)
        self.decoding = DecodingFold(self.viewer)
        self.decoding.kept.connect(self._on_kept)
        self.decoding.failed.connect(self.message.error)
        self.pause_button = button(*PAUSE, self.pause_or_go_on)
        parts = self.form.scope, self.form.folder_channels, self.segment_button
        self.lay_out(
            step("1", "Image", stack(self.form.image, self.form.needs)),
            step("2", "Model", self.form.what),
            step("3", "Segment", stack(*parts)),
            self.decoding,
            ends=[self.pause_button],
        )
        refresh_when_seen(self, self.form.model.reset_choices)

    def changeEvent(self, event: QEvent) -> None:
        """Look for new models where the dock's tab is chosen: Qt shows nothing anew then."""
        super().changeEvent(event)
        parent = self.parent()
        if event.type() == QEvent.Type.ParentChange and isinstance(parent, QDockWidget):
            parent.visibilityChanged.connect(self._on_tab)

    def segment(self) -> None:
        """Segment what is chosen with the chosen model."""
        with self.preparing():
            self.decoding.offer(None)
            scope = self.form.scope.value()
            if scope == FOLDER:
                self.start(self.form.folder(), self._on_folder)
            elif scope == LAYERS:
                self.form.model_file()
                layers = self.form.layers()
                self.queue = LayerQueue(self.viewer, layers, self.form.value_of)
                self._segment_next(self.queue)
            else:
                request = self.form.value()
                self.start(request, partial(self._on_segmented, request), view=self.live_result)
            self.form.more.remember()

    def test_for_seams(self) -> None:
        """Measure whether tiles can be told by the answers at their borders."""
        with self.preparing("Looking for seams"):
            self.start(SeamRequest(self.form.value()), self._on_tested)

    def pause_or_go_on(self) -> None:
        """Let what runs wait, or go on."""
        if self.runner.is_paused:
            self.runner.resume()
            self.progress.say(self.progress.format().removeprefix("Paused: "))
        else:
            self.runner.pause()
            self.progress.say(paused(self.progress.format()))
        self.show_state()

    def stop(self) -> None:
        """Stop what runs; what is done is kept."""
        if self.queue is not None:
            self.queue.stop()
        super().stop()

    def show_state(self) -> None:
        """Enable the buttons that make sense now."""
        super().show_state()
        has_layer, is_free = self.form.image.layer.value is not None, not self.runner.is_busy
        is_layer = self.form.scope.value() not in (LAYERS, FOLDER)
        can_wait = is_layer and self.queue is None
        can_wait = can_wait and not self.is_asked(self.form.image.layer.value)
        self.segment_button.setEnabled(self.form.is_filled and (is_free or can_wait))
        self.pause_button.setEnabled(self.stop_button.isEnabled() and self.runner.is_running)
        text, tooltip = CONTINUE if self.runner.is_paused else PAUSE
        self.pause_button.setText(text)
        self.pause_button.setToolTip(tooltip)
        self.form.more.seams.setEnabled(has_layer and is_layer and self.form.is_filled and is_free)

    def close_down(self) -> None:
        """End the job, which saves what it has, and let go of the viewer."""
        self.decoding.close_down()
        self.form.close_down()
        super().close_down()

    def _segment_next(self, queue: LayerQueue) -> None:
        """Segment the next layer; tell what became of all where there is none."""
        # A pause that came too late for one layer is meant for the next.
        was_paused = self.runner.clock.is_paused
        if (request := queue.next_request()) is not None:
            self.start(request, partial(self._on_layer, queue, request), view=self.live_result)
            if was_paused:
                self.runner.pause()
            return
        self.queue = None
        self.progress.clear()
        self.message.say(queue.in_words(), warns=bool(queue.failed))

    def _on_layer(
        self, queue: LayerQueue, request: SegmentRequest, ended: Ended[Segmented]
    ) -> None:
        queue.add(request.image.name, ended)
        self._segment_next(queue)

    def _on_segmented(self, request: SegmentRequest, ended: Ended[Segmented]) -> None:
        if (done := self.result_of(ended)) is not None:
            self.form.show_estimate(request, done.object_size)
            self.message.say(done.in_words(), warns=done.is_undertrained)
            self.decoding.offer(done.decodable)

    def _on_kept(self, path: Path) -> None:
        """Choose the model that has the new values, and tell where it is."""
        self.form.model.set_value(path)
        self.message.info(f"The model is kept as {path.stem}, with these values.")
        self.message.setToolTip(str(path))

    def _on_folder(self, ended: Ended[FolderDone]) -> None:
        if (done := self.result_of(ended)) is not None:
            text = replace(done, seconds=self.runner.clock.seconds).in_words()
            self.message.say(text, warns=bool(done.failed))

    def _on_tested(self, ended: Ended[Seams]) -> None:
        if (seams := self.result_of(ended)) is not None:
            self.message.info(seams.in_words())

    def _on_tab(self, is_chosen: bool) -> None:
        if is_chosen:
            self.form.model.reset_choices()

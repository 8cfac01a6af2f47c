"""The Segment dock: image, model, Segment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QDockWidget

from ...errors import InputError
from ..dock import Dock
from ..jobs.remaining_time import Progressed
from ..jobs.runner import Ended, Question
from ..widgets.basics import button, stack, step
from ..widgets.scope_picker import FOLDER, LAYERS
from .folder import FolderRun, Taken
from .form import SegmentForm
from .queue import SegmentQueue
from .run import SegmentRun
from .seams import SeamRun

if TYPE_CHECKING:
    from napari.viewer import Viewer

PAUSE = "Pause", "Wait, and let other programs compute; what is done stays in memory"
CONTINUE = "Continue", "Go on where it waits"


class SegmentDock(Dock):
    """Segment images with a model that was trained before.

    Parameters
    ----------
    napari_viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.segmenting = SegmentRun(self.viewer, self.runner)
        self.queue = SegmentQueue(self.segmenting)
        self.folder = FolderRun(self.runner)
        self.seams = SeamRun(self.runner)
        self.form = SegmentForm(self.viewer, self.test_for_seams)
        self.segment_button = button("Segment", "Segment what is chosen above", self.segment)
        self.pause_button = button(*PAUSE, self.pause_or_go_on)
        self.stop_button = button("Stop", "Stop, and keep what is done", self.stop)
        self._arrange()
        self.form.changed.connect(self._on_form)
        self.form.image.layer.changed.connect(self.on_other_image)
        self.queue.began.connect(self._show_state)
        for run in (self.queue, self.folder, self.seams):
            run.stepped.connect(self._on_step)
            run.ended.connect(self._on_ended)
        self._show_state()

    def _arrange(self) -> None:
        self.segment_button.setProperty("scribe", "main")
        where = self.form.where, self.form.folder_channels, self.segment_button
        self.lay_out(
            step("1", "Image", stack(self.form.image, self.form.needs)),
            step("2", "Model", self.form.model),
            step("3", "Segment", stack(*where)),
            self.form.more,
            ends=[self.pause_button, self.stop_button],
        )

    def reset_choices(self, event: Any = None) -> None:
        """Follow the viewer's layers; called by napari."""
        self.form.reset_choices(event)

    def showEvent(self, event: Any) -> None:
        """Look for new models whenever the dock comes up."""
        self.form.model.reset_choices()
        super().showEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """The same where its tab is chosen: Qt shows nothing anew then."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ParentChange and isinstance(self.parent(), QDockWidget):
            self.parent().visibilityChanged.connect(self._on_tab)

    def enterEvent(self, event: Any) -> None:
        """The same where it is always up, beside the Train dock."""
        self.form.model.reset_choices()
        super().enterEvent(event)

    def segment(self) -> None:
        """Segment what is chosen with the chosen model."""
        self._begin("Preparing", self._start)

    def test_for_seams(self) -> None:
        """Measure whether tiles can be told by the answers at their borders."""
        self._begin("Looking for seams", lambda: self.seams.start(self.form.value()))

    def pause_or_go_on(self) -> None:
        """Let what runs wait, or go on."""
        running = next(run for run in (self.segmenting, self.folder, self.seams) if run.is_mine)
        if self.runner.is_paused:
            running.resume()
            self.progress.say(self.progress.format().removeprefix("Paused: "))
        else:
            running.pause()
            self.progress.say(f"Paused: {self.progress.format()}")
        self._show_state()

    def stop(self) -> None:
        """Stop what runs; what is done is kept."""
        self.queue.stop()
        self.runner.stop()
        self._show_state()
        self.stop_button.setEnabled(False)
        self.pause_button.setEnabled(False)
        self.progress.busy("Stopping")

    def close_down(self) -> None:
        """End what runs, keep what it has, and let go of the viewer."""
        for run in (self.segmenting, self.folder, self.seams):
            run.close()
        super().close_down()

    def _start(self) -> None:
        where = self.form.where.value()
        if where == FOLDER:
            self.folder.start(self.form.folder())
        elif where == LAYERS:
            self.form.model_file()
            self.queue.start_all(self.form.layers(), self.form.value_of)
        else:
            self.queue.start(self.form.value())
        self.form.more.remember()

    def _on_tab(self, is_chosen: bool) -> None:
        if is_chosen:
            self.form.model.reset_choices()

    def _on_form(self) -> None:
        """What was wrong with the form may be mended by now."""
        self.settle()
        self._show_state()

    def _begin(self, text: str, start: Callable[[], None]) -> None:
        """Start; what keeps it from starting is said."""
        self.message.clear()
        self.progress.busy(text)
        try:
            start()
        except InputError as error:
            self.progress.rest()
            self.message.error(str(error))
            self.until_changed()
        self._show_state()

    def _on_step(self, step: Progressed) -> None:
        if self.runner.is_paused:
            self.progress.say(f"Paused: {step.text}")
        elif self.stop_button.isEnabled():
            self.progress.tell(step.fraction, step.text)
            self.progress.setToolTip(step.detail)

    def _on_ended(self, ended: Ended) -> None:
        self.progress.rest()
        if ended.question is None:
            self.catch_up()
        if ended.question is not None:
            self._ask(ended.question)
        elif ended.error:
            self.message.error(ended.error)
        elif ended.value is None:
            self.message.info("Stopped before anything was done.")
        elif getattr(ended.value, "failed", ()):
            self.message.warn(ended.value.in_words())
        else:
            self.message.info(ended.value.in_words())
        self._show_state()

    def _ask(self, question: Question) -> None:
        """Offer to do what is asked about, whatever the form says by then."""
        start: Callable[[], None]
        if isinstance(question, Taken):
            folder = replace(self.folder.given, overwrite=question.targets)
            start = partial(self.folder.start, folder)
        else:
            start = partial(self.queue.start, replace(self.segmenting.given, overwrite=True))
        yes = partial(self._begin, "Preparing", start)
        self.message.ask(question.text, {question.yes: yes, question.no: lambda: None})

    def _show_state(self) -> None:
        """Which buttons make sense now."""
        running, paused = self.runner.is_running, self.runner.is_paused
        self.segment_button.setEnabled(self.form.is_filled and not running)
        self.stop_button.setEnabled(running)
        self.pause_button.setEnabled(running)
        text, tooltip = CONTINUE if paused else PAUSE
        self.pause_button.setText(text)
        self.pause_button.setToolTip(tooltip)
        has_layer = self.form.image.layer.value is not None
        is_layer = self.form.where.value() not in (LAYERS, FOLDER)
        can_test = has_layer and is_layer and self.form.is_filled and not running
        self.form.more.seams.setEnabled(can_test)

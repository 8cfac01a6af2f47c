"""Give all docks one job at a time, one message, one progress bar, and a clean end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol
from weakref import ref

from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Layer
from qtpy.QtCore import QSize, QTimer
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QApplication, QComboBox, QPushButton, QWidget

from ..errors import InputError
from .jobs.activity import Activity
from .jobs.inference import RunRequest
from .jobs.live_result import LiveResult
from .jobs.mailbox import Mailbox
from .jobs.progress import Progressed
from .jobs.request import Ended, Question, Request, Step, Value
from .jobs.runner import Runner
from .jobs.torch_loader import found_devices, warm_up_once
from .layers.autosave import autosave_of
from .layers.conversion import real_viewer
from .layers.purpose import image_meant, is_from_user
from .widgets.basics import (
    LINE,
    NamedPart,
    button,
    chain,
    fill_column,
    fill_height,
    scrolled,
    theme_colors,
)
from .widgets.feedback import Footer, Message, Progress, paused
from .widgets.inputs import narrow
from .widgets.model_menu import ModelMenu
from .widgets.style import style_of
from .widgets.tabs import Docked

WIDTH = 380
NARROWEST = 296
BESIDE = 350
"""Least width of a dock where names are beside what they name, in pixels."""
WARM_UP_AFTER = 300
"""Milliseconds from opening a dock until torch is imported, in a thread."""


NOTHING_DONE = "Stopped before anything was done."


class View(Protocol):
    """Show in the viewer's layers what a job does while it runs."""

    def step(self, record: Any) -> None:
        """Show a record."""

    def end(self, ended: Ended[Any]) -> Ended[Any]:
        """Show the result; return how the job ended, with what became of that."""

    def close(self) -> None:
        """Let go of the viewer."""


class Dock(Docked):
    """Show a scrolling column of widgets, and below it a foot that stays in sight.

    It starts jobs, which take turns, and stops them, tells what became of them, asks, and keeps
    the buttons as they make sense. Closing it, its viewer or the application stops its job, which
    saves what it has, and drops those that wait.

    A dock of this kind has a form, which `lay_out` connects, and says in `show_state` when its
    buttons make sense. A button calls a method that starts a request: ``with self.preparing():
    self.start(request, on_end)``.

    Attributes
    ----------
    is_stopping
        Whether the job that runs, or ran last, was asked to stop.
    has_stepped
        Whether it has done anything.
    view
        What shows it in the viewer's layers.
    """

    form: Any
    _about_form = ""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.viewer = real_viewer(viewer)
        self.colors = theme_colors(self.viewer)
        self.runner = Runner(self.viewer)
        self.message = Message(self.colors)
        self.progress = Progress()
        self.activity = Activity()
        self.stop_button = button("Stop", "Stop, and keep what is done", self.stop)
        self.is_stopping = self.has_stepped = False
        self._place = ""
        self.runner.queue.moved.connect(self._show_place)
        self.view: View | None = None
        self.setMinimumSize(NARROWEST, 220)
        fill_height(self)
        Dock.set_colors(self, self.colors)
        self.viewer.events.theme.connect(self._on_theme)
        # A slot of the dying widget itself would not be called any more.
        self.destroyed.connect(partial(Runner.close, self.runner))
        self.autosave = autosave_of(self.viewer, id(self))
        self.destroyed.connect(partial(self.autosave.release, id(self)))
        self._selected: Callable[[], ImageLayer | None] = lambda: None
        self._missed: Callable[[], ImageLayer | None] = lambda: None  # selected while a job ran
        self._catches_up = False
        self.viewer.layers.selection.events.active.connect(self._on_selected)
        application = QApplication.instance()
        assert application is not None
        application.aboutToQuit.connect(self.runner.close)
        self._warmed_up = Mailbox()
        self._warmed_up.delivered.connect(self._on_torch)
        QTimer.singleShot(WARM_UP_AFTER, self._warm_up)

    @contextmanager
    def preparing(self, text: str = "Preparing") -> Iterator[None]:
        """Prepare a job: show that something happens, and what keeps the job from starting."""
        self.message.clear()
        if is_free := not self.runner.is_busy:  # else the bar is of what runs
            self.progress.busy(text)
        try:
            yield
        except InputError as error:
            if is_free:
                self.progress.clear()
            self.message.error(str(error))
            self.until_changed()
        self.show_state()

    def start(
        self,
        request: Request[Step, Value],
        on_end: Callable[[Ended[Value]], None],
        *,
        view: Callable[[Any], View] | None = None,
        on_step: Callable[[Step], None] | None = None,
    ) -> None:
        """Start the job of a request, now or when it is its turn.

        Parameters
        ----------
        on_end
            Called when it has ended, whatever happened; `result_of` gives what it gave.
        view
            Makes what shows the job of this request in the viewer's layers.
        on_step
            Called with each record, which the progress bar shows as well.

        Raises
        ------
        InputError
            If it would have to wait and cannot.
        """
        shown: View | None = None
        has_waited = False

        def begin() -> None:
            nonlocal shown
            if has_waited:
                self._leave_line(request)
            self.activity.begin(request.title)
            self.is_stopping = self.has_stepped = False
            self._start_again: Callable[[Request[Any, Any]], None] = start_again
            if self.view is not None:
                self.view.close()
            shown = self.view = None if view is None else view(request)
            if has_waited:
                self.show_state()

        def step(record: Step) -> None:
            self.has_stepped = True
            if shown is not None:
                shown.step(record)
            self.show_progress(request.progress(record, self.runner.clock))
            if on_step is not None:
                on_step(record)

        def end(ended: Ended[Value]) -> None:
            self.activity.end()
            on_end(ended if shown is None else shown.end(ended))
            if not (self.runner.is_busy or self.message.answers):  # nothing follows from it
                self._catch_up()
            self.show_state()

        def start_again(other: Request[Step, Value]) -> None:
            with self.preparing():
                self.start(other, on_end, view=view, on_step=on_step)

        self.runner.start(request, step, end, begin)
        has_waited = True

    def is_asked(self, layer: Layer | None) -> bool:
        """Return whether a job of this dock runs or waits on an image, or on unknown layers."""
        requests = [turn.request for turn in self.runner.queue.turns_of(self.runner)]
        return any(layer in request.layers or not request.layers for request in requests)

    def _leave_line(self, request: Request[Any, Any]) -> None:
        """Show that it is the turn of a job.

        Raises
        ------
        InputError
            If a layer is gone on which it was asked for.
        """
        if self.message.text == self._place:
            self.message.clear()
        gone = [layer.name for layer in request.layers if layer not in self.viewer.layers]
        if gone:
            raise InputError(f"{gone[0]} was removed before it was its turn: nothing was done.")
        self.progress.busy("Preparing")

    def _show_place(self) -> None:
        """Show what the next job of this dock waits for, until other things are said."""
        waiting = self.runner.waiting
        if not waiting:
            return
        place = self.runner.queue.in_words(waiting[0])
        if self.message.text in ("", self._place):
            self.message.info(place)
        self._place = place
        if not self.runner.is_running:
            self.progress.wait(place)

    def result_of(self, ended: Ended[Value], nothing: str = NOTHING_DONE) -> Value | None:
        """Return what a job gave; where it gave nothing, tell the user why, or ask.

        Parameters
        ----------
        nothing
            What is said where the job was stopped too early.
        """
        self.progress.clear()
        if ended.question is not None:
            self._ask_back(ended.question)
            return None
        if ended.error:
            self.message.error(ended.error)
        elif ended.value is None:
            self.message.info(nothing)
        return ended.value

    def live_result(self, request: RunRequest[Any]) -> LiveResult:
        """Return the view of a run over an image."""
        return LiveResult(self.viewer, self.runner, request)

    def stop(self) -> None:
        """Stop what runs, whose results are kept; else take out of the line what waits."""
        self.is_stopping = self.runner.is_running
        self.runner.stop()
        self.show_state()
        if self.is_stopping:
            self.progress.busy("Stopping")

    def show_progress(self, state: Progressed) -> None:
        """Show a state in the progress bar, and in napari's activity area."""
        self.activity.tell(state)
        if self.runner.is_paused:
            self.progress.say(paused(state.text))
        elif not self.is_stopping:
            self.progress.tell(state.fraction, state.text)
            self.progress.setToolTip(state.detail)

    def show_state(self) -> None:
        """Enable the buttons that make sense now."""
        self.stop_button.setEnabled(self.runner.is_busy and not self.is_stopping)

    def ask(self, text: str, answers: dict[str, Callable[[], None]]) -> None:
        """Ask something about the form, until that is changed; each answer is a button."""
        self.progress.clear()
        self.message.ask(text, answers)
        self.until_changed()

    def _ask_back(self, question: Question) -> None:
        """Offer to start what the question is about, whatever the form holds by then."""
        if (request := question.request) is not None:
            yes = partial(self._start_again, request)
            self.message.ask(question.text, {question.yes: yes, question.no: lambda: None})

    def lay_out(self, *parts: QWidget, ends: Sequence[QPushButton] = ()) -> None:
        """Lay widgets out one under the other, the settings last; below them the foot that stays.

        The last call of a dock's ``__init__``: the form is connected, and buttons show the state.

        Parameters
        ----------
        ends
            Buttons beside Stop.
        """
        content = QWidget()
        parts = (*parts, self.form.more)
        fill_column(content, *parts, margins=(8, 8, 8, 8), spacing=8).addStretch(1)
        for combo in content.findChildren(QComboBox):
            narrow(combo)
        self._area = scrolled(content)
        self._footer = Footer(self.message, self.progress, [*ends, self.stop_button])
        fill_column(self, self._area, self._footer, spacing=0).setStretch(0, 1)
        self._content = self._wanted = content
        self.form.changed.connect(self.on_form)
        self.form.image.layer.changed.connect(self.on_other_image)
        self.form.image.layer.native.activated.connect(self._on_picked)
        for menu in content.findChildren(ModelMenu):
            menu.asked.connect(self.message.ask)
            menu.told.connect(self.message.info)
            menu.failed.connect(self.message.error)
        self._soon = QTimer(self, interval=0, singleShot=True)  # ends with the dock
        self._soon.timeout.connect(self._scroll_to_wanted)
        self.show_state()

    def reset_choices(self, event: object = None) -> None:
        """Offer the viewer's layers; called by napari."""
        self.form.reset_choices(event)
        self.show_state()

    def scroll_to(self, part: QWidget) -> None:
        """Bring a part into view, once it has its height."""
        self._wanted = part
        self._soon.start()

    def _scroll_to_wanted(self) -> None:
        self._area.ensureWidgetVisible(self._wanted)

    def sizeHint(self) -> QSize:
        """Return the height of the content: a scrolling area alone asks for next to nothing."""
        return QSize(WIDTH, self._content.sizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put names above in a narrow dock; keep most of a low one for what is filled in."""
        super().resizeEvent(event)
        for part in self.findChildren(NamedPart):
            part.put_name(above=self.width() < BESIDE)
        self.message.limit(max(LINE, 2 * self.height() // 5))

    def focusNextPrevChild(self, is_next: bool) -> bool:
        """Let Tab follow the eye, whenever the parts of the dock were made."""
        chain(self)
        return super().focusNextPrevChild(is_next)

    def set_colors(self, colors: dict[str, str]) -> None:
        """Take on the colours of a theme."""
        self.colors = colors
        self.message.set_colors(colors)
        self.setStyleSheet(style_of(colors))

    def until_changed(self) -> None:
        """Show the message only until the form, which it is about, is changed (see `on_form`)."""
        self._about_form = self.message.text

    def on_form(self) -> None:
        """Take away a message about the form, which may be right by now; update the buttons."""
        self.settle()
        self.show_state()

    def settle(self) -> None:
        """Take away a message about the form."""
        if self._about_form and self._about_form == self.message.text:
            self.message.clear()
        self._about_form = ""

    def on_other_image(self, layer: ImageLayer | None = None) -> None:
        """Take away what was said, or asked, about the image that was chosen before.

        Parameters
        ----------
        layer
            The image that is chosen now, so that a selection missed before no longer counts.
        """
        if layer is not None:
            self._missed = lambda: None
        if not (self.runner.is_busy or self._catches_up):
            self.message.clear()

    def select(self, layer: ImageLayer) -> None:
        """Show the image that the user has selected, unless a job of this dock runs."""
        self.form.image.follow(layer, only_see=self.runner.is_busy)

    def _catch_up(self) -> None:
        """Show the image that the user has selected while a job ran; what that gave stays told."""
        layer, shown = self._missed(), self.form.image.layer.value
        if layer is not None and layer is not shown and layer in self.viewer.layers:
            self._catches_up = True
            self.select(layer)
            self._catches_up = False

    def _on_picked(self, _index: int) -> None:
        """Select the image that the user has picked in the form: other docks follow."""
        picked, layers = self.form.image.layer.value, self.viewer.layers
        if picked in layers and image_meant(self.viewer, layers.selection.active) is not picked:
            layers.selection.active = picked

    def _on_selected(self, _event: object = None) -> None:
        """Notice what the user selects; results come and go, and change nothing."""
        layer = self.viewer.layers.selection.active
        if is_from_user(layer) and layer is not self._selected():
            self._selected = self._missed = ref(layer)
            self.select(layer)

    def close_down(self) -> None:
        """End the job, which saves what it has, and let go of the viewer."""
        self.activity.end()
        if self.view is not None:
            self.view.close()
        self.viewer.layers.selection.events.active.disconnect(self._on_selected)
        self.viewer.events.theme.disconnect(self._on_theme)
        self.runner.close()
        self.autosave.release(id(self))

    def _on_theme(self, _event: object = None) -> None:
        self.set_colors(theme_colors(self.viewer))

    def _warm_up(self) -> None:
        """Load torch before it is needed; what fails here is told when a job begins.

        A dock without a device needs none.
        """
        if self.form.more.has_device and not found_devices():
            threading.Thread(target=warm_up_once, args=(self._warmed_up.send,)).start()

    def _on_torch(self, gpu: str) -> None:
        """Offer the devices that there are; warn of a GPU that is not used."""
        self.form.more.device.reset_choices()
        if gpu and not self.message.text:
            self.message.warn(gpu)

"""Segmentations one after the other: of one layer, or of all of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from qtpy.QtCore import QObject, Signal

from ...errors import InputError
from ..jobs.remaining_time import Progressed
from ..jobs.runner import Ended
from ..messages import listed
from ..model_library import duration
from .job import Segmented, SegmentInput
from .run import SegmentRun


@dataclass
class AllDone:
    """What became of several layers.

    Parameters
    ----------
    n_layers
        How many there were.
    n_done
        How many were segmented.
    seconds
        How long it took.
    notes
        Names, with a word about the image.
    failed
        Names, with what was wrong.
    is_complete
        False where it was stopped early.
    """

    n_layers: int
    n_done: int = 0
    seconds: float = 0.0
    notes: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    is_complete: bool = True

    def add(self, name: str, one: Segmented) -> None:
        """Take down what a layer gave; its pixels are not kept."""
        self.n_done += one.is_complete
        self.seconds += one.seconds
        if one.note:
            self.notes.append((name, one.note))

    def in_words(self) -> str:
        """A few lines for the user."""
        text = f"{self.n_done} of {self.n_layers} layers segmented in {duration(self.seconds)}."
        if not self.is_complete:
            text = f"Stopped: {text}"
        if self.failed:
            text += f" {len(self.failed)} failed: {listed(self.failed)}."
        if self.notes:
            text += f" Notes: {listed(self.notes)}."
        return text


class SegmentQueue(QObject):
    """Runs a `SegmentRun` for one layer after the other; each result is shown when it is there.

    Signals
    -------
    began
        The next of several layers: while the result before it was shown, nothing ran.
    stepped
        `Progressed`.
    ended
        `Ended`, once: with `Segmented` for one layer, `AllDone` for several.
    """

    began = Signal()
    stepped = Signal(object)
    ended = Signal(object)

    def __init__(self, run: SegmentRun) -> None:
        super().__init__()
        self._run = run
        self._left: deque[Any] = deque()
        self._make: Callable[[Any], SegmentInput] | None = None
        self._all: AllDone | None = None
        run.stepped.connect(self._on_stepped)
        run.ended.connect(self._on_ended)

    def start(self, given: SegmentInput) -> None:
        """Segment one layer.

        Raises
        ------
        InputError
            If another job runs.
        """
        self._all = None
        self._run.is_brief = False
        self._run.start(given)

    def start_all(self, layers: Sequence[Any], make: Callable[[Any], SegmentInput]) -> None:
        """Segment several layers.

        Parameters
        ----------
        make
            Gives what is segmented of a layer, when it is its turn. May raise `InputError`.

        Raises
        ------
        InputError
            If another job runs.
        """
        self._run.runner.check_free()
        self._left, self._make, self._all = deque(layers), make, AllDone(len(layers))
        self._run.is_brief = len(layers) > 1
        self._start_next()

    def stop(self) -> None:
        """Begin with no other layer; the one that runs is stopped by its runner."""
        if self._all is not None and self._left:
            self._left.clear()
            self._all.is_complete = False

    def _start_next(self, is_paused: bool = False) -> None:
        done = self._all
        assert done is not None and self._make is not None
        while self._left:
            layer = self._left.popleft()
            try:
                if layer not in self._run.viewer.layers:
                    raise InputError("it was removed")
                self._run.start(self._make(layer))
                if is_paused:
                    self._run.pause()
                self.began.emit()
                return
            except InputError as error:
                done.failed.append((layer.name, str(error)))
        self.ended.emit(Ended(value=done))

    def _on_stepped(self, step: Progressed) -> None:
        done = self._all
        if done is not None and done.n_layers > 1:
            number = done.n_layers - len(self._left)
            before = f"layer {number} of {done.n_layers}, "
            share = (number - 1 + step.fraction) / done.n_layers
            step = Progressed(share, before + step.text, step.detail)
        self.stepped.emit(step)

    def _on_ended(self, ended: Ended) -> None:
        done, given = self._all, self._run.given
        if done is None or given is None:
            self.ended.emit(ended)
            return
        if isinstance(ended.value, Segmented):
            done.add(given.image.name, ended.value)
        if ended.error:
            done.failed.append((given.image.name, ended.error))
        elif ended.value is None or not ended.value.is_complete:
            done.is_complete = False
            self._left.clear()
        # A pause that came too late for one layer is meant for the next.
        self._start_next(self._run.pace.is_paused)

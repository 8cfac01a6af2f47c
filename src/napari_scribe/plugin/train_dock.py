"""The Train dock: image, annotations, paint, Train; then Segment."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from ..errors import InputError
from .curves import Curves
from .jobs import Ended, Runner
from .layers import real_viewer
from .parts import Message, Progress, button, hint, row, scrolled, theme_colors
from .train_form import TrainForm
from .train_run import Trained, TrainInput, TrainRun

if TYPE_CHECKING:
    from napari.viewer import Viewer

STYLE = '*[scribe="hint"] {{ color: {dim}; }} *[scribe="main"] {{ font-weight: bold; }}'


class TrainDock(QWidget):
    """Train a network on what was painted, watch it learn, segment with it.

    Parameters
    ----------
    napari_viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.viewer = real_viewer(napari_viewer)
        self._trained: Trained | None = None
        self._given: TrainInput | None = None
        self.runner = Runner(self.viewer)
        self.run = TrainRun(self.viewer, self.runner)

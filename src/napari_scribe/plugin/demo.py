"""Run the demo in napari: the sample opens, trains and is segmented before one's eyes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import napari
from qtpy.QtCore import QTimer

from ..demo import save_results
from ..errors import InputError
from ..io import check_writable
from ..samples import nuclei
from .jobs.request import Ended
from .jobs.training import Trained
from .segment.job import Segmented
from .train.dock import TrainDock
from .workspace.dock import Workspace

BEGIN_AFTER = 1000
"""Milliseconds in which the user sees the paint before the training begins."""


def run(out: Path, seconds: float, device: str | None = None) -> None:
    """Open napari with the demo, and stay until its window is closed.

    Results go to the folder `out` as soon as the sample is segmented.

    Raises
    ------
    InputError
        If `out` cannot be written, before anything is opened.
    """
    check_writable(out / "model.zip")
    viewer = napari.Viewer(title="napari-scribe demo")
    start(viewer, out, seconds, device)
    napari.run()


def start(viewer: napari.Viewer, out: Path, seconds: float, device: str | None = None) -> TrainDock:
    """Open sample and workspace, let them train and segment by themselves, and return its page."""
    viewer.open_sample("napari-scribe", "nuclei")
    workspace: Workspace
    _, workspace = viewer.window.add_plugin_dock_widget("napari-scribe", "Workspace")
    dock = workspace.page("Train")
    assert isinstance(dock, TrainDock)
    dock.form.more.set_values({})  # for now: what the user chose last stays in its file
    dock.form.more.minutes.value = seconds / 60
    QTimer.singleShot(0, viewer.reset_view)  # the dock has taken some of the canvas

    def train() -> None:
        dock.train(lambda request: request.changed(seconds=seconds, device=device))

    def go_on(ended: Ended[Any]) -> None:
        if isinstance(ended.value, Trained):
            QTimer.singleShot(0, lambda: dock.segment(device))
            return
        dock.runner.ended.disconnect(go_on)
        if isinstance(ended.value, Segmented):
            save(ended.value)

    def save(done: Segmented) -> None:
        assert dock.trained is not None
        try:
            scores = save_results(out, nuclei(), dock.trained.model, done.answer)
        except (InputError, OSError) as error:
            dock.message.error(f"{done.in_words()} The results are not kept: {error}")
            return
        dock.message.info(
            f"{done.in_words()} AP50 {scores.ap[0]:.2f} against the truth. "
            f"Results are in {out.resolve()}"
        )

    dock.runner.ended.connect(go_on)
    QTimer.singleShot(BEGIN_AFTER, train)
    return dock

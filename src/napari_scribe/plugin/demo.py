"""The demo in napari: the sample opens, trains and is segmented before one's eyes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QTimer

from ..demo import save_results
from ..samples import nuclei
from .jobs import Ended

BEGIN_AFTER = 1000
"""Milliseconds in which the user sees the paint before the training begins."""


def run(out: Path, seconds: float) -> None:
    """Open napari with the demo, and stay until its window is closed.

    Results go to the folder `out` as soon as the sample is segmented.
    """
    import napari

    viewer = napari.Viewer(title="napari-scribe demo")
    start(viewer, out, seconds)
    napari.run()


def start(viewer: Any, out: Path, seconds: float) -> Any:
    """Open sample and dock, and let them train and segment by themselves; the dock."""
    viewer.open_sample("napari-scribe", "nuclei")
    _, dock = viewer.window.add_plugin_dock_widget("napari-scribe", "Train")
    dock.form.more.minutes.value = seconds / 60

    def segment(_ended: Ended) -> None:
        dock.training.ended.disconnect(segment)
        if dock.trained is not None:
            QTimer.singleShot(0, dock.segment)

    def save(ended: Ended) -> None:
        dock.segmenting.ended.disconnect(save)
        if ended.value is None or dock.trained is None:
            return
        scores = save_results(out, nuclei(), dock.trained.model, ended.value.labels)
        dock.message.info(
            f"{ended.value.in_words()} AP50 {scores.ap[0]:.2f} against the truth. "
            f"Results are in {out.resolve()}"
        )

    dock.training.ended.connect(segment)
    dock.segmenting.ended.connect(save)
    QTimer.singleShot(BEGIN_AFTER, dock.train)
    return dock

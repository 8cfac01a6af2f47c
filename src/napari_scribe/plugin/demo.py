"""The demo in napari: the sample opens, trains and is segmented before one's eyes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QTimer

from ..demo import save_results
from ..errors import InputError
from ..io import check_writable
from ..samples import nuclei
from .jobs.runner import Ended

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
    import napari

    check_writable(out / "model.zip")
    viewer = napari.Viewer(title="napari-scribe demo")
    start(viewer, out, seconds, device)
    napari.run()


def start(viewer: Any, out: Path, seconds: float, device: str | None = None) -> Any:
    """Open sample and dock, and let them train and segment by themselves; the dock."""
    viewer.open_sample("napari-scribe", "nuclei")
    _, dock = viewer.window.add_plugin_dock_widget("napari-scribe", "Train")
    dock.form.fill_defaults()  # for now: what the user chose last is left in its file
    dock.form.more.minutes.value = seconds / 60
    QTimer.singleShot(0, viewer.reset_view)  # the dock has taken some of the canvas

    def train() -> None:
        dock.begin(lambda given: given.changed(seconds=seconds, device=device))

    def segment(_ended: Ended) -> None:
        dock.training.ended.disconnect(segment)
        if dock.trained is not None:
            dock.segmenting.ended.connect(save)
            QTimer.singleShot(0, lambda: dock.segment(device))

    def save(ended: Ended) -> None:
        dock.segmenting.ended.disconnect(save)
        if ended.value is None or dock.trained is None:
            return
        try:
            scores = save_results(out, nuclei(), dock.trained.model, ended.value.labels)
        except (InputError, OSError) as error:
            dock.message.error(f"{ended.value.in_words()} The results are not kept: {error}")
            return
        dock.message.info(
            f"{ended.value.in_words()} AP50 {scores.ap[0]:.2f} against the truth. "
            f"Results are in {out.resolve()}"
        )

    dock.training.ended.connect(segment)
    QTimer.singleShot(BEGIN_AFTER, train)
    return dock

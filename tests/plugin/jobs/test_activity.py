"""Jobs in napari's activity area."""

from __future__ import annotations

from typing import Any

from napari._qt.widgets.qt_progress_bar import QtLabeledProgressBar

from napari_scribe.plugin.jobs.activity import Activity
from napari_scribe.plugin.jobs.progress import Progressed


def bars(viewer: Any) -> list[Any]:
    """What the activity area shows."""
    dialog = viewer.window._qt_window._activity_dialog
    return list(dialog.findChildren(QtLabeledProgressBar))


def test_a_job_is_shown_until_it_ends(viewer: Any, qtbot: Any) -> None:
    activity = Activity()
    activity.begin("Training on cells")
    assert not bars(viewer)  # what is over soon is not shown
    activity.tell(Progressed(0.25, "step 40, 1:20 min left"))
    activity._show()
    (bar,) = bars(viewer)
    assert bar.description_label.text().startswith("Training on cells")
    assert bar.eta_label.text() == "step 40, 1:20 min left"
    assert bar.qt_progress_bar.value() == bar.qt_progress_bar.maximum() // 4
    activity.tell(Progressed(0.5, "step 80"))
    activity._show()
    assert bars(viewer) == [bar] and bar.qt_progress_bar.value() == 500
    activity.end()
    qtbot.waitUntil(lambda: not bars(viewer))
    activity.end()


def test_a_job_that_ends_while_its_bar_is_made(viewer: Any, qtbot: Any) -> None:
    """napari lets events happen while it makes a bar, and the end of the job may be one of them."""
    activity = Activity()
    activity.begin("Training on cells")
    activity._tick.stop()
    activity._show()
    qtbot.waitUntil(lambda: not bars(viewer))

"""Paint outlives napari: a kill, a closed window; and it is offered once more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from napari_scribe.plugin import dock as dock_module
from napari_scribe.plugin.layers import autosave as module
from napari_scribe.plugin.layers.purpose import note
from napari_scribe.plugin.train.dock import TrainDock
from napari_scribe.session.autosave import list_kept, read_kept, recovery_folder
from napari_scribe.user_folder import home

LONG = 120_000
PAINT = "nuclei annotations"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paint is kept after a moment: a test does not wait for seconds. Nothing is trained here."""
    monkeypatch.setattr(module, "KEEP_AFTER", 0.05)
    monkeypatch.setattr(dock_module, "WARM_UP_AFTER", 3_600_000)


@pytest.fixture
def dock(docks: Callable[[type], Any]) -> Any:
    return docks(TrainDock)


def until_kept(qtbot: Any, value: int) -> None:
    def is_kept() -> bool:
        return any((read_kept(kept) == value).any() for kept in list_kept())

    qtbot.waitUntil(is_kept, timeout=LONG)


def offered(dock: Any, qtbot: Any) -> str:
    qtbot.waitUntil(lambda: bool(dock.recovery.answers), timeout=LONG)
    return str(dock.recovery.text)


def test_strokes_are_kept_and_undone(dock: Any, painted: Any, qtbot: Any) -> None:
    paint = painted.layers[PAINT]
    paint.paint((5, 5), 91)
    until_kept(qtbot, 91)
    (kept,) = list_kept()
    assert (kept.name, kept.image, kept.shape) == (PAINT, "nuclei", (256, 256))
    assert np.array_equal(read_kept(kept), paint.data)
    paint.undo()
    qtbot.waitUntil(lambda: not (read_kept(kept) == 91).any(), timeout=LONG)


def test_it_outlives_the_docks_that_let_go_of_it(dock: Any, painted: Any, qapp: Any) -> None:
    """As the application's child: PySide deletes all that has no parent at exit, in any order."""
    autosave = dock.autosave
    assert autosave.parent() is qapp
    painted.layers[PAINT].paint((5, 5), 93)
    dock.close_down()
    assert autosave.parent() is None
    assert any((read_kept(kept) == 93).any() for kept in list_kept())


def test_what_is_not_painted_is_not_kept(viewer: Any, qtbot: Any) -> None:
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock)
    viewer.open_sample("napari-scribe", "nuclei")
    viewer.add_labels(np.ones((512, 512), int), name="opened")
    dock.form.new.click()
    viewer.layers[PAINT].refresh()
    qtbot.wait(300)
    assert not list_kept()
    dock.close_down()


def test_annotations_made_of_a_result_are_kept(dock: Any, painted: Any, qtbot: Any) -> None:
    from napari_scribe.plugin.layers.conversion import add_annotations

    add_annotations(painted, painted.layers["nuclei"], paint=np.full((256, 256), 8, np.uint16))
    until_kept(qtbot, 8)


def test_removed_annotations_are_forgotten(dock: Any, painted: Any, qtbot: Any) -> None:
    painted.layers[PAINT].paint((5, 5), 91)
    until_kept(qtbot, 91)
    painted.layers.remove(PAINT)
    qtbot.waitUntil(lambda: not list_kept(), timeout=LONG)


def test_a_file_of_the_users_takes_the_place_of_the_recovery(
    dock: Any, painted: Any, qtbot: Any, tmp_path: Any
) -> None:
    from napari_scribe.io import read_image

    paint, file = painted.layers[PAINT], tmp_path / "mine.tif"
    paint.paint((5, 5), 91)
    until_kept(qtbot, 91)
    dock.autosave.keep_in(paint, file)
    qtbot.waitUntil(lambda: not list_kept(), timeout=LONG)
    paint.paint((9, 9), 92)
    qtbot.waitUntil(
        lambda: file.exists() and np.array_equal(read_image(file).data, paint.data), timeout=LONG
    )
    assert not list_kept()
    assert read_image(file).scale == {"Y": 0.5, "X": 0.5}


def test_the_last_stroke_is_in_the_users_file_when_the_layer_is_removed_at_once(
    dock: Any, painted: Any, qtbot: Any, tmp_path: Any
) -> None:
    from napari_scribe.io import read_image

    paint, file = painted.layers[PAINT], tmp_path / "mine.tif"
    dock.autosave.keep_in(paint, file)
    qtbot.waitUntil(file.exists, timeout=LONG)
    paint.paint((9, 9), 92)
    painted.layers.remove(PAINT)
    qtbot.waitUntil(lambda: read_image(file).data[9, 9] == 92, timeout=LONG)


def test_a_closed_viewer_keeps_the_last_stroke(
    make_napari_viewer: Any, sample: Any, qtbot: Any
) -> None:
    """Its paint is offered where the image is opened again, and only there."""
    viewer = make_napari_viewer()
    viewer.add_image(sample.image, name="nuclei")
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock)
    dock.form.new.click()
    paint = viewer.layers[PAINT]
    paint.paint((5, 5), 91)
    until_kept(qtbot, 91)
    paint.paint((9, 9), 92)
    data = paint.data.copy()
    viewer.close()
    until_kept(qtbot, 92)
    qtbot.waitUntil(lambda: list_kept()[0].is_closed, timeout=LONG)

    viewer = make_napari_viewer()
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock)
    qtbot.wait(200)
    assert not dock.recovery.text
    image = viewer.add_image(sample.image, name="nuclei")
    assert offered(dock, qtbot).startswith("Annotations of nuclei from ")
    dock.recovery.answers["Restore"].click()
    assert np.array_equal(viewer.layers[PAINT].data, data)
    assert dock.form.paint.value is viewer.layers[PAINT]
    assert dock.form.image.layer.value is image
    qtbot.waitUntil(lambda: not dock.recovery.text, timeout=LONG)
    (kept,) = list_kept()
    assert kept.key == str(viewer.layers[PAINT].unique_id) and not kept.is_closed
    dock.close_down()


KILLED = """
import os, signal
import napari
from napari_scribe.plugin import dock as module
module.WARM_UP_AFTER = 3_600_000  # nothing is trained here
from qtpy.QtCore import QTimer
from napari_scribe.plugin.train.dock import TrainDock
viewer = napari.Viewer(show=False)
viewer.open({path!r}, plugin="napari")
dock = TrainDock(viewer)
viewer.window.add_dock_widget(dock)
dock.form.task.value = "classes"
dock.form.new.click()
paint = dock.form.paint.value
from napari_scribe.session.autosave import list_kept, read_kept
strokes = iter(range(2, 12))
def stroke():
    value = next(strokes, None)
    if value is not None:
        paint.paint((12 * value, 12 * value), value)
    elif list_kept() and read_kept(list_kept()[0]).max() == 11:
        print("painted", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
timer = QTimer(interval=30)
timer.timeout.connect(stroke)
timer.start()
napari.run()
"""


@pytest.mark.skipif(os.name == "nt", reason="signals are as on POSIX")
def test_not_a_stroke_is_lost_by_a_kill(
    viewer: Any, sample: Any, qtbot: Any, tmp_path: Any
) -> None:
    from napari_scribe.io import write_tiff

    path = tmp_path / "cells.tif"
    write_tiff(path, sample.image)
    code = KILLED.format(path=str(path))
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert done.stdout.split() == ["painted"]

    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock)
    assert offered(dock, qtbot).startswith("Annotations of cells from ")
    dock.recovery.answers["Restore"].click()
    assert [layer.name for layer in viewer.layers] == ["cells", "cells annotations"]
    paint = viewer.layers["cells annotations"]
    assert set(np.unique(paint.data)) == {0, *range(2, 12)}
    assert all(paint.data[12 * n, 12 * n] == n for n in range(2, 12))
    assert note(paint)["source"] == "cells"
    assert str(dock.form.task.value) == "classes"
    dock.close_down()
    assert home() in recovery_folder().parents

"""Make the pictures of the README: the demo in napari, and both docks.

Needs a display; on a machine without one, ``xvfb-run -s "-screen 0 1600x1000x24" python
docs/make_screenshots.py``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import napari
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QScrollArea, QWidget

from napari_scribe.plugin.demo import start

IMAGES = Path(__file__).parent / "images"
SECONDS = 25


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    viewer = napari.Viewer(title="napari-scribe")
    viewer.window._qt_window.resize(1300, 860)
    with tempfile.TemporaryDirectory() as folder:
        dock = start(viewer, Path(folder, "scribe-demo"), SECONDS)
        QTimer.singleShot(1000 * SECONDS * 2 // 3, lambda: save(dock, "train_dock.png"))
        dock.segmenting.ended.connect(lambda _: QTimer.singleShot(1500, lambda: finish(viewer)))
        napari.run()


def finish(viewer: napari.Viewer) -> None:
    """The demo when it has ended, then the Segment dock."""
    viewer.screenshot(IMAGES / "demo.png", canvas_only=False, flash=False)
    _, dock = viewer.window.add_plugin_dock_widget("napari-scribe", "Segment", tabify=True)
    QTimer.singleShot(1000, lambda: save(dock, "segment_dock.png"))
    QTimer.singleShot(2000, viewer.close)


def save(dock: QWidget, name: str) -> None:
    """A dock alone, without the empty space below it."""
    picture = dock.grab()
    content = dock.findChild(QScrollArea).widget()
    height = min(picture.height(), content.sizeHint().height() + 8)
    picture.copy(0, 0, picture.width(), height).save(str(IMAGES / name))


if __name__ == "__main__":
    main()

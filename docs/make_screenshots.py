"""Make the pictures of the documentation. Needs a display, for example `xvfb-run -s "-screen 0
1600x1000x24" python docs/make_screenshots.py`; takes about a minute and a half.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

IMAGES = Path(__file__).parent / "images"
WINDOW = 1280, 860


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NAPARI_SCRIBE_HOME"] = folder
        IMAGES.mkdir(exist_ok=True)
        first_steps()
        train_and_segment()


def first_steps() -> None:
    """An empty viewer, an image with new annotations, a question."""
    viewer, dock = open_viewer("Train")
    save(dock.grab(), "train-empty")
    image, _ = sample(viewer, painted=False)
    dock.form.new.click()
    wait(0.5)
    save(viewer, "new-annotations")
    paint = viewer.layers["nuclei annotations"]
    paint.data = np.where(nuclei_paint() > 1, 1, 0).astype(paint.data.dtype)
    viewer.layers.selection.active = image
    dock.train()
    until_idle(dock)
    save(dock.grab(), "question")
    viewer.close()
    wait(0.5)


def train_and_segment() -> None:
    """A training with its preview, all settings, the result, the Segment dock."""
    viewer, dock = open_viewer("Train")
    sample(viewer, painted=True)
    dock.form.more.minutes.value = 1
    dock.train()
    wait(25)
    save(viewer, "training")
    dock.stop()
    until_idle(dock)
    dock.segment()
    until_idle(dock)
    save(viewer, "segmented")
    dock.form.more.expand()
    for fold in dock.form.more.folds.values():
        fold.expand()
    wait(0.5)
    save(dock.form.more.grab(), "more-settings")
    dock.form.more.collapse()
    _, segment_dock = viewer.window.add_plugin_dock_widget("napari-scribe", "Segment", tabify=True)
    segment_dock.parent().raise_()
    segment_dock.more.expand()
    wait(0.5)
    save(segment_dock.grab(), "segment")
    viewer.close()
    wait(0.5)


def open_viewer(name: str) -> tuple[Any, Any]:
    import napari

    viewer = napari.Viewer(show_welcome_screen=False)
    _, dock = viewer.window.add_plugin_dock_widget("napari-scribe", name)
    viewer.window.resize(*WINDOW)
    wait(4)  # torch gets ready meanwhile
    return viewer, dock


def sample(viewer: Any, painted: bool) -> Any:
    image, paint = viewer.open_sample("napari-scribe", "nuclei")
    if not painted:
        viewer.layers.remove(paint)
        paint = None
    wait(0.5)
    return image, paint


def nuclei_paint() -> np.ndarray:
    from napari_scribe.samples import nuclei

    return nuclei().paint


def until_idle(dock: Any) -> None:
    while dock.runner.is_running:
        wait(0.05)
    wait(0.5)


def wait(seconds: float) -> None:
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.005)


def save(shown: Any, name: str) -> None:
    """Save a viewer or a grabbed widget with few colours: small files that look the same."""
    from PIL import Image

    if hasattr(shown, "screenshot"):
        picture = Image.fromarray(shown.screenshot(canvas_only=False, flash=False)[..., :3])
    else:
        path = IMAGES / f"{name}.png"
        shown.save(str(path))
        picture = Image.open(path).convert("RGB")
    path = IMAGES / f"{name}.png"
    picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        path, optimize=True
    )
    print(f"{path.name}: {picture.width} x {picture.height}, {path.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main()

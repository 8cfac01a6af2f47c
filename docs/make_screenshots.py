"""Make the pictures of the documentation. Needs a display, for example `xvfb-run -s "-screen 0
1600x1000x24" python docs/make_screenshots.py`; takes about three minutes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image

IMAGES = Path(__file__).parent / "images"
WINDOW = 1280, 860


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NAPARI_SCRIBE_HOME"] = folder
        IMAGES.mkdir(exist_ok=True)
        tutorial()
        segment_large_nuclei()
        demo(Path(folder) / "demo")
        choose_network()
        denoise()
        measure()


def tutorial() -> None:
    """Show the way from an image to a table in the workspace."""
    viewer, workspace = open_viewer("Workspace")
    save(viewer, "tutorial_welcome")
    workspace.find_nuclei()
    until_idle(workspace.pages["Segment"])
    save(viewer, "tutorial_segmented")
    viewer.layers.remove("nuclei labels")
    train = workspace.page("Train")
    train.form.more.minutes.value = 1
    wait(1)
    train.train()
    wait(25)
    save(viewer, "tutorial_training")
    until_idle(train)
    train.segment()
    until_idle(train)
    correct = workspace.page("Correct")
    correct.correct()
    wait(1)
    save(viewer, "tutorial_correcting")
    measure = workspace.page("Measure")
    measure.measure()
    until_idle(measure)
    wait(1)
    save(viewer, "tutorial_measured")
    viewer.close()
    wait(0.5)


def segment_large_nuclei() -> None:
    """Show what the model that ships finds in nuclei four times as wide as those it knows."""
    import numpy as np
    from skimage.transform import rescale

    from napari_scribe.samples import nuclei

    viewer, dock = open_viewer("Segment")
    pixels = rescale(nuclei((160, 160), seed=5).image.astype(np.float32), 4)
    viewer.add_image(pixels, name="large nuclei")
    wait(1)
    dock.segment()
    until_idle(dock)
    save(viewer, "object_size")
    viewer.close()
    wait(0.5)


def demo(out: Path) -> None:
    """Show image, paint and result, as `napari-scribe demo --headless` writes them."""
    from napari_scribe.demo import run_headless

    run_headless(out, 30, None)
    shutil.copy(out / "demo.png", IMAGES)


def choose_network() -> None:
    """Show the Train dock with a preset, when to take it, and what its network costs."""
    viewer, dock = open_viewer("Train")
    viewer.open_sample("napari-scribe", "nuclei")
    more = dock.form.more
    more.expand()
    more.folds["network"].expand()
    more.presets.combo.activated.emit(more.presets.combo.findData("shared"))
    while not more.presets.costs.text():
        wait(0.1)
    dock.scroll_to(more.folds["network"])
    wait(1)
    path = IMAGES / "network.png"
    dock.grab().save(str(path))
    write(Image.open(path).convert("RGB"), path)
    viewer.close()
    wait(0.5)


def denoise() -> None:
    """Show a check with its findings, the preview while the denoiser is trained, and the result."""
    viewer, dock = open_viewer("Denoise")
    viewer.open_sample("napari-scribe", "noisy_movie")
    wait(0.5)
    dock.check()
    until_idle(dock)
    dock.form.more.minutes.value = 1
    dock.train()
    wait(30)
    save(viewer, "denoising")
    until_idle(dock)
    dock.form.removed.value = True
    dock.apply()
    until_idle(dock)
    save(viewer, "denoised")
    viewer.close()
    wait(0.5)


def measure() -> None:
    """Show what the model that ships finds in the sample, measured, and one object gone to."""
    from napari_scribe import load_model, run, segment

    viewer, dock = open_viewer("Measure")
    viewer.open_sample("napari-scribe", "nuclei")
    image = viewer.layers[0]
    viewer.layers.remove(viewer.layers[1])
    found = run(segment(load_model("nuclei"), image.data))
    place = {"scale": image.scale, "units": image.units, "axis_labels": image.axis_labels}
    viewer.add_labels(found, name="nuclei labels", opacity=0.5, **place)
    dock.measure()
    until_idle(dock)
    dock.results.view.sort_by(dock.results.table.size_name)
    dock.results.view.setCurrentIndex(dock.results.view.model().index(3, 0))
    wait(0.5)
    save(viewer, "measuring")
    viewer.close()
    wait(0.5)


def open_viewer(name: str) -> tuple[Any, Any]:
    import napari

    viewer = napari.Viewer(show_welcome_screen=False)
    _, dock = viewer.window.add_plugin_dock_widget("napari-scribe", name)
    viewer.window.resize(*WINDOW)
    wait(4)  # torch gets ready meanwhile
    return viewer, dock


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


def save(viewer: Any, name: str) -> None:
    """Save a picture of the whole window."""
    picture = Image.fromarray(viewer.screenshot(canvas_only=False, flash=False)[..., :3])
    write(picture, IMAGES / f"{name}.png")


def write(picture: Image.Image, path: Path) -> None:
    """Write a picture with few colours: a small file that looks the same."""
    # Most pixels are those of the window, whose greys have to stay grey.
    few = picture.quantize(256, Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
    print(f"{path.name}: {picture.width} x {picture.height}, {path.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main()

"""A real viewer, the sample in it, and patience for what runs in threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

from napari_scribe.samples import Sample, nuclei

SIDE = 256
LONG = 120_000
"""Milliseconds that a test waits at most; a busy machine is slow."""


@pytest.fixture(scope="session")
def sample() -> Sample:
    """Nuclei on 256 x 256 pixels, ten of them painted."""
    return nuclei((SIDE, SIDE))


@pytest.fixture(scope="session", autouse=True)
def manifests_read_once() -> Iterator[None]:
    """Spare each viewer the manifests of all plugins: napari keeps those of the first one."""
    from npe2 import PluginManifest

    found = list(PluginManifest.discover())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PluginManifest, "discover", lambda paths=(): iter(found))
        yield


@pytest.fixture
def qtbot(qtbot: Any) -> Any:
    """Wait as long as a busy machine may take, not for 5 s."""
    for name in ("waitUntil", "waitExposed"):
        setattr(qtbot, name, partial(getattr(qtbot, name), timeout=LONG))
    return qtbot


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Any]) -> Any:
    """A viewer without a visible window."""
    return make_napari_viewer()


@pytest.fixture
def painted(viewer: Any, sample: Sample) -> Any:
    """The viewer with the sample and its paint, as File > Open Sample shows them."""
    from napari_scribe.plugin.layers.purpose import MARK

    place = {"scale": (0.5, 0.5), "units": ("um", "um"), "axis_labels": ("y", "x")}
    viewer.add_image(sample.image, name="nuclei", **place)
    mark = {MARK: {"purpose": "annotations", "source": "nuclei"}}
    paint = sample.paint.astype(np.uint16)
    viewer.add_labels(paint, name="nuclei annotations", metadata=mark, **place)
    return viewer


@pytest.fixture(autouse=True)
def fresh_home(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Models and settings of one test are not those of another; the speed of bf16 is."""
    import shutil

    from napari_scribe.user_folder import home

    known = home() / "precision.json"
    monkeypatch.setenv("NAPARI_SCRIBE_HOME", str(tmp_path / "scribe"))
    home().mkdir(parents=True)
    if known.exists():
        shutil.copy(known, home())


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paint is kept after a moment: a test does not wait for seconds."""
    monkeypatch.setattr("napari_scribe.plugin.layers.autosave.KEEP_AFTER", 0.05)
    monkeypatch.setattr("napari_scribe.plugin.train.project_panel.SAVE_AFTER", 50)


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is trained: docks need not load torch."""
    monkeypatch.setattr("napari_scribe.plugin.dock.WARM_UP_AFTER", 3_600_000)


@pytest.fixture
def docks(qtbot: Any, painted: Any) -> Iterator[Callable[[type], Any]]:
    """Make a dock in the painted viewer, as napari does."""
    from qtpy.compat import isalive

    made = []

    def make(kind: type) -> Any:
        dock = kind(painted)
        painted.window.add_dock_widget(dock, name=kind.__name__)
        made.append(dock)
        return dock

    yield make
    for dock in made:
        if isalive(dock):  # else closing it has let go of everything
            dock.close_down()


@pytest.fixture(scope="session")
def model(sample: Sample) -> Any:
    """A small model that finds the sample's nuclei."""
    import napari_scribe as ns

    # With some seeds, 150 steps of so small a network miss half of the nuclei.
    small = {"network.width": 8, "network.depth": 2, "training.patch": 64, "training.seed": 5}
    recipe = ns.Recipe().changed(small)
    return ns.run(ns.train([sample.image], [sample.paint], recipe, steps=150))


@pytest.fixture
def kept(model: Any) -> Any:
    """The model, in the model folder."""
    from napari_scribe.io.model_folder import model_folder

    return model.save(model_folder() / "nuclei 2026.zip")


@pytest.fixture
def dock(kept: Any, docks: Callable[[type], Any]) -> Any:
    """The Segment dock."""
    from napari_scribe.plugin.segment.dock import SegmentDock

    return docks(SegmentDock)


@pytest.fixture
def idle(dock: Any, qtbot: Any) -> Callable[[], None]:
    """Wait until nothing runs."""

    def wait() -> None:
        qtbot.waitUntil(lambda: not dock.runner.is_running)

    return wait

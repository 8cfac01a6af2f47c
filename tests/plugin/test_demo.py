"""The demo in the viewer, and the word on why no window opens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from napari_scribe.errors import InputError
from napari_scribe.plugin.display import display_problem
from napari_scribe.plugin.settings import recall, remember


def test_a_display_is_found() -> None:
    assert display_problem() is None


def test_no_display_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    if not sys.platform.startswith("linux"):
        pytest.skip("a display is asked for on Linux alone")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert display_problem() == "no display"


def test_a_display_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    if not sys.platform.startswith("linux"):
        pytest.skip("a display is asked for on Linux alone")
    monkeypatch.setenv("DISPLAY", ":987")
    problem = display_problem()
    assert problem is not None
    assert problem.startswith("Qt cannot start")


def test_the_demo_trains_segments_and_writes(viewer: Any, qtbot: Any, tmp_path: Path) -> None:
    from napari_scribe.plugin.demo import start

    remember("train", {"task": "classes", "minutes": 7.0})
    dock = start(viewer, tmp_path / "demo", seconds=600, device="cpu")
    quick = {"network.width": 8, "network.depth": 2, "training.patch": 64}
    dock.form.more.recipe.set_changes(quick)  # the training begins a second later
    steps: list[Any] = []
    dock.runner.record.connect(steps.append)
    qtbot.waitUntil(lambda: bool(steps) and steps[-1].index > 260)  # however long that takes
    dock.stop()
    qtbot.waitUntil(lambda: "Results are in" in dock.message.text)
    assert recall("train") == {"task": "classes", "minutes": 7.0}
    assert dock.trained.request.device == "cpu"
    assert {layer.name for layer in viewer.layers} == {
        "nuclei",
        "nuclei annotations",
        "nuclei preview",
        "nuclei labels",
    }
    scores = json.loads((tmp_path / "demo" / "scores.json").read_text())
    assert scores["AP50"] > 0.7
    dock.close_down()


def test_results_that_cannot_be_written_are_said(viewer: Any, qtbot: Any, tmp_path: Path) -> None:
    from napari_scribe.plugin.demo import run, start

    out = tmp_path / "demo"
    dock = start(viewer, out, seconds=2)
    out.write_text("in the way")
    with pytest.raises(InputError, match="is not a folder"):
        run(out, 2)
    qtbot.waitUntil(lambda: "The results are not kept" in dock.message.text)
    assert dock.trained.request.seconds == 2
    assert "nuclei labels" in viewer.layers
    dock.close_down()

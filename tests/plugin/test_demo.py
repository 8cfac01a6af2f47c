"""The demo in the viewer, and the word on why no window opens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from napari_scribe.plugin.display import display_problem


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

    dock = start(viewer, tmp_path / "demo", seconds=8)
    qtbot.waitUntil(lambda: "Results are in" in dock.message.text, timeout=90_000)
    assert {layer.name for layer in viewer.layers} == {
        "nuclei",
        "nuclei annotations",
        "nuclei preview",
        "nuclei labels",
    }
    scores = json.loads((tmp_path / "demo" / "scores.json").read_text())
    assert scores["AP50"] > 0.5
    dock.close_down()

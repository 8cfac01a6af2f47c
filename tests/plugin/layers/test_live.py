"""A result before one's eyes while it is made."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from napari_scribe.inference.run import InferenceJob, InferenceStep
from napari_scribe.plugin.jobs.request import Ended, Request
from napari_scribe.plugin.jobs.runner import Runner
from napari_scribe.plugin.layers import live
from napari_scribe.plugin.layers.conversion import image_of
from napari_scribe.plugin.layers.live import LiveLayer
from napari_scribe.plugin.segment.dock import SegmentDock
from napari_scribe.plugin.segment.job import SegmentRequest

REGION = {"Y": slice(8, 40), "X": slice(16, 48)}


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Any]) -> Any:
    """A viewer with a window, which docks need."""
    return make_napari_viewer()


@pytest.fixture
def image(viewer: Any) -> Any:
    return viewer.add_image(np.zeros((64, 64)), scale=(0.5, 0.5), name="cells")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "AFTER", 0)
    monkeypatch.setattr(live, "EVERY", 0.02)


@pytest.fixture
def follow(viewer: Any, image: Any, at_once: None, qtbot: Any) -> Any:
    """Follow what is so far there of a region; with a real job, which only waits."""
    job, runner = InferenceJob(_waiting), Runner(viewer)
    job.region = REGION
    runner.start(Waiting(job), lambda record: None, lambda ended: None)
    qtbot.waitUntil(lambda: runner.job is job)
    made = LiveLayer(viewer, image, image_of(image), "labels so far", runner)

    def heed(so_far: Any, done: int) -> LiveLayer:
        job.so_far = so_far
        made.update(done, {"opacity": 0.6})
        return made

    yield heed
    runner.close()
    qtbot.wait(50)  # it ends by itself
    made.close()


@pytest.fixture
def run(viewer: Any, at_once: None) -> Any:
    made = Run(viewer)
    yield made
    made.dock.close_down()


class Run:
    """Segments in a dock, and hears what it tells."""

    def __init__(self, viewer: Any) -> None:
        self.dock = SegmentDock(viewer)
        self.ended: list[Ended[Any]] = []
        self.texts: list[str] = []

    def start(self, request: SegmentRequest) -> None:
        def step(record: InferenceStep) -> None:
            self.texts.append(request.progress(record, self.dock.runner.clock).text)

        self.dock.start(request, self.ended.append, view=self.dock.live_result, on_step=step)

    def pause(self) -> None:
        self.dock.runner.pause()

    def resume(self) -> None:
        self.dock.runner.resume()


@dataclass(frozen=True)
class Waiting(Request[Any, None]):
    """A request for a job that is there."""

    job: InferenceJob
    title: str = "Waiting"

    def begin(self) -> InferenceJob:
        return self.job

    def finish(self, _job: InferenceJob) -> None:
        return None


def _waiting(job: InferenceJob) -> Generator[InferenceStep, None, Any]:
    while not job.stop_requested:
        time.sleep(0.01)
        yield InferenceStep(0, 1, 0.0, ())


def shown(viewer: Any) -> Any:
    return viewer.layers["cells labels so far"]


def test_it_appears_where_it_lies_and_grows(viewer: Any, follow: Any, qtbot: Any) -> None:
    so_far = np.zeros((32, 32), np.int32)
    follow(None, 0)
    qtbot.wait(60)
    assert "cells labels so far" not in viewer.layers
    follow(so_far, 1)
    qtbot.waitUntil(lambda: "cells labels so far" in viewer.layers)
    layer = shown(viewer)
    assert np.allclose(layer.translate, (4, 8))
    assert not layer.editable
    seen = []
    layer.events.set_data.connect(lambda: seen.append(1))
    qtbot.wait(80)
    assert not seen  # nothing new: nothing drawn
    so_far[5, 6] = 9
    follow(so_far, 2)
    qtbot.waitUntil(lambda: bool(seen))
    assert layer.get_value((5, 6)) == 9


def test_nobody_paints_on_what_a_job_writes(viewer: Any, follow: Any, qtbot: Any) -> None:
    so_far = np.zeros((32, 32), np.int32)
    follow(so_far, 1)
    qtbot.waitUntil(lambda: "cells labels so far" in viewer.layers)
    shown(viewer).editable = True
    with pytest.raises(ValueError, match="read-only"):
        shown(viewer).data_setitem((np.array([3]), np.array([3])), 5)
    assert not so_far.any()


def test_whoever_removes_it_does_not_want_it_back(viewer: Any, follow: Any, qtbot: Any) -> None:
    so_far = np.zeros((32, 32), np.int32)
    made = follow(so_far, 1)
    qtbot.waitUntil(lambda: "cells labels so far" in viewer.layers)
    viewer.layers.remove("cells labels so far")
    follow(so_far, 2)
    qtbot.wait(80)
    follow(so_far, 3)
    qtbot.wait(80)
    assert made.layer is None
    assert "cells labels so far" not in viewer.layers


def test_a_large_one_on_disk_is_a_pyramid_with_an_overview(
    viewer: Any, follow: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "SMALL", 100)
    monkeypatch.setattr(live, "CELL", 8)  # else all is one cell, which may be finished too soon
    so_far = zarr.create_array({}, shape=(32, 32), chunks=(8, 8), dtype="i4", fill_value=0)
    made = follow(so_far, 1)
    qtbot.waitUntil(lambda: "cells labels so far" in viewer.layers)
    layer = shown(viewer)
    assert [level.shape for level in layer.data] == [(32, 32), (16, 16), (8, 8)]
    so_far[:8, :8] = 3
    qtbot.waitUntil(lambda: np.asarray(layer.data[2])[:2, :2].all())
    assert np.asarray(layer.data[0][:8, :8]).all()
    so_far[8:] = 4
    made.finish()  # what is left is looked at to the end
    qtbot.waitUntil(lambda: np.asarray(layer.data[2])[2:].all())
    assert "cells labels so far" in viewer.layers


def test_the_result_takes_over_place_and_look(
    viewer: Any, image: Any, run: Any, qtbot: Any, kept: Any, sample: Any
) -> None:
    """What the user did to the layer while it grew is done to the result."""
    film = viewer.add_image(np.stack([sample.image] * 20), axis_labels=("t", "y", "x"), name="film")
    viewer.add_points(name="above")
    run.start(SegmentRequest(film, image_of(film), kept, tile=64))
    qtbot.waitUntil(lambda: "film labels so far" in viewer.layers)
    grown = viewer.layers["film labels so far"]
    qtbot.waitUntil(grown.data.any)
    run.pause()
    grown.opacity, grown.contour, grown.visible = 0.3, 2, False
    viewer.layers.selection.active = grown
    run.resume()
    qtbot.waitUntil(lambda: bool(run.ended))
    assert [layer.name for layer in viewer.layers] == ["cells", "film", "film labels", "above"]
    result = viewer.layers["film labels"]
    assert (result.opacity, result.contour, result.visible) == (0.3, 2, False)
    assert viewer.layers.selection.active is result
    assert result.editable
    assert result.data.max() == run.ended[0].value.n_found


def test_a_name_that_the_user_gave_stays(
    viewer: Any, run: Any, qtbot: Any, kept: Any, sample: Any
) -> None:
    film = viewer.add_image(np.stack([sample.image] * 20), axis_labels=("t", "y", "x"), name="film")
    run.start(SegmentRequest(film, image_of(film), kept, tile=64))
    qtbot.waitUntil(lambda: "film labels so far" in viewer.layers)
    run.pause()
    viewer.layers["film labels so far"].name = "mine"
    film.name = "movie"
    run.resume()
    qtbot.waitUntil(lambda: bool(run.ended))
    assert [layer.name for layer in viewer.layers] == ["movie", "mine"]
    assert viewer.layers["mine"].data[-1].any()


def test_the_time_left_is_that_of_the_phase_at_hand(
    viewer: Any, run: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 40 parts 20 are tiles, 10 are blocks between them, and 10 are numbered in the end."""

    def body(_job: InferenceJob) -> Generator[InferenceStep, None, Any]:
        for done in range(1, 41):
            time.sleep(0.07)
            phase = "tiles" if done <= 30 else "numbers"
            yield InferenceStep(done, 40, 0, (), (256, 256), phase, n_tiles=20, n_parts=30)

    monkeypatch.setattr(SegmentRequest, "begin", lambda self: InferenceJob(body))
    monkeypatch.setattr(SegmentRequest, "finish", lambda self, job: None)
    film = viewer.add_image(np.zeros((10, 512, 256), np.uint8), name="film")
    run.start(SegmentRequest(film, image_of(film, "TYX"), Path("none")))
    qtbot.waitUntil(lambda: bool(run.ended))
    texts = run.texts
    tiles = [text for text in texts if text.startswith("tile")]
    assert tiles[14].startswith("tile 10 of 20, ")
    assert tiles[-1].startswith("tile 20 of 20, ")
    assert tiles[-1].endswith(", 0 s left")
    assert texts[30] == "Numbering the objects"  # how fast that goes, nobody knows yet
    assert texts[-1] == "Numbering the objects, 0 s left"

"""What is segmented: a slice, what is visible, all layers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from napari_scribe.plugin.segment.job import SegmentRequest
from napari_scribe.plugin.train.dock import TrainDock
from napari_scribe.plugin.widgets.scope_picker import LAYERS, SLICE, VISIBLE
from napari_scribe.samples import Sample

LONG = 60_000


@pytest.fixture
def film(dock: Any, painted: Any, sample: Sample) -> Any:
    """Three frames, chosen in the dock."""
    stack = np.stack([np.roll(sample.image, 9 * i, axis=0) for i in range(3)])
    layer = painted.add_image(
        stack, axis_labels=("t", "y", "x"), scale=(3, 0.5, 0.5), units=("um",) * 3, name="film"
    )
    dock.form.image.layer.value = layer
    return layer


def offered(dock: Any) -> list[str]:
    return list(dock.form.scope.combo.choices)


def test_slices_are_offered_where_there_are_some(dock: Any, film: Any, painted: Any) -> None:
    assert SLICE in offered(dock)
    dock.form.scope.combo.value = SLICE
    dock.form.image.layer.value = painted.layers["nuclei"]
    assert SLICE not in offered(dock)
    assert dock.form.scope.combo.current_choice == "Whole layer"


def test_a_slice(dock: Any, idle: Callable[[], None], film: Any, painted: Any) -> None:
    dock.segment()
    idle()
    whole = painted.layers["film labels"]
    before = whole.data.copy()
    painted.dims.set_point(0, 6)
    dock.form.scope.combo.value = SLICE
    dock.segment()
    idle()
    result = painted.layers["film labels (slice T 2)"]
    assert result.data.shape == (1, 256, 256)
    assert np.allclose(result.translate, (6, 0, 0))
    assert np.array_equal(result.data[0] > 0, before[2] > 0)
    painted.dims.set_point(0, 3)
    dock.segment()
    idle()
    assert result in painted.layers and "film labels (slice T 1)" in painted.layers
    assert painted.layers["film labels"] is whole  # as it was
    assert np.array_equal(whole.data, before)


def test_what_is_visible(
    dock: Any, idle: Callable[[], None], film: Any, painted: Any, sample: Sample
) -> None:
    dock.segment()
    idle()
    whole = painted.layers["film labels"].data
    painted.dims.set_point(0, 3)
    film.corner_pixels = np.array([[1, 101, 57], [1, 190, 201]])  # as the canvas sets them
    dock.form.scope.combo.value = VISIBLE
    dock.segment()
    idle()
    result = painted.layers["film labels (visible T 1, Y 101, X 57)"]
    t, y, x = np.round(np.asarray(result.translate) / film.scale).astype(int)
    assert t == 1
    assert 97 <= y <= 101
    assert 53 <= x <= 57
    part = whole[1, y : 190 + 1, x : 201 + 1]
    assert result.data.shape[1:] == part.shape
    inner = np.s_[30:-30, 30:-30]  # what the edge cuts can be another object
    assert np.array_equal(result.data[0][inner] > 0, part[inner] > 0)


def test_nothing_in_view(dock: Any, film: Any) -> None:
    film.corner_pixels = np.array([[1, 0, 40], [1, 0, 90]])
    dock.form.scope.combo.value = VISIBLE
    dock.segment()
    assert "Nothing of film is in view" in dock.message.text
    assert not dock.runner.is_running


def test_all_layers(dock: Any, idle: Callable[[], None], film: Any, painted: Any) -> None:
    broken = painted.layers["nuclei"].data.astype(np.float32)
    broken[0, 0] = np.nan
    painted.add_image(broken, name="broken")
    dock.form.scope.combo.value = LAYERS
    assert not dock.form.image.layer.enabled
    dock.segment()
    idle()
    assert painted.layers["nuclei labels"].data.any()
    assert painted.layers["film labels"].data[2].any()
    assert "broken labels" not in painted.layers
    assert "2 of 3 layers segmented" in dock.message.text
    assert "1 failed: broken (" in dock.message.text
    assert "NaN" in dock.message.text


def test_all_layers_with_the_channels_that_are_ticked(
    dock: Any, idle: Callable[[], None], painted: Any, sample: Sample
) -> None:
    grey = (sample.image / sample.image.max() * 255).astype(np.uint8)
    colours = np.stack([np.zeros_like(grey), grey, np.zeros_like(grey)], -1)
    first = painted.add_image(colours, rgb=True, name="first")
    painted.add_image(colours[::-1].copy(), rgb=True, name="second")
    dock.form.image.layer.value = first
    dock.form.scope.combo.value = LAYERS
    for i, box in enumerate(dock.form.image.channels.boxes):
        assert box.isEnabled()
        box.setChecked(i == 1)
    dock.segment()
    idle()
    assert "3 of 3 layers segmented" in dock.message.text
    for name in ("nuclei", "first", "second"):
        assert painted.layers[f"{name} labels"].data.max() > 5


def test_all_layers_wait_for_a_training(
    dock: Any, docks: Callable[[type], Any], painted: Any, qtbot: Any
) -> None:
    other = docks(TrainDock)
    other.form.more.recipe.set_changes({"network.width": 4, "training.patch": 32})
    other.train()
    dock.form.scope.combo.value = LAYERS
    dock.segment()
    assert "Waiting for training on nuclei to end" in dock.message.text
    dock.stop()
    assert dock.message.text.startswith("Stopped: 0 of 1 layers segmented")
    dock.segment()
    other.stop()
    qtbot.waitUntil(lambda: not dock.runner.is_busy)
    assert dock.message.text.startswith("1 of 1 layers segmented")


def test_all_layers_stopped(
    dock: Any, idle: Callable[[], None], film: Any, painted: Any, qtbot: Any
) -> None:
    film.data = np.concatenate([film.data] * 20)
    painted.layers.move(painted.layers.index(film), 0)
    dock.form.scope.combo.value = LAYERS
    dock.segment()
    qtbot.waitUntil(lambda: dock.progress.format().startswith("layer 1 of 2, tile"))
    dock.stop()
    idle()
    assert dock.message.text.startswith("Stopped: 0 of 2 layers segmented")
    assert "film labels so far" in painted.layers
    assert "nuclei labels" not in painted.layers


def test_all_layers_say_what_single_ones_would(
    dock: Any, idle: Callable[[], None], painted: Any
) -> None:
    painted.add_image(np.full((64, 64), 7, np.uint8), name="blank")
    dock.form.scope.combo.value = LAYERS
    dock.segment()
    idle()
    assert "2 of 2 layers segmented" in dock.message.text
    assert "blank (blank was taken for empty" in dock.message.text


def test_a_pause_that_comes_too_late_is_meant_for_the_next_layer(
    dock: Any,
    idle: Callable[[], None],
    film: Any,
    painted: Any,
    qtbot: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_the_end, go = threading.Event(), threading.Event()

    finish = SegmentRequest.finish

    def slow_finish(*args: Any) -> Any:
        at_the_end.set()
        go.wait(LONG)
        return finish(*args)

    monkeypatch.setattr(SegmentRequest, "finish", slow_finish)
    dock.form.scope.combo.value = LAYERS
    dock.segment()
    qtbot.waitUntil(at_the_end.is_set)
    dock.pause_button.click()
    go.set()
    qtbot.waitUntil(lambda: "nuclei labels" in painted.layers)
    qtbot.waitUntil(lambda: dock.runner.job is not None)
    qtbot.wait(200)
    assert dock.runner.is_paused
    assert dock.pause_button.text() == "Continue"
    assert dock.runner.clock.done == 0
    dock.pause_button.click()
    assert dock.pause_button.text() == "Pause"
    assert dock.stop_button.isEnabled()
    assert not dock.segment_button.isEnabled()
    idle()
    assert painted.layers["film labels"].data[2].any()
    dock.segment()  # and another run is not paused
    assert not dock.runner.is_paused
    idle()

"""Results that are kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from napari_scribe.plugin.jobs import inference
from napari_scribe.plugin.layers.lazy import Lazy
from napari_scribe.plugin.segment import job
from napari_scribe.plugin.segment.job import Segmented
from napari_scribe.samples import Sample
from napari_scribe.user_folder import home


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is larger than the sample goes to disk."""
    monkeypatch.setattr(inference, "IN_MEMORY", 70_000)
    monkeypatch.setattr(job, "KEPT", 70_000)


@pytest.fixture
def stored(dock: Any, painted: Any, sample: Sample) -> Any:
    """A layer of 1280 x 1280 px, chosen in the dock."""
    layer = painted.add_image(np.tile(sample.image, (5, 5)), name="slide: 1")
    dock.form.image.layer.value = layer
    return layer


def kept_results() -> list[str]:
    return sorted(path.name for path in (home() / "results").glob("*"))


def test_a_large_result_is_kept_and_shown_from_disk(
    dock: Any, idle: Callable[[], None], stored: Any, painted: Any, small_memory: None, model: Any
) -> None:
    dock.segment()
    idle()
    assert kept_results() == ["slide- 1.zarr"]
    assert str(home() / "results" / "slide- 1.zarr") in dock.message.text
    result = painted.layers["slide: 1 labels"]
    assert result.multiscale
    assert isinstance(result.data[0], zarr.Array)
    assert result.data[0][:].max() > 100
    dock.segment()  # the same again: opened
    idle()
    assert dock.message.text.startswith("Made before")
    assert kept_results() == ["slide- 1.zarr"]
    assert [layer.name for layer in painted.layers].count("slide: 1 labels") == 1
    stored.data = stored.data[::-1].copy()
    dock.segment()  # another image of that name: beside it
    idle()
    assert kept_results() == ["slide- 1-2.zarr", "slide- 1.zarr"]


def test_a_large_stack_is_read_slice_by_slice(
    dock: Any, idle: Callable[[], None], painted: Any, small_memory: None, sample: Sample
) -> None:
    stack = np.stack([sample.image] * 3)[:, None]
    layer = painted.add_image(stack, axis_labels=("t", "c", "y", "x"), name="film")
    dock.form.image.layer.value = layer
    dock.segment()
    idle()
    result = painted.layers["film labels"]
    data = result.data[0] if result.multiscale else result.data
    assert isinstance(data, Lazy)
    assert data.shape == (3, 1, 256, 256)
    assert np.asarray(data[2]).any()
    assert not result.editable


def test_a_large_one_that_was_stopped_goes_on(
    dock: Any, idle: Callable[[], None], stored: Any, painted: Any, small_memory: None, qtbot: Any
) -> None:
    dock.form.more.tile.value = 64
    dock.segment()
    qtbot.waitUntil(lambda: dock.progress.format().startswith("tile"))
    dock.pause_button.click()
    dock.stop()
    idle()
    done = dock.runner.clock.done
    assert dock.message.text.startswith("Stopped. Segment goes on from here.")
    assert kept_results() == [".slide- 1.zarr.part"]
    seen: list[float] = []
    dock.runner.record.connect(lambda step: seen.append(step.done / step.total))
    dock.segment()
    idle()
    assert seen[0] * 400 >= done - 1
    assert painted.layers["slide: 1 labels"].data[0][:].any()
    assert "slide: 1 labels so far" not in painted.layers


def test_save_to(
    dock: Any, idle: Callable[[], None], painted: Any, tmp_path: Path, sample: Sample
) -> None:
    out = tmp_path / "mine.zarr"
    dock.form.more.save_to.value = out
    dock.form.more.probability.value = True
    dock.segment()
    idle()
    assert painted.layers["nuclei probability"].data.max() > 0.8
    on_disk = zarr.open_array(out / "0", mode="r")[:]
    result = painted.layers["nuclei labels"]
    assert np.array_equal(result.data, on_disk)
    assert f"The result is kept in {out}." in dock.message.text
    result.data_setitem((np.array([0]), np.array([0])), 77)
    assert np.array_equal(zarr.open_array(out / "0", mode="r")[:], on_disk)  # paint changes no file


def test_what_lies_there_is_replaced_only_when_the_user_says_so(
    dock: Any, idle: Callable[[], None], painted: Any, tmp_path: Path
) -> None:
    out = tmp_path / "mine.tif"
    out.write_bytes(b"something dear")
    dock.form.more.save_to.value = out
    dock.segment()
    idle()
    assert dock.message.text == "mine.tif holds something else already. Replace it?"
    dock.message.answers["Leave it"].click()
    assert out.read_bytes() == b"something dear"
    dock.segment()
    idle()
    dock.message.answers["Replace it"].click()
    idle()
    assert out.read_bytes() != b"something dear"
    assert painted.layers["nuclei labels"].data.any()


def test_a_bad_image_is_no_question_of_the_place(
    dock: Any, idle: Callable[[], None], painted: Any, tmp_path: Path
) -> None:
    out = tmp_path / "mine.tif"
    out.write_bytes(b"something dear")
    painted.layers["nuclei"].data = np.full((64, 64), np.nan)
    dock.form.more.save_to.value = out
    dock.segment()
    idle()
    assert "NaN" in dock.message.text


def test_only_where_something_is_kept_after_an_error_it_is_said_so(
    dock: Any,
    idle: Callable[[], None],
    painted: Any,
    qtbot: Any,
    tmp_path: Path,
    sample: Sample,
) -> None:
    film = np.stack([sample.image] * 60).astype(np.float32)
    dock.form.image.layer.value = painted.add_image(film, axis_labels=("t", "y", "x"), name="film")
    dock.form.more.save_to.value = tmp_path / "mine.zarr"

    def until_tiles() -> None:
        dock.segment()
        qtbot.waitUntil(lambda: dock.progress.format().startswith("tile"))
        dock.pause_button.click()

    def break_and_go_on() -> None:
        film[-1] = np.nan
        dock.pause_button.click()
        idle()
        film[-1] = sample.image
        assert "NaN" in dock.message.text

    until_tiles()
    break_and_go_on()
    assert "goes on" not in dock.message.text
    assert not list(tmp_path.glob(".mine*"))
    until_tiles()
    dock.stop()
    idle()
    assert dock.message.text.startswith("Stopped. Segment goes on from here.")
    until_tiles()
    break_and_go_on()
    assert "What was done is kept: Segment goes on from there." in dock.message.text
    assert list(tmp_path.glob(".mine*"))


def test_an_image_is_not_replaced_by_its_labels(
    dock: Any, idle: Callable[[], None], painted: Any, tmp_path: Path, sample: Sample
) -> None:
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, sample.image)
    (layer,) = painted.open(path, plugin="napari")
    dock.form.image.layer.value = layer
    dock.form.more.save_to.value = path
    dock.segment()
    idle()
    assert "is the image itself" in dock.message.text
    assert np.array_equal(tifffile.imread(path), sample.image)


def test_what_would_be_read_whole_is_not_shown() -> None:
    on_disk = zarr.create_array({}, shape=(30_000, 30_000), dtype="u4")
    done = Segmented(
        answer=on_disk,
        levels=[on_disk],
        probability=None,
        region={},
        task="objects",
        n_found=None,
        seconds=750,
        is_complete=True,
        path=Path("mine.tif"),
    )
    assert not done.is_shown_anew
    assert done.in_words() == (
        "Done in 12:30 min. The result is kept in mine.tif. It is too large to be shown from "
        "there: save to a .zarr for that."
    )

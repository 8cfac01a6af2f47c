"""The size of objects is found where nobody says it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

import napari_scribe as ns
from napari_scribe.errors import InputError
from napari_scribe.image import Image
from napari_scribe.inference.object_size import _around, estimate_object_size
from napari_scribe.model import Model
from napari_scribe.resampling import resampled
from napari_scribe.samples import nuclei
from napari_scribe.targets import ENCODINGS
from napari_scribe.windows import shape_of

SIZE = 26.0
"""Diameter of the sample's nuclei, in pixels."""
QUARTER = np.log2(1.25)


@pytest.fixture(scope="module")
def model() -> Model:
    """A small model that finds nuclei of one size."""
    sample = nuclei((256, 256))
    # With some seeds, 150 steps of so small a network miss half of the nuclei.
    small = {"network.width": 8, "network.depth": 2, "training.patch": 64, "training.seed": 5}
    recipe = ns.Recipe().changed(small)
    trained = ns.run(ns.train([sample.image], [sample.paint], recipe, steps=150))
    return trained.changed(object_size=SIZE)


def scaled(image: np.ndarray, factor: float) -> np.ndarray:
    """Return an image on a finer or coarser grid, as another magnification would give it."""
    pixels = np.asarray(resampled(Image(image), {"Y": factor, "X": factor}).data)
    return pixels.round().astype(image.dtype)


@pytest.mark.parametrize("factor", [0.3, 0.5, 1.0, 2.0, 4.0])
def test_objects_are_measured_at_any_magnification(model: Model, factor: float) -> None:
    image = scaled(nuclei((256, 256), seed=3).image, factor)
    found = estimate_object_size(model, Image(image))
    assert found is not None
    assert abs(np.log2(found / (SIZE * factor))) < QUARTER


def test_the_same_image_has_the_same_size_each_time(model: Model) -> None:
    image = Image(nuclei((300, 200), seed=4).image)
    assert estimate_object_size(model, image) == estimate_object_size(model, image)


def test_all_frames_of_an_image_have_one_size(model: Model) -> None:
    """Frames without objects do not matter."""
    frame = nuclei((200, 200), seed=5).image
    stack = np.stack([np.full_like(frame, frame.min()), frame, frame[::-1]])
    found = estimate_object_size(model, Image(stack, "TYX"))
    assert found is not None
    assert abs(np.log2(found / SIZE)) < QUARTER


def test_objects_in_a_corner_of_a_large_image_are_found(model: Model) -> None:
    pixels = nuclei((256, 256), seed=6).image
    image = np.full((1500, 1500), np.median(pixels), pixels.dtype)
    image[-256:, -256:] = pixels
    image += np.random.default_rng(0).integers(0, 5, image.shape, dtype=image.dtype)
    found = estimate_object_size(model, Image(image))
    assert found is not None
    assert abs(np.log2(found / SIZE)) < QUARTER


@pytest.mark.parametrize("suffix", [".zarr", ".tif"])
def test_a_disk_that_is_too_small_for_the_estimated_size_is_told_before_any_work(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    small = scaled(nuclei((256, 256), seed=3).image, 0.3)
    as_it_is, grown = 20 * small.size, 200 * small.size
    out, usage = tmp_path / f"labels{suffix}", shutil.disk_usage(tmp_path)

    def left(n_bytes: int) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=n_bytes))

    left(as_it_is)
    with pytest.raises(InputError, match=r"left\. Make room or choose"):
        ns.run(ns.segment(model, small, out, device="cpu"))
    assert list(tmp_path.iterdir()) == []
    left(grown)
    job = ns.segment(model, small, out, device="cpu")
    next(iter(job))
    job.stop()
    assert len(list(job)) < 3
    left(as_it_is)  # it was begun where there was room
    with pytest.raises(InputError, match=r"left\. Make room or choose"):
        ns.run(ns.segment(model, small, out, device="cpu"))
    left(grown)
    assert ns.run(ns.segment(model, small, out, device="cpu")).shape == small.shape
    left(as_it_is)
    out = out.with_stem("other")
    ns.run(ns.segment(model, small, out, device="cpu", object_size=SIZE))  # as it is


def test_segmenting_estimates_the_size_and_says_it(model: Model, tmp_path: Path) -> None:
    image = scaled(nuclei((256, 256), seed=3).image, 2)
    job = ns.segment(model, image, device="cpu")
    labels = ns.run(job)
    assert labels.shape == image.shape
    assert labels.max() > 1
    assert job.object_size is not None
    assert abs(np.log2(job.object_size / (2 * SIZE))) < QUARTER
    words = f"Objects of about {job.object_size:g} px were brought to the {SIZE:g} px"
    assert job.size_note.startswith(words)

    stopped = ns.segment(model, image, tmp_path / "labels.tif", device="cpu")
    next(iter(stopped))
    stopped.stop()
    for _ in stopped:
        pass
    again = ns.segment(model, image, tmp_path / "labels.tif", device="cpu")
    ns.run(again)
    assert again.object_size == job.object_size
    np.testing.assert_array_equal(again.result, labels)


def test_a_size_that_is_given_is_not_estimated(model: Model) -> None:
    job = ns.segment(model, nuclei((64, 64)).image, object_size=SIZE, device="cpu")
    ns.run(job)
    assert (job.object_size, job.size_note) == (SIZE, f"Objects of about {SIZE:g} px.")


@pytest.mark.parametrize("blur", [0.0, 0.5, 1.0, 1.5])
def test_an_empty_image_is_not_enlarged(model: Model, blur: float) -> None:
    """Noise that a camera has smoothed looks like small objects where it is enlarged."""
    noise = np.random.default_rng(0).normal(1000, 10, (300, 300))
    image = gaussian_filter(noise, blur).round().astype(np.uint16)
    assert estimate_object_size(model, Image(image)) in (None, SIZE)


def test_an_even_image_has_no_size(model: Model) -> None:
    assert estimate_object_size(model, Image(np.full((300, 300), 7, np.uint16))) is None


def test_a_model_that_knows_no_size_estimates_none(model: Model) -> None:
    image = Image(nuclei((64, 64)).image)
    assert estimate_object_size(model.changed(object_size=None), image) is None


def test_pixels_that_are_no_numbers_are_refused(model: Model) -> None:
    image = np.full((64, 64), np.nan, np.float32)
    with pytest.raises(InputError, match="NaN"):
        assert estimate_object_size(model, Image(image)) is None


def test_a_tiny_image_is_no_reason_to_fail(model: Model) -> None:
    for shape in ((3, 5), (1, 40)):
        image = np.random.default_rng(0).integers(0, 60_000, shape, dtype=np.uint16)
        estimate_object_size(model, Image(image))


@pytest.mark.parametrize(
    "network", [{"dimensions": 3}, {"normalization": "instance"}, {"padding": "valid"}]
)
def test_any_network_can_be_asked(
    network: dict[str, object], random_model: Callable[..., Model]
) -> None:
    """Networks that never learnt find something or nothing."""
    model = random_model(**network).changed(object_size=SIZE)
    shape = (96, 80) if model.dimensions == 2 else (12, 48, 40)
    found = estimate_object_size(model, Image(nuclei(shape).image))
    assert found is None or SIZE / 16 < found < 32 * SIZE


@pytest.mark.parametrize("name", [n for n, e in ENCODINGS.items() if e.task == "objects"])
def test_any_encoding_can_be_asked(name: str) -> None:
    sample = nuclei((64, 64))
    small = {"network.width": 4, "network.depth": 1, "training.patch": 32}
    recipe = ns.Recipe().changed({"target.encoding": name, **small})
    barely = ns.run(ns.train([sample.image], [sample.paint], recipe, steps=1))
    barely = barely.changed(object_size=SIZE)
    assert estimate_object_size(barely, sample.image) is None
    found = estimate_object_size(barely.changed(provenance={}), sample.image)
    assert found is None or SIZE / 16 < found < 32 * SIZE


@given(
    centre=st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)),
    side=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
)
def test_a_window_around_a_place_lies_in_the_frame(
    centre: tuple[float, float], side: tuple[int, int], shape: tuple[int, int]
) -> None:
    window = _around(centre, side, shape)
    assert shape_of(window) == tuple(map(min, side, shape))
    for s, c, n in zip(window, centre, shape, strict=True):
        assert 0 <= s.start <= int(c * n) < s.stop <= n or s.stop - s.start < n

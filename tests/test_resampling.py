"""Images and labels on another grid: what a window holds does not depend on how it is read."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_scribe import resampling
from napari_scribe.image import Image
from napari_scribe.resampling import (
    NearestLabels,
    ResampledLabels,
    resampled,
    resampled_length,
    resampled_paint,
)

FACTORS = st.one_of(st.floats(0.1, 4.0), st.sampled_from([0.25, 0.5, 2.0, 3.0]))


@st.composite
def windows(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Draw a window, with steps, of a shape."""
    starts = [draw(st.integers(0, n - 1)) for n in shape]
    stops = [draw(st.integers(a + 1, n)) for a, n in zip(starts, shape, strict=True)]
    steps = [draw(st.integers(1, 3)) for _ in shape]
    return tuple(map(slice, starts, stops, steps))


def disks(shape: tuple[int, int], radius: int, pitch: int) -> np.ndarray:
    """Return round objects on a square lattice, numbered from 1."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    inside = (y % pitch - pitch // 2) ** 2 + (x % pitch - pitch // 2) ** 2 < radius**2
    return ndimage.label(inside)[0].astype(np.int32)


@settings(max_examples=30, deadline=None)
@given(st.data(), FACTORS, FACTORS, st.booleans())
def test_any_window_is_the_same_part_of_the_whole(
    data: st.DataObject, f: float, g: float, has_nodata: bool
) -> None:
    shape = data.draw(st.tuples(st.integers(3, 40), st.integers(3, 40)))
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    pixels = rng.integers(0, 6, shape).astype(np.uint8)
    image = resampled(Image(pixels, "YX", nodata=0.0 if has_nodata else None), {"Y": f, "X": g})
    window = data.draw(windows(image.shape))
    np.testing.assert_array_equal(image.data[window], np.asarray(image.data)[window])
    for labels in (
        ResampledLabels(pixels, (f, g), image.shape, is_smooth=has_nodata),
        NearestLabels(pixels, (f, g), image.shape),
    ):
        np.testing.assert_array_equal(labels[window], np.asarray(labels)[window])


@pytest.mark.parametrize("factor", [0.25, 0.37, 0.8, 1.6, 3.0])
def test_values_are_those_of_torch_with_antialiasing(factor: float) -> None:
    pixels = np.random.default_rng(0).random((61, 83)).astype(np.float32)
    ours = np.asarray(resampled(Image(pixels, "YX"), {"Y": factor, "X": factor}).data)
    theirs = torch.nn.functional.interpolate(
        torch.from_numpy(pixels)[None, None],
        scale_factor=factor,
        mode="bilinear",
        antialias=True,
        recompute_scale_factor=False,
    )[0, 0].numpy()
    common = tuple(slice(0, min(a, b)) for a, b in zip(ours.shape, theirs.shape, strict=True))
    np.testing.assert_allclose(ours[common], theirs[common], atol=1e-5)


def test_a_large_read_is_done_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).random((90, 70))
    image = resampled(Image(pixels, "YX"), {"Y": 0.3, "X": 0.7})
    expected = np.asarray(image.data)
    monkeypatch.setattr(resampling, "MOST", 100)
    np.testing.assert_array_equal(np.asarray(image.data), expected)


def test_only_the_named_axes_change_and_the_place_stays() -> None:
    pixels = np.zeros((2, 3, 30, 40, 3), np.uint16)
    image = Image(pixels, "TZYXC", scale={"Z": 2.0, "Y": 0.5, "X": 0.5}, translate={"X": 7.0})
    new = resampled(image, {"Y": 0.5, "X": 0.5})
    assert new.axes == "TZYXC" and new.shape == (2, 3, 15, 20, 3) and new.dtype == np.float32
    assert new.scale == {"Z": 2.0, "Y": 1.0, "X": 1.0}
    # The first pixel covers the first two: its centre lies half an old pixel further.
    assert new.translate == {"X": 7.25, "Y": 0.25}
    assert new.read((("T", 1), ("Z", 2)), (slice(3, 9), slice(0, 5)), [2, 0]).shape == (2, 6, 5)
    assert resampled(image, {"Y": 1.0, "X": 1.0}) is image


@pytest.mark.parametrize("factor", [0.25, 0.5, 2.0])
def test_an_even_image_stays_even_and_nodata_does_not_smear(factor: float) -> None:
    pixels = np.full((40, 40), 100.0, np.float32)
    pixels[:, :13] = -9999
    new = np.asarray(resampled(Image(pixels, "YX", nodata=-9999), {"Y": factor, "X": factor}).data)
    is_missing = new == -9999
    np.testing.assert_allclose(new[~is_missing], 100, rtol=1e-5)
    assert abs(is_missing.sum(axis=1) - 13 * factor).max() <= 0.5


def test_whole_numbers_beyond_single_precision_stay_exact() -> None:
    pixels = np.full((8, 8), 2**24 + 1, np.uint32)
    new = np.asarray(resampled(Image(pixels, "YX"), {"Y": 2.0, "X": 0.5}).data)
    assert new.dtype == np.float64 and (new == 2**24 + 1).all()


@pytest.mark.parametrize("factor", [0.25, 0.4, 2.5, 4.0])
def test_labels_come_back_to_their_own_pixels(factor: float) -> None:
    radius = 10 if factor > 1 else 40
    labels = disks((240, 240), radius, 3 * radius)
    working = resampled_paint(labels + 1, (factor, factor)) - 1
    assert working.shape == tuple(resampled_length(n, factor) for n in labels.shape)
    back = np.asarray(ResampledLabels(working, (1 / factor,) * 2, labels.shape, is_smooth=True))
    for label in range(1, labels.max() + 1):
        ours, theirs = back == label, labels == label
        assert (ours & theirs).sum() / (ours | theirs).sum() > 0.95


def test_outlines_are_smooth_on_a_finer_grid() -> None:
    def disk(n: int) -> np.ndarray:
        y, x = (np.mgrid[:n, :n] + 0.5) / n
        return ((y - 0.51) ** 2 + (x - 0.48) ** 2 < 0.3**2).astype(np.int32)

    truth, small = disk(192), disk(48)
    voted = np.asarray(ResampledLabels(small, (4.0, 4.0), truth.shape, is_smooth=True))
    blocky = np.asarray(NearestLabels(small, (4.0, 4.0), truth.shape))
    np.testing.assert_array_equal(blocky, np.kron(small, np.ones((4, 4), np.int32)))
    assert (voted != truth).sum() < 0.8 * (blocky != truth).sum()


def test_thin_strokes_survive_and_thick_ones_do_not_grow() -> None:
    paint = np.zeros((80, 80), np.int32)
    paint[10, 5:70] = 1  # a stroke of background, 1 px wide
    for i in range(40):
        paint[20 + i, 10 + i] = 2  # a slanted stroke in an object
    paint[31:61, 47:77] = 3  # a quarter of the pixels at its border
    new = resampled_paint(paint, (0.25, 0.25))
    assert (new[2, 2:17] == 1).all()
    assert (new == 2).sum() >= 10
    assert (new == 3).sum() == 7 * 7


def test_most_of_the_painted_pixels_decide_and_unknown_ones_have_no_vote() -> None:
    paint = np.zeros((4, 8), np.int32)
    paint[:, :4] = 5
    paint[0, :4] = 1  # 12 of the 16 pixels are of the object
    paint[:, 4] = 1
    paint[1:3, 5] = 5  # four pixels of background, two of the object, ten unknown
    assert resampled_paint(paint, (0.25, 0.25)).tolist() == [[5, 1]]


@settings(max_examples=20, deadline=None)
@given(FACTORS, FACTORS, st.integers(0, 9))
def test_paint_is_the_same_in_strips(f: float, g: float, seed: int) -> None:
    paint = np.random.default_rng(seed).integers(0, 4, (23, 31)).astype(np.int32)
    expected = resampled_paint(paint, (f, g))
    before = resampling._STRIP
    try:
        resampling._STRIP = 31
        np.testing.assert_array_equal(resampled_paint(paint, (f, g)), expected)
    finally:
        resampling._STRIP = before
    assert expected.shape == (resampled_length(23, f), resampled_length(31, g))

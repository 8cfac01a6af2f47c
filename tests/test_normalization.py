"""Normalization: one change per image and channel, from a bounded sample of it."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_scribe.errors import InputError
from napari_scribe.image import Image
from napari_scribe.normalization import SAMPLE, Normalization, sample_pixels


def noise(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(100, 1000, shape).astype(np.uint16)


class Counting:
    """An array that counts what is read of it."""

    def __init__(self, shape: tuple[int, ...], dtype: str = "uint16") -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.n_read = 0

    def __getitem__(self, index: tuple[Any, ...]) -> np.ndarray:
        places = [np.arange(n)[i] for n, i in zip(self.shape, index, strict=True)]
        block = sum(np.ix_(*(p for p in places if p.ndim)))
        self.n_read += block.size
        return (block % 1000).astype(self.dtype)


def test_percentiles_become_0_and_1():
    image = Image(noise((50, 60)))
    statistics = Normalization().measure(image)
    low, high = np.percentile(image.data, [1, 99.8])
    assert statistics.low == pytest.approx(low) and statistics.high == pytest.approx(high)
    out = statistics.apply(image.data[np.newaxis])
    assert out.dtype == np.float32 and out.shape == (1, 50, 60)
    np.testing.assert_allclose(out[0], (image.data - low) / (high - low), rtol=1e-4, atol=1e-5)


def test_every_channel_has_its_own():
    image = Image(np.stack([noise((20, 20)), 10 * noise((20, 20), 1)]), "CYX")
    both = Normalization().measure(image)
    assert both.low.shape == both.high.shape == both.flat.shape == (2,)
    for c in range(2):
        one = Normalization().measure(image, [c])
        assert (one.low[0], one.high[0]) == (both.low[c], both.high[c])
    swapped = Normalization().measure(image, [1, 0])
    assert swapped.low.tolist() == both.low[::-1].tolist()


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 40), st.integers(1, 40))
def test_a_tile_is_normalized_as_the_whole(y: int, x: int, height: int, width: int):
    """The numbers belong to the image: cutting and applying may be done in any order."""
    image = Image(noise((40, 40)))
    statistics = Normalization().measure(image)
    window = slice(y, y + height), slice(x, x + width)
    whole = statistics.apply(image.data[np.newaxis])[(slice(None), *window)]
    np.testing.assert_array_equal(statistics.apply(image.read((), window)), whole)


@given(
    arrays(np.float32, (2, 8, 9), elements=st.floats(-1e3, 1e3, width=32)),
    st.floats(0.01, 1e3),
    st.floats(-1e3, 1e3),
)
def test_gain_and_offset_of_the_camera_do_not_matter(pixels: np.ndarray, gain: float, shift: float):
    contrast = np.ptp(pixels, axis=(1, 2))
    if min(contrast) < 1:
        return
    one = Normalization().measure(Image(pixels, "CYX")).apply(pixels)
    changed = (pixels * gain + shift).astype(np.float32)
    other = Normalization().measure(Image(changed, "CYX")).apply(changed)
    step = np.spacing(np.abs(changed).max()) / (gain * 1e-3)
    if step < 1e-3:
        np.testing.assert_allclose(other, one, rtol=0.05, atol=0.05 * np.abs(one).max() + 1e-3)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "int32", "float32", "float64"])
def test_constant_images_are_flat_and_become_0(dtype: str):
    image = Image(np.full((30, 30), 7).astype(dtype))
    statistics = Normalization().measure(image)
    assert statistics.flat.tolist() == [True]
    out = statistics.apply(np.full((1, 30, 30), 7).astype(dtype))
    assert not out.any()


def test_what_is_flatter_than_the_floor_becomes_0():
    image = Image(np.stack([noise((30, 30)), 500 + noise((30, 30)) % 3]), "CYX")
    statistics = Normalization(floor=20, dtype="uint16").measure(image)
    assert statistics.flat.tolist() == [False, True]
    out = statistics.apply(image.data)
    assert out[0].any() and not out[1].any()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("spread", [0.8, 2, 8])
def test_a_field_of_noise_is_flat(dtype: str, spread: float):
    rng = np.random.default_rng(0)
    empty = rng.normal(100, spread, (200, 200)).round().astype(dtype)
    normalization = Normalization(noise=6.0)
    assert normalization.measure(Image(empty)).flat.all()
    empty[50:70, 50:70] += np.dtype(dtype).type(6 * spread)
    assert not normalization.measure(Image(empty)).flat.any()
    assert normalization.measure(Image(rng.poisson(4, (200, 200)).astype(dtype))).flat.all()


def test_a_few_bright_pixels_on_even_ground_are_seen():
    pixels = np.full((100, 100), 100, np.uint16)
    pixels[50, 50:54] = 1000
    statistics = Normalization(floor=20, dtype="uint16").measure(Image(pixels))
    assert not statistics.flat.any()
    out = statistics.apply(pixels[np.newaxis])
    assert (out.min(), out.max()) == (0, 1)


@pytest.mark.parametrize(
    ("trained", "seen", "factor"),
    [
        ("uint16", "uint16", 1),
        ("uint16", "uint8", 255 / 65535),
        ("uint8", "uint16", 1),  # 12 bits of a camera are no brighter for lying in 16
        ("float32", "uint16", 0),
        ("uint16", "float32", 0),
        ("float32", "float32", 0),  # counts or fractions, who knows
    ],
)
def test_the_floor_follows_the_type_of_integers(trained: str, seen: str, factor: float):
    floor = 100.0
    normalization = Normalization(floor=floor, dtype=trained)
    ramp = np.linspace(0, 1, 10_000).reshape(100, 100)
    for contrast in (0.3, 30, 99, 150):
        pixels = (ramp * contrast / 0.988).astype(seen)  # between the two percentiles
        expected = np.ptp(np.percentile(pixels, [1, 99.8])) <= floor * factor
        assert normalization.measure(Image(pixels)).flat[0] == expected or contrast == 99


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_nan_and_infinite_pixels_are_refused(bad: float, dtype: str):
    pixels = noise((40, 40)).astype(dtype)
    pixels[3, 4] = bad
    with pytest.raises(InputError, match=r"cells has NaN or infinite pixels. Replace them"):
        Normalization().measure(Image(pixels, name="cells"))


def test_pixels_beyond_single_precision_are_refused():
    pixels = noise((40, 40)).astype(np.float64)
    pixels[3, 4] = 1e300
    with pytest.raises(InputError, match="infinite"):
        Normalization().measure(Image(pixels))


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((8000, 8000), "YX"),
        ((3, 5000, 5000), "CYX"),
        ((500, 400, 400), "ZYX"),
        ((7, 1000, 1000), "TYX"),
        ((20000, 10, 12), "ZYX"),
        ((4, 1_000_000), "YX"),
        ((40, 2, 30, 300, 300), "TCZYX"),
    ],
)
def test_large_images_are_sampled_with_bounded_work(shape: tuple[int, ...], axes: str):
    data = Counting(shape)
    image = Image(data, axes)
    sample = sample_pixels(image)
    assert len(sample) == image.n_channels
    assert data.n_read <= SAMPLE * image.n_channels
    assert data.n_read >= 10_000
    assert sample.size == data.n_read


def test_a_sample_of_a_large_image_stands_for_it_and_is_always_the_same():
    y, x = np.ogrid[:2500, :2500]
    data = da.from_array((y + 2 * x).astype(np.uint16), chunks=500)
    image = Image(data)
    sample = sample_pixels(image)
    np.testing.assert_array_equal(sample_pixels(image), sample)
    assert sample.shape[1] <= SAMPLE < data.size
    whole = np.percentile(np.asarray(data), [10, 50, 90])
    np.testing.assert_allclose(np.percentile(sample, [10, 50, 90]), whole, atol=0.05 * 7500)


@pytest.mark.parametrize("axes", ["TYX", "ZYX"])
def test_all_frames_of_a_stack_share_their_numbers(axes: str):
    stack = np.stack([noise((30, 30)), 3 * noise((30, 30), 1)])
    statistics = Normalization().measure(Image(stack, axes))
    assert statistics.high[0] == pytest.approx(np.percentile(stack, 99.8), rel=1e-5)

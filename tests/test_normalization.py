"""Normalization: one change per image and channel, from a bounded sample of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_scribe.errors import InputError
from napari_scribe.image import Image
from napari_scribe.io import read_image
from napari_scribe.normalization import (
    SAMPLE,
    FixedNormalization,
    Normalization,
    sample_pixels,
)


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


# ---- sparse objects -----------------------------------------------------------------------------


def discs(shape: tuple[int, int], radius: int, level: float, seed: int = 0) -> np.ndarray:
    """Three discs on noise, as many times its standard deviation away as `level` says."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(1000, 5, shape)
    y, x = np.ogrid[: shape[0], : shape[1]]
    for fraction in (0.2, 0.5, 0.9):
        away = (y - fraction * shape[0]) ** 2 + (x - (1 - fraction) * shape[1]) ** 2
        pixels[away <= radius**2] += 5 * level
    return pixels


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
@pytest.mark.parametrize("level", [10, 100, -20])
@pytest.mark.parametrize("radius", [1, 6])
def test_sparse_objects_are_no_empty_image(dtype: str, level: float, radius: int):
    pixels = discs((700, 900), radius, level).astype(dtype)
    statistics = Normalization(noise=6.0).measure(Image(pixels))
    assert not statistics.flat.any()
    middle = statistics.apply(pixels[np.newaxis])[0, 350, 450]
    assert middle == pytest.approx(1 if level > 0 else 0, abs=0.3)


def test_sparse_objects_are_found_beside_the_sample():
    pixels = np.random.default_rng(0).normal(1000, 5, (2600, 2600)).astype(np.uint16)
    seen = np.zeros(pixels.shape, bool)
    seen.ravel()[sample_pixels(Image(np.arange(pixels.size).reshape(pixels.shape)))] = True
    y, x = next(yx for yx in np.argwhere(~seen) if not seen[yx[0] :, yx[1] :][:12, :12].any())
    pixels[y : y + 12, x : x + 12] += 500
    assert sample_pixels(Image(pixels)).max() < 1200
    assert not Normalization(noise=6.0).measure(Image(pixels)).flat.any()


def test_sparse_objects_in_one_channel_or_frame_count():
    empty = np.random.default_rng(1).normal(1000, 5, (600, 700))
    both = np.stack([empty, discs((600, 700), 6, 100)])
    assert Normalization(noise=6.0).measure(Image(both, "CYX")).flat.tolist() == [True, False]
    assert Normalization(noise=6.0).measure(Image(both, "TYX")).flat.tolist() == [False]


def test_hot_pixels_and_cosmic_rays_are_no_objects():
    rng = np.random.default_rng(0)
    pixels = rng.normal(1000, 5, (1500, 1500)).astype(np.uint16)
    pixels[rng.random(pixels.shape) < 0.0005] = 65535
    pixels[100, 50:100] = 30000
    pixels[700:702, 700:702] = 65535
    assert Normalization(noise=6.0).measure(Image(pixels)).flat.all()


@pytest.mark.parametrize("photons", [0.5, 1, 3, 30])
def test_few_photons_are_no_objects(photons: float):
    pixels = np.random.default_rng(0).poisson(photons, (1500, 1500)).astype(np.uint16)
    assert Normalization(noise=6.0).measure(Image(pixels)).flat.all()


def test_the_floor_holds_for_sparse_objects():
    image = Image(discs((700, 900), 6, 20).astype(np.uint16))
    assert Normalization(noise=6.0, floor=300, dtype="uint16").measure(image).flat.all()
    assert not Normalization(noise=6.0, floor=50, dtype="uint16").measure(image).flat.any()


# ---- large offsets ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "offset"),
    [("uint32", 2**31), ("int32", -(2**31)), ("int64", 2**60), ("uint64", 2**63 + 9),
     ("int64", -(2**62)), ("float64", 1e12), ("float64", -3e9)],
)  # fmt: skip
@pytest.mark.parametrize("contrast", [200, 60_000])
def test_an_offset_takes_no_contrast_away(dtype: str, offset: float, contrast: int):
    ramp = np.arange(contrast).repeat(2)[:: max(1, contrast // 2000)].reshape(2, -1)
    pixels = ramp.astype(dtype) + np.dtype(dtype).type(offset)
    statistics = Normalization().measure(Image(pixels))
    plain = Normalization().measure(Image(ramp.astype(np.uint16)))
    expected = plain.apply(ramp[np.newaxis].astype(np.uint16))
    np.testing.assert_allclose(statistics.apply(pixels[np.newaxis]), expected, atol=1e-4)
    assert statistics.noise == pytest.approx(plain.noise)
    assert statistics.digest != Normalization().measure(Image(pixels + pixels.dtype.type(1))).digest


def test_offsets_of_channels_are_their_own():
    ramp = np.arange(400, dtype=np.uint32).reshape(20, 20)
    pixels = np.stack([ramp + 2**31, ramp, ramp + 3 * 2**30]).astype(np.uint32)
    out = Normalization().measure(Image(pixels, "CYX")).apply(pixels)
    np.testing.assert_allclose(out, np.stack([out[1]] * 3), atol=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "int32", "float64"])
def test_ordinary_images_have_no_origin(dtype: str):
    statistics = Normalization().measure(Image(noise((40, 40)).astype(dtype)))
    assert not statistics.origins.any()
    assert statistics.low.dtype == statistics.high.dtype == np.float32


def test_values_beyond_single_precision_are_said_to_be_that():
    pixels = noise((40, 40)).astype(np.float64) * 1e36
    with pytest.raises(InputError, match=r"pixels such as 9.99e\+38.* Divide them by a constant"):
        Normalization().measure(Image(pixels))
    tiny = Normalization().measure(Image(pixels * 1e-66))
    out = tiny.apply(pixels[np.newaxis] * 1e-66)
    np.testing.assert_allclose([out.min(), out.max()], [0, 1], atol=0.02)


# ---- no data ------------------------------------------------------------------------------------


def bordered(border: float, dtype: str = "float32") -> np.ndarray:
    pixels = np.random.default_rng(0).normal(1000, 20, (200, 220))
    pixels[100:130, 100:130] += 800
    pixels[:50] = border
    return pixels.astype(dtype)


@pytest.mark.parametrize(
    ("border", "dtype"),
    [(-9999, "float32"), (-32768, "int16"), (-3.4028234663852886e38, "float32"), (1e20, "float64"),
     (-9999, "float64")],
)  # fmt: skip
def test_a_border_without_data_hides_nothing(border: float, dtype: str):
    pixels = bordered(border, dtype)
    inside = Normalization().measure(Image(pixels[50:]))
    for nodata in (None, border):
        statistics = Normalization().measure(Image(pixels, nodata=nodata))
        out = statistics.apply(pixels[np.newaxis])[0]
        assert statistics.high - statistics.low == pytest.approx(inside.high - inside.low)
        assert not out[:50].any() and out[115, 115] > 0.7 and abs(np.median(out[50:])) < 0.2


def test_a_border_that_alone_is_negative_need_not_be_far():
    pixels = 20 * bordered(0)  # a contrast of 16000
    pixels[:50] = -9999
    inside = Normalization().measure(Image(pixels[50:]))
    statistics = Normalization().measure(Image(pixels))
    assert statistics.high - statistics.low == pytest.approx(inside.high - inside.low)
    assert not statistics.apply(pixels[np.newaxis])[0, :50].any()


@pytest.mark.parametrize("border", [0, 65535, 1234])
def test_what_a_file_declares_as_no_data_is_none(border: int):
    pixels = bordered(border, "uint16")
    statistics = Normalization().measure(Image(pixels, nodata=float(border)))
    out = statistics.apply(pixels[np.newaxis])[0]
    assert statistics.high < 2000 and statistics.low > 900
    assert not out[:50].any() and out[115, 115] > 0.7


def test_nan_may_stand_for_no_data_where_it_is_declared():
    pixels = bordered(np.nan)
    statistics = Normalization().measure(Image(pixels, nodata=np.nan))
    assert np.isfinite(statistics.apply(pixels[np.newaxis])).all()
    pixels[0, 0] = np.inf
    with pytest.raises(InputError, match="NaN or infinite"):
        Normalization().measure(Image(pixels, nodata=np.nan))


def test_an_image_without_any_data_is_flat():
    for value in (-9999.0, np.nan):
        image = Image(np.full((20, 20), value, np.float32), nodata=value)
        assert Normalization().measure(image).flat.all()


@pytest.mark.parametrize(
    "pixels",
    [
        np.where(discs((300, 300), 20, 100) > 1200, discs((300, 300), 20, 100), 0),  # dark ground
        np.minimum(discs((300, 300), 60, 100), 1100),  # saturated
        bordered(900),
    ],
)
def test_grounds_and_saturated_objects_are_no_border(pixels: np.ndarray):
    statistics = Normalization().measure(Image(pixels.astype(np.float32)))
    low, high = np.percentile(pixels.astype(np.float32), [1, 99.8])
    assert (statistics.low, statistics.high) == (np.float32(low), np.float32(high))


def test_gdal_says_what_holds_no_data(tmp_path: Path):
    path = tmp_path / "map.tif"
    tifffile.imwrite(path, bordered(-9999), extratags=[(42113, "s", 0, "-9999", True)])
    assert read_image(path).nodata == -9999
    tifffile.imwrite(path, bordered(-9999))
    assert read_image(path).nodata is None


# ---- bounds -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [{"low": -1}, {"high": 101}, {"low": 60, "high": 40}, {"low": np.nan}, {"high": np.inf},
     {"floor": np.inf}, {"floor": -1}, {"noise": np.nan}],
)  # fmt: skip
def test_a_normalization_out_of_bounds_is_refused(values: dict[str, float]):
    with pytest.raises(InputError, match="makes no sense"):
        Normalization(**values)


@pytest.mark.parametrize(
    ("means", "deviations"),
    [((1.0,), (0.0,)), ((np.inf,), (1.0,)), ((1.0,), (np.nan,)), ((1.0,), (1.0, 2.0)), ((), ())],
)
def test_fixed_numbers_out_of_bounds_are_refused(means: Any, deviations: Any):
    with pytest.raises(InputError, match="makes no sense"):
        FixedNormalization(means, deviations)

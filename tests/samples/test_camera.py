"""A camera has the mean and the spread that it says."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scribe.samples.camera import Camera, digitize


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def flat(level: float, side: int = 400) -> np.ndarray:
    return np.full((side, side), level, np.float32)


@pytest.mark.parametrize("shape", [(7,), (5, 6), (2, 5, 6), (1, 2, 3, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_any_shape_gives_float32_and_the_same_seed_the_same(shape, dtype):
    camera = Camera(0.5, 2, 10)
    clean = random().integers(20, 200, shape).astype(dtype)
    before = clean.copy()
    noisy = camera(clean, random(1))
    assert noisy.dtype == np.float32
    assert noisy.shape == shape
    assert np.array_equal(noisy, camera(clean, random(1)))
    assert np.array_equal(clean, before)


def test_another_draw_is_another_noise():
    rng = random()
    camera = Camera(0.5, 2, 10)
    assert not np.array_equal(camera(flat(100, 20), rng), camera(flat(100, 20), rng))


@pytest.mark.parametrize("level", [10.0, 250.0])
def test_the_mean_is_kept(level: float):
    rng = random()
    means = [Camera(0.5, 2, 10)(flat(level, 100), rng).mean(dtype=float) for _ in range(60)]
    error = np.std(means) / np.sqrt(len(means))
    assert abs(np.mean(means) - level) < 4 * error
    assert error < 0.1


@pytest.mark.parametrize("level", [17.0, 255.0])
def test_photons_are_counted(level: float):
    """At level 255 there are 30 photons: the variance is 255 * 255 / 30, in steps of 255 / 30."""
    noisy = Camera(30 / 255)(flat(level), random())
    assert noisy.var() == pytest.approx(level * 255 / 30, rel=0.02)
    photons = noisy * 30 / 255
    assert np.allclose(photons, np.rint(photons), atol=1e-4)


def test_no_light_has_no_shot_noise():
    assert not Camera(30 / 255)(flat(0), random()).any()
    assert not Camera(30 / 255)(flat(-5), random()).any()


@pytest.mark.parametrize("level", [100.0, 150.0, 1100.0])
def test_camera_has_shot_noise_above_its_offset_and_read_noise(level: float):
    noisy = Camera(photons=0.5, read_noise=3, offset=100)(flat(level), random())
    assert noisy.var() == pytest.approx((level - 100) / 0.5 + (3 / 0.5) ** 2, rel=0.02)


def test_a_camera_rounds_and_clips():
    levels = digitize(np.array([-3.0, 0.4, 0.6, 4000.0, 1e6]))
    assert levels.dtype == np.uint16
    assert levels.tolist() == [0, 0, 1, 4000, 65535]

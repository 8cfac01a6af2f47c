"""Noise has the mean, the spread and the neighbours that it says."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scribe.errors import InputError
from napari_scribe.samples import noise
from napari_scribe.samples.noise import Noise

MODELS: list[Noise] = [
    noise.Gaussian(25),
    noise.RandomGaussian(),
    noise.Poisson(30),
    noise.Camera(0.5, 2, 10),
    noise.Impulse(0.2),
    noise.Bernoulli(0.2),
    noise.Correlated(10, 1.5),
    noise.Stripes(5),
    noise.Chain((noise.Poisson(30), noise.Stripes(5))),
]
ZERO_MEAN = [m for m in MODELS if not isinstance(m, noise.Impulse | noise.Bernoulli)]


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def flat(level: float, side: int = 400) -> np.ndarray:
    return np.full((side, side), level, np.float32)


def correlation(image: np.ndarray, dy: int, dx: int) -> float:
    """Correlation of a flat image's noise with itself, shifted."""
    image = image - image.mean()
    return float((image * np.roll(image, (dy, dx), (0, 1))).mean() / image.var())


@pytest.mark.parametrize("model", MODELS, ids=str)
@pytest.mark.parametrize("shape", [(7,), (5, 6), (2, 5, 6), (1, 2, 3, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_any_shape_gives_float32_and_the_same_seed_the_same(model: Noise, shape, dtype):
    clean = random().integers(20, 200, shape).astype(dtype)
    before = clean.copy()
    noisy = model(clean, random(1))
    assert noisy.dtype == np.float32
    assert noisy.shape == shape
    assert np.array_equal(noisy, model(clean, random(1)))
    assert np.array_equal(clean, before)


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_another_draw_is_another_noise(model: Noise):
    rng = random()
    assert not np.array_equal(model(flat(100, 20), rng), model(flat(100, 20), rng))


@pytest.mark.parametrize("model", ZERO_MEAN, ids=str)
@pytest.mark.parametrize("level", [10.0, 250.0])
def test_the_mean_is_kept(model: Noise, level: float):
    rng = random()
    means = [model(flat(level, 100), rng).mean(dtype=float) for _ in range(60)]
    error = np.std(means) / np.sqrt(len(means))
    assert abs(np.mean(means) - level) < 4 * error
    assert error < 0.1


def test_gaussian_is_white_and_not_clipped():
    noisy = noise.Gaussian(25)(flat(0), random())
    assert noisy.std() == pytest.approx(25, rel=0.01)
    assert (noisy < 0).mean() == pytest.approx(0.5, abs=0.01)
    assert abs(correlation(noisy, 0, 1)) < 0.01


def test_sigma_is_drawn_for_each_image():
    rng = random()
    sigmas = [noise.RandomGaussian(5, 50)(flat(0, 64), rng).std() for _ in range(400)]
    assert min(sigmas) == pytest.approx(5, abs=1)
    assert max(sigmas) == pytest.approx(50, abs=2)
    assert np.mean(sigmas) == pytest.approx(27.5, abs=2)


@pytest.mark.parametrize("level", [17.0, 255.0])
def test_photons_are_counted(level: float):
    """At the white level 30 photons: variance 255 * 255 / 30, in steps of 255 / 30."""
    noisy = noise.Poisson(30)(flat(level), random())
    assert noisy.var() == pytest.approx(level * 255 / 30, rel=0.02)
    photons = noisy * 30 / 255
    assert np.allclose(photons, np.rint(photons), atol=1e-4)


def test_no_light_has_no_shot_noise():
    assert not noise.Poisson(30)(flat(0), random()).any()
    assert not noise.Poisson(30)(flat(-5), random()).any()


@pytest.mark.parametrize("level", [100.0, 150.0, 1100.0])
def test_camera_has_shot_noise_above_its_offset_and_read_noise(level: float):
    noisy = noise.Camera(photons=0.5, read_noise=3, offset=100)(flat(level), random())
    assert noisy.var() == pytest.approx((level - 100) / 0.5 + (3 / 0.5) ** 2, rel=0.02)


@pytest.mark.parametrize("psnr", [10.0, 24.0, 40.0])
@pytest.mark.parametrize(("read_noise", "offset"), [(0, 0), (2, 0), (20, 100)])
def test_camera_for_a_wanted_psnr(psnr: float, read_noise: float, offset: float):
    y, x = np.mgrid[:300, :300] / 30
    clean = (255 * (0.5 + 0.5 * np.sin(y) * np.cos(x)) ** 2 + offset).astype(np.float32)
    camera = noise.Camera.with_psnr(clean, psnr, read_noise=read_noise, offset=offset)
    error = np.mean((camera(clean, random()) - clean) ** 2)
    assert 10 * np.log10(255**2 / error) == pytest.approx(psnr, abs=0.1)


def test_no_camera_makes_noise_from_nothing():
    with pytest.raises(InputError, match="without light"):
        noise.Camera.with_psnr(flat(0), 24, read_noise=0)
    dark = noise.Camera.with_psnr(flat(0), 24, read_noise=2)(flat(0), random())
    assert 10 * np.log10(255**2 / np.mean(dark**2)) == pytest.approx(24, abs=0.1)


def test_impulses_replace_their_share():
    noisy = noise.Impulse(0.3, 0, 200)(flat(500), random())
    hit = noisy != 500
    assert hit.mean() == pytest.approx(0.3, abs=0.01)
    assert np.histogram(noisy[hit], 4, (0, 200))[0] / hit.sum() == pytest.approx(0.25, abs=0.01)


def test_salt_and_pepper():
    noisy = noise.Impulse(0.3, 10, 200, is_binary=True)(flat(50), random())
    assert np.unique(noisy).tolist() == [10, 50, 200]
    assert (noisy == 10).mean() == pytest.approx(0.15, abs=0.01)
    assert (noisy == 200).mean() == pytest.approx(0.15, abs=0.01)


def test_dropped_pixels():
    noisy = noise.Bernoulli(0.4)(flat(50), random())
    assert np.unique(noisy).tolist() == [0, 50]
    assert (noisy == 0).mean() == pytest.approx(0.4, abs=0.01)
    assert np.isnan(noise.Bernoulli(1, np.nan)(flat(50, 8), random())).all()


@pytest.mark.parametrize("blur", [0.7, 2.0])
def test_correlated_noise_has_its_sigma_and_its_grain(blur: float):
    noisy = noise.Correlated(10, blur)(flat(0), random())
    assert noisy.std() == pytest.approx(10, rel=0.03)
    for shift in [(0, 1), (1, 0), (0, 2)]:
        expected = np.exp(-((max(shift) / blur) ** 2) / 4)
        assert correlation(noisy, *shift) == pytest.approx(expected, abs=0.03)


def test_correlated_noise_is_even_up_to_the_edge():
    noisy = noise.Correlated(10, 2)(np.zeros((2000, 12, 12)), random())
    assert noisy.std(axis=0) == pytest.approx(10, rel=0.1)


def test_frames_of_a_stack_have_independent_noise():
    noisy = noise.Correlated(10, 2)(np.zeros((2, 200, 200)), random())
    assert abs(np.corrcoef(noisy[0].ravel(), noisy[1].ravel())[0, 1]) < 0.1


def test_stripes_run_along_rows():
    noisy = noise.Stripes(5)(np.zeros((3, 2000, 10)), random())
    assert (noisy == noisy[..., :1]).all()
    rows = noisy[..., 0]
    assert rows.std() == pytest.approx(5, rel=0.05)
    assert abs(np.corrcoef(rows[0], rows[1])[0, 1]) < 0.1


def test_noises_add_up():
    noisy = noise.Chain((noise.Gaussian(3), noise.Gaussian(4)))(flat(0), random())
    assert noisy.std() == pytest.approx(5, rel=0.01)


@pytest.mark.parametrize(("bits", "most"), [(16, 65535), (12, 4095)])
def test_a_camera_rounds_and_clips(bits: int, most: int):
    levels = noise.digitize(np.array([-3.0, 0.4, 0.6, 4000.0, 1e6]), bits)
    assert levels.dtype == np.uint16
    assert levels.tolist() == [0, 0, 1, 4000, most]

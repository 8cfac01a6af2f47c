"""The noise models of the benchmarks have the mean and the spread that they say."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture(scope="module")
def noise(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("noise")


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def flat(level: float, side: int = 400) -> np.ndarray:
    return np.full((side, side), level, np.float32)


@pytest.mark.parametrize("level", [10.0, 250.0])
def test_the_mean_is_kept(noise: ModuleType, level: float):
    for model in (noise.gaussian(25), noise.gaussian_of_range(5, 50), noise.poisson(30)):
        rng = random()
        means = [model(flat(level, 100), rng).mean(dtype=float) for _ in range(60)]
        error = np.std(means) / np.sqrt(len(means))
        assert abs(np.mean(means) - level) < 4 * error
        assert error < 0.1


def test_gaussian_is_white_and_not_clipped(noise: ModuleType):
    noisy = noise.gaussian(25)(flat(0), random())
    assert noisy.dtype == np.float32
    assert noisy.std() == pytest.approx(25, rel=0.01)
    assert (noisy < 0).mean() == pytest.approx(0.5, abs=0.01)
    assert abs((noisy * np.roll(noisy, 1, 1)).mean() / noisy.var()) < 0.01


def test_sigma_is_drawn_for_each_image(noise: ModuleType):
    rng = random()
    sigmas = [noise.gaussian_of_range(5, 50)(flat(0, 64), rng).std() for _ in range(400)]
    assert min(sigmas) == pytest.approx(5, abs=1)
    assert max(sigmas) == pytest.approx(50, abs=2)
    assert np.mean(sigmas) == pytest.approx(27.5, abs=2)


def test_photons_are_counted(noise: ModuleType):
    assert noise.poisson(30)(flat(255), random()).var() == pytest.approx(255 * 255 / 30, rel=0.02)


@pytest.mark.parametrize("psnr", [10.0, 24.0, 40.0])
@pytest.mark.parametrize(("read_noise", "offset"), [(0, 0), (2, 0), (20, 100)])
def test_camera_for_a_wanted_psnr(noise: ModuleType, psnr: float, read_noise: float, offset: float):
    y, x = np.mgrid[:300, :300] / 30
    clean = (255 * (0.5 + 0.5 * np.sin(y) * np.cos(x)) ** 2 + offset).astype(np.float32)
    camera = noise.camera_with_psnr(clean, psnr, read_noise=read_noise, offset=offset)
    error = np.mean((camera(clean, random()) - clean) ** 2)
    assert 10 * np.log10(255**2 / error) == pytest.approx(psnr, abs=0.1)


def test_a_camera_in_the_dark_has_read_noise(noise: ModuleType):
    dark = noise.camera_with_psnr(flat(0), 24, read_noise=2)(flat(0), random())
    assert 10 * np.log10(255**2 / np.mean(dark**2)) == pytest.approx(24, abs=0.1)

"""What a movie says of itself is so."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from napari_scribe.errors import InputError
from napari_scribe.samples import Movie, noisy_movie
from napari_scribe.samples.movie import OFFSET


@pytest.fixture(scope="module")
def still() -> Movie:
    return noisy_movie(n_frames=12, side=160)


def psnr(clean: np.ndarray, image: np.ndarray) -> float:
    peak = np.percentile(clean, 99.8) - OFFSET
    return float(10 * np.log10(peak**2 / np.mean((image - clean) ** 2)))


def test_types_and_shapes(still: Movie):
    assert still.noisy.dtype == np.uint16
    assert still.clean.dtype == np.float32
    assert still.noisy.shape == still.clean.shape == (12, 160, 160)
    assert still.shifts.shape == (12, 2)
    assert still.gains.shape == (12,)
    assert still.path is None


def test_nothing_changes_unless_asked(still: Movie):
    assert not still.shifts.any()
    assert (still.gains == 1).all()
    assert (still.clean == still.clean[0]).all()


def test_noise_has_zero_mean_and_is_independent_from_frame_to_frame(still: Movie):
    noise = still.noisy - still.clean
    assert abs(noise.mean()) < 0.2
    assert noise.std() > 15
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.03
    # averages approach the truth: also where it is dark, so nothing was clipped
    mean = still.noisy.mean(axis=0) - still.clean[0]
    assert mean.std() == pytest.approx(noise.std() / np.sqrt(12), rel=0.05)
    assert still.noisy.min() > 0


def test_there_is_something_to_denoise(still: Movie):
    """Noise is strong, and blurring it away costs texture: twelve frames are better than that."""
    clean = still.clean[0]
    blurred = [psnr(clean, ndimage.gaussian_filter(still.noisy[0] * 1.0, s)) for s in (0.7, 1, 2)]
    assert 20 < psnr(clean, still.noisy[0]) < 27
    assert max(blurred) < psnr(clean, still.noisy.mean(axis=0)) - 0.5
    assert blurred[0] < blurred[1] > blurred[2] + 2


@pytest.mark.parametrize("drift", [0.3, 2.0])
def test_drift_is_in_the_frames_and_in_the_truth(drift: float):
    movie = noisy_movie(n_frames=8, side=160, drift=drift, seed=1)
    steps = np.diff(movie.shifts, axis=0)
    assert np.linalg.norm(steps, axis=1) == pytest.approx(drift)
    assert np.linalg.norm(movie.shifts[-1]) > 0.8 * 7 * drift
    window = np.outer(np.hanning(160), np.hanning(160))
    for t in range(1, 8):
        pair = (movie.clean[t] - OFFSET) * window, (movie.clean[t - 1] - OFFSET) * window
        shift, *_ = phase_cross_correlation(*pair, upsample_factor=50)
        assert shift == pytest.approx(steps[t - 1], abs=0.03)


def test_frames_are_shifted_copies_of_one_scene():
    movie = noisy_movie(n_frames=6, side=160, drift=1.7, seed=2)
    back = ndimage.shift(movie.clean[-1], -movie.shifts[-1], order=5, mode="nearest")
    inside = np.s_[24:-24, 24:-24]
    difference = back[inside] - movie.clean[0][inside]
    assert np.abs(difference).max() < 0.01 * movie.clean[0][inside].std()


def test_light_bleaches_and_the_offset_stays(still: Movie):
    movie = noisy_movie(n_frames=12, side=160, bleaching=0.3)
    assert movie.gains[[0, -1]] == pytest.approx([1, 0.7])
    assert movie.gains[1:] / movie.gains[:-1] == pytest.approx(0.7 ** (1 / 11))
    assert np.allclose(movie.clean[-1] - OFFSET, 0.7 * (still.clean[-1] - OFFSET), atol=0.01)
    lost = (movie.noisy[-1].mean() - OFFSET) / (movie.noisy[0].mean() - OFFSET)
    assert lost == pytest.approx(0.7, abs=0.02)


@pytest.mark.parametrize("drift", [0.0, 2.0])
def test_a_spot_moves_along_its_path(drift: float):
    options = {"n_frames": 40, "side": 96, "drift": drift, "seed": 4}
    movie, without = noisy_movie(moving=True, **options), noisy_movie(**options)
    assert movie.path is not None
    for frame, other, place in zip(movie.clean, without.clean, movie.path, strict=True):
        spot = frame - other
        assert spot.max() > 100
        assert ndimage.center_of_mass(spot) == pytest.approx(place, abs=0.1)
    steps = np.linalg.norm(np.diff(movie.path, axis=0), axis=1)
    assert 5 - drift - 0.01 < np.median(steps) < 5 + drift + 0.01


def test_the_same_seed_gives_the_same_movie(still: Movie):
    again, other = noisy_movie(12, 160), noisy_movie(12, 160, seed=1)
    assert np.array_equal(again.noisy, still.noisy)
    assert not np.array_equal(other.clean, still.clean)


def test_any_noise(still: Movie):
    def white(clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return clean + rng.normal(0, 10, clean.shape)

    movie = noisy_movie(n_frames=12, side=160, noise=white)
    assert np.array_equal(movie.clean, still.clean)
    assert (movie.noisy - movie.clean).std() == pytest.approx(10, rel=0.01)


def test_one_small_frame():
    movie = noisy_movie(n_frames=1, side=32, drift=3, bleaching=0.5, moving=True)
    assert movie.noisy.shape == (1, 32, 32)
    assert movie.gains.tolist() == [1]


@pytest.mark.parametrize("wrong", [{"n_frames": 0}, {"side": 8}, {"drift": -1}, {"bleaching": 1}])
def test_bad_numbers_are_refused(wrong: dict):
    with pytest.raises(InputError, match=f"{next(iter(wrong))}="):
        noisy_movie(**wrong)

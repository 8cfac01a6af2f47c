"""What is wrong with noisy pairs is found, with its size; what is right is left alone."""

from __future__ import annotations

from dataclasses import replace

import imagecodecs
import numpy as np
import pytest
from scipy import ndimage

from napari_scribe.errors import InputError
from napari_scribe.image import Image
from napari_scribe.progress import Job, run
from napari_scribe.samples import noisy_movie
from napari_scribe.samples.camera import Noise
from napari_scribe.samples.movie import CAMERA
from napari_scribe.training.pairs.fitness import (
    Finding,
    Fitness,
    apply_remedies,
    check_pairs,
    checking_pairs,
    find_motion,
)
from napari_scribe.training.pairs.fitness.findings import SENTENCES, TABLE
from napari_scribe.training.pairs.fitness.measurements import measuring
from napari_scribe.training.pairs.fitness.noise import LAGS
from napari_scribe.training.pairs.registration import measure_drift
from napari_scribe.training.pairs.sources import (
    Pairs,
    channel_pairs,
    frame_pairs,
    layer_pairs,
    single_pairs,
)

SIZE = {"n_frames": 12, "side": 160}


def pairs_of(stack: np.ndarray, axes: str = "TYX", **options: object) -> Pairs:
    return frame_pairs(Image(stack, axes, name="movie"), **options)  # type: ignore[arg-type]


def the_only(fitness: Fitness, kind: str) -> Finding:
    assert [f.kind for f in fitness.findings] == [kind]
    assert not fitness.is_fit
    return fitness.findings[0]


def correlated(sigma: float, blur: float) -> Noise:
    """Noise with grains: white noise after a Gaussian blur, of standard deviation `sigma`."""

    def add(clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        noise = ndimage.gaussian_filter(rng.standard_normal(clean.shape), blur, mode="wrap")
        return (clean + sigma / noise.std() * noise).astype(np.float32)

    return add


def striped(clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The noise of a camera that raises and lowers whole rows."""
    return CAMERA(clean, rng) + rng.normal(0, 10, (len(clean), 1)).astype(np.float32)


class Counted:
    """A stack that says how many of its pixels were read."""

    def __init__(self, stack: np.ndarray, repeats: int) -> None:
        self.stack, self.n_read = stack, 0
        self.shape = (repeats * len(stack), *stack.shape[1:])
        self.dtype, self.ndim = stack.dtype, stack.ndim

    def __getitem__(self, index: tuple) -> np.ndarray:
        found = self.stack[(index[0] % len(self.stack), *index[1:])]
        self.n_read += found.size
        return found


def test_every_finding_of_the_table_has_a_sentence():
    assert list(TABLE) == list(SENTENCES)


@pytest.mark.parametrize("seed", range(3))
def test_a_clean_movie_passes(seed: int):
    movie = noisy_movie(**SIZE, seed=seed).noisy
    for pairs in (pairs_of(movie), pairs_of(movie, how="near"), single_pairs(Image(movie, "TYX"))):
        fitness = check_pairs(pairs)
        assert fitness.is_fit, fitness.in_words()
        assert "nothing speaks against them" in fitness.in_words()
        one = replace(fitness, n_pairs=1, n_views=1).in_words()
        assert one == "1 picture was looked at, and nothing speaks against it."
    assert check_pairs(layer_pairs(movie[:6], movie[6:])).is_fit


def test_drift_is_found_and_taken_into_account():
    movie = noisy_movie(**SIZE, drift=2.0)
    pairs = pairs_of(movie.noisy)
    fitness = check_pairs(pairs)
    finding = the_only(fitness, "drift")
    assert finding.size == pytest.approx(2.0, abs=0.1)
    assert finding.remedy == "register"
    assert "drifts by 2.0 px" in fitness.in_words()
    wanted = np.linalg.norm(movie.shifts, axis=1)
    assert fitness.curves.drift == pytest.approx(wanted, abs=0.3)
    mended = apply_remedies(pairs, fitness, ["register"])
    shifts = np.array([view.shift for view in mended.views])
    assert np.abs(np.diff(shifts, axis=0) - np.diff(movie.shifts, axis=0)).max() < 0.2
    assert check_pairs(mended).is_fit


def test_drift_is_measured_in_views_that_were_not_looked_at():
    movie = noisy_movie(n_frames=60, side=96, drift=1.5)
    pairs = pairs_of(movie.noisy)
    fitness = check_pairs(pairs)
    assert fitness.n_pairs == 24
    steps = np.diff([v.shift for v in apply_remedies(pairs, fitness, ["register"]).views], axis=0)
    error = np.linalg.norm(steps - np.diff(movie.shifts, axis=0), axis=1)
    assert np.median(error) < 0.2
    assert error.max() < 0.6


def test_drift_of_volumes():
    plane = noisy_movie(n_frames=10, side=128, seed=3)
    rng = np.random.default_rng(0)
    scene = np.stack([plane.clean[0, i * 3 : i * 3 + 112, :112] for i in range(6)])
    frames = [np.roll(scene, (t, 3 * t), (1, 2))[:, 12:-12, 12:-12] for t in range(3)]
    volumes = rng.poisson(np.stack(frames)).astype(np.float32)
    pairs = pairs_of(volumes, "TZYX", dimensions=3)
    fitness = check_pairs(pairs)
    assert next(f for f in fitness.findings if f.kind == "drift").size == pytest.approx(
        10**0.5, 0.1
    )
    shift = apply_remedies(pairs, fitness, ["register"]).views[2].shift
    assert shift == pytest.approx((0, 2, 6), abs=0.3)


@pytest.mark.parametrize("drift", [0.0, 2.0])
def test_bleaching_is_found_and_matched(drift: float):
    movie = noisy_movie(**SIZE, bleaching=0.3, drift=drift)
    pairs = pairs_of(movie.noisy)
    fitness = check_pairs(pairs)
    finding = next(f for f in fitness.findings if f.kind == "bleaching")
    assert len(fitness.findings) == 1 + (drift > 0)
    assert finding.size == pytest.approx(30, abs=3)
    assert finding.remedy == "match"
    assert fitness.curves.brightness[:, 0] == pytest.approx(movie.gains, abs=0.05)
    mended = apply_remedies(pairs, fitness, fitness.remedies)
    last = mended.views[-1]
    dark, bright = (last.gains[0] * level + last.offsets[0] for level in (100, 100 + 0.7 * 200))
    assert dark == pytest.approx(100, abs=3)
    assert bright == pytest.approx(300, abs=10)
    assert check_pairs(mended).is_fit


def test_flicker_is_found():
    movie = noisy_movie(**SIZE)
    gains = 1 + 0.1 * np.array([1, -1, -1, 1, 1, 1, -1, 1, -1, -1, 1, -1])
    noisy = (100 + (movie.noisy - 100.0) * gains[:, None, None]).astype(np.float32)
    finding = the_only(check_pairs(pairs_of(noisy)), "flicker")
    assert finding.size == pytest.approx(10, abs=2)
    assert finding.remedy == "match"
    lifted = movie.noisy + (500 * (gains - 1)).astype(np.int64)[:, None, None]
    assert "ground" in the_only(check_pairs(pairs_of(lifted)), "flicker").text


def test_two_layers_of_different_brightness():
    movie = noisy_movie(**SIZE).noisy
    pairs = layer_pairs(movie[:6], 100 + 0.5 * (movie[6:] - 100.0))
    finding = the_only(check_pairs(pairs), "flicker")
    assert finding.size == pytest.approx(100 * np.log(2), abs=5)
    assert check_pairs(apply_remedies(pairs, check_pairs(pairs), ["match"])).is_fit


@pytest.mark.parametrize("drift", [0.0, 2.0])
def test_a_moving_object_is_found(drift: float):
    movie = noisy_movie(**SIZE, moving=True, drift=drift)
    pairs = pairs_of(movie.noisy)
    fitness = check_pairs(pairs)
    finding = next(f for f in fitness.findings if f.kind == "motion")
    assert len(fitness.findings) == 1 + (drift > 0)
    assert 0.5 < finding.size < 5
    assert finding.remedy == "leave_out_motion"
    mended = apply_remedies(pairs, fitness, fitness.remedies)
    assert mended.leaves_out_motion
    assert check_pairs(mended).is_fit


def test_the_mask_is_where_the_object_is():
    movie = noisy_movie(**SIZE, moving=True)
    assert movie.path is not None
    mask = find_motion(movie.noisy[:1], movie.noisy[3:4])
    places = np.round(movie.path[[0, 3]]).astype(int)
    assert mask[tuple(places.T)].all()
    away = np.min([np.hypot(*(np.indices(mask.shape) - p[:, None, None])) for p in places], axis=0)
    assert away[mask].max() < 25
    assert not find_motion(movie.noisy[:1] * 0.0, movie.noisy[:1] * 0.0).any()


def test_motion_in_volumes():
    rng = np.random.default_rng(0)
    one, other = rng.normal(100, 10, (2, 1, 12, 64, 64))
    assert not find_motion(one, other).any()
    other[:, 4:8, 20:30, 20:30] += 20
    mask = find_motion(one, other)
    assert mask[5:7, 23:27, 23:27].all()
    assert mask.mean() < 0.15


@pytest.mark.parametrize(
    ("noise", "size", "words"),
    [
        (correlated(20, 1.0), 0.78, "grains"),
        (correlated(20, 0.6), 0.5, "grains"),
        (striped, 0.17, "rows"),
    ],
)
@pytest.mark.parametrize("is_single", [False, True])
def test_correlated_noise_is_found(noise: Noise, size: float, words: str, is_single: bool):
    movie = Image(noisy_movie(**SIZE, noise=noise, drift=1.0).noisy, "TYX")
    pairs = single_pairs(movie) if is_single else frame_pairs(movie)
    finding = next(f for f in check_pairs(pairs).findings if f.kind == "correlated")
    assert words in finding.text
    assert "not fit, because" in finding.text
    assert finding.remedy == ""
    if not is_single:
        assert finding.size == pytest.approx(size, abs=0.1)
        correlation, _ = run(Job(lambda _: measuring(pairs, 0))).correlation(0)
        assert correlation[LAGS, LAGS + 1] == pytest.approx(size, abs=0.1)


def test_compression_in_blocks_is_found():
    movie = noisy_movie(n_frames=8, side=160).noisy
    frames = np.clip(movie / 3, 0, 255).astype(np.uint8)
    packed = [imagecodecs.jpeg8_encode(frame, level=30) for frame in frames]
    movie = Image(np.stack([imagecodecs.jpeg8_decode(frame) for frame in packed]), "TYX")
    for pairs in (single_pairs(movie), frame_pairs(movie)):
        worst = check_pairs(pairs).findings[0]
        assert worst.kind == "correlated"
        assert "JPEG" in worst.text


def test_clipping_is_found_at_both_ends():
    movie = noisy_movie(**SIZE).noisy.astype(int)
    dark = check_pairs(pairs_of(np.clip(movie - 110, 0, None).astype(np.uint16)))
    finding = the_only(dark, "clipping")
    assert finding.size == pytest.approx(100 * (movie <= 110).mean(), rel=0.05)
    assert "cut off at 0" in finding.text
    plateau = check_pairs(single_pairs(Image(np.minimum(movie, 350).astype(np.uint16), "TYX")))
    assert plateau.findings[0].size == pytest.approx(100 * (movie >= 350).mean(), rel=0.05)
    assert "saturated, at 350" in plateau.in_words()
    limit = np.clip(movie, None, 255).astype(np.uint8)
    assert "saturated, at 255" in check_pairs(pairs_of(limit)).in_words()


def test_counted_photons_are_not_clipped():
    clean = (noisy_movie(**SIZE).clean - 100) / 100
    photons = np.random.default_rng(0).poisson(clean).astype(np.uint8)
    assert check_pairs(pairs_of(photons)).is_fit


def test_bad_frames_are_found_and_dropped():
    movie = noisy_movie(**SIZE).noisy.copy()
    movie[3] = 7
    movie[6] = movie[5]
    movie[9] = 100 + (movie[9] - 100.0) * 0.1
    pairs = pairs_of(movie)
    fitness = check_pairs(pairs)
    found = {f.kind: f for f in fitness.findings}
    assert {"constant", "identical", "flicker"} <= set(found)
    assert {f.remedy for f in found.values()} == {"drop"} | {
        f.remedy for f in fitness.findings if f.kind == "motion"
    }
    assert "movie, T 3" in found["constant"].text
    assert "movie, T 9" in found["flicker"].text
    mended = apply_remedies(pairs, fitness, ["drop"])
    assert mended.pairs == ((0, 1), (1, 2), (4, 5), (6, 7), (7, 8), (10, 11))
    assert check_pairs(mended).is_fit


def test_identical_and_flat_pictures_are_not_fit():
    frames = noisy_movie(**SIZE).noisy[:6]
    pairs = layer_pairs(frames, frames.copy())
    fitness = check_pairs(pairs)
    assert "not independent" in the_only(fitness, "identical").text
    assert fitness.remedies == ()
    assert fitness.hopeless
    with pytest.raises(InputError, match="identical"):
        apply_remedies(pairs, fitness, ["drop"])
    flat = check_pairs(pairs_of(np.full((6, 64, 64), 3.0)))
    assert "show nothing" in the_only(flat, "constant").text
    assert flat.hopeless and not check_pairs(pairs_of(frames)).hopeless


def test_noise_alone_neither_drifts_nor_flickers():
    rng = np.random.default_rng(0)
    for noise in (rng.normal(100, 10, (8, 128, 128)), rng.poisson(0.1, (8, 128, 128))):
        assert check_pairs(pairs_of(noise)).is_fit
        assert check_pairs(single_pairs(Image(noise, "TYX"))).is_fit


def test_two_frames_are_few_and_tiny_ones_are_no_trouble():
    movie = noisy_movie(**SIZE).noisy
    assert "one pair" in the_only(check_pairs(pairs_of(movie[:2])), "few").text
    for side in (1, 5, 20):
        tiny = Image(movie[:, :side, :side], "TYX")
        for pairs in (frame_pairs(tiny), single_pairs(tiny)):
            said = check_pairs(pairs).in_words()
            assert ("are flat" if side == 1 else f"to judge, with {side} pixels") in said
    moving = noisy_movie(**SIZE, moving=True).noisy
    the_only(check_pairs(pairs_of(moving[:, 60:72, 60:72])), "small")
    check_pairs(channel_pairs(Image(movie[:2], "CYX"), 0, 1))


def test_several_channels():
    movie = noisy_movie(**SIZE, bleaching=0.3).noisy
    still = noisy_movie(**SIZE, seed=1).noisy
    fitness = check_pairs(pairs_of(np.stack([still, movie], axis=1), "TCYX"))
    assert "of channel 1 loses 30 %" in the_only(fitness, "bleaching").text
    assert fitness.curves.brightness.shape == (12, 2)


def test_nan_is_refused_and_remedies_are_known():
    movie = noisy_movie(**SIZE).noisy.astype(np.float32)
    with pytest.raises(InputError, match=r"no remedy 'pray': .* match, leave_out_motion"):
        apply_remedies(pairs_of(movie), check_pairs(pairs_of(movie)), ["pray"])
    movie[4, 5, 5] = np.nan
    with pytest.raises(InputError, match="T 4"):
        check_pairs(pairs_of(movie))


def test_a_large_stack_is_read_in_part():
    movie = noisy_movie(n_frames=4, side=640, drift=1.0).noisy
    stack = Counted(movie, 500)  # of 2000 frames
    fitness = check_pairs(frame_pairs(Image(stack, "TYX")), seed=3)
    assert fitness.n_pairs == 24
    assert stack.n_read < 110 * 384**2


def test_a_check_stops_between_two_windows():
    stack = Counted(noisy_movie(n_frames=4, side=640).noisy, 500)
    job = checking_pairs(frame_pairs(Image(stack, "TYX")))
    for step in job:
        assert 0 <= step.done < step.total
        job.stop()
    assert job.result is None
    assert stack.n_read == 384**2


def test_measure_drift_says_how_sure_it_is():
    movie = noisy_movie(n_frames=12, side=160, drift=0.7, seed=2)
    off = []
    for i in range(11):
        shift, error = measure_drift(movie.noisy[i][None], movie.noisy[i + 1][None])
        off.append((shift - np.diff(movie.shifts, axis=0)[i]) / error)
    assert 0.5 < np.std(off) < 1.8

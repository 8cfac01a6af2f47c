"""What was removed: an ideal denoiser passes, ones that blur or meet bad noise do not."""

from __future__ import annotations

import re
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from napari_scribe.errors import InputError
from napari_scribe.evaluation.residual import SAMPLE, Removed, check_removed
from napari_scribe.image import Image
from napari_scribe.samples import nuclei

Floats = npt.NDArray[np.float64]


def light(seed: int, shape: tuple[int, int] = (256, 256)) -> Floats:
    """Nuclei without noise, 0 to 1."""
    image = ndimage.gaussian_filter(nuclei(shape, seed).image.astype(float), 1.0) - 100
    return np.clip(image, 1, None) / image.max()


def camera(clean: Floats, photons: float, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    return (rng.poisson(photons * clean) + rng.normal(0, 2, clean.shape)) / photons


TRUTH = light(0)
NOISE = camera(TRUTH, 30, seed=1) - TRUTH


@pytest.mark.parametrize("photons", [8, 30, 150])
def test_an_ideal_denoiser_never_alarms(photons: float) -> None:
    for seed in range(20):
        clean = light(seed, (192, 192))
        removed = check_removed(camera(clean, photons, seed), clean)
        assert removed.is_clean, (seed, removed)
        assert removed.autocorrelation < removed.chance_autocorrelation
    assert "looks like noise" in removed.in_words()


@pytest.mark.parametrize("photons", [8, 30, 150])
def test_a_blur_alarms(photons: float) -> None:
    for seed in range(5):
        clean = light(seed)
        noisy = camera(clean, photons, seed)
        removed = check_removed(noisy, ndimage.gaussian_filter(noisy, 2))
        assert removed.has_edges and removed.edges > 0, (seed, removed)
        assert "follows edges" in removed.in_words()
        # Under few photons the same loss in a result without any noise cannot be seen.
        assert photons < 10 or check_removed(noisy, ndimage.gaussian_filter(clean, 2)).has_edges


@pytest.mark.parametrize(("shape", "direction"), [((256, 1), "rows"), ((1, 256), "columns")])
def test_stripes_of_the_camera(shape: tuple[int, int], direction: str) -> None:
    for seed in range(5):
        stripes = np.random.default_rng(seed).normal(0, 0.5 * NOISE.std(), shape)
        removed = check_removed(TRUTH + NOISE + stripes, TRUTH)
        assert (removed.is_alike, removed.direction) == (True, direction)
        assert removed.autocorrelation == pytest.approx(0.2, abs=0.08)
        assert not removed.has_edges and not removed.has_brightness
        assert f"along {direction}), as after stripes" in removed.in_words()


@pytest.mark.parametrize(("sigma", "expected"), [(0.5, 0.26), (1, 0.78)])
def test_blurred_noise(sigma: float, expected: float) -> None:
    removed = check_removed(TRUTH + ndimage.gaussian_filter(NOISE, sigma), TRUTH)
    assert (removed.is_alike, removed.direction) == (True, "all round")
    assert removed.autocorrelation == pytest.approx(expected, abs=0.05)
    assert not removed.has_edges and not removed.has_brightness
    assert "alike" in removed.in_words() and "compression" in removed.in_words()


def test_a_network_that_has_hardly_learnt() -> None:
    """Nothing else is said then: stripes in what it took away are its own."""
    noisy = TRUTH + NOISE
    removed = check_removed(noisy, 0.15 * TRUTH + 0.85 * noisy)
    assert removed.is_little and removed.left == pytest.approx(0.85, abs=0.03)
    striped = noisy - 0.1 * ndimage.uniform_filter1d(NOISE, 3, axis=1)
    said = check_removed(noisy, striped)
    assert said.is_alike and said.direction == "rows"
    assert "Train longer" in said.in_words() and "camera" not in said.in_words()
    assert not check_removed(noisy, TRUTH + 0.5 * NOISE).is_little


@pytest.mark.parametrize("strength", [1.02, 1.79, 40.0])
def test_a_network_that_adds_noise(strength: float) -> None:
    """More than all of it cannot be left: it is said that something was added."""
    removed = check_removed(TRUTH + NOISE, TRUTH + strength * NOISE)
    said = removed.in_words()
    assert removed.left > 1 and not removed.is_clean
    assert said.startswith("No noise was removed: pixels of the result differ ")
    assert "%" not in said and "denoiser added" in said


@pytest.mark.parametrize("contrast", [0.02, 0.3, 0.9, 1.1, 1.9, 2.5, -1.0])
def test_no_more_contrast_is_lost_than_there_is(contrast: float) -> None:
    said = check_removed(TRUTH + NOISE, contrast * TRUTH).in_words()
    assert "brightness (correlation" in said
    percents = [float(number) for number in re.findall(r"([\d.]+)%", said)]
    if 0 < contrast < 2:
        assert percents == [pytest.approx(100 * abs(1 - contrast), abs=3)]
    else:
        assert not percents


def test_a_flat_image_holds_no_noise() -> None:
    flat = np.full((2, 64, 64), 100.0)
    with pytest.raises(InputError, match="the same everywhere"):
        check_removed(flat, flat + TRUTH[:64, :64])
    one_of_two = np.stack([flat[0], (TRUTH + NOISE)[:64, :64]])
    assert check_removed(Image(one_of_two, "CYX"), Image(one_of_two / 2, "CYX")).channel == 1


def test_light_that_is_lost_or_added() -> None:
    lost = check_removed(TRUTH + NOISE, 0.9 * TRUTH)
    assert lost.has_brightness and lost.brightness > 0
    assert lost.share == pytest.approx(0.1 / 0.9, abs=0.02)
    assert "lost brightness" in lost.in_words() and "% of the contrast" in lost.in_words()
    assert "edges" not in lost.in_words()
    added = check_removed(TRUTH + NOISE, 1.1 * TRUTH)
    assert added.has_brightness and "gained brightness" in added.in_words()


def test_edges_that_were_added() -> None:
    sharpened = TRUTH + 2 * (TRUTH - ndimage.gaussian_filter(TRUTH, 2))
    removed = check_removed(TRUTH + NOISE, sharpened)
    assert removed.has_edges and removed.edges < 0
    assert "edges were added" in removed.in_words()


def test_an_offset_alone_is_no_finding() -> None:
    removed = check_removed(TRUTH + NOISE + 100, TRUTH)
    assert removed.is_clean
    plain = check_removed(TRUTH + NOISE, TRUTH)
    assert removed.autocorrelation == pytest.approx(plain.autocorrelation)


def test_the_worst_channel_is_named() -> None:
    noisy = np.stack([TRUTH + NOISE, 1000 * (TRUTH + ndimage.gaussian_filter(NOISE, 1)), TRUTH])
    denoised = np.stack([TRUTH, 1000 * TRUTH, TRUTH])
    removed = check_removed(Image(noisy, "CYX"), Image(denoised, "CYX"))
    assert (removed.channel, removed.is_clean) == (1, False)
    assert "from channel 1" in removed.in_words()
    assert check_removed(noisy[:1], denoised[:1]).channel is None


def test_a_movie_is_sampled_and_the_same_each_time() -> None:
    frames = 60
    rng = np.random.default_rng(0)
    clean = np.broadcast_to(TRUTH.astype(np.float32), (frames, 256, 256))
    noisy = clean + rng.normal(0, 0.1, clean.shape).astype(np.float32)
    read: list[int] = []

    def counted(block: Any) -> Any:
        read.append(block.size)
        return block

    lazy = da.from_array(noisy, chunks=(1, 256, 256)).map_blocks(counted, meta=noisy[:0])
    removed = check_removed(Image(lazy, "TYX"), Image(clean, "TYX"))
    assert removed.is_clean
    assert SAMPLE / 2 < removed.n_pixels <= SAMPLE
    assert sum(read) == removed.n_pixels
    assert removed == check_removed(Image(noisy, "TYX"), Image(clean, "TYX"))
    assert removed != check_removed(Image(noisy, "TYX"), Image(clean, "TYX"), seed=1)


def test_odd_shapes_are_looked_at_whole() -> None:
    removed = check_removed((TRUTH + NOISE)[:33, :201], TRUTH[:33, :201])
    assert (removed.n_pixels, removed.is_clean) == (33 * 201, True)
    large = np.random.default_rng(0).normal(size=(700, 520))
    assert check_removed(large, 0 * large).n_pixels == 700 * 520


def test_integers_do_not_wrap_around() -> None:
    noisy = np.clip(np.rint(1000 * (TRUTH + NOISE)) + 500, 0, None).astype(np.uint16)
    denoised = (np.rint(1000 * TRUTH) + 500).astype(np.uint16)
    floats: Removed = check_removed(noisy.astype(float), denoised.astype(float))
    assert check_removed(noisy, denoised) == floats
    assert floats.is_clean


@pytest.mark.parametrize(
    ("noisy", "denoised", "said"),
    [
        (TRUTH, TRUTH, "Nothing was removed"),
        (TRUTH + 100, TRUTH, "Nothing was removed"),
        (TRUTH, TRUTH[1:], "differ in size"),
        (TRUTH, np.full_like(TRUTH, np.nan), "NaN or infinite"),
        (TRUTH[:20], TRUTH[:20], "20 pixels"),
        (TRUTH, TRUTH > 0, "true and false"),
    ],
)
def test_bad_input(noisy: Any, denoised: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_removed(noisy, denoised)


def test_a_ramp_without_noise_is_judged_without_an_error() -> None:
    ramp = np.tile(np.arange(128.0), (128, 1))
    removed = check_removed(ramp, ramp / 2)
    assert np.isfinite(removed.left)

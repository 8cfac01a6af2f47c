"""PSNR, SSIM and scale-invariant PSNR: against their definitions, frame by frame, and lazily."""

from __future__ import annotations

import math
import tracemalloc
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

import napari_scribe as ns
from napari_scribe.errors import InputError
from napari_scribe.evaluation.images import ImageScores, evaluate_images, pool_images
from napari_scribe.image import Image
from napari_scribe.io import write_tiff

RNG = np.random.default_rng(0)
CLEAN = np.cumsum(RNG.normal(size=(3, 4, 40, 50)), axis=-1) * [[[[1]]], [[[5]]], [[[20]]]]
NOISY = CLEAN + RNG.normal(size=CLEAN.shape)


def by_definition(predicted: npt.NDArray[Any], reference: npt.NDArray[Any]) -> list[float]:
    """The three numbers from scikit-image and a least squares fit."""
    span = float(np.ptp(reference))
    line = np.stack([predicted.ravel(), np.ones(predicted.size)], axis=1)
    fitted = line @ np.linalg.lstsq(line, reference.ravel())[0]
    pairs = zip(reference.reshape(-1, *reference.shape[-2:]),
                predicted.reshape(-1, *reference.shape[-2:]), strict=True)  # fmt: skip
    ssim = [structural_similarity(r, p, data_range=span) for r, p in pairs]
    return [
        float(peak_signal_noise_ratio(reference, predicted, data_range=span)),
        float(np.mean(ssim)),
        float(10 * np.log10(span**2 / np.square(fitted - reference.ravel()).mean())),
    ]


def columns(scores: ImageScores) -> npt.NDArray[Any]:
    return np.stack([scores.psnr, scores.ssim, scores.si_psnr], axis=1)


def test_a_plane_by_definition() -> None:
    scores = evaluate_images(0.7 * NOISY[0, 0] + 3, CLEAN[0, 0])
    assert scores.n_frames == 1
    np.testing.assert_allclose(
        columns(scores)[0], by_definition(0.7 * NOISY[0, 0] + 3, CLEAN[0, 0])
    )


def test_each_frame_is_measured_by_its_own_range() -> None:
    scores = evaluate_images(Image(NOISY[:, 0], "TYX"), Image(CLEAN[:, 0], "TYX"))
    expected = [by_definition(n, c) for n, c in zip(NOISY[:, 0], CLEAN[:, 0], strict=True)]
    np.testing.assert_allclose(columns(scores), expected)
    numbers = scores.as_dict()
    assert numbers["PSNR"] == pytest.approx(np.mean(expected, axis=0)[0])
    assert numbers["PSNR_spread"] == pytest.approx(np.std(expected, axis=0)[0])
    assert numbers["n_frames"] == 3
    assert "SI_PSNR" in repr(scores)


def test_a_stack_is_one_frame_or_slices() -> None:
    whole = evaluate_images(Image(NOISY, "TZYX"), Image(CLEAN, "TZYX"))
    assert whole.n_frames == 3
    expected = [by_definition(n, c) for n, c in zip(NOISY, CLEAN, strict=True)]
    np.testing.assert_allclose(columns(whole), expected)
    assert evaluate_images(Image(NOISY, "TZYX"), Image(CLEAN, "TZYX"), slices=True).n_frames == 12


def test_channels_are_frames_wherever_their_axis_is() -> None:
    first = evaluate_images(Image(NOISY[:, 0], "CYX"), Image(CLEAN[:, 0], "CYX"))
    last = np.moveaxis(NOISY[:, 0], 0, -1)
    np.testing.assert_array_equal(
        columns(first), columns(evaluate_images(Image(last, "YXC"), Image(CLEAN[:, 0], "CYX")))
    )
    assert first.n_frames == 3


def test_times_are_believed_where_an_array_cannot_tell() -> None:
    movie = Image(np.repeat(NOISY[:, 0], 2, axis=0), "TYX")
    assert evaluate_images(movie, np.repeat(CLEAN[:, 0], 2, axis=0)).n_frames == 6


def test_gain_and_offset_do_not_count_for_the_invariant_one_only() -> None:
    plain = evaluate_images(NOISY[0, 0], CLEAN[0, 0])
    bent = evaluate_images(1e4 + 300 * NOISY[0, 0], CLEAN[0, 0])
    assert bent.si_psnr[0] == pytest.approx(plain.si_psnr[0])
    assert bent.psnr[0] < plain.psnr[0] - 20
    assert evaluate_images(1 + 2 * CLEAN[0, 0], CLEAN[0, 0]).si_psnr[0] > 200
    # What holds nothing of the reference explains none of its variance.
    flat = evaluate_images(np.zeros((40, 50)), CLEAN[0, 0])
    expected = 20 * math.log10(np.ptp(CLEAN[0, 0]) / CLEAN[0, 0].std())
    assert flat.si_psnr[0] == pytest.approx(expected)


def test_equal_images() -> None:
    scores = evaluate_images(CLEAN[0], CLEAN[0])
    numbers = scores.as_dict()
    assert (numbers["PSNR"], numbers["PSNR_spread"], numbers["SSIM"]) == (math.inf, 0, 1)


def test_a_peak_that_is_given() -> None:
    bytes_ = np.clip(128 + 5 * CLEAN[0, 0], 0, 255).astype(np.uint8)
    noisy = np.clip(128 + 5 * NOISY[0, 0], 0, 255)
    scores = evaluate_images(noisy, bytes_, peak=255)
    expected = peak_signal_noise_ratio(bytes_.astype(float), noisy, data_range=255)
    assert scores.psnr[0] == pytest.approx(expected)
    assert evaluate_images(noisy, bytes_).psnr[0] < expected


def test_files_and_integers(tmp_path: Path) -> None:
    clean = (1000 + 20 * CLEAN[0, 0]).astype(np.uint16)
    noisy = (1000 + 20 * NOISY[0, 0]).astype(np.float32)
    write_tiff(tmp_path / "clean.tif", clean)
    np.save(tmp_path / "noisy.npy", noisy)
    scores = ns.evaluate_images(tmp_path / "noisy.npy", str(tmp_path / "clean.tif"))
    assert columns(scores)[0] == pytest.approx(by_definition(noisy.astype(float), clean))


def test_pooled_frames_count_alike() -> None:
    one, two = (evaluate_images(Image(NOISY[:n, 0], "TYX"), Image(CLEAN[:n, 0], "TYX"))
                for n in (1, 2))  # fmt: skip
    assert pool_images([one, two]).n_frames == 3
    assert pool_images([one, two]).psnr.tolist() == [*one.psnr, *two.psnr]


def test_a_long_movie_is_read_plane_by_plane() -> None:
    clean = da.random.default_rng(0).normal(size=(60, 256, 256), chunks=(1, -1, -1))
    movie = Image(clean, "TYX")
    evaluate_images(clean[0], clean[1])  # imports are not counted
    tracemalloc.start()
    scores = evaluate_images(movie.selected(data=clean * 2), movie)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert scores.n_frames == 60
    assert peak < 30 * 256 * 256 * 8


def _with(value: float) -> Image:
    image = NOISY[0].copy()
    image[2, 3, 3] = value
    return Image(image, "ZYX")


@pytest.mark.parametrize(
    ("predicted", "reference", "said"),
    [
        (_with(np.nan), Image(CLEAN[0], "ZYX"), "NaN or infinite pixels at Z 2"),
        (Image(NOISY[0], "ZYX"), _with(np.inf), "NaN or infinite pixels at Z 2"),
        (NOISY[0, 0], CLEAN[0, 0, 1:], "differ in size: Y 40, X 50 and Y 39, X 50"),
        (NOISY[0, 0], CLEAN[0], "differ in size"),
        (NOISY[0, 0], np.ones((40, 50)), "constant"),
        (NOISY[0, 0, :6], CLEAN[0, 0, :6], "6 x 50 pixels"),
        (NOISY[0, 0], CLEAN[0, 0] > 0, "true and false"),
        (NOISY[0, 0].astype(complex), CLEAN[0, 0], "needs real numbers"),
    ],
)
def test_bad_input(predicted: Any, reference: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        evaluate_images(predicted, reference)


def test_a_constant_frame_is_named() -> None:
    clean = CLEAN[:, 0].copy()
    clean[1] = 7
    with pytest.raises(InputError, match="constant at T 1"):
        evaluate_images(Image(NOISY[:, 0], "TYX"), Image(clean, "TYX"))


@pytest.mark.parametrize("peak", [0, -1, math.nan, math.inf])
def test_a_peak_that_is_none(peak: float) -> None:
    with pytest.raises(InputError, match="no range"):
        evaluate_images(NOISY[0, 0], CLEAN[0, 0], peak=peak)


def test_axes_of_length_1_do_not_count() -> None:
    movie = np.random.default_rng(0).random((3, 20, 21))
    for other in (Image(movie[:, None, None], "TCZYX"), Image(movie[:, None], "TZYX")):
        for pair in ((movie, other), (other, movie), (Image(movie, "TYX"), other)):
            scores = evaluate_images(*pair)
            assert scores.n_frames == 3 and np.isinf(scores.psnr).all()

"""Curves of probabilities against scikit-learn, and against examples worked out by hand."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import napari_scribe as ns
from napari_scribe.errors import InputError
from napari_scribe.evaluation.curves import ProbabilityScores, pool_probabilities
from napari_scribe.evaluation.roc import _levels, count_probabilities, evaluate_probability
from napari_scribe.io import create_zarr, write_tiff

Maps = npt.NDArray[Any]


def sample(shape: tuple[int, ...] = (40, 50), seed: int = 0) -> tuple[Maps, Maps]:
    """A float32 map that is sure of most pixels, as of a trained network, and its truth."""
    rng = np.random.default_rng(seed)
    truth = rng.random(shape) < 0.2
    logits = rng.normal(np.where(truth, 2, -4), 3)
    return (1 / (1 + np.exp(-logits))).astype(np.float32), truth


def check_against_sklearn(
    scores: ProbabilityScores, p: Maps, truth: Maps, off: float = 1e-12, ap_off: float = 0
) -> None:
    p, truth = p.ravel().astype(float), truth.ravel()
    assert scores.roc_auc == pytest.approx(sklearn.metrics.roc_auc_score(truth, p), abs=off)
    expected = sklearn.metrics.average_precision_score(truth, p)
    assert scores.average_precision == pytest.approx(expected, abs=max(off, ap_off))
    for threshold in (0.5, scores.best_threshold):
        found, at = p >= threshold, scores.at(threshold)
        assert at.f1 == pytest.approx(sklearn.metrics.f1_score(truth, found))
        assert at.iou == pytest.approx(sklearn.metrics.jaccard_score(truth, found))
        expected = sklearn.metrics.precision_score(truth, found, zero_division=0)
        assert at.precision == pytest.approx(expected)
        assert at.recall == pytest.approx(sklearn.metrics.recall_score(truth, found))
        assert at.pixel_error == pytest.approx(sklearn.metrics.zero_one_loss(truth, found))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16])
def test_coarse_types_are_exact(dtype: type):
    p, truth = sample()
    full = np.iinfo(dtype).max if dtype is not np.float16 else 1
    stored = np.rint(p * full).astype(dtype) if full > 1 else p.astype(dtype)
    scores = evaluate_probability(stored, truth)
    check_against_sklearn(scores, stored / np.float32(full), truth)
    fpr, tpr, _ = sklearn.metrics.roc_curve(truth.ravel(), stored.ravel(), drop_intermediate=False)
    np.testing.assert_allclose(scores.false_positive_rate[::-1], fpr[1:])
    np.testing.assert_allclose(scores.recall[::-1], tpr[1:])
    precision, recall, _ = sklearn.metrics.precision_recall_curve(truth.ravel(), stored.ravel())
    np.testing.assert_allclose(scores.precision, precision[:-1])
    np.testing.assert_allclose(scores.recall, recall[:-1])
    best = (2 * precision * recall / np.maximum(precision + recall, 1e-12)).max()
    assert scores.f1.max() == pytest.approx(best)


def test_floats_are_within_the_bound_that_is_told():
    p, truth = sample((200, 300))
    scores = evaluate_probability(p, truth)
    assert 0 < scores.roc_auc_error < 1e-5
    check_against_sklearn(scores, p, truth, scores.roc_auc_error, 1e-5)


def test_all_float16_numbers_are_told_apart():
    every = np.arange(np.float16(1).view(np.uint16) + 1, dtype=np.uint16).view(np.float16)
    assert np.isin(every.astype(np.float32), _levels(0, None)).all()


@given(st.floats(0, 1, width=32))
def test_how_far_probabilities_are_rounded_down(p: float):
    value = float(count_probabilities(np.full((1, 2), p), np.eye(1, 2, dtype=int)).values[0])
    assert 0 <= p - value <= max(3e-4 * min(p, 1 - value), 1e-7)


maps = arrays(np.float16, (3, 8), elements=st.floats(0, 1, width=16))
masks = arrays(bool, (3, 8)).filter(lambda m: 0 < m.sum() < m.size)


@given(maps, masks)
@settings(max_examples=20)
def test_ties_are_counted_as_scikit_learn_counts_them(p: Maps, truth: Maps):
    check_against_sklearn(evaluate_probability(p, truth), p, truth)


def test_the_example_of_scikit_learn():
    scores = evaluate_probability(np.array([[0.1, 0.4, 0.35, 0.8]]), np.array([[0, 0, 1, 1]]))
    assert scores.roc_auc == pytest.approx(0.75)
    assert scores.average_precision == pytest.approx(5 / 6)
    # found from .35 on: three, two of them true
    assert scores.as_dict()["f1"] == pytest.approx(2 * 2 / (2 * 2 + 1))
    assert scores.best_threshold == pytest.approx(0.35, abs=1e-3)
    assert scores.at(0.5) == (1, 0, 1, 2)


def test_twenty_instances_of_fawcett_2006():
    """T. Fawcett, An introduction to ROC analysis, figure 3: 10 of 20 are true, AUC .68."""
    is_true = [1, 1, 0, 1, 1, 1, 0, 0, 1, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 0]
    p = [0.9, 0.8, 0.7, 0.6, 0.55, 0.54, 0.53, 0.52, 0.51, 0.505, 0.4, 0.39, 0.38, 0.37, 0.36,
         0.35, 0.34, 0.33, 0.3, 0.1]  # fmt: skip
    scores = evaluate_probability(np.array([p]), np.array([is_true]), threshold=0.54)
    assert scores.roc_auc == pytest.approx(0.68)
    at = scores.at(0.54)  # where the paper finds the highest accuracy, 70 %
    assert (at.fp / 10, at.recall, 1 - at.pixel_error) == (0.1, 0.5, 0.7)


def test_a_mask_leaves_out_pixels_even_if_they_are_nan():
    p, truth = sample()
    field = np.zeros(p.shape, np.uint8)
    field[5:30, 8:40] = 255
    inside = evaluate_probability(p[5:30, 8:40], truth[5:30, 8:40])
    p[field == 0] = np.nan
    assert evaluate_probability(p, truth, mask=field).as_dict() == inside.as_dict()


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_slabs_and_lazy_files_do_not_change_the_scores(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dtype: type
):
    p, truth = sample((7, 30, 20))
    p = p if dtype is np.float32 else np.rint(255 * p).astype(dtype)
    whole = evaluate_probability(p, truth, threshold=0.3).as_dict()
    zarr = create_zarr(tmp_path / "p.zarr", p.shape, p.dtype, "ZYX")
    zarr[:] = p
    monkeypatch.setattr("napari_scribe.evaluation.overlap._SLAB_PIXELS", 1000)
    assert evaluate_probability(p, truth, threshold=0.3).as_dict() == whole
    assert evaluate_probability(tmp_path / "p.zarr", truth, threshold=0.3).as_dict() == whole


def test_memory_does_not_grow_with_the_image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    p, truth = (create_zarr(tmp_path / n, (3000, 3000), np.dtype(t), "YX", chunks=(250, 3000))
                for n, t in (("p.zarr", np.float32), ("t.zarr", np.uint8)))  # fmt: skip
    for start in range(0, 3000, 250):
        truth[start : start + 250] = np.tile(np.arange(3000) % 50 < 5, (250, 1)).astype(np.uint8)
        p[start : start + 250] = np.linspace(0, 1, 250 * 3000).reshape(250, 3000)
    monkeypatch.setattr("napari_scribe.evaluation.overlap._SLAB_PIXELS", 250 * 3000)
    tracemalloc.start()
    scores = evaluate_probability(tmp_path / "p.zarr", tmp_path / "t.zarr")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert scores.n_positive == 900_000 and scores.roc_auc == pytest.approx(0.5, abs=0.01)
    assert peak < 3000 * 3000 * 4 / 1.5, peak


def test_a_given_threshold_is_scored_exactly():
    p, truth = sample((60, 70))
    for threshold in (0.0, 0.123456, float(np.float32(0.3)), 0.77777, 1.0):
        scores = evaluate_probability(p, truth, threshold=threshold)
        found = p >= np.float32(threshold)
        assert scores.at(threshold)[:2] == ((found & truth).sum(), (found & ~truth).sum())
    best = evaluate_probability(p, truth).best_threshold
    again = evaluate_probability(p, truth, threshold=json.loads(json.dumps(best))).as_dict()
    assert again["f1_at_threshold"] == again["f1"]


def test_pooled_counts_are_those_of_one_large_image():
    p, truth = sample((4, 20, 30))
    separate = [count_probabilities(*pair) for pair in zip(p, truth, strict=True)]
    together = evaluate_probability(p, truth)
    assert pool_probabilities(separate).as_dict() == pytest.approx(together.as_dict())


def test_which_channel_is_scored():
    p, truth = sample()
    expected = evaluate_probability(p, truth).as_dict()
    two = evaluate_probability(np.stack([1 - p, p]), truth)
    assert two.as_dict() == expected and two.notes == ("Channel 1 of the two is scored.",)
    last = evaluate_probability(ns.Image(np.stack([1 - p, p], -1), "YXC"), truth)
    assert last.as_dict() == expected
    four = np.stack([p, 1 - p, 1 - p, 1 - p])
    assert evaluate_probability(four, truth, channel=0).as_dict() == expected
    with pytest.raises(InputError, match="has 4 channels: say which one, 0 to 3"):
        evaluate_probability(four, truth)
    with pytest.raises(InputError, match="no channel 4"):
        evaluate_probability(four, truth, channel=4)
    # a stack of four planes is no map of four channels
    assert not evaluate_probability(four, np.stack([truth] * 4)).notes


def test_which_number_is_positive():
    p, truth = sample()
    expected = evaluate_probability(p, truth).as_dict()
    classes = np.where(truth, 7, 1)
    assert evaluate_probability(p, classes, positive=7).as_dict() == expected
    with pytest.raises(InputError, match=r"All pixels that are scored are true.*which number"):
        evaluate_probability(p, classes)


def test_whole_numbers_are_probabilities_or_labels():
    p, truth = sample()
    assert "255 is 1" in evaluate_probability(np.rint(p * 255).astype(np.uint8), truth).notes[0]
    for mask in (truth.astype(np.uint8), truth.astype(np.uint16)):
        with pytest.raises(InputError, match="look like a mask"):
            evaluate_probability(mask, truth)
    for labels in (truth, truth.astype(np.int32)):
        with pytest.raises(InputError, match="probabilities are floats of 0 to 1"):
            evaluate_probability(labels, truth)


@pytest.mark.parametrize("full_scale", [2**8 - 1, 2**16 - 1])
def test_a_map_of_low_probabilities_is_scored_with_a_note(full_scale: int):
    p, truth = sample()
    written = np.rint(p * 0.4 * full_scale).astype(np.min_scalar_type(full_scale))
    scores = evaluate_probability(written, truth)
    assert "if it holds labels or a mask" in scores.notes[-1]
    floats = evaluate_probability(written / np.float32(full_scale), truth)
    assert scores.roc_auc == pytest.approx(floats.roc_auc, abs=1e-3)
    nothing = count_probabilities(np.zeros_like(written), truth)
    pooled = pool_probabilities([scores, nothing])
    assert pooled.n_positive == 2 * np.count_nonzero(truth)


P = np.linspace(0, 1, 12).reshape(3, 4)
TRUTH = np.eye(3, 4, dtype=int)


@pytest.mark.parametrize(
    ("p", "truth", "options", "message"),
    [
        (P, 0 * TRUTH, {}, "No pixel that is scored is true"),
        (P, 0 * TRUTH + 3, {}, "All pixels that are scored are true"),
        (P, TRUTH, {"positive": 9}, "No pixel that is scored is true"),
        (P * 2, TRUTH, {}, "from 0 to 2: probabilities lie from 0 to 1"),
        (P - 0.5, TRUTH, {}, r"from -0\.5 to 0\.5"),
        (P * np.nan, TRUTH, {}, "NaN"),
        (P + np.inf, TRUTH, {}, "from inf to inf"),
        (P, TRUTH[:2], {}, r"map and the truth differ in shape: \(3, 4\) and \(2, 4\)"),
        (P, TRUTH * 0.5, {}, "truth holds float64 values"),
        (P, TRUTH, {"mask": TRUTH[:, :2]}, "mask and the truth differ in shape"),
        (P, TRUTH, {"mask": 0 * TRUTH}, "mask is 0 everywhere"),
        (P, TRUTH, {"mask": TRUTH}, "All pixels that are scored are true"),
        (P, TRUTH, {"threshold": 50}, "threshold of 50 is no probability"),
        (P, TRUTH, {"channel": 1}, "no channel 1"),
    ],
)
def test_bad_input_is_refused(p: Maps, truth: Maps, options: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        evaluate_probability(p, truth, **options)


def test_rounding_beyond_1_is_no_error():
    assert evaluate_probability(P * np.float32(1.0000002), TRUTH).values.max() == 1


def test_public_name_and_words(tmp_path: Path):
    p, truth = sample()
    write_tiff(tmp_path / "p.tif", p)
    scores = ns.evaluate_probability(tmp_path / "p.tif", truth.astype(np.uint8))
    assert repr(scores).startswith(f"ProbabilityScores(roc_auc {scores.roc_auc:.4g}, average_p")
    assert json.loads(json.dumps(scores.as_dict())) == scores.as_dict()

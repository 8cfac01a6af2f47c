"""Scores against a slow reference, and on cases worked out by hand."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from napari_scribe.errors import InputError
from napari_scribe.evaluation.metrics import (
    THRESHOLDS,
    Scores,
    evaluate,
    evaluate_classes,
    pool,
    pool_classes,
)
from napari_scribe.image import Image
from napari_scribe.io import write_tiff
from napari_scribe.samples import nuclei

Labels = npt.NDArray[np.int64]


def slow_counts(labels: Labels, truth: Labels, threshold: float) -> tuple[int, int, int, float]:
    """TP, FP, FN and the sum of IoU, from a dense table and an optimal assignment."""
    predicted = [labels == i for i in set(labels.ravel().tolist()) - {0}]
    true = [truth == i for i in set(truth.ravel().tolist()) - {0}]
    iou = np.array([[(p & t).sum() / (p | t).sum() for t in true] for p in predicted])
    if not iou.size:
        return 0, len(predicted), len(true), 0.0
    good = iou >= threshold
    rows, columns = linear_sum_assignment(good + iou * 1e-3, maximize=True)
    matched = good[rows, columns]
    tp = int(matched.sum())
    return tp, len(predicted) - tp, len(true) - tp, float(iou[rows, columns][matched].sum())


def check_against_slow(labels: Labels, truth: Labels) -> None:
    scores = evaluate(labels, truth)
    for i, threshold in enumerate(THRESHOLDS):
        tp, fp, fn, iou_sum = slow_counts(labels, truth, float(threshold))
        assert (scores.tp[i], scores.fp[i], scores.fn[i]) == (tp, fp, fn)
        if i == 0:
            assert scores.iou_sum == pytest.approx(iou_sum)


# Long runs of few values, so that pairs with large overlaps and exact ties at .5 are common.
runs = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 6)), min_size=1, max_size=10)


def line(pairs: list[tuple[int, int]], length: int = 30) -> Labels:
    values = np.repeat([v for v, _ in pairs], [n for _, n in pairs])[:length]
    return np.pad(values, (0, length - len(values)))


@given(runs, runs)
@settings(max_examples=60)
def test_matching_is_optimal_on_lines(labels: list[tuple[int, int]], truth: list[tuple[int, int]]):
    check_against_slow(line(labels), line(truth))


volumes = arrays(np.int64, (2, 3, 4), elements=st.integers(0, 3))


@given(volumes, volumes)
@settings(max_examples=30)
def test_matching_is_optimal_in_volumes(labels: Labels, truth: Labels):
    check_against_slow(labels, truth)


@given(runs, runs)
@settings(max_examples=20)
def test_numbering_does_not_matter(labels: list[tuple[int, int]], truth: list[tuple[int, int]]):
    numbers = np.array([0, 700_000_003, 9, 2**40, 5, 77])
    plain = evaluate(line(labels), line(truth))
    other = evaluate(numbers[line(labels)], line(truth))
    assert other.as_dict() == pytest.approx(plain.as_dict())


def test_an_object_cut_into_exact_halves_is_found_once():
    truth = np.array([[1, 1, 0, 2]])
    halves = np.array([[7, 8, 0, 9]])
    for one, other in ((halves, truth), (truth, halves)):
        scores = evaluate(one, other)
        assert scores.tp.tolist() == [2] + [1] * 9
        assert scores.iou_sum == pytest.approx(1.5)


def test_an_iou_equal_to_a_threshold_counts():
    truth, labels = np.zeros((2, 1, 20), int)
    truth[0, :20], labels[0, :11] = 1, 1
    assert evaluate(labels, truth).tp.tolist() == [1, 1] + [0] * 8


def test_scores_worked_out_by_hand():
    truth = np.zeros((10, 10), int)
    truth[:4, :5], truth[6:, :5], truth[:, 8] = 1, 2, 3
    labels = np.zeros_like(truth)
    labels[:4, :4] = 1  # IoU .8 with object 1
    labels[6:, 6:7] = 5  # touches nothing
    scores = evaluate(labels, truth)
    assert scores.tp.tolist() == [1] * 7 + [0] * 3
    assert scores.fp.tolist() == [1] * 7 + [2] * 3
    assert scores.fn.tolist() == [2] * 7 + [3] * 3
    assert scores.precision[0] == 1 / 2
    assert scores.recall[0] == 1 / 3
    assert scores.f1[0] == pytest.approx(0.4)
    assert scores.ap[0] == 1 / 4
    assert scores.as_dict()["mean_AP"] == pytest.approx(7 / 4 / 10)
    assert scores.mean_iou == pytest.approx(0.8)
    assert scores.mean_true_iou == pytest.approx(0.8 / 3)
    assert scores.foreground_iou == pytest.approx(16 / 54)
    assert scores.foreground_dice == pytest.approx(32 / 70)
    assert scores.panoptic_quality == pytest.approx(0.8 * 0.4)
    assert (scores.n_true, scores.n_predicted) == (3, 2)


def ratios(scores: Scores) -> list[float]:
    return [*scores.precision, *scores.recall, *scores.f1, *scores.ap, scores.mean_iou,
            scores.mean_true_iou, scores.foreground_iou, scores.foreground_dice,
            scores.panoptic_quality]  # fmt: skip


def test_empty_images():
    empty, full = np.zeros((4, 4), np.uint8), np.ones((4, 4), np.uint8)
    assert set(ratios(evaluate(empty, empty))) == {1.0}
    assert set(ratios(evaluate(empty, full))) == {0.0}
    assert set(ratios(evaluate(full, empty))) == {0.0}
    assert set(ratios(evaluate(full, full))) == {1.0}


def test_bool_is_one_object_and_types_may_differ():
    mask = np.zeros((6, 6), bool)
    mask[1:3, 1:3] = mask[4:, 4:] = True
    assert evaluate(mask, mask.astype(np.uint16)).as_dict()["AP95"] == 1
    assert evaluate(mask, mask).n_true == 1


def test_pooled_counts_are_those_of_one_large_image():
    rng = np.random.default_rng(0)
    labels, truth = rng.integers(0, 3, (2, 4, 5, 5))
    separate = [evaluate(p, t) for p, t in zip(labels, truth, strict=True)]
    offset = 10 * np.arange(4)[:, None, None]
    together = evaluate(labels + offset * (labels > 0), truth + offset * (truth > 0))
    assert pool(separate).ap.tolist() == together.ap.tolist()
    assert pool(separate).mean_iou == pytest.approx(together.mean_iou)
    assert pool(separate).foreground_iou == together.foreground_iou


def test_as_dict_is_plain_json():
    scores = evaluate(np.eye(8, dtype=np.int32), np.eye(8, dtype=np.int32)).as_dict()
    assert json.loads(json.dumps(scores)) == scores
    assert {"AP50", "AP55", "AP95", "precision", "recall", "F1", "mean_IoU"} <= set(scores)
    assert len([name for name in scores if name.startswith("AP")]) == 10


def test_slabs_do_not_change_the_scores(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(1)
    labels, truth = rng.integers(0, 4, (2, 9, 6, 7))
    whole = evaluate(labels, truth).as_dict()
    monkeypatch.setattr("napari_scribe.evaluation.overlap._SLAB_PIXELS", 100)
    assert evaluate(labels, truth).as_dict() == whole


def test_ten_thousand_objects_need_no_dense_table():
    grid = np.arange(1, 10_001, dtype=np.int32).reshape(100, 100)
    truth = grid.repeat(12, 0).repeat(12, 1)
    tracemalloc.start()
    scores = evaluate(np.roll(truth, 1, axis=1), truth)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert scores.tp[0] == 10_000
    assert peak < 10_000 * 10_000, "a table of every pair of objects would be this large"


@pytest.mark.parametrize(
    ("labels", "truth", "message"),
    [
        (np.zeros((4, 4), int), np.zeros((4, 5), int), r"differ in shape: \(4, 4\) and \(4, 5\)"),
        (np.zeros((4, 4)), np.zeros((4, 4), int), "labels hold float64"),
        (np.zeros((4, 4), int), np.zeros((4, 4), np.float32), "truth hold float32"),
        (np.full((4, 4), -1), np.zeros((4, 4), int), "negative"),
    ],
)
def test_bad_input_is_refused(labels: Labels, truth: Labels, message: str):
    for score in (evaluate, evaluate_classes):
        with pytest.raises(InputError, match=message):
            score(labels, truth)


@pytest.mark.parametrize("shape", [(128, 128), (20, 96, 96)])
def test_one_number_for_many_pieces_is_not_scored_as_one(shape: tuple[int, ...]):
    truth = nuclei(shape, seed=1).truth
    mask = (truth > 0) * 255
    for pair in ((truth, mask), (mask, truth), (mask > 0, mask)):
        with pytest.raises(InputError, match=r"covers \d+ separate pieces, but every number"):
            evaluate(*pair)
    n = ndimage.label(mask, np.ones((3,) * mask.ndim))[1]
    assert evaluate(truth, mask, pieces=True).n_true == n
    assert evaluate(truth, mask, pieces=False).n_true == 1
    assert evaluate(truth, truth).ap.min() == 1


def test_panoptic_quality_worked_out_by_hand():
    """Two of three people are found (IoU .8 and .7), one is missed and one is invented."""
    truth, labels = np.zeros((2, 5, 10), int)
    truth[0], truth[1], truth[2, :4] = 1, 2, 3
    labels[0, :8], labels[1, :7], labels[4] = 1, 2, 4
    scores = evaluate(labels, truth).as_dict()
    assert scores["SQ"] == pytest.approx((0.8 + 0.7) / 2)
    assert scores["RQ"] == pytest.approx(2 / (2 + 1 / 2 + 1 / 2))
    assert scores["PQ"] == pytest.approx((0.8 + 0.7) / (2 + 1 / 2 + 1 / 2))


@given(volumes, volumes)
@settings(max_examples=20)
def test_classes_are_scored_as_scikit_learn_scores_them(labels: Labels, truth: Labels):
    scores, flat = evaluate_classes(labels, truth), (truth.ravel(), labels.ravel())
    options = {"labels": scores.classes, "average": None, "zero_division": 0}
    precision, recall, f1, _ = sklearn.metrics.precision_recall_fscore_support(*flat, **options)
    np.testing.assert_allclose(scores.precision, precision)
    np.testing.assert_allclose(scores.recall, recall)
    np.testing.assert_allclose(scores.f1, f1)
    np.testing.assert_allclose(scores.iou, sklearn.metrics.jaccard_score(*flat, **options))
    assert scores.pixel_error == pytest.approx(sklearn.metrics.zero_one_loss(*flat))


def test_nothing_to_pool():
    with pytest.raises(InputError, match="no scores"):
        pool([])


def test_classes_worked_out_by_hand():
    truth = np.array([[1, 1, 1, 2, 2, 0]])
    labels = np.array([[1, 1, 2, 2, 3, 3]])
    scores = evaluate_classes(labels, truth, ignore=truth == 0)
    assert scores.classes.tolist() == [1, 2, 3]
    assert scores.iou.tolist() == pytest.approx([2 / 3, 1 / 3, 0])
    assert scores.precision.tolist() == pytest.approx([1, 1 / 2, 0])
    assert scores.recall.tolist() == pytest.approx([2 / 3, 1 / 2, 0])
    assert scores.f1.tolist() == pytest.approx([0.8, 0.5, 0])
    assert scores.mean_iou == pytest.approx(1 / 3)
    assert scores.mean_dice == pytest.approx(1.3 / 3)
    assert scores.pixel_error == pytest.approx(2 / 5)
    assert scores.as_dict()["IoU_2"] == pytest.approx(1 / 3)
    assert json.dumps(scores.as_dict())


def test_classes_count_zero_where_it_is_not_ignored():
    mask = np.array([[True, True, False, False]])
    scores = evaluate_classes(mask, np.array([[1, 0, 0, 0]]))
    assert scores.classes.tolist() == [0, 1]
    assert scores.iou.tolist() == pytest.approx([2 / 3, 1 / 2])


def test_all_ignored_is_a_perfect_score_of_nothing():
    scores = evaluate_classes(np.ones((3, 3), int), np.ones((3, 3), int), np.ones((3, 3), bool))
    assert scores.as_dict() == {"mean_IoU": 1.0, "mean_Dice": 1.0, "pixel_error": 0.0}


@given(volumes, volumes)
@settings(max_examples=20)
def test_pooled_classes_are_those_of_one_large_image(labels: Labels, truth: Labels):
    separate = [evaluate_classes(p, t) for p, t in zip(labels, truth, strict=True)]
    assert pool_classes(separate).as_dict() == evaluate_classes(labels, truth).as_dict()
    whole = evaluate_classes(labels, truth)
    for i, value in enumerate(whole.classes):
        assert whole.tp[i] == ((labels == value) & (truth == value)).sum()
        assert whole.fp[i] == ((labels == value) & (truth != value)).sum()
        assert whole.fn[i] == ((labels != value) & (truth == value)).sum()


def test_ignore_mask_of_another_shape_is_refused():
    with pytest.raises(InputError, match="ignore mask"):
        evaluate_classes(np.ones((3, 3), int), np.ones((3, 3), int), np.ones((3, 4), bool))


def test_files_and_images_are_scored_as_arrays(tmp_path: Path):
    truth = np.zeros((20, 20), np.uint8)
    truth[2:9, 2:9], truth[11:18, 11:18] = 1, 2
    write_tiff(tmp_path / "truth.tif", truth)
    scores = evaluate(Image(truth), tmp_path / "truth.tif")
    assert scores.ap[0] == 1
    assert repr(scores).startswith("Scores(precision 1, recall 1, F1 1, AP50 1,")

"""Rand scores and variation of information against scikit-image, and worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.metrics import adapted_rand_error, variation_of_information

from napari_scribe.evaluation.metrics import evaluate, pool
from napari_scribe.evaluation.regions import RegionScores, thin_borders

Labels = npt.NDArray[np.int64]


def scored(labels: Labels, truth: Labels) -> RegionScores:
    return evaluate(labels, truth, pieces=False).regions


def background_apart(labels: Labels) -> Labels:
    """Give each pixel of the background a number of its own."""
    free = labels.max() + 1 + np.arange(labels.size).reshape(labels.shape)
    return np.where(labels == 0, free, labels)


def check_against_skimage(labels: Labels, truth: Labels) -> None:
    scores, alone = scored(labels, truth), background_apart(labels)
    # scikit-image 0.26 returns recall and precision, in this order, not as it says
    error, recall, precision = adapted_rand_error(truth, alone)
    assert 1 - scores.v_rand == pytest.approx(error)
    assert (scores.rand_precision, scores.rand_recall) == pytest.approx((precision, recall))
    split, merge = variation_of_information(truth, alone, ignore_labels=[0])
    assert (scores.vi_split, scores.vi_merge) == pytest.approx((split, merge), abs=1e-9)


images = arrays(np.int64, (4, 12), elements=st.integers(0, 3))


@given(images, images)
@settings(max_examples=30)
def test_any_two_images_are_scored_as_by_scikit_image(labels: Labels, truth: Labels):
    labels[0, 0] = labels[0, 1] = truth[0, 0] = truth[0, 1] = 1  # a pair that both keep together
    check_against_skimage(labels, truth)


def test_cells_that_cover_all_need_no_convention():
    rng = np.random.default_rng(0)
    labels, truth = (1 + ndimage.zoom(rng.integers(0, 9, (6, 6)), 8, order=0) for _ in range(2))
    check_against_skimage(labels, truth)
    scores = scored(labels, truth)
    assert 1 - scores.v_rand == pytest.approx(adapted_rand_error(truth, labels)[0])
    both = variation_of_information(truth, labels)
    assert (scores.vi_split, scores.vi_merge) == pytest.approx(tuple(both))


def test_a_cell_cut_in_halves():
    truth, labels = np.ones((1, 8), int), np.array([[1, 1, 1, 1, 2, 2, 2, 2]])
    scores = scored(labels, truth)
    # of 28 pairs of pixels, 2 x 6 stay together; each half tells one bit that is not there
    assert (scores.rand_recall, scores.rand_precision) == (12 / 28, 1)
    assert (scores.vi_split, scores.vi_merge) == (1, 0)
    assert scores.v_rand == pytest.approx(2 * 12 / (12 + 28))
    assert scores.v_info == 0
    merged = scored(truth, labels)
    assert (merged.rand_recall, merged.rand_precision) == (1, 12 / 28)
    assert (merged.vi_split, merged.vi_merge) == (0, 1)


def test_one_cell_of_four_is_split():
    truth = np.repeat([[1, 2, 3, 4]], 4, axis=1)
    labels = truth.copy()
    labels[0, :2] = 9
    scores = scored(labels, truth)
    assert scores.vi_split == pytest.approx(1 / 4)  # one bit in a quarter of the pixels
    assert scores.v_info == pytest.approx(2 * 2 / (2 * 2 + 1 / 4))  # they share two bits
    pairs, of_truth = 3 * 6 + 2 * 1, 4 * 6
    assert scores.rand_recall == pytest.approx(pairs / of_truth)


def test_the_background_of_the_truth_does_not_count():
    truth = np.array([[1, 1, 0, 0, 2, 2]])
    for labels in ([[5, 5, 0, 0, 6, 6]], [[5, 5, 5, 6, 6, 6]], [[5, 5, 7, 8, 6, 6]]):
        scores = scored(np.array(labels), truth)
        assert (scores.v_rand, scores.v_info, scores.vi_split, scores.vi_merge) == (1, 1, 0, 0)


def test_predicted_background_is_split_into_pixels():
    truth, nothing = np.ones((1, 8), int), np.zeros((1, 8), int)
    scores = scored(nothing, truth)
    assert (scores.rand_recall, scores.v_rand, scores.vi_split) == (0, 0, math.log2(8))
    empty = scored(truth, nothing)
    assert (empty.v_rand, empty.v_info, empty.vi_merge) == (1, 1, 0)  # nothing to compare


def test_many_images_add_up():
    """Pairs lie within an image, so pooled scores are those of one with numbers that go on."""
    rng = np.random.default_rng(1)
    labels, truth = rng.integers(0, 3, (2, 4, 6, 5))
    pooled = pool([evaluate(p, t) for p, t in zip(labels, truth, strict=True)]).regions
    offset = 10 * np.arange(4)[:, None, None]
    together = scored(labels + offset * (labels > 0), truth + offset * (truth > 0))
    assert pooled.v_rand == pytest.approx(together.v_rand)
    assert (pooled.vi_split, pooled.vi_merge) == pytest.approx(
        (together.vi_split, together.vi_merge)
    )
    assert pooled.n_pixels == (truth > 0).sum()


def cells(width: int) -> Labels:
    """Four cells with membranes that are `width` pixels wide, an odd number."""
    truth = np.zeros((41, 41), int)
    near, far = slice(0, 20 - width // 2), slice(21 + width // 2, None)
    truth[near, near], truth[near, far], truth[far, near], truth[far, far] = 1, 2, 3, 4
    return truth


def test_thin_borders_are_lines():
    wide = cells(9)
    thin = thin_borders(wide)
    np.testing.assert_array_equal(thin[wide > 0], wide[wide > 0])
    assert np.count_nonzero(thin == 0) == 2 * 41 - 2  # a cross, but for one pixel in its middle
    for one, other in ((thin[1:], thin[:-1]), (thin[:, 1:], thin[:, :-1])):
        assert not ((one != other) & (one > 0) & (other > 0)).any()  # and it parts all four


def test_thin_borders_keep_numbers_and_what_touches():
    numbers = np.array([0, 2**40, 7, 300, 4])
    np.testing.assert_array_equal(thin_borders(numbers[cells(9)]), numbers[thin_borders(cells(9))])
    whole = np.repeat([[1, 2]], 4, axis=1)
    assert thin_borders(whole) is whole
    np.testing.assert_array_equal(
        thin_borders(np.array([[1, 1, 2, 2, 0, 0]])), [[1, 1, 2, 2, 2, 2]]
    )


def test_the_width_of_predicted_borders_does_not_count_once_thin():
    truth = cells(1)
    wide = evaluate(cells(9), truth)
    thin = evaluate(cells(9), truth, thin=True)
    assert wide.regions.v_rand < 0.85 < 0.97 < thin.regions.v_rand
    assert thin.ap.tolist() == wide.ap.tolist()
    merged = cells(9)
    merged[16:25, :8] = 1  # a gap in a membrane
    merged[merged == 3] = 1
    assert evaluate(merged, truth, thin=True).regions.rand_precision < 0.75


def test_cells_of_a_mask_are_parted_by_lines_of_pixels_that_touch_at_corners():
    mask = 1 - np.eye(30, dtype=int)
    two = np.where(np.tri(30, dtype=bool), 1, 2) * mask
    assert evaluate(mask, two, pieces=True).n_predicted == 1
    scores = evaluate(mask, two, pieces=True, thin=True)
    assert (scores.n_predicted, scores.regions.v_rand) == (2, 1)


def test_rows_of_the_scores():
    scores = evaluate(cells(3), cells(1)).as_dict()
    assert scores["adapted_rand_error"] == pytest.approx(1 - scores["V_rand"])
    assert {"rand_precision", "rand_recall", "VI_split", "VI_merge", "V_info"} <= set(scores)

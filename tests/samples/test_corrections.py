"""What is wrong with a prediction is found and painted over, the worst first."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scribe.samples import find_corrections, nuclei, simulate_corrections


@pytest.fixture
def truth() -> np.ndarray:
    truth = np.zeros((60, 60), np.int32)
    truth[5:15, 5:15], truth[5:15, 15:25] = 11, 12  # they touch
    truth[30:40, 5:25] = 13
    truth[45:55, 5:13] = 14
    truth[5:15, 40:50] = 15
    return truth


@pytest.fixture
def predicted(truth: np.ndarray) -> np.ndarray:
    """Merge 11 and 12, split 13, miss 14, find 15, and find one in the background."""
    predicted = np.zeros_like(truth)
    predicted[5:15, 5:25] = 1
    predicted[30:40, 5:13], predicted[30:40, 13:25] = 2, 3
    predicted[5:15, 40:49] = 4
    predicted[40:50, 40:46] = 5
    return predicted


def test_each_mistake_is_found_the_worst_first(predicted: np.ndarray, truth: np.ndarray):
    found = [(c.kind, c.true, c.predicted, c.n_wrong) for c in find_corrections(predicted, truth)]
    assert found == [
        ("split", (11, 12), (1,), 100),
        ("add", (14,), (), 80),
        ("merge", (13,), (2, 3), 80),
        ("erase", (), (5,), 60),
    ]


def test_the_truth_needs_no_correction(truth: np.ndarray):
    assert find_corrections(truth, truth) == []
    assert not simulate_corrections(truth, truth, 5).any()


def test_true_objects_are_painted_whole_and_false_ones_as_background(predicted, truth):
    paint = simulate_corrections(predicted, truth, 4)
    assert sorted(np.unique(paint)) == [0, 1, 2, 3, 4, 5]
    for value in range(2, 6):
        (number,) = np.unique(truth[paint == value])
        assert np.array_equal(paint == value, truth == number)
    assert np.array_equal(paint == 1, predicted == 5)
    assert not paint[truth == 15].any()


def test_rounds_go_on_where_the_last_one_ended(predicted: np.ndarray, truth: np.ndarray):
    first = simulate_corrections(predicted, truth, 1)
    assert set(np.unique(truth[first > 0])) == {11, 12}
    second = simulate_corrections(predicted, truth, 1, first)
    assert np.array_equal(second[first > 0], first[first > 0])
    assert set(np.unique(truth[second > 3])) == {14}
    both = simulate_corrections(predicted, truth, 2)
    assert np.array_equal(second, both)


def test_where_nothing_is_found_all_is_added():
    truth = nuclei((96, 96), seed=1).truth
    found = find_corrections(np.zeros_like(truth), truth)
    assert {c.kind for c in found} == {"add"}
    assert len(found) == truth.max()
    sizes = [c.n_wrong for c in found]
    assert sizes == sorted(np.bincount(truth.ravel())[1:], reverse=True)
    paint = simulate_corrections(np.zeros_like(truth), truth, 1000)
    assert np.array_equal(paint > 1, truth > 0)

"""Every object is found, false or missed, and the counts are those of `evaluate`."""

from __future__ import annotations

import numpy as np
import pytest

import napari_scribe as ns
from napari_scribe.evaluation.compare import Comparison, comparing


def squares(*corners: tuple[int, int], side: int = 6) -> np.ndarray:
    labels = np.zeros((40, 40), np.uint16)
    for number, (y, x) in enumerate(corners, start=1):
        labels[y : y + side, x : x + side] = number
    return labels


TRUTH = squares((2, 2), (2, 20), (20, 2), (20, 20))
LABELS = squares((2, 3), (20, 20), (32, 32))
"""The first found with an IoU of 5/7, the second exactly, the third false; two are missed."""


def test_every_object_has_a_verdict() -> None:
    done = ns.run(comparing(LABELS, TRUTH))
    table = done.table
    assert table["verdict"].tolist() == ["found", "found", "false", "missed", "missed"]
    assert table["label"].tolist() == [1, 2, 3, 0, 0]
    assert table["truth"].tolist() == [1, 4, 0, 2, 3]
    assert table["IoU"][:2] == pytest.approx([5 / 7, 1]) and np.isnan(table["IoU"][2:]).all()
    assert table["centroid x (px)"].tolist() == [5.5, 22.5, 34.5, 22.5, 4.5]
    assert done.in_words() == "4 true objects: 2 found, 2 missed; 1 false."
    assert np.array_equal(done.verdicts == 1, LABELS == 3)
    assert np.array_equal(done.verdicts == 2, np.isin(TRUTH, [2, 3]))


def test_the_counts_are_those_of_evaluate_frame_by_frame() -> None:
    movie = ns.Image(np.stack([LABELS, TRUTH]), "TYX")
    done = ns.run(comparing(movie, np.stack([TRUTH, TRUTH])))
    one, other = ns.evaluate(LABELS, TRUTH), ns.evaluate(TRUTH, TRUTH)
    assert done.scores.tp.tolist() == (one.tp + other.tp).tolist()
    assert np.bincount(done.table["frame"]).tolist() == [5, 4]
    assert done.verdicts.shape == (2, 40, 40) and not done.verdicts[1].any()


@pytest.mark.parametrize("labels, truth", [(LABELS, TRUTH * 0), (TRUTH * 0, TRUTH)])
def test_one_of_them_may_be_empty(labels: np.ndarray, truth: np.ndarray) -> None:
    done: Comparison = ns.run(comparing(labels, truth))
    assert set(done.table["verdict"]) == {"false" if labels.any() else "missed"}


def test_other_sizes_are_refused() -> None:
    with pytest.raises(ns.InputError, match="40 x 40 pixels"):
        comparing(LABELS, TRUTH[:30])

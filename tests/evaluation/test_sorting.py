"""Objects are sorted by what was measured, after a few examples."""

from __future__ import annotations

import numpy as np
import pytest

import napari_scribe as ns
from napari_scribe.evaluation.sorting import sorting


def field(n: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Return labels of small and large squares by turns, and where the small ones are."""
    labels = np.zeros((n * 16, n * 16), np.int32)
    is_small = np.indices((n, n)).sum(0) % 2 == 0
    for i, (y, x) in enumerate(np.ndindex(n, n), start=1):
        side = (4 if is_small[y, x] else 9) + (i % 3)
        labels[y * 16 + 2 : y * 16 + 2 + side, x * 16 + 2 : x * 16 + 2 + side] = i
    return labels, is_small.ravel()


def test_a_few_examples_sort_all() -> None:
    labels, is_small = field()
    examples = np.where(np.isin(labels, [1, 3, 5]), 1, 0) + np.isin(labels, [2, 4, 6]) * 2
    examples[3:5, 3] = 2  # a slip: most of the paint on an object counts
    table = ns.measure(labels)
    done = ns.run(sorting(table, labels, examples, names={2: "large"}))
    assert (done.table["class"] == np.where(is_small, "class 1", "large")).all()
    assert np.array_equal(done.classes == 1, np.isin(labels, np.flatnonzero(is_small) + 1))
    assert done.n_examples == 6 and done.n_right >= 5
    assert done.in_words().startswith("18 class 1, 18 large. Of 6 examples")


def test_frames_are_sorted_together() -> None:
    labels, is_small = field(4)
    movie = ns.Image(np.stack([labels, labels]), "TYX")
    examples = np.zeros(movie.shape, np.uint8)
    examples[0][np.isin(labels, [1, 3])], examples[1][np.isin(labels, [2, 4])] = 1, 2
    done = ns.run(sorting(ns.measure(movie), movie, examples))
    wanted = np.where(is_small, "class 1", "class 2")
    assert (done.table["class"] == np.tile(wanted, 2)).all()


@pytest.mark.parametrize("painted, said", [(0, "none is painted"), (4, "only class 4")])
def test_two_classes_are_needed(painted: int, said: str) -> None:
    labels, _ = field(2)
    job = sorting(ns.measure(labels), labels, np.full_like(labels, painted))
    with pytest.raises(ns.InputError, match=said):
        ns.run(job)


@pytest.mark.parametrize("n_steps", [0, 1, 3])
def test_a_stopped_sort_ends_at_once(n_steps: int) -> None:
    labels, _ = field(2)
    movie = ns.Image(np.stack([labels, labels]), "TYX")
    job = sorting(ns.measure(movie), movie, np.isin(movie.data, [1, 3]) + np.int32(movie.data > 0))
    for _ in range(n_steps):
        next(job)
    job.stop()
    assert list(job) == []
    assert job.result is None

"""What a stroke means where no tool is chosen."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scribe.session.strokes import Meaning, is_loop, meaning_of, numbers_in

PLANE = (slice(1, 2), slice(0, 40), slice(0, 60))


@pytest.fixture
def labels() -> np.ndarray:
    stack = np.zeros((3, 40, 60), np.int32)
    stack[:, 10:30, 5:20], stack[:, 10:30, 20:35], stack[:, 10:30, 45:55] = 1, 2, 3
    return stack


def circle(y: float, x: float, radius: float, turn: float = 1.0) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi * turn, 50)
    return np.stack([0 * angle + 1, y + radius * np.sin(angle), x + radius * np.cos(angle)], axis=1)


@pytest.mark.parametrize(
    ("path", "meaning"),
    [
        ([(20, 10), (20, 30)], Meaning.MERGE),
        ([(20, 10), (20, 50)], Meaning.MERGE),
        ([(5, 10), (35, 10)], Meaning.SPLIT),
        ([(12, 10), (28, 11)], Meaning.SPLIT),
        ([(20, 2), (20, 40)], Meaning.SPLIT),
        ([(20, -9), (20, 99)], Meaning.SPLIT),
    ],
)
def test_a_line(labels: np.ndarray, path: list[tuple[int, int]], meaning: Meaning) -> None:
    line = np.array([(1, y, x) for y, x in path], float)
    assert meaning_of(labels, line, PLANE) == meaning


def test_a_loop_deletes_and_a_line_there_and_back_is_none(labels: np.ndarray) -> None:
    assert meaning_of(labels, circle(20, 20, 15), PLANE) == Meaning.DELETE
    assert is_loop(circle(20, 20, 15, turn=0.95))
    assert not is_loop(circle(20, 20, 15, turn=0.6))
    there = np.stack([np.ones(20), np.linspace(5, 35, 20), np.full(20, 10.0)], axis=1)
    assert not is_loop(np.concatenate([there, there[::-1]]))


def test_a_loop_holds_the_objects_of_which_most_lies_in_it(labels: np.ndarray) -> None:
    assert numbers_in(labels, circle(20, 20, 18), PLANE) == [1, 2]
    assert numbers_in(labels, circle(20, 50, 16), PLANE) == [3]
    assert numbers_in(labels, circle(20, 59, 30), PLANE) == [3]  # beyond the edge, too
    assert numbers_in(labels, circle(20, 39, 2), PLANE) == []

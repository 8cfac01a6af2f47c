"""An object is filled in between the slices on which it is painted."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scribe.session.interpolate import fill_between

SHAPE = 13, 80, 100


def disk(centre: tuple[float, float], radius: float) -> np.ndarray:
    y, x = np.indices(SHAPE[1:])
    return np.hypot(y - centre[0], x - centre[1]) <= radius


def filled(paint: np.ndarray, number: int, painted: list[int]) -> np.ndarray:
    out = paint.copy()
    out[tuple(fill_between(paint, number, painted).T)] = number
    return out


def area_and_centre(mask: np.ndarray) -> tuple[float, np.ndarray]:
    return float(mask.sum()), np.argwhere(mask).mean(axis=0)


def test_the_outline_and_the_centre_change_evenly() -> None:
    paint = np.zeros(SHAPE, np.uint16)
    paint[3][disk((30, 30), 10)] = 7
    paint[9][disk((40, 60), 16)] = 7
    out = filled(paint, 7, [9, 3])
    for z in range(3, 10):
        share = (z - 3) / 6
        expected = disk((30 + 10 * share, 30 + 30 * share), 10 + 6 * share)
        both = (out[z] == 7) & expected
        assert both.sum() / ((out[z] == 7) | expected).sum() > 0.85, z
    assert not out[:3].any()
    assert not out[10:].any()


def test_a_shape_that_stays_is_repeated_exactly() -> None:
    paint = np.zeros(SHAPE, np.uint16)
    shape = disk((30, 30), 12) & ~disk((30, 44), 9)
    paint[2][shape] = paint[6][shape] = 3
    out = filled(paint, 3, [2, 6])
    for z in range(2, 7):
        np.testing.assert_array_equal(out[z] == 3, shape)


def test_other_paint_stays() -> None:
    paint = np.zeros(SHAPE, np.uint16)
    paint[1][disk((30, 30), 10)] = paint[5][disk((30, 30), 10)] = 2
    paint[3][disk((36, 30), 5)] = 4
    before = paint.copy()
    out = filled(paint, 2, [1, 5])
    np.testing.assert_array_equal(paint, before)
    np.testing.assert_array_equal(out[before > 0], before[before > 0])
    assert ((out[3] == 2) & disk((30, 30), 9)).sum() > 100


def test_each_gap_is_filled_by_itself() -> None:
    paint = np.zeros(SHAPE, np.uint16)
    for z in (0, 4, 5, 8):
        paint[z][disk((40, 50), 9)] = 5
    out = filled(paint, 5, [0, 4, 5, 8])
    assert sorted(np.unique(np.nonzero(out == 5)[0])) == list(range(9))


def test_what_leaves_the_image_is_cut_at_its_edge() -> None:
    paint = np.zeros(SHAPE, np.uint16)
    paint[0][disk((0, 0), 14)] = paint[4][disk((0, 98), 20)] = 2
    points = fill_between(paint, 2, [0, 4])
    assert (points >= 0).all()
    assert (points < SHAPE).all()


@pytest.mark.parametrize("painted", [[], [3], [3, 4]])
def test_without_a_gap_nothing_is_filled(painted: list[int]) -> None:
    paint = np.zeros(SHAPE, np.uint16)
    paint[painted] = 2
    assert fill_between(paint, 2, painted).shape == (0, 3)

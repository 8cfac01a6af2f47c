"""Strokes lie where a person would put them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage

from napari_scribe.samples import SPARSE, nuclei, simulate_paint


def disks(n: int = 4, spacing: int = 40, radius: int = 9) -> np.ndarray:
    """A grid of `n` by `n` round objects; those of the first row are cut by the border."""
    y, x = np.mgrid[: n * spacing, : n * spacing]
    row, column = (y + spacing // 2) // spacing, x // spacing
    near = np.hypot(y - row * spacing, x - (column + 0.5) * spacing) < radius
    return np.where(near & (row < n), 1 + row * n + column, 0).astype(np.int32)


def test_asked_for_objects_are_painted_whole():
    truth = disks()
    paint = simulate_paint(truth, 5, 0, seed=1)
    assert np.unique(paint).tolist() == [0, 2, 3, 4, 5, 6]
    for value in range(2, 7):
        label = np.unique(truth[paint == value])
        assert len(label) == 1
        assert np.array_equal(paint == value, truth == label[0])


def test_cut_objects_come_last():
    truth = disks()
    for is_clustered in (False, True):
        paint = simulate_paint(truth, 12, 0, seed=2, is_clustered=is_clustered)
        assert not paint[0].any()
    assert simulate_paint(truth, 13, 0, seed=2)[0].any()


@pytest.mark.parametrize("width", [1, 3, 5])
def test_strokes_are_curves_within_the_background(width: int):
    truth = disks()
    paint = simulate_paint(truth, 0, 1, seed=3, stroke_width=width)
    stroke = paint == 1
    assert not truth[stroke].any()
    assert ndimage.label(stroke, np.ones((3, 3)))[1] == 1
    assert 0.8 * 40 * width < stroke.sum() < 1.6 * 60 * width
    thickness = 2 * ndimage.distance_transform_edt(np.pad(stroke, 1)).max()
    assert thickness <= width + 3


def test_number_of_strokes():
    truth = np.zeros((400, 400), np.int32)
    paint = simulate_paint(truth, 3, 6, seed=0)
    assert set(np.unique(paint)) == {0, 1}
    assert 6 * 40 * 2 < (paint == 1).sum() < 6 * 62 * 4
    assert 2 <= ndimage.label(paint, np.ones((3, 3)))[1] <= 6


def test_strokes_of_a_volume_lie_in_single_planes():
    truth = nuclei((16, 64, 64), seed=0).truth
    paint = simulate_paint(truth, 2, 2, seed=0)
    assert not truth[paint == 1].any()
    assert 1 <= np.count_nonzero((paint == 1).any(axis=(1, 2))) <= 2


def test_fewer_objects_and_less_room_than_asked_for():
    truth = np.ones((20, 20), np.int64) * 10**12
    truth[:, 10:] = 7
    paint = simulate_paint(truth, 10, 5, seed=0, is_clustered=True)
    assert np.unique(paint).tolist() == [2, 3]
    assert not simulate_paint(np.zeros((8, 8), int), 4, 0, is_clustered=True).any()


def test_many_objects_need_a_wider_type():
    truth = np.arange(1, 401).reshape(20, 20)
    paint = simulate_paint(truth, 300, 0)
    assert paint.dtype == np.int32
    assert paint.max() == 301


def test_the_same_seed_paints_the_same():
    truth = disks()
    one, again, other = (simulate_paint(truth, 3, 2, seed) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("width", [1, 3, 5])
def test_strokes_inside_lie_in_one_object_each_and_leave_its_border(width: int):
    truth = disks()
    paint = simulate_paint(truth, 6, 2, seed=4, stroke_width=width, is_inside=True)
    whole = simulate_paint(truth, 6, 2, seed=4, stroke_width=width)
    assert np.array_equal(paint == 1, whole == 1)
    for value in range(2, 8):
        stroke, drawn = paint == value, whole == value
        assert not (stroke & ~drawn).any()
        assert width * 6 < stroke.sum() < 0.5 * drawn.sum()
        assert ndimage.label(stroke, np.ones((3, 3)))[1] == 1
        assert not (stroke & ~ndimage.binary_erosion(drawn)).any()


def test_a_stroke_in_an_object_of_a_pixel_is_that_pixel():
    truth = np.zeros((9, 9), int)
    truth[4, 4] = 3
    paint = simulate_paint(truth, 1, 0, is_inside=True)
    assert np.argwhere(paint == 2).tolist() == [[4, 4]]


def test_strokes_inside_objects_of_a_volume_lie_in_one_plane_each():
    truth = nuclei((16, 64, 64), seed=0).truth
    paint = simulate_paint(truth, 3, 0, seed=0, is_inside=True)
    for value in range(2, 5):
        assert np.count_nonzero((paint == value).any(axis=(1, 2))) == 1
        assert len(np.unique(truth[paint == value])) == 1


def test_borders_lie_between_touching_objects_the_painted_ones_first():
    truth = np.repeat(np.arange(1, 9), 10)[None].repeat(12, 0)  # stripes side by side
    paint = simulate_paint(truth, 3, 0, seed=1, n_borders=1)
    painted = np.unique(truth[paint > 1])
    (columns,) = np.nonzero((paint == 1).all(axis=0))
    assert len(columns) == 2 and columns[1] == columns[0] + 1
    assert set(truth[0, columns]) & set(painted)
    everywhere = simulate_paint(truth, 0, 0, seed=1, n_borders=99)
    assert np.count_nonzero((everywhere == 1).all(axis=0)) == 2 * 7
    assert not simulate_paint(disks(), 2, 0, n_borders=3)[disks() == 0].any()


@pytest.mark.parametrize("is_inside", [False, True])
def test_what_is_painted_for_few_is_painted_for_many(is_inside: bool):
    truth = disks()
    paints = [simulate_paint(truth, n, 3, seed=5, is_inside=is_inside) for n in SPARSE]
    for fewer, more in itertools.pairwise(paints):
        assert np.array_equal(fewer[fewer > 0], more[fewer > 0])

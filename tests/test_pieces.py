"""One number for many objects is told from objects in two pieces."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from scipy import ndimage

from napari_scribe.pieces import covering, split
from napari_scribe.samples import nuclei

TRUTH = nuclei((256, 256), seed=1).truth
VOLUME = nuclei((24, 96, 96), seed=2).truth


@pytest.mark.parametrize("number", [1, 2, 255, 70_000])
@pytest.mark.parametrize("first", [1, 2])
def test_one_number_for_all_objects_is_found(number: int, first: int):
    mask = (TRUTH > 0) * (number if number >= first else first)
    found = covering(mask, 2, first)
    assert found is not None and found.number == mask.max()
    assert found.n_pieces == ndimage.label(mask, np.ones((3, 3)))[1]
    assert covering(da.from_array(mask, chunks=50), 2, first) == found


def test_a_few_numbers_for_many_objects_are_found():
    assert covering(np.where(TRUTH > 0, TRUTH % 2 + 1, 0), 2, 1) is not None
    ignored = np.where(TRUTH > 3, 99, TRUTH)
    assert covering(ignored, 2, 1).number == 99


def test_bool_masks_and_volumes_count():
    assert covering(TRUTH > 0, 2, 1) is not None
    for dimensions in (2, 3):
        assert covering((VOLUME > 0) * 255, dimensions, 1) is not None
        assert covering(np.stack([VOLUME > 0] * 2), dimensions, 1) is not None


def test_objects_with_a_number_each_are_fine():
    in_two = TRUTH.copy()
    in_two[:, :: 2 * 16] = 0
    specks = TRUTH.copy()
    rng = np.random.default_rng(0)
    specks[rng.integers(0, 250, 40), rng.integers(0, 250, 40)] = 1
    for labels in (TRUTH, in_two, specks, 0 * TRUTH, (TRUTH == 1) * 7):
        assert covering(labels, 2, 1) is None
    assert covering(VOLUME, 3, 1) is None


def test_a_track_is_one_object_in_every_frame():
    movie = np.stack([np.roll(TRUTH, 60 * i, axis=1) for i in range(4)])
    assert covering(movie, 2, 1) is None
    lone = np.zeros((6, 40, 200), int)
    for i in range(6):
        lone[i, 10:20, 30 * i : 30 * i + 10] = 5
    assert covering(lone, 2, 1) is None


def test_background_strokes_are_no_objects():
    strokes = np.where(TRUTH > 0, 1, 0)
    strokes[:9, :9] = 2
    assert covering(strokes, 2, 2) is None


def test_of_large_labels_a_part_is_looked_at():
    class Counting:
        shape, dtype, n_read = (60_000, 50_000), np.dtype(np.uint8), 0

        def __getitem__(self, index: tuple[slice, ...]) -> np.ndarray:
            y, x = (np.arange(s.start, s.stop) for s in index)
            self.n_read += len(y) * len(x)
            return ((y[:, None] % 40 < 20) & (x % 40 < 20)).astype(np.uint8)

    labels = Counting()
    assert covering(labels, 2, 1) is not None
    assert labels.n_read < 2**24


@pytest.mark.parametrize("dimensions", [2, 3])
def test_pieces_are_numbered_in_each_frame(dimensions: int):
    labels = np.stack([VOLUME > 0, VOLUME == 1]) * 255
    out = split(labels, dimensions, 1)
    np.testing.assert_array_equal(out > 0, labels > 0)
    for index in np.ndindex(labels.shape[: 4 - dimensions]):
        expected = ndimage.label(labels[index], np.ones((3,) * dimensions))
        assert len(np.unique(out[index])) - 1 == expected[1]


def test_touching_pieces_of_different_numbers_stay_apart():
    labels = np.array([[1, 3, 3, 4, 0, 4, 2]])
    assert split(labels, 2, 2).tolist() == [[1, 2, 2, 3, 0, 4, 5]]

"""The synthetic neurites are what their benchmark says."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from scipy import ndimage


@pytest.fixture(scope="module")
def made(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("neurites")


def test_neurites_are_whole_and_go_through_slices(made: ModuleType):
    image, truth = made.neurites((8, 96, 96), seed=1)
    assert image.shape == truth.shape and image.dtype == np.uint8
    assert 0.05 < (truth == 0).mean() < 0.3
    boxes = ndimage.find_objects(truth)
    sizes, n_slices = np.bincount(truth.ravel())[1:], []
    for number, box in enumerate(boxes, start=1):
        if box is not None:
            assert ndimage.label(truth[box] == number)[1] == 1
        n_slices.append(box[0].stop - box[0].start if box else 0)
    long = np.array(n_slices) >= 6
    assert long.sum() > 10 and sizes[long].sum() > 0.8 * sizes.sum()
    # No neurite touches another one within a slice: a membrane lies between.
    one, other = truth[:, :, :-1], truth[:, :, 1:]
    assert not ((one != other) & (one > 0) & (other > 0)).any()
    # They move between slices, by less than they are wide.
    kept = (truth[:-1] == truth[1:])[truth[:-1] > 0].mean()
    assert 0.6 < kept < 0.95
    assert image[truth == 0].mean() < image[truth > 0].mean() - 20


def test_the_same_seed_gives_the_same_volume(made: ModuleType):
    (one, truth), (same, _), (other, _) = (made.neurites((2, 48, 48), seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any() and truth.max() > 3

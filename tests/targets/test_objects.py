"""Paint on single slices of a volume says nothing of the slices between (Cicek et al. 2016)."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scribe.recipe import ObjectsTarget
from napari_scribe.targets.affinities import AffinitiesEncoding
from napari_scribe.targets.distance import DistanceEncoding
from napari_scribe.targets.encoding import PaintEncoding
from napari_scribe.targets.objects import is_on_slices, on_slices, with_ring


@pytest.fixture
def paint() -> np.ndarray:
    """Three nuclei: 2 on slices 1, 6 and 11, 3 on slice 6 only, 4 drawn whole."""
    labels = np.zeros((13, 40, 40), np.int32)
    labels[1::5, 5:14, 5:14] = 2
    labels[6, 20:28, 20:28] = 3
    labels[4:9, 5:14, 28:37] = 4
    return labels


def test_what_is_on_slices(paint: np.ndarray):
    assert on_slices(paint).tolist() == [2, 3]
    assert is_on_slices(np.ones((1, 3, 3), bool))
    assert not is_on_slices(np.ones((2, 3, 3), bool))


def test_rings_lie_within_these_slices(paint: np.ndarray):
    labels, _ = with_ring(paint, paint < 0, ring=3)
    flat = labels[:, :18, :18]
    assert (flat[[0, 2, 3, 4, 5, 7]] == 0).all()
    assert (flat[1::5][:, 5:14, 3:5] == 1).all()
    deep = labels[:, 5:14, 28:37]
    assert (deep[2:4] == 1).all() and (deep[9:11] == 1).all()


@pytest.mark.parametrize("encoding", [DistanceEncoding, lambda r: AffinitiesEncoding(r, 3)])
def test_nothing_is_learnt_where_nothing_is_painted(paint: np.ndarray, encoding: type):
    """Slices that are painted completely, with background, as for the 3D U-Net."""
    slices = np.where(paint[1::5] > 0, paint[1::5], 1)
    sparse = np.zeros_like(paint)
    sparse[1::5] = slices
    coder: PaintEncoding = encoding(ObjectsTarget())
    encoded = coder.encode(sparse, sparse < 0)
    known = (encoded.weights > 0).any(axis=0)
    assert known[1::5].all()
    assert not np.delete(known, [1, 6, 11], axis=0).any()


def test_distances_are_those_within_each_slice(paint: np.ndarray):
    slices = np.where(paint == 2, 2, 1)
    volume = DistanceEncoding(ObjectsTarget()).encode(slices, slices < 0).values[1]
    for z in (1, 6, 11):
        plane = DistanceEncoding(ObjectsTarget()).encode(slices[z], slices[z] < 0).values[1]
        np.testing.assert_array_equal(volume[z], plane)
        assert volume[z, 9, 9] == 1

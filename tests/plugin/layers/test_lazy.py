"""Views of arrays on disk, and small pictures of large ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zarr

from napari_scribe.plugin.layers import live
from napari_scribe.plugin.layers.lazy import Lazy
from napari_scribe.plugin.layers.live import Overview

VALUES = np.arange(2 * 3 * 40 * 50).reshape(2, 3, 40, 50)


class Watched:
    """An array that knows how many of its pixels were read."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape, self.dtype, self.n_read = array, array.shape, array.dtype, 0

    def __getitem__(self, key: Any) -> np.ndarray:
        found = self.array[key]
        self.n_read += found.size
        return found


@pytest.mark.parametrize(
    "key",
    [
        np.s_[1],
        np.s_[-1, ..., 5],
        np.s_[:, 1:, ::4, 3:9],
        np.s_[..., ::2, ::2],
        np.s_[0, 1, 2, 3],
    ],
)
def test_a_view_is_indexed_like_its_array(key: Any) -> None:
    view = Lazy(VALUES)[key]
    assert view.shape == VALUES[key].shape
    assert np.array_equal(view, VALUES[key])


def test_views_of_views() -> None:
    assert np.array_equal(Lazy(VALUES)[..., ::2, ::2][:, 1][1, 3:7], VALUES[1, 1, 6:14:2, ::2])
    assert np.array_equal(Lazy(Lazy(VALUES)[0])[2], VALUES[0, 2])


def test_only_what_is_looked_at_is_read() -> None:
    array = Watched(VALUES)
    np.asarray(Lazy(array)[:, :, 3:9, 4:8][1, 2])  # as napari does with a stack
    assert array.n_read == 24


def test_axes_in_another_order_and_repeated() -> None:
    turned = Lazy(VALUES, order=[1, 0, 3, 2])
    assert np.array_equal(turned[2, 1, 5], VALUES[1, 2, :, 5])
    repeated = Lazy(VALUES, order=[0, None, 1, 2, 3], repeats=range(4))
    assert repeated.shape == (2, 4, 3, 40, 50)
    assert np.array_equal(repeated[1, 2], VALUES[1])
    assert np.array_equal(repeated[:, 1:3, 0], np.stack([VALUES[:, 0]] * 2, axis=1))


def test_an_overview_follows_what_is_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SMALL", 2000)
    monkeypatch.setattr(live, "CELL", 32)
    array = zarr.create_array({}, shape=(150, 200), chunks=(32, 32), dtype="i4", fill_value=0)
    overview = Overview(array)
    assert overview.picture.shape == (38, 50)
    assert not overview.update(9)
    array[:64] = 7
    assert overview.update(9)
    assert np.array_equal(overview.picture, array[::4, ::4])
    assert not overview.update(9)
    array[64:] = 8
    while overview.update(0):  # a cell at a time
        pass
    overview.update(9)
    assert np.array_equal(overview.picture, array[::4, ::4])


def test_what_is_finished_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SMALL", 2000)
    monkeypatch.setattr(live, "CELL", 32)
    array = Watched(np.ones((2, 100, 100), np.int32))
    overview = Overview(array)
    assert overview.update(9)
    overview.update(9)
    read = array.n_read
    assert not overview.update(9)
    assert array.n_read == read
    assert np.array_equal(overview.picture, array.array[:, ::4, ::4])

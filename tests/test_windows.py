"""Windows are compared with what numpy takes out of an array with them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_scribe.windows import (
    Window,
    grow,
    intersect,
    neighbour_pairs,
    overlap,
    relative_to,
    shape_of,
    shift,
    start_of,
    whole,
)

SIDE = 12
PIXELS = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
spans = st.tuples(st.integers(0, SIDE - 1), st.integers(1, SIDE)).map(
    lambda ends: slice(ends[0], min(SIDE, ends[0] + ends[1]))
)
windows = st.tuples(spans, spans)


@given(windows, windows)
def test_what_two_windows_share(one: Window, other: Window) -> None:
    both = set(PIXELS[one].ravel()) & set(PIXELS[other].ravel())
    assert set(PIXELS[intersect(one, other)].ravel()) == both
    assert overlap(one, other) == bool(both)


@given(windows, windows)
def test_a_window_within_another(one: Window, other: Window) -> None:
    part = intersect(one, other)
    inside = PIXELS[other][relative_to(part, other)]
    assert np.array_equal(inside, PIXELS[part])


@given(windows, st.tuples(st.integers(0, 5), st.integers(0, 5)))
def test_moving_and_growing(window: Window, by: tuple[int, int]) -> None:
    assert shape_of(window) == PIXELS[window].shape
    assert start_of(shift(window, by)) == tuple(np.add(start_of(window), by))
    assert shape_of(shift(window, by)) == shape_of(window)
    padded = np.pad(PIXELS, [(n, n) for n in by])
    grown = shift(grow(window, by), by)
    assert shape_of(grown) == padded[grown].shape
    assert (
        intersect(grow(window, by), whole(PIXELS.shape))[0]
        == np.s_[max(0, window[0].start - by[0]) : min(SIDE, window[0].stop + by[0])]
    )
    assert grow(window, 2) == grow(window, (2, 2))


def test_neighbours_lie_one_pixel_apart() -> None:
    pairs = [(PIXELS[here], PIXELS[there]) for here, there in neighbour_pairs(PIXELS.shape)]
    for (one, other), step in zip(pairs, (SIDE, 1), strict=True):
        assert one.size == SIDE * (SIDE - 1)
        assert (other - one == step).all()
    assert [PIXELS[:1][here].size for here, _ in neighbour_pairs((1, SIDE))] == [0, SIDE - 1]


def test_windows_apart_have_nothing_in_common() -> None:
    one, other = np.s_[0:3, 0:3], np.s_[5:8, 0:3]
    assert not overlap(one, other)
    assert shape_of(intersect(one, other)) == (0, 3)

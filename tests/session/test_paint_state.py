"""Paint is counted, and slips of the brush are found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from napari_scribe.session.paint_state import (
    PaintCounter,
    PaintState,
    count_plane,
    in_several_pieces,
    in_words,
)

SHAPE = 120, 160


def disk(centre: tuple[int, int], radius: float) -> np.ndarray:
    y, x = np.indices(SHAPE)
    return np.hypot(y - centre[0], x - centre[1]) <= radius


def paint_with(n_objects: int) -> np.ndarray:
    """Objects beside each other, from 2 up."""
    paint = np.zeros(SHAPE, np.uint16)
    for i in range(n_objects):
        paint[disk((20 + 30 * (i // 5), 20 + 30 * (i % 5)), 8)] = 2 + i
    return paint


def counted(paint: np.ndarray) -> PaintState:
    return PaintCounter().count(paint)


@pytest.mark.parametrize(
    ("n_objects", "n_strokes", "text"),
    [
        (0, 0, "Nothing is painted yet. Paint 3 objects whole to start."),
        (1, 0, "1 object, no background strokes: paint 2 more objects to start."),
        (2, 1, "2 objects, 1 background stroke: paint 1 more object to start."),
        (3, 2, "3 objects, 2 background strokes: enough to start. 10 objects are better."),
        (10, 3, "10 objects, 3 background strokes: enough to start."),
    ],
)
def test_what_is_painted_is_said_in_words(n_objects: int, n_strokes: int, text: str) -> None:
    paint = paint_with(n_objects)
    for i in range(n_strokes):
        paint[100 + 5 * i, 10:60] = 1
    assert in_words(counted(paint), "objects") == text


def test_classes_are_counted_by_their_strokes() -> None:
    paint = np.zeros(SHAPE, np.uint8)
    assert in_words(counted(paint), "classes").endswith("Paint two classes to start.")
    paint[10, 10:50] = paint[20, 10:50] = 1
    assert in_words(counted(paint), "classes") == (
        "1 class, 2 strokes: paint a second class to start."
    )
    paint[30, 10:50] = 3
    assert in_words(counted(paint), "classes") == "2 classes, 3 strokes: enough to start."


def test_an_object_that_background_cuts_is_found() -> None:
    paint = paint_with(3)
    paint[5:40, 49:52] = 1  # through object 3
    (slip,) = counted(paint).slips
    assert (slip.kind, slip.number) == ("cut", 3)
    assert paint[slip.place] == 3
    assert in_several_pieces(slip) == "Background cuts object 3 in pieces."


def test_one_number_for_two_objects_is_found() -> None:
    paint = paint_with(3)
    paint[disk((90, 140), 6)] = 2
    (slip,) = counted(paint).slips
    assert (slip.kind, slip.number) == ("apart", 2)
    assert disk((90, 140), 6)[slip.place]


def test_pieces_beside_each_other_are_no_cut() -> None:
    paint = paint_with(1)
    paint[:, 20:22] = 0
    (slip,) = counted(paint).slips
    assert slip.kind == "pieces"


def test_specks_and_other_objects_between_are_no_slips() -> None:
    paint = paint_with(2)
    paint[20, 32:34] = 2  # a slip of the brush of two pixels
    assert not counted(paint).slips


def test_objects_at_the_edge_are_told_apart() -> None:
    paint = paint_with(2)
    paint[disk((60, 0), 9)] = 7
    paint[0, 100:150] = 1
    state = counted(paint)
    assert state.at_edge == {7}
    assert in_words(state, "objects").startswith("3 objects (1 at the edge), 1 background stroke:")


def test_planes_are_counted_by_themselves_and_an_object_on_two_is_one() -> None:
    paint = np.zeros((2, 4, *SHAPE), np.uint16)
    paint[0, 1] = paint_with(2)
    paint[1, 3] = paint_with(1)
    paint[1, 3, 100, 10:90] = 1
    state = counted(paint)
    assert sorted(state.planes) == [(0, 1), (1, 3)]
    assert (state.n_objects, state.n_background) == (2, 1)
    assert state.planes_of(2) == [(0, 1), (1, 3)]
    assert state.planes_of(3) == [(0, 1)]
    assert not state.slips


def test_a_slip_names_its_place_in_the_stack() -> None:
    paint = np.zeros((3, *SHAPE), np.uint16)
    paint[2] = paint_with(3)
    paint[2, 5:40, 49:52] = 1
    (slip,) = counted(paint).slips
    assert len(slip.place) == 3
    assert paint[slip.place] == 3


def test_counting_again_gives_what_counting_anew_does() -> None:
    paint = np.zeros((3, *SHAPE), np.uint16)
    counter = PaintCounter()
    paint[1] = paint_with(4)
    first = counter.count(paint)
    paint[2] = paint_with(1)
    second = counter.count(paint)
    assert second.planes[1,] is first.planes[1,]  # it was not counted anew
    assert second == counted(paint)
    paint[1] = 0
    assert counter.count(paint) == counted(paint)


def test_huge_numbers_cost_no_more() -> None:
    paint = np.zeros(SHAPE, np.int32)
    paint[disk((50, 50), 9)] = 2**31 - 1
    paint[disk((90, 90), 9)] = 2**31 - 1
    (slip,) = counted(paint).slips
    assert slip.number == 2**31 - 1


@given(st.integers(0, 2**32 - 1))
def test_pieces_are_those_of_each_number_alone(seed: int) -> None:
    coarse = np.random.default_rng(seed).integers(0, 4, (6, 7))
    paint = np.kron(coarse, np.ones((3, 3), int))
    plane = count_plane(paint)
    expected = {n: ndimage.label(paint == n, np.ones((3, 3)))[1] for n in (1, 2, 3)}
    assert plane.strokes == {n: count for n, count in expected.items() if count}
    assert {slip.number for slip in plane.slips} == {n for n in (2, 3) if expected[n] > 1}

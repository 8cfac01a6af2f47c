"""Corrected objects become paint, and what was painted by hand stays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_scribe.session.edits import Edit, add, delete, merge, split, window_of, windows_of
from napari_scribe.session.history import History
from napari_scribe.session.teaching import lesson


@pytest.fixture
def labels() -> np.ndarray:
    array = np.zeros((40, 60), np.int32)
    array[5:15, 5:15], array[5:15, 15:25], array[25:35, 5:25], array[25:35, 40:50] = 1, 2, 3, 4
    return array


class Sitting:
    """Labels that are corrected, and the paint that they teach."""

    def __init__(self, labels: np.ndarray) -> None:
        self.labels, self.history = labels, History()
        self.paint = np.zeros(labels.shape, np.uint16)
        self.taught: set[int] = set()

    def do(self, edit: Edit) -> None:
        edit.apply(self.labels)
        self.history.add(edit)

    def teach(self) -> None:
        made = lesson(self.labels, self.history, self.paint, self.taught)
        self.paint[made.pixels] = made.values
        self.taught |= {*made.numbers}


def test_changed_objects_alone_are_taught(labels: np.ndarray) -> None:
    sitting = Sitting(labels)
    sitting.do(merge(labels, [1, 2]))
    sitting.do(split(labels, np.array([(20.0, 12.0), (38.0, 12.0)])))
    sitting.do(delete(labels, [4]))
    sitting.teach()
    assert np.array_equal(sitting.paint > 1, np.isin(labels, [1, 3, 5]))
    assert len(np.unique(sitting.paint)) == 5  # unknown, background, three objects
    assert np.all(sitting.paint[25:35, 40:50] == 1)
    assert not sitting.paint[labels == 0][sitting.paint[labels == 0] > 1].any()


def test_teaching_again_follows_later_corrections(labels: np.ndarray) -> None:
    sitting = Sitting(labels)
    sitting.do(merge(labels, [1, 2]))
    sitting.teach()
    before = sitting.paint.copy()
    sitting.teach()
    assert np.array_equal(sitting.paint, before)
    sitting.do(split(labels, np.array([(0.0, 10.0), (20.0, 10.0)])))
    sitting.teach()
    assert len(np.unique(sitting.paint[sitting.paint > 1])) == 2
    sitting.do(delete(labels, [1]))
    sitting.teach()
    assert np.array_equal(sitting.paint > 1, labels == 5)
    assert np.all(sitting.paint[5:15, 10:25][labels[5:15, 10:25] == 0] == 1)


def test_what_was_undone_teaches_nothing(labels: np.ndarray) -> None:
    sitting = Sitting(labels)
    sitting.do(added(labels))
    sitting.history.undo(labels)
    sitting.do(delete(labels, [4]))
    sitting.teach()
    assert np.array_equal(sitting.paint == 1, labels_of_four())
    assert np.array_equal(sitting.paint > 0, labels_of_four())


def test_objects_that_are_as_they_were_before_are_not_taught(labels: np.ndarray) -> None:
    sitting = Sitting(labels)
    sitting.do(merge(labels, [1, 2, 3]))  # too many
    sitting.history.undo(labels)
    sitting.do(delete(labels, [4]))  # by mistake
    sitting.history.undo(labels)
    sitting.do(merge(labels, [1, 2]))
    sitting.teach()
    assert np.array_equal(sitting.paint > 0, labels == 1)


def test_a_deletion_that_was_taught_and_undone_is_an_object_again(labels: np.ndarray) -> None:
    sitting = Sitting(labels)
    sitting.do(delete(labels, [4]))
    sitting.teach()
    sitting.history.undo(labels)
    sitting.teach()
    assert np.array_equal(sitting.paint == 2, labels_of_four())


@pytest.mark.parametrize("goes_on", [False, True])
def test_what_was_taught_and_then_undone_is_taken_out(labels: np.ndarray, goes_on: bool) -> None:
    sitting = Sitting(labels)
    sitting.do(added(labels))
    sitting.teach()
    assert np.unique(sitting.paint[ADDED]) == 2
    sitting.history.undo(labels)
    if goes_on:  # what was undone cannot be done again, but is remembered
        sitting.do(delete(labels, [4]))
    sitting.teach()
    assert np.array_equal(sitting.paint > 0, goes_on & labels_of_four())


def test_background_stays_where_an_addition_was_undone(labels: np.ndarray) -> None:
    sitting = Sitting(labels)
    sitting.do(delete(labels, [4]))
    sitting.teach()
    sitting.do(add(labels, np.ones((10, 10), bool), (slice(25, 35), slice(40, 50))))
    sitting.teach()
    assert np.unique(sitting.paint[25:35, 40:50]) == 2
    sitting.history.undo(labels)
    sitting.teach()
    assert np.array_equal(sitting.paint == 1, labels_of_four())


ADDED = slice(5, 15), slice(40, 50)


def added(labels: np.ndarray) -> Edit:
    """Return the edit that adds an object where there is none."""
    return add(labels, np.ones((10, 10), bool), ADDED)


def labels_of_four() -> np.ndarray:
    """Return where object 4 was."""
    mask = np.zeros((40, 60), bool)
    mask[25:35, 40:50] = True
    return mask


def test_what_was_painted_by_hand_stays(labels: np.ndarray) -> None:
    sitting = Sitting(labels)
    sitting.paint[4:16, 14:26] = 9  # most of it is object 2: the same one
    sitting.paint[20:22, :] = 1
    sitting.paint[25:35, 38:42] = 5  # reaches into object 4
    sitting.do(delete(labels, [4]))
    sitting.do(merge(labels, [2, 1]))
    by_hand = sitting.paint.copy()
    sitting.teach()
    assert np.all(sitting.paint[labels == 2] == 9)
    outside = labels != 2
    kept = outside & (by_hand > 0)
    assert np.array_equal(sitting.paint[kept], by_hand[kept])
    assert np.all(sitting.paint[25:35, 42:50] == 1)


@given(arrays(np.uint8, (7, 5, 6), elements=st.integers(0, 6)), st.sets(st.integers(1, 9)))
@settings(max_examples=50, deadline=None)
def test_windows_of_many_objects_are_those_of_each(labels: np.ndarray, numbers: set[int]) -> None:
    each = {n: window_of(labels, [n]) for n in numbers if (labels == n).any()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("napari_scribe.session.edits.SLAB", 60)
        assert windows_of(labels, numbers) == each


@given(
    arrays(np.int32, (9, 12), elements=st.integers(0, 5)),
    arrays(np.uint16, (9, 12), elements=st.integers(0, 5)),
)
@settings(max_examples=50, deadline=None)
def test_every_object_is_taught_with_a_number_of_its_own(
    labels: np.ndarray, paint: np.ndarray
) -> None:
    numbers = range(1, 8)
    made = lesson(labels, History(numbers), paint)
    present = [n for n in numbers if (labels == n).any()]
    assert len({*made.numbers}) == len(made.numbers) == len(present)
    assert min(made.numbers, default=2) > 1
    after = paint.copy()
    after[made.pixels] = made.values
    for number, taught in zip(present, made.numbers, strict=True):
        may_change = np.isin(paint, [0, 1, taught])
        assert np.all(after[(labels == number) & may_change] == taught)
    taken_over = np.isin(paint, made.numbers)
    assert np.array_equal(after[(paint > 1) & ~taken_over], paint[(paint > 1) & ~taken_over])


def test_labels_are_searched_once_however_many_objects_were_corrected() -> None:
    searched = []

    class Counted(np.ndarray):
        def __getitem__(self, index: object) -> np.ndarray:
            part = np.asarray(super().__getitem__(index))
            searched.append(part.size)
            return part

    labels = np.arange(1, 101).reshape(10, 10).repeat(8, 0).repeat(8, 1).astype(np.int32)
    lesson(labels.view(Counted), History(range(1, 101)), np.zeros(labels.shape, np.uint16))
    assert sum(searched) <= 4 * labels.size

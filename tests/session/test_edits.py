"""Corrections of labels: exact, in any slice, and undone without a trace."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from napari_scribe.errors import InputError
from napari_scribe.session import edits
from napari_scribe.session.edits import Edit, add, delete, fill, merge, split, window_of
from napari_scribe.session.history import History

LABELS = arrays(np.int32, st.tuples(*[st.integers(1, 12)] * 2), elements=st.integers(0, 4))
few = settings(max_examples=20)
STACKS = arrays(np.uint16, st.tuples(*[st.integers(1, 6)] * 3), elements=st.integers(0, 3))


def applied(labels: np.ndarray, edit: Edit) -> np.ndarray:
    after = labels.copy()
    edit.apply(after)
    return after


def drawn(kind: str, labels: np.ndarray, path: np.ndarray, within: tuple[slice, ...]) -> Edit:
    match kind:
        case "delete":
            return delete(labels, [1, 2], within)
        case "merge":
            return merge(labels, [2, 1], within)
        case "split":
            return split(labels, path, within)
        case "fill":
            return fill(labels, within)
    return add(labels, np.ones((1, 3, 3), bool), (within[0], slice(-1, 2), slice(-1, 2)))


def disk(shape: tuple[int, int] = (40, 40), radius: float = 15) -> np.ndarray:
    y, x = np.indices(shape)
    return (np.hypot(y - shape[0] // 2, x - shape[1] // 2) <= radius).astype(np.int32)


@few
@given(LABELS, st.lists(st.integers(1, 5), max_size=3))
def test_delete_takes_away_these_objects_alone(labels: np.ndarray, numbers: list[int]) -> None:
    after = applied(labels, delete(labels, numbers))
    assert np.array_equal(after, np.where(np.isin(labels, numbers), 0, labels))


@few
@given(LABELS, st.lists(st.integers(1, 5), min_size=2, max_size=4, unique=True))
def test_merged_objects_have_the_number_of_the_first(
    labels: np.ndarray, numbers: list[int]
) -> None:
    after = applied(labels, merge(labels, numbers))
    assert np.array_equal(after, np.where(np.isin(labels, numbers), numbers[0], labels))


@few
@given(LABELS, arrays(np.float64, (3, 2), elements=st.integers(-2, 13)))
def test_split_keeps_every_pixel(labels: np.ndarray, path: np.ndarray) -> None:
    try:
        after = applied(labels, split(labels, path))
    except InputError:
        return
    assert np.array_equal(after > 0, labels > 0)
    for number in np.unique(after[after > 0]):
        assert len(np.unique(labels[after == number])) == 1  # no piece is of two objects
    assert len(np.unique(after)) > len(np.unique(labels))


@few
@given(STACKS, st.data())
def test_undo_and_redo_restore_exactly(labels: np.ndarray, data: st.DataObject) -> None:
    history, states = History(), [labels.copy()]
    work = labels.copy()
    for _ in range(4):
        z = data.draw(st.integers(0, len(work) - 1))
        within = (slice(z, z + 1), slice(0, work.shape[1]), slice(0, work.shape[2]))
        corner = (z, work.shape[1] - 1, work.shape[2] - 1)
        path = np.array([(z, 0, 0), corner], float)
        kind = data.draw(st.sampled_from(["delete", "merge", "split", "fill", "add"]))
        try:
            edit = drawn(kind, work, path, within)
        except InputError:
            continue
        edit.apply(work)
        history.add(edit)
        states.append(work.copy())
    assert len(list(history.changed())) == len(states) - 1
    for state in states[-2::-1]:
        assert history.undo(work) is not None
        assert np.array_equal(work, state)
    assert history.undo(work) is None
    for state in states[1:]:
        assert history.redo(work) is not None
        assert np.array_equal(work, state)
    assert history.redo(work) is None


def test_a_stroke_through_an_object_cuts_it_in_two() -> None:
    labels = disk()
    labels[labels == 0] = 7  # in dense tissue, too
    after = applied(labels, split(labels, np.array([(20.0, 6.0), (20.0, 34.0)])))
    assert (after == 7).sum() == (labels == 7).sum()
    sizes = sorted([(after == 1).sum(), (after == 8).sum()])
    assert sum(sizes) == (labels == 1).sum()
    assert sizes[0] > 0.4 * sum(sizes)
    assert ndimage.label(after == 8)[1] == 1
    assert (after == 1).sum() >= (after == 8).sum()  # the larger piece keeps the number


def test_a_stroke_that_is_too_short_is_drawn_on_to_the_border() -> None:
    labels = disk()
    labels[labels == 0] = 7
    after = applied(labels, split(labels, np.array([(12.0, 14.0), (22.0, 24.0)])))
    assert set(np.unique(after)) == {1, 7, 8}
    assert (after == 7).sum() == (labels == 7).sum()


def test_an_object_that_is_only_grazed_stays_whole() -> None:
    labels = np.zeros((30, 30), np.int32)
    labels[5:15, 5:25], labels[15:25, 5:25] = 1, 2
    after = applied(labels, split(labels, np.array([(3.0, 15.0), (16.0, 15.0), (16.0, 28.0)])))
    assert set(np.unique(after)) == {0, 1, 2, 3}
    assert np.array_equal(after == 2, labels == 2)


def test_what_cuts_nothing_says_so() -> None:
    for path in ([(1.0, 1.0), (1.0, 30.0)], [(20.0, 20.0)]):
        with pytest.raises(InputError, match="right through an object"):
            split(disk(), np.array(path))
    with pytest.raises(InputError, match="from one object into another"):
        merge(disk(), [1, 1])
    with pytest.raises(InputError, match="There is an object already"):
        add(disk(), np.ones((3, 3), bool), (slice(19, 22), slice(19, 22)))
    with pytest.raises(InputError, match="no number left"):
        split(disk().astype(np.uint8) * 255, np.array([(20.0, 0.0), (20.0, 39.0)]))


def test_a_part_far_from_the_stroke_keeps_the_number() -> None:
    labels = np.zeros((20, 60), np.int32)
    labels[5:15, 2:22] = labels[5:15, 40:58] = 3
    after = applied(labels, split(labels, np.array([(2.0, 12.0), (18.0, 12.0)])))
    assert np.all(after[5:15, 40:58] == 3)
    assert set(np.unique(after)) == {0, 3, 4}


def test_a_volume_is_cut_through_its_slices_or_in_one_alone() -> None:
    labels = np.stack([disk()] * 5)
    path = np.array([(2.0, 2.0, 20.0), (2.0, 38.0, 20.0)])
    through = applied(labels, split(labels, path, through=(0,)))
    assert all(set(np.unique(plane)) == {0, 1, 2} for plane in through)
    here = (slice(2, 3), slice(0, 40), slice(0, 40))
    in_one = applied(labels, split(labels, path, here))
    assert [len(np.unique(plane)) for plane in in_one] == [2, 2, 3, 2, 2]


def test_holes_are_filled_and_other_objects_in_them_stay() -> None:
    labels = np.stack([disk(), disk()])
    labels[:, 15:25, 15:25], labels[:, 18:20, 18:20] = 0, 10**9
    here = (slice(1, 2), slice(0, 40), slice(0, 40))
    after = applied(labels, fill(labels, here))
    assert np.array_equal(after[0], labels[0])
    assert np.array_equal(after[1] == 1, (disk() == 1) & (labels[1] != 10**9))
    with pytest.raises(InputError, match="hole"):
        fill(after, here)


def test_an_added_object_takes_only_what_is_free() -> None:
    labels = np.zeros((20, 20), np.int32)
    labels[:, 9:11] = 4
    mask, window = np.ones((10, 10), bool), (slice(-2, 8), slice(6, 16))
    after = applied(labels, add(labels, mask, window, seed=(3, 13)))
    assert np.array_equal(np.argwhere(after == 5).min(axis=0), (0, 11))
    assert not (after[:, :9] == 5).any()
    assert np.array_equal(after == 4, labels == 4)


def test_objects_are_found_slab_by_slab(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.zeros((50, 30), np.int32)
    labels[10:40, 5:7], labels[20, 25] = 3, 8
    monkeypatch.setattr(edits, "SLAB", 100)
    assert window_of(labels, [3, 8]) == (slice(10, 40), slice(5, 26))
    assert window_of(labels, [9]) == (slice(0, 0), slice(0, 0))


def test_the_oldest_edits_are_forgotten_but_not_where_they_were() -> None:
    labels = np.arange(1, 26).reshape(5, 5)
    work, history = labels.copy(), History(most_bytes=60)
    for number in range(1, 10):
        edit = delete(work, [number])
        edit.apply(work)
        history.add(edit)
    while history.can_undo:
        history.undo(work)
    assert 0 < (work == 0).sum() < 9
    where = np.zeros(labels.shape, bool)
    for window, mask in history.changed():
        where[window] |= mask
    assert np.array_equal(where, work == 0)
    assert history.numbers() == sorted(labels[where].tolist())

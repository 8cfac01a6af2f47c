"""The objects of a result are gone through one by one."""

from __future__ import annotations

import numpy as np

from napari_scribe.session.draft import Draft


def example() -> tuple[np.ndarray, np.ndarray]:
    """Four objects, of which paint covers the second wholly and the fourth by a corner."""
    labels, paint = np.zeros((2, 40, 50), np.int32)
    for number, x in ((1, 2), (2, 12), (5, 22), (6, 32)):
        labels[10:18, x : x + 8] = number
    paint[10:18, 12:20] = 3
    paint[10:12, 32:34] = 1
    return labels, paint


def test_objects_that_are_painted_already_are_not_asked_about() -> None:
    draft = Draft(*example())
    assert list(draft.waiting) == [1, 5, 6]
    assert (draft.current, draft.n_decided, draft.n_objects) == (1, 0, 3)


def test_what_is_skipped_comes_again_in_the_end() -> None:
    draft = Draft(*example())
    draft.go_on(is_decided=False)
    assert (draft.current, draft.n_decided) == (5, 0)
    draft.go_on()
    draft.go_on()
    assert (draft.current, draft.n_decided) == (1, 2)
    draft.go_on()
    assert (draft.current, draft.n_decided) == (None, 3)


def test_only_unpainted_pixels_are_given() -> None:
    labels, paint = example()
    draft = Draft(labels, paint)
    expected = (labels == 6) & (paint == 0)
    found = np.zeros_like(expected)
    found[draft.unpainted(6)] = True
    np.testing.assert_array_equal(found, expected)
    assert labels[draft.place(5)] == 5


def test_the_rest_is_numbered_from_a_first_number() -> None:
    labels, paint = example()
    draft = Draft(labels, paint)
    draft.go_on()
    points, values = draft.numbered_from(9)
    out = np.zeros_like(labels)
    out[points] = values
    np.testing.assert_array_equal(out == 9, labels == 5)
    np.testing.assert_array_equal(out == 10, (labels == 6) & (paint == 0))
    draft.waiting.clear()
    points, values = draft.numbered_from(9)
    assert [len(axis) for axis in points] == [0, 0]
    assert not len(values)


def test_a_ring_is_shown_on_itself() -> None:
    y, x = np.indices((40, 40))
    radius = np.hypot(y - 20, x - 20)
    labels = ((radius < 15) & (radius > 10)).astype(np.int32)
    assert labels[Draft(labels, np.zeros_like(labels)).place(1)] == 1


def test_an_empty_result_asks_nothing() -> None:
    nothing = np.zeros((20, 30), np.int32)
    assert Draft(nothing, nothing).current is None

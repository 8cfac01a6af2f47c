"""Which frames are scored one by one."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scribe.evaluation.frames import frame_pairs
from napari_scribe.evaluation.metrics import evaluate, evaluate_classes, pool
from napari_scribe.image import Image

SIZES = {"T": 2, "Z": 3, "Y": 8, "X": 9}


def stack(axes: str) -> np.ndarray:
    return np.arange(np.prod([SIZES[a] for a in axes])).reshape([SIZES[a] for a in axes])


@pytest.mark.parametrize(
    ("axes", "slices", "each"),
    [("YX", False, "YX"), ("ZYX", False, "ZYX"), ("ZYX", True, "YX"), ("TYX", False, "YX"),
     ("TZYX", False, "ZYX"), ("TZYX", True, "YX"), ("ZTYX", False, "ZYX")],
)  # fmt: skip
def test_frames(axes: str, slices: bool, each: str):
    labels = Image(stack(axes), axes)
    pairs = list(frame_pairs(labels, labels, slices))
    frames = [a for a in axes if a not in each]
    assert len(pairs) == np.prod([SIZES[a] for a in frames])
    moved = np.moveaxis(labels.data, [axes.index(a) for a in "TZ" if a in frames],
                        range(len(frames)))  # fmt: skip
    found = np.stack([p for p, _ in pairs]).reshape(moved.shape)
    np.testing.assert_array_equal(found, moved)
    assert all(np.array_equal(p, t) for p, t in pairs)


@pytest.mark.parametrize("known", ["TYX", "ZYX"])
def test_a_movie_is_one_where_either_says_so(known: str):
    anew = np.zeros((2, 8, 9), int)
    anew[:, 1:4, 1:4], anew[:, 5:8, 5:8] = 1, 2
    on = anew + np.array([0, 2])[:, None, None] * (anew > 0)
    other = {"TYX": "ZYX", "ZYX": "TYX"}[known]
    pairs = frame_pairs(Image(on, known), Image(anew, other))
    assert pool([evaluate(p, t) for p, t in pairs]).ap[0] == 1
    assert evaluate(on, anew).ap[0] < 1


def test_other_shapes_are_one_pair():
    labels, truth = Image(stack("TYX"), "TYX"), Image(stack("YX"), "YX")
    assert [(p.shape, t.shape) for p, t in frame_pairs(labels, truth)] == [((2, 8, 9), (8, 9))]


@pytest.mark.parametrize("axes", ["YX", "YXC", "TCZYX", "ZYX"])
@pytest.mark.parametrize("task", ["objects", "classes"])
def test_axes_of_length_1_do_not_count(axes: str, task: str):
    score = evaluate if task == "objects" else evaluate_classes
    flat = np.arange(48).reshape(6, 8) // 5
    long = flat.reshape([{"Y": 6, "X": 8}.get(a, 1) for a in axes])
    for pair in ((flat, long), (long, flat), (Image(long, axes), Image(flat))):
        assert score(*pair).mean_iou == 1
    for pair in ((Image(flat), Image(long, axes)), (Image(long, axes), Image(flat))):
        assert [np.array_equal(p, t) for p, t in frame_pairs(*pair)] == [True]


def test_a_movie_of_one_slice_is_scored_frame_by_frame():
    movie = stack("TYX")
    for other in (Image(movie[:, None], "TZYX"), Image(movie, "ZYX")):
        assert len(list(frame_pairs(Image(movie, "TYX"), other))) == 2
        assert len(list(frame_pairs(other, Image(movie, "TYX")))) == 2


def test_named_axes_decide_how_two_lie_on_each_other():
    labels = np.arange(36).reshape(6, 6) // 5
    turned = Image(labels.T, "XY")
    for pair in ((turned, labels), (labels, turned), (turned, Image(labels))):
        assert evaluate(*pair).ap.min() == 1
    assert evaluate(labels.T, labels).ap[0] < 1


def test_objects_of_a_movie_are_scored_frame_by_frame() -> None:
    """As the command scores them: a number means another object in another frame."""
    on, anew = np.zeros((2, 2, 8, 9), int)
    anew[:, 1:4, 1:4], anew[:, 5:8, 5:8] = 1, 2
    on[:] = anew + np.array([0, 2])[:, None, None] * (anew > 0)
    for labels, truth in ((Image(on, "TYX"), anew), (on, Image(anew, "TYX")),
                          (on[:, None], anew[:, None])):  # fmt: skip
        scores = evaluate(labels, truth)
        assert scores.n_true == scores.n_predicted == 4
        assert scores.ap.min() == 1
    assert evaluate(on, anew, slices=True).ap.min() == 1
    assert evaluate(on, anew).n_true == 2, "three axes of arrays are a stack"
    turned = Image(np.moveaxis(on, 0, -1), "YXT")
    assert evaluate(turned, anew).ap.min() == 1

"""What is known from paint: the table of the data contract."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from napari_scribe.errors import InputError
from napari_scribe.image import Image
from napari_scribe.recipe import Recipe
from napari_scribe.samples import nuclei, simulate_paint
from napari_scribe.targets import Paint, encoding_of
from napari_scribe.targets.paint import (
    as_meant,
    check_values,
    fitted,
    held_out,
    like_objects,
    objects_from_ones,
    question,
    separated,
)

YX = Image(np.zeros((6, 8), np.uint8))
PAINT = np.zeros((6, 8), np.int32)
PAINT[1, 1:4] = 1
PAINT[3:5, 2:5] = 2
PAINT[3:5, 6] = 7


# ---- the contract table -------------------------------------------------------------------------


def known(labels: np.ndarray, task: str) -> tuple[np.ndarray, np.ndarray]:
    """Values and weights of the first head, without a ring around objects."""
    recipe = Recipe(task=task, **({"target": {"ring": 0}} if task == "objects" else {}))
    painted = tuple(np.unique(labels[labels > 0]).tolist())
    encoded = encoding_of(recipe, painted).encode(labels, np.zeros(labels.shape, bool))
    return encoded.values[0], encoded.weights[0]


def test_objects_0_is_unknown_1_background_and_2_up_are_objects():
    values, weights = known(PAINT, "objects")
    assert (weights[PAINT == 0] == 0).all()
    assert (weights[PAINT > 0] >= 1).all()
    assert (values[PAINT == 1] == 0).all()
    assert (values[PAINT >= 2] == 1).all()


def test_classes_0_is_unknown_and_every_value_a_class():
    values, weights = known(PAINT, "classes")
    assert (weights == (PAINT > 0)).all()
    assert (values[PAINT == 1] == 0).all()
    assert (values[PAINT == 2] == 1).all()
    assert (values[PAINT == 7] == 2).all()


def test_complete_changes_only_what_0_means():
    image = YX
    paint = Paint(PAINT, complete=True)
    np.testing.assert_array_equal(paint.frame(image, ()), np.where(PAINT == 0, 1, PAINT))
    np.testing.assert_array_equal(Paint(PAINT).frame(image, ()), PAINT)
    assert PAINT.min() == 0  # the user's array is left alone


def test_complete_boxes_end_where_they_say():
    boxes = [((0, 3), (0, 4)), ((5, 6), (7, 8))]
    expected = PAINT.copy()
    expected[0:3, 0:4] = 1
    expected[5, 7] = 1
    np.testing.assert_array_equal(Paint(PAINT, complete=boxes).frame(YX, ()), expected)


def test_complete_boxes_of_stacks():
    image = Image(np.zeros((2, 3, 6, 8), np.uint8), "TZYX")
    empty = np.zeros((2, 3, 6, 8), np.uint16)
    paint = Paint(empty, complete=[((1, 2), (0, 2), (2, 4), (2, 5))])
    expected = empty.copy()
    expected[1:2, 0:2, 2:4, 2:5] = 1
    for dimensions in (2, 3):
        for frame in image.frames(dimensions):
            there = expected[image.label_index(frame)]
            np.testing.assert_array_equal(paint.frame(image, frame), there)


@pytest.mark.parametrize(
    "boxes", [[((0, 3),)], [((0, 3), (0, 4), (0, 1))], [((-1, 3), (0, 4))], [((2, 9), (0, 4))],
              [((3, 3), (0, 4))]]
)  # fmt: skip
def test_boxes_that_do_not_fit_are_refused(boxes: Any):
    with pytest.raises(InputError, match="complete"):
        fitted(Paint(PAINT, complete=boxes), YX)


# ---- masks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "int64", "uint64", "float32"])
def test_a_mask_knows_everything(dtype: str):
    mask = np.array([[0, 0, 1], [0, 1, 1]]).astype(dtype)
    paint = Paint.from_mask(mask)
    image = Image(np.zeros((2, 3), np.uint8))
    np.testing.assert_array_equal(paint.frame(image, ()), [[1, 1, 2], [1, 2, 2]])
    assert (paint.complete, paint.offset) == (True, 1)


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (np.array([[0.5, 1]]), "whole numbers"),
        (np.array([[np.nan, 1]]), "whole numbers"),
        (np.array([[np.inf, 1]]), "whole numbers"),
        (np.array([[-1, 1]]), "negative"),
        (np.array([[2**31 - 1, 1]]), "too large"),
        (np.array([[2**40, 1]]), "too large"),
    ],
)
def test_what_is_no_mask(mask: np.ndarray, said: str):
    with pytest.raises(InputError, match=said):
        Paint.from_mask(mask)


@pytest.mark.parametrize("dtype", [float, complex, "U1"])
def test_paint_is_whole_numbers(dtype: Any):
    with pytest.raises(InputError, match="needs whole numbers, as in a labels layer"):
        Paint(np.zeros((4, 4)).astype(dtype))


def test_a_frame_is_not_changed_by_later_strokes():
    array = np.full_like(PAINT, 9)
    frame = Paint(array).frame(YX, ())
    array[:] = 3
    assert (frame == 9).all()


# ---- messages -----------------------------------------------------------------------------------


def test_paint_of_another_shape():
    image = Image(np.zeros((2, 3, 6, 8)), "CZYX", name="cells")
    fitted(Paint(np.zeros((3, 6, 8), int)), image)
    with pytest.raises(InputError, match=r"\(2, 3, 6, 8\) but cells has \(3, 6, 8\) \(axes ZYX\)"):
        fitted(Paint(np.zeros((2, 3, 6, 8), int)), image)


@pytest.mark.parametrize(
    ("axes", "shape", "paint"),
    [
        ("TCZYX", (1, 2, 1, 6, 8), (6, 8)),
        ("TCZYX", (1, 2, 1, 6, 8), (1, 1, 1, 6, 8)),
        ("TCZYX", (4, 2, 1, 6, 8), (4, 6, 8)),
        ("CZYX", (2, 4, 6, 8), (1, 4, 6, 8, 1)),
        ("YX", (6, 8), (6, 8, 1)),
        ("YXC", (6, 8, 1), (1, 6, 8)),
        ("ZYX", (4, 1, 8), (4, 8)),
    ],
)
def test_axes_of_length_1_do_not_decide_whether_paint_fits(
    axes: str, shape: tuple[int, ...], paint: tuple[int, ...]
):
    image = Image(np.zeros(shape, np.uint8), axes)
    values = np.arange(np.prod(paint)).reshape(paint)
    for array in (values, da.from_array(values)):
        found = fitted(Paint(array), image)
        assert found.array.shape == image.label_shape()
        np.testing.assert_array_equal(np.asarray(found.array).ravel(), values.ravel())
        frames = [found.frame(image, frame) for frame in image.frames(2)]
        np.testing.assert_array_equal(np.ravel(frames), values.ravel())


def test_named_axes_of_paint_decide_how_it_lies():
    image = Image(np.zeros((6, 6), np.uint8))
    values = np.arange(36).reshape(6, 6)
    np.testing.assert_array_equal(fitted(Paint(values), image).array, values)
    np.testing.assert_array_equal(fitted(Paint(values, axes="XY"), image).array, values.T)
    turned = Paint(Image(values[:, None], "XZY"), complete=[((1, 2), (0, 1), (3, 5))])
    expected = values.T.copy()
    expected[3:5, 1:2] = np.maximum(expected[3:5, 1:2], 1)
    np.testing.assert_array_equal(fitted(turned, image).array, values.T)
    assert fitted(turned, image).complete == [((3, 5), (1, 2))]
    np.testing.assert_array_equal(fitted(turned, image).frame(image, ()), expected)


@pytest.mark.parametrize("shape", [(8, 6), (1, 8, 6), (6, 4, 2), (2, 6, 8), (48,)])
def test_paint_of_other_sizes_is_refused_whatever_its_axes(shape: tuple[int, ...]):
    image = Image(np.zeros((1, 1, 6, 8), np.uint8), "TZYX")
    with pytest.raises(InputError, match="The paint has shape"):
        fitted(Paint(np.zeros(shape, int)), image)


def test_paint_is_laid_on_its_image_without_a_copy():
    image = Image(np.zeros((1, 6, 8), np.uint8), "ZYX")
    array = PAINT.copy()
    found = fitted(Paint(array), image)
    array[0, 0] = 9
    assert found.array[0, 0, 0] == 9


@pytest.mark.parametrize(
    ("found", "task", "said"),
    [
        (set(), "objects", "Nothing is painted yet. Paint some objects"),
        (set(), "classes", "Nothing is painted yet. Paint a few strokes of each class"),
        ({1}, "objects", "(?s)holds no object: .*ones_are_objects=True"),
        ({1}, "classes", "Only class 1 is painted"),
        ({4}, "classes", "Only class 4 is painted"),
    ],
)
def test_paint_that_teaches_nothing(found: set[int], task: str, said: str):
    with pytest.raises(InputError, match=said):
        check_values(found, task)


@pytest.mark.parametrize(
    ("found", "task"), [({1, 2}, "objects"), ({5}, "objects"), ({2, 7}, "classes")]
)
def test_paint_that_teaches_something(found: set[int], task: str):
    check_values(found, task)


# ---- what is held out ---------------------------------------------------------------------------


@given(st.integers(0, 2**16), st.integers(0, 9), st.integers(1, 12), st.data())
def test_held_out_paint_stays_held_out_while_more_is_painted(
    seed: int, index: int, n_images: int, data: st.DataObject
):
    task = data.draw(st.sampled_from(["objects", "classes"]))
    rng = np.random.default_rng(seed)
    later = rng.integers(0, 6, (70, 80)).astype(np.int32) * rng.integers(0, 2, (70, 80))
    first = np.where(rng.random((70, 80)) < 0.5, later, 0).astype(np.int32)
    one, other = (held_out(p, index % n_images, n_images, task) for p in (first, later))
    painted = first > 0
    np.testing.assert_array_equal(one[painted], other[painted])


@given(st.integers(0, 9), st.integers(1, 12), st.lists(st.integers(2, 50), min_size=1, max_size=9))
def test_objects_are_held_out_whole(index: int, n_images: int, labels: list[int]):
    paint = np.kron(np.array(labels, np.int32)[np.newaxis], np.ones((3, 40), np.int32))
    held = held_out(paint, index % n_images, n_images, "objects")
    for label in set(labels):
        assert len(set(held[paint == label].tolist())) == 1


@pytest.mark.parametrize("index", [0, 1, 2])
def test_one_object_in_five_validates(index: int):
    paint = np.arange(2, 52, dtype=np.int32)[np.newaxis]
    assert held_out(paint, index, 3, "objects").sum() == 10


@pytest.mark.parametrize("task", ["objects", "classes"])
def test_one_place_in_five_validates(task: str):
    held = held_out(np.ones((640, 640), np.int32), 0, 1, task)
    assert 0.15 < held.mean() < 0.25
    places = held.reshape(20, 32, 20, 32)
    assert (places.all(axis=(1, 3)) | ~places.any(axis=(1, 3))).all()


def test_one_image_in_ten_validates_where_there_are_many():
    paint = np.ones((4, 4), np.int32)
    whole = [held_out(paint, i, 30, "objects") for i in range(30)]
    assert all(h.all() or not h.any() for h in whole)
    assert sum(bool(h.all()) for h in whole) == 3


# ---- one number for many objects ----------------------------------------------------------------


def test_one_number_for_many_pieces_is_refused_until_it_is_said_what_they_are():
    mask = (truth_of(0) > 0) * np.uint8(255)
    n = ndimage.label(mask, np.ones((3, 3)))[1]
    image = Image(np.zeros(mask.shape), name="cells")
    for paint in (Paint(mask), Paint.from_mask(mask), Paint(mask, complete=True)):
        with pytest.raises(InputError, match=f"of cells: Label 255 covers {n} separate pieces"):
            separated(fitted(paint, image), 2, image.name)
        each = separated(replace(paint, pieces=True), 2, "cells").frame(image, ())
        assert len(np.unique(each[each > 1])) == n
        kept = replace(paint, pieces=False)
        assert separated(kept, 2, "cells") is kept


def test_pieces_of_label_1_are_objects_where_nothing_else_is_painted():
    ones = (truth_of(0) > 0).astype(np.uint8)
    found = separated(Paint(ones, pieces=True), 2, "cells").array
    np.testing.assert_array_equal(found, objects_from_ones(ones))
    assert len(np.unique(separated(Paint.from_mask(0 * ones, pieces=True), 2, "").array)) == 1


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("number", [2, 255])
def test_objects_with_one_number_raise_a_question(seed: int, number: int):
    mask = (truth_of(seed) > 0) * number
    assert asked(mask).startswith(f"pieces: Label {number} covers ")
    assert question(mask, "classes") is None
    assert question(as_meant(mask), "objects") is None
    strokes = simulate_paint(truth_of(seed), 8, 4, seed)
    assert asked(np.where(strokes > 1, number, strokes)).startswith("pieces: ")


# ---- the two slips ------------------------------------------------------------------------------

SEEDS = range(6)


def truth_of(seed: int, shape: tuple[int, ...] = (256, 256)) -> np.ndarray:
    return nuclei(shape, seed=seed).truth


def asked(paint: np.ndarray) -> str:
    slip = question(paint, "objects")
    return "" if slip is None else f"{slip.kind}: {slip.text}"


def some_objects(truth: np.ndarray, n: int, seed: int) -> np.ndarray:
    return simulate_paint(truth, n, 0, seed)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("n", [3, 8, 20])
def test_objects_painted_with_label_1_raise_a_question(seed: int, n: int):
    ones = (some_objects(truth_of(seed), n, seed) > 0).astype(np.uint8)
    if ndimage.label(ones)[1] < 3:  # some of them touch
        return
    assert asked(ones).startswith("ones: ")
    assert "label 1, which means background. Are they objects?" in asked(ones)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_ordinary_mask_raises_a_question(seed: int):
    truth = truth_of(seed)
    assert asked(truth).startswith("mask: ") and "ordinary mask" in asked(truth)
    few = some_objects(truth, 6, seed)
    assert "ordinary mask" in asked(np.where(few > 0, few - 1, 0))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("width", [1, 3, 7])
@pytest.mark.parametrize(("n_objects", "n_strokes"), [(3, 1), (10, 1), (10, 4), (0, 3), (0, 8)])
def test_paint_as_it_should_be_raises_none(seed: int, width: int, n_objects: int, n_strokes: int):
    paint = simulate_paint(truth_of(seed), n_objects, n_strokes, seed, width)
    assert question(paint, "objects") is None


@pytest.mark.parametrize(("n_objects", "n_strokes"), [(3, 1), (10, 1), (10, 4), (0, 3)])
def test_dabs_as_thick_as_objects_seldom_raise_one(n_objects: int, n_strokes: int):
    """Half an object wide, and short where there is no room: some look like objects indeed."""
    paints = (simulate_paint(truth_of(s), n_objects, n_strokes, s, 15) for s in SEEDS)
    assert sum(question(paint, "objects") is not None for paint in paints) <= 1


@pytest.mark.parametrize("seed", SEEDS)
def test_a_dab_of_background_raises_none(seed: int):
    """One short dab with a large brush is as round as an object, but larger."""
    truth = truth_of(seed)
    paint = some_objects(truth, 5, seed)
    assert question(paint, "objects") is None  # no background at all
    away = ndimage.distance_transform_edt(truth == 0)
    y, x = np.unravel_index(away.argmax(), away.shape)
    for radius in (1, 2):
        paint[y - radius : y + radius + 1, x - radius : x + radius + 1] = 1
        assert question(paint, "objects") is None


@pytest.mark.parametrize("seed", SEEDS[:3])
def test_the_slips_in_3d(seed: int):
    truth = truth_of(seed, (16, 96, 96))
    paint = simulate_paint(truth, 5, 3, seed)
    assert question(paint, "objects") is None
    objects = np.where(paint > 1, paint, 0)
    ones = (objects > 0).astype(np.uint8)
    if ndimage.label(ones)[1] >= 3:
        assert "Are they objects?" in asked(ones)
    assert "ordinary mask" in asked(np.where(objects > 0, objects - 1, 0))


def test_classes_and_complete_masks_raise_none():
    truth = truth_of(0)
    assert question(truth, "classes") is None
    assert question((truth > 0).astype(np.uint8), "classes") is None
    assert question(np.zeros((9, 9), np.uint8), "objects") is None


def test_one_object_a_piece_is_the_answer_yes():
    paint = np.zeros((10, 10), np.uint8)
    paint[1:3, 1:3] = 1
    paint[6:8, 1:3] = 1
    paint[6:8, 6:8] = 5
    out = objects_from_ones(paint)
    assert (out[paint == 0] == 0).all()
    pieces = np.s_[1:3, 1:3], np.s_[6:8, 1:3], np.s_[6:8, 6:8]
    labels = [set(out[piece].ravel().tolist()) for piece in pieces]
    assert all(len(s) == 1 for s in labels)
    values = set.union(*labels)
    assert len(values) == 3 and min(values) >= 2
    np.testing.assert_array_equal(out > 0, paint > 0)


@pytest.mark.parametrize("seed", SEEDS[:4])
def test_objects_from_ones_answers_the_question(seed: int):
    ones = (some_objects(truth_of(seed), 8, seed) > 0).astype(np.uint8)
    assert question(objects_from_ones(ones), "objects") is None


def blobs(values: list[int], side: int = 96) -> np.ndarray:
    """Squares of these values, side by side."""
    paint = np.zeros((side, side), np.uint16)
    for i, value in enumerate(values):
        y, x = divmod(i, side // 16)
        paint[16 * y + 2 : 16 * y + 14, 16 * x + 2 : 16 * x + 14] = value
    return paint


@pytest.mark.parametrize(
    ("values", "is_asked"),
    [
        (list(range(2, 10)), True),  # eight cells, no background
        ([2, 7, 90], True),  # whatever the numbers
        ([2, 3, 4, 1, 1], True),  # with strokes of background
        ([2, 3, 2, 3], False),  # classes: each in more than one place
        ([1, 2], False),
        ([2], False),
        ([], False),
    ],
)
@pytest.mark.parametrize("is_3d", [False, True])
def test_classes_painted_as_objects_are_asked_about(
    values: list[int], is_asked: bool, is_3d: bool
) -> None:
    paint = blobs(values)
    if is_3d:
        paint = np.stack([np.zeros_like(paint), *[paint] * 12])
    assert ("Are these objects?" in like_objects(paint)) == is_asked


def test_one_stroke_a_class_is_no_object() -> None:
    paint = np.zeros((90, 90), np.uint8)
    for value in (1, 2, 3, 4):
        paint[np.arange(60), np.arange(60) + 5 * value] = value
    assert like_objects(paint) == ""


def test_paints_are_compared_as_objects():
    one, other = Paint(np.ones((4, 5), int)), Paint(np.ones((4, 5), int))
    assert one == one
    assert one != other
    assert len({one, other}) == 2

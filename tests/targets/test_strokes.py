"""A stroke inside an object teaches what is inside, but nothing of where the object ends."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy import ndimage

import napari_scribe as ns
from napari_scribe.errors import InputError
from napari_scribe.image import Image
from napari_scribe.recipe import ObjectsTarget
from napari_scribe.samples import nuclei, simulate_paint
from napari_scribe.targets import Paint
from napari_scribe.targets.affinities import AffinitiesEncoding
from napari_scribe.targets.border import BorderEncoding
from napari_scribe.targets.distance import STROKE, DistanceEncoding
from napari_scribe.targets.encoding import PaintEncoding
from napari_scribe.targets.objects import renumbered
from napari_scribe.targets.paint import held_out, separated
from napari_scribe.targets.strokes import find_strokes, with_strokes
from napari_scribe.training.setup import Setup, set_up

SAMPLE = nuclei((256, 256), seed=1)


@pytest.fixture
def paint() -> np.ndarray:
    """2 is drawn whole; 5 and 9 are strokes, 9 beside a stroke of background."""
    labels = np.zeros((40, 40), np.int32)
    labels[4:14, 4:14] = 2
    labels[20:23, 5:15] = 5
    labels[30:33, 5:15] = 9
    labels[33:36, 5:15] = 1
    return labels


@pytest.fixture
def labels(paint: np.ndarray) -> np.ndarray:
    image = Image(np.zeros(paint.shape, np.uint8))
    return Paint(paint, in_part=[5, 9]).frame(image, ())


def test_numbers_of_objects_in_part_are_negative(paint: np.ndarray, labels: np.ndarray):
    image = Image(np.zeros(paint.shape, np.uint8))
    assert np.unique(labels).tolist() == [-9, -5, 0, 1, 2]
    np.testing.assert_array_equal(np.abs(labels), paint)
    all_of_them = Paint(paint, complete=True, in_part=True).frame(image, ())
    assert np.unique(all_of_them).tolist() == [-9, -5, -2, 1]
    assert np.unique(renumbered(labels)).tolist() == [-3, -2, 0, 1, 2]


def test_pieces_keep_being_in_part(paint: np.ndarray):
    paint[30:33, 9:11] = 0  # 9 is in two pieces
    pieces = separated(Paint(paint, pieces=True, in_part=[9]), 2, "cells")
    mask = np.isin(pieces.array, pieces.in_part)
    assert np.array_equal(mask, paint == 9) and len(pieces.in_part) == 2


@pytest.mark.parametrize("in_part", ["all", [1, 5], [2.5]])
def test_what_is_in_part_is_checked(paint: np.ndarray, in_part: object):
    with pytest.raises(InputError, match="in_part"):
        Paint(paint, in_part=in_part)


def test_classes_are_not_painted_in_part(paint: np.ndarray):
    with pytest.raises(InputError, match="classes cannot"):
        ns.train([paint * 20], [Paint(paint, in_part=[5])], {"task": "classes"}, steps=1)


def test_the_same_objects_validate(paint: np.ndarray, labels: np.ndarray):
    for image_index in range(3):
        of_whole = held_out(paint, image_index, 3, "objects")
        assert np.array_equal(held_out(labels, image_index, 3, "objects"), of_whole)


@pytest.mark.parametrize("has_background", [True, False])
def test_distance_learns_the_foreground_of_strokes_without_a_ring(labels, has_background):
    target = ObjectsTarget()
    encoded = DistanceEncoding(target).encode(labels, labels > 9, has_background)
    (foreground, distance), (weights, of_distance) = encoded.values, encoded.weights
    stroke = labels < 0
    assert (foreground[stroke] == 1).all() and np.allclose(weights[stroke], 1)
    assert (distance[stroke] == 1).all() and np.allclose(of_distance[stroke], STROKE)
    beside = np.s_[24:29, 5:15]
    unknown = 0 if has_background else target.unpainted
    assert np.allclose(weights[beside], unknown) and np.allclose(of_distance[beside], unknown)
    ring = ndimage.binary_dilation(labels == 2, iterations=3) & (labels == 0)
    assert (foreground[ring] == 0).all() and (weights[ring] >= 1).all()


def test_border_learns_the_foreground_of_strokes_without_a_ring(labels: np.ndarray):
    encoded = BorderEncoding(ObjectsTarget()).encode(labels, labels > 9)
    assert (encoded.values[0][labels < 0] == 1).all()
    assert (encoded.weights[0][labels < 0] >= 1).all()
    assert not encoded.weights[0][24:29, 5:15].any()


def test_affinities_know_nothing_of_where_strokes_end(labels: np.ndarray):
    coder = AffinitiesEncoding(ObjectsTarget(ring=0))
    encoded = coder.encode(labels, labels > 9)
    assert (encoded.values[0] == ((labels > 1) | (labels < 0))).all()
    assert encoded.labels is not None and encoded.label_weights is not None
    maps = torch.from_numpy(np.stack([encoded.labels, encoded.label_weights])).float()
    (values,), (known,) = coder.encode_warped(maps[:1], maps[1:])
    down = coder.offsets.index((1, 0))
    assert values[down, 20, 8] == 1 and known[down, 20, 8] > 0  # within a stroke
    assert known[down, 22, 8] == 0 and known[down, 19, 8] == 0  # from a stroke to the unknown
    assert values[down, 32, 8] == 0 and known[down, 32, 8] > 0  # from a stroke to background
    assert known[down, 13, 8] > 0 and values[down, 13, 8] == 0  # a whole object ends
    far = coder.offsets.index((9, 0))
    assert values[far, 21, 8] == 0 and known[far, 21, 8] > 0  # from one stroke to the other


@pytest.mark.parametrize("coder", [DistanceEncoding, BorderEncoding, AffinitiesEncoding])
def test_whole_objects_teach_as_without_strokes(coder: type, labels: np.ndarray):
    encoding: PaintEncoding = coder(ObjectsTarget())
    alone = encoding.encode(np.maximum(labels, 0), labels > 9)
    beside = encoding.encode(labels, labels > 9)
    top = np.s_[..., :18, :]
    np.testing.assert_array_equal(beside.values[top], alone.values[top])
    np.testing.assert_array_equal(beside.weights[top], alone.weights[top])


def found(image: np.ndarray, paint: np.ndarray, dimensions: int = 2) -> tuple[int, ...]:
    return find_strokes(Paint(paint), Image(image), (0,), dimensions)


@pytest.mark.parametrize("width", [1, 3, 5])
def test_strokes_are_told_from_whole_objects(width: int):
    truth = SAMPLE.truth
    strokes = simulate_paint(truth, 15, 3, seed=2, stroke_width=width, is_inside=True)
    whole = simulate_paint(truth, 15, 3, seed=2)
    assert found(SAMPLE.image, strokes) == tuple(range(2, 17))
    assert found(SAMPLE.image, whole) == ()
    mixed = np.where(whole % 2 == 0, whole, 0) + np.where(strokes % 2 == 1, strokes, 0)
    assert set(found(SAMPLE.image, mixed)) == set(range(3, 17, 2))


def test_one_stroke_is_enough():
    stroke = simulate_paint(SAMPLE.truth, 1, 0, seed=3, is_inside=True)
    assert found(SAMPLE.image, stroke) == (2,)


def test_rods_drawn_whole_are_no_strokes():
    image = np.random.default_rng(0).normal(0, 1, (80, 80)).astype(np.float32)
    rods = np.zeros((80, 80), np.int32)
    for number, y in enumerate(range(8, 72, 12), start=2):
        rods[y : y + 5, 10:60] = number
    assert found(image, rods) == (2, 3, 4, 5, 6, 7)  # nothing in the image ends where they end
    image[rods > 0] += 8
    assert found(image, rods) == ()
    flat = image[..., np.newaxis].repeat(2, -1)
    flat[..., 0] = 0  # another channel shows nothing
    assert find_strokes(Paint(rods), Image(flat, axes="YXC"), (0, 1), 2) == ()


def test_what_ends_at_painted_background_is_drawn_whole():
    image = np.random.default_rng(0).normal(0, 1, (80, 80)).astype(np.float32)
    rods = np.zeros((80, 80), np.int32)
    for number, y in enumerate(range(8, 72, 12), start=2):
        rods[y : y + 5, 10:60] = number
    assert found(image, rods)  # nothing else says that they are whole
    assert found(image, np.where(rods > 0, rods, 1)) == ()


def test_strokes_in_volumes():
    sample = nuclei((16, 96, 96), seed=0)
    strokes = simulate_paint(sample.truth, 6, 0, seed=0, is_inside=True)
    assert found(sample.image, strokes, 3) == tuple(range(2, 8))
    assert found(sample.image, simulate_paint(sample.truth, 6, 0, seed=0), 3) == ()


def test_complete_labels_hold_no_strokes():
    strokes = simulate_paint(SAMPLE.truth, 6, 0, seed=2, is_inside=True)
    assert find_strokes(Paint(strokes, complete=True), Image(SAMPLE.image), (0,), 2) == ()


def test_only_what_has_changed_is_looked_at_again():
    read = []

    class Watched:
        shape, dtype, ndim = SAMPLE.image.shape, SAMPLE.image.dtype, 2

        def __getitem__(self, index: tuple[slice, ...]) -> np.ndarray:
            read.append(index)
            return SAMPLE.image[index]

    image, known = Image(Watched()), {}
    strokes = simulate_paint(SAMPLE.truth, 6, 0, seed=2, is_inside=True)

    def found(paint: np.ndarray) -> tuple[tuple[int, ...], int]:
        read.clear()
        numbers = find_strokes(Paint(paint), image, (0,), 2, known)
        n_read = len(read)
        assert numbers == find_strokes(Paint(paint), image, (0,), 2)
        return numbers, n_read

    assert found(strokes) == ((2, 3, 4, 5, 6, 7), 6)
    assert found(strokes)[1] == 0
    rows, columns = np.nonzero(strokes == 3)
    shorter = strokes.copy()
    shorter[rows[0], columns[0]] = 0
    assert found(shorter)[1] <= 2
    assert found(np.where(SAMPLE.truth == SAMPLE.truth[rows[9], columns[9]], 3, strokes))[1] <= 2
    _, n_read = found(np.roll(strokes, 5, axis=0))  # other pixels lie beneath it
    assert n_read > 0


def test_an_oblong_object_among_others_is_no_stroke():
    """The sample has one, with neighbours that are not painted and as bright."""
    sample = nuclei((512, 512))
    assert find_strokes(Paint(sample.paint), Image(sample.image), (0,), 2) == ()


def test_the_user_decides_and_is_told():
    strokes = simulate_paint(SAMPLE.truth, 6, 0, seed=2, is_inside=True)
    paint, image = Paint(strokes), Image(SAMPLE.image, name="cells")

    def marked(paint: Paint, choice: str) -> tuple[object, str]:
        recipe = ns.Recipe().changed({"target.strokes": choice})
        (new,), note = with_strokes([paint], [image], (0,), recipe)
        return new.in_part, note

    in_part, note = marked(paint, "auto")
    assert in_part == (2, 3, 4, 5, 6, 7)
    assert "looks like strokes inside objects: 2, 3," in note
    assert "in cells" in note and "target.strokes" in note
    assert marked(paint, "whole") == (False, "")
    assert marked(paint, "inside") == (True, "")
    for said in (False, (3,)):
        assert marked(Paint(strokes, in_part=said), "auto") == (said, "")
    assert marked(Paint(simulate_paint(SAMPLE.truth, 6, 0, seed=2)), "auto") == ((), "")


def test_training_takes_strokes_and_says_so():
    strokes = simulate_paint(SAMPLE.truth, 6, 2, seed=2, is_inside=True)
    recipe = {"training": {"patch": 32, "batch": 1}, "network": {"depth": 1, "width": 4}}
    job = ns.train([SAMPLE.image], [strokes], recipe, steps=3, device="cpu")
    first, *_ = notes = [step.note for step in itertools.islice(job, 1)]
    job.update_paint([np.where(strokes == 3, 0, strokes)])
    notes += [step.note for step in job]
    assert "strokes inside objects: 2, 3," in first
    assert any("strokes inside objects: 2, 4," in note for note in notes)
    assert np.isfinite(job.result.provenance["first_loss"])


def test_strokes_stay_strokes_on_another_grid_and_say_nothing_of_the_size():
    """Objects are four times as large as the recipe wants them; half of them are strokes."""
    truth = SAMPLE.truth[:128, :128].repeat(4, 0).repeat(4, 1)
    image = SAMPLE.image[:128, :128].repeat(4, 0).repeat(4, 1)
    strokes = simulate_paint(truth, 4, 0, seed=2, stroke_width=9, is_inside=True)
    whole = simulate_paint(truth, 4, 0, seed=2)
    mixed = np.where(whole % 2 == 0, whole, 0) + np.where(strokes % 2 == 1, strokes, 0)

    def checked(paint: Paint) -> Setup:
        return set_up([image], [paint], None, None, None, "cpu")

    alone = checked(Paint(np.where(whole % 2 == 0, whole, 0)))
    setup = checked(Paint(mixed, in_part=[3, 5]))
    assert setup.grids == alone.grids
    assert setup.grids.factors[0] < 0.5
    labels = setup.paints[0].frame(setup.images[0], ())
    assert labels.shape == setup.images[0].shape
    assert np.unique(labels).tolist() == [-5, -3, 0, 2, 4]

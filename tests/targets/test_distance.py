"""Objects apart: encoded and decoded again."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from napari_scribe.evaluation.metrics import evaluate
from napari_scribe.recipe import ObjectsTarget
from napari_scribe.samples import nuclei, simulate_paint
from napari_scribe.targets import Encoded
from napari_scribe.targets.distance import DistanceEncoding
from napari_scribe.targets.objects import with_ring


def encode(labels: Any, held: Any = None, **recipe: Any) -> Encoded:
    labels = np.asarray(labels, np.int32)
    held = np.zeros(labels.shape, bool) if held is None else held
    has_background = bool((labels == 1).any())
    return DistanceEncoding(ObjectsTarget(**recipe)).encode(labels, held, has_background)


def disks(*places: tuple[float, ...], shape: tuple[int, ...], radius: float = 6) -> np.ndarray:
    """Round objects 2, 3, ... on nothing."""
    labels = np.zeros(shape, np.int32)
    grid = np.indices(shape)
    for label, place in enumerate(places, start=2):
        square = sum((g - p) ** 2 for g, p in zip(grid, place, strict=True))
        labels[square <= radius**2] = label
    return labels


TWO = disks((15, 12), (15, 28), shape=(31, 60))


# ---- values -------------------------------------------------------------------------------------


@given(st.integers(0, 2**16), st.integers(0, 8), st.integers(0, 4))
def test_ranges(seed: int, n_objects: int, n_strokes: int):
    truth = nuclei((64, 64), seed=seed % 5).truth
    labels = simulate_paint(truth, n_objects, n_strokes, seed).astype(np.int32)
    encoded = encode(labels)
    foreground, distance = encoded.values
    assert encoded.values.dtype == encoded.weights.dtype == np.float32
    assert distance.min() >= 0 and distance.max() <= 1
    np.testing.assert_array_equal(foreground, labels > 1)
    assert not distance[labels < 2].any()
    assert (distance[labels > 1] > 0).all()
    assert (encoded.weights >= 0).all()
    for label in np.unique(labels[labels > 1]):
        assert distance[labels == label].max() == 1


def test_distance_is_to_the_objects_own_border():
    labels = np.zeros((9, 20), np.int32)
    labels[2:7, 2:9] = 2
    labels[2:7, 9:16] = 3  # touches the other
    distance = encode(labels).values[1]
    padded = np.pad(labels == 2, 1)
    own = ndimage.distance_transform_edt(padded)[1:-1, 1:-1]
    np.testing.assert_allclose(distance[labels == 2], (own / own.max())[labels == 2])
    np.testing.assert_allclose(distance[:, 2:9], distance[:, 9:16])


def test_an_object_at_the_edge_of_the_image_has_its_border_there():
    labels = np.zeros((20, 20), np.int32)
    labels[:5, :6] = 2
    encoded = encode(labels)
    assert encoded.values[1][0, 0] == pytest.approx(1 / 3)
    assert encoded.values[1][2, 2] == 1
    assert (encoded.weights[:, :5, :6] >= 1).all()


def test_an_object_as_large_as_the_image():
    encoded = encode(np.full((7, 9), 2))
    assert encoded.values[0].all() and encoded.values[1].max() == 1


def test_an_object_of_one_pixel():
    labels = np.zeros((9, 9), np.int32)
    labels[4, 4] = 2
    assert encode(labels).values[1][4, 4] == 1


def test_an_object_painted_on_one_slice_counts_as_flat():
    labels = disks((5, 10, 12), shape=(11, 21, 25), radius=6)
    flat = np.zeros_like(labels)
    flat[5] = labels[5]
    distance = encode(flat).values[1]
    np.testing.assert_allclose(distance[5], encode(labels[5]).values[1])
    assert not np.delete(distance, 5, axis=0).any()
    deep = encode(labels).values[1]
    assert deep[5, 10, 12] == 1
    assert deep[0, 10, 12] < 0.5


HIGH = 2_000_000_000
"""A label so large that a table up to it would fill no machine's memory."""


@pytest.mark.parametrize("shape", [(40, 60), (7, 40, 60)])
def test_large_labels_mean_the_same_as_small_ones(shape: tuple[int, ...]):
    small = disks((2, 20, 12)[-len(shape) :], (3, 20, 28)[-len(shape) :], shape=shape)
    large = np.where(small > 1, HIGH + small, small)
    one, other = encode(small, small == 2), encode(large, small == 2)
    for name in ("values", "weights", "held_out"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    encoding = DistanceEncoding(ObjectsTarget())
    prediction = perfect(np.maximum(small - 1, 0))
    assert encoding.fit([(prediction, small)]) == encoding.fit([(prediction, large)])


# ---- weights ------------------------------------------------------------------------------------


def test_unpainted_pixels_weigh_nothing_where_background_is_painted():
    labels = TWO.copy()
    labels[28, 5:50] = 1
    for ring in (0, 4):
        encoded = encode(labels, ring=ring)
        ringed, _ = with_ring(labels, np.zeros(labels.shape, bool), ring)
        assert (encoded.weights[:, ringed == 0] == 0).all()
        assert (encoded.weights[:, ringed > 0] >= 1).all()


def test_objects_only_weigh_the_rest_a_little():
    encoded = encode(TWO, ring=4, unpainted=0.05)
    away = ndimage.distance_transform_edt(TWO == 0)
    assert (encoded.weights[1][away > 5] == np.float32(0.05)).all()
    assert (encoded.weights[1][TWO > 1] == 1).all()
    assert (encoded.values[:, TWO == 0] == 0).all()
    assert (encode(TWO, ring=0, unpainted=0).weights[1][TWO == 0] == 0).all()


def test_border_weights_lie_between_objects_only():
    labels = np.where(TWO == 0, 1, TWO)
    plain = encode(labels, border_weight=0).weights[0]
    assert (plain == 1).all()
    extra = encode(labels, border_weight=4).weights[0] - 1
    assert (extra[labels > 1] == 0).all()
    assert extra[15, 20] > 0.2 * 4  # in the middle between them
    assert np.unravel_index(extra.argmax(), extra.shape)[0] == 15
    assert 18 <= extra.argmax() % 60 <= 22
    assert extra[:, 45:].max() < 0.01 * 4  # beside the second, no third near
    assert extra[:5].max() < 0.01 * 4
    assert (encode(labels, border_weight=4).weights[1] == 1).all()  # not of the distance


def test_border_weights_follow_the_paper():
    labels = np.ones((5, 30), np.int32)
    labels[:, 5:9], labels[:, 14:18] = 2, 3
    extra = encode(labels, border_weight=10, border_sigma=3).weights[0][2] - 1
    for x in range(9, 14):
        d1, d2 = x - 8, 14 - x
        assert extra[x] == pytest.approx(10 * np.exp(-((d1 + d2) ** 2) / 18), rel=1e-4)


def test_one_object_alone_has_no_border_weight():
    labels = np.where(TWO == 2, 2, 1)
    assert encode(labels).weights[0].max() < 1 + 0.01 * 4


# ---- the ring -----------------------------------------------------------------------------------


@pytest.mark.parametrize("ring", [1, 4, 9])
def test_the_ring_lies_closely_around_objects(ring: int):
    labels, held = with_ring(TWO, np.zeros(TWO.shape, bool), ring)
    away = ndimage.distance_transform_edt(TWO == 0)
    np.testing.assert_array_equal(labels == 1, (away > 0) & (away <= ring))
    np.testing.assert_array_equal(labels[TWO > 1], TWO[TWO > 1])
    assert not held.any()


def test_the_ring_spares_what_is_painted_and_can_be_left_out():
    labels = TWO.copy()
    labels[15, 19:22] = 5
    ringed, _ = with_ring(labels, np.zeros(TWO.shape, bool), 6)
    np.testing.assert_array_equal(ringed[labels > 0], labels[labels > 0])
    same, _ = with_ring(TWO, np.zeros(TWO.shape, bool), 0)
    np.testing.assert_array_equal(same, TWO)


def test_the_ring_of_a_held_out_object_is_held_out_with_it():
    labels, held = with_ring(TWO, TWO == 2, 4)
    ring = (labels == 1) & (TWO == 0)
    one, other = (ndimage.distance_transform_edt(label != TWO) for label in (2, 3))
    ring &= np.abs(one - other) > 1e-6
    np.testing.assert_array_equal(held[ring], (one < other)[ring])
    assert held[TWO == 2].all() and not held[TWO == 3].any()


def test_the_ring_of_an_object_on_one_slice_lies_in_that_slice():
    """What is above and below was not looked at; a deep object keeps its ring on all sides."""
    labels = disks((5, 12, 12), (5, 12, 50), shape=(11, 25, 62))
    labels[(labels == 2) & (np.arange(11) != 5)[:, None, None]] = 0
    flat = np.where(labels == 2, 2, 0)
    ringed, held = with_ring(flat, flat == 2, 4)
    slice_, slice_held = with_ring(flat[5], flat[5] == 2, 4)
    np.testing.assert_array_equal(ringed[5], slice_)
    np.testing.assert_array_equal(held[5], slice_held)
    assert not np.delete(ringed, 5, axis=0).any() and not np.delete(held, 5, axis=0).any()
    deep = np.where(labels == 3, 3, 0)
    both, held = with_ring(labels, labels == 2, 4)
    alone, _ = with_ring(deep, deep == 2, 4)
    np.testing.assert_array_equal(both[:, :, 31:], alone[:, :, 31:])
    np.testing.assert_array_equal(both[:, :, :31], ringed[:, :, :31])
    assert not held[:, :, 31:].any()


# ---- decoding -----------------------------------------------------------------------------------


def perfect(truth: np.ndarray) -> dict[str, np.ndarray]:
    """A prediction without error."""
    paint = np.where(truth > 0, truth + 1, 1)
    foreground, distance = encode(paint).values
    return {"foreground": foreground[np.newaxis], "distance": distance[np.newaxis]}


@pytest.mark.parametrize("seed", range(4))
def test_a_perfect_prediction_gives_the_objects_back(seed: int):
    truth = nuclei((256, 256), seed=seed).truth
    found = DistanceEncoding(ObjectsTarget()).decode(perfect(truth), {})
    assert found.dtype == np.int32 and found.shape == truth.shape
    scores = evaluate(found, truth)
    assert scores.ap[0] >= 0.99  # IoU .5
    assert scores.ap[6] >= 0.95  # IoU .8
    assert sorted(set(found.ravel().tolist())) == list(range(found.max() + 1))


def test_a_perfect_prediction_gives_the_objects_back_in_3d():
    truth = nuclei((24, 96, 96), seed=0).truth
    found = DistanceEncoding(ObjectsTarget()).decode(perfect(truth), {})
    assert evaluate(found, truth).ap[0] >= 0.95


@pytest.mark.parametrize("shape", [(40, 50), (1, 1), (1, 30), (6, 20, 20), (1, 9, 9)])
def test_nothing_gives_nothing(shape: tuple[int, ...]):
    empty = np.zeros((1, *shape), np.float16)
    found = DistanceEncoding(ObjectsTarget()).decode({"foreground": empty, "distance": empty}, {})
    assert found.shape == shape and not found.any()
    only = DistanceEncoding(ObjectsTarget()).decode(
        {"foreground": empty + 1, "distance": empty}, {}
    )
    assert not only.any()  # no peak of the distance, no object


def test_small_objects_are_dropped_and_the_others_counted_on():
    truth = disks((10, 10), (10, 30), (10, 50), shape=(21, 61), radius=5) - 1
    truth[truth < 0] = 0
    truth[9:12, 29:32] = 2
    truth[(truth == 2) & (np.abs(np.arange(61) - 30) > 1)] = 0
    truth[np.abs(np.arange(21) - 10) > 1] *= truth[np.abs(np.arange(21) - 10) > 1] != 2
    assert (truth == 2).sum() == 9
    found = DistanceEncoding(ObjectsTarget()).decode(perfect(truth), {"min_size": 20.0})
    assert found.max() == 2
    assert not found[truth == 2].any()
    assert DistanceEncoding(ObjectsTarget()).decode(perfect(truth), {"min_size": 4.0}).max() == 3


def test_what_has_no_centre_is_no_object():
    prediction = perfect(TWO)
    prediction["distance"][:, :, :20] *= 0.4
    found = DistanceEncoding(ObjectsTarget()).decode(prediction, {})
    assert found.max() == 1 and (found[TWO == 3] == 1).all()
    assert DistanceEncoding(ObjectsTarget()).decode(prediction, {"peak": 0.3}).max() == 2


def test_half_precision_is_enough():
    truth = nuclei((128, 128), seed=1).truth
    exact = perfect(truth)
    half = {name: a.astype(np.float16) for name, a in exact.items()}
    encoding = DistanceEncoding(ObjectsTarget())
    assert evaluate(encoding.decode(half, {}), encoding.decode(exact, {})).ap[0] >= 0.99


# ---- fitting ------------------------------------------------------------------------------------


def test_parameters_are_fitted_to_painted_objects():
    """A network that is sure of nothing needs a low threshold."""
    truth = nuclei((160, 160), seed=2).truth
    prediction = perfect(truth)
    prediction["foreground"] = prediction["foreground"] * 0.45
    encoding = DistanceEncoding(ObjectsTarget())
    assert not encoding.decode(prediction, {}).any()
    paint = simulate_paint(truth, 8, 2, seed=0).astype(np.int32)
    parameters = encoding.fit([(prediction, paint)])
    assert parameters["foreground"] < 0.45
    assert evaluate(encoding.decode(prediction, parameters), truth).ap[0] >= 0.95
    assert all(isinstance(v, float) for v in parameters.values())


def test_good_defaults_are_left_alone():
    truth = nuclei((160, 160), seed=2).truth
    paint = simulate_paint(truth, 8, 2, seed=0).astype(np.int32)
    parameters = DistanceEncoding(ObjectsTarget()).fit([(perfect(truth), paint)])
    assert (parameters["foreground"], parameters["merge"]) == (0.45, 0.55)
    smallest = np.bincount(paint[paint > 1])[2:].min()
    assert 4 <= parameters["min_size"] < smallest


@pytest.mark.parametrize("examples", [[], ["background"]])
def test_without_objects_there_is_nothing_to_fit(examples: list[str]):
    paint = np.ones((8, 8), np.int32)
    given_ = [(perfect(np.zeros((8, 8), np.int32)), paint) for _ in examples]
    fitted = DistanceEncoding(ObjectsTarget()).fit(given_)
    assert set(fitted) == {"foreground", "merge", "peak", "min_size"}


def test_a_fit_ends_when_its_time_is_up():
    """With no time at all there is still the smallest size, which paint alone tells."""
    truth = nuclei((160, 160), seed=2).truth
    prediction = perfect(truth)
    prediction["foreground"] = prediction["foreground"] * 0.35  # so 0.3 has to be tried
    examples = [(prediction, simulate_paint(truth, 8, 2, seed=0).astype(np.int32))]
    encoding = DistanceEncoding(ObjectsTarget())
    whole = encoding.fit(examples)
    untried = {**whole, "foreground": 0.45, "merge": 0.55}
    assert whole["foreground"] < 0.35
    # asked once before anything, then before each of 2 seeds, 4 ways to merge and 5 thresholds
    for n_looks, expected in [(0, untried), (1, untried), (11, untried), (12, whole)]:
        clock = itertools.chain([math.inf] * n_looks, itertools.repeat(0.0))
        assert encoding.fit(examples, lambda clock=clock: next(clock)) == expected

"""Classes: values come back as they were painted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_scribe.image import Image
from napari_scribe.recipe import Recipe
from napari_scribe.targets import Paint, encoding_of
from napari_scribe.targets.classes import ClassesEncoding


def one_hot(index: np.ndarray, n: int) -> np.ndarray:
    return (np.arange(n)[:, None, None] == index).astype(np.float32)


@given(st.sets(st.integers(1, 300), min_size=2, max_size=20), st.integers(0, 2**16))
def test_values_survive_encoding_and_decoding(values: set[int], seed: int):
    encoding = ClassesEncoding(tuple(sorted(values)))
    labels = np.random.default_rng(seed).choice([0, *values], (7, 9)).astype(np.int32)
    held = np.zeros(labels.shape, bool)
    encoded = encoding.encode(labels, held)
    assert encoded.values.shape == encoded.weights.shape == (1, 7, 9)
    np.testing.assert_array_equal(encoded.weights[0], labels > 0)
    answer = encoding.decode({"classes": one_hot(encoded.values[0], len(values))}, {})
    np.testing.assert_array_equal(answer[labels > 0], labels[labels > 0])
    assert encoded.held_out is held


@pytest.mark.parametrize("values", [[0, 1], [0, 255], [0, 1, 2], [3, 17, 200]])
def test_a_model_answers_the_values_of_its_mask(values: list[int]):
    mask = np.random.default_rng(0).choice(values, (20, 20)).astype(np.uint8)
    paint = Paint.from_mask(mask)
    painted = tuple(np.unique(paint.array).tolist())
    encoding = encoding_of(Recipe(task="classes"), painted, paint.offset)
    labels = paint.frame(Image(mask), ())
    encoded = encoding.encode(labels, np.zeros(labels.shape, bool))
    assert encoded.weights.all()
    answer = encoding.decode({"classes": one_hot(encoded.values[0], len(values))}, {})
    np.testing.assert_array_equal(answer, mask)


def test_a_class_that_the_network_lacks_teaches_nothing():
    labels = np.array([[1, 2, 3, 4, 9]], np.int32)
    encoded = ClassesEncoding((1, 3, 4)).encode(labels, np.zeros(labels.shape, bool))
    assert encoded.weights[0].tolist() == [[1, 0, 1, 1, 0]]
    assert encoded.values[0].tolist() == [[0, 0, 1, 2, 0]]


def test_heads_and_parameters():
    (head,) = ClassesEncoding((1, 2, 5)).heads
    assert (head.channels, head.kind) == (3, "categorical")
    assert ClassesEncoding((1, 2)).fit([]) == {}

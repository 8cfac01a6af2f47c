"""What is taken for an array, and the order of axes."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pytest
import torch
import zarr

from napari_scribe.arrays import arranged, as_array, order_onto
from napari_scribe.errors import InputError
from napari_scribe.image import Image
from napari_scribe.io import as_image

NUMBERS = [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize(
    "given",
    [
        NUMBERS,
        tuple(NUMBERS),
        [np.array(row) for row in NUMBERS],
        torch.tensor(NUMBERS),
        torch.tensor(NUMBERS, dtype=torch.float32, requires_grad=True),
    ],
)
def test_lists_and_tensors_are_arrays(given: Any):
    image = as_image(given)
    assert isinstance(image.data, np.ndarray) and image.axes == "YX"
    np.testing.assert_array_equal(image.data, NUMBERS)


@pytest.mark.parametrize(
    "given", [None, 5, [[1, 2], [3]], ["a.tif", "b.tif"], {}, object(), [[1j, 2]], [None]]
)
def test_what_is_no_array_is_refused_in_words(given: Any):
    with pytest.raises(InputError, match=r"image is of type \w+, which is no array of numbers"):
        as_image(given)


def test_arrays_of_unknown_shape_are_refused_with_what_to_do():
    pixels = da.ones((20, 20), chunks=5)
    with pytest.raises(
        InputError,
        match=r"image has a shape .* not known yet.* compute_chunk_sizes",
    ):
        Image(pixels[pixels[:, 0] > 0])
    known = pixels[pixels[:, 0] > 0].compute_chunk_sizes()
    assert Image(known).shape == (20, 20)


def test_arrays_of_any_library_stay_as_they_are():
    for array in (np.zeros((2, 3)), da.zeros((2, 3)), zarr.zeros((2, 3))):
        assert as_array(array, "image") is array


@pytest.mark.parametrize(
    ("axes", "shape", "onto", "lengths", "order"),
    [
        ("YX", (6, 8), "YX", (6, 8), (0, 1)),
        ("XY", (8, 6), "YX", (6, 8), (1, 0)),
        ("XY", (6, 6), "YX", (6, 6), (1, 0)),
        ("", (6, 6), "YX", (6, 6), (0, 1)),
        ("", (1, 6, 8, 1), "YX", (6, 8), (1, 2)),
        ("", (6, 8), "TZYX", (1, 1, 6, 8), (None, None, 0, 1)),
        ("ZYX", (5, 6, 8), "TYX", (5, 6, 8), (0, 1, 2)),  # a guess from the shape
        ("ZTYX", (3, 3, 6, 8), "TZYX", (3, 3, 6, 8), (1, 0, 2, 3)),
        ("", (1, 1), "YX", (1, 1), (None, None)),
        ("", (8, 6), "YX", (6, 8), None),
        ("", (2, 6, 8), "YX", (6, 8), None),
        ("ZYX", (6, 5, 8), "ZYX", (5, 6, 8), None),
    ],
)
def test_axes_are_matched_by_letter_then_by_place(
    axes: str, shape: tuple[int, ...], onto: str, lengths: tuple[int, ...], order: Any
):
    assert order_onto(axes, shape, onto, lengths) == order


def test_axes_of_arrays_on_disk_are_laid_in_order_lazily():
    values = np.arange(48).reshape(1, 6, 8)
    stored = zarr.array(values, chunks=(1, 3, 4))
    assert arranged(stored, (None, 1, 2)) is stored
    turned = arranged(stored, (2, None, 1))
    assert isinstance(turned, da.Array) and turned.shape == (8, 1, 6)
    np.testing.assert_array_equal(turned, values[0].T[:, None])

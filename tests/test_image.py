"""Images: axes, frames and windows, for any kind of array."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from napari_scribe.errors import InputError
from napari_scribe.image import AXES, Image, guess_axes

SIZES = {"T": 2, "C": 3, "Z": 4, "Y": 6, "X": 7}


def pixels(axes: str) -> np.ndarray:
    shape = [SIZES[a] for a in axes]
    return np.arange(np.prod(shape), dtype=np.int32).reshape(shape)


# ---- axes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((6, 7), "YX"),
        ((3, 2), "YX"),
        ((10, 6, 7), "ZYX"),
        ((3, 60, 70), "CYX"),
        ((2, 60, 70), "CYX"),
        ((60, 70, 3), "YXC"),
        ((60, 70, 4), "YXC"),
        ((3, 3, 3), "ZYX"),
        ((1, 60, 70), "ZYX"),
        ((9, 10, 60, 70), "TZYX"),
        ((3, 10, 60, 70), "CZYX"),
        ((10, 60, 70, 3), "ZYXC"),
        ((2, 2, 2, 60, 70), "TCZYX"),
        ((60, 70, 1), "YXC"),
        ((9, 60, 70, 1), "ZYXC"),
        ((5, 9, 60, 70, 3), "TZYXC"),
        ((1, 1, 1, 60, 70), "TCZYX"),
    ],
)
def test_axes_are_guessed(shape: tuple[int, ...], axes: str):
    assert guess_axes(shape) == axes
    assert Image(np.zeros(shape)).axes == axes


@pytest.mark.parametrize("shape", [(), (5,), (2,) * 6])
def test_too_few_and_too_many_axes(shape: tuple[int, ...]):
    with pytest.raises(InputError, match="2 to 5 axes"):
        Image(np.zeros(shape))


@pytest.mark.parametrize(
    ("shape", "axes", "full"),
    [
        ((6, 7), "TYX", (1, 6, 7)),
        ((1, 30, 40, 1), "TYX", (1, 30, 40)),
        ((6, 7), "YXC", (6, 7, 1)),
        ((6, 7), "TCZYX", (1, 1, 1, 6, 7)),
        ((1, 1, 6, 7), "TYX", (1, 6, 7)),
        ((1, 4, 6, 7), "TYX", (4, 6, 7)),
        ((4, 1, 6, 7, 1), "ZYX", (4, 6, 7)),
    ],
)
def test_axes_of_length_1_may_be_named_or_left_out(
    shape: tuple[int, ...], axes: str, full: tuple[int, ...]
):
    values = np.arange(np.prod(shape)).reshape(shape)
    for array in (values, da.from_array(values)):
        image = Image(array, axes)
        assert (image.axes, image.shape) == (axes, full)
        np.testing.assert_array_equal(np.asarray(image.data).ravel(), values.ravel())


@pytest.mark.parametrize("axes", ["YY", "QYX", "ZY", "CX", "ZYXS"])
def test_axes_that_mean_nothing(axes: str):
    with pytest.raises(InputError, match="use letters of TCZYX, each once, with Y and X"):
        Image(np.zeros((4,) * len(axes)), axes)


def test_axes_that_do_not_fit_say_which_would():
    message = "has 3 axes (shape (9, 6, 7)) but 'YX' names 2. Give one letter of TCZYX per axis"
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        Image(np.zeros((9, 6, 7)), "YX", name="cells")
    assert str(caught.value).startswith("cells") and caught.value.options == {"axes": "ZYX"}


def test_lower_case_axes_are_fine():
    assert Image(pixels("ZYX"), "zyx").axes == "ZYX"


@pytest.mark.parametrize("array", [np.zeros((0, 5)), np.zeros((3, 5, 0))])
def test_empty_images_are_refused(array: np.ndarray):
    with pytest.raises(InputError, match="is empty"):
        Image(array)


@pytest.mark.parametrize("dtype", [complex, "U1", object, "datetime64[s]"])
def test_only_numbers_are_pixels(dtype: Any):
    with pytest.raises(InputError, match="it needs real numbers"):
        Image(np.zeros((4, 4)).astype(dtype))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", ">u2", "float16", "float64"])
def test_every_kind_of_number_is_fine(dtype: str):
    image = Image(np.zeros((4, 4), dtype))
    assert image.dtype == np.dtype(dtype)
    assert image.read((), (slice(0, 2), slice(0, 2))).dtype == np.dtype(dtype)


# ---- frames -------------------------------------------------------------------------------------


def test_what_is_space_and_what_is_walked():
    image = Image(pixels("TCZYX"), "TCZYX")
    assert (image.spatial_axes(2), image.iterated_axes(2)) == ("YX", "TZ")
    assert (image.spatial_axes(3), image.iterated_axes(3)) == ("ZYX", "T")
    assert image.frame_shape(2) == (6, 7)
    assert image.frame_shape(3) == (4, 6, 7)
    assert (image.label_axes(), image.label_shape()) == ("TZYX", (2, 4, 6, 7))
    assert list(image.frames(3)) == [(("T", 0),), (("T", 1),)]
    assert list(image.frames(2))[:5] == [
        (("T", 0), ("Z", 0)),
        (("T", 0), ("Z", 1)),
        (("T", 0), ("Z", 2)),
        (("T", 0), ("Z", 3)),
        (("T", 1), ("Z", 0)),
    ]


def test_a_plain_image_is_one_frame():
    image = Image(pixels("YX"))
    assert list(image.frames(2)) == [()]
    assert image.n_channels == 1
    assert image.length("T") == 1


@pytest.mark.parametrize(
    ("axes", "shape", "said", "hint"),
    [
        ("YX", (8, 8), "has axes YX: .* This image is 2D: take a 2D network", {}),
        ("YXC", (8, 8, 3), "has axes YXC: .* This image is 2D", {}),
        ("CYX", (2, 8, 8), "has axes CYX: .*, for example ZYX", {"axes": "ZYX"}),
        ("TCYX", (5, 2, 8, 8), "for example ZCYX", {"axes": "ZCYX"}),
        ("TYXC", (5, 8, 8, 3), "for example ZYXC", {"axes": "ZYXC"}),
    ],
)
def test_what_a_3d_model_is_told_without_slices(axes, shape, said, hint):
    with pytest.raises(InputError, match=said) as error:
        Image(np.zeros(shape), axes).spatial_axes(3)
    assert error.value.options == hint


def test_a_3d_model_needs_z():
    image = Image(pixels("TYX"), "TYX", name="movie")
    with pytest.raises(InputError, match="movie has axes TYX: a 3D model needs a Z axis"):
        image.spatial_axes(3)
    with pytest.raises(InputError):
        image.frame_shape(3)


axes_in_any_order = (
    st.sets(st.sampled_from("TCZ"))
    .map(lambda extra: ["Y", "X", *sorted(extra)])
    .flatmap(st.permutations)
    .map("".join)
)


@given(axes_in_any_order, st.data())
def test_frames_are_read_right_whatever_the_order_of_axes(axes: str, data: st.DataObject):
    whole = pixels(axes)
    image = Image(whole, axes)
    dimensions = data.draw(st.sampled_from([2, 3] if "Z" in axes else [2]))
    spatial = image.spatial_axes(dimensions)
    window = []
    for axis in spatial:
        start = data.draw(st.integers(0, SIZES[axis] - 1))
        window.append(slice(start, data.draw(st.integers(start + 1, SIZES[axis]))))
    frame = data.draw(st.sampled_from(list(image.frames(dimensions))))
    channels = data.draw(
        st.none() | st.lists(st.integers(0, image.n_channels - 1), min_size=1, max_size=4)
    )
    # The reference: all five axes in order, then plain indexing.
    full = np.expand_dims(whole, tuple(range(5 - whole.ndim)))
    order = [full.ndim - whole.ndim + axes.index(a) if a in axes else None for a in AXES]
    free = iter(range(full.ndim - whole.ndim))
    full = full.transpose([next(free) if o is None else o for o in order])
    at = dict(frame)
    places = dict(zip(spatial, window, strict=True))
    z = places.get("Z", at.get("Z", 0))
    expected = full[at.get("T", 0), :, z, places["Y"], places["X"]]
    if channels is not None:
        expected = expected[channels]
    np.testing.assert_array_equal(image.read(frame, window, channels), expected)


@given(axes_in_any_order, st.sampled_from([2, 3]))
def test_frames_cover_the_labels_once(axes: str, dimensions: int):
    image = Image(pixels(axes), axes)
    if dimensions == 3 and "Z" not in axes:
        return
    count = np.zeros(image.label_shape(), int)
    for frame in image.frames(dimensions):
        index = image.label_index(frame)
        assert count[index].shape == image.frame_shape(dimensions)
        count[index] += 1
    assert (count == 1).all()


def test_lazy_arrays_read_the_same(tmp_path: Path):
    whole = pixels("TCZYX")
    stored = zarr.create_array(
        tmp_path / "a.zarr", shape=whole.shape, dtype=whole.dtype, chunks=(1, 2, 2, 3, 3)
    )
    stored[:] = whole
    mapped = np.lib.format.open_memmap(
        tmp_path / "a.npy", mode="w+", dtype=whole.dtype, shape=whole.shape
    )
    mapped[:] = whole
    window = slice(1, 3), slice(0, 5), slice(2, 7)
    for data in (stored, mapped, da.from_array(whole, chunks=2)):
        image = Image(data, "TCZYX")
        for frame, channels in itertools.product(image.frames(3), [None, [2, 0]]):
            block = image.read(frame, window, channels)
            assert type(np.asarray(block)) is np.ndarray
            expected = whole[dict(frame)["T"]][(slice(None), *window)]
            np.testing.assert_array_equal(block, expected if channels is None else expected[[2, 0]])


def test_a_window_reads_no_more_than_itself():
    read = []

    class Watched:
        shape, dtype = (50, 100, 100), np.dtype("uint8")

        def __getitem__(self, index: Any) -> np.ndarray:
            read.append(index)
            return np.zeros((10, 20), np.uint8)

    window = slice(20, 30), slice(30, 50)
    Image(Watched(), "ZYX").read((("Z", 7),), window)
    assert read == [(7, *window)]


def test_channels_that_are_not_wanted_are_not_read():
    read = []

    class Watched:
        shape, dtype = (30, 100, 100), np.dtype("uint8")

        def __getitem__(self, index: Any) -> np.ndarray:
            read.append(index[0])
            return np.zeros((index[0].stop - index[0].start, 10, 20), np.uint8)

    window = slice(20, 30), slice(30, 50)
    assert Image(Watched(), "CYX").read((), window, [4, 2]).shape == (2, 10, 20)
    assert read == [slice(2, 5)]


@pytest.mark.parametrize("names", [("TL Brightfield",), ("a", "b", "c", "d")])
def test_names_that_do_not_fit_the_channels_are_left_out(names: tuple[str, ...]):
    assert Image(pixels("YXC"), "YXC", channel_names=names).channel_names == ()


def test_changed_fields():
    image = Image(pixels("YX"), scale={"Y": 0.5}, name="a")
    other = image.selected(name="b")
    assert (other.name, other.scale, other.data is image.data) == ("b", {"Y": 0.5}, True)


def test_images_are_compared_as_objects():
    """By their pixels they would be neither equal nor unequal, but an error."""
    one, other = Image(np.zeros((4, 5))), Image(np.zeros((4, 5)))
    assert one == one
    assert one != other
    assert len({one, other}) == 2

"""Other kinds of files, and labels."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image as Pillow

from napari_scribe.errors import InputError
from napari_scribe.io import create_zarr, read_image, read_labels, write_tiff

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 255, (20, 30)).astype(np.uint8)
RGB = RNG.integers(0, 255, (20, 30, 3)).astype(np.uint8)


@pytest.mark.parametrize("array", [GREY, GREY.astype(np.uint16) * 200, RGB, GREY > 100])
def test_png(tmp_path: Path, array: np.ndarray):
    iio.imwrite(tmp_path / "a.png", array)
    image = read_image(tmp_path / "a.png")
    assert (image.axes, image.name) == ("YXC" if array.ndim == 3 else "YX", "a")
    assert image.dtype == array.dtype
    np.testing.assert_array_equal(image.data, array)


@pytest.mark.parametrize("n_samples", [2, 3, 4])
def test_png_of_16_bits_keeps_them(tmp_path: Path, n_samples: int):
    array = RNG.integers(0, 2**16, (20, 30, n_samples)).astype(np.uint16)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(array))
    image = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(image.data, array[..., 0] if n_samples == 2 else array[..., :3])


def test_alpha_is_no_channel(tmp_path: Path):
    iio.imwrite(tmp_path / "a.png", np.dstack([RGB, GREY]))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").data, RGB)
    Pillow.fromarray(GREY).convert("LA").save(tmp_path / "b.png")
    np.testing.assert_array_equal(read_image(tmp_path / "b.png").data, GREY)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg(tmp_path: Path, mode: str):
    Pillow.fromarray(RGB).convert(mode).save(tmp_path / "a.jpg")
    image = read_image(tmp_path / "a.jpg")
    assert image.shape == ((20, 30) if mode == "L" else (20, 30, 3))


def test_npy_is_memory_mapped(tmp_path: Path):
    array = RNG.normal(size=(4, 20, 30)).astype(np.float32)
    np.save(tmp_path / "a.npy", array)
    image = read_image(tmp_path / "a.npy", "TYX")
    assert isinstance(image.data, np.memmap)
    assert image.axes == "TYX"
    np.testing.assert_array_equal(image.data, array)
    np.save(tmp_path / "b.npy", array.astype(">f4"))
    assert read_image(tmp_path / "b.npy").dtype.isnative


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".npy"])
@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5])
def test_truncated_files_are_refused(tmp_path: Path, suffix: str, kept: float):
    path = tmp_path / f"a{suffix}"
    np.save(path, RGB) if suffix == ".npy" else iio.imwrite(path, RGB)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(InputError, match=r"Could not read .*a\."):
        read_image(path)
    with pytest.raises(InputError, match=r"a\."):
        read_labels(path)


def test_npy_of_objects_is_refused(tmp_path: Path):
    np.save(tmp_path / "a.npy", np.array([[{}, {}]], dtype=object))
    with pytest.raises(InputError, match="Could not read"):
        read_image(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.ones((4, 4), complex))
    with pytest.raises(InputError, match="complex128 values; it needs real numbers"):
        read_image(tmp_path / "b.npy")


def test_paths_that_are_no_image(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "fake.zarr").write_text("hello")
    cases = {
        "gone.tif": "does not exist",
        "notes.txt": "not a kind of image that can be read: .tif",
        "fake.zarr": "not a kind of image",
        "": "folder without zarr data",
    }
    for name, message in cases.items():
        with pytest.raises(InputError, match=message):
            read_image(tmp_path / name)
        with pytest.raises(InputError, match=message):
            read_labels(tmp_path / name)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_pictures_may_be_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str):
    monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", 100)  # as 14 000 x 14 000 is to the default
    iio.imwrite(tmp_path / f"a{suffix}", GREY)
    monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", 9)
    assert read_image(tmp_path / f"a{suffix}").shape == GREY.shape
    if suffix == ".png":
        np.testing.assert_array_equal(read_labels(tmp_path / "a.png"), GREY)
    assert Pillow.MAX_IMAGE_PIXELS == 9


def test_only_pyramids_have_levels(tmp_path: Path):
    iio.imwrite(tmp_path / "a.png", GREY)
    with pytest.raises(InputError, match="only level 0"):
        read_image(tmp_path / "a.png", level=1)


# ---- labels -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64])
@pytest.mark.parametrize("suffix", [".tif", ".npy", ".zarr"])
def test_labels(tmp_path: Path, dtype: type, suffix: str):
    labels = (GREY % 9).astype(dtype)
    path = tmp_path / f"a{suffix}"
    if suffix == ".tif":
        tifffile.imwrite(path, labels)
    elif suffix == ".npy":
        np.save(path, labels)
    else:
        create_zarr(path, labels.shape, dtype, "YX")[...] = labels
    read = read_labels(path)
    assert read.dtype == dtype
    np.testing.assert_array_equal(np.asarray(read), labels)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, bool])
def test_labels_of_other_types_become_integers(tmp_path: Path, dtype: type):
    labels = (GREY % 2).astype(dtype)
    np.save(tmp_path / "a.npy", labels)
    read = read_labels(tmp_path / "a.npy")
    assert read.dtype.kind in "iu"
    np.testing.assert_array_equal(read, labels)


@pytest.mark.parametrize("value", [0.37, np.nan, np.inf])
def test_maps_are_no_labels(tmp_path: Path, value: float):
    array = np.zeros((4, 4), np.float32)
    array[2, 1] = value
    write_tiff(tmp_path / "a.tif", array)
    with pytest.raises(InputError, match=rf"a\.tif holds values such as {value:.3g}"):
        read_labels(tmp_path / "a.tif")


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_negative_numbers_are_no_labels(tmp_path: Path, dtype: type):
    zarr.create_array(tmp_path / "a.zarr", data=np.full((4, 4), -1, dtype))
    with pytest.raises(InputError, match="negative"):
        read_labels(tmp_path / "a.zarr")


def test_jpeg_is_no_labels(tmp_path: Path):
    iio.imwrite(tmp_path / "a.jpg", GREY)
    with pytest.raises(InputError, match="save labels as TIFF or PNG"):
        read_labels(tmp_path / "a.jpg")


def test_palettes_give_their_indices(tmp_path: Path):
    picture = Pillow.fromarray(GREY % 5)
    picture.putpalette(RNG.integers(0, 255, 3 * 256).astype(np.uint8).tobytes())
    picture.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png"), GREY % 5)
    assert read_image(tmp_path / "a.png").n_channels == 3


def test_grey_stored_as_rgb_is_grey_and_colours_are_no_labels(tmp_path: Path):
    iio.imwrite(tmp_path / "grey.png", np.dstack([GREY] * 3))
    np.testing.assert_array_equal(read_labels(tmp_path / "grey.png"), GREY)
    iio.imwrite(tmp_path / "rgb.png", RGB)
    with pytest.raises(InputError, match="colour picture"):
        read_labels(tmp_path / "rgb.png")
    tifffile.imwrite(tmp_path / "rgb.tif", RGB, photometric="rgb")
    with pytest.raises(InputError, match="colour picture"):
        read_labels(tmp_path / "rgb.tif")

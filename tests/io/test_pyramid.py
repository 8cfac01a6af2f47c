"""Pyramids: right pixels, at the right place, whole or not there."""

from __future__ import annotations

import subprocess
import sys
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest

from napari_scribe.io import add_pyramid, create_zarr, ngff_writer, open_levels, read_image

UM = "micrometer"


@pytest.fixture(autouse=True)
def small_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngff_writer, "_SMALL", 16)


def make(path: Path, array: np.ndarray, axes: str = "YX", **options: object) -> Path:
    create_zarr(path, array.shape, array.dtype, axes, chunks=[8] * array.ndim, **options)[...] = (
        array
    )
    return path


def pixels(*shape: int, dtype: str = "uint16") -> np.ndarray:
    return np.random.default_rng(0).integers(0, 200, shape).astype(dtype)


def expected_mean(array: np.ndarray) -> np.ndarray:
    """Mean of two by two, one by one, of those that are there."""
    half = np.zeros([*array.shape[:-2], -(-array.shape[-2] // 2), -(-array.shape[-1] // 2)])
    for y, x in np.ndindex(half.shape[-2:]):
        block = array[..., 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].astype(float)
        half[..., y, x] = block.mean((-2, -1))
    return half


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "uint32", "float32", "float16"])
def test_intensities_are_means(tmp_path: Path, dtype: str):
    array = pixels(37, 50, dtype=dtype)
    list(add_pyramid(make(tmp_path / "a.zarr", array), labels=False))
    levels = [level[...] for level in open_levels(tmp_path / "a.zarr")]
    assert [level.shape for level in levels] == [(37, 50), (19, 25), (10, 13)]
    np.testing.assert_array_equal(levels[0], array)
    for before, level in pairwise(levels):
        assert level.dtype == dtype
        mean = expected_mean(before)
        tolerance = 0.5 if np.dtype(dtype).kind in "iu" else 1e-3 * mean.max()
        np.testing.assert_allclose(level.astype(float), mean, atol=tolerance, rtol=0)


def test_the_brightest_pixels_do_not_overflow(tmp_path: Path):
    array = np.full((20, 20), 2**16 - 1, np.uint16)
    list(add_pyramid(make(tmp_path / "a.zarr", array), labels=False))
    assert (open_levels(tmp_path / "a.zarr")[1][...] == 2**16 - 1).all()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int32"])
def test_labels_are_every_second_pixel(tmp_path: Path, dtype: str):
    array = pixels(37, 50, dtype=dtype)
    list(add_pyramid(make(tmp_path / "a.zarr", array), labels=True))
    for i, level in enumerate(open_levels(tmp_path / "a.zarr")):
        assert level.dtype == dtype
        np.testing.assert_array_equal(level[...], array[:: 2**i, :: 2**i])


@pytest.mark.parametrize("labels", [False, True])
@pytest.mark.parametrize("axes", ["ZYX", "TCZYX", "CYX"])
def test_other_axes_stay(tmp_path: Path, axes: str, labels: bool):
    shape = {"T": 2, "C": 3, "Z": 20, "Y": 40, "X": 21}
    array = pixels(*(shape[a] for a in axes), dtype="float32")
    list(add_pyramid(make(tmp_path / "a.zarr", array, axes), labels))
    full, half, quarter = (level[...] for level in open_levels(tmp_path / "a.zarr"))
    assert quarter.shape == (*array.shape[:-2], 10, 6)
    expected = full[..., ::2, ::2] if labels else expected_mean(full)
    np.testing.assert_allclose(half, expected, rtol=1e-6)


@pytest.mark.parametrize("labels", [False, True])
def test_every_level_lies_where_its_pixels_come_from(tmp_path: Path, labels: bool):
    """A ramp that holds the place of each pixel says where the pixels of a level are."""
    y = np.arange(64, dtype=np.float32)[:, None] * 0.5 + 3
    array = np.broadcast_to(y, (64, 64)).copy()
    where = {"scale": {"Y": 0.5, "X": 2.0}, "units": {"Y": UM}, "translate": {"Y": 3.0}}
    list(add_pyramid(make(tmp_path / "a.zarr", array, **where), labels))
    for i in range(3):
        image = read_image(tmp_path / "a.zarr", level=i)
        assert image.scale == {"Y": 0.5 * 2**i, "X": 2.0 * 2**i}
        assert image.units == {"Y": UM}
        place = np.arange(image.length("Y")) * image.scale["Y"] + image.translate["Y"]
        np.testing.assert_allclose(image.data[:, 0], place)


def test_chunks_are_those_of_the_full_resolution_and_counted(tmp_path: Path):
    make(tmp_path / "a.zarr", pixels(50, 70))
    steps = list(add_pyramid(tmp_path / "a.zarr", labels=False))
    levels = open_levels(tmp_path / "a.zarr")
    assert [level.chunks for level in levels] == [(8, 8), (8, 8), (8, 8), (7, 8)]
    total = sum(level.nchunks for level in levels[1:])
    assert steps == [(i + 1, total) for i in range(total)]


def test_empty_chunks_take_no_room(tmp_path: Path):
    array = np.zeros((64, 64), np.int32)
    array[:8, 40:48] = 7
    list(add_pyramid(make(tmp_path / "a.zarr", array), labels=True))
    for level in "0", "1", "2":
        assert len(list((tmp_path / "a.zarr" / level).rglob("c/*/*"))) == 1


def test_small_images_get_no_levels(tmp_path: Path):
    make(tmp_path / "a.zarr", pixels(16, 10))
    assert list(add_pyramid(tmp_path / "a.zarr", labels=True)) == []
    assert len(open_levels(tmp_path / "a.zarr")) == 1
    assert not (tmp_path / "a.zarr" / "1").exists()


def test_what_was_broken_off_is_not_there_and_is_made_anew(tmp_path: Path):
    array = pixels(64, 64)
    path = make(tmp_path / "a.zarr", array)
    before = read_image(path)
    work = add_pyramid(path, labels=True)
    assert len(list(islice(work, 17))) == 17
    work.close()
    assert len(open_levels(path)) == 1
    assert (read_image(path).scale, read_image(path).shape) == (before.scale, before.shape)
    (path / "1" / "zarr.json").write_text("{")
    list(add_pyramid(path, labels=True))
    np.testing.assert_array_equal(open_levels(path)[2][...], array[::4, ::4])


def test_a_whole_pyramid_is_left_alone(tmp_path: Path):
    path = make(tmp_path / "a.zarr", pixels(64, 64))
    list(add_pyramid(path, labels=False))
    files = {p: p.stat().st_mtime_ns for p in path.rglob("*")}
    assert list(add_pyramid(path, labels=False)) == []
    assert {p: p.stat().st_mtime_ns for p in path.rglob("*")} == files


def test_levels_of_an_image_without_a_pyramid(tmp_path: Path):
    array = pixels(20, 20)
    path = make(tmp_path / "a.zarr", array)
    for place in (path, path / "0"):
        (level,) = open_levels(place)
        np.testing.assert_array_equal(level[...], array)


@pytest.mark.skipif(sys.platform == "win32", reason="needs the highest use of memory")
def test_memory_does_not_grow_with_the_image(tmp_path: Path):
    """An image of 64 MB, in a process of its own, which is allowed less than a quarter of it."""
    code = """
import resource, sys
from pathlib import Path
from napari_scribe.io import add_pyramid, create_zarr
unit = 2**20 if sys.platform == "darwin" else 2**10
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
path = Path(sys.argv[1])
array = create_zarr(path, (4096, 8192), "uint16", "YX")
for y in range(0, 4096, 512):
    array[y : y + 512] = y + 1
before = peak()
assert list(add_pyramid(path, labels=False))
print(peak() - before)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "a.zarr")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 64 / 4

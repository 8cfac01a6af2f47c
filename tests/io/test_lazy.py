"""A window of a large image is read without the rest of it.

The rest is spoiled on the disk: who reads any of it meets an error, or other pixels.
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr

from napari_scribe.image import Image
from napari_scribe.io import add_pyramid, create_zarr, ngff_writer, read_image
from napari_scribe.io import tiff_reader as reader

ARRAY = np.random.default_rng(0).integers(1, 200, (96, 128)).astype(np.uint16)
CHUNK = 16
WINDOW = slice(20, 60), slice(33, 47)
"""Three rows of chunks, in one column."""


def spoil_zarr(array: Path) -> int:
    """Spoil all chunks but those of `WINDOW`; how many."""
    n = 0
    for path in [p for p in array.rglob("*") if p.is_file() and "z" not in p.name]:
        y, x = (
            int(i)
            for i in str(path.relative_to(array))
            .removeprefix("c/")
            .replace(".", "/")
            .split("/")[-2:]
        )
        if x != 2 or y not in (1, 2, 3):
            path.write_bytes(b"spoiled")
            n += 1
    return n


def group(path: Path, version: str) -> Path:
    """An OME-NGFF image with levels `ARRAY` twice as large, and `ARRAY`."""
    made = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    large = np.kron(ARRAY, np.ones((2, 2), np.uint16))
    for name, level in (("0", large), ("1", ARRAY)):
        made.create_array(name, data=level, chunks=(CHUNK, CHUNK))
    axes = [{"name": a, "type": "space", "unit": "micrometer"} for a in "yx"]
    datasets = [
        {"path": p, "coordinateTransformations": [{"type": "scale", "scale": [s, s]}]}
        for p, s in (("0", 0.5), ("1", 1.0))
    ]
    ome = {"multiscales": [{"version": version, "axes": axes, "datasets": datasets}]}
    made.attrs.update(ome if version == "0.4" else {"ome": ome | {"version": version}})
    return path


def check_window(image: Image) -> None:
    """The window is right, and the rest cannot be read."""
    np.testing.assert_array_equal(image.read((), WINDOW)[0], ARRAY[WINDOW])
    try:
        rest = np.asarray(image.data[...])
    except Exception:
        return
    assert not np.array_equal(rest, ARRAY)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zarr_arrays(tmp_path: Path, zarr_format: int):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=ARRAY, chunks=(CHUNK, CHUNK), zarr_format=zarr_format)
    assert spoil_zarr(path) == 6 * 8 - 3
    check_window(read_image(path))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_levels_of_ome_zarr(tmp_path: Path, version: str):
    path = group(tmp_path / "a.zarr", version)
    assert spoil_zarr(path / "1") == 6 * 8 - 3
    image = read_image(path, level=1)
    assert image.scale == {"Y": 1.0, "X": 1.0}
    check_window(image)


def test_levels_of_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ngff_writer, "_SMALL", 150)
    large = np.kron(ARRAY, np.ones((2, 2), np.uint16))
    create_zarr(tmp_path / "a.zarr", large.shape, "uint16", "YX", chunks=(CHUNK, CHUNK))[...] = (
        large
    )
    list(add_pyramid(tmp_path / "a.zarr", labels=False))
    assert spoil_zarr(tmp_path / "a.zarr" / "1") == 6 * 8 - 3
    check_window(read_image(tmp_path / "a.zarr", level=1))


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("level", [0, 1])
def test_tiles_of_ome_tiff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: int, bigtiff: bool
):
    monkeypatch.setattr(reader, "_SMALL_BYTES", 0)
    path = tmp_path / "a.ome.tif"
    large = np.kron(ARRAY, np.ones((2, 2), np.uint16))
    with tifffile.TiffWriter(path, ome=True, bigtiff=bigtiff) as file:
        options = {"tile": (CHUNK, CHUNK), "compression": "zlib"}
        metadata = {"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
        file.write(large if level else ARRAY, subifds=1, metadata=metadata, **options)
        file.write(ARRAY if level else ARRAY[::2, ::2], subfiletype=1, **options)
    with tifffile.TiffFile(path) as file:
        page = file.series[0].levels[level].keyframe
        places = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    with path.open("r+b") as file:
        for i, (offset, count) in enumerate(places):
            if i % 8 != 2 or i // 8 not in (1, 2, 3):
                file.seek(offset)
                file.write(bytes(count))
    image = read_image(path, level=level)
    assert image.scale == dict.fromkeys("YX", 0.5 * 2**level)
    check_window(image)


def test_dask_arrays():
    """Only the blocks of a window are computed."""
    computed: list[tuple[int, ...]] = []

    def block(block_info: dict[object, dict[str, list[tuple[int, int]]]]) -> np.ndarray:
        place = block_info[None]["array-location"]
        computed.append(tuple(start // CHUNK for start, _ in place))
        return ARRAY[tuple(slice(*ends) for ends in place)]

    chunks = tuple((CHUNK,) * (n // CHUNK) for n in ARRAY.shape)
    lazy = da.map_blocks(block, chunks=chunks, dtype=ARRAY.dtype, meta=ARRAY[:0, :0])
    image = Image(da.stack([lazy, lazy + 1]), "CYX")
    read = image.read((), WINDOW, channels=[1, 0])
    np.testing.assert_array_equal(read, [ARRAY[WINDOW] + 1, ARRAY[WINDOW]])
    assert set(computed) == {(1, 2), (2, 2), (3, 2)}


def test_one_file_read_by_many_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reader, "_SMALL_BYTES", 0)
    for name, options in (("tiles", {"tile": (CHUNK, CHUNK)}), ("strips", {"rowsperstrip": 8})):
        path = tmp_path / f"{name}.tif"
        tifffile.imwrite(path, ARRAY, compression="zlib", **options)
        image = read_image(path)
        corners = [(y, x) for y in range(0, 80, 9) for x in range(0, 100, 13)]
        windows = [(slice(y, y + 20), slice(x, x + 30)) for y, x in corners]
        with ThreadPoolExecutor(8) as threads:
            read = list(threads.map(image.read, [()] * len(windows), windows))
        for window, block in zip(windows, read, strict=True):
            np.testing.assert_array_equal(block[0], ARRAY[window])


@pytest.mark.skipif(sys.platform == "win32", reason="needs the highest use of memory")
def test_large_tiff_files_are_written_and_read_in_little_memory(tmp_path: Path):
    """537 MB of pixels, in a process of its own."""
    code = """
import resource, sys
import dask.array as da
import numpy as np
from napari_scribe.io import read_image, write_tiff
unit = 2**20 if sys.platform == "darwin" else 2**10
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
pixels = da.full((16384, 16384), 7, dtype="uint16", chunks=2048)
write_tiff(sys.argv[1], da.zeros((600, 600), chunks=512))  # all that is imported later
before = peak()
write_tiff(sys.argv[1], pixels)
print(peak() - before)
image = read_image(sys.argv[1])
before = peak()
assert (image.read((), (slice(9000, 9600), slice(16000, 16384))) == 7).all()
print(peak() - before)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "a.tif")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    written, read = (float(line) for line in done.stdout.split())
    assert written < 537 / 3
    assert read < 20

"""Pixels that stay on disk: any window is that of the array, and errors name file and place."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr

from napari_scribe.errors import InputError
from napari_scribe.io import create_zarr, read_image, read_labels, tiff_reader
from napari_scribe.io.file_array import FileArray, show

ARRAY = np.random.default_rng(0).integers(1, 100, (5, 8, 9, 4)).astype(np.uint16)
PICKS = {
    "as it is": ((range(5), range(8), range(9), range(4)), ARRAY),
    "without the last": ((range(5), range(8), range(9), range(3)), ARRAY[..., :3]),
    "without one between": ((range(5), range(8), range(9), (0, 1, 3)), ARRAY[..., [0, 1, 3]]),
    "one of an axis": ((2, range(8), range(9), range(4)), ARRAY[2]),
    "with a new axis": ((range(5), None, range(8), range(9), 1), ARRAY[:, None, :, :, 1]),
}
PLACES = [
    ...,
    0,
    -1,
    slice(1, 4),
    (slice(None, None, -2), 0),
    (..., 2),
    (0, ..., slice(0, 2)),
    (slice(2, 2), slice(None)),
    (np.int64(0), slice(1, None, 3)),
    [0, 0],
    (slice(None), None, 0),
]


@pytest.mark.parametrize("picks", PICKS)
@pytest.mark.parametrize("place", PLACES, ids=str)
def test_any_window_is_that_of_an_array(picks: str, place: object):
    chosen, wanted = PICKS[picks]
    array = FileArray(zarr.array(ARRAY, chunks=(2, 4, 4, 2)), chosen, Path("a.zarr"))
    assert (array.shape, array.dtype, array.size) == (wanted.shape, wanted.dtype, wanted.size)
    np.testing.assert_array_equal(array[place], wanted[place])
    np.testing.assert_array_equal(show(ARRAY, chosen, Path("a"))[place], wanted[place])


def test_places_outside_raise():
    array = FileArray(ARRAY, [range(5), None, range(8), range(9), range(3)], Path("a"))
    for place in (5, (0, 1), (0, 0, 0, 0, 3), (0,) * 6):
        with pytest.raises(IndexError):
            array[place]


def test_dask_and_numpy_take_it():
    array = FileArray(ARRAY, [range(5), range(8), range(9), range(3)], Path("a"))
    np.testing.assert_array_equal(np.asarray(array), ARRAY[..., :3])
    np.testing.assert_array_equal(da.from_array(array, chunks=4).compute(), ARRAY[..., :3])


# ---- damage --------------------------------------------------------------------------------------


def test_a_damaged_chunk_is_all_that_is_told(tmp_path: Path):
    """How many there are; and nothing of what zarr was reading beside it, when the program ends."""
    pixels = np.random.default_rng(0).integers(0, 4000, (1024, 1024)).astype(np.uint16)
    zarr.create_array(tmp_path / "a.zarr", data=pixels, chunks=(64, 64))
    chunks = sorted((tmp_path / "a.zarr" / "c").glob("*/*"))
    chunks[5].write_bytes(b"no zstd")
    code = "import sys; from napari_scribe.io import read_image; read_image(sys.argv[1]).data[...]"
    command = [sys.executable, "-c", code, str(tmp_path / "a.zarr")]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    assert "It is damaged there (1 of 256 pieces): copy or save it again." in said
    assert "Task" not in said


@pytest.mark.parametrize("kind", ["zstd", "gzip", "blosc", "sharded", "short"])
def test_a_damaged_chunk_is_named(tmp_path: Path, kind: str):
    path = tmp_path / "a.zarr"
    codecs = {"gzip": zarr.codecs.GzipCodec(), "blosc": zarr.codecs.BloscCodec()}
    group = zarr.open_group(path, mode="w")
    group.create_array(
        "0",
        data=np.full((3, 64, 64), 7, np.uint16),
        chunks=(1, 32, 32),
        shards=(1, 32, 32) if kind == "sharded" else None,
        compressors=None if kind == "short" else codecs.get(kind, zarr.codecs.ZstdCodec()),
    )
    (path / "0" / "c" / "1" / "0" / "1").write_bytes(b"spoiled")
    image = read_image(path, "ZYX")
    assert image.read((("Z", 1),), (slice(0, 32), slice(0, 20))).max() == 7
    with pytest.raises(OSError, match=r"a\.zarr at Z 1, Y 0 to 31, X 20 to 39: .*damaged there"):
        image.read((("Z", 1),), (slice(0, 32), slice(20, 40)))


@pytest.mark.parametrize("options", [{"tile": (32, 32)}, {"rowsperstrip": 8}])
def test_a_damaged_piece_of_a_tiff_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, object]
):
    path = tmp_path / "a.tif"
    array = np.random.default_rng(0).integers(0, 99, (5, 64, 64)).astype(np.uint16)
    tifffile.imwrite(path, array, photometric="minisblack", compression="zlib", **options)
    with tifffile.TiffFile(path) as file:
        at = file.pages[1].dataoffsets[0]
    content = bytearray(path.read_bytes())
    content[at : at + 20] = b"x" * 20
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.tif"):
        read_image(path)  # small: read at once
    monkeypatch.setattr(tiff_reader, "_SMALL_BYTES", 0)
    image = read_image(path)
    np.testing.assert_array_equal(image.data[0], array[0])
    with pytest.raises(OSError, match=r"a\.tif at Z 1, Y 0 to 9, X 0 to 9: .*damaged there"):
        image.read((("Z", 1),), (slice(0, 10), slice(0, 10)))


def test_a_disk_that_fails_is_no_damage(tmp_path: Path):
    class Failing:
        shape, dtype = (4, 4), np.dtype(np.uint8)

        def __getitem__(self, _index: object) -> None:
            raise OSError(5, "Input/output error")

    array = FileArray(Failing(), [range(4), range(4)], tmp_path / "a.tif")
    with pytest.raises(OSError, match=r"a\.tif at .*Input/output error$") as said:
        np.asarray(array)
    assert said.value.errno == 5


# ---- larger than memory --------------------------------------------------------------------------

SIDE = 10**6


@pytest.mark.parametrize(
    "options", [{}, {"compression": "zlib"}, {"tile": (16, 16)}, {"rowsperstrip": 5}]
)
def test_a_tiff_that_declares_what_it_cannot_hold(tmp_path: Path, options: dict[str, object]):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ARRAY[0, :, :, 0], metadata=None, **options)
    with tifffile.TiffFile(path, mode="r+b") as file:
        tags = file.pages.first.tags
        for name in ("ImageWidth", "ImageLength", *(["RowsPerStrip"] if len(options) == 0 else [])):
            tags[name].overwrite(SIDE)
        if options == {"compression": "zlib"}:
            tags["RowsPerStrip"].overwrite(SIDE)
    for read in (read_image, read_labels):
        with pytest.raises(InputError, match=r"a\.tif is (incomplete|too large to read)"):
            read(path)


def test_pieces_and_images_larger_than_memory_are_said(tmp_path: Path):
    shape = (SIDE, 10 * SIDE)
    zarr.create_array(tmp_path / "a.zarr", shape=shape, chunks=shape, dtype="u1")
    with pytest.raises(InputError, match=r"a\.zarr is too large to read: each piece"):
        read_image(tmp_path / "a.zarr")
    zarr.create_array(tmp_path / "b.zarr", shape=shape, chunks=(512, 512), dtype="u1")
    labels = read_labels(tmp_path / "b.zarr")
    assert labels[5:9, 7:9].shape == (4, 2)
    with pytest.raises(InputError, match=r"b\.zarr is too large to read: all of it.*needs 10 TB"):
        np.asarray(labels)


@pytest.mark.parametrize(("depth", "colour"), [(8, 0), (16, 2)])
def test_a_png_that_declares_more_than_memory_holds(tmp_path: Path, depth: int, colour: int):
    head = b"IHDR" + struct.pack(">IIBBBBB", SIDE, SIDE, depth, colour, 0, 0, 0)
    chunk = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    data = struct.pack(">I", 9) + b"IDAT" + bytes(13)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + data)
    for read in (read_image, read_labels):
        with pytest.raises(InputError, match=r"a\.png is too large to read"):
            read(tmp_path / "a.png")


def test_what_create_zarr_made_is_read_as_it_is(tmp_path: Path):
    made = create_zarr(tmp_path / "a.zarr", (8, 9), "u2", "YX")
    made[...] = ARRAY[0, :, :, 0]
    np.testing.assert_array_equal(read_image(tmp_path / "a.zarr").data, ARRAY[0, :, :, 0])

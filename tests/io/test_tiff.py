"""TIFF: what is written comes back, and what others wrote is understood."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr

from napari_scribe.errors import InputError
from napari_scribe.io import read_image, read_labels, write_tiff
from napari_scribe.io import tiff_reader as reader
from napari_scribe.io import tiff_writer as writer

UM = "micrometer"
SIZES = {"T": 3, "C": 2, "Z": 4, "Y": 20, "X": 30}


def pixels(axes: str = "YX", dtype: str = "uint16", **sizes: int) -> np.ndarray:
    shape = [(SIZES | sizes)[a] for a in axes]
    return np.random.default_rng(0).integers(0, 100, shape).astype(dtype)


# ---- round trips --------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", ["YX", "ZYX", "TYX", "CYX", "TZYX", "TCYX", "TCZYX", "CZYX"])
def test_axes_scale_and_units_survive(tmp_path: Path, axes: str):
    scale = {a: s for a, s in {"T": 5.0, "Z": 2.0, "Y": 0.5, "X": 0.25}.items() if a in axes}
    units = {a: "second" if a == "T" else UM for a in scale}
    array = pixels(axes)
    write_tiff(tmp_path / "a.tif", array, axes, scale, units)
    image = read_image(tmp_path / "a.tif")
    assert image.axes == axes
    assert image.scale == scale
    assert image.units == units
    assert image.name == "a"
    np.testing.assert_array_equal(image.data, array)


@pytest.mark.parametrize(
    ("dtype", "stored"),
    [(d, d) for d in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")]
    + [("bool", "uint8"), ("float16", "float32"), ("int64", "int32"), ("uint64", "uint32")]
    + [(">u2", "uint16")],
)
def test_types_survive_or_find_the_nearest(tmp_path: Path, dtype: str, stored: str):
    array = pixels(dtype=dtype)
    write_tiff(tmp_path / "a.tif", array)
    data = read_image(tmp_path / "a.tif").data
    assert data.dtype == stored
    assert data.dtype.isnative
    np.testing.assert_array_equal(data, array)


@pytest.mark.parametrize("small_bytes", [2**28, 0])
def test_pixels_that_change_while_they_are_written_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_bytes: int
):
    """Somebody paints on a layer that is being saved."""
    monkeypatch.setattr(writer, "_SMALL_BYTES", small_bytes)
    paint = pixels(dtype="int32", Y=256, X=256)
    is_done = threading.Event()

    def go_on_painting() -> None:
        random = np.random.default_rng(1)
        while not is_done.wait(1e-5):
            y, x = random.integers(0, 250, 2)
            paint[y : y + 5, x : x + 5] = random.integers(0, 200)

    painter = threading.Thread(target=go_on_painting)
    painter.start()
    try:
        for name in ("a.tif", "b.tif", "c.tif"):
            write_tiff(tmp_path / name, paint)
    finally:
        is_done.set()
        painter.join()
    assert all(read_labels(tmp_path / f"{name}.tif").max() < 200 for name in "abc")


def test_wide_integers_that_do_not_fit_are_refused(tmp_path: Path):
    write_tiff(tmp_path / "a.tif", np.full((4, 4), 2**32 - 1))
    assert read_image(tmp_path / "a.tif").dtype == np.uint32
    with pytest.raises(InputError, match="too large"):
        write_tiff(tmp_path / "b.tif", np.full((4, 4), 2**32))
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]


def test_rgb_stays_rgb(tmp_path: Path):
    array = pixels("YXC", "uint8", C=3)
    write_tiff(tmp_path / "a.tif", array, "YXC", {"Y": 2.0, "X": 2.0}, {"Y": UM, "X": UM})
    image = read_image(tmp_path / "a.tif")
    assert image.axes == "YXC"
    assert image.scale == {"Y": 2.0, "X": 2.0}
    np.testing.assert_array_equal(image.data, array)


def test_axes_in_another_order_are_put_in_order(tmp_path: Path):
    array = pixels("YXC")
    write_tiff(tmp_path / "a.tif", array, "YXC")
    image = read_image(tmp_path / "a.tif")
    assert image.axes == "CYX"
    np.testing.assert_array_equal(image.data, array.transpose(2, 0, 1))


def test_channel_names_survive(tmp_path: Path):
    write_tiff(tmp_path / "a.tif", pixels("CYX"), "CYX", channel_names=["DAPI", "µ & <GFP>"])
    assert read_image(tmp_path / "a.tif").channel_names == ("DAPI", "µ & <GFP>")


def test_units_that_tiff_does_not_know_are_dropped_and_the_scale_stays(tmp_path: Path):
    write_tiff(tmp_path / "a.tif", pixels(), "YX", {"Y": 3.0, "X": 3.0}, {"Y": "furlong"})
    image = read_image(tmp_path / "a.tif")
    assert image.scale == {"Y": 3.0, "X": 3.0}
    assert image.units == {}


@pytest.mark.parametrize("axes", ["ZYX", "YXC"])
@pytest.mark.parametrize("kind", ["zarr", "dask"])
@pytest.mark.parametrize("at_once", [0, 600, 2400, 2**25])
def test_lazy_arrays_are_written_part_by_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, axes: str, at_once: int
):
    monkeypatch.setattr(writer, "_SMALL_BYTES", 0)
    monkeypatch.setattr(writer, "_READ_BYTES", at_once)
    monkeypatch.setattr(writer, "_TILE", 16)
    array = pixels(axes, "uint8", Y=50, X=37, C=3)
    lazy = zarr.array(array) if kind == "zarr" else da.from_array(array, chunks=16)
    write_tiff(tmp_path / "a.tif", lazy, axes)
    image = read_image(tmp_path / "a.tif")
    assert image.axes == axes
    np.testing.assert_array_equal(image.data, array)


def test_large_planes_are_tiled_and_compressed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(writer, "_TILED_FROM", 64)
    monkeypatch.setattr(writer, "_TILE", 32)
    array = np.zeros((100, 70), np.int32)
    write_tiff(tmp_path / "a.tif", array)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.pages.first.is_tiled
        assert file.pages.first.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
    assert (tmp_path / "a.tif").stat().st_size < array.nbytes / 4
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data, array)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    import resource

    write_tiff(tmp_path / "a.tif", pixels())
    before = (tmp_path / "a.tif").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"Could not write .*a\.tif: File too large"):
            write_tiff(tmp_path / "a.tif", pixels(Y=100, X=100))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "a.tif").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_plain_readers_see_the_size_of_a_pixel(tmp_path: Path):
    write_tiff(tmp_path / "a.tif", pixels(), "YX", {"Y": 500.0, "X": 250.0}, {"Y": "nm", "X": "nm"})
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.pages.first.get_resolution("micrometer") == pytest.approx((4.0, 2.0))
    image = read_image(tmp_path / "a.tif")
    assert image.units == {"Y": "nanometer", "X": "nanometer"}


# ---- files of others ----------------------------------------------------------------------------


def test_imagej(tmp_path: Path):
    array = pixels("TZYX")
    metadata = {"axes": "TZYX", "spacing": 2.0, "unit": "micron", "finterval": 30.0}
    tifffile.imwrite(tmp_path / "a.tif", array, imagej=True, resolution=(4, 2), metadata=metadata)
    image = read_image(tmp_path / "a.tif")
    assert image.axes == "TZYX"
    assert image.scale == {"T": 30.0, "Z": 2.0, "Y": 0.5, "X": 0.25}
    assert image.units == {"T": "second", "Z": UM, "Y": UM, "X": UM}
    np.testing.assert_array_equal(image.data, array)


def test_imagej_without_units_has_no_scale(tmp_path: Path):
    tifffile.imwrite(tmp_path / "a.tif", pixels(), imagej=True, resolution=(72, 72))
    assert read_image(tmp_path / "a.tif").scale == {}


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("small", [2**28, 0])
def test_pixels_have_the_byte_order_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: int, compression: str | None
):
    monkeypatch.setattr(reader, "_SMALL_BYTES", small)
    array = pixels("ZYX")
    options = {"imagej": True, "compression": compression, "metadata": {"axes": "ZYX"}}
    tifffile.imwrite(tmp_path / "a.tif", array, byteorder=">", **options)
    image = read_image(tmp_path / "a.tif")
    window = (slice(2, 12), slice(3, 9))
    block = image.read((("Z", 1),), window)
    assert image.dtype.isnative
    assert block.dtype.isnative
    np.testing.assert_array_equal(block[0], array[1, 2:12, 3:9])
    np.testing.assert_array_equal(np.asarray(image.data), array)


def test_ome_with_other_units(tmp_path: Path):
    metadata: dict[str, object] = {"axes": "ZYX", "PhysicalSizeZ": 1.5}
    metadata |= {f"PhysicalSize{a}": 325.0 for a in "XY"}
    metadata |= {f"PhysicalSize{a}Unit": "nm" for a in "XY"}
    tifffile.imwrite(tmp_path / "a.ome.tif", pixels("ZYX"), metadata=metadata)
    image = read_image(tmp_path / "a.ome.tif")
    assert image.name == "a"
    assert image.scale == {"Z": 1.5, "Y": 325.0, "X": 325.0}
    assert image.units == {"Z": UM, "Y": "nanometer", "X": "nanometer"}


@pytest.mark.parametrize(
    ("resolution", "unit", "scale"),
    [
        ((10_000, 20_000), "CENTIMETER", {"X": 1.0, "Y": 0.5}),
        ((25_400, 25_400), "INCH", {"X": 1.0, "Y": 1.0}),
        ((72, 72), "INCH", {}),
        ((300, 300), "INCH", {}),
        ((10, 10), "NONE", {}),
    ],
)
def test_plain_resolution_counts_unless_it_is_for_printers(
    tmp_path: Path, resolution: tuple[int, int], unit: str, scale: dict[str, float]
):
    tifffile.imwrite(tmp_path / "a.tif", pixels(), resolution=resolution, resolutionunit=unit)
    image = read_image(tmp_path / "a.tif")
    assert image.scale == pytest.approx(scale)
    assert image.units == dict.fromkeys(scale, UM)


@pytest.mark.parametrize(
    ("shape", "options", "axes"),
    [
        ((20, 30, 3), {"photometric": "rgb"}, "YXC"),
        ((3, 20, 30), {"photometric": "rgb", "planarconfig": "separate"}, "CYX"),
        ((7, 20, 30), {}, "ZYX"),
        ((7, 20, 30), {"metadata": None}, "ZYX"),
        ((1, 7, 1, 20, 30), {}, "ZYX"),
        ((1, 7, 1, 20, 30), {"metadata": {"axes": "TZCYX"}}, "ZYX"),
        ((5, 2, 20, 30), {"metadata": {"axes": "QCYX"}}, "ZCYX"),
        ((1, 20, 30), {"metadata": {"axes": "TYX"}}, "YX"),
    ],
)
def test_axes_are_those_of_the_file_or_guessed(
    tmp_path: Path, shape: tuple[int, ...], options: dict[str, object], axes: str
):
    array = np.random.default_rng(0).integers(0, 99, shape).astype(np.uint8)
    options = {"photometric": "minisblack"} | options
    tifffile.imwrite(tmp_path / "a.tif", array, **options)
    image = read_image(tmp_path / "a.tif")
    assert image.axes == axes
    np.testing.assert_array_equal(image.data, array.squeeze())


@pytest.mark.parametrize(("axes", "shape"), [("TYX", (7, 20, 30)), ("TCZYX", (1, 1, 7, 20, 30))])
def test_axes_can_be_given(tmp_path: Path, axes: str, shape: tuple[int, ...]):
    array = pixels("TYX", T=7)
    tifffile.imwrite(tmp_path / "a.tif", array[None, None], photometric="minisblack")
    image = read_image(tmp_path / "a.tif", axes)
    assert (image.axes, image.shape) == (axes, shape)
    np.testing.assert_array_equal(image.data, array.reshape(shape))


def test_axes_that_do_not_fit_are_refused(tmp_path: Path):
    write_tiff(tmp_path / "a.tif", pixels("ZYX"), "ZYX")
    for axes in ("YX", "QYX", "YYX", "ZTC", "TCZ"):
        with pytest.raises(InputError, match=r"[Aa]xes"):
            read_image(tmp_path / "a.tif", axes)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_pyramids(tmp_path: Path, compression: str | None):
    array = pixels(Y=64, X=96)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as file:
        options = {"tile": (16, 16), "compression": compression}
        metadata = {"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
        file.write(array, subifds=1, metadata=metadata, **options)
        file.write(array[::2, ::2], subfiletype=1, **options)
    image = read_image(tmp_path / "a.ome.tif", level=1)
    np.testing.assert_array_equal(image.data, array[::2, ::2])
    assert image.scale == {"Y": 1.0, "X": 1.0}
    np.testing.assert_array_equal(read_image(tmp_path / "a.ome.tif").data, array)
    with pytest.raises(InputError, match="levels 0 to 1, not 2"):
        read_image(tmp_path / "a.ome.tif", level=2)


# ---- lazy reading -------------------------------------------------------------------------------


def test_uncompressed_files_are_memory_mapped(tmp_path: Path):
    tifffile.imwrite(tmp_path / "a.tif", pixels("ZYX", Z=5))
    assert isinstance(read_image(tmp_path / "a.tif").data, np.memmap)


@pytest.mark.parametrize("axes", ["YX", "ZYX", "YXC", "CYX"])
@pytest.mark.parametrize("options", [{"tile": (16, 16)}, {"rowsperstrip": 7}, {"rowsperstrip": 64}])
def test_large_compressed_files_are_read_window_by_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, axes: str, options: dict[str, object]
):
    monkeypatch.setattr(reader, "_SMALL_BYTES", 0)
    array = pixels(axes, "uint8", Y=64, X=90, C=3)
    options = options | {"metadata": {"axes": axes.replace("YXC", "YXS")}, "compression": "zlib"}
    options["photometric"] = "rgb" if axes[-1] == "C" else "minisblack"
    tifffile.imwrite(tmp_path / "a.tif", array, **options)
    image = read_image(tmp_path / "a.tif")
    assert not isinstance(image.data, np.ndarray)
    assert (image.axes, image.shape, image.dtype) == (axes, array.shape, np.uint8)
    whole = read_image(tmp_path / "a.tif").selected(data=array)
    frame = (("Z", 2),) if "Z" in axes else ()
    for y in (0, 5, 30, 50):
        for x in (0, 40, 80):
            window = (slice(y, y + 14), slice(x, x + 16))
            np.testing.assert_array_equal(image.read(frame, window), whole.read(frame, window))
    np.testing.assert_array_equal(np.asarray(image.data), array)
    np.testing.assert_array_equal(image.data[..., 3:9], array[..., 3:9])
    np.testing.assert_array_equal(image.data[0], array[0])


def test_windows_in_strips_can_be_changed_by_who_read_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reader, "_SMALL_BYTES", 0)
    array = pixels()
    tifffile.imwrite(tmp_path / "a.tif", array, compression="zlib")
    data = read_image(tmp_path / "a.tif").data
    data[2:5, 3:6][...] = 0
    np.testing.assert_array_equal(data[2:5, 3:6], array[2:5, 3:6])
    np.testing.assert_array_equal(data[2:9:3, 3:6], array[2:9:3, 3:6])
    np.testing.assert_array_equal(data[4, 3:6], array[4, 3:6])


# ---- damaged files ------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [0.95, 0.6, 0.3, 0.001])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"metadata": None},
        {"compression": "zlib"},
        {"compression": "zlib", "metadata": None},
        {"imagej": True},
        {"imagej": True, "compression": "zlib"},
        {"ome": True},
        {"ome": True, "compression": "zlib"},
    ],
    ids=str,
)
def test_truncated_files_are_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], options: dict[str, object], kept: float
):
    array = np.random.default_rng(0).integers(0, 2**16, (6, 90, 80)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", array, **options)
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content[: int(kept * len(content))])
    for read in (read_image, read_labels):
        with pytest.raises(InputError, match=r"a\.tif"):
            read(tmp_path / "a.tif")
    assert capfd.readouterr().err == ""


def test_what_is_no_tiff_is_refused(tmp_path: Path):
    for content in (b"", b"hello", b"II*\0" + bytes(40)):
        (tmp_path / "a.tif").write_bytes(content)
        with pytest.raises(InputError, match="Could not read"):
            read_image(tmp_path / "a.tif")
    with pytest.raises(InputError, match="it is damaged, or something else") as said:
        read_image(tmp_path / "a.tif")
    assert isinstance(said.value.__cause__, IndexError)
    assert "index" not in str(said.value)


@pytest.mark.shared_data
def test_real_files(shared_data: Path):
    movie = read_image(shared_data / "drosophila_movie" / "seq1.tif")
    assert (movie.axes, movie.shape) == ("TYX", (21, 264, 542))
    volume = read_image(shared_data / "nuclei3d" / "embryo8_img.tif")
    assert (volume.axes, volume.shape) == ("ZYX", (51, 120, 122))
    retina = read_image(next((shared_data / "chase_db1" / "images").iterdir()))
    assert (retina.axes, retina.shape) == ("YXC", (960, 999, 3))
    labels = read_labels(next((shared_data / "dsb2018" / "val" / "labels").iterdir()))
    assert labels.dtype == np.uint16

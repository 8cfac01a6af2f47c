"""Labels are the numbers that were written: colours, alpha and lossy compression."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from napari_scribe.errors import InputError
from napari_scribe.io import create_zarr, read_image, read_label_image, read_labels, tiff_reader

LABELS = (np.arange(64 * 64).reshape(64, 64) // 300).astype(np.uint8)
OPAQUE = np.full_like(LABELS, 200)
ALPHA = {"extrasamples": ["unassalpha"]}


@pytest.mark.parametrize(
    ("compression", "how", "is_exact"),
    [
        ("jpeg", {}, False),
        ("jpeg", {"level": 100}, False),
        ("jpeg", {"lossless": True}, True),
        ("jpeg2000", {}, True),
        ("jpeg2000", {"level": 30, "reversible": False}, False),
        ("jpegxr", {"level": 0.5}, False),
        ("jpegxl", {"level": 70}, False),
        ("webp", {"level": 50, "lossless": False}, False),
        ("webp", {"lossless": True}, True),
        ("lerc", {}, True),
        ("lerc", {"level": 3.0}, False),
        ("png", {}, True),
        ("zstd", {}, True),
        ("lzw", {}, True),
        ("packbits", {}, True),
        ("lzma", {}, True),
        ("deflate", {}, True),
        (None, {}, True),
    ],
    ids=str,
)
@pytest.mark.parametrize("tile", [None, (32, 32)])
def test_lossy_compression_is_refused_for_labels(
    tmp_path: Path, compression: str | None, how: dict[str, object], is_exact: bool, tile: object
):
    is_webp = compression == "webp"
    array = np.dstack([LABELS] * 3) if is_webp else LABELS
    options = {"photometric": "rgb" if is_webp else "minisblack", "tile": tile}
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, array, compression=compression, compressionargs=how, **options)
    assert read_image(path).shape == array.shape
    if is_exact:
        np.testing.assert_array_equal(read_labels(path), LABELS)
    else:
        with pytest.raises(InputError, match=r"a\.tif is compressed as \w+, which may change"):
            read_labels(path)


def test_a_jpeg_with_the_name_of_a_png_is_no_labels(tmp_path: Path):
    Pillow.fromarray(LABELS).save(tmp_path / "a.png", format="JPEG")
    assert read_image(tmp_path / "a.png").shape == (64, 64)
    with pytest.raises(InputError, match="a JPEG inside"):
        read_labels(tmp_path / "a.png")


# ---- alpha ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("small", [2**28, 0])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("kind", ["assocalpha", "unassalpha"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("n_colours", [1, 3])
def test_alpha_of_a_tiff_is_no_channel(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    n_colours: int,
    planar: str,
    kind: str,
    compression: str | None,
    small: int,
):
    monkeypatch.setattr(tiff_reader, "_SMALL_BYTES", small)
    rng = np.random.default_rng(0)
    colours = [rng.integers(0, 255, (20, 30)).astype(np.uint8) for _ in range(n_colours)]
    axis = -1 if planar == "contig" else 0
    array = np.stack([*colours, colours[0] // 2], axis)
    options = {"planarconfig": planar, "extrasamples": [kind], "compression": compression}
    options["photometric"] = "rgb" if n_colours == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "a.tif", array, **options)
    image = read_image(tmp_path / "a.tif")
    if n_colours == 1:
        assert image.axes == "YX"
        np.testing.assert_array_equal(image.data, colours[0])
    else:
        assert image.axes == ("YXC" if planar == "contig" else "CYX")
        np.testing.assert_array_equal(image.data, np.stack(colours, axis))


def test_other_extra_samples_stay_channels(tmp_path: Path):
    array = np.random.default_rng(0).integers(0, 255, (20, 30, 5)).astype(np.uint8)
    path = tmp_path / "a.tif"
    options = {"photometric": "rgb", "extrasamples": ["unspecified", "unspecified"]}
    tifffile.imwrite(path, array, **options)
    np.testing.assert_array_equal(read_image(path, "YXC").data, array)
    options["extrasamples"] = ["assocalpha", "unspecified"]
    tifffile.imwrite(path, array, **options)
    np.testing.assert_array_equal(read_image(path, "YXC").data, array[..., [0, 1, 2, 4]])
    tifffile.imwrite(path, array[..., :4], photometric="minisblack", planarconfig="contig")
    assert read_image(path).n_channels == 4


def test_alpha_of_a_stack_of_pages(tmp_path: Path):
    array = np.random.default_rng(0).integers(0, 255, (5, 20, 30, 4)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", compression="zlib")
    image = read_image(tmp_path / "a.tif")
    assert image.axes == "ZYXC"
    np.testing.assert_array_equal(image.data, array[..., :3])


@pytest.mark.parametrize("kind", ["grey+alpha", "rgb", "rgba", "planar rgb", "planar rgba"])
@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_labels_in_pictures_have_no_channels(tmp_path: Path, kind: str, suffix: str):
    colours = [LABELS] * (1 if "grey" in kind else 3) + [OPAQUE] * kind.endswith("a")
    array = np.stack(colours, 0 if "planar" in kind else -1)
    path = tmp_path / f"a{suffix}"
    if suffix == ".png":
        if "planar" in kind:
            pytest.skip("a PNG has no planes")
        path.write_bytes(imagecodecs.png_encode(array))
    else:
        options = {"planarconfig": "separate" if "planar" in kind else "contig"}
        options["photometric"] = "rgb" if "rgb" in kind else "minisblack"
        tifffile.imwrite(path, array, **options, **(ALPHA if kind.endswith("a") else {}))
    labels = read_label_image(path)
    assert labels.axes == "YX"
    np.testing.assert_array_equal(labels.data, LABELS)


def test_planar_colours_are_no_labels_and_equal_slices_stay(tmp_path: Path):
    path = tmp_path / "a.tif"
    planes = np.stack([LABELS, LABELS, LABELS + 1])
    tifffile.imwrite(path, planes, photometric="rgb", planarconfig="separate")
    with pytest.raises(InputError, match="colour picture"):
        read_labels(path)
    tifffile.imwrite(path, np.stack([LABELS] * 3), photometric="minisblack")
    assert read_label_image(path).shape == (3, 64, 64)


def test_a_palette_tiff_gives_its_indices(tmp_path: Path):
    colours = np.random.default_rng(0).integers(0, 2**16, (3, 256)).astype(np.uint16)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, LABELS, photometric="palette", colormap=colours)
    np.testing.assert_array_equal(read_labels(path), LABELS)


# ---- axes of length 1 ----------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".tif", ".png", ".npy", ".zarr", "imagej", "ome"])
@pytest.mark.parametrize("axes", ["YX", "TYX", "ZYX", "CZYX", "TCZYX", "YXC"])
def test_axes_of_length_1_may_be_named_or_left_out(tmp_path: Path, suffix: str, axes: str):
    path = tmp_path / f"a{suffix if suffix.startswith('.') else '.tif'}"
    if suffix == ".zarr":
        create_zarr(path, LABELS.shape, "u1", "YX")[...] = LABELS
    elif suffix == ".npy":
        np.save(path, LABELS[None, None])
    elif suffix == ".png":
        Pillow.fromarray(LABELS).save(path)
    else:
        tifffile.imwrite(path, LABELS, imagej=suffix == "imagej", ome=suffix == "ome")
    image = read_image(path, axes)
    assert (image.axes, image.shape) == (axes, tuple(64 if a in "YX" else 1 for a in axes))
    np.testing.assert_array_equal(np.asarray(image.data).squeeze(), LABELS)
    frame = tuple((a, 0) for a in axes if a in "TZ")
    np.testing.assert_array_equal(image.read(frame, (slice(2, 9), slice(64)))[0], LABELS[2:9])

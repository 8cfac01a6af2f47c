"""Sizes and names are decoration: what makes no sense of them is left out, and said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from napari_scribe.errors import InputError
from napari_scribe.io import create_zarr, read_image, write_tiff
from napari_scribe.io.units import size_of

ARRAY = np.random.default_rng(0).integers(1, 100, (6, 20, 30)).astype(np.uint16)
UM = "micrometer"
SIZES = {"Z": 1.5, "Y": 0.5, "X": 0.5}


@pytest.mark.parametrize(
    ("written", "size"),
    [(2, 2), ("0.5", 0.5), ("0,5", 0.5), (" 2 ", 2), ("1e-3", 1e-3)]
    + [(w, 0) for w in ("", "x", "1.2.3", "1,234.5", None, [], {}, "nan", "-inf", -1, 0, 10**400)]
    + [(np.inf, 0), (1e-300, 0), (1e300, 0)],
)
def test_sizes(written: object, size: float):
    assert size_of(written) == size


@pytest.mark.parametrize(
    ("spacing", "depth"), [("0,5", 0.5), ("NaN", None), ("inf", None), ("deep", None), (-2.0, 2.0)]
)
def test_imagej(tmp_path: Path, spacing: object, depth: float | None):
    metadata = {"axes": "ZYX", "spacing": spacing, "unit": "um", "finterval": "0,1"}
    tifffile.imwrite(tmp_path / "a.tif", ARRAY, imagej=True, resolution=(4, 2), metadata=metadata)
    image = read_image(tmp_path / "a.tif")
    assert image.scale == {"Y": 0.5, "X": 0.25} | ({"Z": depth} if depth else {})
    assert [f"{spacing}".lower() in note.lower() for note in image.notes] == [True] * (not depth)
    np.testing.assert_array_equal(image.data, ARRAY)


@pytest.mark.parametrize(
    ("old", "new", "depth"),
    [
        ('Z="1.5"', 'Z="1,5"', 1.5),
        ('Z="1.5"', 'Z="inf"', None),
        ('Z="1.5"', 'Z="NaN"', None),
        ('Z="1.5"', 'Z="-2 "', None),
        ('Z="1.5"', 'Z="1 µ"'[:6] + '"', None),
    ],
)
def test_ome(tmp_path: Path, old: str, new: str, depth: float | None):
    path = tmp_path / "a.tif"
    write_tiff(path, ARRAY, "ZYX", SIZES, dict.fromkeys(SIZES, UM))
    path.write_bytes(path.read_bytes().replace(old.encode(), new.encode().ljust(len(old))))
    image = read_image(path)
    assert image.scale == {"Y": 0.5, "X": 0.5} | ({"Z": depth} if depth else {})
    assert len(image.notes) == (depth is None)
    assert all("PhysicalSizeZ" in note and "left out" in note for note in image.notes)
    np.testing.assert_array_equal(image.data, ARRAY)


@pytest.mark.parametrize(
    ("sound", "spoiled"),
    [
        (b"<Pixels", b"<Pixe<s"),
        (b"<Pixels", b"\x01Pixels"),
        (b"<Pixels", b"<Pixel\xff"),
        (b'DimensionOrder="XYCZT"', b'DimensionOrder="ABCDE"'),
        (b'SizeC="1"', b'SizeC="x"'),
        (b"</OME>", b"      "),
    ],
)
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_ome_xml_that_does_not_parse(
    tmp_path: Path, sound: bytes, spoiled: bytes, compression: str | None
):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ARRAY, ome=True, metadata={"axes": "ZYX"}, compression=compression)
    assert sound in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(sound, spoiled))
    image = read_image(path)
    np.testing.assert_array_equal(image.data, ARRAY)
    assert "OME-XML is damaged" in image.notes[0]


def group(path: Path, transforms: object, **ome: object) -> None:
    made = zarr.open_group(path, mode="w")
    made.create_array("0", data=ARRAY[0])
    level: dict[str, Any] = {"path": "0", "coordinateTransformations": transforms}
    axes = [{"name": "y", "type": "space", "unit": UM}, {"name": "x", "type": "space", "unit": 3}]
    made.attrs["ome"] = {"multiscales": [{"axes": axes, "datasets": [level]}], **ome}


def test_ngff_of_sizes(tmp_path: Path):
    group(tmp_path / "a.zarr", [{"type": "scale", "scale": ["0,5", 2]}], omero="junk")
    image = read_image(tmp_path / "a.zarr")
    assert (image.scale, image.units, image.notes) == ({"Y": 0.5, "X": 2.0}, {"Y": UM}, ())


@pytest.mark.parametrize(
    "transforms",
    [
        [{"type": "scale", "scale": None}],
        [{"type": "scale", "scale": [2]}],
        [{"type": "scale", "scale": [2, 2, 2]}],
        [{"type": "scale", "scale": ["a", "b"]}],
        [{"type": "scale", "scale": [float("nan"), float("inf")]}],
        [{"type": "scale", "scale": [0, -1]}],
        [{"type": "translation", "translation": [None, 2]}],
        [{"type": "translation", "translation": [float("nan"), 2]}],
        ["junk"],
        "junk",
        5,
    ],
)
def test_ngff_of_transforms_that_make_no_sense(tmp_path: Path, transforms: object):
    group(tmp_path / "a.zarr", transforms)
    image = read_image(tmp_path / "a.zarr")
    assert image.scale == {"Y": 1.0, "X": 1.0}
    assert image.translate == {"Y": 0.0, "X": 0.0}
    assert len(image.notes) == 1 and "left out" in image.notes[0]
    np.testing.assert_array_equal(image.data, ARRAY[0])


@pytest.mark.parametrize("size", [np.nan, np.inf, -1.0, 0.0, 1e-300, 1e300, 1e-14, 1e14])
def test_sizes_that_make_no_sense_are_not_written(tmp_path: Path, size: float):
    """Those of an image that was made in Python."""
    sizes, units = {"Y": size, "X": size}, {"Y": UM, "X": UM}
    write_tiff(tmp_path / "a.tif", ARRAY[0], "YX", sizes, units)
    assert read_image(tmp_path / "a.tif").notes == ()
    shift = {"Y": size if not np.isfinite(size) else 0.0}
    create_zarr(tmp_path / "a.zarr", (4, 5), "u1", "YX", sizes, units, translate=shift)

    def refuse(name: str) -> float:
        raise ValueError(name)

    json.loads((tmp_path / "a.zarr" / "zarr.json").read_text(), parse_constant=refuse)


@pytest.mark.parametrize("bad", ["a\x01b", "\udcff", "a\x00", "\ufffe", "\x1b[31m"])
def test_names_that_xml_cannot_hold_are_written_without_these_characters(tmp_path: Path, bad: str):
    name = bad.replace("\x00", "")
    write_tiff(tmp_path / f"{name}.tif", ARRAY, "CYX", channel_names=[bad, *"bcde", "µ & <\t>"])
    image = read_image(tmp_path / f"{name}.tif")
    assert image.notes == ()
    assert "?" in image.channel_names[0]
    assert image.channel_names[1:5] == tuple("bcde")
    np.testing.assert_array_equal(image.data, ARRAY)


# ---- plates, and metadata without an end ---------------------------------------------------------


def test_the_root_of_a_plate_names_an_image_that_is_there(tmp_path: Path):
    path = tmp_path / "p.zarr"
    plate = zarr.open_group(path, mode="w")
    plate.attrs["ome"] = {"plate": {"wells": [{"path": "A/1"}, {"path": "B/2"}]}}
    with pytest.raises(InputError, match="a plate, and none of the images that it names is there"):
        read_image(path)
    well = plate.create_group("B/2")
    well.attrs["ome"] = {"well": {"images": [{"path": "0"}, {"path": "1"}]}}
    create_zarr(path / "B" / "2" / "1", (4, 5), "u1", "YX")
    for place in (path, path / "B" / "2"):
        with pytest.raises(InputError, match=r"not one image.* such as \S*p\.zarr/B/2/1\."):
            read_image(place)
    assert read_image(path / "B" / "2" / "1").shape == (4, 5)


def test_a_group_without_images_names_what_is_there(tmp_path: Path):
    zarr.open_group(tmp_path / "a.zarr", mode="w").create_group("labels")
    with pytest.raises(InputError, match=r"such as \S*a\.zarr/labels\."):
        read_image(tmp_path / "a.zarr")
    zarr.open_group(tmp_path / "b.zarr", mode="w")
    with pytest.raises(InputError, match=r"no array\.$"):
        read_image(tmp_path / "b.zarr")


def test_metadata_without_an_end(tmp_path: Path):
    loop = tmp_path / "a.zarr"
    zarr.open_group(loop, mode="w")
    (loop / "0").symlink_to(loop, target_is_directory=True)
    with pytest.raises(InputError, match="no OME-NGFF image"):
        read_image(loop)
    deep = "[" * 100_000
    (tmp_path / "b.zarr").mkdir()
    (tmp_path / "b.zarr" / "zarr.json").write_text(deep)
    tifffile.imwrite(tmp_path / "c.tif", ARRAY, description=f'{{"shape": {deep}', metadata=None)
    for name in ("b.zarr", "c.tif"):
        with pytest.raises(InputError, match=rf"{name}: it is damaged") as said:
            read_image(tmp_path / name)
        assert "recursion" not in str(said.value)

"""Files that hold several images: which one is read, and what is said."""

from __future__ import annotations

import uuid
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from napari_scribe.errors import InputError
from napari_scribe.io import create_zarr, list_images, list_series, read_image

ARRAY = np.random.default_rng(0).integers(1, 100, (6, 20, 30)).astype(np.uint16)


def several(path: Path, kind: str) -> None:
    """Two images, of 20 x 30 and 7 x 30 pixels; in a TIFF after a thumbnail."""
    if kind == "bioformats2raw":
        zarr.open_group(path, mode="w").attrs["ome"] = {"bioformats2raw.layout": 3}
        create_zarr(path / "0", (20, 30), "u2", "YX", {"Y": 2.0})[...] = ARRAY[1]
        create_zarr(path / "1", (7, 30), "u2", "YX", {"Y": 3.0})[...] = ARRAY[2][:7]
    elif kind == "multiscales":
        group = zarr.open_group(path, mode="w")
        group.create_array("a", data=ARRAY[1])
        group.create_array("b", data=ARRAY[2][:7])
        images = [{"axes": ["y", "x"], "datasets": [{"path": name}]} for name in "ab"]
        group.attrs["ome"] = {"multiscales": images}
    else:
        with tifffile.TiffWriter(path, ome=kind == "ome") as file:
            options = {} if kind == "ome" else {"metadata": None}
            for i, (rows, kind_of_page) in enumerate(((5, 1), (20, 0), (7, 0))):
                if kind == "ome":
                    options = {"metadata": {"Name": f"image {i}", "PhysicalSizeY": i + 1.0}}
                file.write(ARRAY[i][:rows], subfiletype=kind_of_page, **options)


@pytest.mark.parametrize("kind", ["ome", "plain", "bioformats2raw", "multiscales"])
def test_one_of_several_images_can_be_chosen_and_the_others_are_told_of(tmp_path: Path, kind: str):
    path = tmp_path / ("a.tif" if kind in ("ome", "plain") else "a.zarr")
    several(path, kind)
    first, second = read_image(path), read_image(path, series=1)
    np.testing.assert_array_equal(first.data, ARRAY[1])  # not the thumbnail
    np.testing.assert_array_equal(second.data, ARRAY[2][:7])
    assert (first.series, second.series) == (0, 1)
    (note,) = first.notes
    assert "holds 2 images" in note and "taken: series 0: " in note and "; 1: " in note
    assert "20" in note and "7" in note
    assert second.notes == ()
    assert len(list_series(path)) == 2
    with pytest.raises(InputError, match=r"has images 0: .*20.*; 1: .*7.*no image 2"):
        read_image(path, series=2)


def test_each_image_of_an_ome_tiff_has_its_own_pixel_size(tmp_path: Path):
    several(tmp_path / "a.tif", "ome")
    assert read_image(tmp_path / "a.tif").scale == {"Y": 2.0}
    assert read_image(tmp_path / "a.tif", series=1).scale == {"Y": 3.0}


@pytest.mark.parametrize("name", ["label image", "Macro image", "thumbnail"])
def test_pictures_of_the_slide_are_not_taken_for_the_scan(tmp_path: Path, name: str):
    with tifffile.TiffWriter(tmp_path / "a.tif", ome=True) as file:
        file.write(ARRAY[0][:9], metadata={"Name": name})
        file.write(ARRAY[1], metadata={"Name": "scan"})
    image = read_image(tmp_path / "a.tif")
    assert (image.shape, image.notes) == ((20, 30), ())


def test_a_file_of_small_images_only_is_read(tmp_path: Path):
    tifffile.imwrite(tmp_path / "a.tif", ARRAY[0], subfiletype=1)
    assert read_image(tmp_path / "a.tif").shape == (20, 30)


@pytest.mark.parametrize("suffix", [".png", ".npy", ".zarr", ".tif"])
def test_files_of_one_image_have_no_other(tmp_path: Path, suffix: str):
    path = tmp_path / f"a{suffix}"
    if suffix == ".npy":
        np.save(path, ARRAY[0])
    elif suffix == ".zarr":
        create_zarr(path, (4, 5), "u1", "YX")
    else:
        tifffile.imwrite(path, ARRAY[0]) if suffix == ".tif" else _png(path)
    assert read_image(path).notes == ()
    with pytest.raises(InputError, match="one image"):
        read_image(path, series=1)


def _png(path: Path) -> None:
    import imageio.v3 as iio

    iio.imwrite(path, ARRAY[0].astype(np.uint8))


def test_a_lazily_read_image_is_the_chosen_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from napari_scribe.io import tiff_reader

    monkeypatch.setattr(tiff_reader, "_SMALL_BYTES", 0)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for i, rows in enumerate((20, 7)):
            file.write(ARRAY[i][:rows], compression="zlib", tile=(16, 16), metadata=None)
    second = read_image(tmp_path / "a.tif", series=1)
    assert not isinstance(second.data, np.ndarray)
    np.testing.assert_array_equal(second.data, ARRAY[1][:7])


# ---- one image in several files -----------------------------------------------------------------


def split(folder: Path, n: int = 4, n_images: int = 1) -> list[Path]:
    """An OME-TIFF movie, or some, of which each frame is a file; each file tells of all."""
    paths = [folder / f"s{i}.ome.tif" for i in range(n)]
    ids = [f"urn:uuid:{uuid.uuid4()}" for _ in paths]
    per_image = n // n_images
    images = ""
    for k in range(n_images):
        planes = "".join(
            f'<TiffData FirstT="{i}" IFD="0" PlaneCount="1"><UUID FileName="{path.name}">{unique}'
            "</UUID></TiffData>"
            for i, (path, unique) in enumerate(
                list(zip(paths, ids, strict=True))[k * per_image : (k + 1) * per_image]
            )
        )
        images += (
            f'<Image ID="Image:{k}" Name="position {k}"><Pixels ID="Pixels:{k}" '
            'DimensionOrder="XYCZT" Type="uint16" SizeX="30" SizeY="20" SizeC="1" SizeZ="1" '
            f'SizeT="{per_image}"><Channel ID="Channel:{k}:0" SamplesPerPixel="1"/>{planes}'
            "</Pixels></Image>"
        )
    schema = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
    for i, (path, unique) in enumerate(zip(paths, ids, strict=True)):
        xml = f'<?xml version="1.0"?><OME xmlns="{schema}" UUID="{unique}">{images}</OME>'
        tifffile.imwrite(path, ARRAY[i], description=xml, metadata=None, compression="zlib")
    return paths


def test_an_image_in_several_files_is_listed_once_and_said(tmp_path: Path):
    paths = split(tmp_path)
    tifffile.imwrite(tmp_path / "z.tif", ARRAY[0])
    assert list_images(tmp_path) == [paths[0], tmp_path / "z.tif"]
    for path in paths[::2]:
        image = read_image(path)
        assert image.shape == (4, 20, 30)
        assert "one image in 4 files: s0.ome.tif, s1.ome.tif" in image.notes[0]
        np.testing.assert_array_equal(image.data, ARRAY[:4])


def test_files_that_tell_of_each_other_without_sharing_an_image_are_images(tmp_path: Path):
    paths = split(tmp_path, n=3, n_images=3)
    assert list_images(tmp_path) == paths
    for i, path in enumerate(paths):
        image = read_image(path)
        np.testing.assert_array_equal(image.data, ARRAY[i])
        assert image.notes == ()


def test_a_missing_file_of_a_set_is_named(tmp_path: Path):
    paths = split(tmp_path)
    paths[1].unlink()
    with pytest.raises(InputError, match=r"s1\.ome\.tif is not there.*first that of T 1"):
        read_image(paths[0])
    split(tmp_path)
    paths[3].unlink()
    image = read_image(paths[0])
    np.testing.assert_array_equal(image.data, ARRAY[:3])
    assert any("s3.ome.tif is not there" in note for note in image.notes)
    paths[1].unlink()
    paths[2].unlink()
    image = read_image(paths[0])
    assert any("3 are not in the file" in note for note in image.notes)


def test_a_pipe_in_a_set_is_refused(tmp_path: Path):
    import os

    paths = split(tmp_path)
    paths[2].unlink()
    os.mkfifo(paths[2])
    with pytest.raises(InputError, match=r"s2\.ome\.tif, which is no file"):
        read_image(paths[0])

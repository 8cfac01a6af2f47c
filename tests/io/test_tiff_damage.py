"""Planes that a TIFF tells of and does not hold are never zeros."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_scribe.errors import InputError
from napari_scribe.io import as_image, read_image, read_labels, tiff_reader

ARRAY = np.random.default_rng(0).integers(1, 100, (6, 20, 30)).astype(np.uint16)


def claim(path: Path, *changes: tuple[str, str]) -> None:
    """Change what the metadata of a file say; as many bytes as before."""
    content = path.read_bytes()
    for old, new in changes:
        assert old.encode() in content and len(old) == len(new)
        content = content.replace(old.encode(), new.encode())
    path.write_bytes(content)


@pytest.mark.parametrize("small", [2**28, 0])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("kind", ["ome", "imagej"])
def test_the_last_frames_of_a_stopped_movie_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, compression: str | None, small: int
):
    if kind == "imagej" and compression is None:
        pytest.skip("one block, of which the end of the file tells")
    monkeypatch.setattr(tiff_reader, "_SMALL_BYTES", small)
    path = tmp_path / "a.tif"
    options = {"ome": True} if kind == "ome" else {"imagej": True}
    tifffile.imwrite(path, ARRAY, metadata={"axes": "TYX"}, compression=compression, **options)
    if kind == "ome":
        claim(path, ('SizeT="6"', 'SizeT="8"'))
    else:
        claim(path, ("images=6", "images=8"), ("frames=6", "frames=8"))
    image = read_image(path)
    assert (image.axes, image.shape) == ("TYX", (6, 20, 30))
    np.testing.assert_array_equal(image.data, ARRAY)
    (note,) = image.notes
    assert "of 8 frames along T that it tells of, the last 2 are not in the file" in note


def test_a_frame_of_which_a_channel_is_missing_is_left_out(tmp_path: Path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ARRAY.reshape(3, 2, 20, 30), ome=True, metadata={"axes": "TCYX"})
    claim(path, ('PlaneCount="6"', 'PlaneCount="5"'))
    image = read_image(path)
    np.testing.assert_array_equal(image.data, ARRAY.reshape(3, 2, 20, 30)[:2])
    assert "the last 1 is not in the file, or not whole: the first 2 were read" in image.notes[0]


@pytest.mark.parametrize(
    ("axes", "shape", "change", "place"),
    [
        ("CYX", (6,), ('SizeC="6"', 'SizeC="8"'), "C 6 of 0 to 7"),
        ("TYX", (6,), ('IFD="0" PlaneCount="6"', 'IFD="0" FirstT="2"    '), "T 0 of 0 to 5"),
        ("TCYX", (1, 6), ('PlaneCount="6"', 'PlaneCount="4"'), "C 4 of 0 to 5"),
    ],
)
def test_other_gaps_are_named_and_refused(
    tmp_path: Path, axes: str, shape: tuple[int, ...], change: tuple[str, str], place: str
):
    path = tmp_path / "a.tif"
    array = ARRAY.reshape(*shape, 20, 30)
    tifffile.imwrite(path, array, ome=True, metadata={"axes": axes}, photometric="minisblack")
    claim(path, change)
    with pytest.raises(InputError, match=rf"planes that it tells of.*not in the file.*{place}"):
        read_image(path)


def test_more_planes_than_the_metadata_tell_of_are_told(tmp_path: Path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ARRAY, ome=True, metadata={"axes": "TYX"})
    claim(path, ('SizeT="6"', 'SizeT="4"'))
    image = read_image(path)
    np.testing.assert_array_equal(image.data, ARRAY[:4])
    assert "it holds 6 planes, and its metadata tell of 4" in image.notes[0]


def test_who_gives_a_path_in_python_is_warned(tmp_path: Path):
    """They get an array or a job, and no notes."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ARRAY, ome=True, metadata={"axes": "TYX"})
    claim(path, ('SizeT="6"', 'SizeT="8"'))
    for read in (as_image, read_labels):
        with pytest.warns(UserWarning, match=r"a\.tif: of 8 frames along T"):
            read(path)


def test_pages_that_the_shape_of_a_file_does_not_count_are_not_dropped(tmp_path: Path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ARRAY, compression="zlib", photometric="minisblack")
    claim(path, ('"shape": [6, 20', '"shape": [8, 20'))
    with pytest.raises(InputError, match=r"a\.tif is incomplete"):
        read_image(path)


def test_more_planes_than_imagej_tells_of_are_told(tmp_path: Path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ARRAY, imagej=True, compression="zlib", metadata={"axes": "TYX"})
    claim(path, ("images=6", "images=4"), ("frames=6", "frames=4"))
    image = read_image(path)
    np.testing.assert_array_equal(image.data, ARRAY[:4])
    assert "it holds 6 planes, and its metadata tell of 4" in image.notes[0]


def test_a_number_of_planes_that_no_disk_holds_is_damage(tmp_path: Path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ARRAY, ome=True, metadata={"axes": "TYX"})
    with tifffile.TiffFile(path) as file:
        xml = file.ome_metadata.replace('SizeT="6"', f'SizeT="{10**12}"')
    tifffile.imwrite(path, ARRAY, description=xml, metadata=None)
    with pytest.raises(InputError, match="more planes than a file can hold"):
        read_image(path)

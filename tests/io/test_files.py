"""Paths: folders, pairs, and whether a result can be written."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from napari_scribe.errors import InputError
from napari_scribe.io import (
    check_writable,
    create_zarr,
    left_over,
    list_images,
    match_labels,
    replacing,
    stem,
)
from napari_scribe.io.units import full_name, in_micrometers, symbol


def touch(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(exist_ok=True, parents=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return [folder / name for name in names]


@pytest.mark.parametrize(
    ("path", "name"),
    [("a/b.tif", "b"), ("b.ome.tif", "b"), ("B.OME.TIFF", "B"), ("b.ome.zarr", "b"),
     ("b.1.png", "b.1"), ("b", "b"), ("b.txt", "b.txt"), ("x.zarr/0", "0")],
)  # fmt: skip
def test_stem(path: str, name: str):
    assert stem(path) == name


def test_images_of_a_folder(tmp_path: Path):
    touch(tmp_path, "b.tif", "a.PNG", "c.npy", ".hidden.tif", "notes.txt")
    touch(tmp_path / "folder.zarr", "not-a-zarr.txt")
    touch(tmp_path / "deeper", "z.tif")
    create_zarr(tmp_path / "d.zarr", (4, 4), "u1", "YX")
    names = [p.name for p in list_images(tmp_path)]
    assert names == ["a.PNG", "b.tif", "c.npy", "d.zarr"]
    assert list_images(str(tmp_path / "b.tif")) == [tmp_path / "b.tif"]
    assert list_images(tmp_path / "d.zarr") == [tmp_path / "d.zarr"]


def test_folders_without_images(tmp_path: Path):
    touch(tmp_path, "notes.txt")
    with pytest.raises(InputError, match="no image in it"):
        list_images(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        list_images(tmp_path / "gone")


def test_labels_in_order(tmp_path: Path):
    images, labels = touch(tmp_path, "1.tif", "2.tif"), touch(tmp_path, "x.png", "a.png")
    assert match_labels(images, labels) == labels
    assert match_labels(images[:1], labels[0]) == labels[:1]
    with pytest.raises(InputError, match="2 images but 1 labels"):
        match_labels(images, labels[:1])
    with pytest.raises(InputError, match=r"gone\.tif do not exist"):
        match_labels(images, [labels[0], tmp_path / "gone.tif"])


def test_labels_by_name(tmp_path: Path):
    images = touch(tmp_path / "images", "2.ome.tif", "1.png", "cell_img.tif", "3_mask.tif")
    names = ["2_labels.tif", "1.tif", "cell_mask.png", "3_mask.npy", "unused.tif"]
    labels = touch(tmp_path / "labels", *names)
    assert match_labels(images, [tmp_path / "labels"]) == labels[:4]
    assert match_labels(images, str(tmp_path / "labels")) == labels[:4]
    assert left_over([tmp_path / "labels"], labels[:4]) == labels[4:]
    assert left_over(labels, labels[:4]) == []  # files are given one by one


def test_labels_by_name_in_zarrs_and_several_folders(tmp_path: Path):
    images = touch(tmp_path / "images", "1.tif", "2.tif")
    create_zarr(tmp_path / "a" / "1.zarr", (4, 4), "u1", "YX")
    touch(tmp_path / "b", "2.tif")
    matched = match_labels(images, [tmp_path / "a", tmp_path / "b"])
    assert matched == [tmp_path / "a" / "1.zarr", tmp_path / "b" / "2.tif"]


def test_the_exact_name_wins(tmp_path: Path):
    images = touch(tmp_path / "images", "1.tif")
    touch(tmp_path / "labels", "1.tif", "1_mask.tif")
    assert match_labels(images, [tmp_path / "labels"]) == [tmp_path / "labels" / "1.tif"]


def test_missing_and_unclear_labels_are_named(tmp_path: Path):
    images = touch(tmp_path / "images", *(f"{i}.tif" for i in range(9)))
    touch(tmp_path / "labels", "0.tif", "1_mask.tif", "1_labels.tif")
    with pytest.raises(InputError, match=r"No labels for 2\.tif, .*6\.tif and 2 more in .*labels"):
        match_labels(images, [tmp_path / "labels"])
    with pytest.raises(InputError, match=r"1\.tif could have labels 1_labels\.tif, 1_mask\.tif"):
        match_labels(images[:2], [tmp_path / "labels"])
    others = touch(tmp_path / "others", "0.png")
    with pytest.raises(InputError, match="more than one image"):
        match_labels([images[0], *others], [tmp_path / "labels"])
    with pytest.raises(InputError, match="is a folder, other labels are files"):
        match_labels(images[:2], [tmp_path / "labels", others[0]])


def test_an_image_is_not_its_own_labels(tmp_path: Path):
    images = touch(tmp_path, "1.tif", "2.tif")
    touch(tmp_path / "deeper")
    for labels in (tmp_path, images[:1], tmp_path / "deeper" / ".." / "1.tif"):
        with pytest.raises(InputError, match=r"\.tif would be its own labels"):
            match_labels(images[:1], labels)


def test_what_can_be_written(tmp_path: Path):
    check_writable(tmp_path / "new" / "deep" / "a.tif", 1000)
    check_writable(tmp_path / "a.zarr")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written(tmp_path: Path):
    (tmp_path / "file").write_text("hello")
    (tmp_path / "folder.tif").mkdir()
    with pytest.raises(InputError, match="file is not a folder"):
        check_writable(tmp_path / "file" / "a.tif")
    with pytest.raises(InputError, match="it is a folder"):
        check_writable(tmp_path / "folder.tif")
    with pytest.raises(InputError, match=r"needs up to 1 EB, and .* left"):
        check_writable(tmp_path / "a.tif", 10**18)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_folders_that_refuse(tmp_path: Path):
    with pytest.raises(InputError, match=r"Cannot write /proc/a\.tif: .*another folder"):
        check_writable("/proc/a.tif")


def test_replacing_is_all_or_nothing(tmp_path: Path):
    path = tmp_path / "new" / "a.txt"
    with replacing(path) as partial:
        partial.write_text("one")
        assert not path.exists()
    with pytest.raises(KeyError), replacing(path) as partial:
        partial.write_text("two")
        raise KeyError
    full = pytest.raises(OSError, match=r"Could not write .*a\.txt: No space left")
    with full, replacing(path) as partial:
        partial.write_text("three")
        raise OSError(28, os.strerror(28))
    assert path.read_text() == "one"
    assert list(path.parent.iterdir()) == [path]


def test_units():
    for written in ("µm", "\u03bcm", "um", "micron", "\\u00B5m", "Micrometer", " micrometre "):
        assert full_name(written) == "micrometer"
    assert full_name("pixel") == full_name("") == full_name("reference frame") == ""
    assert full_name("s") == "second"
    assert symbol("micrometer") == "µm"
    assert symbol("parsec") == ""
    assert in_micrometers("mm") == 1000
    assert in_micrometers("second") is None

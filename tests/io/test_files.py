"""Paths: folders, pairs, and whether a result can be written."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from napari_scribe.errors import InputError
from napari_scribe.io import (
    beside_images,
    check_writable,
    create_zarr,
    list_images,
    match_labels,
    read_image,
    read_labels,
    replacing,
    stem,
    unmatched_labels,
    write_tiff,
)
from napari_scribe.io.units import full_name, in_micrometers, symbol
from napari_scribe.recipe import MAPS


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
    with pytest.raises(InputError, match="2 images, and labels for 1"):
        match_labels(images, labels[:1])
    with pytest.raises(InputError, match=r"gone\.tif do not exist"):
        match_labels(images, [labels[0], tmp_path / "gone.tif"])


def test_labels_by_name(tmp_path: Path):
    images = touch(tmp_path / "images", "2.ome.tif", "1.png", "cell_img.tif", "3_mask.tif")
    names = ["2_labels.tif", "1.tif", "cell_mask.png", "3_mask.npy", "unused.tif"]
    labels = touch(tmp_path / "labels", *names)
    assert match_labels(images, [tmp_path / "labels"]) == labels[:4]
    assert match_labels(images, str(tmp_path / "labels")) == labels[:4]
    assert unmatched_labels([tmp_path / "labels"], labels[:4]) == labels[4:]
    assert unmatched_labels(labels, labels[:4]) == []  # files are given one by one


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


# ---- what a folder of images holds beside them ---------------------------------------------------

BESIDE = [
    *("a_masks.tif", "a_seg.npy", "a_cp_masks.png", "a_flows.tif", "a_cp_output.png"),
    *("a_labels.zarr", "b_GT.png", "b.removed.tif"),
    *(f"b.{name}.tif" for name in MAPS),
]


def test_labels_and_maps_beside_images_are_left_out_and_named(tmp_path: Path):
    images = touch(tmp_path, "a.tif", "b_img.tif", "c_mask.tif")
    touch(tmp_path, *(name for name in BESIDE if name != "a_labels.zarr"))
    create_zarr(tmp_path / "a_labels.zarr", (4, 4), "u1", "YX")
    assert list_images(tmp_path) == images  # no image is named c
    left = [p.name for p in beside_images(tmp_path)]
    assert left == sorted(name for name in BESIDE if not name.startswith("b."))
    assert beside_images(images[0]) == []


def test_labels_beside_an_image_may_be_named_as_such_alone(tmp_path: Path):
    image, *labels = touch(tmp_path, "image.tif", "mask.tif", "paint.tif", "truth.tif")
    assert list_images(tmp_path) == [image] and beside_images(tmp_path) == labels
    image.unlink()
    assert list_images(tmp_path) == labels and beside_images(tmp_path) == []


def test_a_folder_of_labels_has_them_all(tmp_path: Path):
    touch(tmp_path / "labels", "a_masks.tif", "b_masks.tif")
    assert len(list_images(tmp_path / "labels")) == 2  # without images, nothing lies beside them
    both = touch(tmp_path / "both", "a.tif", "a_masks.tif")
    assert list_images(tmp_path / "both", labels=True) == both


def test_labels_may_lie_beside_their_images(tmp_path: Path):
    images = touch(tmp_path, "a.tif", "b.tif")
    labels = touch(tmp_path, "a_masks.tif", "b_masks.png")
    assert match_labels(list_images(tmp_path), [tmp_path]) == labels
    assert unmatched_labels([tmp_path], [*images, *labels]) == []


# ---- what is no file -----------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="needs pipes that have names")
@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg", ".npy", ".zarr"])
def test_pipes_devices_and_sockets_are_no_images(tmp_path: Path, suffix: str):
    pipe, device, listener = (tmp_path / f"{name}{suffix}" for name in ("pipe", "device", "socket"))
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(listener))
    for path in (pipe, device, listener):
        for read in (read_image, read_labels, list_images, lambda p: match_labels([pipe], [p])):
            with pytest.raises(InputError, match="is a pipe or a device, not a file"):
                read(path)
    touch(tmp_path, "a.tif")
    assert list_images(tmp_path) == [tmp_path / "a.tif"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs pipes that have names")
def test_a_zarr_whose_metadata_are_a_pipe_is_no_zarr(tmp_path: Path):
    (tmp_path / "a.zarr").mkdir()
    os.mkfifo(tmp_path / "a.zarr" / "zarr.json")
    with pytest.raises(InputError, match="folder without zarr data"):
        read_image(tmp_path / "a.zarr")


@pytest.mark.parametrize(
    "address", ["https://x.org/a.tif", "s3://b/a.zarr", "file:///a.tif", "HTTP://x.org//a.npy"]
)
def test_web_addresses_are_named_as_they_were_typed(address: str):
    for read in (read_image, read_labels, list_images, lambda a: match_labels(["i.tif"], a)):
        with pytest.raises(InputError) as said:
            read(address)
        assert f"{address} is a web address: download it" in str(said.value)
    with pytest.raises(InputError) as said:  # a Path has lost slashes
        read_image(Path(address))
    assert str(said.value).startswith(address.replace("org//", "org/"))


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes")
@pytest.mark.parametrize("suffix", [".tif", ".png", ".npy", ".zarr"])
def test_names_that_are_no_utf_8(tmp_path: Path, suffix: str):
    path = tmp_path / os.fsdecode(b"x\xff" + suffix.encode())
    array = np.arange(20, dtype=np.uint8).reshape(4, 5)
    if suffix == ".tif":
        write_tiff(path, array)
    elif suffix == ".zarr":
        create_zarr(path, (4, 5), "u1", "YX")[...] = array
    elif suffix == ".npy":
        np.save(path, array)
    else:
        path.write_bytes(imagecodecs.png_encode(array))
    np.testing.assert_array_equal(read_labels(path), array)
    assert list_images(tmp_path) == [path]


def test_names_that_are_too_long_are_one_line(tmp_path: Path):
    path = tmp_path / f"{'x' * 300}.tif"
    for read in (read_image, read_labels, list_images, lambda p: match_labels(["i.tif"], [p])):
        with pytest.raises(InputError, match=r"x\.tif (cannot be read|do not exist)"):
            read(path)

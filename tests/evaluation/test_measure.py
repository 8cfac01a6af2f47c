"""Measurements are those of scikit-image, whatever the axes, units and sizes of the images are."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage.measure import regionprops_table

import napari_scribe as ns
from napari_scribe.errors import ManyPiecesError
from napari_scribe.evaluation import bands
from napari_scribe.evaluation.measure import measuring
from napari_scribe.evaluation.table import Measurements, join
from napari_scribe.samples import nuclei

MICRONS = {"scale": {"Z": 2.0, "Y": 0.5, "X": 0.5}, "units": {"X": "micrometer"}}


@pytest.fixture(scope="module")
def field() -> Any:
    """Synthetic nuclei with their true labels."""
    return nuclei((160, 160), seed=2)


@pytest.fixture(scope="module")
def colours(field: Any) -> np.ndarray:
    """An image of two channels, CYX."""
    return np.stack([field.image, field.image[::-1]]).astype(np.float32)


def volume() -> np.ndarray:
    labels = np.zeros((6, 20, 22), np.uint16)
    labels[1:4, 2:9, 3:12] = 4
    labels[2:6, 12:18, 5:9] = 9
    labels[2, 15, 15] = 11
    return labels


def expected(labels: np.ndarray, image: np.ndarray | None, spacing: Any, names: list[str]) -> Any:
    return regionprops_table(labels, image, properties=["label", *names], spacing=spacing)


def assert_equal(table: Measurements, wanted: Any, names: dict[str, str]) -> None:
    assert np.array_equal(table["label"], wanted["label"])
    for ours, theirs in names.items():
        np.testing.assert_allclose(table[ours], wanted[theirs], rtol=1e-6, err_msg=ours)


def test_sizes_and_shapes_are_those_of_scikit_image(field: Any, colours: np.ndarray) -> None:
    labels = ns.Image(field.truth, "YX", **MICRONS)
    image = ns.Image(colours, "CYX", channel_names=("DAPI", "GFP"))
    table = ns.measure(labels, image)
    names = {
        "centroid y (µm)": "centroid-0",
        "centroid x (µm)": "centroid-1",
        "area (µm²)": "area",
        "equivalent diameter (µm)": "equivalent_diameter_area",
        "major axis (µm)": "axis_major_length",
        "minor axis (µm)": "axis_minor_length",
        "eccentricity": "eccentricity",
        "perimeter (µm)": "perimeter",
        "solidity": "solidity",
        "DAPI mean": "intensity_mean-0",
        "GFP mean": "intensity_mean-1",
        "DAPI min": "intensity_min-0",
        "GFP max": "intensity_max-1",
        "GFP std": "intensity_std-1",
    }
    properties = sorted({n.split("-")[0] for n in names.values()})
    channels_last = np.moveaxis(colours, 0, -1)
    wanted = expected(
        field.truth, channels_last, (0.5, 0.5), [*properties, "orientation", "num_pixels"]
    )
    assert len(table) == len(np.unique(field.truth)) - 1 >= 10
    assert_equal(table, wanted, names)
    np.testing.assert_allclose(np.radians(table["orientation (°)"]), wanted["orientation"])
    sums = wanted["intensity_mean-0"] * wanted["num_pixels"]
    np.testing.assert_allclose(table["DAPI sum"], sums, rtol=1e-6)
    assert [*table.columns][:2] == ["image", "label"] and [*table.columns][-1] == "touches edge"


def test_depth_without_a_size_is_no_micrometer() -> None:
    flat = {"scale": {"Y": 0.1, "X": 0.1}, "units": {"Y": "micrometer", "X": "micrometer"}}
    table = ns.measure(ns.Image(volume(), "ZYX", **flat))
    assert table["volume (px³)"].tolist() == np.unique(volume(), return_counts=True)[1][1:].tolist()


def test_volumes_have_depth_and_its_spacing() -> None:
    table = ns.measure(ns.Image(volume(), "ZYX", **MICRONS))
    names = {
        "volume (µm³)": "area",
        "centroid z (µm)": "centroid-0",
        "major axis (µm)": "axis_major_length",
        "extent": "extent",
    }
    wanted = expected(
        volume(), None, (2, 0.5, 0.5), ["area", "centroid", "axis_major_length", "extent"]
    )
    assert_equal(table, wanted, names)
    assert table["touches edge"].tolist() == [False, True, False]


def test_each_slice_is_measured_by_itself_where_that_is_meant() -> None:
    table = ns.measure(volume(), slices=True)
    assert table["slice"].tolist() == [1, 2, 2, 2, 3, 3, 4, 5]
    assert table["label"].tolist() == [4, 4, 9, 11, 4, 9, 9, 9]
    assert table["area (px²)"][0] == 63


def test_a_movie_has_a_row_a_frame_and_object_and_may_be_known_by_its_image_alone() -> None:
    image = ns.Image(np.ones((6, 20, 22), np.float32), "TYX", name="movie")
    table = ns.measure(volume(), image)  # the array alone would be ZYX
    assert table["frame"].tolist() == [1, 2, 2, 2, 3, 3, 4, 5]
    assert set(table["image"]) == {"movie"}
    assert (table["intensity sum"] == table["area (px²)"]).all()


def test_some_frames_alone() -> None:
    labels = ns.Image(volume(), "TYX")
    assert set(ns.run(measuring(labels, at={"T": 2}))["frame"]) == {2}


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.uint64])
def test_bands_change_nothing(
    field: Any, colours: np.ndarray, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    whole = ns.measure(field.truth.astype(kind), ns.Image(colours, "CYX"))
    monkeypatch.setattr(bands, "BAND_PIXELS", 160 * 7)
    parts = ns.measure(field.truth.astype(kind), ns.Image(colours, "CYX"))
    parts = parts.selected(np.argsort(parts["label"]))
    for name, values in whole.columns.items():
        if values.dtype.kind == "f":
            np.testing.assert_allclose(values, parts[name], atol=1e-6, err_msg=name)
        else:
            assert np.array_equal(values, parts[name])


def test_numbers_may_be_huge_and_there_may_be_no_background() -> None:
    table = ns.measure(np.array([[2**60, 2**60], [7, 7]]))
    assert table["label"].tolist() == [7, 2**60]
    assert table["area (px²)"].tolist() == [2, 2]


def test_pixels_that_are_no_squares_have_no_perimeter() -> None:
    labels = np.pad(np.ones((4, 4), int), 2)
    table = ns.measure(ns.Image(labels, "YX", scale={"Y": 3.0, "X": 1.5}))
    assert table["area (px²)"].tolist() == [32]  # in widths of a pixel
    assert not [name for name in table.columns if name.startswith("perimeter")]


def test_nothing_found_is_an_empty_table_with_its_columns() -> None:
    table = ns.measure(np.zeros((8, 8), int), np.ones((8, 8)))
    assert len(table) == 0 and "area (px²)" in table.columns and "intensity mean" in table.columns
    assert table.in_words() == "0 objects"


def test_several_images_are_told_apart_by_name() -> None:
    labels = np.pad(np.ones((4, 4), int), 2)
    table = ns.measure(labels, {"DAPI": labels * 3, "RGB": np.dstack([labels] * 3)})
    assert table["DAPI mean"].tolist() == [3]
    assert table["RGB channel 2 sum"].tolist() == [16]


def test_pieces_of_one_number_are_objects_where_that_is_meant() -> None:
    mask = np.zeros((30, 30), bool)
    mask[2:6, ::6] = mask[12:16, 1::6] = True
    mask = np.kron(mask, np.ones((2, 2), bool))
    with pytest.raises(ManyPiecesError, match="covers 10 separate pieces"):
        ns.measure(mask)
    assert len(ns.measure(mask, pieces=True)) == 10
    assert len(ns.measure(mask, pieces=False)) == 1


@pytest.mark.parametrize(
    "labels, image, said",
    [
        (np.zeros((8, 8)), None, "whole numbers, one an object"),
        (np.full((8, 8), -1), None, "negative numbers"),
        (np.zeros((8, 8), int), np.zeros((8, 9)), "8 x 8 pixels"),
        (np.zeros((8, 8), int), np.zeros((5, 8, 8)), "5 x 8 x 8 pixels"),
        (ns.Image(np.zeros((3, 8, 8), int), "CYX"), None, "3 channels"),
    ],
)
def test_what_does_not_fit_is_said_before_any_work(labels: Any, image: Any, said: str) -> None:
    with pytest.raises(ns.InputError, match=said):
        measuring(labels, image)


def test_a_stopped_measurement_keeps_what_it_has() -> None:
    job = measuring(ns.Image(volume(), "TYX"))
    next(job)
    next(job)
    job.stop()
    assert ns.run(job)["frame"].tolist() == [1]


def test_the_file_is_read_back_as_it_was(field: Any, tmp_path: Path) -> None:
    table = ns.measure(ns.Image(field.truth, "YX", name="naïve, 1", **MICRONS), field.image)
    path = table.save(tmp_path / "new" / "table.csv")
    with open(path, encoding="utf-8-sig", newline="") as file:
        heads, *rows = csv.reader(file)
    assert heads == [*table.columns]
    assert {row[0] for row in rows} == {"naïve, 1"}
    areas = [float(row[heads.index("area (µm²)")]) for row in rows]
    np.testing.assert_allclose(areas, table["area (µm²)"], rtol=1e-9)
    with pytest.raises(ns.InputError, match="exists already"):
        table.save(path, overwrite=False)


def test_tables_with_other_columns_are_joined() -> None:
    one, other = ns.measure(np.ones((3, 3), int)), ns.measure(np.ones((3, 3), int), np.ones((3, 3)))
    joined = join([one, other])
    assert np.isnan(joined["intensity mean"][0]) and joined["intensity mean"][1] == 1
    assert len(joined) == 2

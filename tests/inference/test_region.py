"""A part of an image is answered as in a run over all of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_scribe.errors import InputError
from napari_scribe.image import Image
from napari_scribe.inference.segment import segment
from napari_scribe.io import read_image
from napari_scribe.model import Model
from napari_scribe.progress import run

Make = Callable[..., Model]
pytestmark = pytest.mark.usefixtures("in_float32")
STRIDE = 4
"""Of a network of depth 2."""


def blobs(*shape: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 4000, (*shape[:-2], -(-shape[-2] // 4), -(-shape[-1] // 4)))
    fine = coarse.repeat(4, axis=-2).repeat(4, axis=-1)[..., : shape[-2], : shape[-1]]
    return (fine + rng.integers(0, 500, shape)).astype(np.uint16)


def found(model: Model, image: Any, **options: Any) -> tuple[np.ndarray, dict[str, slice]]:
    job = segment(model, image, device="cpu", **options)
    return np.asarray(run(job)), job.region


@pytest.mark.parametrize("tile", [16, 1000])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_classes_of_a_region_are_those_of_the_whole(random_model: Make, padding: str, tile: int):
    model, image = random_model("classes", painted=(1, 2, 3), padding=padding), blobs(120, 150)
    whole, _ = found(model, image)
    wanted = {"Y": slice(37, 90), "X": slice(50, 150)}
    part, region = found(model, image, region=wanted, tile=tile)
    assert region == {"Y": slice(36, 90), "X": slice(48, 150)}  # a multiple of the stride
    assert part.shape == (54, 102) and len(np.unique(part)) == 3
    # Ties of probability may fall either way at the last bit.
    assert (part != whole[36:90, 48:150]).mean() < 1e-3


def test_objects_of_a_region_are_those_of_the_whole(random_model: Make):
    """But for those near the region's edge."""
    model, image = random_model(), blobs(200, 260)
    whole, _ = found(model, image)
    part, region = found(model, image, region={"Y": slice(40, 160), "X": slice(60, 220)})
    of_whole = whole[region["Y"], region["X"]]
    edge = np.ones(part.shape, bool)
    edge[30:-30, 30:-30] = False  # a cut object may move the outlines of its neighbours
    objects = set(np.unique(of_whole)) - set(np.unique(of_whole[edge])) - {0}
    assert len(objects) >= 3
    same = 0
    for i in objects:
        (values,) = np.unique(part[of_whole == i])[:, np.newaxis].T
        same += (
            len(values) == 1
            and values[0] > 0
            and (part == values[0]).sum() == (of_whole == i).sum()
        )
    assert same == len(objects)


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        ({"T": slice(1, 2)}, np.s_[1:2]),
        ({"Z": slice(1, 3)}, np.s_[:, 1:3]),
        ({"T": slice(-1, None), "Z": slice(0, 1), "X": slice(20, None)}, np.s_[1:, :1, :, 20:]),
    ],
)
def test_times_and_slices(random_model: Make, wanted: dict[str, slice], taken: Any):
    model, image = random_model("classes", painted=(1, 2)), Image(blobs(2, 3, 40, 50), "TZYX")
    whole, _ = found(model, image, tile=16)
    part, region = found(model, image, tile=16, region=wanted)
    np.testing.assert_array_equal(part, whole[taken])
    assert tuple(region) == tuple("TZYX")


def test_a_region_of_a_volume(random_model: Make):
    model = random_model("classes", painted=(1, 2), dimensions=3, depth=1, width=2)
    volume = Image(blobs(9, 24, 26), "ZYX")
    whole, _ = found(model, volume)
    part, region = found(model, volume, region={"Z": slice(3, 8), "X": slice(5, 20)})
    assert (region["Z"].start, region["X"].start) == (2, 4)
    np.testing.assert_array_equal(part, whole[2:8, :, 4:20])


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"Z": slice(1)}, "cells has no axis Z to take a part of"),
        ({"C": slice(1), "Q": slice(1)}, "cells has no axis C, Q"),
        ({"Y": slice(30, 30)}, "Nothing of cells lies in 30 to 30 along Y, which has 40 px"),
        ({"Y": slice(50, 60)}, "Nothing of cells lies in 40 to 40 along Y"),
        ({"X": slice(9, 3)}, "Nothing of cells lies in 9 to 3 along X"),
    ],
)
def test_regions_that_are_not_there(
    random_model: Make, tmp_path: Path, wanted: dict[str, slice], said: str
):
    image = Image(blobs(40, 50), "YX", name="cells")
    with pytest.raises(InputError, match=said):
        segment(random_model(), image, tmp_path / "a.tif", region=wanted)
    assert not list(tmp_path.iterdir())


def test_a_zarr_knows_where_its_first_pixel_lies(random_model: Make, tmp_path: Path):
    image = Image(blobs(2, 40, 50), "ZYX", {"Z": 2.0, "Y": 0.5, "X": 0.25})
    image = image.selected(translate={"Z": 10.0, "X": 1.0})
    wanted = {"Z": slice(1, 2), "Y": slice(9, 40), "X": slice(20, 40)}
    labels, _ = found(random_model(), image, out=tmp_path / "a.zarr", region=wanted)
    written = read_image(tmp_path / "a.zarr")
    assert written.shape == labels.shape == (1, 32, 20)
    assert written.scale == image.scale
    assert written.translate == {"Z": 12.0, "Y": 8 * 0.5, "X": 1.0 + 20 * 0.25}


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
def test_of_one_image_each_region_is_another_result(
    random_model: Make, tmp_path: Path, suffix: str
):
    model, image, out = random_model(), blobs(40, 50), tmp_path / f"a{suffix}"
    first = {"Y": slice(8, 24)}
    labels, region = found(model, image, out=out, region=first)
    again = segment(model, image, out, region=first)
    assert "nothing to do" in again.note and again.region == region
    np.testing.assert_array_equal(np.asarray(run(again)), labels)
    with pytest.raises(InputError, match="exists already"):
        segment(model, image, out, region={"Y": slice(12, 24)})

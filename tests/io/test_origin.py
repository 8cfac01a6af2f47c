"""Whether a file is a result of a segmentation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_scribe.inference.segment import segment
from napari_scribe.io import create_zarr, write_tiff
from napari_scribe.io.origin import is_result
from napari_scribe.model import Model, build_network
from napari_scribe.normalization import Normalization
from napari_scribe.progress import run
from napari_scribe.recipe import Recipe
from napari_scribe.targets import encoding_of


@pytest.mark.parametrize("name", ["found.tif", "found.zarr"])
def test_a_result_is_told_from_its_file(tmp_path: Path, name: str):
    recipe = Recipe(network={"depth": 1, "width": 2})
    network = build_network(recipe, 1, encoding_of(recipe))
    model = Model(network, recipe, (0,), 1, Normalization())
    out = tmp_path / name
    run(segment(model, np.random.default_rng(0).normal(size=(32, 32)), out, device="cpu"))
    assert is_result(out) and is_result(str(out))
    if out.is_dir():
        assert is_result(out / "0")


def test_other_files_are_no_results(tmp_path: Path):
    labels = np.ones((32, 32), np.uint8)
    write_tiff(tmp_path / "a.tif", labels)
    create_zarr(tmp_path / "a.zarr", labels.shape, labels.dtype, "YX")
    (tmp_path / "b.tif").write_text("Dear Sir")
    np.save(tmp_path / "a.npy", labels)
    found = ["a.tif", "a.zarr", "a.zarr/0", "b.tif", "a.npy", "not there.tif", "not/there.zarr"]
    assert not any(is_result(tmp_path / name) for name in found)

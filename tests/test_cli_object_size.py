"""``--object-size`` of the commands: what is said, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from napari_scribe.cli import app
from napari_scribe.io import read_labels, write_tiff
from napari_scribe.model import load_model

RUN = CliRunner()
QUICK = [
    *("--steps", "2", "--device", "cpu", "--set", "network.depth=1", "--set", "network.width=2"),
    *("--set", "training.patch=32", "--set", "training.batch=1", "--checkpoint-every", "0"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An image of two objects 80 px wide, and a speck, with its paint."""
    y, x = np.ogrid[:240, :300]
    paint = np.ones((240, 300), np.uint8)
    paint[(y - 100) ** 2 + (x - 80) ** 2 < 40**2] = 2
    paint[(y - 130) ** 2 + (x - 210) ** 2 < 40**2] = 3
    noise = np.random.default_rng(0).integers(0, 50, paint.shape)
    write_tiff(tmp_path / "image.tif", (1000 * (paint > 1) + noise).astype(np.uint16))
    write_tiff(tmp_path / "paint.tif", paint)
    return tmp_path


def call(*words: object) -> str:
    result = RUN.invoke(app, [str(word) for word in words])
    return f"{result.output}{result.exception or ''}"


def test_sizes_are_measured_said_and_used(folder: Path) -> None:
    image, model, out = folder / "image.tif", folder / "m.zip", folder / "labels.tif"
    said = call("train", image, "--labels", folder / "paint.tif", "--model", model, *QUICK)
    assert "objects of about 24 px: 1 image of 1, whose objects are about 80 px wide" in said
    assert load_model(model).object_size == pytest.approx(24)
    assert "objects      of about 24 px" in call("info", model)
    segment = ("segment", image, "--model", model, "--out", out, "--device", "cpu")
    said = call(*segment, "--object-size", 80)
    assert "objects of about 80 px were brought to the 24 px that the model knows" in " ".join(
        said.split()
    )
    assert read_labels(out).shape == (240, 300)
    said = call("segment", image, "--model", model, "--out", folder / "b.tif", "--object-size", 0)
    assert "Objects of 0 px make no sense" in said
    said = call("seam-test", image, "--model", model, "--object-size", 80, "--device", "cpu")
    assert "No seams" in said


def test_objects_of_very_different_size_are_pointed_out(folder: Path) -> None:
    paint = np.asarray(read_labels(folder / "paint.tif")).astype(np.uint8)
    paint[20:25, 20:25] = 4
    write_tiff(folder / "paint.tif", paint)
    labels = ("--labels", folder / "paint.tif", "--model", folder / "m.zip")
    said = call("train", folder / "image.tif", *labels, *QUICK)
    assert "the smallest is 5.64 px wide, the largest 79.9 px" in " ".join(said.split())
    assert (folder / "m.zip").exists()  # it is a doubt, not an error


def test_a_given_size_is_used_instead(folder: Path) -> None:
    labels = ("--labels", folder / "paint.tif", "--model", folder / "m.zip")
    said = call("train", folder / "image.tif", *labels, *QUICK, "--object-size", 25)
    assert "brought" not in said
    assert load_model(folder / "m.zip").object_size == 25

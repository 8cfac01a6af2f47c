"""The commands `train-denoiser` and `denoise`, end to end on a small movie; what they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_scribe.io import read_image, write_tiff
from napari_scribe.model import load_model
from napari_scribe.samples import noisy_movie

TINY = ["--set", "network.depth=2", "--set", "network.width=4", "--set", "training.patch=32"]
TINY += ["--device", "cpu"]


Call = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A movie that drifts, with its clean truth."""
    movie = noisy_movie(n_frames=8, side=96, drift=2.0)
    write_tiff(tmp_path / "movie.tif", movie.noisy, "TYX", {"Y": 0.5, "X": 0.5})
    write_tiff(tmp_path / "truth.tif", movie.clean, "TYX")
    for i in range(3):
        write_tiff(tmp_path / "singles" / f"{i}.tif", movie.noisy[i], "YX")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def psnr(call: Call, path: str) -> float:
    said = call("evaluate", path, "truth.tif", "--images", "--json", "scores.json")
    assert said.code == 0, said.err
    return float(json.loads(Path("scores.json").read_text())["pooled"]["PSNR"])


def test_train_denoise_evaluate_info(call: Call, folder: Path):
    said = call(
        *("train-denoiser", "movie.tif", "--axes", "TYX", "--model", "d.zip", "--steps", 120),
        *("--remedies", "register", *TINY),
    )
    assert said.code == 0, said.err
    assert "drifts" in said.out

    said = call(
        *("denoise", "movie.tif", "--axes", "TYX", "--model", "d.zip", "--out", "c.tif"),
        *("--removed", "--tile", 32, "--device", "cpu"),
    )
    assert said.code == 0, said.err
    clean, noise = read_image("c.tif"), read_image("c.removed.tif")
    assert (clean.shape, clean.dtype, clean.scale["Y"]) == ((8, 96, 96), np.float32, 0.5)
    np.testing.assert_allclose(
        np.asarray(clean.data) + np.asarray(noise.data), read_image("movie.tif").data, atol=0.01
    )
    assert psnr(call, "c.tif") > psnr(call, "movie.tif") + 3
    assert "removed" in said.out
    said = call("info", "d.zip")
    assert "Denoiser, 2D" in said.out and "channels     one\n" in said.out
    assert "pairs        7 of 8 noisy pictures" in said.out
    assert "shift" not in said.out and "loss" not in said.out


def test_a_single_picture_and_the_type_of_the_source(call: Call, folder: Path):
    frame = np.asarray(read_image("movie.tif").data)[0]
    write_tiff("one.tif", frame, "YX")

    said = call(
        "train-denoiser", "one.tif", "--pairs", "single", "--model", "d.zip", "--steps", 2, *TINY
    )
    assert said.code == 0, said.err
    assert load_model("d.zip").provenance["pairs"]["single"] is True
    said = call("denoise", "one.tif", "--model", "d.zip", "--out", "out", "--type", "source")
    assert said.code == 0, said.err
    assert read_image("out/one.tif").dtype == frame.dtype


def test_two_channels_need_not_be_chosen(call: Call, folder: Path):
    """Nor does a remedy that was asked for in vain say that something was mended."""
    shots = noisy_movie(n_frames=8, side=96).noisy.reshape(4, 2, 96, 96)
    write_tiff("two.tif", shots, "TCYX")

    said = call(
        *("train-denoiser", "two.tif", "--pairs", "channels", "--remedies", "drop"),
        *("--model", "d.zip", "--steps", 2, *TINY),
    )

    assert said.code == 0, said.err
    assert "4 pairs were looked at, and nothing speaks against them." in said.out
    assert "no need of it: drop" in said.out and "Mended" not in said.out


def test_fine_tuning_goes_into_the_same_file(call: Call, folder: Path):
    common = ["train-denoiser", "movie.tif", "--axes", "TYX", "--model", "d.zip", "--steps", 2]
    said = call(*common, *TINY)
    assert said.code == 0
    assert "--remedies register" in said.out

    said = call(*common, "--start", "d.zip", "--keep-worse", "--device", "cpu")

    assert said.code == 0, said.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["movie.tif", "--axes", "CYX"],
            "name the axes; if not, train on single images (--axes TYX, or",
        ),
        (["movie.tif", "movie.tif", "movie.tif", "--pairs", "files"], "3 images make no pairs"),
        (["movie.tif", "--pairs", "files"], "1 image makes no pairs"),
        (["movie.tif", "--pairs", "slices"], "take those (--pairs frames)"),
        (["movie.tif", "--axes", "ZYX", "--volumes"], "leave out --volumes"),
        (["movie.tif", "--axes", "ZYX", "--volumes", "--pairs", "slices"], "leave out --volumes"),
        (["movie.tif", "--axes", "CYX", "--pairs", "channels"], "--channels 0,1"),
        (["movie.tif", "--pairs", "channels"], "one channel only"),
        (["movie.tif", "--channels", "1"], "one channel only, number 0"),
        (["movie.tif", "movie.tif", "--pairs", "files"], "not independent"),
        (["singles/0.tif"], "single one: train on single images (--pairs single)"),
        (["singles"], "These 3 images have one frame each: take the first with the second"),
        (["singles", "--pairs", "repeats"], "(--pairs files)"),
        (["colours.tif"], "its colours were mixed"),
        (["colours.tif", "--pairs", "single"], "its colours were mixed"),
        (["mask.npy", "--pairs", "single"], "true and false only"),
        (["flat.tif"], "All pictures are flat"),
        # before any image is looked for
        (["gone.tif", "--remedies", "regster"], "no remedy 'regster': choose from register, match"),
        (["gone.tif", "--seconds", "0"], "0.0 seconds train nothing"),
        (["gone.tif", "--device", "banana"], "'banana' cannot be used"),
        (["gone.tif", "--recipe", "objects.json"], "a denoiser needs the task 'denoised'"),
    ],
)
def test_bad_pairs_are_one_line_and_write_nothing(call: Call, folder: Path, arguments, message):
    frame = read_image("singles/0.tif").data
    write_tiff("colours.tif", np.stack([frame // 2] * 3, axis=-1).astype(np.uint8), "YXC")
    write_tiff("flat.tif", np.full((4, 96, 96), 7, np.uint16), "TYX")
    np.save("mask.npy", frame > np.median(frame))
    Path("objects.json").write_text('{"task": "objects"}')
    before = sorted(folder.rglob("*"))

    said = call("train-denoiser", *arguments, "--model", "d.zip", "--steps", 1)

    assert said.code == 2, said.out
    assert message in said.err
    assert said.err.count("\n") == 1
    assert sorted(folder.rglob("*")) == before


def test_a_model_of_labels_takes_no_noise_off(call: Call, folder: Path, tmp_path: Path):
    paint = np.zeros((8, 96, 96), np.uint8)
    paint[0, :40, :40], paint[0, 50:70, 50:70] = 1, 2
    write_tiff("paint.tif", paint, "TYX")
    said = call(
        *("train", "movie.tif", "--axes", "TYX", "--labels", "paint.tif", "--model", "m.zip"),
        *("--steps", 1, *TINY),
    )
    assert said.code == 0, said.err

    said = call("denoise", "movie.tif", "--axes", "TYX", "--model", "m.zip", "--out", "o.tif")

    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "choose a denoiser" in said.err

"""The commands, end to end on tiny images; what they refuse, and how they end."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr

import napari_scribe as ns
from napari_scribe.cli.segment import result_paths
from napari_scribe.cli.train import _n_bytes, check_new_model, save
from napari_scribe.errors import InputError, InUseError
from napari_scribe.io import add_pyramid, create_zarr, read_image, read_labels, write_tiff
from napari_scribe.io.model_folder import model_folder
from napari_scribe.model import load_model
from napari_scribe.progress import run
from napari_scribe.recipe import Recipe
from napari_scribe.samples import nuclei, simulate_paint
from napari_scribe.terminal import segment_with_bar
from napari_scribe.training.train import train

SAMPLES = [nuclei((128, 128), seed=seed) for seed in range(2)]
TINY = ["--set", "network.depth=1", "--set", "network.width=2", "--set", "training.patch=32"]
TINY += ["--set", "training.batch=1", "--device", "cpu"]
posix = pytest.mark.skipif(os.name == "nt", reason="signals, terminals and names are as on POSIX")


Call = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two images with paint and masks."""
    for i, sample in enumerate(SAMPLES):
        write_tiff(tmp_path / "images" / f"{i}.tif", sample.image, "YX", {"Y": 0.5, "X": 0.5})
        write_tiff(tmp_path / "paint" / f"{i}.tif", sample.paint)
        write_tiff(tmp_path / "masks" / f"{i}_mask.tif", sample.truth)
        mask = np.where(sample.truth > 0, 255, 0).astype(np.uint8)
        write_tiff(tmp_path / "binary" / f"{i}.tif", mask)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() if p.is_file() else b"" for p in sorted(folder.rglob("*"))}


# ---- end to end ---------------------------------------------------------------------------------


def test_train_segment_evaluate_info(call: Call, folder: Path):
    said = call("train", "images", "--labels", "paint", "--model", "m.zip", "--steps", 3, *TINY)
    assert (said.code, said.err) == (0, "")
    assert "0.tif, 1.tif: Y 128, X 128\n" in said.out and "Model: m.zip" in said.out
    model = load_model("m.zip")
    assert model.provenance["steps"] == 3
    assert model.recipe.network.width == 2
    assert [i["name"] for i in model.provenance["images"]] == ["0", "1"]

    said = call("segment", "images", "--model", "m.zip", "--out", "found", "--device", "cpu")
    assert (said.code, said.err) == (0, "")
    assert "0.tif, 1.tif: Y 128, X 128\n" in said.out
    assert sorted(p.name for p in Path("found").iterdir()) == ["0.tif", "1.tif"]
    assert read_image("found/0.tif").scale == {"Y": 0.5, "X": 0.5}

    said = call("evaluate", "found", "masks", "--json", "new/folder/scores.json")
    assert said.code == 0, said.err
    assert "all, pooled" in said.out and "AP50" in said.out
    scores = json.loads(Path("new/folder/scores.json").read_text())
    assert set(scores["images"]) == {"0.tif", "1.tif"}
    assert scores["pooled"]["n_true"] == sum(int(s.truth.max()) for s in SAMPLES)

    said = call("info", "m.zip")
    assert said.code == 0
    for words in ("Model for objects, 2D", "depth 1, width 2", "2 images, 3 steps", "halo"):
        assert words in said.out
    said = call("info", "images/0.tif")
    assert (said.code, said.err) == (0, "")
    assert "Y 128, X 128" in said.out and "uint16" in said.out


def test_masks_teach_classes_of_their_own_values(call: Call, folder: Path):
    said = call("train", "images/0.tif", "--labels", "binary/0.tif", "--model", "m.zip",
                "--task", "classes", "--complete", "--steps", 20, *TINY)  # fmt: skip
    assert said.code == 0, said.err
    assert load_model("m.zip").painted == (1, 256)
    said = call("segment", "images/1.tif", "--model", "m.zip", "--out", "a.tif")
    assert said.code == 0, said.err
    assert set(np.unique(read_labels("a.tif"))) <= {0, 255}
    said = call("evaluate", "a.tif", "binary/1.tif", "--task", "classes")
    assert said.code == 0 and "IoU" in said.out
    assert "classes      [0, 255]" in call("info", "m.zip").out


def test_masks_of_objects(call: Call, folder: Path):
    said = call("train", "images", "--labels", "masks", "--model", "m.zip", "--complete",
                "--steps", 2, *TINY)  # fmt: skip
    assert (said.code, said.err) == (0, "")


def test_masks_taken_for_paint_are_asked_about(call: Call, folder: Path):
    said = call("train", "images", "--labels", "masks", "--model", "m.zip", "--steps", 1, *TINY)
    assert said.code == 0
    assert "Is this an ordinary mask" in said.err and "use --complete" in said.err


@pytest.fixture
def ones(folder: Path) -> Path:
    """Eight nuclei painted with label 1, and no background; the second image as it should be."""
    painted = simulate_paint(SAMPLES[0].truth, 8, 0, 0) > 0
    write_tiff(folder / "ones" / "0.tif", painted.astype(np.uint8))
    write_tiff(folder / "ones" / "1.tif", SAMPLES[1].paint)
    return folder


TRAIN_ONES = ["train", "images/0.tif", "--labels", "ones/0.tif", "--model", "m.zip", "--steps", 1]


def test_objects_painted_with_label_1_are_pointed_out(call: Call, ones: Path):
    said = call(*TRAIN_ONES, *TINY)
    assert said.code == 2 and "0.tif: All " in said.err
    assert "use --ones-are-objects" in said.err and "--complete" not in said.err
    said = call(*TRAIN_ONES, "--ones-are-objects", *TINY)
    assert (said.code, said.err) == (0, "")
    said = call(*TRAIN_ONES, "--ones-are-objects", "--task", "classes", *TINY)
    assert said.code == 2


@posix
@pytest.mark.parametrize("answer", ["y", "n"])
def test_objects_painted_with_label_1_are_asked_about(
    call: Call, ones: Path, monkeypatch: pytest.MonkeyPatch, answer: str
):
    keyboard, terminal = os.openpty()
    with open(keyboard, "w") as typed, open(terminal) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        typed.write(f"{answer}\n")
        typed.flush()
        said = call(*TRAIN_ONES, *TINY)
    assert "Take each piece as an object" in said.out
    assert said.code == (0 if answer == "y" else 2), said


TRAIN_BINARY = ["train", "images", "--labels", "binary", "--model", "m.zip", "--steps", 1, *TINY]


@pytest.mark.parametrize("how", [(), ("--complete",), ("--ones-are-objects",)])
def test_one_number_for_all_objects_is_refused(call: Call, folder: Path, how: tuple[str, ...]):
    said = call(*TRAIN_BINARY, *how)
    assert said.code == 2 and not Path("m.zip").exists()
    assert "The paint of 0.tif: Label 255 covers" in said.err
    assert "--pieces-are-objects" in said.err and "--numbers-are-objects" in said.err
    assert ("--complete" in said.err) == ("--complete" not in how)
    for answer in ("--pieces-are-objects", "--numbers-are-objects"):
        said = call(*TRAIN_BINARY, *how, answer)
        assert said.code == 0, said.err
        Path("m.zip").unlink()


def test_pieces_that_are_all_painted_with_1_may_be_objects(call: Call, ones: Path):
    said = call(*TRAIN_ONES, "--pieces-are-objects", *TINY)
    assert (said.code, said.err) == (0, "")


def test_one_number_is_a_class(call: Call, folder: Path):
    said = call(*TRAIN_BINARY, "--complete", "--task", "classes")
    assert (said.code, said.err) == (0, "")
    Path("m.zip").unlink()
    said = call(*TRAIN_BINARY, "--complete", "--task", "classes", "--pieces-are-objects")
    assert said.code == 2 and "for the task objects" in said.err


@posix
@pytest.mark.parametrize("answer", ["y", "n"])
def test_one_number_for_all_objects_is_asked_about(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch, answer: str
):
    keyboard, terminal = os.openpty()
    with open(keyboard, "w") as typed, open(terminal) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        typed.write(f"{answer}\n{answer}\n")
        typed.flush()
        said = call(*TRAIN_BINARY, "--complete")
        assert said.code == 0, said
        assert "Label 255 covers" in said.err and "Take each piece as an object" in said.out
        said = call("evaluate", "masks", "binary", "--json", "scores.json")
        assert said.code == 0, said
    assert "Number 255 of the truth covers" in said.err
    n_true = json.loads(Path("scores.json").read_text())["pooled"]["n_true"]
    assert n_true == 2 if answer == "n" else n_true > 6


def test_one_number_for_all_objects_is_not_scored_as_one(call: Call, folder: Path):
    for pair in (("masks", "binary"), ("binary", "masks")):
        said = call("evaluate", *pair)
        assert said.code == 2 and "Number 255 of the" in said.err
        for answer in ("--pieces-are-objects", "--numbers-are-objects"):
            assert call("evaluate", *pair, answer).code == 0
    assert call("evaluate", "masks", "binary", "--task", "classes").code == 0
    said = call("evaluate", "masks", "binary", "--task", "classes", "--pieces-are-objects")
    assert said.code == 2 and "for labels of objects" in said.err


def test_labels_of_an_ome_zarr_may_lack_its_axes_of_length_1(call: Call, folder: Path):
    """Image TCZYX with one time and slice; labels with all axes, with two, and with a last one."""
    image, paint = SAMPLES[0].image, SAMPLES[0].paint
    write_tiff("i.tif", np.stack([image, image])[None, :, None], "TCZYX")
    np.save("full.npy", paint[None, None, None])
    np.save("last.npy", paint[..., None])
    write_tiff("flat.tif", paint)
    for labels in ("full.npy", "last.npy", "flat.tif"):
        said = call("train", "i.tif", "--labels", labels, "--model", f"{labels}.zip", "--steps", 1,
                    *TINY)  # fmt: skip
        assert (said.code, said.err) == (0, "")
        if labels != "full.npy":
            said = call("evaluate", labels, "full.npy")
            assert said.code == 0, said.err


def test_a_movie_of_one_frame_may_be_called_one(call: Call, folder: Path):
    np.save("one.npy", SAMPLES[0].image)
    said = call("info", "one.npy", "--axes", "TYX")
    assert said.code == 0 and "T 1, Y 128, X 128" in said.out


def test_preset_then_task_then_values(call: Call, folder: Path):
    said = call("train", "images", "--labels", "paint", "--model", "m.zip", "--steps", 1,
                "--preset", "unet2015", "--task", "objects", "--set", "network.depth=1",
                *TINY[2:])  # fmt: skip
    assert said.code == 0, said.err
    recipe = load_model("m.zip").recipe
    assert (recipe.encoding, recipe.network.padding, recipe.training.optimizer) == (
        "border", "valid", "sgd",
    )  # fmt: skip
    assert (recipe.network.depth, recipe.network.width) == (1, 2)


def test_recipe_file_then_values_then_seed(call: Call, folder: Path):
    Path("r.json").write_text('{"network": {"depth": 1, "width": 4}, "training": {"seed": 3}}')
    said = call("train", "images", "--labels", "paint", "--model", "m.zip", "--steps", 1,
                "--recipe", "r.json", "--seed", 5, *TINY[2:])  # fmt: skip
    assert said.code == 0, said.err
    recipe = load_model("m.zip").recipe
    assert (recipe.network.depth, recipe.network.width) == (1, 2)
    assert (recipe.training.seed, recipe.training.patch) == (5, 32)


def test_a_loss_is_chosen_by_name(call: Call, folder: Path):
    train_classes = ["train", "images/0.tif", "--labels", "binary/0.tif", "--task", "classes",
                     "--complete", "--model", "m.zip", "--steps", 2, *TINY]  # fmt: skip
    said = call(*train_classes, "--set", "losses.categorical=smooth_l1")
    assert said.code == 2 and not Path("m.zip").exists()
    assert "There is no loss 'smooth_l1' for categorical heads: choose from cross_" in said.err
    said = call(*train_classes, "--set", "losses.categorical=generalised_dice")
    assert said.code == 0, said.err
    assert load_model("m.zip").recipe.losses.categorical == "generalised_dice"
    assert "not used" not in said.err


def test_a_loss_without_effect_is_named(call: Call, folder: Path):
    said = call("train", "images/0.tif", "--labels", "paint/0.tif", "--model", "m.zip", "--steps",
                1, *TINY, "--set", "losses.categorical=dice", "--set", "losses.binary=focal",
                "--set", "losses.focal_gamma=1", "--set", "losses.tversky_alpha=0.5")  # fmt: skip
    assert said.code == 0
    assert said.err == (
        "losses.categorical, losses.tversky_alpha are not used: this network learns with "
        "losses.binary=focal and losses.distance=l1.\n"
    )


def test_objects_that_are_called_classes_are_pointed_out(call: Call, folder: Path):
    said = call("train", "images/0.tif", "--labels", "paint/0.tif", "--model", "m.zip", "--steps",
                1, *TINY, "--task", "classes")  # fmt: skip
    assert said.code == 0
    assert said.err.startswith("0.tif: ") and "each in one piece only, as objects are" in said.err
    assert "If so, use --task objects; if not, go on.\n" in said.err


def test_a_model_that_has_learnt_too_little_says_so(call: Call, folder: Path):
    said = call("train", "images", "--labels", "paint", "--model", "m.zip", "--steps", 3, *TINY)
    assert "trained for 3 steps only, too few to judge" in said.out
    assert "(--start m.zip)" in said.out
    said = call("segment", "images", "--model", "m.zip", "--out", "found", "--device", "cpu")
    assert said.out.count("trained for 3 steps only") == 1  # not for each image


def test_labels_one_by_one_and_seconds(call: Call, folder: Path):
    said = call("train", "images/1.tif", "images/0.tif", "--labels", "paint/1.tif", "--labels",
                "paint/0.tif", "--model", "m.zip", "--seconds", 1, *TINY)  # fmt: skip
    assert said.code == 0, said.err
    assert [i["name"] for i in load_model("m.zip").provenance["images"]] == ["1", "0"]


def test_a_volume(call: Call, folder: Path):
    volume = nuclei((10, 40, 40), seed=0)
    write_tiff("v.tif", volume.image, "ZYX")
    write_tiff("p.tif", volume.paint, "ZYX")
    said = call("train", "v.tif", "--labels", "p.tif", "--model", "m.zip", "--steps", 1, *TINY,
                "--set", "network.dimensions=3", "--set", "training.patch=16")  # fmt: skip
    assert said.code == 0, said.err
    said = call("segment", "v.tif", "--model", "m.zip", "--out", "l.tif", "--tile", 8)
    assert said.code == 0, said.err
    assert read_labels("l.tif").shape == (10, 40, 40)
    assert "slice by slice" not in said.err
    said = call("segment", "images/0.tif", "--model", "m.zip", "--out", "k.tif")
    assert said.code == 2 and "a 3D model needs a Z axis" in said.err
    said = call("segment", "v.tif", "--model", "m.zip", "--out", "k.tif", "--axes", "TYX")
    assert said.code == 2 and "--axes" in said.err


def test_a_2d_model_on_a_volume_says_slice_by_slice(call: Call, folder: Path, saved: bytes):
    Path("m.zip").write_bytes(saved)
    write_tiff("v.tif", np.stack([SAMPLES[0].image] * 3), "ZYX")
    said = call("segment", "v.tif", "--model", "m.zip", "--out", "l.tif", "--device", "cpu")
    assert said.code == 0
    assert said.err == (
        "v.tif: The model is 2D: the 3 slices are segmented slice by slice, so objects do not go "
        "on from one to the next: that takes a 3D model.\n"
    )


def test_channels_are_chosen(call: Call, folder: Path):
    image = np.stack([SAMPLES[0].image, 0 * SAMPLES[0].image, SAMPLES[0].image // 2])
    write_tiff("c.tif", image, "CYX")
    said = call("train", "c.tif", "--labels", "paint/0.tif", "--model", "m.zip", "--steps", 1,
                "--channels", "0,2", *TINY)  # fmt: skip
    assert said.code == 0, said.err
    assert "c.tif: C 3, Y 128, X 128" in said.out
    assert load_model("m.zip").channels == (0, 2)
    write_tiff("d.tif", image[[1, 2, 1, 0, 1]], "CYX")
    for name, channels in (("c", "0,2"), ("d", "3,1")):
        said = call("segment", f"{name}.tif", "--model", "m.zip", "--out", f"{name}_labels.tif",
                    "--channels", channels)  # fmt: skip
        assert said.code == 0, said.err
    np.testing.assert_array_equal(read_labels("c_labels.tif"), read_labels("d_labels.tif"))


def test_a_movie_is_scored_frame_by_frame(call: Call, folder: Path):
    """Found objects count on through a movie or a stack, true ones anew in each frame."""
    anew = np.stack([s.truth for s in SAMPLES])
    counted_on = anew + np.where(anew > 0, [[[0]], [[anew[0].max()]]], 0)
    write_tiff("on.tif", counted_on, "TYX")
    write_tiff("z.tif", counted_on, "ZYX")
    np.save("anew.npy", anew)

    def ap(*arguments: object) -> float:
        said = call("evaluate", *arguments, "--json", "scores.json")
        assert said.code == 0, said.err
        return float(json.loads(Path("scores.json").read_text())["pooled"]["AP50"])

    assert ap("on.tif", "anew.npy") == 1
    assert ap("z.tif", "anew.npy") < 1
    assert ap("z.tif", "anew.npy", "--slices") == 1
    assert ap("z.tif", "anew.npy", "--axes", "TYX") == 1


def test_images_are_scored_against_clean_ones(call: Call, folder: Path):
    clean = np.stack([s.image for s in SAMPLES]).astype(np.float32) / 1000
    noisy = clean + np.random.default_rng(0).normal(0, 0.1, clean.shape).astype(np.float32)
    for i in range(2):
        write_tiff(f"noisy/{i}.tif", noisy[i])
        write_tiff(f"clean/{i}.tif", clean[i])

    said = call("evaluate", "noisy", "clean", "--json", "scores.json")
    assert (said.code, said.err) == (0, "")
    assert "all, pooled" in said.out and "SI_PSNR (dB)" in said.out
    assert "spread is their standard deviation. SI_PSNR is PSNR after the gain" in said.out
    scores = json.loads(Path("scores.json").read_text())
    expected = ns.evaluate_images(noisy[1], clean[1]).as_dict()
    assert scores["images"]["1.tif"] == pytest.approx(expected)
    assert scores["pooled"]["n_frames"] == 2

    write_tiff("movie.tif", noisy, "TYX")
    write_tiff("truth.tif", clean, "TYX")
    assert call("evaluate", "movie.tif", "truth.tif", "--json", "movie.json").code == 0
    movie = json.loads(Path("movie.json").read_text())["images"]["movie.tif"]
    assert movie == pytest.approx(scores["pooled"])
    assert call("evaluate", "movie.tif", "truth.tif", "--peak", "100").out != said.out


def test_what_is_scored_as_an_image(call: Call, folder: Path):
    """Whole numbers are labels, also as floats, unless it is said that they are intensities."""
    write_tiff("float.tif", SAMPLES[0].truth.astype(np.float32))
    assert "AP50" in call("evaluate", "float.tif", "masks/0_mask.tif").out
    write_tiff("copy.tif", SAMPLES[0].truth.astype(np.float32))
    assert "AP50" in call("evaluate", "float.tif", "copy.tif").out
    said = call("evaluate", "images/0.tif", "float.tif", "--images")
    assert (said.code, said.err) == (0, "") and "PSNR" in said.out
    said = call("evaluate", "float.tif", "copy.tif", "--images", "--json", "same.json")
    assert said.code == 0 and "inf" in said.out
    assert json.loads(Path("same.json").read_text())["pooled"]["PSNR"] is None


def test_labels_that_are_left_over(call: Call, folder: Path):
    said = call("train", "images/0.tif", "--labels", "paint", "--model", "m.zip", "--steps", 1,
                *TINY)  # fmt: skip
    assert (said.code, said.err) == (0, "")
    assert "labels of no image here (1): 1.tif" in said.out
    Path("paint/1.tif").unlink()
    said = call("evaluate", "paint", "masks")
    assert said.code == 2 and "Nothing was predicted for 1_mask.tif in masks" in said.err
    assert call("evaluate", "paint/0.tif", "masks").code == 0


def test_values_of_tiling_for_a_trained_model(call: Call, trained: Path):
    arguments = ["segment", "images/0.tif", "--model", "m.zip", "--out"]
    assert call(*arguments, "a.tif").code == 0
    said = call(*arguments, "b.tif", "--set", "tiling.tile=32", "--set", "tiling.batch=3")
    assert said.code == 0, said.err
    np.testing.assert_array_equal(read_labels("a.tif"), read_labels("b.tif"))


def test_the_room_for_a_model_is_known_before_it_is_trained(trained: Path):
    model = load_model(trained)
    weights = model.network.state_dict().values()
    assert _n_bytes(model.recipe, 1) == sum(t.nbytes for t in weights) < trained.stat().st_size


@posix
def test_a_model_that_cannot_be_written_is_kept_elsewhere(call: Call, folder: Path, saved: bytes):
    """Where the folder that it was to go to is a file by now."""
    Path("m.zip").write_bytes(saved)
    Path("models").write_text("no folder")
    with pytest.raises(RuntimeError, match=r"The model is kept in .*\.zip instead") as error:
        save(load_model("m.zip"), Path("models/m.zip"), "")
    kept = Path(re.search(r"kept in (.*\.zip) instead", str(error.value))[1])
    assert kept.parent == model_folder()
    assert load_model(kept).provenance["steps"] == 2
    kept.unlink()


@posix
def test_a_name_that_is_too_long_is_said_before_the_training(call: Call, folder: Path):
    said = call("train", "images", "--labels", "paint", "--model", f"{'m' * 250}.zip", "--steps", 2,
                *TINY)  # fmt: skip
    assert said.code == 2 and "a name in it is too long" in said.err


@pytest.mark.parametrize("is_fine_tuned", [False, True])
def test_of_two_that_train_into_one_model_both_are_kept(
    call: Call, folder: Path, saved: bytes, is_fine_tuned: bool
):
    path = Path("m.zip")
    if is_fine_tuned:
        path.write_bytes(saved)
    seen = check_new_model(path, "m.zip" if is_fine_tuned else None)
    time.sleep(0.01)
    path.write_bytes(saved)  # the other is faster
    before = path.read_bytes()
    trained = load_model(path)
    with pytest.raises(RuntimeError, match=r"m\.zip was written by another.*kept in m-2\.zip"):
        save(trained, path, seen)
    assert path.read_bytes() == before
    assert load_model("m-2.zip").fingerprint() == trained.fingerprint()


def test_a_model_goes_to_where_a_link_points(call: Call, folder: Path, saved: bytes):
    Path("disk").mkdir()
    Path("m.zip").symlink_to("disk/real.zip")
    Path("n.zip").write_bytes(saved)
    save(load_model("n.zip"), Path("m.zip"), "")
    assert Path("m.zip").is_symlink() and load_model("disk/real.zip")


def test_notes_of_a_training_are_shown(call: Call, trained: Path):
    little = np.zeros((128, 128), np.uint8)
    little[40:50, 40:50] = 2
    write_tiff("little.tif", little)
    said = call("train", "images/0.tif", "--labels", "little.tif", "--start", "m.zip", "--model",
                "n.zip", "--steps", 1, "--device", "cpu")  # fmt: skip
    assert said.code == 0, said.err
    assert "Too little is painted to hold anything out" in said.out


def test_demo(call: Call, folder: Path):
    said = call("demo", "--headless", "--out", "demo", "--seconds", 2, "--device", "cpu")
    assert said.code == 0, said.err
    assert sorted(p.name for p in Path("demo").iterdir()) == [
        "demo.png", "image.tif", "labels.tif", "model.zip", "paint.tif", "scores.json", "truth.tif",
    ]  # fmt: skip
    assert json.loads(Path("demo/scores.json").read_text())["n_true"] > 50
    assert read_labels("demo/labels.tif").shape == read_image("demo/image.tif").shape


# ---- fine-tuning --------------------------------------------------------------------------------


@pytest.fixture
def trained(call: Call, folder: Path) -> Path:
    said = call("train", "images", "--labels", "paint", "--model", "m.zip", "--steps", 3, *TINY)
    assert said.code == 0, said.err
    return folder / "m.zip"


def test_fine_tune_in_place_and_beside(call: Call, trained: Path):
    options = ["--labels", "paint", "--start", "m.zip", "--steps", 3, "--device", "cpu"]
    before = trained.read_bytes()
    said = call("train", "images", "--model", "n.zip", *options)
    assert said.code == 0, said.err
    assert trained.read_bytes() == before
    assert load_model("n.zip").recipe == load_model("m.zip").recipe
    said = call("train", "images", "--model", "m.zip", *options)
    assert said.code == 0, said.err


def test_a_child_that_is_worse_leaves_its_parent(call: Call, trained: Path):
    options = ["--labels", "paint", "--start", "m.zip", "--steps", 4, "--device", "cpu"]
    ruin = ["--set", "training.learning_rate=1", "--set", "training.validate_every=1"]
    before = load_model("m.zip").network.state_dict()
    said = call("train", "images", "--model", "n.zip", *options, *ruin)
    assert said.code == 0, said.err
    words = " ".join(said.out.split())
    if "the model it started from is kept" in words:
        after = load_model("n.zip").network.state_dict()
        assert all(torch.equal(before[k], after[k]) for k in before)
        assert "--keep-worse" in words
    said = call("train", "images", "--model", "k.zip", *options, *ruin, "--keep-worse")
    assert said.code == 0 and "is kept" not in said.out
    worse = load_model("k.zip").network.state_dict()
    assert not all(torch.equal(before[k], worse[k]) for k in before)


def test_the_version(call: Call):
    assert call("--version") == (0, f"napari-scribe {ns.__version__}\n", "")


def test_models_are_called_by_name(call: Call, trained: Path):
    load_model(trained).save(model_folder() / "mine.zip")
    assert "Model for objects" in call("info", "mine").out
    said = call("segment", "images/0.tif", "--model", "mine", "--out", "a.tif")
    assert said.code == 0, said.err
    said = call("segment", "images/0.tif", "--model", "yours", "--out", "b.tif")
    assert said.code == 2 and "Models kept by name: mine" in said.err


# ---- where results go ---------------------------------------------------------------------------


@pytest.mark.parametrize("out", ["a.tif", "a.zarr", "new/a.tif", "folder"])
def test_outputs(call: Call, trained: Path, out: str):
    arguments = ["segment", "images/0.tif", "--model", "m.zip", "--out", out, "--tile", 40]
    said = call(*arguments)
    assert (said.code, said.err) == (0, "")
    path = Path(out, "0.tif") if out == "folder" else Path(out)
    first = np.asarray(read_labels(path))
    assert first.shape == (128, 128)
    before = everything(Path(out).parent if out != "folder" else Path(out))
    said = call(*arguments)
    assert said.code == 0 and "nothing to do" in said.out.replace("\n", " ")
    said = call(*arguments, "--save", "labels,probability")
    assert said.code == 2 and "exists already" in said.err and "(--overwrite)" in said.err
    assert everything(Path(out).parent if out != "folder" else Path(out)) == before
    assert call(*arguments, "--overwrite").code == 0
    np.testing.assert_array_equal(read_labels(path), first)


def test_probability_is_saved_where_asked_for(call: Call, trained: Path):
    said = call("segment", "images/0.tif", "--model", "m.zip", "--out", "a.tif",
                "--save", "labels, probability")  # fmt: skip
    assert said.code == 0, said.err
    assert said.out.endswith("Labels: a.tif\nProbability: a.probability.tif\n")
    found = read_image("a.probability.tif")
    assert found.dtype == np.float32 and 0 <= found.data.min() <= found.data.max() <= 1


def test_parts_and_then_the_rest(call: Call, trained: Path):
    arguments = ["segment", "images/0.tif", "--model", "m.zip", "--tile", 40, "--out"]
    assert call(*arguments, "a.tif").code == 0
    for i in (2, 1):
        said = call(*arguments, "b.tif", "--part", f"{i}/2")
        assert (said.code, said.err) == (0, "")
        assert f"Part {i}/2 is done." in said.out and not Path("b.tif").exists()
    said = call(*arguments, "b.tif")
    assert said.code == 0 and "Labels: b.tif" in said.out
    np.testing.assert_array_equal(read_labels("b.tif"), read_labels("a.tif"))


def test_tile_and_batch_change_nothing(call: Call, trained: Path):
    arguments = ["segment", "images/0.tif", "--model", "m.zip", "--device", "cpu", "--out"]
    assert call(*arguments, "a.tif").code == 0
    assert call(*arguments, "b.tif", "--tile", 24, "--batch", 3).code == 0
    differing = read_labels("b.tif") != read_labels("a.tif")
    assert differing.mean() < 1e-2  # in bfloat16, where that is faster


def test_a_level_of_a_pyramid(call: Call, trained: Path):
    large = np.random.default_rng(0).integers(0, 4000, (64, 1100)).astype(np.uint16)
    create_zarr(Path("p.zarr"), large.shape, large.dtype, "YX", {"Y": 0.5, "X": 0.5})
    zarr.open_array("p.zarr/0", mode="r+")[:] = large
    assert len(list(add_pyramid(Path("p.zarr"), labels=False))) > 0
    said = call("segment", "p.zarr", "--model", "m.zip", "--out", "a.tif", "--level", 1)
    assert said.code == 0, said.err
    written = read_image("a.tif")
    assert written.shape == (32, 550) and written.scale == {"Y": 1.0, "X": 1.0}


def test_quick_and_seam_test_say_what_they_measured(call: Call, trained: Path):
    said = call("segment", "images/0.tif", "--model", "m.zip", "--out", "a.tif", "--halo", "quick")
    assert said.code == 0 and "halo" in said.out
    said = call("seam-test", "images/0.tif", "--model", "m.zip", "--tile", 16)
    assert (said.code, said.err) == (0, "")
    assert "Moving the tiles (16 x 16 px, halo" in " ".join(said.out.split())
    said = call("seam-test", "images/0.tif", "--model", "m.zip", "--tile", 16, "--halo", "quick")
    assert said.code == 0


# ---- bad input ----------------------------------------------------------------------------------

TRAIN = "train images --labels paint --steps 1 --model new.zip"
SEGMENT = "segment images/0.tif --model m.zip --out new.tif"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("train nowhere.tif --labels paint --model new.zip", "nowhere.tif does not exist"),
        ("train images --labels nowhere --model new.zip", "nowhere do not exist"),
        ("train images --labels paint/0.tif --model new.zip", "2 images, and labels for 1"),
        ("train images --labels masks/0_mask.tif --labels images/1.tif --model new.txt",
         "ends in .zip"),
        ("train images --labels paint --model m.zip", "exists already.*--start m.zip"),
        ("train images --labels paint --model m.zip/new.zip", "Cannot write"),
        ("train empty --labels paint --model new.zip", "has no image in it"),
        ("train images/0.tif --labels blank.tif --model new.zip", "Nothing is painted yet"),
        ("train images/0.tif --labels ones.tif --model new.zip", "holds no object"),
        ("train images/0.tif --labels small.tif --model new.zip", "The paint has shape"),
        ("train nan.tif --labels paint/0.tif --model new.zip", "NaN or infinite"),
        ("train flat.tif --labels paint/0.tif --model new.zip", "nothing stands out"),
        ("train images --labels images --model new.zip", "0.tif would be its own labels"),
        (f"{TRAIN} --channels 1", "has one channel only, number 0"),
        (f"{TRAIN} --channels red", "write numbers from 0"),
        (f"{TRAIN} --task classes --ones-are-objects", "for the task objects"),
        (f"{TRAIN} --set width=3", "no recipe value 'width'. Nearest: network.width. To see all"),
        (f"{TRAIN} --set network.width", "write it as KEY=VALUE"),
        (f"{TRAIN} --set network.width=many", "network.*width"),
        (f"{TRAIN} --set network.dimensions=3", "needs a Z axis. This image is 2D: take a 2D"),
        (f"{TRAIN} --preset unet3000", "There is no preset 'unet3000': choose from unet, "),
        (f"{TRAIN} --preset fast --recipe r.json", "--preset goes without --recipe"),
        (f"{TRAIN} --recipe nowhere.json", "Cannot read the recipe"),
        (f"{TRAIN} --recipe images/0.tif", "Cannot read the recipe"),
        (f"{TRAIN} --start nowhere", "no model 'nowhere'"),
        (f"{TRAIN} --start images/0.tif", "is not a model"),
        (f"{TRAIN} --start m.zip --set network.depth=3", "another network or task"),
        (f"{TRAIN} --device banana", "'banana' cannot be used"),
        (f"{TRAIN} --axes Q", "use letters of TCZYX"),
        (f"{TRAIN} --axes ZY", "with Y and X"),
        ("train colour.tif --labels paint/0.tif --model new.zip --axes YX", "names 2"),
        ("train images --labels paint --model new.zip --steps 0", "0 steps train nothing"),
        ("train images --labels paint --model new.zip --seconds=-1", "seconds train nothing"),
        ("segment images/0.tif --model nowhere --out new.tif", "no model 'nowhere'"),
        ("segment nowhere.tif --model m.zip --out new.tif", "does not exist"),
        ("segment images --model m.zip --out new.tif", "2 images cannot go into one file"),
        ("segment images/0.tif --model m.zip --out new.jpg", "not to .jpg"),
        ("segment images/0.tif --model m.zip --out m.zip", "not to .zip"),
        ("segment images/0.tif images/0.tif --model m.zip --out new", "More than one image would"),
        ("segment colour.tif --model m.zip --out new.tif", "has 5 channels, but this model"),
        ("segment nan.tif --model m.zip --out new.tif", "NaN or infinite"),
        ("segment broken.tif --model m.zip --out new.tif", "Could not read broken.tif"),
        (f"{SEGMENT} --save probabilities", "Cannot save 'probabilities'.*Nearest: probability"),
        (f"{TRAIN} --set losses.binary=generalized_dice", "Nearest: generalised_dice"),
        (f"{SEGMENT} --set network.width=3", "new values of tiling only"),
        (f"{SEGMENT} --set tiling.tiles=3", "no recipe value 'tiling.tiles'"),
        (f"{SEGMENT} --channels 0,0", "2 channels of 0 were chosen"),
        ("evaluate paint/0.tif masks/0_mask.tif --axes ZY", "with Y and X"),
        ("evaluate colour.tif masks/0_mask.tif --axes YX", "names 2"),
        (f"{SEGMENT} --device banana", "cannot be used"),
        (f"{SEGMENT} --part third", "--part third: write it as 3/16"),
        (f"{SEGMENT} --part 4/3", "There is no part 4/3"),
        (f"{SEGMENT} --part 0/3", "There is no part 0/3"),
        (f"{SEGMENT} --part 1/99999999999", "cannot be shared among 99999999999"),
        (f"segment images/0.tif --model m.zip --out {'n' * 240}.tif", "name in it is too long"),
        (f"segment images/0.tif --model m.zip --out {'n' * 300}", "name in it is too long"),
        (f"{SEGMENT} --batch 0", ""),
        (f"{SEGMENT} --halo none", ""),
        (f"{SEGMENT} --workers 0", ""),
        (f"{SEGMENT} --level 2", "level"),
        ("seam-test nowhere.tif --model m.zip", "nowhere.tif does not exist"),
        ("seam-test nan.tif --model m.zip", "NaN or infinite"),
        ("evaluate images/0.tif masks/0_mask.tif small.tif", ""),
        ("evaluate small.tif paint/0.tif", "small.tif against 0.tif: "),
        ("evaluate float.tif paint/0.tif", "labels, which are whole numbers.*--images"),
        ("evaluate float.tif paint/0.tif --task objects", "labels, which are whole numbers"),
        ("evaluate images/0.tif paint/0.tif --images --task objects", "--task objects is for"),
        ("evaluate images/0.tif flat.tif --images", "0.tif against flat.tif: flat is constant"),
        ("evaluate nan.tif images/0.tif --images", "nan has NaN or infinite"),
        ("evaluate small.tif images/0.tif --images", "differ in size"),
        ("evaluate images/0.tif paint/0.tif --peak 0", "no range of intensities"),
        ("evaluate paint masks --json m.zip/new.json", "Cannot write"),
        ("info nowhere.zip", "no model 'nowhere.zip': that file does not exist"),
        ("info nowhere.tif", "nowhere.tif does not exist"),
        ("info broken.tif", "Could not read broken.tif: it is damaged"),
        ("demo --headless --out m.zip", "Cannot write"),
        ("train images --labels paint", ""),
        ("train images --labels paint --model new.zip --steps many", ""),
        ("segment images/0.tif --model m.zip --out new.tif --tile 0", ""),
        ("paint", ""),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_writes_nothing(
    call: Call, folder: Path, saved: bytes, line: str, said: str
):
    Path("m.zip").write_bytes(saved)
    Path("empty").mkdir()
    Path("broken.tif").write_bytes(b"II*\0 and then nothing")
    paint = SAMPLES[0].paint
    write_tiff("blank.tif", 0 * paint)
    write_tiff("ones.tif", np.minimum(paint, 1))
    write_tiff("small.tif", paint[1:])
    write_tiff("flat.tif", np.full((128, 128), 9, np.uint16))
    write_tiff("float.tif", np.full((128, 128), 0.5, np.float32))
    write_tiff("nan.tif", np.full((128, 128), np.nan, np.float32))
    write_tiff("colour.tif", np.zeros((5, 128, 128), np.uint16), "CYX")
    before = everything(folder)
    found = call(*line.split())
    assert found.code == 2, found
    assert "Traceback" not in found.err + found.out
    if said:
        assert found.err.startswith("Error: ")
        assert len(found.err.strip().splitlines()) == 1
        assert re.search(said, found.err), found.err
    assert everything(folder) == before


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A trained model, as a file."""
    recipe = Recipe(network={"depth": 1, "width": 2}, training={"patch": 32, "batch": 1})
    model = run(train([SAMPLES[0].image], [SAMPLES[0].paint], recipe, steps=2))
    return model.save(tmp_path_factory.mktemp("model") / "m.zip").read_bytes()


def test_a_failure_midway_keeps_what_was_done(call: Call, folder: Path, saved: bytes):
    """The last image has a NaN that no sample shows: the first one stays, and the code is 1."""
    Path("m.zip").write_bytes(saved)
    large = np.tile(np.repeat(np.float32([0, 1]), 100), (3000, 5))
    large[-1, -1] = np.nan
    np.save("images/2.npy", large)
    said = call("segment", "images", "--model", "m.zip", "--out", "found")
    assert said.code == 1
    assert said.err.startswith("Failed midway: ") and "NaN" in said.err
    assert sorted(p.name for p in Path("found").iterdir()) == ["0.tif", "1.tif"]


@pytest.mark.parametrize(
    ("out", "is_there", "expected"),
    [
        ("2026.11.28", False, "2026.11.28/0.tif"),
        ("results.v2", False, "results.v2/0.tif"),
        ("day.png", True, "day.png/0.tif"),
        ("day.png/", False, "day.png/0.tif"),
        ("old.tif/", False, "old.tif/0.tif"),
        ("old.tif", True, "old.tif/0.tif"),
        ("new.zarr/", False, "new.zarr/0.tif"),
        ("new.zarr/", True, "new.zarr"),
        ("O.TIF", False, "O.TIF"),
        ("O.Zarr", False, "O.Zarr"),
    ],
)
def test_where_results_go(folder: Path, out: str, is_there: bool, expected: str):
    if is_there:
        Path(out).mkdir()
    assert result_paths([Path("images/0.tif")], out) == [Path(expected)]


@pytest.mark.parametrize("out", ["a.png", "a.JPG", "a.npy", "a.h5"])
def test_kinds_that_are_not_written(folder: Path, out: str):
    with pytest.raises(InputError, match=r"Results go to \.tif.* or a folder, not to"):
        result_paths([Path("images/0.tif")], out)


def test_a_folder_with_dots_and_one_behind_a_link(call: Call, folder: Path, saved: bytes):
    Path("m.zip").write_bytes(saved)
    Path("linked").symlink_to("disk/far")
    for out in ("2026.11.28", "linked"):
        said = call("segment", "images", "--model", "m.zip", "--out", out, "--device", "cpu")
        assert said.code == 0, said.err
        assert sorted(p.name for p in Path(out).iterdir()) == ["0.tif", "1.tif"]
    assert Path("linked").is_symlink()


def test_who_is_slower_of_two_same_commands_is_told_so(call: Call, folder: Path, saved: bytes):
    """By status 2: there was nothing to be kept."""
    Path("m.zip").write_bytes(saved)
    job = ns.segment(load_model("m.zip"), "images/0.tif", "a.tif", tile=32, device="cpu")
    late = ns.segment(load_model("m.zip"), "images/0.tif", "a.tif", tile=32, device="cpu")
    next(job)
    with pytest.raises(InUseError):
        segment_with_bar(late, "0.tif")
    other = ns.segment(load_model("m.zip"), "images/1.tif", "b.tif", tile=32, device="cpu")
    next(other)
    Path("b.tif").write_bytes(b"x")
    with pytest.raises(RuntimeError, match=r"appeared .* is kept in .*b-2\.tif instead"):
        segment_with_bar(other, "1.tif")


def test_an_image_is_not_replaced_by_its_labels(call: Call, folder: Path, saved: bytes):
    Path("m.zip").write_bytes(saved)
    before = everything(folder)
    for out in ("images/0.tif", "images"):
        said = call("segment", "images/0.tif", "--model", "m.zip", "--out", out, "--overwrite")
        assert said.code == 2 and "the image itself" in said.err
    assert everything(folder) == before


# ---- processes ----------------------------------------------------------------------------------

COMMAND = "from napari_scribe.cli import main; main()"
INTERRUPTED = """
import os, signal, threading, time
from napari_scribe.cli import main

def interrupt():
    while signal.getsignal(signal.SIGINT) in (signal.default_int_handler, signal.SIG_IGN):
        time.sleep(0.01)
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
main()
"""


def process(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    nothing = subprocess.DEVNULL
    return subprocess.run(
        command, stdin=nothing, capture_output=True, text=True, timeout=300, check=False
    )


def test_an_error_of_a_process(folder: Path):
    done = process(COMMAND, "segment", "nowhere.tif", "--model", "m.zip", "--out", "a.tif")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: ") and len(done.stderr.strip().splitlines()) == 1


@posix
def test_ctrl_c_keeps_the_best_model(folder: Path):
    done = process(INTERRUPTED, "train", "images", "--labels", "paint", "--model", "m.zip", *TINY)
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert load_model("m.zip").provenance["steps"] > 0
    assert "Model: m.zip" in done.stdout


@posix
def test_after_ctrl_c_the_same_command_goes_on(folder: Path, saved: bytes):
    Path("m.zip").write_bytes(saved)
    write_tiff("many.tif", np.tile(SAMPLES[0].image, (400, 1, 1)), "TYX")
    done = process(
        INTERRUPTED, "segment", "many.tif", "--model", "m.zip", "--out", "a.zarr", "--tile", 8
    )
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert "Stopped before a.zarr was whole. The same command goes on" in done.stdout
    assert not Path("a.zarr").exists()
    job = ns.segment(ns.load_model("m.zip"), "many.tif", "a.zarr", tile=8)
    assert next(job).done > 1
    job.close()
    assert Path(".a.zarr.part").exists()  # begun by another run, so not this one's to throw away


# ---- files of others ----------------------------------------------------------------------------


def two_images(path: str) -> None:
    """A TIFF with two images, of 128 and 96 rows."""
    import tifffile

    with tifffile.TiffWriter(path, ome=True) as file:
        for sample, rows in zip(SAMPLES, (128, 96), strict=True):
            file.write(sample.image[:rows], metadata={"Name": f"{rows} rows"})


def test_one_of_several_images_in_a_file(call: Call, folder: Path, saved: bytes):
    Path("m.zip").write_bytes(saved)
    two_images("two.tif")
    said = call("info", "two.tif")
    assert "Y 128" in said.out and "holds 2 images" in said.out
    assert "Y 96" in call("info", "two.tif", "--series", 1).out
    said = call("segment", "two.tif", "--model", "m.zip", "--out", "a.tif", "--device", "cpu")
    assert said.code == 0, said.err
    assert said.err.count("holds 2 images, of which the first was taken") == 1
    again = ["segment", "two.tif", "--model", "m.zip", "--series", 1, "--device", "cpu", "--out"]
    said = call(*again, "a.tif")
    assert said.code == 2 and "exists already" in said.err  # it is that of the other image
    said = call(*again, "b.tif")
    assert (said.code, said.err) == (0, "")
    assert (read_image("a.tif").shape, read_image("b.tif").shape) == ((128, 128), (96, 128))
    assert call("evaluate", "b.tif", "two.tif", "--images", "--series", 1).code == 0
    assert call("seam-test", "two.tif", "--model", "m.zip", "--series", 2).code == 2
    said = call("train", "two.tif", "--labels", "paint/0.tif", "--model", "n.zip", "--series", 7)
    assert said.code == 2 and "There is no image 7 (--series)" in said.err
    options = ["--pairs", "single", "--model", "d.zip", "--series", 7]
    assert "There is no image 7" in call("train-denoiser", "two.tif", *options).err


def test_a_denoiser_takes_one_of_several_images(call: Call, folder: Path):
    two_images("two.tif")
    options = ["--pairs", "single", "--model", "d.zip", "--steps", 2, *TINY]
    said = call("train-denoiser", "two.tif", *options)
    assert said.code == 0, said.err
    assert "two.tif: it holds 2 images" in said.err
    options = ["--model", "d.zip", "--series", 1, "--out", "c.tif", "--device", "cpu"]
    assert call("denoise", "two.tif", *options).code == 0
    assert read_image("c.tif").shape == (96, 128)


def test_notes_on_many_files_are_said_once(call: Call, folder: Path, saved: bytes):
    import tifffile

    Path("m.zip").write_bytes(saved)
    for i in range(3):
        options = {"imagej": True, "resolution": (2, 2), "metadata": {"unit": "um", "spacing": "x"}}
        tifffile.imwrite(folder / "images" / f"{i}.tif", SAMPLES[0].image, **options)
    said = call("segment", "images", "--model", "m.zip", "--out", "out", "--device", "cpu")
    assert said.code == 0
    assert (
        said.err == "0.tif, 1.tif, 2.tif: its spacing is 'x', which is no size: it was left out.\n"
    )


def test_labels_beside_images_are_no_images(call: Call, folder: Path, saved: bytes):
    Path("m.zip").write_bytes(saved)
    for i, sample in enumerate(SAMPLES):
        write_tiff(folder / "images" / f"{i}_masks.tif", sample.truth)
    np.save(folder / "images" / "0_seg.npy", {"masks": 1}, allow_pickle=True)  # type: ignore[arg-type]
    said = call("segment", "images", "--model", "m.zip", "--out", "out", "--device", "cpu")
    assert said.code == 0, said.err
    assert "(3): 0_masks.tif, 0_seg.npy, 1_masks.tif" in said.err
    assert sorted(p.name for p in Path("out").iterdir()) == ["0.tif", "1.tif"]
    (folder / "images" / "0_seg.npy").unlink()
    options = ["--labels", "images", "--complete", "--model", "n.zip", "--steps", 1, *TINY]
    said = call("train", "images", *options)
    assert said.code == 0, said.err


@posix
def test_names_that_are_no_utf_8_are_printed(folder: Path, saved: bytes):
    Path("m.zip").write_bytes(saved)
    name = os.fsdecode(b"x\xff")
    Path("images").rename(name)
    write_tiff(f"{name}/{name}.tif", SAMPLES[0].image)
    command = ["segment", name, "--model", "m.zip", "--out", "out", "--device", "cpu"]
    code = "import sys; from napari_scribe.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert rb"x\udcff.tif" in done.stdout
    gone = subprocess.run(
        [sys.executable, "-c", code, "info", f"{name}.tif"], capture_output=True, check=False
    )
    assert (gone.returncode, gone.stderr[:6]) == (2, b"Error:")


@posix
@pytest.mark.parametrize(
    "command",
    [
        "info pipe.tif",
        "info pipe.zip",
        "segment pipe.tif --model m.zip --out o.tif",
        "segment images --model m.zip --out pipe.tif",
        "segment images/0.tif --model m.zip --out pipe.tif",
        "segment images/0.tif --model pipe.zip --out o.tif",
        "train images --labels pipe.tif pipe.tif --model n.zip",
        "train images/0.tif --labels paint/0.tif --model n.zip --recipe pipe.zip",
        "evaluate pipe.tif masks/0_mask.tif",
        "evaluate paint/0.tif pipe.tif",
        "denoise pipe.tif --model m.zip --out o.tif",
        "train-denoiser pipe.tif --model n.zip",
    ],
)
def test_pipes_do_not_hang(call: Call, folder: Path, saved: bytes, command: str):
    Path("m.zip").write_bytes(saved)
    os.mkfifo("pipe.tif")
    os.mkfifo("pipe.zip")
    said = call(*command.split())
    assert said.code == 2 and "Traceback" not in said.err


def test_addresses_and_deep_recipes_are_one_line(call: Call, folder: Path):
    said = call("info", "https://x.org/a.tif")
    assert (said.code, said.err[:40]) == (2, "Error: https://x.org/a.tif is a web addr")
    said = call("segment", "https://x.org/a.tif", "--model", "m.zip", "--out", "o.tif")
    assert said.code == 2
    Path("deep.json").write_text("[" * 100_000)
    options = ["--labels", "paint", "--model", "n.zip", "--recipe", "deep.json"]
    said = call("train", "images", *options)
    assert said.code == 2 and "deep.json" in said.err and "recursion" not in said.err


def test_a_decoding_parameter_of_a_run(call: Call, folder: Path):
    call("train", "images", "--labels", "paint", "--model", "m.zip", "--steps", 1, *TINY)
    run = ("segment", "images/0.tif", "--model", "m.zip", "--device", "cpu", "--out")
    assert call(*run, "all.tif", "--decoding", "foreground=0", "--decoding", "peak=0").code == 0
    assert call(*run, "none.tif", "--decoding", "foreground=1").code == 0
    assert (
        np.asarray(read_labels("all.tif")).any() and not np.asarray(read_labels("none.tif")).any()
    )
    for wrong, words in [
        ("join=0.5", "There is no decoding parameter 'join': choose from peak, merge, foreground"),
        ("merge=2", "'merge' is a number from 0 to 1, not 2"),
        ("merge", "--decoding merge: write it as KEY=VALUE, such as merge=0.6"),
    ]:
        said = call(*run, "wrong.tif", "--decoding", wrong)
        assert said.code == 2 and words in said.err
    assert not Path("wrong.tif").exists()

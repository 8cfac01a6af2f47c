"""The command `evaluate` on maps of probabilities, membranes and classes, and what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics
from matplotlib.image import imread

import napari_scribe as ns
from napari_scribe.io import write_tiff
from napari_scribe.samples import nuclei

Call = Callable[..., Any]
TRUTH = np.stack([nuclei((96, 128), seed=seed).truth > 0 for seed in range(2)])
FIELD = np.hypot(*np.ogrid[-48:48, -64:64]) < 50


def a_map(truth: Any, seed: int = 0) -> Any:
    noise = np.random.default_rng(seed).normal(0, 1.5, truth.shape)
    return (1 / (1 + np.exp(-np.where(truth, 1.5, -2) - noise))).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Maps as `segment` writes them beside labels, masks of the truth, and fields of view."""
    monkeypatch.chdir(tmp_path)
    for i, truth in enumerate(TRUTH):
        write_tiff(f"found/{i}.tif", truth.astype(np.uint8))
        write_tiff(f"found/{i}.probability.tif", a_map(truth, i)[None], "CYX")
        write_tiff(f"found/{i}.distance.tif", a_map(truth, i)[None], "CYX")
        write_tiff(f"truth/{i}_mask.tif", np.where(truth, 255, 0).astype(np.uint8))
        write_tiff(f"fields/{i}.tif", np.where(FIELD, 255, 0).astype(np.uint8))
    return tmp_path


def read(path: str) -> Any:
    return json.loads(Path(path).read_text())


# ---- maps ---------------------------------------------------------------------------------------


def test_a_map_in_a_field_of_view(call: Call, folder: Path):
    said = call("evaluate", "found/0.probability.tif", "truth/0_mask.tif", "--roc", "--mask",
                "fields/0.tif", "--json", "new/scores.json")  # fmt: skip
    assert (said.code, said.err) == (0, "")
    assert "roc_auc" in said.out and "fitted on this very truth" in said.out
    assert said.out.endswith("Curves: new/scores.png\n")
    assert imread("new/scores.png").shape[1] > imread("new/scores.png").shape[0]  # side by side
    again = call("evaluate", "found/0.probability.tif", "truth/0_mask.tif", "--roc", "--json",
                 "new/scores.json")  # fmt: skip
    assert again.out.endswith("Curves: new/scores-2.png\n")  # an image may have the first name
    call("evaluate", "found/0.probability.tif", "truth/0_mask.tif", "--roc", "--mask",
         "fields/0.tif", "--json", "new/scores.json")  # fmt: skip
    scores = read("new/scores.json")["pooled"]
    p, truth = a_map(TRUTH[0])[FIELD], TRUTH[0][FIELD]
    assert scores["roc_auc"] == pytest.approx(sklearn.metrics.roc_auc_score(truth, p), abs=1e-4)
    expected = sklearn.metrics.average_precision_score(truth, p)
    assert scores["average_precision"] == pytest.approx(expected, abs=1e-4)
    assert scores["f1_at_0.5"] == pytest.approx(sklearn.metrics.f1_score(truth, p >= 0.5))
    best = sklearn.metrics.f1_score(truth, p >= scores["best_threshold"])
    assert scores["f1"] == pytest.approx(best) and best >= scores["f1_at_0.5"]
    assert {"precision", "recall", "precision_at_0.5", "recall_at_0.5"} <= set(scores)


def test_a_folder_of_results(call: Call, folder: Path):
    """The maps in it are scored; each image by itself, and all as one."""
    said = call("evaluate", "found", "truth", "--roc", "--mask", "fields", "--json", "scores.json")
    assert (said.code, said.err) == (0, "")
    scores = read("scores.json")
    assert list(scores["images"]) == ["0.probability.tif", "1.probability.tif"]
    p = np.concatenate([a_map(t, i)[FIELD] for i, t in enumerate(TRUTH)])
    expected = sklearn.metrics.roc_auc_score(TRUTH[:, FIELD].ravel(), p)
    assert scores["pooled"]["roc_auc"] == pytest.approx(expected, abs=1e-4)
    one_field = call("evaluate", "found", "truth", "--roc", "--mask", "fields/0.tif")
    assert one_field.out.replace("roc.png", "scores.png") == said.out
    assert one_field.err == "0.tif is the mask of all 2 images.\n"
    drawn = Path("roc.png").read_bytes()
    assert "Curves: roc-2.png" in call("evaluate", "found", "truth", "--roc").out
    assert Path("roc.png").read_bytes() == drawn and Path("roc-2.png").exists()


def test_an_image_without_anything_counts_among_others(call: Call, folder: Path):
    write_tiff("truth/1_mask.tif", np.zeros(FIELD.shape, np.uint8))
    said = call("evaluate", "found", "truth", "--roc", "--json", "scores.json", "--figure", "c.svg")
    assert (said.code, said.err) == (0, "") and "Curves: c.svg" in said.out
    assert 10_000 < Path("c.svg").stat().st_size < 300_000  # no more points than can be seen
    assert "nan" not in said.out
    scores = read("scores.json")
    assert scores["images"]["1.probability.tif"]["roc_auc"] is None
    assert 0.5 < scores["pooled"]["roc_auc"] < 1


def test_a_threshold_that_was_fitted_on_other_images(call: Call, folder: Path):
    fit = ["evaluate", "found/0.probability.tif", "truth/0_mask.tif", "--roc", "--json", "fit.json"]
    assert call(*fit).code == 0
    best = read("fit.json")["pooled"]["best_threshold"]
    said = call("evaluate", "found/1.probability.tif", "truth/1_mask.tif", "--roc", "--threshold",
                best, "--json", "scores.json")  # fmt: skip
    assert said.code == 0, said.err
    scores, found = read("scores.json")["pooled"], a_map(TRUTH[1], 1) >= np.float32(best)
    assert scores["threshold"] == best
    expected = sklearn.metrics.f1_score(TRUTH[1].ravel(), found.ravel())
    assert scores["f1_at_threshold"] == pytest.approx(expected)


def test_maps_of_other_programs(call: Call, folder: Path):
    """Pictures of 0 to 255, and a channel a class; what was taken for what is said."""
    p = a_map(TRUTH[0])
    expected = ns.evaluate_probability(p, TRUTH[0]).roc_auc

    def auc(path: str, *options: object) -> tuple[float, str]:
        said = call("evaluate", path, "truth/0_mask.tif", "--roc", "--json", "s.json", *options)
        assert said.code == 0, said.err
        return read("s.json")["pooled"]["roc_auc"], said.err

    write_tiff("bytes.tif", np.rint(255 * p).astype(np.uint8))
    found, note = auc("bytes.tif")
    assert found == pytest.approx(expected, abs=1e-3) and "(uint8) are taken as prob" in note
    write_tiff("two.tif", np.stack([1 - p, p]), "CYX")
    found, note = auc("two.tif")
    assert found == pytest.approx(expected, abs=1e-4) and "Channel 1 of the two" in note
    assert auc("two.tif", "--channel", 0)[0] == pytest.approx(1 - expected, abs=1e-4)
    np.save("last.npy", np.stack([1 - p, p, p * 0], -1))
    found, note = auc("last.npy", "--channel", 1)
    assert found == pytest.approx(expected, abs=1e-4) and not note


def test_what_a_network_answers_is_scored(call: Call, folder: Path):
    sample = nuclei((96, 128))
    write_tiff("images/0.tif", sample.image)
    write_tiff("paint.tif", sample.paint)
    said = call("train", "images/0.tif", "--labels", "paint.tif", "--model", "m.zip", "--steps", 2,
                "--device", "cpu", "--set", "network.depth=1", "--set", "network.width=2", "--set",
                "training.patch=32", "--set", "training.batch=1")  # fmt: skip
    assert said.code == 0, said.err
    said = call("segment", "images", "--model", "m.zip", "--out", "new", "--device", "cpu",
                "--save", "labels,probability")  # fmt: skip
    assert said.code == 0, said.err
    write_tiff("true/0.tif", sample.truth)
    said = call("evaluate", "new", "true", "--roc", "--json", "scores.json")
    assert (said.code, said.err) == (0, "")
    assert list(read("scores.json")["images"]) == ["0.probability.tif"]


# ---- labels -------------------------------------------------------------------------------------


def test_membranes_are_scored_thin(call: Call, folder: Path):
    """Masks of cells as in ISBI 2012: the membranes of one are wider than those of the other."""
    for name, half in {"fine": 1, "wide": 5}.items():
        at = np.abs(np.arange(80) % 40 - 20) < half
        write_tiff(f"{name}.tif", np.where(at[:, None] | at, 0, 255).astype(np.uint8))

    def scores(*options: object) -> dict[str, float]:
        said = call("evaluate", "wide.tif", "fine.tif", "--pieces-are-objects", "--json", "s.json",
                    *options)  # fmt: skip
        assert said.code == 0, said.err
        assert "VI is in bits" in said.out and "PQ" in said.out
        return dict(read("s.json")["pooled"])

    wide, thin = scores(), scores("--thin")
    assert wide["adapted_rand_error"] > 0.2 > 0.03 > thin["adapted_rand_error"]
    assert wide["AP75"] == thin["AP75"]


def test_classes_in_a_field_of_view(call: Call, folder: Path):
    for i, truth in enumerate(TRUTH):
        write_tiff(f"classes/{i}.tif", np.where(a_map(truth, i) >= 0.5, 255, 0).astype(np.uint8))
    said = call("evaluate", "classes", "truth", "--task", "classes", "--mask", "fields", "--json",
                "scores.json")  # fmt: skip
    assert (said.code, said.err) == (0, "") and "is its Dice" in said.out
    found = np.concatenate([a_map(t, i)[FIELD] for i, t in enumerate(TRUTH)]) >= 0.5
    truth = TRUTH[:, FIELD].ravel()
    scores = read("scores.json")["pooled"]
    assert scores["F1_255"] == pytest.approx(sklearn.metrics.f1_score(truth, found))
    assert scores["pixel_error"] == pytest.approx(sklearn.metrics.zero_one_loss(truth, found))


# ---- bad input ----------------------------------------------------------------------------------

ROC = "evaluate p.tif t.tif --roc"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("evaluate p.tif blank.tif --roc", r"No pixel that is scored is true.*--positive"),
        ("evaluate p.tif full.tif --roc", "All pixels that are scored are true"),
        (f"{ROC} --positive 3", "No pixel that is scored is true"),
        (
            "evaluate logits.tif t.tif --roc",
            r"logits\.tif against t\.tif: The map holds values from -4 to 4: prob",
        ),
        ("evaluate nan.tif t.tif --roc", r"NaN pixels.*--mask"),
        ("evaluate nan.tif t.tif --roc --mask t.tif", "NaN pixels where the mask is not 0"),
        ("evaluate small.tif t.tif --roc", r"differ in shape: \(95, 128\) and \(96, 128\)"),
        ("evaluate classes.tif t.tif --roc", "has 3 channels: say which one.*--channel"),
        ("evaluate t.tif t2.tif --roc", "look like a mask"),
        ("evaluate p.tif p2.tif --roc", "a map or an image, not labels"),
        (f"{ROC} --channel 1", "no channel 1"),
        (f"{ROC} --threshold 50", "threshold of 50 is no probability"),
        (f"{ROC} --mask blank.tif", "mask is 0 everywhere"),
        (f"{ROC} --mask small_mask.tif", "mask and the truth differ in shape"),
        (f"{ROC} --mask nowhere.tif", r"nowhere\.tif does not exist"),
        (f"{ROC} --figure curves.txt", "ending in .png, .svg, .pdf"),
        (f"{ROC} --figure p.tif/c.png", "Cannot write"),
        (f"{ROC} --task classes", "--task does not go with --roc"),
        (f"{ROC} --peak 255", "--peak does not go with --roc"),
        (f"{ROC} --images", "--images does not go with --roc"),
        (f"{ROC} --pieces-are-objects", "for labels of objects"),
        (f"{ROC} --thin", "--thin is for labels of objects"),
        (f"{ROC} --axes ZY", "with Y and X"),
        ("evaluate p.tif t.tif", "probabilities with --roc"),
        ("evaluate t.tif t2.tif --threshold 0.5", "--threshold goes with --roc only"),
        ("evaluate t.tif t2.tif --figure c.png", "--figure goes with --roc only"),
        ("evaluate t.tif t2.tif --mask t.tif", "--mask goes with --roc or --task classes"),
        ("evaluate found truth --roc --mask few", "No labels for 1.probability.tif in few"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(call: Call, folder: Path, line: str, said: str):
    truth = TRUTH[0].astype(np.uint8)
    p = a_map(truth)
    for name, pixels in {"p": p, "p2": p, "small": p[1:], "nan": p * np.nan, "t": truth,
                         "t2": truth, "blank": 0 * truth, "full": 0 * truth + 1,
                         "small_mask": truth[1:], "few/0": truth}.items():  # fmt: skip
        write_tiff(f"{name}.tif", pixels)
    write_tiff("logits.tif", np.linspace(-4, 4, p.size, dtype=np.float32).reshape(p.shape))
    write_tiff("classes.tif", np.stack([p, p, p]), "CYX")
    before = sorted(folder.rglob("*"))
    found = call(*line.split())
    assert found.code == 2, found
    assert found.err.startswith("Error: ") and len(found.err.strip().splitlines()) == 1
    assert re.search(said, found.err), found.err
    assert sorted(folder.rglob("*")) == before

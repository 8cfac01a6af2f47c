"""The command `measure`: one table for an image, a movie or a folder."""

from __future__ import annotations

import csv
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images of two channels, and their labels, in µm."""
    labels = np.zeros((32, 40), np.uint16)
    labels[2:8, 3:9], labels[12:20, 20:30] = 1, 2
    image = np.stack([labels * 10, labels * 20]).astype(np.uint16)
    options: Any = {"resolution": (2, 2), "metadata": {"axes": "CYX", "unit": "um"}, "imagej": True}
    for name in ("a", "b"):
        (tmp_path / "labels").mkdir(exist_ok=True)
        (tmp_path / "images").mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / "labels" / f"{name}_labels.tif", labels)
        tifffile.imwrite(tmp_path / "images" / f"{name}.tif", image, **options)
    return tmp_path


def test_one_image(call: Callable[..., Any], folder: Path) -> None:
    out = folder / "table.csv"
    files = folder / "labels" / "a_labels.tif", folder / "images" / "a.tif"
    done = call("measure", *files, "--out", out)
    assert done.code == 0, done.err
    assert "2 objects, median area 14.5 µm²" in done.out and str(out) in done.out
    rows = rows_of(out)
    assert [row["label"] for row in rows] == ["1", "2"]
    assert [row["area (µm²)"] for row in rows] == ["9", "20"]
    assert [row["channel 1 mean"] for row in rows] == ["20", "40"]
    assert [row["image"] for row in rows] == ["a", "a"]
    again = call("measure", *files, "--out", out)
    assert again.code == 2 and "--overwrite" in again.err
    assert call("measure", *files, "--out", out, "--overwrite").code == 0


def test_a_folder_becomes_one_table(call: Callable[..., Any], folder: Path) -> None:
    out = folder / "table.csv"
    done = call("measure", folder / "labels", folder / "images", "--out", out)
    assert done.code == 0, done.err
    assert "4 objects, median area 14.5 µm² in 2 images" in done.out
    assert [row["image"] for row in rows_of(out)] == ["a", "a", "b", "b"]


def test_labels_alone_in_pixels(call: Callable[..., Any], folder: Path) -> None:
    out = folder / "table.csv"
    assert call("measure", folder / "labels", "--out", out).code == 0
    row = rows_of(out)[0]
    assert row["area (px²)"] == "36" and row["image"] == "a_labels" and "frame" not in row


def test_a_movie_has_frames(call: Callable[..., Any], tmp_path: Path) -> None:
    labels = np.zeros((3, 32, 32), np.uint16)
    labels[:2, 4:9, 4:9] = 5
    tifffile.imwrite(tmp_path / "m.tif", labels, photometric="minisblack")
    out = tmp_path / "t.csv"
    assert call("measure", tmp_path / "m.tif", "--out", out, "--axes", "TYX").code == 0
    assert [row["frame"] for row in rows_of(out)] == ["0", "1"]
    assert call("measure", tmp_path / "m.tif", "--out", out, "--slices", "--overwrite").code == 0
    assert [row["slice"] for row in rows_of(out)] == ["0", "1"]


def test_what_is_wrong_is_said_before_any_work(call: Callable[..., Any], folder: Path) -> None:
    labels, out = folder / "labels" / "a_labels.tif", folder / "table.csv"
    tifffile.imwrite(folder / "small.tif", np.zeros((8, 8), np.uint8))
    tifffile.imwrite(folder / "map.tif", np.full((8, 8), 0.5, np.float32))
    mask = np.kron(np.indices((8, 8)).sum(0) % 2 * (np.indices((8, 8))[0] % 2), np.ones((3, 3)))
    tifffile.imwrite(folder / "mask.tif", mask.astype(np.uint8))
    wrong = {
        "32 x 40 pixels": (labels, folder / "small.tif", "--out", out),
        "a map or an image, not labels": (folder / "map.tif", "--out", out),
        "no objects": (folder / "small.tif", "--out", out),
        "--pieces-are-objects": (folder / "mask.tif", "--out", out),
        ".csv": (labels, "--out", folder / "table.xlsx"),
        "does not exist": (folder / "none.tif", "--out", out),
    }
    for said, arguments in wrong.items():
        done = call("measure", *arguments)
        assert done.code == 2 and said in done.err, (said, done)
    assert not out.exists()
    assert call("measure", folder / "mask.tif", "--out", out, "--pieces-are-objects").code == 0
    assert len(rows_of(out)) == 16


def test_the_page_about_it_says_what_happens(
    call: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Path(__file__).resolve().parents[1] / "docs" / "measuring.md"
    text = page.read_text(encoding="utf-8")
    commands, printed, code = re.findall(r"\n```\w*\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    for line in commands.splitlines():
        done = call(*shlex.split(line)[1:])
        assert done.code == 0, done.err
    assert printed in done.out
    first = rows_of(tmp_path / "nuclei.csv")[0]
    shown = [first[name] for name in ("label", "area (µm²)", "intensity mean")]
    assert f"| {' | '.join(shown)} |" in text and len(first) == 18
    exec(code, {})

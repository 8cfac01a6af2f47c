"""A network that is compiled answers as before; where that fails or does not pay, it is not."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_scribe.image import Image
from napari_scribe.inference.segment import segment
from napari_scribe.inference.speed import compile_trial as trial
from napari_scribe.inference.speed.compile_trial import CRASHED, SPEEDS_FILE
from napari_scribe.inference.speed.compiled import Compiled
from napari_scribe.io import read_labels
from napari_scribe.model import Model
from napari_scribe.networks import UNet
from napari_scribe.progress import run

Make = Callable[..., Model]
pytestmark = pytest.mark.usefixtures("in_float32", "every_job_is_long")
CAN_COMPILE = any(shutil.which(name) for name in ("g++", "clang++"))
REMEMBERED = Path(os.environ["NAPARI_SCRIBE_HOME"], SPEEDS_FILE)


class Branching(UNet):
    """Looks at pixels to decide what to do: nothing that can be compiled as one."""

    def forward(self, x: torch.Tensor, margin: Any = None) -> torch.Tensor:
        return super().forward(x + 1 if x.sum() > 1e9 else x, margin)


@pytest.fixture
def every_job_is_long(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "LONG", 0)
    monkeypatch.setattr(trial, "WORTH_MEASURING", {2: 0, 3: 0})
    # One for all tests, so that what was compiled in one is found in the next.
    monkeypatch.setenv(
        "TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "torchinductor")
    )
    # Who compiles is then who tries, with no other processes, which would take long to start.
    monkeypatch.setenv("TORCHINDUCTOR_COMPILE_THREADS", "1")
    REMEMBERED.unlink(missing_ok=True)


@pytest.fixture
def model(random_model: Make) -> Model:
    return random_model(depth=1, width=2)


@pytest.fixture
def hard(model: Model) -> Model:
    """One that cannot be compiled."""
    model.network.__class__ = Branching
    return model


def begin(model: Model, out: Path | None = None, **options: Any) -> Any:
    pixels = np.random.default_rng(0).integers(0, 4000, (2, 64, 96)).astype(np.uint16)
    return segment(model, Image(pixels, "ZYX"), out, tile=32, device="cpu", **options)


def remembered() -> dict[str, Any]:
    (one,) = json.loads(REMEMBERED.read_text()).values()
    return dict(one)


def as_it_is(model: Model, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    with monkeypatch.context() as patch:
        patch.setattr(trial, "LONG", math.inf)
        return np.asarray(run(begin(model)))


def test_what_was_found_about_compiling_is_kept_to(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """By who goes on with a run, and by later runs: compiling is tried once."""
    expected = as_it_is(model, monkeypatch)
    assert not REMEMBERED.exists()
    monkeypatch.setattr(trial, "FASTER", 0.0)
    job = begin(model, tmp_path / "a.tif")
    next(job)
    job.stop()
    run(job)
    said = "compiled: " if CAN_COMPILE else "not compiled ("
    assert job.note.startswith(f"The network was {said}") and job.memory_notes == []
    assert not job.is_complete

    # Who goes on does as the first did, whatever this machine would choose by now.
    monkeypatch.setattr(trial, "FASTER", math.inf)
    begun = json.loads((tmp_path / ".a.tif.part" / "run.json").read_text())
    assert begun["settings"]["compiled"] is CAN_COMPILE
    again = begin(model, tmp_path / "a.tif")
    run(again)
    assert again.note == job.note and again.memory_notes == []
    np.testing.assert_array_equal(read_labels(tmp_path / "a.tif"), expected)

    # Where it is no faster it is not used, and not tried again.
    job = begin(model)
    run(job)
    if CAN_COMPILE:
        assert job.note == "" and remembered()["gain"] > 0
    text = REMEMBERED.read_text().replace('"problem": "', '"problem": "as was found before')
    REMEMBERED.write_text(text)
    again = begin(model)
    run(again)
    assert again.note.startswith("The network was not compiled (as was found before")
    assert REMEMBERED.read_text() == text


def test_without_a_compiler_the_network_runs_as_it_is(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    expected = as_it_is(model, monkeypatch)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("CXX", str(tmp_path / "absent"))
    job = begin(model)
    np.testing.assert_array_equal(run(job), expected)
    assert job.note.startswith("The network was not compiled (")
    assert remembered()["gain"] == 0 and remembered()["problem"] in job.note
    assert CRASHED not in job.note


@pytest.mark.skipif(sys.platform == "win32", reason="its compiler is a shell script")
def test_what_crashes_while_it_compiles_ends_nothing_and_is_not_tried_again(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    expected = as_it_is(model, monkeypatch)
    killer = tmp_path / "killer"
    killer.write_text("#!/bin/sh\nkill -9 $PPID\n")
    killer.chmod(0o755)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("CXX", str(killer))
    job = begin(model)
    np.testing.assert_array_equal(run(job), expected)
    assert job.note == f"The network was not compiled ({CRASHED})."

    monkeypatch.setattr(trial, "_try", None)
    again = begin(model)
    run(again)
    assert again.note == job.note


def test_who_goes_on_where_it_cannot_be_compiled_is_told(
    hard: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    expected = as_it_is(hard, monkeypatch)
    monkeypatch.setattr(trial, "LONG", math.inf)  # not compiled, and not tried
    job = begin(hard, tmp_path / "a.tif")
    next(job)
    job.stop()
    run(job)
    path = tmp_path / ".a.tif.part" / "run.json"
    path.write_text(path.read_text().replace('"compiled": false', '"compiled": true'))
    again = begin(hard, tmp_path / "a.tif")
    run(again)
    (word,) = again.memory_notes
    assert word.startswith("Compiling failed, so the network runs as it is (")
    np.testing.assert_array_equal(read_labels(tmp_path / "a.tif"), expected)


def test_a_failure_is_told_once_and_other_shapes_are_left_alone(hard: Model):
    reasons: list[str] = []
    network = Compiled(hard.network, (1, 1, 32, 32), reasons.append)
    with torch.inference_mode():
        other = torch.rand(1, 1, 16, 32)
        assert torch.equal(network(other), hard.network(other))
        assert reasons == []
        for x in torch.rand(2, 1, 1, 32, 32):
            assert torch.equal(network(x, (4, 4)), hard.network(x, (4, 4)))
    assert len(reasons) == 1 and "\n" not in reasons[0]


CHILD = """
import sys
import numpy as np
import napari_scribe as ns

pixels = np.random.default_rng(0).integers(0, 4000, (2, 64, 96)).astype(np.uint16)
ns.run(ns.segment(sys.argv[1], ns.Image(pixels, "ZYX"), tile=32, device="cpu"))
print("torch._dynamo" in sys.modules)
"""


def test_a_short_job_does_not_even_import_what_compiles(model: Model, tmp_path: Path):
    path = str(model.save(tmp_path / "m.zip"))
    command = [sys.executable, "-c", CHILD, path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["False"], done.stderr
    assert not REMEMBERED.exists()

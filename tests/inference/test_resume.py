"""Runs that are killed, stopped or broken off go on where they were."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from napari_scribe.errors import InputError
from napari_scribe.image import Image
from napari_scribe.inference.segment import segment
from napari_scribe.io import read_labels
from napari_scribe.model import Model
from napari_scribe.progress import run

pytestmark = pytest.mark.usefixtures("in_float32")
TILE = 32
SHAPE = (2, 160, 192)
PARTS = 2 * (5 * 6 + 1)
"""Two slices of 30 tiles and a block."""


@pytest.fixture(scope="module")
def model(random_model: Callable[..., Model]) -> Model:
    return random_model()


@pytest.fixture(scope="module")
def stack() -> np.ndarray:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 4000, (2, 40, 48)).repeat(4, axis=1).repeat(4, axis=2)
    return (coarse + rng.integers(0, 500, SHAPE)).astype(np.uint16)


@pytest.fixture(scope="module")
def expected(model: Model, stack: np.ndarray) -> np.ndarray:
    return np.asarray(run(segment(model, Image(stack, "ZYX"), tile=TILE, device="cpu")))


def begin(model: Model, stack: Any, out: Path, **options: Any) -> Any:
    return segment(model, Image(stack, "ZYX"), out, device="cpu", **{"tile": TILE, **options})


CHILD = f"""
import sys
import napari_scribe as ns
job = ns.segment(ns.load_model(sys.argv[1]), ns.read_image(sys.argv[2], "ZYX"), sys.argv[3],
                 tile={TILE}, device="cpu", save=("labels", "probability"))
for step in job:
    print(step.done, flush=True)
"""


@pytest.mark.parametrize("suffix", [".zarr", ".tif"])
def test_killed_again_and_again(
    model: Model, stack: np.ndarray, expected: np.ndarray, tmp_path: Path, suffix: str
) -> None:
    """SIGKILL at random moments: the output is that of a run that nobody disturbed."""
    zarr.save_array(tmp_path / "stack.zarr", stack, path="")
    files = model.save(tmp_path / "m.zip"), tmp_path / "stack.zarr", tmp_path / f"a{suffix}"
    rng = np.random.default_rng(1)
    last = 0
    for _ in range(2):
        command = [sys.executable, "-c", CHILD, *files]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            first = int(child.stdout.readline())
            assert first > last  # nothing that was done is done again
            last = first + int(rng.integers(3, 18))
            for line in child.stdout:
                if int(line) >= last:
                    child.send_signal(signal.SIGKILL)
                    break
        assert not files[2].exists()
    last_child = subprocess.run(
        [sys.executable, "-c", CHILD, *files], capture_output=True, text=True, check=True
    )
    assert last < int(last_child.stdout.split()[0]) < PARTS
    np.testing.assert_array_equal(read_labels(files[2]), expected)
    assert not list(tmp_path.glob(".*"))


def test_an_error_midway_loses_nothing(
    model: Model, stack: np.ndarray, expected: np.ndarray, tmp_path: Path
) -> None:
    class Bad:
        """A stack whose second half cannot be read."""

        shape, dtype, ndim = stack.shape, stack.dtype, stack.ndim
        is_broken = False

        def __getitem__(self, index: Any) -> np.ndarray:
            if self.is_broken and index[0] == 1:
                raise OSError("a damaged chunk")
            return stack[index]

    bad, out = Bad(), tmp_path / "a.zarr"
    job = begin(model, bad, out)
    bad.is_broken = True
    with pytest.raises(OSError, match="damaged"):
        run(job)
    bad.is_broken = False
    again = begin(model, bad, out)
    assert next(again).done == PARTS // 2 + 1
    run(again)
    np.testing.assert_array_equal(read_labels(out), expected)


@pytest.mark.parametrize("suffix", [".zarr", ".tif"])
def test_what_was_done_before_is_not_done_again(
    model: Model, stack: np.ndarray, expected: np.ndarray, tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / f"a{suffix}"
    run(begin(model, stack, out))
    when = out.stat().st_mtime_ns
    again = begin(model, stack, out)
    assert "nothing to do" in again.note
    np.testing.assert_array_equal(np.asarray(run(again)), expected)
    assert out.stat().st_mtime_ns == when
    assert "nothing to do" in begin(model, stack, out, tile=64).note  # the answer is the same
    with pytest.raises(InputError, match="exists already"):
        begin(model, stack, out, save=("labels", "probability"))
    with pytest.raises(InputError, match="exists already"):
        begin(model, stack + 1, out)
    with pytest.raises(InputError, match="exists already"):
        begin(model.changed(parameters={"min_size": 9.0}), stack, out)


def test_what_another_model_began_is_not_mixed(
    model: Model, stack: np.ndarray, expected: np.ndarray, tmp_path: Path
) -> None:
    out = tmp_path / "a.zarr"
    other = model.changed(parameters={"min_size": 9.0})
    job = begin(other, stack, out)
    for step in job:
        if step.done == 5:
            job.stop()
    assert not out.exists()
    with pytest.raises(InputError, match=r"unfinished result of another model.*--overwrite"):
        begin(model, stack, out)
    run(begin(model, stack, out, overwrite=True))
    np.testing.assert_array_equal(read_labels(out), expected)
    assert not list(tmp_path.glob(".*"))

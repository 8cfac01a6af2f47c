"""Runs that are killed, stopped or broken off go on where they were."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from napari_scribe.errors import InputError
from napari_scribe.image import Image
from napari_scribe.inference.segment import segment
from napari_scribe.io import open_levels, read_image, read_labels
from napari_scribe.model import Model
from napari_scribe.progress import run

pytestmark = pytest.mark.usefixtures("in_float32")
Start = Callable[..., Any]
TILE = 32
SHAPE = (2, 160, 192)
PARTS = 2 * (5 * 6 + 1)
"""Two slices of 30 tiles and a block."""


@pytest.fixture(scope="module")
def stack() -> np.ndarray:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 4000, (2, 40, 48)).repeat(4, axis=1).repeat(4, axis=2)
    return (coarse + rng.integers(0, 500, SHAPE)).astype(np.uint16)


@pytest.fixture(scope="module")
def expected(model: Model, stack: np.ndarray) -> np.ndarray:
    return np.asarray(run(segment(model, Image(stack, "ZYX"), tile=TILE, device="cpu")))


def begin(model: Model, stack: Any, out: Path, **options: Any) -> Any:
    image = stack if isinstance(stack, Image) else Image(stack, "ZYX")
    return segment(model, image, out, device="cpu", **{"tile": TILE, **options})


CHILD = f"""
import sys
import napari_scribe as ns
job = ns.segment(ns.load_model(sys.argv[1]), ns.read_image(sys.argv[2], "ZYX"), sys.argv[3],
                 tile={TILE}, device="cpu", save=("labels", "probability"))
for step in job:
    print(step.done, step.phase, flush=True)
"""


@pytest.mark.parametrize(("suffix", "n_kills"), [(".zarr", 5), (".tif", 1)])
def test_killed_again_and_again(
    model: Model,
    stack: np.ndarray,
    expected: np.ndarray,
    tmp_path: Path,
    child: Start,
    suffix: str,
    n_kills: int,
) -> None:
    """SIGKILL at random moments: the output is that of a run that nobody disturbed."""
    zarr.save_array(tmp_path / "stack.zarr", stack, path="")
    files = model.save(tmp_path / "m.zip"), tmp_path / "stack.zarr", tmp_path / f"a{suffix}"
    rng = np.random.default_rng(1)
    last = 0
    for _ in range(n_kills):
        with child(CHILD, *files) as one:
            first = int(one.stdout.readline().split()[0])
            assert first > last  # nothing that was done is done again
            last = first + int(rng.integers(1, 8))
            for line in one.stdout:
                if int(line.split()[0]) >= last:
                    one.kill()
                    break
        assert not files[2].exists()
    at_last = begin(model, read_image(files[1], "ZYX"), files[2], save=("labels", "probability"))
    assert last < next(at_last).done < PARTS
    run(at_last)
    np.testing.assert_array_equal(read_labels(files[2]), expected)
    assert not list(tmp_path.glob(".*"))


def test_killed_while_the_output_is_made(model: Model, tmp_path: Path, child: Start) -> None:
    """The result has its levels, and the smallest type that holds its labels."""
    image = np.random.default_rng(0).integers(0, 4000, (2, 32, 2200)).astype(np.uint16)
    zarr.save_array(tmp_path / "stack.zarr", image, path="")
    files = model.save(tmp_path / "m.zip"), tmp_path / "stack.zarr", tmp_path / "a.zarr"
    for phase in (b"numbers", b"pyramid"):
        with child(CHILD, *files) as one:
            for line in one.stdout:
                if phase in line:
                    one.kill()
                    break
                assert phase == b"numbers" or b"tiles" not in line
        assert not files[2].exists()
    job = begin(model, read_image(files[1], "ZYX"), files[2], save=("labels", "probability"))
    assert "tiles" not in {step.phase for step in job}
    whole = np.asarray(run(begin(model, image, None)))
    levels = open_levels(files[2])
    assert [level.shape for level in levels] == [(2, 32, 2200), (2, 16, 1100), (2, 8, 550)]
    np.testing.assert_array_equal(levels[0][:], whole)
    np.testing.assert_array_equal(levels[1][:], whole[:, ::2, ::2])
    assert {level.dtype for level in levels} == {np.min_scalar_type(whole.max())}
    assert [level.shape for level in job.levels] == [level.shape for level in levels]


@pytest.mark.parametrize("how", ["dropped", "closed"])
def test_a_job_that_is_dropped_may_go_on_one_that_is_closed_is_given_up(
    model: Model, stack: np.ndarray, tmp_path: Path, how: str
) -> None:
    """An error in the loop over a job, or a Ctrl-C between two steps, loses nothing."""
    job = begin(model, stack, tmp_path / "a.tif")
    with pytest.raises(ZeroDivisionError):
        for step in job:
            if step.done == 8:
                _ = 1 / 0
    if how == "closed":
        job.close()
    del job
    gc.collect()
    assert (next(begin(model, stack, tmp_path / "a.tif")).done > 8) == (how == "dropped")


def test_a_job_that_another_was_faster_than_takes_nothing_away(
    model: Model, stack: np.ndarray, tmp_path: Path
) -> None:
    early, job = (begin(model, stack, tmp_path / "a.tif") for _ in range(2))
    for step in job:
        if step.done == 8:
            job.stop()
    next(early)
    early.close()
    assert next(begin(model, stack, tmp_path / "a.tif")).done > 8


def on_another_machine(folder: Path) -> None:
    """Let the logs be those of another boot: only what surely reached the disk counts."""
    for log in folder.rglob("*.log"):
        log.write_text("\n".join(["another boot", *log.read_text().split("\n")[1:]]))


def test_killed_then_stopped_then_gone_on_with_on_another_machine(
    model: Model, stack: np.ndarray, expected: np.ndarray, tmp_path: Path, child: Start
) -> None:
    """What was trusted on the first machine without a record on disk is not on the second."""
    zarr.save_array(tmp_path / "stack.zarr", stack, path="")
    files = model.save(tmp_path / "m.zip"), tmp_path / "stack.zarr", tmp_path / "a.tif"
    with child(CHILD, *files) as one:
        for line in one.stdout:
            if int(line.split()[0]) > PARTS // 2:
                one.kill()
                break
    image = read_image(files[1], "ZYX")
    job = begin(model, image, files[2], save=("labels", "probability"))
    next(job)
    job.stop()
    run(job)
    on_another_machine(tmp_path)
    last = begin(model, image, files[2], save=("labels", "probability"))
    run(last)
    np.testing.assert_array_equal(read_labels(files[2]), expected)
    assert last.n_objects == expected.max()


KILLED_IN = """
import os, shutil, sys
from pathlib import Path
import napari_scribe.inference.store.results as module
real, write_map = shutil.rmtree, module.write_map

def rmtree(path, *args, **options):
    if sys.argv[4] in Path(path).name:
        for part in Path(path).rglob("c"):  # the chunks are gone, the records are not
            real(part)
        os.kill(os.getpid(), 9)
    real(path, *args, **options)

def kill_after(*args):
    write_map(*args)
    os.kill(os.getpid(), 9)

shutil.rmtree = rmtree
if sys.argv[4] == "map":
    module.write_map = kill_after
"""


@pytest.mark.parametrize("suffix", [".zarr", ".tif"])
@pytest.mark.parametrize("where", ["frame-0", ".a{}.part", "map"])
def test_killed_while_something_is_taken_away_or_written(
    model: Model,
    stack: np.ndarray,
    expected: np.ndarray,
    tmp_path: Path,
    child: Start,
    where: str,
    suffix: str,
) -> None:
    """The same call goes on: from what the output needs, never from half of what was deleted."""
    zarr.save_array(tmp_path / "stack.zarr", stack, path="")
    files = model.save(tmp_path / "m.zip"), tmp_path / "stack.zarr", tmp_path / f"a{suffix}"
    with child(KILLED_IN + CHILD, *files, where.format(suffix)) as one:
        one.stdout.read()
    assert one.wait() == -signal.SIGKILL
    if where == "frame-0":  # what was written last had not reached the disk
        for log in tmp_path.glob(".*.part/*.log"):
            log.unlink()
    options = {"save": ("labels", "probability")}
    if where.startswith("."):
        again = begin(model, read_image(files[1], "ZYX"), files[2], **options)
        assert "nothing to do" in again.note
        np.testing.assert_array_equal(read_labels(files[2]), expected)
        options["overwrite"] = True
    run(begin(model, read_image(files[1], "ZYX"), files[2], **options))
    np.testing.assert_array_equal(read_labels(files[2]), expected)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("share", [0, 0.5])
def test_objects_that_were_damaged_are_found_anew(
    model: Model, stack: np.ndarray, expected: np.ndarray, tmp_path: Path, share: float
) -> None:
    out = tmp_path / "a.tif"
    job = begin(model, stack, out)
    for step in job:
        if step.phase == "numbers":
            job.stop()
    for kept in tmp_path.glob(".a.tif.part/objects/*.npz"):
        os.truncate(kept, int(share * kept.stat().st_size))
    run(begin(model, stack, out))
    np.testing.assert_array_equal(read_labels(out), expected)


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
    with pytest.raises(InputError, match=r"(?s)unfinished result of another model.*overwrite=True"):
        begin(model, stack, out)
    run(begin(model, stack, out, overwrite=True))
    np.testing.assert_array_equal(read_labels(out), expected)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("phase", ["numbers", "pyramid"])
def test_a_stop_while_the_output_is_made(model: Model, tmp_path: Path, phase: str) -> None:
    """The same call goes on with what was left of it."""
    image = np.random.default_rng(2).integers(0, 4000, (64, 1100)).astype(np.uint16)
    whole = np.asarray(run(segment(model, image, tile=64, device="cpu")))
    out = tmp_path / "a.zarr"
    job = segment(model, image, out, tile=64, device="cpu")
    for step in job:
        if step.phase == phase:
            job.stop()
    assert not job.is_complete and not out.exists()
    again = segment(model, image, out, tile=64, device="cpu")
    assert {step.phase for step in again} <= {"numbers", "pyramid"}
    np.testing.assert_array_equal(np.asarray(again.result), whole)
    assert len(again.levels) == 2

"""Work that is shared: among processes, or by dask's workers. The output is that of one process."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from napari_scribe.errors import InputError
from napari_scribe.image import Image
from napari_scribe.inference.segment import segment
from napari_scribe.io import read_image, read_labels, write_tiff
from napari_scribe.model import Model
from napari_scribe.progress import run

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.usefixtures("in_float32")
SHAPE = 2, 2100, 60
"""Two slices of two blocks each."""
TILE = 60


@pytest.fixture(scope="module")
def folder(random_model: Callable[..., Model], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cluster")
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 4000, (2, 525, 15)).repeat(4, axis=1).repeat(4, axis=2)
    write_tiff(folder / "image.tif", (coarse + rng.integers(0, 500, SHAPE)).astype("u2"), "ZYX")
    random_model().save(folder / "m.zip")
    return folder


@pytest.fixture(scope="module")
def expected(folder: Path) -> np.ndarray:
    return np.asarray(run(begin(folder, None)))


def begin(folder: Path, out: Path | None, **options: Any) -> Any:
    options = {"tile": TILE, "device": "cpu", **options}
    return segment(folder / "m.zip", folder / "image.tif", out, **options)


def is_right(out: Path, expected: np.ndarray) -> bool:
    return np.array_equal(read_labels(out), expected) and not list(out.parent.glob(".*"))


# ---- parts --------------------------------------------------------------------------------------


def test_parts_in_processes_at_the_same_time(folder: Path, expected: np.ndarray, tmp_path: Path):
    out = tmp_path / "a.zarr"
    code = "from napari_scribe.cli import main; main()"
    files = [folder / "image.tif", "--model", folder / "m.zip", "--out", out]
    command = [sys.executable, "-c", code, "segment", *files, "--tile", str(TILE), "--part"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    children = [subprocess.Popen([*command, f"{i}/3"], **pipes) for i in (1, 2, 3)]
    for i, child in enumerate(children, 1):
        said, errors = child.communicate()
        assert child.returncode == 0, errors
        assert f"Part {i}/3 is done. After all parts, run the same" in " ".join(said.split())
    assert not out.exists()
    last = begin(folder, out)
    assert next(last).done > 2 * 2100 // TILE  # all tiles
    run(last)
    assert is_right(out, expected)


def test_a_part_leaves_alone_what_is_anothers(folder: Path, expected: np.ndarray, tmp_path: Path):
    out = tmp_path / "a.tif"
    seen = []
    for i in (2, 1):
        job = begin(folder, out, part=(i, 2))
        seen.append(list(job))
        assert not job.is_complete and not out.exists()
    assert len(seen[0]) + len(seen[1]) == seen[0][-1].total - 4  # numbers are left
    assert list(begin(folder, out, part=(1, 2))) == []
    given_up = begin(folder, out, part=(1, 3))
    given_up.close()
    run(begin(folder, out))
    assert is_right(out, expected)


def test_more_parts_than_there_is_work(folder: Path, tmp_path: Path):
    jobs = [begin(folder, tmp_path / "a.tif", part=(i, 9)) for i in range(1, 10)]
    assert sum(len(list(job)) > 0 for job in jobs) == 4  # blocks


@pytest.mark.parametrize("options", [{"part": (1, 2)}, {"workers": 2}, {"scheduler": "tcp://a:1"}])
def test_shared_work_needs_an_output(folder: Path, options: dict[str, Any]):
    with pytest.raises(InputError, match=r"needs an output on disk \(out\)"):
        begin(folder, None, **options)


def test_a_scheduler_that_is_not_there(folder: Path, tmp_path: Path):
    with pytest.raises(InputError, match=r"No dask scheduler answers at tcp://127\.0\.0\.1:9"):
        begin(folder, tmp_path / "a.tif", scheduler="tcp://127.0.0.1:9")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("part", [(0, 3), (4, 3), (1, 0)])
def test_parts_that_are_not_there(folder: Path, tmp_path: Path, part: tuple[int, int]):
    with pytest.raises(InputError, match=f"There is no part {part[0]}/{part[1]}"):
        begin(folder, tmp_path / "a.tif", part=part)


# ---- dask ---------------------------------------------------------------------------------------


def test_workers_of_this_machine_of_which_one_is_killed(
    folder: Path, expected: np.ndarray, tmp_path: Path
):
    before = {p.pid for p in psutil.Process().children(recursive=True)}
    job = begin(folder, tmp_path / "a.zarr", workers=2)
    next(job)
    new = [p for p in psutil.Process().children(recursive=True) if p.pid not in before]
    workers = [p for p in new if "spawn_main" in " ".join(p.cmdline())]
    assert len(workers) == 2
    workers[0].kill()
    run(job)
    assert job.is_complete and job.memory_notes == []
    assert is_right(tmp_path / "a.zarr", expected)
    assert len(job.levels) == 3


@contextlib.contextmanager
def dask_worker(address: str, is_elsewhere: bool) -> Iterator[subprocess.Popen[bytes]]:
    """Of dask; where that can be had, it believes to be on another machine."""
    dask = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1"]
    dask += ["--no-dashboard", "--no-nanny"]
    elsewhere = ["unshare", "--uts", "sh", "-c", 'hostname elsewhere && exec "$0" "$@"']
    can_be_had = False
    with contextlib.suppress(OSError):
        tried = subprocess.run([*elsewhere, "true"], check=False, capture_output=True)
        can_be_had = tried.returncode == 0
    nothing = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    command = [*elsewhere, *dask] if is_elsewhere and can_be_had else dask
    with subprocess.Popen(command, **nothing) as worker:
        try:
            yield worker
        finally:
            worker.kill()


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """Of two workers that stay, one of them on another machine."""
    with distributed.LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0") as local:
        address = local.scheduler_address
        with dask_worker(address, True), dask_worker(address, False):
            with distributed.Client(address) as client:
                client.wait_for_workers(2)
            yield address


def test_workers_that_stay_take_one_job_after_another(
    folder: Path, expected: np.ndarray, tmp_path: Path, scheduler: str
):
    """The second has the same model and image, but other tiles."""
    for tile in (TILE, 100):
        out = tmp_path / "a.tif"
        run(begin(folder, out, scheduler=scheduler, tile=tile))
        assert is_right(out, expected)
        out.unlink()


def test_a_stop_on_a_cluster_can_be_gone_on_with(
    folder: Path, expected: np.ndarray, tmp_path: Path, scheduler: str
):
    out = tmp_path / "a.zarr"
    job = begin(folder, out, scheduler=scheduler)
    step = next(job)
    job.stop()
    run(job)
    assert not job.is_complete and not out.exists()
    time.sleep(0.5)
    again = begin(folder, out)
    assert next(again).done >= step.done
    run(again)
    assert is_right(out, expected)


def test_what_a_stopped_job_still_does_stays_out_of_the_next_one(
    folder: Path, random_model: Callable[..., Model], tmp_path: Path, scheduler: str
):
    """A task that runs is not ended by a stop; another model begins in its place."""
    out = tmp_path / "a.tif"
    other = random_model().changed(parameters={"min_size": 30.0, "peak": 0.0})
    with torch.no_grad():
        other.network.head.bias.add_(1.0)
    image, options = read_image(folder / "image.tif"), {"tile": 30, "device": "cpu"}
    whole = np.asarray(run(segment(other, image, **options)))
    job = begin(folder, out, scheduler=scheduler, tile=30)
    next(job)
    job.stop()
    run(job)
    run(segment(other, image, out, overwrite=True, **options))
    assert is_right(out, whole)
    time.sleep(1)
    assert not list(tmp_path.glob(".*"))


def test_a_worker_that_leaves_takes_nothing_with_it(
    folder: Path, expected: np.ndarray, tmp_path: Path
):
    """What one on another machine has done counts, once its task is done."""
    with distributed.LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0") as local:
        with dask_worker(local.scheduler_address, True):
            job = begin(folder, tmp_path / "a.zarr", scheduler=local.scheduler_address)
            next(job)
        with dask_worker(local.scheduler_address, False):
            run(job)
    assert is_right(tmp_path / "a.zarr", expected)


def test_what_killed_a_worker_for_memory_is_tried_with_less(
    folder: Path, expected: np.ndarray, tmp_path: Path, scheduler: str
):
    out = tmp_path / "a.tif"
    job = begin(folder, out)
    next(job)
    job.stop()
    run(job)
    tried = tmp_path / ".a.tif.part" / "tried"
    tried.mkdir()
    left = {"host": "gone", "boot": "gone", "process": 1, "started": 0, "kills": 0, "reductions": 0}
    for task in (f"{frame}-{tile}" for frame in range(2) for tile in range(2100 // TILE)):
        (tried / f"{task}.running").write_text(json.dumps(left))
    again = begin(folder, out, scheduler=scheduler)
    run(again)
    assert again.memory_notes == [
        "Memory is short, or was before: began with tiles halved once, on cpu."
    ]
    # Smaller tiles may round the last bit another way.
    assert (read_labels(out) != expected).mean() < 1e-3


@pytest.mark.parametrize("suffix", [".tif", ".npy"])
def test_an_image_that_is_read_piece_by_piece(
    folder: Path,
    expected: np.ndarray,
    tmp_path: Path,
    scheduler: str,
    monkeypatch: pytest.MonkeyPatch,
    suffix: str,
):
    """Only the workers open it: neither its pixels nor an open file go through the scheduler."""
    monkeypatch.setattr("napari_scribe.io.tiff_reader._SMALL_BYTES", 0)
    path = folder / "image.tif"
    if suffix == ".npy":
        path = tmp_path / "image.npy"
        np.save(path, np.asarray(read_image(folder / "image.tif").data))
    image = read_image(path, "ZYX")
    assert type(image.data) is not np.ndarray
    out = tmp_path / "a.tif"
    run(segment(folder / "m.zip", image, out, tile=TILE, device="cpu", scheduler=scheduler))
    np.testing.assert_array_equal(read_labels(out), expected)


def test_pixels_that_are_on_no_disk(folder: Path, tmp_path: Path, scheduler: str):
    pixels = np.random.default_rng(0).integers(0, 4000, (90, 100)).astype(np.uint16)
    options = {"tile": 32, "device": "cpu"}
    whole = run(segment(folder / "m.zip", Image(pixels), **options))
    out = tmp_path / "a.tif"
    job = segment(folder / "m.zip", Image(pixels), out, scheduler=scheduler, **options)
    np.testing.assert_array_equal(np.asarray(run(job)), whole)

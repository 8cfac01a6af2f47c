"""Too little memory: met for real, in processes with a limit. The answer stays the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_scribe.inference.engine import Predictor
from napari_scribe.inference.retry import MOST_HALVINGS, Load, RetryingPredictor, halved
from napari_scribe.inference.segment import segment
from napari_scribe.inference.tiles import Tile, plan_tiles
from napari_scribe.io import read_image, read_labels
from napari_scribe.model import Model
from napari_scribe.normalization import FixedNormalization
from napari_scribe.progress import run

Make = Callable[..., Model]
pytestmark = pytest.mark.usefixtures("in_float32")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs limits of Linux")
SHAPE = 2, 512, 640
TILE = 640
AROUND = 80
"""Pixels around an image that tiles may look at."""


@pytest.fixture(scope="module")
def model(random_model: Make) -> Model:
    return random_model("classes", painted=(1, 2, 3), width=16)


@pytest.fixture(scope="module")
def folder(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(tmp_path_factory.mktemp("retry"), model)


def prepared(folder: Path, model: Model) -> Path:
    """A model and an image that a process can open, and what comes out."""
    model.save(folder / "m.zip")
    image = np.random.default_rng(0).integers(0, 4000, SHAPE).astype(np.uint16)
    np.save(folder / "image.npy", image)
    np.save(folder / "expected.npy", np.asarray(run(begin(folder, None))))
    return folder


def begin(folder: Path, out: Path | None) -> Any:
    image = read_image(folder / "image.npy", "ZYX")
    return segment(folder / "m.zip", image, out, tile=TILE, device="cpu")


CHILD = f"""
import resource, sys
from pathlib import Path
import numpy as np
import psutil, torch
import napari_scribe as ns

def limit(mb):
    used = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (used + mb * 2**20, resource.RLIM_INFINITY))

folder, out, when, how = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
torch.set_num_threads(1)
model = ns.load_model(folder / "m.zip")
image = ns.read_image(folder / "image.npy", "ZYX")
ns.run(ns.segment(model, image.data[0, :64, :64], device="cpu"))

class Tightening:  # once, when pixels are read
    shape, dtype, ndim = image.shape, image.dtype, 3
    is_armed = False

    def __getitem__(self, index):
        if self.is_armed:
            self.is_armed = False
            limit(int(how))
        return image.data[index]

pixels = Tightening()
pixels.is_armed = when == "at first"
to_memory = out.endswith(".npy")
job = ns.segment(model, image.selected(data=pixels), None if to_memory else out, tile={TILE},
                 device="cpu")
if when == "before":
    limit(int(how))
if when == "midway":
    pixels.is_armed = True
for step in job:
    if when == "killed" and step.done == 1:
        group = Path(how)
        used = int((group / "memory.usage_in_bytes").read_text())
        (group / "memory.limit_in_bytes").write_text(str(used + 8 * 2**20))
        hog = [bytearray(b"x" * 2**20) for _ in range(100)]
    print(step.done, flush=True)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
if to_memory:
    np.save(out, job.result)
print(*job.memory_notes, sep="\\n")
"""


def child(folder: Path, out: Path, *how: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CHILD, str(folder), str(out), *map(str, how)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def is_right(folder: Path, out: Path) -> bool:
    # Which of two equally likely classes is more so may depend on the last bit.
    expected = np.load(folder / "expected.npy")
    labels = np.load(out) if out.suffix == ".npy" else np.asarray(read_labels(out))
    return bool((labels != expected).mean() < 1e-4)


# ---- loads --------------------------------------------------------------------------------------


def test_each_load_is_smaller_until_the_last():
    load: Load | None = Load(4, 0, "cuda")
    words = []
    while load is not None:
        words.append(load.in_words())
        load = load.reduced()
    assert words[:5] == [
        "batches of 4, whole tiles, on cuda",
        "batches of 2, whole tiles, on cuda",
        "whole tiles, on cuda",
        "tiles halved once, on cuda",
        "tiles halved twice, on cuda",
    ]
    assert words[-MOST_HALVINGS - 1] == "whole tiles, on cpu"
    assert words[-1] == f"tiles halved {MOST_HALVINGS} times, on cpu"


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_answer_is_the_same_with_every_load(random_model: Make, dimensions: int, padding: str):
    depth = 2 if dimensions == 2 else 1
    model = random_model(dimensions=dimensions, width=2, padding=padding, depth=depth)
    geometry = model.network.geometry
    shape = (70, 90) if dimensions == 2 else (6, 16, 20)
    tiles = plan_tiles(shape, 40 if dimensions == 2 else 12, geometry)
    rng = np.random.default_rng(0)
    pixels = rng.random((1, *(n + 2 * AROUND for n in shape)), np.float32)

    def read(tile: Tile) -> np.ndarray:
        inside = (slice(s.start + AROUND, s.stop + AROUND) for s in tile.read)
        return pixels[(slice(None), *inside)]

    def make(kind: str) -> list[Predictor]:
        return [Predictor(model.network, model.encoding.heads, torch.device(kind), torch.float32)]

    answers = []
    for reductions in range(1 + MOST_HALVINGS + 1 if dimensions == 2 else 5):
        predictor = RetryingPredictor(2, "cpu", make, geometry, reductions)
        assert predictor.reductions == reductions
        answer = np.full((2, *shape), np.nan, np.float32)

        def write(tile: Tile, part: np.ndarray, answer: np.ndarray = answer) -> None:
            answer[(slice(None), *tile.keep)] = part

        assert list(predictor.predict(tiles, read, write))[-1] == len(tiles)
        answers.append(answer)
    for answer in answers[1:]:
        assert np.abs(answer - answers[0]).max() <= 1e-5


def test_the_load_has_a_smallest(random_model: Make):
    geometry = random_model().network.geometry
    predictor = RetryingPredictor(4, "cpu", lambda _: [], geometry, reductions=100)
    assert predictor.load == Load(1, MOST_HALVINGS, "cpu")
    assert predictor.reductions == 2 + MOST_HALVINGS
    (small,) = plan_tiles((4, 4), 4, geometry)
    assert halved(small, MOST_HALVINGS, geometry) == [small]


# ---- memory that is not there -------------------------------------------------------------------


@linux
def test_memory_that_runs_out_midway(folder: Path, tmp_path: Path):
    """How much is too little for a whole tile only differs between machines: some are tried."""
    for mb in (65, 50, 40, 80, 30, 100):
        done = child(folder, tmp_path / "a.npy", "midway", mb)
        words = [line for line in done.stdout.splitlines() if line and not line.isdigit()]
        if done.returncode != 0:
            continue  # too little for anything
        assert is_right(folder, tmp_path / "a.npy")
        if words:
            break
    assert done.returncode == 0, done.stderr
    assert words, "memory never ran out"
    assert words[0] == "Memory ran out: went on with tiles halved once, on cpu."
    assert all(word.startswith("Memory ran out: went on with ") for word in words)
    steps = [line for line in done.stdout.splitlines() if line.isdigit()]
    assert [int(step) for step in steps] == [1, 2]


@linux
def test_memory_that_runs_out_while_denoising(random_model: Make, tmp_path: Path):
    """The network that segments is small; the one before it asks for less by itself."""
    denoiser = random_model("denoised", width=32)
    denoiser = denoiser.changed(
        recipe=denoiser.recipe.changed({"tiling.tile": TILE}),
        normalization=FixedNormalization((2000.0,), (1000.0,)),
    )
    segmenter = random_model("classes", painted=(1, 2, 3), width=2)
    folder = prepared(tmp_path, segmenter.changed(denoiser=denoiser))
    for mb in (120, 90, 70, 150, 50, 200):
        done = child(folder, tmp_path / "a.npy", "at first", mb)
        words = [line for line in done.stdout.splitlines() if line and not line.isdigit()]
        if done.returncode == 0 and words:
            break
    assert done.returncode == 0, done.stderr
    assert words, "memory never ran out"
    assert words[0] == "Denoising: Memory ran out: went on with tiles halved once, on cpu."
    assert is_right(folder, tmp_path / "a.npy")


@linux
def test_too_little_for_anything_is_said_and_the_run_can_go_on(folder: Path, tmp_path: Path):
    done = child(folder, tmp_path / "a.tif", "midway", 0)
    assert done.returncode == 1
    assert "MemoryError: There is too little memory even for the smallest tile." in done.stderr
    run(begin(folder, tmp_path / "a.tif"))
    assert is_right(folder, tmp_path / "a.tif")


@linux
def test_a_limit_that_is_known_is_kept_from_the_start(folder: Path, tmp_path: Path):
    done = child(folder, tmp_path / "a.npy", "before", 110)
    assert done.returncode == 0, done.stderr
    words = [line for line in done.stdout.splitlines() if not line.isdigit()]
    assert words[0].startswith("Memory is short: began with tiles halved ")
    assert len(words) == 1
    assert is_right(folder, tmp_path / "a.npy")


# ---- killed -------------------------------------------------------------------------------------


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group, below this process's own."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        (own,) = (line.split(":", 2)[2] for line in lines if ":memory:" in line)
        group = Path(f"/sys/fs/cgroup/memory{own}", f"scribe-test-{os.getpid()}")
        group.mkdir()
    except (OSError, ValueError):
        pytest.skip("needs a control group of memory (version 1) that this user may make")
    yield group
    group.rmdir()


def counted_kills() -> bool:
    return "oom_kill " in Path("/proc/vmstat").read_text()


@linux
def test_a_kill_for_want_of_memory_asks_for_less(folder: Path, tmp_path: Path, group: Path):
    out = tmp_path / "a.tif"
    shell = f'echo $$ > {group}/cgroup.procs; exec "$0" "$@"'
    arguments = [sys.executable, "-c", CHILD, str(folder), str(out), "killed", str(group)]
    done = subprocess.run(["sh", "-c", shell, *arguments], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not out.exists()
    job = begin(folder, out)
    assert next(job).done > 1
    assert job.memory_notes == [
        "Memory is short, or was before: began with tiles halved once, on cpu."
    ]
    run(job)
    assert is_right(folder, out)


@linux
@pytest.mark.skipif(
    sys.platform.startswith("linux") and not counted_kills(), reason="kills are not counted here"
)
def test_any_other_kill_does_not(folder: Path, tmp_path: Path):
    code = CHILD.replace("print(step.done, flush=True)", "import os; os.kill(os.getpid(), 9)")
    out = tmp_path / "a.tif"
    command = [sys.executable, "-c", code, str(folder), str(out), "", ""]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    job = begin(folder, out)
    run(job)
    assert job.memory_notes == []
    assert is_right(folder, out)


# ---- cuda ---------------------------------------------------------------------------------------


@pytest.mark.cuda
def test_memory_of_a_card_that_runs_out(random_model: Make):
    model = random_model("classes", painted=(1, 2, 3), width=32, depth=3)
    image = np.random.default_rng(0).integers(0, 4000, (2100, 2100)).astype(np.uint16)
    expected = run(segment(model, image, tile=512, batch=1, device="cuda:0"))
    job = segment(model, image, tile=2100, batch=2, device="cuda:0")
    job.memory_notes.clear()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    try:
        # What torch may have, less than the driver says there is: the estimate does not know.
        torch.cuda.set_per_process_memory_fraction(700 * 2**20 / total)
        labels = run(job)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert any("Memory ran out: went on with tiles halved" in word for word in job.memory_notes)
    assert (labels != expected).mean() < 1e-2  # bfloat16

"""A training that was killed goes on from its file as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import napari_scribe as ns
from napari_scribe.errors import InputError
from napari_scribe.io import write_tiff
from napari_scribe.model import Model
from napari_scribe.recipe import Recipe
from napari_scribe.samples import noisy_movie
from napari_scribe.samples.synthetic import Sample
from napari_scribe.training import checkpoint_file
from napari_scribe.training.checkpoint import Checkpoint
from napari_scribe.training.checkpoint_file import CheckpointFile
from napari_scribe.training.job import TrainingJob
from napari_scribe.training.pairs import batches

Call = Callable[..., Any]
AT_ONCE = 1e-9
"""Seconds between checkpoints: one at each step."""


@pytest.fixture(autouse=True)
def each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let writing take as long as it likes."""
    monkeypatch.setattr(checkpoint_file, "SHARE", 1e9)


def same(one: Model, other: Model) -> bool:
    pairs = zip(one.network.state_dict().values(), other.network.state_dict().values(), strict=True)
    return one.parameters == other.parameters and all(torch.equal(a, b) for a, b in pairs)


def interrupted(job: TrainingJob, after: int) -> None:
    """Leave a job where a kill would, after some steps."""
    for _ in range(after):
        next(job)
    job.close()


# ---- a process that is killed -------------------------------------------------------------------


@pytest.fixture
def arguments(sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A command without the number of steps, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    write_tiff(tmp_path / "image.tif", sample.image)
    write_tiff(tmp_path / "paint.tif", sample.paint.astype(np.uint16))
    values = ("network.depth=1", "network.width=2", "training.patch=32", "training.batch=1")
    sets = [part for value in (*values, "training.validate_every=5") for part in ("--set", value)]
    given = ["image.tif", "--labels", "paint.tif", "--device", "cpu", *sets]
    return ["train", *given, "--checkpoint-every", "0.01", "--model", "m.zip", "--steps"]


def files() -> set[str]:
    return {path.name for path in Path.cwd().iterdir()} - {"image.tif", "paint.tif"}


@pytest.mark.skipif(os.name == "nt", reason="signals are as on POSIX")
def test_the_same_command_goes_on_after_a_kill(arguments: list[str], call: Call) -> None:
    command = [sys.executable, "-m", "napari_scribe", *arguments, "1000000"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    kept = Path("m.checkpoint")
    while not kept.exists():
        assert process.poll() is None
        time.sleep(0.005)
    refused = call(*arguments, 10)
    assert refused.code == 2 and "Another training writes m.checkpoint: wait" in refused.err
    assert process.poll() is None
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not Path("m.zip").exists()

    n_done = Checkpoint.from_bytes(kept.read_bytes()).numbers["index"]
    done = call(*arguments, n_done + 10)
    assert done.code == 0, done
    assert f"Continues from step {n_done} of m.checkpoint." in done.out
    assert files() == {"m.zip"}
    one = ns.load_model("m.zip")
    Path("m.zip").unlink()
    whole = call(*arguments, n_done + 10)
    assert whole.code == 0 and "Continues" not in whole.out
    other = ns.load_model("m.zip")
    assert same(one, other)
    for key in ("steps", "first_loss", "validation", "best_validation"):
        assert one.provenance[key] == other.provenance[key]


def ended_by_system(call: Call, *command: object) -> Any:
    """Run a command, and end it as a cluster does when there is a checkpoint."""

    def end() -> None:
        while not Path("m.checkpoint").exists():
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=end)
    thread.start()
    ended = call(*command)
    thread.join()
    return ended


@pytest.mark.skipif(os.name == "nt", reason="signals are as on POSIX")
def test_a_cluster_may_end_a_training_and_start_it_again(arguments: list[str], call: Call) -> None:
    """The model so far is saved, and the same command goes on and replaces it."""
    ended = ended_by_system(call, *arguments, "1000000")
    assert ended.code == 143
    assert "The same command goes on from m.checkpoint." in ended.out
    n_done = ns.load_model("m.zip").provenance["steps"]
    assert files() == {"m.zip", "m.checkpoint"}
    assert call(*arguments, "1", "--checkpoint-every", "0").code == 2  # it looks for none
    assert call(*arguments, "1", "--seed", "3").code == 2
    assert files() == {"m.zip", "m.checkpoint"}
    assert call(*arguments, n_done + 5).code == 0
    assert files() == {"m.zip"}
    assert ns.load_model("m.zip").provenance["steps"] == n_done + 5
    refused = call(*arguments, n_done + 5)
    assert refused.code == 2 and "m.zip exists already" in refused.err


@pytest.mark.skipif(os.name == "nt", reason="signals are as on POSIX")
def test_fine_tuning_in_place_goes_on_from_the_model_it_started_from(
    arguments: list[str], call: Call
) -> None:
    assert call(*arguments, 5).code == 0
    start = Path("m.zip").read_bytes()
    command = [*arguments[:-1], "--start", "m.zip", "--keep-worse", "--steps"]
    ended = ended_by_system(call, *command, "1000000")
    assert ended.code == 143 and "Model: m-2.zip" in ended.out
    assert "The same command goes on from m.checkpoint." in ended.out
    assert files() == {"m.zip", "m-2.zip", "m.checkpoint"}
    assert Path("m.zip").read_bytes() == start
    n_done = ns.load_model("m-2.zip").provenance["steps"]
    done = call(*command, n_done + 5)
    assert done.code == 0 and "of m.checkpoint." in done.out
    assert files() == {"m.zip", "m-2.zip"}
    model = ns.load_model("m.zip").provenance
    assert model["steps"] == n_done + 5 and model["steps_before"] == 5


# ---- exactly the same ---------------------------------------------------------------------------


@pytest.mark.parametrize("normalization", ["batch", "none"])
def test_paint(sample: Sample, small: Recipe, tmp_path: Path, normalization: str) -> None:
    recipe = small.changed({"network.normalization": normalization})
    path = tmp_path / "c"

    def job(**more: Any) -> TrainingJob:
        return ns.train([sample.image], [sample.paint], recipe, steps=24, device="cpu", **more)

    whole = ns.run(job())
    interrupted(job(checkpoint=path, checkpoint_every=AT_ONCE), 7)
    interrupted(job(checkpoint=path, checkpoint_every=AT_ONCE), 9)
    goes_on = job(checkpoint=path, checkpoint_every=AT_ONCE)
    steps = list(goes_on)
    assert [step.index for step in steps] == list(range(17, 25))
    assert steps[0].note == f"Continues from step 16 of {path}." and not steps[1].note
    assert steps[0].fraction == pytest.approx(17 / 24) and steps[-1].fraction == 1
    assert steps[0].elapsed > 0
    assert same(goes_on.result, whole)
    assert goes_on.result.provenance["validation"] == whole.provenance["validation"]


def test_a_stop_writes_where_it_was(sample: Sample, small: Recipe, tmp_path: Path) -> None:
    """However long it is until the next checkpoint is due."""
    path = tmp_path / "c"

    def job(**more: Any) -> TrainingJob:
        return ns.train([sample.image], [sample.paint], small, steps=9, device="cpu", **more)

    stopped = job(checkpoint=path)
    for step in stopped:
        if step.index == 4:
            assert not path.exists()
            stopped.stop()
    assert path.exists()
    assert same(ns.run(job(checkpoint=path)), ns.run(job()))


def test_fine_tuning(sample: Sample, small: Recipe, tmp_path: Path) -> None:
    parent = ns.run(ns.train([sample.image], [sample.paint], small, steps=3, device="cpu"))

    def job(**more: Any) -> TrainingJob:
        data = [sample.image], [sample.paint]
        return ns.train(*data, start=parent, steps=12, device="cpu", keep_worse=True, **more)

    whole = ns.run(job())
    more = {"checkpoint": tmp_path / "c", "checkpoint_every": AT_ONCE}
    interrupted(job(**more), 4)
    model = ns.run(job(**more))
    assert same(model, whole)
    assert model.provenance["steps"] == 12 and model.provenance["steps_before"] == 3


@pytest.fixture
def stack() -> np.ndarray:
    return noisy_movie(6, 64).noisy


@pytest.mark.parametrize("way", ["frames", "single"])
@pytest.mark.parametrize("in_memory", [True, False])
def test_denoiser(
    stack: np.ndarray, tmp_path: Path, way: str, in_memory: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where patches are cut from a pool, whose windows come and go."""
    if not in_memory:
        monkeypatch.setattr(batches, "POOL", 60_000)
    values = {"network.depth": 1, "network.width": 4, "training.patch": 16, "training.batch": 4}
    recipe = Recipe(task="denoised").changed(values)
    pairs = ns.frame_pairs(stack) if way == "frames" else ns.single_pairs(stack)

    def job(**more: Any) -> TrainingJob:
        return ns.train_denoiser(pairs, recipe, steps=20, device="cpu", **more)

    whole = ns.run(job())
    more = {"checkpoint": tmp_path / "c", "checkpoint_every": AT_ONCE}
    interrupted(job(**more), 9)
    numbers = CheckpointFile(tmp_path / "c", 1, {}).read().numbers  # type: ignore[union-attr]
    assert (numbers["data"] is None) == in_memory
    assert same(ns.run(job(**more)), whole)


def test_a_training_killed_while_it_ended_only_ends(
    sample: Sample, small: Recipe, tmp_path: Path
) -> None:
    more = {"checkpoint": tmp_path / "c", "checkpoint_every": AT_ONCE, "device": "cpu"}
    first = ns.run(ns.train([sample.image], [sample.paint], small, steps=6, **more))
    again = ns.train([sample.image], [sample.paint], small, steps=6, **more)
    assert list(again) == []
    assert same(again.result, first)


def test_more_steps_may_be_asked_for(sample: Sample, small: Recipe, tmp_path: Path) -> None:
    more = {"checkpoint": tmp_path / "c", "checkpoint_every": AT_ONCE, "device": "cpu"}
    ns.run(ns.train([sample.image], [sample.paint], small, steps=4, **more))
    longer = ns.run(ns.train([sample.image], [sample.paint], small, steps=9, **more))
    whole = ns.run(ns.train([sample.image], [sample.paint], small, steps=9, device="cpu"))
    assert same(longer, whole)


@pytest.mark.parametrize("limits", [{"steps": 1}, {"seconds": 1e-6}])
def test_less_than_was_done_is_refused(
    sample: Sample, small: Recipe, tmp_path: Path, limits: dict[str, float]
) -> None:
    begun(sample, small, path := tmp_path / "c")
    data = path.read_bytes()
    with pytest.raises(InputError, match=r"has done .* more than the .* asked for: ask for more"):
        ns.train([sample.image], [sample.paint], small, device="cpu", checkpoint=path, **limits)
    assert path.read_bytes() == data


def test_seconds_before_count(sample: Sample, small: Recipe, tmp_path: Path) -> None:
    more = {"checkpoint": tmp_path / "c", "checkpoint_every": AT_ONCE, "device": "cpu"}
    job = ns.train([sample.image], [sample.paint], small, seconds=60, **more)
    for _ in range(3):
        elapsed = next(job).elapsed
    job.close()
    goes_on = ns.train([sample.image], [sample.paint], small, seconds=60, **more)
    step = next(goes_on)
    assert step.elapsed > elapsed * 0.5
    assert step.fraction is not None and 0 < step.fraction < 0.9
    goes_on.stop()
    model = ns.run(goes_on)
    assert model.provenance["steps"] == 4


def test_two_trainings_do_not_write_one_file(sample: Sample, small: Recipe, tmp_path: Path) -> None:
    """Also where both are prepared before either begins."""
    more = {"checkpoint": tmp_path / "c", "checkpoint_every": AT_ONCE, "device": "cpu"}

    def job() -> TrainingJob:
        return ns.train([sample.image], [sample.paint], small, steps=4, **more)

    first, second = job(), job()
    next(first)
    before = (tmp_path / "c").read_bytes()
    with pytest.raises(InputError, match=r"Another training writes .*c: wait until it has ended"):
        next(second)
    assert (tmp_path / "c").read_bytes() == before
    first.close()
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
    assert next(job()).index == 2


# ---- what does not fit --------------------------------------------------------------------------


def begun(sample: Sample, small: Recipe, path: Path) -> None:
    more = {"checkpoint": path, "checkpoint_every": AT_ONCE, "device": "cpu"}
    interrupted(ns.train([sample.image], [sample.paint], small, steps=9, **more), 2)


@pytest.mark.parametrize("other", ["images", "paint", "recipe", "channels"])
def test_another_training(sample: Sample, small: Recipe, tmp_path: Path, other: str) -> None:
    path = tmp_path / "c"
    begun(sample, small, path)
    image, paint, recipe, channels = sample.image, sample.paint, small, None
    if other == "images":
        image = image + np.float32(1)
        image[:40] *= 2
    if other == "paint":
        paint = np.where(paint == 3, 0, paint)
    if other == "recipe":
        recipe = small.changed({"training.learning_rate": 0.001})
    if other == "channels":
        image, channels = np.stack([image] * 2), [1]
    before = path.read_bytes()
    if other == "recipe":
        other = r"recipe \(training.learning_rate: 0.002, now 0.001\)"
    with pytest.raises(InputError, match=rf"differs in: .*{other}.*\. Give the same .* delete it"):
        ns.train([image], [paint], recipe, channels=channels, device="cpu", checkpoint=path)
    assert path.read_bytes() == before


def test_another_device_or_start(sample: Sample, small: Recipe, tmp_path: Path) -> None:
    path = tmp_path / "c"
    begun(sample, small, path)
    parent = ns.run(ns.train([sample.image], [sample.paint], small, steps=1, device="cpu"))
    with pytest.raises(InputError, match="differs in: model to start from"):
        ns.train([sample.image], [sample.paint], start=parent, device="cpu", checkpoint=path)
    data = path.read_bytes()
    n = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:n])
    numbers = json.loads(header["__metadata__"]["numbers"])
    assert numbers["training"]["device"] == "cpu, torch.float32"


@pytest.mark.parametrize("content", [b"", b"junk" * 40])
def test_files_that_are_no_checkpoint(
    sample: Sample, small: Recipe, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "c"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"is no checkpoint .* Delete it to train anew"):
        ns.train([sample.image], [sample.paint], small, device="cpu", checkpoint=path)
    assert path.read_bytes() == content


def test_a_job_s_own_checkpoint_is_no_file_of_a_training(
    sample: Sample, small: Recipe, tmp_path: Path
) -> None:
    job = ns.train([sample.image], [sample.paint], small, steps=1, device="cpu")
    ns.run(job)
    assert job.checkpoint is not None
    (tmp_path / "c").write_bytes(job.checkpoint.to_bytes())
    with pytest.raises(InputError, match="no checkpoint"):
        ns.train([sample.image], [sample.paint], small, device="cpu", checkpoint=tmp_path / "c")
    begun(sample, small, tmp_path / "d")
    with pytest.raises(InputError, match="leave one out"):
        ns.train(
            [sample.image],
            [sample.paint],
            small,
            device="cpu",
            resume=job.checkpoint,
            checkpoint=tmp_path / "d",
        )


@pytest.mark.parametrize("every", [0, -1, float("nan")])
def test_times_that_are_none(sample: Sample, small: Recipe, tmp_path: Path, every: float) -> None:
    with pytest.raises(InputError, match="more than 0"):
        ns.train(
            [sample.image],
            [sample.paint],
            small,
            device="cpu",
            checkpoint=tmp_path / "c",
            checkpoint_every=every,
        )


def test_a_folder_that_is_gone_does_not_end_the_training(
    sample: Sample, small: Recipe, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    more = {"checkpoint": folder / "c", "checkpoint_every": AT_ONCE, "device": "cpu"}
    job = ns.train([sample.image], [sample.paint], small, steps=4, **more)
    folder.rmdir()
    folder.write_text("in its place")
    notes = [step.note for step in job]
    assert all(note.startswith("No checkpoint was written: ") for note in notes)
    assert job.problem == "" and job.result.provenance["steps"] == 4


def test_large_networks_are_written_less_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    file = CheckpointFile(tmp_path / "c", AT_ONCE, {})
    assert file.is_due()
    file.write(Checkpoint({"weights": torch.zeros(10**6)}, {}))
    assert not file.is_due()

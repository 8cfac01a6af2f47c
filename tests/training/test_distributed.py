"""Processes of torchrun learn as one process does with the same batch."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import napari_scribe as ns
from napari_scribe.errors import InputError
from napari_scribe.io import write_tiff
from napari_scribe.recipe import Recipe
from napari_scribe.samples.synthetic import Sample
from napari_scribe.training.distributed import Group

SET = ("network.depth=2", "network.width=4", "network.normalization=group", "training.patch=32")
BOTH = """
import json, os, sys
import napari_scribe as ns
from napari_scribe.cli import main

sys.argv = ["napari-scribe", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    assert not end.code, end
values = dict(value.split("=") for value in sys.argv if "." in value and "=" in value)
job = ns.train(["image.tif"], ["paint.tif"], ns.Recipe().changed(values), steps=10, device="cpu")
losses = [step.loss for step in job]

def begun():
    more = {"checkpoint": f"c{os.environ['RANK']}", "checkpoint_every": 1e-9, "device": "cpu"}
    return ns.train(["image.tif"], ["paint.tif"], ns.Recipe().changed(values), steps=10, **more)

interrupted = begun()
for _ in range(4):
    next(interrupted)
interrupted.close()
rest = [(step.index, step.loss) for step in begun()]
with open(f"losses{os.environ['RANK']}.json", "w") as file:
    json.dump([losses, job.result.provenance["validation"], rest], file)
"""


def test_two_processes_learn_as_one_does(
    sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_tiff(tmp_path / "image.tif", sample.image)
    write_tiff(tmp_path / "paint.tif", sample.paint.astype(np.uint16))
    (tmp_path / "both.py").write_text(BOTH)
    values = [*SET, "training.batch=4", "training.validate_every=1"]
    sets = [part for value in values for part in ("--set", value)]
    arguments = ["train", "image.tif", "--labels", "paint.tif", "--device", "cpu", "--steps", "10"]
    arguments += sets
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*torchrun, "both.py", *arguments, "--model", "two.zip"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Model: two.zip") == 1 and done.stdout.count("Y 160, X 160") == 1

    recipe = Recipe().changed(dict(value.split("=") for value in values))
    job = ns.train([sample.image], [sample.paint], recipe, steps=10, device="cpu")
    losses = [step.loss for step in job]
    first, second = (json.loads(Path(f"losses{i}.json").read_text()) for i in range(2))
    assert len(losses) == 10 and losses[-1] < losses[0]
    np.testing.assert_allclose(first[0], losses, atol=1e-3)
    two = ns.load_model("two.zip").provenance
    np.testing.assert_allclose(two["validation"], job.result.provenance["validation"], atol=1e-3)
    assert second[0] == first[0]  # whoever computes it
    assert len(first[1]) == 10 and not second[1]  # the first process alone validates
    # After an interruption both go on from the file that the first one alone wrote.
    assert Path("c0").exists() and not Path("c1").exists()
    assert first[2] == second[2]
    assert first[2][0][0] > 1 and first[2][-1][0] == 10
    np.testing.assert_allclose([loss for _, loss in first[2]], losses[-len(first[2]) :], atol=1e-3)


WATCHED = """
import sys, time
from napari_scribe.training.processes import end_with_parent

end_with_parent()
print("watches", flush=True)
time.sleep(600)
"""
STARTER = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
time.sleep(600)
"""


@pytest.mark.skipif(os.name == "nt", reason="the number of the parent stays")
def test_a_process_ends_when_what_started_it_is_killed() -> None:
    command = [sys.executable, "-c", STARTER, WATCHED]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None and starter.stdout.readline() == b"watches\n"
        starter.kill()
        assert starter.stdout.read() == b""  # its end comes when the child, which holds it, ends


def listens(port: int) -> bool:
    with socket.socket() as end:
        return not end.connect_ex(("127.0.0.1", port))


@pytest.mark.skipif(os.name == "nt", reason="signals are as on POSIX")
def test_who_waits_for_other_processes_can_be_interrupted(sample: Sample, tmp_path: Path) -> None:
    write_tiff(tmp_path / "image.tif", sample.image)
    write_tiff(tmp_path / "paint.tif", sample.paint.astype(np.uint16))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    one_of_two = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    place = {"TORCHELASTIC_RUN_ID": "none", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    command = [sys.executable, "-m", "napari_scribe", "train", "image.tif", "--labels", "paint.tif"]
    command += ["--device", "cpu", "--model", "m.zip", "--set", "network.normalization=group"]
    env = {**os.environ, **one_of_two, **place}
    with subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.DEVNULL) as process:
        while not listens(port):  # there it waits for the other one
            assert process.poll() is None
            time.sleep(0.05)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(20) != 0
        finally:
            process.kill()
    assert not (tmp_path / "m.zip").exists()


# ---- what a process sends through the network, and what it learns from ---------------------------


def test_shares_make_the_batch() -> None:
    batch = torch.arange(6)
    parts = [Group(rank, 3).share_of(batch) for rank in range(3)]
    assert torch.equal(torch.cat(parts), batch)
    assert torch.equal(Group().share_of(batch), batch)


def launched(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    """Set what torchrun sets."""
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.setenv(name, str(n))
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.setenv(name, "0")


@pytest.mark.parametrize(("batch", "n", "fits"), [(4, 3, "3 or 6"), (2, 4, "4"), (5, 2, "4 or 6")])
def test_a_batch_that_does_not_divide(
    sample: Sample, monkeypatch: pytest.MonkeyPatch, batch: int, n: int, fits: str
) -> None:
    launched(monkeypatch, n)
    recipe = Recipe(network={"normalization": "none"}, training={"batch": batch})
    with pytest.raises(InputError, match=rf"{batch} patches .* {n} processes: .* to {fits}\."):
        ns.train([sample.image], [sample.paint], recipe, device="cpu")
    denoiser = Recipe(task="denoised", training={"batch": batch})
    with pytest.raises(InputError, match="does not divide"):
        ns.train_denoiser(np.stack([sample.image] * 5), denoiser, device="cpu")


def test_batch_normalization_on_the_cpu(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    launched(monkeypatch, 2)
    with pytest.raises(InputError, match=r"batch normalization .* network\.normalization"):
        ns.train([sample.image], [sample.paint], device="cpu")


@pytest.mark.cuda
def test_more_processes_than_cards(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    launched(monkeypatch, torch.cuda.device_count() + 1)
    with pytest.raises(InputError, match="needs one of its own"):
        ns.train([sample.image], [sample.paint], device="cuda")
    with pytest.raises(InputError, match="cannot share the device 'cuda:0'"):
        ns.train([sample.image], [sample.paint], device="cuda:0")

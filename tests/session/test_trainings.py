"""Trainings on disk: what is written while they run, what is listed, and what goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import napari_scribe as ns
from napari_scribe.io.model_folder import list_models, model_folder, new_model_path
from napari_scribe.model import load_model
from napari_scribe.samples import nuclei
from napari_scribe.session import trainings
from napari_scribe.session.trainings import (
    MOST_FILES,
    About,
    TrainingKeeper,
    checkpoint_beside,
    kept_training,
    kept_trainings,
)
from napari_scribe.training.checkpoint import Checkpoint

SAMPLE = nuclei((96, 96), seed=1)
RECIPE = ns.Recipe().changed(
    {
        "network.depth": 1,
        "network.width": 2,
        "training.patch": 16,
        "training.batch": 1,
        "training.validate_every": 2,
    }
)


@pytest.fixture(autouse=True)
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_SCRIBE_HOME", str(tmp_path / "scribe"))


def about(image: str = "cells") -> About:
    return About(image=image, shape=(96, 96), recipe=RECIPE.model_dump(mode="json"))


def keeper_of(name: str = "cells") -> TrainingKeeper:
    return TrainingKeeper(about(name), lambda: new_model_path(name, "objects"))


def test_a_killed_training_goes_on_from_its_files() -> None:
    """What lies on disk in the middle is a model that can be used, and goes on exactly."""
    whole = ns.train([SAMPLE.image], [SAMPLE.paint], RECIPE, steps=6)
    weights: list[dict[str, torch.Tensor]] = []
    keeper = keeper_of()
    keeper._every = 0.0
    for step in whole:
        if step.index == 4:
            keeper.keep(whole)
            (kept,) = kept_trainings()
            assert (kept.steps, kept.about, kept.best) == (4, about(), step.best)
            assert [index for index, _ in kept.history] == [2, 4]
            assert kept.about.task == "objects"
            model = load_model(kept.model)
            assert model.provenance["steps"] == 4
            checkpoint = Checkpoint.from_bytes(kept.checkpoint.read_bytes())
    # In another process, this is all that there is.
    again = ns.run(
        ns.train([SAMPLE.image], [SAMPLE.paint], RECIPE, steps=2, resume=checkpoint)
    ).network.state_dict()
    weights = [whole.result.network.state_dict(), again]
    assert all(torch.equal(weights[0][k], weights[1][k]) for k in again)


KILLED = """
import sys
from pathlib import Path
import napari_scribe as ns
from napari_scribe.io.model_folder import new_model_path
from napari_scribe.samples import nuclei
from napari_scribe.session import trainings
trainings.EVERY, trainings.SHARE = 0.0, 1e9
recipe = ns.Recipe(**__import__("json").loads(sys.argv[1]))
about = trainings.About(image="cells", shape=(96, 96), recipe=recipe.model_dump(mode="json"))
keeper = trainings.TrainingKeeper(about, lambda: new_model_path("cells", "objects"))
keeper._every = 0.0
sample = nuclei((96, 96), seed=1)
job = ns.train([sample.image], [sample.paint], recipe)
for step in job:
    keeper.keep(job)
    print(step.index, flush=True)
"""


def test_a_process_is_killed_in_the_middle() -> None:
    """Whatever is half written then: the last model and checkpoint are whole, and go on."""
    command = [sys.executable, "-c", KILLED, RECIPE.model_dump_json()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 6:
                process.kill()
                break
    (kept,) = kept_trainings()
    assert kept.steps >= 5 and list_models() == [kept.model]
    assert load_model(kept.model).provenance["steps"] >= 5
    checkpoint = Checkpoint.from_bytes(kept.checkpoint.read_bytes())
    job = ns.train([SAMPLE.image], [SAMPLE.paint], RECIPE, steps=1, resume=checkpoint)
    assert [step.index for step in job] == [kept.steps + 1]


def test_the_end_takes_the_place_of_what_was_kept() -> None:
    keeper = keeper_of()
    keeper._every = 0.0
    job = ns.train([SAMPLE.image], [SAMPLE.paint], RECIPE, steps=4)
    for _ in job:
        keeper.keep(job)
    path = keeper.end(job.result, job.checkpoint)
    assert list_models() == [path] == [model_folder() / "cells objects.zip"]
    assert load_model(path).fingerprint() == job.result.fingerprint()
    kept = kept_training(path)
    assert kept is not None and kept.steps == 4


def test_a_slow_disk_is_written_to_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = keeper_of()
    job = ns.train([SAMPLE.image], [SAMPLE.paint], RECIPE, steps=3)
    next(job)
    keeper.keep(job)
    assert not list_models()  # it is not time yet
    clock = iter([100.0, 101.0])
    monkeypatch.setattr(trainings, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    keeper._written = 0.0
    keeper.keep(job)  # takes a second
    assert len(list_models()) == 1
    assert keeper._every == pytest.approx(1.0 / trainings.SHARE)


def test_no_model_is_replaced_and_none_is_left() -> None:
    taken = new_model_path("cells", "objects")
    taken.parent.mkdir(parents=True)
    keeper = TrainingKeeper(about(), lambda: taken)
    keeper._every = 0.0
    taken.write_text("of another program")
    job = ns.train([SAMPLE.image], [SAMPLE.paint], RECIPE, steps=2)
    next(job)
    keeper.keep(job)
    assert taken.read_text() == "of another program" and not kept_trainings()
    other = keeper_of()
    other._every = 0.0
    other.keep(job)
    assert kept_trainings()
    other.drop()
    assert list_models() == [taken] and not kept_trainings()


def test_only_the_last_few_are_kept() -> None:
    job = ns.train([SAMPLE.image], [SAMPLE.paint], RECIPE, steps=1)
    model = ns.run(job)
    paths = []
    for n in range(MOST_FILES + 2):
        path = keeper_of(f"image {n}").end(model, job.checkpoint)
        os.utime(checkpoint_beside(path), (n, n))
        paths.append(path)
    keeper_of("last").end(model, job.checkpoint)
    kept = [training.about.image for training in kept_trainings()]
    assert kept == ["last", *(f"image {n}" for n in range(MOST_FILES + 1, 2, -1))]
    assert all(path.exists() for path in paths)  # models stay


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"\x02\0\0\0\0\0\0\0{}", b"\x00" * 20])
def test_what_is_no_checkpoint_is_not_offered(content: bytes) -> None:
    path = new_model_path("cells")
    path.parent.mkdir(parents=True)
    path.touch()
    checkpoint_beside(path).parent.mkdir()
    checkpoint_beside(path).write_bytes(content)
    assert kept_training(path) is None and kept_trainings() == []


def test_a_model_elsewhere_has_none(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(3))
    assert kept_training(tmp_path / "cells.zip") is None

"""Devices and precision."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from napari_scribe import user_folder
from napari_scribe.device import devices, pick_device, precision, repeatable, unseen_gpu
from napari_scribe.errors import InputError

CPU = torch.device("cpu")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_SCRIBE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize("name", [None, "", "auto"])
def test_the_best_device_is_picked(name: str | None):
    best = "cuda" if torch.cuda.is_available() else "cpu"
    assert pick_device(name).type in (best, "mps")


def test_a_named_device_is_taken():
    assert pick_device("cpu") == CPU


@pytest.mark.parametrize("name", ["banana", "cuda:99", "gpu", "cpu:x", "meta", "hpu"])
def test_a_device_that_is_not_there(name: str):
    with pytest.raises(InputError, match=f"'{name}' cannot be used .* Leave it out") as caught:
        pick_device(name)
    assert "\n" not in str(caught.value)
    assert f"There is {' and '.join(devices())}." in str(caught.value)


def test_the_devices_that_are_listed_can_be_used():
    names = devices()
    assert names[-1] == "cpu" and len(set(names)) == len(names)
    assert [pick_device(name).type for name in names] == [name.split(":")[0] for name in names]
    assert pick_device().type == names[0]
    assert ("cuda" in names) == torch.cuda.is_available()


def test_precision_is_measured_once_and_remembered(home: Path):
    first = precision(CPU)
    assert first in (torch.float32, torch.bfloat16)
    known = json.loads((home / "precision.json").read_text())
    ((key, value),) = known.items()
    assert torch.__version__ in key
    assert value == str(first).removeprefix("torch.")
    other = {"float32": "bfloat16", "bfloat16": "float32"}[value]
    (home / "precision.json").write_text(json.dumps({key: other}))
    assert str(precision(CPU)) == f"torch.{other}"


@pytest.mark.parametrize("content", ["", "[1, 2]", "null", "{broken", '"text"'])
def test_a_damaged_memory_is_measured_anew(home: Path, content: str):
    home.mkdir()
    (home / "precision.json").write_text(content)
    chosen = precision(CPU)
    assert f"torch.{next(iter(json.loads((home / 'precision.json').read_text()).values()))}" == str(
        chosen
    )


def test_a_home_that_cannot_be_written_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NAPARI_SCRIBE_HOME", str(tmp_path / "file" / "home"))
    assert precision(CPU) in (torch.float32, torch.bfloat16)


def test_home_is_the_user_s_data_folder_unless_moved(monkeypatch: pytest.MonkeyPatch, home: Path):
    assert user_folder.home() == home
    monkeypatch.delenv("NAPARI_SCRIBE_HOME")
    assert user_folder.home().name == "napari-scribe"


def test_a_gpu_that_torch_cannot_use_is_mentioned():
    word = unseen_gpu()
    there = Path("/proc/driver/nvidia/version").exists()
    if torch.cuda.is_available() or not there:
        assert word == "" or "NVIDIA" in word
    else:
        assert "NVIDIA GPU" in word


@pytest.mark.skipif(torch.cuda.is_available(), reason="this torch can use its GPU")
def test_a_gpu_that_is_listed_but_cannot_compute_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device().type != "cuda"
    assert "cuda" not in devices()
    if not torch.backends.mps.is_available():
        assert "There is a GPU, but torch" in unseen_gpu() and "the CPU" in unseen_gpu()
    with pytest.raises(InputError, match="'cuda' cannot be used"):
        pick_device("cuda")  # where it is named, it is not replaced in silence


@pytest.mark.parametrize("before", [False, True])
def test_what_is_repeatable_is_so_for_its_time_only(before: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", before)
    with pytest.raises(ZeroDivisionError), repeatable():
        assert torch.backends.cudnn.deterministic
        raise ZeroDivisionError
    assert torch.backends.cudnn.deterministic is before


@pytest.mark.cuda
def test_cuda_takes_half_precision():
    assert precision(torch.device("cuda")) in (torch.bfloat16, torch.float16)

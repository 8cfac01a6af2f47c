"""What signals, lost terminals and errors do to commands: nothing that was learnt is lost."""

from __future__ import annotations

import errno
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_scribe as ns
from napari_scribe import cli
from napari_scribe.errors import InputError, InUseError, in_words
from napari_scribe.io import write_tiff
from napari_scribe.model import load_model
from napari_scribe.samples import nuclei
from napari_scribe.terminal import exit_status, segment_with_bar, train_with_bar, with_flags
from napari_scribe.training.job import TrainingJob, TrainStep

posix = pytest.mark.skipif(os.name == "nt", reason="signals and terminals are as on POSIX")
TINY = ["--set", "network.depth=1", "--set", "network.width=2", "--set", "training.patch=32"]
TINY += ["--set", "training.batch=1", "--device", "cpu"]
TRAIN = ["train", "image.tif", "--labels", "paint.tif", "--model", "m.zip", *TINY]
DENOISER = ["train-denoiser", "movie.tif", "--model", "m.zip", *TINY]
SEGMENT = ["segment", "long.tif", "--model", "model.zip", "--out", "a.zarr", "--tile", "8"]
INT, TERM = signal.SIGINT, signal.SIGTERM
HUP = getattr(signal, "SIGHUP", None)
Signalled = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image, its paint, a noisy movie, a long one, and a model."""
    folder = tmp_path_factory.mktemp("files")
    sample = nuclei((128, 128))
    noise = np.random.default_rng(0).normal(0, 20, (4, 128, 128))
    write_tiff(folder / "image.tif", sample.image)
    write_tiff(folder / "paint.tif", sample.paint)
    write_tiff(folder / "movie.tif", (sample.image + noise).astype(np.float32), "TYX")
    write_tiff(folder / "long.tif", np.tile(sample.image, (100, 1, 1)), "TYX")
    small = {"network": {"depth": 1, "width": 2}, "training": {"patch": 32, "batch": 1}}
    job = ns.train([sample.image], [sample.paint], ns.Recipe(**small), steps=1)
    ns.run(job).save(folder / "model.zip")
    return folder


@pytest.fixture
def folder(files: Path, tmp_path: Path) -> Path:
    """A folder with links to all of them."""
    for path in files.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


def started(folder: Path, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from napari_scribe.cli import main; main()", *arguments]
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": "200"}  # bars, as in a terminal
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, cwd=folder, env=environment, **{**pipes, **options})


def read_until(source: int, words: str, seconds: float = 120) -> str:
    """Read until something matches; what was read."""
    said, until = "", time.monotonic() + seconds
    while not re.search(words, said):
        assert time.monotonic() < until, said
        said += (more := os.read(source, 4096)).decode(errors="replace")
        assert more, said
    return said


COMMAND = """
os.dup2(1, 2)
sys.stdout, sys.stderr = open(1, "w", buffering=1), open(2, "w", buffering=1)
os.chdir(sys.argv.pop(1))
os.environ.update(FORCE_COLOR="1", COLUMNS="200")
from napari_scribe.cli import main
main()
"""


@pytest.fixture
def signalled(child: Callable[..., Any], folder: Path) -> Signalled:
    """Send signals, each once a command says something; how it ends."""

    def send(arguments: list[str], *words_and_signals: tuple[str, list[int]]) -> tuple[int, str]:
        said = ""
        with child(COMMAND, folder, *arguments) as process:
            for words, signals in words_and_signals:
                said += read_until(process.stdout.fileno(), words)
                for number in signals:  # one right after the other
                    process.send_signal(number)
            said += process.stdout.read().decode()
        return process.wait(), said

    return send


@posix
@pytest.mark.parametrize(
    ("arguments", "signals", "status"),
    [
        (TRAIN, [TERM], 143),
        (TRAIN, [HUP], 129),
        (TRAIN, [INT] * 5, 130),
        (TRAIN, [TERM] * 3, 143),
        (DENOISER, [TERM], 143),
        (DENOISER, [INT, INT], 130),
    ],
)
def test_a_training_keeps_its_model_whatever_asks_it_to_end(
    signalled: Signalled, folder: Path, arguments: list[str], signals: list[int], status: int
) -> None:
    code, said = signalled(arguments, (r"step \d\d+,", signals))
    assert code == status, said
    assert "Traceback" not in said and "Model: m.zip" in said
    assert load_model(folder / "m.zip").provenance["steps"] >= 10
    assert not [path for path in folder.iterdir() if path.name.endswith(".part")]


@posix
def test_a_second_signal_while_it_ends_hurries_it(signalled: Signalled, folder: Path) -> None:
    stopping = "Stopping: the best model so far is kept"
    code, said = signalled(TRAIN, (r"step \d\d+,", [INT]), (stopping, [INT] * 3))
    assert code == 130, said
    assert load_model(folder / "m.zip").provenance["steps"] >= 10


@posix
def test_a_terminal_that_is_closed(folder: Path) -> None:
    ours, theirs = os.openpty()
    process = started(folder, *TRAIN, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    read_until(ours, r"step \d\d+,")
    os.close(ours)  # nobody reads what it says, and writing fails
    process.send_signal(signal.SIGHUP)
    process.wait(timeout=120)
    assert load_model(folder / "m.zip").provenance["steps"] >= 10


@posix
def test_what_is_to_outlive_its_terminal_does(folder: Path) -> None:
    """As ``nohup`` begins it."""
    ignore = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    command = [sys.executable, "-c", f"{ignore}from napari_scribe.cli import main; main()"]
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": "200"}
    process = subprocess.Popen(
        [*command, *TRAIN, "--steps", "60"], cwd=folder, env=environment, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    read_until(process.stdout.fileno(), r"step \d+,")
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=200)
    assert process.returncode == 0
    assert load_model(folder / "m.zip").provenance["steps"] == 60


@posix
@pytest.mark.parametrize("signals", [[TERM], [TERM, TERM]])
def test_a_segmentation_that_is_asked_to_end_can_go_on(
    signalled: Signalled, folder: Path, signals: list[int]
) -> None:
    code, said = signalled(SEGMENT, ("tiles of 8", signals))
    assert code == 143, said
    assert "Traceback" not in said
    assert not (folder / "a.zarr").exists() and (folder / ".a.zarr.part").exists()


def step(index: int) -> TrainStep:
    return TrainStep(index, 0.5, None, 0.0, None)


@posix
@pytest.mark.parametrize(("number", "error"), [(INT, KeyboardInterrupt), (TERM, SystemExit)])
def test_before_the_first_step_a_second_signal_ends_at_once(
    number: int, error: type[BaseException]
) -> None:
    kept = []

    def body(_job: Any) -> Generator[TrainStep, None, Any]:
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        yield step(1)
        return None

    before = signal.getsignal(number)
    with pytest.raises(error):
        train_with_bar(TrainingJob(body), kept.append)
    assert not kept and signal.getsignal(number) is before
    assert exit_status() == 128 + number


@posix
def test_signals_while_a_model_is_written_do_not_stop_that() -> None:
    kept = []

    def body(_job: Any) -> Generator[TrainStep, None, Any]:
        yield step(1)
        return "the model"

    def keep(model: Any) -> None:
        for _ in range(3):
            os.kill(os.getpid(), INT)
        kept.append(model)

    job = TrainingJob(body)
    train_with_bar(job, keep)
    assert kept == ["the model"] and job.stop_requested and job.is_urgent


# ---- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "There was not enough memory. "),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB.\nSee"), "There was not enough"),
        (MemoryError("Too little for a tile. Use a larger machine."), "Too little for a tile. "),
        (OSError(errno.ENOSPC, "No space left on device", "a.tif"), "a.tif: No space left on"),
        (OSError(), "OSError, without further words."),
        (RuntimeError("\n\n  it broke\nat line 3"), "it broke."),
        (UnicodeEncodeError("utf-8", "b\udcff.tif", 1, 2, "no"), r"The name 'b\udcff.tif' cannot"),
    ],
    ids=str,
)
def test_errors_are_sentences(error: Exception, words: str) -> None:
    said = in_words(error)
    assert said.startswith(words) and said.endswith(".") and "\n" not in said


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        ({}, "Mend it."),
        ({"axes": "ZYX"}, "Mend it (--axes ZYX)."),
        ({"overwrite": True}, "Mend it (--overwrite)."),
        ({"channels": None, "volumes": False}, "Mend it (--channels, or leave out --volumes)."),
        ({"ones_are_objects": True}, "Mend it (--ones-are-objects)."),
        ({"pieces": None}, "Mend it (--pieces-are-objects, or --numbers-are-objects)."),
    ],
)
def test_options_are_flags_on_the_command_line_only(options: dict[str, object], flags: str) -> None:
    error = pickle.loads(pickle.dumps(InputError("Mend it.", **options)))  # as workers send it
    assert str(error) == "Mend it." and error.options == options
    assert with_flags(error) == flags
    assert getattr(error, "__notes__", []) == getattr(InputError("", **options), "__notes__", [])


def fails(error: BaseException) -> Any:
    """A job of tiles that fails at once."""

    class Failing(ns.Job):
        can_resume = True

    def body(_job: Any) -> Generator[Any, None, None]:
        raise error
        yield

    return Failing(body)


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("Zstd decompression error"), OSError()]
)
def test_what_fails_midway_names_the_image(error: Exception) -> None:
    with pytest.raises(RuntimeError, match=r"^cells\.tif: .+\. What was done is kept") as said:
        segment_with_bar(fails(error), "cells.tif")
    assert str(said.value).endswith("goes on from there.")


@pytest.mark.parametrize("error", [TypeError("a"), RecursionError("b"), KeyError("c")])
def test_bugs_are_shown_as_such(error: Exception) -> None:
    with pytest.raises(type(error)) as said:
        segment_with_bar(fails(error), "cells.tif")
    assert said.value is error


def test_who_comes_second_has_nothing_to_go_on_with() -> None:
    with pytest.raises(InUseError):
        segment_with_bar(fails(InUseError("Another process is at work on it.")), "cells.tif")


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (InputError("What was wrong."), 2, "Error: What was wrong.\n"),
        (MemoryError(), 1, "Failed midway: There was not enough memory."),
        (OSError(errno.EIO, "Input/output error", "a.zarr"), 1, "Failed midway: a.zarr: Input"),
        (RuntimeError(), 1, "Failed midway: RuntimeError, without further words.\n"),
    ],
)
def test_the_edge_says_what_is_foreseen(
    monkeypatch: pytest.MonkeyPatch, capsys: Any, error: Exception, status: int, said: str
) -> None:
    def broken(**_options: Any) -> None:
        raise error

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == status
    assert capsys.readouterr().err.startswith(said)


@pytest.mark.parametrize("kind", [TypeError, KeyError, AssertionError, RecursionError, ValueError])
def test_the_edge_hides_no_bug(monkeypatch: pytest.MonkeyPatch, kind: type[Exception]) -> None:
    def broken(**_options: Any) -> None:
        raise kind("a bug")

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(kind, match="a bug"):
        cli.main()


@posix
def test_any_name_can_be_printed(folder: Path) -> None:
    name = os.fsdecode(b"im\xffage.tif")
    (folder / name).symlink_to(folder / "image.tif")
    process = started(folder, "info", name)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert b"im\\udcffage" in said

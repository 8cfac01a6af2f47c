"""What every test shares: a home of its own, the data that is not in the repository, the GPU."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import pytest
from hypothesis import Phase, settings

ROOT = Path(__file__).resolve().parents[1]
_HOME = pytest.StashKey[tempfile.TemporaryDirectory[str]]()
_FOLDERS = {
    "HOME": "",
    "USERPROFILE": "",
    "APPDATA": "roaming",
    "LOCALAPPDATA": "local",
    "NAPARI_SCRIBE_HOME": "scribe",
    "XDG_CACHE_HOME": "cache",
    "XDG_CONFIG_HOME": "config",
    "XDG_DATA_HOME": "data",
    "XDG_STATE_HOME": "state",
    # platformdirs asks Windows itself, unless these are set.
    "WIN_PD_OVERRIDE_APPDATA": "roaming",
    "WIN_PD_OVERRIDE_LOCAL_APPDATA": "local",
}


# The same examples in every run. Without Phase.explain, which before Python 3.12 traces every line:
# slow here, and it has ended the process by a segmentation fault after torch.compile was used.
settings.register_profile(
    "here",
    max_examples=50,
    deadline=None,
    derandomize=True,
    phases=[p for p in Phase if p is not Phase.explain],
)
settings.load_profile("here")


def pytest_configure(config: pytest.Config) -> None:
    """Give the run a home of its own, so that no test reads or writes the user's."""
    home = tempfile.TemporaryDirectory(prefix="napari-scribe-tests-", ignore_cleanup_errors=True)
    config.stash[_HOME] = home
    for variable, folder in _FOLDERS.items():
        path = Path(home.name, folder)
        path.mkdir(exist_ok=True)
        os.environ[variable] = str(path)
    os.environ["NAPARI_CONFIG"] = str(Path(home.name, "config", "napari.yaml"))
    os.environ.setdefault("QT_API", "pyside6")
    if sys.platform.startswith("linux"):
        os.environ["QT_QPA_PLATFORM"] = "xcb"  # offscreen draws no canvas


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the run's home."""
    config.stash[_HOME].cleanup()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, and say why, what this machine cannot run."""
    if item.get_closest_marker("shared_data") and _shared_data() is None:
        pytest.skip(_NO_DATA)
    if item.get_closest_marker("cuda"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs an NVIDIA GPU that torch can use")


@pytest.fixture(scope="session")
def in_float32() -> None:
    """Let this machine take float32 for what is fastest."""
    import torch

    from napari_scribe.device import precision

    precision(torch.device("cpu"))
    path = Path(os.environ["NAPARI_SCRIBE_HOME"], "precision.json")
    path.write_text(json.dumps(dict.fromkeys(json.loads(path.read_text()), "float32")))
    assert precision(torch.device("cpu")) == torch.float32


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real images; skip where it is absent."""
    folder = _shared_data()
    if folder is None:
        pytest.skip(_NO_DATA)
    return folder


_NO_DATA = (
    "needs real images that are not in the repository: set NAPARI_SCRIBE_DATA to their folder, "
    "or put them in ../shared/data beside the checkout"
)


def _shared_data() -> Path | None:
    named = os.environ.get("NAPARI_SCRIBE_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    return folder if folder.is_dir() else None


class Said(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


@pytest.fixture
def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """Run a command in this process."""
    from napari_scribe.cli import main

    def command(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["napari-scribe", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        code = end.value.code
        return Said(0 if code is None else int(code), *capsys.readouterr())

    return command


ANSWERS = "import os, sys; os.dup2(out.fileno(), 1); sys.argv[1:] = arguments\n"
"""What a child does first: it prints into the pipe of its parent."""


class Child:
    """A process that runs code and can be killed, as `subprocess.Popen` starts one.

    On Linux it is a copy of one that has imported torch before, which takes seconds of each.
    """

    def __init__(self, process: Any, stdout: IO[bytes]) -> None:
        self.stdout, self.kill = stdout, process.kill
        self._process = process

    def send_signal(self, number: int) -> None:
        """Send a signal."""
        os.kill(self._process.pid, number)

    def wait(self) -> int:
        """Return the status with which it ended: minus the number of a signal that killed it."""
        self._process.join()
        return int(self._process.exitcode)


@pytest.fixture(scope="session")
def child() -> Callable[..., Any]:
    """Run code in a process of its own: ``with child(code, *arguments) as process``."""
    context = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
    context.set_forkserver_preload(
        ["pytest", "napari_scribe.inference.segment", "napari_scribe.training.train"]
    )

    @contextmanager
    def started(code: str, *arguments: object) -> Iterator[Child]:
        ours, out = context.Pipe(duplex=False)
        values = {"__name__": "__main__", "out": out, "arguments": [str(a) for a in arguments]}
        process = context.Process(target=exec, args=(ANSWERS + code, values))
        process.start()
        out.close()  # so that its end ends with the child
        with ours, open(ours.fileno(), "rb", closefd=False) as stdout:
            one = Child(process, stdout)
            yield one
            one.wait()

    return started

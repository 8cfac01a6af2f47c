"""What every test shares: a home of its own, the data that is not in the repository, the GPU."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

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
    "here", deadline=None, derandomize=True, phases=[p for p in Phase if p is not Phase.explain]
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


@pytest.fixture(scope="module", autouse=True)
def little_garbage_to_look_through() -> None:
    """Leave what is loaded by now out of every search for garbage, which then is over soon.

    napari makes one each time that layers go, and it would look at all of torch and Qt.
    """
    gc.collect()
    gc.freeze()


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

"""Lock the folder of a run, and tell how the process that held the lock before has ended.

A lock is a note of a process in the folder, ``NAME.running``. It counts as long as that process
runs, so a killed process leaves no lock behind. Locks of other machines do not count.
"""

from __future__ import annotations

import json
import os
import socket
import uuid
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from ...errors import InUseError, TakenError
from ...io.replace import is_running, replacing, temporary_path
from .journal import boot

WHOLE = "run"
"""Name of the lock of a run that does all remaining parts, and finishes the work."""
_HOST = socket.gethostname()
TRIES = 10
"""Number of attempts to get a lock, if other processes try at the same moment."""
HELD: set[str] = set()
"""Tokens of the locks that jobs of this process hold."""


class RunLock:
    """Lock a part of a run for this process.

    Parameters
    ----------
    folder
        Folder of the run.
    name
        Name of the part of the run that this process does.

    Attributes
    ----------
    killed_at
        How often the load was reduced (see `RetryingPredictor`) when the system killed the process
        that held the lock before, most likely because memory ran out. None if it did not.

    Raises
    ------
    InUseError
        If the process that holds the lock still runs.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._path = folder / f"{name}.running"
        self._token = uuid.uuid4().hex
        check_free(folder, name, HELD)
        self.killed_at: int | None = None
        previous = _read(self._path)
        if previous and not _had_enough_memory(previous):
            self.killed_at = int(previous.get("reductions", 0))

    def hold(self, reductions: int) -> None:
        """Acquire the lock if it is not held yet, and note how often the load was reduced.

        Raises
        ------
        InUseError
            If another process has acquired it since.
        """
        process = psutil.Process()
        note = {
            "host": _HOST,
            "boot": boot(),
            "process": process.pid,
            "started": process.create_time(),
            "token": self._token,
            "kills": _memory_kills(),
            "reductions": reductions,
        }
        if self._token not in HELD:
            self._acquire(json.dumps(note))
            return
        with replacing(self._path) as partial:
            partial.write_text(json.dumps(note))

    def _acquire(self, note: str) -> None:
        """Write the note, unless another process holds the lock."""
        for _ in range(TRIES):
            check_free(self._folder, self._name)
            with suppress(TakenError), replacing(self._path, overwrite=False) as partial:
                partial.write_text(note)
                HELD.add(self._token)
            if _read(self._path).get("token") == self._token:
                break
            HELD.discard(self._token)
            _remove_stale(self._path)
        try:
            # Checked once more, because a run and its parts have locks of different names.
            check_free(self._folder, self._name, {self._token})
        except InUseError:
            self.release()
            raise

    def release(self) -> None:
        """Release the lock. The next process then knows that this one was not killed."""
        if self._token in HELD:
            HELD.discard(self._token)
            if _read(self._path).get("token") == self._token:
                self._path.unlink(missing_ok=True)


def check_free(folder: Path, name: str = WHOLE, ignored: Collection[str] = ()) -> None:
    """Check that nobody else holds a lock on the same work.

    Parts may run beside each other. The run that finishes the work runs alone.

    Parameters
    ----------
    ignored
        Tokens of locks that do not count.

    Raises
    ------
    InUseError
        If a running process of this machine holds one, or another job of this process.
    """
    for path in folder.glob("*.running"):
        excludes = WHOLE in (name, path.stem) or path.stem == name
        note = _read(path) if excludes else {}
        if note and note.get("token") not in ignored and _is_running(note):
            if note["process"] == os.getpid():
                raise InUseError(
                    f"Another job of this program is at work on {folder}: wait until it has ended, "
                    "or close it."
                )
            raise InUseError(
                f"Another program is at work on {folder}: wait until it has ended, or stop it."
            )


def _remove_stale(path: Path) -> None:
    """Remove the note of a process that has ended, unless another process has just replaced it."""
    moved = temporary_path(path, "gone")
    with suppress(FileNotFoundError):
        path.rename(moved)
        if (note := _read(moved)) and _is_running(note):
            moved.rename(path)
        else:
            moved.unlink()


def _read(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        return dict(json.loads(path.read_text()))
    return {}


def _is_running(note: dict[str, object]) -> bool:
    """Return whether a process still runs; processes of other machines do not count."""
    pid = note["process"]
    if note["host"] != _HOST or not isinstance(pid, int):
        return False
    if pid == os.getpid():
        return note.get("token") in HELD
    return is_running(pid, float(str(note["started"])))


def _had_enough_memory(note: dict[str, object]) -> bool:
    """Return whether a process is known not to have been killed because memory ran out.

    If the system does not count such kills, any kill is taken for one. So is any on another
    machine.
    """
    if note["host"] == _HOST and note.get("boot") != boot():  # a power cut
        return True
    kills = _memory_kills()
    return kills is not None and note.get("boot") == boot() and note["kills"] == kills


def _memory_kills() -> int | None:
    """Return how many processes were killed because memory ran out; None if it is not known."""
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/vmstat").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("oom_kill ")))
    return None

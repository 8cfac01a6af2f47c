"""Who works on a run, and how the one before has ended."""

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
from ...io import CLOCK_TOLERANCE, replacing, temporary_path
from .journal import boot

WHOLE = "run"
"""Who does all that is left, and ends the work."""
_HOST = socket.gethostname()
TRIES = 10
"""To be the first, where others try at the same moment."""
AT_WORK: set[str] = set()
"""Tokens of the jobs of this process that have begun and not ended."""


class Presence:
    """Says that a process works in a folder: others keep away, and the next one knows how it ended.

    Parameters
    ----------
    folder
        Of the run.
    who
        Which part of the run this process does.

    Attributes
    ----------
    killed_on
        Rung of the ladder on which the system killed the process before, most likely for want of
        memory; None where it did not.

    Raises
    ------
    InUseError
        If the process that is noted there still runs.
    """

    def __init__(self, folder: Path, who: str) -> None:
        self._folder, self._who = folder, who
        self._path = folder / f"{who}.running"
        self._token = uuid.uuid4().hex
        check_free(folder, who, AT_WORK)
        self.killed_on: int | None = None
        before = _read(self._path)
        if before and not _is_spared(before):
            self.killed_on = int(before["rung"])

    def note(self, rung: int) -> None:
        """Write down that this process works, and on which rung.

        Raises
        ------
        InUseError
            If another has begun since.
        """
        process = psutil.Process()
        noted = {
            "host": _HOST,
            "boot": boot(),
            "process": process.pid,
            "started": process.create_time(),
            "token": self._token,
            "kills": _memory_kills(),
            "rung": rung,
        }
        if self._token not in AT_WORK:
            self._begin(json.dumps(noted))
            return
        with replacing(self._path) as partial:
            partial.write_text(json.dumps(noted))

    def _begin(self, text: str) -> None:
        """Be the only one who begins."""
        for _ in range(TRIES):
            check_free(self._folder, self._who)
            with suppress(TakenError), replacing(self._path, overwrite=False) as partial:
                partial.write_text(text)
                AT_WORK.add(self._token)
            if _read(self._path).get("token") == self._token:
                break
            AT_WORK.discard(self._token)
            _take_away(self._path)
        try:
            check_free(self._folder, self._who, {self._token})
        except InUseError:
            self.leave()
            raise

    def leave(self) -> None:
        """Note that the process has ended in an orderly way."""
        if self._token in AT_WORK:
            AT_WORK.discard(self._token)
            if _read(self._path).get("token") == self._token:
                self._path.unlink(missing_ok=True)


def check_free(folder: Path, who: str = WHOLE, but: Collection[str] = ()) -> None:
    """Make sure that nobody else does the same work.

    Parts may run beside each other; the run that ends the work is alone.

    Parameters
    ----------
    but
        Tokens of those that do not count.

    Raises
    ------
    InUseError
        If a process of this machine that is noted there still runs, or a job of this process.
    """
    for path in folder.glob("*.running"):
        is_in_the_way = WHOLE in (who, path.stem) or path.stem == who
        noted = _read(path) if is_in_the_way else {}
        if noted and noted.get("token") not in but and _is_running(noted):
            if noted["process"] == os.getpid():
                raise InUseError(
                    f"Another job of this program is at work on {folder}: wait until it has ended, "
                    "or close it."
                )
            raise InUseError(
                f"Another program is at work on {folder}: wait until it has ended, or stop it."
            )


def _take_away(path: Path) -> None:
    """Remove the note of a process that has ended, unless another has just written its own."""
    gone = temporary_path(path, "gone")
    with suppress(FileNotFoundError):
        path.rename(gone)
        if (noted := _read(gone)) and _is_running(noted):
            gone.rename(path)
        else:
            gone.unlink()


def _read(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        return dict(json.loads(path.read_text()))
    return {}


def _is_running(noted: dict[str, Any]) -> bool:
    """Whether a process still runs; one of another machine does not count."""
    if noted["host"] != _HOST:
        return False
    if noted["process"] == os.getpid():
        return noted.get("token") in AT_WORK
    try:
        started = psutil.Process(noted["process"]).create_time()
    except psutil.Error:
        return False
    return bool(abs(started - noted["started"]) < CLOCK_TOLERANCE)


def _is_spared(before: dict[str, Any]) -> bool:
    """Whether it is known that a process was not killed for want of memory.

    Where kills are not counted, or on another machine, any kill is taken for such a one.
    """
    if before["host"] == _HOST and before.get("boot") != boot():  # a power cut
        return True
    kills = _memory_kills()
    return kills is not None and before.get("boot") == boot() and before["kills"] == kills


def _memory_kills() -> int | None:
    """How many processes this machine has killed for want of memory, where it counts them."""
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/vmstat").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("oom_kill ")))
    return None

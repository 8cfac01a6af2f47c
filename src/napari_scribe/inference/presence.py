"""Who works on a run, and how the one before has ended."""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from ..errors import InUseError
from ..io import replacing
from .journal import boot

WHOLE = "run"
"""Who does all that is left, and ends the work."""
_HOST = socket.gethostname()
CLOCK = 5.0
"""Seconds by which the time that a process was started at may move with the clock."""


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
        self._is_noted = False
        check_free(folder, who)
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
        if not self._is_noted:
            check_free(self._folder, self._who)
        process = psutil.Process()
        text = {
            "host": _HOST,
            "boot": boot(),
            "process": process.pid,
            "started": process.create_time(),
            "kills": _memory_kills(),
            "rung": rung,
        }
        with replacing(self._path) as partial:
            partial.write_text(json.dumps(text))
        self._is_noted = True

    def leave(self) -> None:
        """Note that the process has ended in an orderly way."""
        if self._is_noted:
            self._path.unlink(missing_ok=True)
            self._is_noted = False


def check_free(folder: Path, who: str = WHOLE) -> None:
    """Make sure that nobody else does the same work.

    Parts may run beside each other; the run that ends the work is alone.

    Raises
    ------
    InUseError
        If a process of this machine that is noted there still runs.
    """
    for path in folder.glob("*.running"):
        is_in_the_way = WHOLE in (who, path.stem) or path.stem == who
        if is_in_the_way and (noted := _read(path)) and _is_running(noted):
            raise InUseError(
                f"Another program is at work on {folder}: wait until it has ended, or stop it."
            )


def _read(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        return dict(json.loads(path.read_text()))
    return {}


def _is_running(noted: dict[str, Any]) -> bool:
    """Whether a process still runs; one of another machine, and this one, do not count."""
    if noted["host"] != _HOST or noted["process"] == os.getpid():
        return False
    try:
        started = psutil.Process(noted["process"]).create_time()
    except psutil.Error:
        return False
    return bool(abs(started - noted["started"]) < CLOCK)


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

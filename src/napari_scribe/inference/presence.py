"""Who works on a run, and how the one before has ended."""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from ..errors import InputError
from ..io import replacing

_HOST = socket.gethostname()


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
    InputError
        If the process that is noted there still runs.
    """

    def __init__(self, folder: Path, who: str) -> None:
        self._path = folder / f"{who}.running"
        self.killed_on: int | None = None
        before: dict[str, Any] = {}
        with suppress(OSError, ValueError):
            before = json.loads(self._path.read_text())
        if not before:
            return
        if before["host"] == _HOST and _is_running(before["process"], before["started"]):
            raise InputError(
                f"Another program is at work on {folder}: wait until it has ended, or stop it."
            )
        kills = _memory_kills()
        if kills is None or kills != before["kills"]:
            self.killed_on = int(before["rung"])

    def note(self, rung: int) -> None:
        """Write down that this process works, and on which rung."""
        process = psutil.Process()
        text = {
            "host": _HOST,
            "process": process.pid,
            "started": process.create_time(),
            "kills": _memory_kills(),
            "rung": rung,
        }
        with replacing(self._path) as partial:
            partial.write_text(json.dumps(text))

    def leave(self) -> None:
        """Note that the process has ended in an orderly way."""
        self._path.unlink(missing_ok=True)


def _is_running(process: int, started: float) -> bool:
    """Whether a process of this machine still runs; this one does not count."""
    if process == os.getpid():
        return False
    try:
        return bool(abs(psutil.Process(process).create_time() - started) < 1)
    except psutil.Error:
        return False


def _memory_kills() -> int | None:
    """How many processes this machine has killed for want of memory, where it counts them.

    With that, an ordinary kill is told from one that asks for smaller steps; without, any kill is
    taken for such a one.
    """
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/vmstat").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("oom_kill ")))
    return None

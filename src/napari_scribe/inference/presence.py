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

WHOLE = "run"
"""Who does all that is left, and ends the work."""
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
    InUseError
        If the process that is noted there still runs.
    """

    def __init__(self, folder: Path, who: str) -> None:
        self._path = folder / f"{who}.running"
        check_free(folder, who)
        self.killed_on: int | None = None
        kills, before = _memory_kills(), _read(self._path)
        if before and (kills is None or kills != before["kills"]):
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


def check_free(folder: Path, who: str = WHOLE) -> None:
    """Make sure that nobody else does the same work.

    Parts may run beside each other; the run that ends the work is alone.

    Raises
    ------
    InUseError
        If a process of this machine that is noted there still runs.
    """
    for path in folder.glob("*.running"):
        if WHOLE in (who, path.stem) or path.stem == who:
            noted = _read(path)
            if noted and noted["host"] == _HOST and _is_running(noted["process"], noted["started"]):
                raise InUseError(
                    f"Another program is at work on {folder}: wait until it has ended, or stop it."
                )


def _read(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        return dict(json.loads(path.read_text()))
    return {}


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

"""Record which parts of a run are done, in append-only logs.

Each process writes its own log, so that two processes never write to one line. The first line of a
log is the result of `boot`. The line ``#on disk`` says that everything before it has reached the
disk. After a power cut only the lines before it count, because what was written later may be lost.
"""

from __future__ import annotations

import functools
import os
import socket
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import psutil

from ...errors import DamagedError

ON_DISK = "#on disk"
SYNC_EVERY = 10.0
"""Seconds between waits for the disk. A power cut loses at most the work of this time."""


class Journal:
    """Record keys of parts that are done, under a name for each kind of part.

    Parameters
    ----------
    folder
        Folder of the logs, ``NAME.PROCESS.log``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._done: dict[str, set[str]] = {}
        self._begun: set[Path] = set()  # logs of this process
        self._synced = time.monotonic()
        # One thread records tiles, another the objects of blocks.
        self._lock = threading.RLock()

    def is_done(self, name: str, key: str) -> bool:
        """Return whether a part was recorded, by any process."""
        with self._lock:
            return key in self._keys(name)

    def reload(self) -> None:
        """Forget what was read, because other processes may have recorded more."""
        with self._lock:
            self._done.clear()

    def record(self, name: str, key: str) -> None:
        """Record a part that has been written."""
        with self._lock:
            keys = self._keys(name)
            self._write(name, f"{key}\n")
            keys.add(key)
            if time.monotonic() - self._synced > SYNC_EVERY:
                self.sync()

    def unrecord(self, name: str, lost: Collection[str] | None = None) -> None:
        """Remove the records of some parts, by any process; of all parts when None."""
        with self._lock:
            self.reload()
            gone = None if lost is None else set(lost)
            remaining = [] if gone is None else [k for k in self._keys(name) if k not in gone]
            for log in self._logs(name):
                log.unlink(missing_ok=True)
            self.reload()
            if remaining:  # a process that is killed before this line loses records, but no work
                self._write(name, "".join(f"{key}\n" for key in remaining))
                self.sync()

    def _keys(self, name: str) -> set[str]:
        if name not in self._done:
            self._done[name] = {key for log in self._logs(name) for key in _read(log)}
        return self._done[name]

    def _logs(self, name: str) -> list[Path]:
        return list((self.folder / name).parent.glob(f"{Path(name).name}.*.log"))

    def _write(self, name: str, text: str) -> None:
        """Add lines to this process's log; begin it anew if another process has deleted it."""
        log = self.folder / f"{name}.{_PROCESS}.log"
        try:
            if log not in self._begun or not log.exists():
                log.parent.mkdir(exist_ok=True)
                _append(log, f"{boot()}\n")
                self._begun.add(log)
            _append(log, text)
        except FileNotFoundError as error:
            raise DamagedError(f"{self.folder} was deleted while the work went on.") from error

    def forget(self, name: str) -> None:
        """Forget the logs of all names that begin with `name`, because these files are deleted."""
        folder = self.folder / name
        with self._lock:
            self._done = {k: v for k, v in self._done.items() if not k.startswith(name)}
            self._begun = {log for log in self._begun if folder not in (log, *log.parents)}

    def sync(self) -> None:
        """Wait until everything has reached the disk, and note that in the logs."""
        with self._lock:  # nothing may be recorded between the wait and the note
            if hasattr(os, "sync"):
                os.sync()
            for log in self._begun.copy():
                if log.exists():
                    _append(log, f"{ON_DISK}\n")
                else:  # another process has finished that frame
                    self._begun.remove(log)
            self._synced = time.monotonic()


_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""Linux names each boot. The boot time that psutil returns moves by a second now and then."""
_PROCESS = f"{socket.gethostname()}-{os.getpid()}-{time.time_ns() % 10**9}"


@functools.cache
def boot() -> str:
    """Return a text that names this machine and its present boot."""
    with suppress(OSError):
        return f"{socket.gethostname()} {_BOOT_ID.read_text().strip()}"
    return f"{socket.gethostname()} {psutil.boot_time():.0f}"


def _append(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)


def _read(log: Path) -> list[str]:
    """Return the keys of a log whose parts are sure to be on disk."""
    lines: list[str] = []
    with suppress(OSError):
        lines = log.read_text().split("\n")[:-1]  # the last line may be incomplete
    log_boot, keys = lines[:1], lines[1:]
    if log_boot != [boot()]:
        ends = [i for i, key in enumerate(keys) if key == ON_DISK]
        keys = keys[: ends[-1]] if ends else []
    return [key for key in keys if key != ON_DISK]

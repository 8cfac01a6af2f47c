"""Which parts of a run are done: append-only logs that many processes may add to.

Each process writes a log of its own, so that nobody tears another's line. A log begins with the
boot of the machine; ``#on disk`` says that everything before it has reached the disk. After a power
cut only that counts: what was written later may be lost.
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
"""Seconds between waits for the disk."""


class Journal:
    """Names of parts, each with the keys that are done.

    Parameters
    ----------
    folder
        Where the logs are: ``NAME.PROCESS.log``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._done: dict[str, set[str]] = {}
        self._own: set[Path] = set()
        self._synced = time.monotonic()
        # Tiles are recorded by the thread that writes them, objects by the one that finds them.
        self._lock = threading.RLock()

    def is_done(self, name: str, key: str) -> bool:
        """Whether a part was recorded, by whomever."""
        with self._lock:
            return key in self._keys(name)

    def look_again(self) -> None:
        """Forget what was read: others may have gone on."""
        with self._lock:
            self._done.clear()

    def record(self, name: str, key: str) -> None:
        """Add a part that has been written."""
        with self._lock:
            keys = self._keys(name)
            self._write(name, f"{key}\n")
            keys.add(key)
            if time.monotonic() - self._synced > SYNC_EVERY:
                self.sync()

    def unrecord(self, name: str, lost: Collection[str] | None = None) -> None:
        """Take back the records of some parts, by whomever they are; of all parts when None."""
        with self._lock:
            self.look_again()
            left = [] if lost is None else [k for k in self._keys(name) if k not in set(lost)]
            for log in self._logs(name):
                log.unlink(missing_ok=True)
            self.look_again()
            if left:  # what is broken off here is done once more
                self._write(name, "".join(f"{key}\n" for key in left))
                self.sync()

    def _keys(self, name: str) -> set[str]:
        if name not in self._done:
            self._done[name] = {key for log in self._logs(name) for key in _read(log)}
        return self._done[name]

    def _logs(self, name: str) -> list[Path]:
        return list((self.folder / name).parent.glob(f"{Path(name).name}.*.log"))

    def _write(self, name: str, text: str) -> None:
        """Add lines to this process's log; it may have been deleted since it was begun."""
        log = self.folder / f"{name}.{_PROCESS}.log"
        try:
            if log not in self._own or not log.exists():
                log.parent.mkdir(exist_ok=True)
                _append(log, f"{boot()}\n")
                self._own.add(log)
            _append(log, text)
        except FileNotFoundError as error:
            raise DamagedError(f"{self.folder} was deleted while the work went on.") from error

    def forget(self, name: str) -> None:
        """Drop the logs of all names that begin so."""
        gone = self.folder / name
        with self._lock:
            self._done = {k: v for k, v in self._done.items() if not k.startswith(name)}
            self._own = {log for log in self._own if gone not in (log, *log.parents)}

    def sync(self) -> None:
        """Wait until everything is on disk, and note it."""
        with self._lock:  # what is recorded meanwhile may not be on disk
            if hasattr(os, "sync"):
                os.sync()
            for log in self._own.copy():
                if log.exists():
                    _append(log, f"{ON_DISK}\n")
                else:  # another process has closed its frame
                    self._own.remove(log)
            self._synced = time.monotonic()


_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""Of Linux; the time of booting that it tells moves by a second now and then."""
_PROCESS = f"{socket.gethostname()}-{os.getpid()}-{time.time_ns() % 10**9}"


@functools.cache
def boot() -> str:
    """Names this machine since it was switched on."""
    with suppress(OSError):
        return f"{socket.gethostname()} {_BOOT_ID.read_text().strip()}"
    return f"{socket.gethostname()} {psutil.boot_time():.0f}"


def _append(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)


def _read(log: Path) -> list[str]:
    """Keys that are sure to have been written."""
    lines: list[str] = []
    with suppress(OSError):
        lines = log.read_text().split("\n")[:-1]  # the last may be torn
    begun, keys = lines[:1], lines[1:]
    if begun != [boot()]:
        ends = [i for i, key in enumerate(keys) if key == ON_DISK]
        keys = keys[: ends[-1]] if ends else []
    return [key for key in keys if key != ON_DISK]

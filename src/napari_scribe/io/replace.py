"""Write, replace and delete files and folders so that others see all of them or nothing."""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import TakenError

DAY = 86400.0
"""Seconds after which unfinished work of another machine counts as abandoned."""
CLOCK_TOLERANCE = 5.0
"""Seconds by which the start time of a process may change when the clock is set."""
EXTRA_CHARACTERS = 32
"""Most characters by which a temporary name is longer than the name of the result."""
_HOST = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:4]
_TAG = re.compile(r"([0-9a-f]{4})-(\d+)-\d+\.(part|old|gone)")
"""End of a temporary name: the machine, the process, a number and the kind."""
_numbers = itertools.count()


@contextmanager
def replacing(path: str | Path, overwrite: bool = True) -> Iterator[Path]:
    """Write a file all or nothing: yield a temporary path beside it, which then replaces it.

    Parameters
    ----------
    path
        File to write. For a link, the file that it points to is written. Folders above it are
        created.
    overwrite
        Whether to replace what lies at `path` when the new file is done.

    Raises
    ------
    TakenError
        If something lies there then that may not be replaced.
    OSError
        If the file could not be written. What was at `path` before is still there.
    """
    with _beside(path) as (path, partial):
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        move_into_place(partial, path, overwrite)


@contextmanager
def replacing_folder(path: str | Path, overwrite: bool = True) -> Iterator[Path]:
    """Make a folder as `replacing` writes a file. The temporary path ends in the folder's name."""
    with _beside(path) as (path, partial):
        partial.mkdir(parents=True)
        yield partial / path.name
        move_into_place(partial / path.name, path, overwrite)


@contextmanager
def _beside(path: str | Path) -> Iterator[tuple[Path, Path]]:
    """Yield the path behind links, and a temporary path beside it, which is deleted in the end.

    Errors name the result, not the temporary path.
    """
    path = resolve_links(Path(path))
    partial = temporary_path(path, "part")
    try:
        yield path, partial
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(error.errno, f"Could not write {path}: {reason}") from error
    finally:
        _remove(partial)


def move_into_place(new: Path, path: Path, overwrite: bool = True) -> None:
    """Move a file or folder to its place.

    An old folder is renamed first, and deleted when the new one is there. If the process dies in
    between, `tidy` brings the old folder back.

    Raises
    ------
    TakenError
        If something is there that may not be replaced.
    OSError
        If a file would take the place of a folder, or the move fails.
    """
    if path.is_dir() and not new.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    if not overwrite:
        _put_new(new, path)
    elif new.is_dir() or path.is_dir():
        old = temporary_path(path, "old")
        with suppress(FileNotFoundError):
            path.rename(old)
        try:
            new.rename(path)
        except OSError:
            with suppress(FileNotFoundError):
                old.rename(path)
            raise
        delete(old, path)
    else:
        os.replace(new, path)


def _put_new(new: Path, path: Path) -> None:
    """Move a file or folder to a path where nothing may lie."""
    if new.is_dir() or not _moved_by_link(new, path):
        if os.path.lexists(path):
            raise _taken(path)
        new.rename(path)


def _moved_by_link(new: Path, path: Path) -> bool:
    """Move a file by a hard link, which never replaces; return False on disks without links."""
    try:
        os.link(new, path)
    except FileExistsError:
        raise _taken(path) from None
    except OSError:
        return False
    new.unlink()
    return True


def _taken(path: Path) -> TakenError:
    return TakenError(f"{path} has appeared meanwhile, and is not replaced.", overwrite=True)


def resolve_links(path: Path) -> Path:
    """Return the path behind links."""
    return Path(os.path.realpath(path))


def work_folder(path: Path) -> Path:
    """Return the folder in which an output is made until it is whole."""
    path = resolve_links(path)
    return path.with_name(f".{path.name}.part")


def temporary_path(path: Path, kind: str) -> Path:
    """Return a new hidden path beside a path. Its name tells the path and this process.

    Parameters
    ----------
    kind
        ``part`` for what is being written, ``old`` for what is being replaced, ``gone`` for what is
        being deleted.
    """
    while True:
        tag = f"{_HOST}-{os.getpid()}-{next(_numbers)}"
        name = path.with_name(f".{path.name.lstrip('.')}.{tag}.{kind}")
        if not os.path.lexists(name):
            return name


def delete(path: Path, of: Path | None = None) -> None:
    """Delete a file or folder. It is renamed first, so that others see all of it or nothing.

    Parameters
    ----------
    of
        Path of the result that it belongs to; `path` itself when None. If the process dies in
        between, `tidy` of that path ends the deletion.
    """
    gone = temporary_path(of or path, "gone")
    with suppress(OSError):  # it is not there, or is held open (Windows)
        path.rename(gone)
    _remove(path)
    _remove(gone)


def tidy(path: Path) -> None:
    """Bring back or delete the temporary files that killed processes have left beside a path.

    Files of processes that still run, and files with other names, are not touched.
    """
    prefix = f".{path.name.lstrip('.')}."
    with suppress(OSError):  # there is no such folder, or it cannot be read
        for name in os.listdir(path.parent):
            tag = _TAG.fullmatch(name.removeprefix(prefix)) if name.startswith(prefix) else None
            temporary = path.with_name(name)
            if tag is None or not _is_abandoned(temporary, tag[1], int(tag[2])):
                continue
            if tag[3] == "old" and not os.path.lexists(path):
                temporary.rename(path)
            else:
                delete(temporary, path)


def _is_abandoned(path: Path, host: str, process: int) -> bool:
    """Return whether the process that made a temporary file or folder has ended."""
    import psutil

    try:
        changed = max(path.lstat().st_mtime, path.lstat().st_ctime)  # a rename changes st_ctime
        if host != _HOST:
            return time.time() - changed > DAY
        return bool(changed < psutil.Process(process).create_time() - CLOCK_TOLERANCE)
    except psutil.NoSuchProcess:
        return True
    except (psutil.Error, OSError):
        return False


def is_running(process: int, started: float) -> bool:
    """Return whether a process of this machine still runs, by its number and its start time.

    One with the same number and another start time is another one.
    """
    import psutil

    try:
        return bool(abs(psutil.Process(process).create_time() - started) < CLOCK_TOLERANCE)
    except psutil.Error:
        return False


def _remove(path: Path) -> None:
    """Delete a file or folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)

"""Files and folders that appear, and go, all or nothing for who looks on."""

from __future__ import annotations

import glob
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Write a file all or nothing: yields a temporary path beside it, which then takes its place.

    Raises
    ------
    OSError
        If it could not be written; what was at `path` before is still there.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        os.replace(partial, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(error.errno, f"Could not write {path}: {reason}") from error
    finally:
        partial.unlink(missing_ok=True)


def hidden(path: Path) -> Path:
    """Where the work for an output is kept until it is whole."""
    return path.with_name(f".{path.name}.part")


def aside(path: Path) -> Path:
    """A hidden name beside a path, under which nobody takes what lies there for the whole."""
    return path.with_name(f"{_gone(path)}{uuid.uuid4().hex}")


def delete(path: Path) -> None:
    """Take a file or folder away: at once, for who looks on, so that nobody goes on with half."""
    with suppress(OSError):  # it is not there, or is held open (Windows)
        path.rename(aside(path))
    _remove(path)
    sweep(path)


def sweep(path: Path) -> None:
    """Take away what was left of what lay at a path, where it was killed while it was deleted."""
    for left in path.parent.glob(f"{glob.escape(_gone(path))}*"):
        _remove(left)


def _gone(path: Path) -> str:
    return f".{path.name.lstrip('.')}.gone-"


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)

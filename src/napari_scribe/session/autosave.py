"""Keep paint that was not saved in the user's folder, so that a crash loses none of it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ..arrays import Pixels
from ..io import replacing, tidy
from ..io.replace import DAY, is_running
from ..user_folder import home
from .painted import PaintedLayer, read_paint, write_paint

MOST_CLOSED = 100
"""Layers that are remembered after napari was closed; the oldest are forgotten first."""


@dataclass(frozen=True, kw_only=True)
class KeptPaint(PaintedLayer):
    """Describe paint in the recovery folder, which holds ``KEY.tif`` and this note, ``KEY.json``.

    Parameters
    ----------
    key
        Of the layer, unlike that of any other.
    host, process, started
        The computer, the number of the process that paints, and when it was started.
    is_closed
        Whether napari was closed in good order since.
    when
        Seconds since 1970 at which this was written.
    """

    key: str
    host: str = ""
    process: int = 0
    started: float = 0.0
    is_closed: bool = False
    when: float = 0.0

    @property
    def file(self) -> Path:
        """Return the file of the paint."""
        return recovery_folder() / f"{self.key}.tif"

    @property
    def note(self) -> Path:
        """Return the file of this note."""
        return self.file.with_suffix(".json")


def recovery_folder() -> Path:
    """Return the folder where paint is kept that was not saved."""
    return home() / "recovery"


def keep(kept: KeptPaint, array: Pixels) -> KeptPaint:
    """Write paint and its note, each all or nothing; return the note as it was written.

    Raises
    ------
    InputError
        If its numbers are too large for a TIFF.
    OSError
        If it cannot be written.
    """
    write_paint(kept.file, array)
    written = _of_this_process(kept)
    _write_note(written)
    return written


def read_kept(kept: KeptPaint) -> Pixels:
    """Return paint that was kept, along the axes of its layer.

    Raises
    ------
    InputError
        If the file is missing or damaged.
    """
    return read_paint(kept.file, kept.shape)


def forget(key: str) -> None:
    """Delete paint that is saved elsewhere, or not wanted."""
    for suffix in (".json", ".tif"):
        path = recovery_folder() / f"{key}{suffix}"
        tidy(path)
        with suppress(OSError):
            path.unlink(missing_ok=True)


def note_closed(key: str) -> None:
    """Note that napari was closed in good order; forget the oldest of what was closed before."""
    if (kept := _read_note(recovery_folder() / f"{key}.json")) is not None:
        _write_note(replace(kept, is_closed=True))
    for old in [kept for kept in list_kept() if kept.is_closed][MOST_CLOSED:]:
        forget(old.key)


def rename(kept: KeptPaint, key: str) -> KeptPaint:
    """Keep paint under the key of another layer, which now shows it."""
    moved = _of_this_process(replace(kept, key=key, is_closed=False))
    kept.file.replace(moved.file)
    _write_note(moved)
    forget(kept.key)
    return moved


def list_kept() -> list[KeptPaint]:
    """Return all paint that was not saved, the newest first."""
    notes = map(_read_note, recovery_folder().glob("*.json"))
    found = [kept for kept in notes if kept is not None and kept.file.exists()]
    return sorted(found, key=lambda kept: kept.when, reverse=True)


def left_behind() -> Iterator[KeptPaint]:
    """Yield paint of a napari that was closed, or of one that ended without being closed."""
    for kept in list_kept():
        if kept.is_closed or not is_at_work(kept):
            yield kept


def is_at_work(kept: KeptPaint) -> bool:
    """Return whether the process that keeps some paint still runs; that of another machine may."""
    if kept.host != socket.gethostname():
        return time.time() - kept.when < DAY
    return is_running(kept.process, kept.started)


def _of_this_process(kept: KeptPaint) -> KeptPaint:
    process, started = _this_process()
    return replace(
        kept, host=socket.gethostname(), process=process, started=started, when=time.time()
    )


@cache
def _this_process() -> tuple[int, float]:
    import psutil

    process = psutil.Process()
    return process.pid, process.create_time()


def _write_note(kept: KeptPaint) -> None:
    with replacing(kept.note) as partial:
        partial.write_text(json.dumps(asdict(kept), indent=1), encoding="utf-8")


def _read_note(path: Path) -> KeptPaint | None:
    """Read a note; None where it is missing or damaged."""
    try:
        kept = TypeAdapter(KeptPaint).validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    return kept if kept.key == path.stem else None

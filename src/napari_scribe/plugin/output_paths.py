"""Where results go that are written to disk, and what lies there already."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import TakenError
from ..user_folder import home
from .jobs.worker import Question

JobAt = Callable[[Path | None], Any]
"""Makes a job that writes to a path; raises `TakenError` where something else lies there."""
_NOT_IN_NAMES = re.compile(r'[\\/:*?"<>|\x00-\x1f]+')


def at_place(out: Path | None, name: str, is_small: bool, source: str | None, job_at: JobAt) -> Any:
    """A job that writes where the user said; else keeps small results in memory, others on disk.

    Parameters
    ----------
    out
        Where the user said, or None.
    name
        Under which a large result is kept.
    source
        The file of the image, which no result may replace.
    """
    if out is None:
        return job_at(None) if is_small else at_free_place(name, job_at)
    if source:
        from ..inference.begin import check_apart

        check_apart(out, Path(source))
    return at_chosen_place(out, job_at)


def at_chosen_place(path: Path, job_at: JobAt) -> Any:
    """A job that writes where the user said. What lies there already is not replaced unasked."""
    try:
        return job_at(path)
    except TakenError:
        raise Question(
            f"{path.name} holds something else already. Replace it?", "Replace it", "Leave it"
        ) from None


def at_free_place(name: str, job_at: JobAt) -> Any:
    """A job whose result is kept under a name, beside those that are there; an own one goes on."""
    stem = _NOT_IN_NAMES.sub("-", name).strip(" .-")[:60] or "image"
    n = 1
    while True:
        path = home() / "results" / f"{stem}{f'-{n}' if n > 1 else ''}.zarr"
        try:
            return job_at(path)
        except TakenError:
            n += 1

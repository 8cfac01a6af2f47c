"""What tifffile only logs of a file that is not whole."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError

_SIGNS = "page offset", "value offset", "failed to reshape"
"""What tifffile says where it gives fewer planes than a file tells of."""


class Damage(logging.Filter):
    """Hears what tifffile says of a file in this thread, and keeps it from the terminal."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()
        self.messages: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the record."""
        if record.thread != self._thread:
            return True
        self.messages.append(record.getMessage())
        return False

    def notes(self) -> list[str]:
        """What concerns planes that are left out."""
        found = (re.search(r"expected (\d+) frames, got (\d+)", m) for m in self.messages)
        return [surplus(int(m[2]), int(m[1])) for m in found if m]


@contextmanager
def damage_found(path: Path) -> Iterator[Damage]:
    """Raise for a file whose pages tifffile could not all follow: it only logs that."""
    logger, damage = logging.getLogger("tifffile"), Damage()
    logger.addFilter(damage)
    try:
        yield damage
    finally:
        logger.removeFilter(damage)
    if any(sign in message for sign in _SIGNS for message in damage.messages):
        raise InputError(incomplete(path))


def surplus(n_planes: int, n_declared: int) -> str:
    """Return what is said of planes that a file holds and its metadata do not tell of."""
    return (
        f"it holds {n_planes} planes, and its metadata tell of {n_declared}: others were left out."
    )


def incomplete(path: Path) -> str:
    """Return what is said of a file that is not whole."""
    return f"{path} is incomplete: it ends before its last image. Copy or save it again."

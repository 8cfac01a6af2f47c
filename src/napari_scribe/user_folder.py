"""Read and write settings and measurements in the user's folder, as JSON."""

from __future__ import annotations

import json
import logging
import os
import threading
from pathlib import Path
from typing import Any

log = logging.getLogger("napari_scribe")


def home() -> Path:
    """Return the folder for models, settings and measurements; ``NAPARI_SCRIBE_HOME`` moves it."""
    if path := os.environ.get("NAPARI_SCRIBE_HOME"):
        return Path(path)
    import platformdirs

    return Path(platformdirs.user_data_dir("napari-scribe", appauthor=False))


def read_table(name: str) -> dict[str, Any]:
    """Read a file of the folder; the table is empty if there is no file, or it is damaged."""
    try:
        table = json.loads((home() / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return table if isinstance(table, dict) else {}


def update_table(name: str, key: str, value: object) -> None:
    """Set one entry of a file of the folder; None removes it.

    The file is replaced as a whole, so that other processes never read half of it. If it cannot
    be written, nothing fails: the entry is just missing the next time.
    """
    table = read_table(name)
    if table.get(key) == value:
        return
    table[key] = value
    if value is None:
        del table[key]
    path = Path(os.path.realpath(home() / name))  # the file that a link points to is replaced
    partial = path.with_name(f".{name}.{os.getpid()}-{threading.get_ident()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(table, indent=1), encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        log.info("%s could not be saved: %s", name, error)
        if partial.exists():
            partial.unlink()

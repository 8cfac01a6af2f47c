"""Values last used, kept as JSON beside the models."""

from __future__ import annotations

import json
import logging
from typing import Any

from ..device import home

log = logging.getLogger("napari_scribe")


def recall(section: str) -> dict[str, Any]:
    """What was kept under a name; empty where there is nothing, or nothing readable."""
    found = _read().get(section)
    return found if isinstance(found, dict) else {}


def remember(section: str, values: dict[str, Any]) -> None:
    """Keep values under a name. A home that cannot be written costs the memory, nothing else."""
    known = _read()
    if known.get(section) == values:
        return
    known[section] = values
    path = home() / "settings.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(known, indent=1), encoding="utf-8")
    except OSError as error:
        log.warning("Settings are not kept: %s", error)


def _read() -> dict[str, Any]:
    try:
        known = json.loads((home() / "settings.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}

"""Read and write the values last used in a dock, kept in the user's folder."""

from __future__ import annotations

from typing import Any

from ..user_folder import read_table, update_table

FILE = "settings.json"


def recall(section: str) -> dict[str, Any]:
    """Return what was kept under a name; empty where there is nothing, or nothing readable."""
    values = read_table(FILE).get(section)
    return values if isinstance(values, dict) else {}


def remember(section: str, values: dict[str, Any]) -> None:
    """Keep values under a name."""
    update_table(FILE, section, values)

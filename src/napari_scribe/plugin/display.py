"""Find out whether a window can be opened. No Qt is imported: it aborts if it cannot start."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

PATIENCE = 60
"""Seconds that Qt may take to start."""


def display_problem() -> str | None:
    """Return why no window can be opened, in a few words; None where one can."""
    missing = [
        name for name in ("napari", "qtpy", "magicgui") if not importlib.util.find_spec(name)
    ]
    if missing:
        return f"{', '.join(missing)} not installed: pip install 'napari-scribe[gui]'"
    on_linux = sys.platform.startswith("linux")
    if on_linux and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "no display"
    start = "from qtpy.QtWidgets import QApplication; QApplication([])"
    try:
        tried = subprocess.run(
            [sys.executable, "-c", start], capture_output=True, text=True, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return "Qt does not start"
    if tried.returncode:
        lines = [line for line in tried.stderr.splitlines() if line.strip()]
        reason = next((line for line in lines if "lib" in line or "display" in line), "")
        return f"Qt cannot start. {reason}".strip()
    return None

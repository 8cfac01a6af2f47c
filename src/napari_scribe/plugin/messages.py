"""Put into words what went wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence

LISTED = 10
"""Names that are listed; the terminal has all."""


def listed(remarks: Sequence[tuple[str, str]]) -> str:
    """List the first few names with a remark on each: "a.tif (too small); and 3 more"."""
    named = "; ".join(f"{name} ({text.rstrip('.')})" for name, text in remarks[:LISTED])
    return f"{named}; and {len(remarks) - LISTED} more" if len(remarks) > LISTED else named


def explain(error: Exception) -> str:
    """Put an unforeseen error into words; its traceback is in the log."""
    text = (str(error).splitlines() or [""])[0]
    out_of_memory = isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and ("out of memory" in text.lower() or "not enough memory" in text.lower())
    )
    if out_of_memory:
        return (
            "Not enough memory. Under More settings choose a smaller patch, batch or tile, or the "
            "device cpu, and try again."
        )
    return f"Something went wrong ({type(error).__name__}: {text}). The terminal has the details."


def for_the_viewer(message: str) -> str:
    """Return a message of the core without what only makes sense on the command line."""
    for flag, here in _IN_THE_VIEWER:
        message = re.sub(flag, here, message)
    return message


_IN_THE_VIEWER = (
    (r"In the viewer, New", "New"),
    (r"Leave it out to let one be chosen", "Choose another under More settings"),
    (r"\buse segment\b", "use the Segment dock"),
    (r"\buse denoise\b", "use the Denoise dock"),
    (r"train on single images \(--pairs single\)", "choose The image itself under Pairs"),
    (r"; [^;.]*\(--complete[^)]*\)", ""),
    (r"Name it with --axes \(for example (\w+)\)", r"Write \1 under Axes"),
    (r", say which of them to use \(--channels 0\)", ""),
    (r"Choose one of its channels \(--channels 1\)", "Split it (Split RGB in its menu) first"),
    (r" \(--[^)]*\)", ""),
    (r"--axes (\w+)", r"\1 under Axes"),
    (r" with --\w+", ""),
)

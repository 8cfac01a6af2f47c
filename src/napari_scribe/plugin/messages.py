"""What is said when something goes wrong."""

from __future__ import annotations

from collections.abc import Sequence

from ..memory import is_out_of_memory

LISTED = 10
"""So many names are listed; the terminal has all."""


def listed(found: Sequence[tuple[str, str]]) -> str:
    """The first few names, with what is said of each: "a.tif (too small); and 3 more"."""
    named = "; ".join(f"{name} ({text.rstrip('.')})" for name, text in found[:LISTED])
    return f"{named}; and {len(found) - LISTED} more" if len(found) > LISTED else named


def explain(error: Exception) -> str:
    """An unforeseen error in words; its traceback is in the log."""
    text = (str(error).splitlines() or [""])[0]
    if is_out_of_memory(error):
        return (
            "Not enough memory. Under More settings choose a smaller patch, batch or tile, or the "
            "device cpu, and try again."
        )
    return f"Something went wrong ({type(error).__name__}: {text}). The terminal has the details."

"""Put into words what went wrong."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ..memory import is_out_of_memory

log = logging.getLogger("napari_scribe")

Remark = tuple[str, str]
"""The name of an image, and a word on it."""
LISTED = 10
"""Names that are listed; the terminal has all."""


def listed(remarks: Sequence[Remark]) -> str:
    """List the first few names with a remark on each: "a.tif (too small); and 3 more"."""
    named = "; ".join(f"{name} ({text.rstrip('.')})" for name, text in remarks[:LISTED])
    return f"{named}; and {len(remarks) - LISTED} more" if len(remarks) > LISTED else named


def with_remarks(text: str, failed: Sequence[Remark], notes: Sequence[Remark]) -> str:
    """Add which of several images failed, and what is noted on the others."""
    if failed:
        text += f" {len(failed)} failed: {listed(failed)}."
    if len(notes) > 1 and len({note for _, note in notes}) == 1:
        text += f" Note on {len(notes)} images: {notes[0][1].rstrip('.')}."
    elif notes:
        text += f" Notes: {listed(notes)}."
    return text


def explain(error: Exception, what: str) -> str:
    """Put an unforeseen error into words, and its traceback into the log.

    Parameters
    ----------
    what
        What failed, for the log.
    """
    log.error("%s failed", what, exc_info=error)
    text = (str(error).splitlines() or [""])[0]
    if is_out_of_memory(error):
        return (
            "Not enough memory. Close other programs, or ask for less at once: a part of the "
            "image, or a smaller patch, batch or tile where More settings has them. The device cpu "
            "has more memory than most graphics cards."
        )
    return f"Something went wrong ({type(error).__name__}: {text}). The terminal has the details."

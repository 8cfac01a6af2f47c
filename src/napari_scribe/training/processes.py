"""Tell how many processes torchrun has started. This loads no torch."""

from __future__ import annotations

import os


def is_launched() -> bool:
    """Return whether torchrun has started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def n_processes() -> int:
    """Return how many processes torchrun has started; 1 without it."""
    return int(os.environ["WORLD_SIZE"]) if is_launched() else 1


def n_processes_here() -> int:
    """Return how many of them share the memory of this machine."""
    return int(os.environ["LOCAL_WORLD_SIZE"]) if is_launched() else 1


def is_first_process() -> bool:
    """Return whether this process validates and saves: True without torchrun."""
    return n_processes() == 1 or os.environ["RANK"] == "0"

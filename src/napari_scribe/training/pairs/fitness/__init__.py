"""Check whether noisy pairs are fit for Noise2Noise, and correct them if they are not."""

from __future__ import annotations

from .check import Curves, Fitness, apply_remedies, check_pairs, check_remedies
from .findings import Finding
from .motion import find_motion

__all__ = [
    "Curves",
    "Finding",
    "Fitness",
    "apply_remedies",
    "check_pairs",
    "check_remedies",
    "find_motion",
]

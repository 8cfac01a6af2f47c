"""Check whether noisy pairs are fit for Noise2Noise, and correct them if they are not."""

from __future__ import annotations

from .check import (
    Curves,
    Fitness,
    apply_remedies,
    check_pairs,
    check_remedies,
    checking_pairs,
)
from .findings import Finding
from .measurements import CheckStep
from .motion import find_motion

__all__ = [
    "CheckStep",
    "Curves",
    "Finding",
    "Fitness",
    "apply_remedies",
    "check_pairs",
    "check_remedies",
    "checking_pairs",
    "find_motion",
]

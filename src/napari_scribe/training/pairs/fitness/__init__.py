"""Whether noisy pairs are fit for Noise2Noise, and what can be done where they are not."""

from __future__ import annotations

from .check import Curves, Fitness, apply_remedies, check_pairs, check_remedies
from .measurements import Finding
from .motion import moving

__all__ = [
    "Curves",
    "Finding",
    "Fitness",
    "apply_remedies",
    "check_pairs",
    "check_remedies",
    "moving",
]

"""Synthetic nuclei with exact truth, and somebody who paints on them."""

from __future__ import annotations

from .painter import simulate_paint
from .synthetic import Sample, nuclei

__all__ = ["Sample", "nuclei", "simulate_paint"]

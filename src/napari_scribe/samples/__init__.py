"""Synthetic nuclei with exact truth, still and as noisy movies, and somebody who paints on them."""

from __future__ import annotations

from .movie import Movie, noisy_movie
from .painter import simulate_paint
from .synthetic import Sample, nuclei

__all__ = ["Movie", "Sample", "noisy_movie", "nuclei", "simulate_paint"]

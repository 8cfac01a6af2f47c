"""Make synthetic nuclei with exact truth, still or as noisy movies, and paint on them."""

from __future__ import annotations

from .movie import Movie, noisy_movie
from .painter import simulate_paint
from .synthetic import PIXEL, Sample, nuclei

__all__ = ["PIXEL", "Movie", "Sample", "noisy_movie", "nuclei", "simulate_paint"]

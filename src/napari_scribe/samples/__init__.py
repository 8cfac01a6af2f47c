"""Make synthetic nuclei with exact truth, still or as noisy movies, and paint on truth."""

from __future__ import annotations

from .corrections import Correction, find_corrections, simulate_corrections
from .movie import Movie, noisy_movie
from .painter import SPARSE, simulate_paint
from .synthetic import PIXEL, Sample, nuclei

__all__ = [
    "PIXEL",
    "SPARSE",
    "Correction",
    "Movie",
    "Sample",
    "find_corrections",
    "noisy_movie",
    "nuclei",
    "simulate_corrections",
    "simulate_paint",
]

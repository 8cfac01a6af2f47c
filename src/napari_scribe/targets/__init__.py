"""Answers: what is painted, what a network learns from it, and what its predictions mean."""

from __future__ import annotations

from ..recipe import ObjectsTarget, Recipe
from .base import Encoded, Head, Parameters, Prediction, TargetCoder, count_channels
from .classes import ClassesCoder
from .distance import DistanceCoder
from .paint import Paint


def coder_of(recipe: Recipe, painted: tuple[int, ...] = (), offset: int = 0) -> TargetCoder:
    """The coder of a recipe's target.

    Parameters
    ----------
    painted, offset
        Values of the classes in paint, and what is taken off them in results (task ``classes``).
    """
    if isinstance(recipe.target, ObjectsTarget):
        return DistanceCoder(recipe.target)
    return ClassesCoder(painted, offset)


__all__ = [
    "Encoded",
    "Head",
    "Paint",
    "Parameters",
    "Prediction",
    "TargetCoder",
    "coder_of",
    "count_channels",
]

"""Answers: what is painted, what a network learns from it, and what its predictions mean."""

from __future__ import annotations

from ..errors import InputError
from ..recipe import DenoisedTarget, ObjectsTarget, Recipe
from .base import Coder, Encoded, Head, Parameters, Prediction, TargetCoder, count_channels
from .classes import ClassesCoder
from .denoised import DenoisedCoder
from .distance import DistanceCoder
from .paint import Paint


def coder_of(
    recipe: Recipe, painted: tuple[int, ...] = (), offset: int = 0, n_channels: int = 1
) -> Coder:
    """The coder of a recipe's target.

    Parameters
    ----------
    painted, offset
        Values of the classes in paint, and what is taken off them in results (task ``classes``).
    n_channels
        That the network sees (task ``denoised``).
    """
    if isinstance(recipe.target, DenoisedTarget):
        return DenoisedCoder(n_channels)
    return target_coder_of(recipe, painted, offset)


def target_coder_of(recipe: Recipe, painted: tuple[int, ...] = (), offset: int = 0) -> TargetCoder:
    """The coder of a target that is learnt from paint; `painted` and `offset` as in `coder_of`.

    Raises
    ------
    InputError
        If the recipe is one of a denoiser.
    """
    if isinstance(recipe.target, DenoisedTarget):
        raise InputError(
            "This is a recipe of a denoiser, which learns from noisy pairs and not from paint: "
            "train it as such (train_denoiser), or use the task objects or classes."
        )
    if isinstance(recipe.target, ObjectsTarget):
        return DistanceCoder(recipe.target)
    return ClassesCoder(painted, offset)


__all__ = [
    "Coder",
    "Encoded",
    "Head",
    "Paint",
    "Parameters",
    "Prediction",
    "TargetCoder",
    "coder_of",
    "count_channels",
    "target_coder_of",
]

"""A small painted image, and a recipe that learns from it quickly."""

from __future__ import annotations

import pytest

from napari_scribe.recipe import Recipe
from napari_scribe.samples import nuclei
from napari_scribe.samples.synthetic import Sample


@pytest.fixture(scope="session", autouse=True)
def always_in_float32(in_float32: None) -> None:
    """What is learnt is the same on every machine."""


@pytest.fixture(scope="session")
def sample() -> Sample:
    """Nuclei, ten of them painted."""
    return nuclei((160, 160), seed=1)


@pytest.fixture(scope="session")
def small() -> Recipe:
    """A network of a few thousand weights on small patches."""
    return Recipe().changed(
        {
            "network.depth": 2,
            "network.width": 4,
            "training.patch": 32,
            "training.batch": 2,
            "training.validate_every": 5,
        }
    )

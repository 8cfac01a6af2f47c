"""A small painted image, and a recipe that learns from it quickly."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from napari_scribe.device import precision
from napari_scribe.recipe import Recipe
from napari_scribe.samples import nuclei
from napari_scribe.samples.synthetic import Sample


@pytest.fixture(scope="session", autouse=True)
def in_float32() -> None:
    """Let this machine take float32 for what is fastest."""
    precision(torch.device("cpu"))
    path = Path(os.environ["NAPARI_SCRIBE_HOME"], "precision.json")
    path.write_text(json.dumps(dict.fromkeys(json.loads(path.read_text()), "float32")))
    assert precision(torch.device("cpu")) == torch.float32


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

"""The checkerboard of transposed convolutions that begin apart, and its absence else."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_scribe.networks import UNet

DOCS = Path(__file__).parents[2] / "docs"
SIDE = 256 + 2 * 72


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(DOCS / "make_checkerboard.py"))


def test_a_pattern_that_repeats_with_the_stride_stands_out(script: dict[str, Any]):
    rng = np.random.default_rng(0)
    noise, pattern = rng.normal(size=(256, 256)), np.tile(rng.normal(size=(8, 8)), (32, 32))
    assert script["prominence"](noise, 8) < 3 < script["prominence"](noise + pattern, 8)


@pytest.mark.parametrize("name", ["transposed", "nearest", "bilinear", "bicubic"])
def test_before_training_an_even_image_has_an_even_answer(script: dict[str, Any], name: str):
    assert deviation(script, script["untrained"](name, seed=1)) < 1e-5


def test_fine_pixels_that_begin_apart_make_a_checkerboard(script: dict[str, Any]):
    assert deviation(script, script["untrained"](script["APART"], seed=1)) > 0.05


def deviation(script: dict[str, Any], network: UNet) -> float:
    """Return the deviation of the answer to an even image, in units of its mean."""
    answer = script["answer_of"](network, np.full((SIDE, SIDE), 0.5))
    return float(answer.std() / np.abs(answer).mean())

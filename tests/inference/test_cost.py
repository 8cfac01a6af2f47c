"""What a network costs before it is trained."""

from __future__ import annotations

import pytest
import torch

from napari_scribe.inference.cost import cost_of
from napari_scribe.recipe import PRESETS, Recipe


def test_the_paper_s_network_has_31_million_parameters():
    values = {"depth": 4, "width": 64, "padding": "valid", "normalization": "none"}
    cost = cost_of(Recipe(network=values))
    assert cost.parameters_in_words == "31.03 M"
    assert cost.halo == (92, 92)  # it shrinks an image of 572 px to 388


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_its_costs(name: str):
    recipe = Recipe.preset(name)
    cost = cost_of(recipe)
    assert len(cost.halo) == recipe.network.dimensions
    assert cost.tile_bytes > 4 * recipe.network.features * cost.tile**recipe.network.dimensions
    assert f"work per pixel {cost.times_default} x that of" in cost.in_words()


def test_the_default_network_is_what_others_are_compared_with():
    assert cost_of(Recipe()).times_default == "1"
    assert cost_of(Recipe.preset("fast")).times_default == "0.25"  # half the width


def test_multiplications_are_counted_as_one_does_by_hand():
    """One level, width 2: a 3 x 3 convolution takes 9 of them for each pair of channels."""
    values = {"depth": 1, "width": 2, "padding": "same"}
    recipe = Recipe(network=values, tiling={"tile": 64})
    cost = cost_of(recipe)
    assert cost.halo == (8, 8)
    read, kept = 64 + 16, 64
    fine = read * read * 9 * (1 * 2 + 2 * 2)
    coarse = (read // 2) ** 2 * 9 * (2 * 4 + 4 * 4)
    # The decoder leaves out what lies in the halo, but for the 2 px that its convolutions see.
    inner = kept + 4
    up = (inner // 2) ** 2 * 4 * (4 * 2)
    decoded = inner * inner * 9 * (4 * 2 + 2 * 2)
    head = inner * inner * 2 * 2
    assert cost.work == pytest.approx((fine + coarse + up + decoded + head) / kept**2)


def test_counting_leaves_the_random_numbers_alone():
    """A training that runs beside it goes on as it would."""
    before = torch.get_rng_state()
    cost_of(Recipe(network={"width": 6}))
    assert torch.equal(torch.get_rng_state(), before)

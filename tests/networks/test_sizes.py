"""Sizes through a network: those of the paper's figure, and those of the page about them."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import torch

from napari_scribe.inference.tiles import plan_tiles
from napari_scribe.model import build_network
from napari_scribe.networks import UNet, geometry_of
from napari_scribe.networks.sizes import stages_of
from napari_scribe.recipe import Recipe
from napari_scribe.recipe import UNet as UNetRecipe
from napari_scribe.targets import encoding_of
from napari_scribe.training.patches import patch_shape

DOCS = Path(__file__).parents[2] / "docs"
PAPER = Recipe.preset("unet2015")


def on_meta(recipe: Recipe) -> UNet:
    with torch.device("meta"):  # a shape, and no values
        network = build_network(recipe, 1, encoding_of(recipe))
    assert isinstance(network, UNet)
    return network


def test_the_preset_is_the_network_of_the_papers_figure():
    """Ronneberger et al. 2015, figure 1: the size and the features of every map."""
    network = on_meta(PAPER)
    stages = [s for s in stages_of(network, (572, 572)) if s.layer != "join"]
    assert [s.shape[0] for s in stages] == [
        570, 568, 284, 282, 280, 140, 138, 136, 68, 66, 64, 32, 30, 28,
        56, 54, 52, 104, 102, 100, 200, 198, 196, 392, 390, 388, 388,
    ]  # fmt: skip
    assert [s.channels for s in stages] == [
        64, 64, 64, 128, 128, 128, 256, 256, 256, 512, 512, 512, 1024, 1024,
        512, 512, 512, 256, 256, 256, 128, 128, 128, 64, 64, 64, 2,
    ]  # fmt: skip
    assert all(s.shape[0] == s.shape[1] for s in stages)


def test_the_preset_has_31_million_weights():
    assert sum(p.numel() for p in on_meta(PAPER).parameters()) == 31_030_658


def test_the_preset_segments_by_the_tiles_of_the_paper():
    (tile,) = plan_tiles((384, 384), PAPER.tile, geometry_of(PAPER.network))
    assert tile.read_shape == (572, 572)


def test_the_preset_learns_as_the_paper_did():
    assert patch_shape(PAPER.training.patch, geometry_of(PAPER.network))[0] == (572, 572)
    assert (PAPER.training.batch, PAPER.training.optimizer, PAPER.training.momentum) == (
        1, "sgd", 0.99,
    )  # fmt: skip
    augmentation = PAPER.augmentation
    assert augmentation.elastic == 10
    assert round(572 / augmentation.elastic_grid) + 1 == 3  # displacements along each side
    (head,) = encoding_of(PAPER).heads
    assert (head.kind, head.channels) == ("categorical", 2)
    target = PAPER.target
    assert (target.border_weight, target.border_sigma) == (10, 5)


@pytest.mark.parametrize("padding", ["same", "valid", "full"])
@pytest.mark.parametrize("upsampling", ["transposed", "bicubic"])
def test_the_last_stage_is_the_answer(padding: str, upsampling: str):
    recipe = UNetRecipe(depth=2, width=2, padding=padding, upsampling=upsampling)
    network = UNet(recipe, 1, 3).eval()
    side = network.geometry[0].input_size(8, 0)
    seen = []
    for layer in [*network.encoder, *network.joins, *network.decoder]:
        layer.register_forward_hook(lambda _layer, _given, answer: seen.append(answer.shape[1:]))
    with torch.inference_mode():
        network(torch.zeros(1, 1, side, side))
    stages = [(s.channels, *s.shape) for s in stages_of(network, (side, side))]
    assert all(tuple(shape) in stages for shape in seen)
    assert stages[-1][0] == 3


def test_a_size_that_is_not_taken_is_refused():
    with pytest.raises(ValueError, match="188 x 188 px or more, in steps of 16 x 16"):
        stages_of(on_meta(PAPER), (180, 180))


def test_the_page_shows_the_table_that_is_printed():
    table = runpy.run_path(str(DOCS / "make_sizes.py"))["table"]
    page = (DOCS / "networks" / "sizes.md").read_text(encoding="utf-8")
    assert table(4, 64, 572) in page

"""The variants of the U-Net: padding, blocks, normalization, upsampling, dropout."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import napari_scribe as ns
from napari_scribe.errors import InputError
from napari_scribe.networks import (
    UNet,
    depends_on_image,
    geometry_of,
    measure_geometry,
    with_statistics_of,
)
from napari_scribe.networks.blocks import SharedBlock, crop
from napari_scribe.recipe import UNet as Recipe

PADDINGS = "same", "valid", "full"
BLOCKS = "plain", "residual", "shared"
SKIPS = "concatenate", "add", "none"
NORMALIZATIONS = "batch", "instance", "group", "none"
UPSAMPLINGS = {
    2: ("transposed", "nearest", "bilinear", "bicubic"),
    3: ("transposed", "nearest", "trilinear"),
}


def random_pixels(network: UNet, kept: int = 1, n: int = 1) -> Tensor:
    shape = [g.input_size(kept, g.shrinkage) for g in network.geometry]
    return torch.randn(n, 1, *shape)


# ---- geometry -----------------------------------------------------------------------------------


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("upsampling", UPSAMPLINGS[2])
def test_geometry_is_what_perturbation_shows(padding: str, upsampling: str):
    recipe = Recipe(depth=2, width=2, padding=padding, upsampling=upsampling, normalization="none")
    network = UNet(recipe, 1, 1)
    assert measure_geometry(network, 1) == network.geometry


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("block", ["residual", "shared"])
def test_blocks_see_as_far_as_two_convolutions(padding: str, block: str):
    recipe = Recipe(depth=1, width=2, padding=padding, block=block)
    network = UNet(recipe, 1, 1)
    plain = recipe.model_copy(update={"block": "plain"})
    assert measure_geometry(network, 1) == network.geometry == geometry_of(plain)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("flat_levels", [0, 1])
def test_geometry_in_3d_is_what_perturbation_shows(padding: str, flat_levels: int):
    recipe = Recipe(
        dimensions=3,
        depth=1,
        width=4,
        flat_levels=flat_levels,
        padding=padding,
        block="residual",
        upsampling="trilinear",
    )
    network = UNet(recipe, 1, 1)
    assert measure_geometry(network, 1) == network.geometry


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_sizes_are_taken_and_given_as_said_or_refused(padding: str, depth: int):
    network = UNet(Recipe(depth=depth, width=2, padding=padding, upsampling="bicubic"), 1, 1).eval()
    g, _ = network.geometry
    across = g.input_size(1, 0)
    for size in range(1, g.smallest + 2 * g.stride + 1):
        for shape in ((size, across), (across, size)):
            x = torch.zeros(1, 1, *shape)
            if g.takes(size):
                with torch.inference_mode():
                    assert network(x).shape[2:] == tuple(map(g.output_size, shape))
            else:
                with pytest.raises(ValueError, match=f"{g.smallest} x {g.smallest} px or more"):
                    network(x)


recipes = st.builds(
    lambda dimensions, depth, padding, block, skips, normalization, upsampling: Recipe(
        dimensions=dimensions,
        depth=depth if dimensions == 2 else 1,
        flat_levels=depth % 2,
        width=2,
        padding=padding,
        block=block,
        skips=skips,
        normalization=normalization,
        upsampling=upsampling if dimensions == 2 or upsampling[:2] != "bi" else "trilinear",
    ),
    dimensions=st.sampled_from([2, 2, 3]),
    depth=st.integers(1, 3),
    padding=st.sampled_from(PADDINGS),
    block=st.sampled_from(BLOCKS),
    skips=st.sampled_from(SKIPS),
    normalization=st.sampled_from(NORMALIZATIONS),
    upsampling=st.sampled_from(UPSAMPLINGS[2]),
)


@settings(max_examples=40, deadline=None)
@given(recipe=recipes, margin=st.tuples(*[st.integers(0, 100)] * 3))
@example(recipe=Recipe(depth=4, width=2), margin=(96, 96))
@example(recipe=Recipe(depth=4, width=2, padding="valid"), margin=(16, 32))
@example(recipe=Recipe(depth=3, width=2, dimensions=3, flat_levels=2), margin=(32, 96, 64))
def test_what_is_left_out_is_not_missed(recipe: Recipe, margin: tuple[int, ...]):
    """Within a margin the answer is that of the whole."""
    torch.manual_seed(0)
    network = UNet(recipe, 1, 1).double().eval()
    margin = margin[:2] if recipe.dimensions == 2 else tuple(m // 4 for m in margin)
    sizes = zip(network.geometry, margin, strict=True)
    x = torch.randn(1, 1, *(g.input_size(1 + 2 * m, g.shrinkage) for g, m in sizes)).double()
    network = with_statistics_of(network, x)
    with torch.inference_mode():
        torch.testing.assert_close(network(x, margin), crop(network(x), margin))


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("skips", ["add", "none"])
def test_every_kind_of_skip_connection_sees_as_far(padding: str, skips: str):
    network = UNet(Recipe(depth=2, width=4, padding=padding, skips=skips), 1, 1)
    assert measure_geometry(network, 1) == network.geometry


@pytest.mark.parametrize("skips", SKIPS)
def test_without_skip_connections_all_goes_through_the_coarsest_level(skips: str):
    torch.manual_seed(0)
    network = UNet(Recipe(depth=2, width=2, skips=skips), 1, 1).eval()
    network.encoder[-1].register_forward_hook(lambda _, __, answer: torch.zeros_like(answer))
    one, other = torch.randn(2, 1, 1, 16, 16)
    with torch.inference_mode():
        assert torch.equal(network(one), network(other)) == (skips == "none")


# ---- weights ------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(recipe=recipes)
def test_every_weight_takes_part(recipe: Recipe):
    torch.manual_seed(0)
    network = UNet(recipe, 1, 3)
    network(random_pixels(network, kept=16, n=2)).square().sum().backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    # What a normalization subtracts again, and weights of ReLUs that all are off, have no gradient.
    assert len(silent) <= 2


@settings(max_examples=20, deadline=None)
@given(recipe=recipes)
def test_fewer_layers_answer_the_same(recipe: Recipe):
    torch.manual_seed(0)
    network = UNet(recipe, 1, 3)
    with torch.no_grad():
        network(random_pixels(network, kept=16, n=2))  # statistics of batch normalization
    network.eval()
    x = random_pixels(network, kept=16)
    fixed = with_statistics_of(network, x)
    folded = fixed.folded()
    left = [m for m in folded.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert not left and not depends_on_image(folded)
    with torch.inference_mode():
        torch.testing.assert_close(folded(x), fixed(x), rtol=1e-4, atol=1e-4)


def test_shared_blocks_have_one_convolution_and_two_normalizations():
    network = UNet(Recipe(depth=1, width=4, block="shared"), 1, 1)
    plain = UNet(Recipe(depth=1, width=4), 1, 1)
    widths = [m.kernel_size for m in network.encoder.modules() if isinstance(m, nn.Conv2d)]
    assert widths == [(1, 1), (3, 3)] * 2
    assert len([m for m in network.encoder.modules() if isinstance(m, nn.BatchNorm2d)]) == 2 * 3
    assert sum(p.numel() for p in network.parameters()) < sum(p.numel() for p in plain.parameters())
    names = list(network.state_dict())
    assert len(names) == len(set(names)) and not any("again" in name.lower() for name in names)


def test_a_shared_convolution_is_used_twice():
    torch.manual_seed(0)
    network = UNet(Recipe(depth=1, width=2, block="shared", normalization="none"), 1, 1).eval()
    block = network.encoder[0]
    assert isinstance(block, SharedBlock)
    x = torch.randn(1, 1, 8, 8)
    entered = block.enter(x)
    convolution = block.first[0]
    expected = (entered + convolution(convolution(entered).relu())).relu()
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize(
    ("width", "groups"), [(16, [8, 8]), (6, [6, 6]), (22, [2, 4]), (11, [1, 2])]
)
def test_groups_divide_the_features(width: int, groups: list[int]):
    network = UNet(Recipe(depth=1, width=width, normalization="group"), 1, 1)
    norms = [m for m in network.encoder.modules() if isinstance(m, nn.GroupNorm)]
    assert [norms[0].num_groups, norms[-1].num_groups] == groups


# ---- normalization by the image -----------------------------------------------------------------


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("normalization", ["instance", "group"])
def test_one_piece_is_answered_as_by_the_network_itself(normalization: str, dimensions: int):
    torch.manual_seed(0)
    recipe = Recipe(dimensions=dimensions, depth=1, width=6, normalization=normalization)
    network = UNet(recipe, 1, 2).eval()
    x = torch.randn(1, 1, *(24,) * dimensions)
    fixed = with_statistics_of(network, x)
    assert depends_on_image(network) and not depends_on_image(fixed)
    with torch.inference_mode():
        torch.testing.assert_close(fixed(x), network(x), rtol=1e-4, atol=1e-5)
        part, far = x[..., :16], (..., slice(0, 4))  # the first pixels see none of the others
        assert (network(part)[far] - network(x)[far]).abs().max() > 1e-3
        torch.testing.assert_close(fixed(part)[far], fixed(x)[far], rtol=1e-4, atol=1e-5)


def test_the_statistics_of_several_pieces_are_those_of_all_their_pixels():
    torch.manual_seed(0)
    network = nn.Sequential(nn.InstanceNorm2d(2, affine=True), nn.GroupNorm(1, 2))
    pieces = torch.randn(5, 2, 6, 7) * torch.tensor([1.0, 3.0])[:, None, None] + 2
    first, second = with_statistics_of(network, pieces)
    torch.testing.assert_close(first.running_mean, pieces.mean(dim=(0, 2, 3)))
    torch.testing.assert_close(first.running_var, pieces.var(dim=(0, 2, 3), correction=0))
    entered = first(pieces)
    torch.testing.assert_close(second.running_mean, entered.mean().expand(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(second.running_var, entered.var(correction=0).expand(2))


# ---- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "advice"),
    [
        ({"dimensions": 3, "upsampling": "bilinear"}, "in 3D use trilinear"),
        ({"dimensions": 3, "upsampling": "bicubic"}, "in 3D use trilinear"),
        ({"upsampling": "trilinear"}, "in 2D use bilinear"),
    ],
)
def test_upsampling_for_other_dimensions_is_refused(values: dict[str, Any], advice: str):
    with pytest.raises(ValueError, match=advice):
        Recipe(**values)


def test_the_reason_is_said_alone():
    with pytest.raises(InputError, match=r"network\.upsampling: bilinear is for 2D"):
        ns.Recipe().changed({"network.dimensions": 3, "network.upsampling": "bilinear"})

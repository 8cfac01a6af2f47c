"""FCN, FusionNet and the residual symmetric U-Net: against their papers and their own geometry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import napari_scribe as ns
from napari_scribe.errors import InputError
from napari_scribe.inference.tiles import plan_tiles
from napari_scribe.networks import FCN, NETWORKS, FusionNet, Network
from napari_scribe.networks.blocks import crop
from napari_scribe.networks.residual_symmetric import ResidualSymmetric, levels_of
from napari_scribe.recipe import FCN as FCNRecipe
from napari_scribe.recipe import NETWORK_KINDS, PRESETS
from napari_scribe.recipe import FusionNet as FusionNetRecipe
from napari_scribe.recipe import ResidualSymmetric as ResidualSymmetricRecipe
from napari_scribe.training.setup import for_thick_slices

Values = dict[str, Any]
PLANES: list[Values] = [
    *({"kind": "fcn", "stride": stride} for stride in (8, 32)),
    {"kind": "fcn", "stride": 16, "bottom": 1},
    {"kind": "fusionnet", "depth": 2},
    {"kind": "residual_symmetric", "depth": 2},
]
VOLUMES: list[Values] = [
    {"kind": "fusionnet", "depth": 1, "dimensions": 3},
    *(
        {"kind": "residual_symmetric", "depth": depth, "flat_levels": flat, "dimensions": 3}
        for depth, flat in ((1, 0), (2, 1), (2, 2))
    ),
]


def built(values: Values, channels_out: int = 1, width: int = 2) -> Network:
    torch.manual_seed(0)
    recipe = NETWORK_KINDS[values["kind"]](**{"width": width, **values})
    return NETWORKS[values["kind"]](recipe, 1, channels_out).eval()


# ---- what they see ------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [*PLANES, *VOLUMES], ids=str)
def test_perturbed_pixels_reach_as_far_as_the_geometry_says(values: Values):
    """One plane of pixels is lit, at each phase of the stride; every weight is positive."""
    network = built(values).double()
    for parameter in network.parameters():
        nn.init.constant_(parameter, 1 / max(1, parameter[0].numel()) if parameter.ndim > 1 else 0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            nn.init.ones_(module.weight)
    for axis in range(network.dimensions - 1):  # Y is as X
        g = network.geometry[axis]
        shape = [other.smallest for other in network.geometry]
        first = g.input_size(g.receptive_field + 1, 0)
        shape[axis] = 2 * first + g.stride
        x = torch.zeros(g.stride, 1, *shape, dtype=torch.float64)
        for phase in range(g.stride):
            x[phase].select(axis + 1, first + phase).fill_(1)
        with torch.inference_mode():
            y = network(x).movedim(axis + 2, 1).flatten(2)
        phase, row = torch.nonzero(y.amax(dim=2) > 0).T
        lit = first + phase
        assert row.min() > 0 and row.max() < shape[axis] - 1
        assert (row - lit).abs().max() == g.receptive_field
        # A tile that ends at the cell of the lit pixels would lack them on either side.
        spoiled = max(first - int(row.min()), int(row.max()) + 1 - (first + g.stride))
        assert spoiled == g.border <= g.halo < g.border + g.stride


@settings(max_examples=20)
@given(
    values=st.sampled_from([*PLANES, *VOLUMES]),
    margin=st.tuples(*[st.integers(0, 12)] * 3),
)
def test_what_is_left_out_is_not_missed(values: Values, margin: tuple[int, ...]):
    network = built(values).double()
    margin = margin if network.dimensions == 3 else tuple(4 * m for m in margin[1:])
    sizes = zip(network.geometry, margin, strict=True)
    shape = [g.input_size(1 + 2 * m, 0) for g, m in sizes]
    x = torch.randn(1, 1, *shape).double()
    with torch.inference_mode():
        torch.testing.assert_close(network(x, margin), crop(network(x), margin))


@pytest.mark.parametrize("values", [*PLANES, *VOLUMES], ids=str)
def test_sizes_that_do_not_fit_are_refused(values: Values):
    network = built(values)
    shape = [g.smallest for g in network.geometry]
    with torch.inference_mode():
        assert network(torch.zeros(1, 1, *shape)).shape == (1, 1, *shape)
        with pytest.raises(ValueError, match="takes no images"):
            network(torch.zeros(1, 1, *shape[:-1], shape[-1] + 1))


def test_halos():
    """What docs/networks/other-networks.md says."""
    assert built({"kind": "fcn"}).geometry[0].halo == 160
    assert built({"kind": "fcn", "bottom": 7}).geometry[0].halo == 224
    assert built({"kind": "fusionnet", "depth": 3}).geometry[0].halo == 120
    z, y, x = built(
        {"kind": "residual_symmetric", "dimensions": 3, "depth": 4, "flat_levels": 4}
    ).geometry
    assert (z.stride, z.halo) == (1, 21)
    assert y == x and (y.stride, y.halo) == (16, 144)


# ---- what they are made of ----------------------------------------------------------------------


@pytest.mark.parametrize("values", [*PLANES, *VOLUMES], ids=str)
def test_every_weight_takes_part(values: Values):
    network = built(values, channels_out=3).train()
    shape = [2 * g.smallest for g in network.geometry]
    network(torch.randn(2, 1, *shape)).square().sum().backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not silent


@pytest.mark.parametrize("values", [*PLANES, *VOLUMES], ids=str)
def test_folding_changes_no_answer(values: Values):
    network = built(values)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.running_mean)
    folded = network.folded()
    assert not any(isinstance(m, nn.BatchNorm2d | nn.BatchNorm3d) for m in folded.modules())
    x = torch.randn(1, 1, *(g.smallest * 2 for g in network.geometry))
    with torch.inference_mode():
        torch.testing.assert_close(folded(x), network(x), rtol=1e-4, atol=1e-4)
        network.answer_zero()
        assert not network(x).any()


@pytest.mark.parametrize(("stride", "n_maps"), [(32, 1), (16, 2), (8, 3)])
def test_fcn_adds_up_maps_of_scores(stride: int, n_maps: int):
    """The convolutions of VGG-16, and one map of scores more with each halving of the stride."""
    with torch.device("meta"):
        network = FCN(FCNRecipe(stride=stride, width=64), 3, 5)
    convolutions = [m for m in network.stages.modules() if isinstance(m, nn.Conv2d)]
    assert [m.out_channels for m in convolutions] == [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6
    scores = [network.bottom[-1], *network.scores]
    assert [m.out_channels for m in scores] == [5] * n_maps
    assert [m.in_channels for m in scores] == [1024, 512, 256][:n_maps]
    assert [m.stride for m in (*network.ups, network.last)] == [(2, 2)] * (n_maps - 1) + [
        (stride, stride)
    ]


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_upsampling_begins_as_bilinear_interpolation(stride: int):
    network = FCN(FCNRecipe(stride=stride, width=2), 1, 3)
    scores = torch.randn(1, 3, 5, 6)
    for layer, factor in [(network.last, stride), *((up, 2) for up in network.ups)]:
        with torch.inference_mode():
            finer = layer(scores)
        expected = F.interpolate(scores, scale_factor=factor, mode="bilinear")
        inner = (..., slice(factor, -factor), slice(factor, -factor))
        assert finer.shape == expected.shape
        torch.testing.assert_close(finer[inner], expected[inner])


def test_fusionnet_has_five_convolutions_a_level():
    with torch.device("meta"):
        network = FusionNet(FusionNetRecipe(depth=4, width=64), 1, 2)
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 9 * 5 + 1
    assert [level[0][0].out_channels for level in network.encoder] == [64, 128, 256, 512, 1024]
    assert [up.out_channels for up in network.ups] == [512, 256, 128, 64]


def test_residual_symmetric_is_that_of_the_paper():
    """28 to 80 features; the finest level looks within slices, and no level halves Z."""
    recipe = ResidualSymmetricRecipe(dimensions=3, depth=4, flat_levels=4, width=28)
    network = ResidualSymmetric(recipe, 1, 12)
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv3d)]
    features = [m.out_channels for m in network.encoder.modules() if isinstance(m, nn.Conv3d)]
    assert features[::3] == [28, 36, 48, 64, 80]
    kernels = [m.kernel_size for m in convolutions]
    flat, deep, wide = (1, 3, 3), (3, 3, 3), (1, 5, 5)
    assert kernels == [wide, *[flat] * 3, *[deep] * 21, *[flat] * 3, wide, (1, 1, 1)]
    assert {pool.kernel_size for pool in network.pools} == {(1, 2, 2)}
    assert {up.stride for up in network.ups} == {(1, 2, 2)}


def test_residual_symmetric_halves_z_once_slices_are_no_thicker_than_pixels():
    recipe = ResidualSymmetricRecipe(dimensions=3, depth=3)
    assert recipe.for_thick_slices(4) == {"flat_levels": 2}
    network = built({"kind": "residual_symmetric", "dimensions": 3, "depth": 3, "flat_levels": 2})
    assert [g.stride for g in network.geometry] == [2, 8, 8]
    assert network.pools[-1].kernel_size == (2, 2, 2)


@pytest.mark.parametrize(
    ("scale", "units", "flat_levels"),
    [
        ({"Z": 1.0, "Y": 1.0}, {"Z": "micrometer"}, 0),
        ({"Z": 0.2, "Y": 0.2}, {}, 0),
        ({"Z": 4.0, "Y": 1.0}, {"Z": "pixel"}, 2),
        ({"Z": 1.0, "Y": 1.0}, {"Z": "pixel"}, 1),  # nobody has measured it: the default stays
        ({}, {}, 1),
    ],
)
def test_the_pixel_size_decides_about_flat_levels(scale: Any, units: Any, flat_levels: int):
    volume = ns.Image(np.zeros((8, 32, 32)), "ZYX", scale=scale, units=units)
    recipe = ns.Recipe(network={"kind": "residual_symmetric", "dimensions": 3})
    assert for_thick_slices(recipe, volume).network.flat_levels == flat_levels


# ---- in recipes ---------------------------------------------------------------------------------


def test_they_are_chosen_by_name():
    recipe = ns.Recipe().changed({"network.kind": "fcn", "network.stride": "16"})
    assert recipe.network == FCNRecipe(stride=16)
    recipe = ns.Recipe().changed({"network.kind": "residual_symmetric", "network.dimensions": 3})
    assert recipe.network == ResidualSymmetricRecipe(dimensions=3, depth=2)
    assert recipe.training.patch == 48
    with pytest.raises(InputError, match=r"network.stride.*8, 16 or 32"):
        ns.Recipe().changed({"network.kind": "fcn", "network.stride": 4})


@pytest.mark.parametrize(
    ("kind", "dimensions"),
    [(kind, n) for kind, part in NETWORK_KINDS.items() for n in part.takes_dimensions],
)
def test_a_recipe_is_the_same_after_it_is_saved(kind: str, dimensions: int):
    recipe = ns.Recipe(network={"kind": kind, "dimensions": dimensions})
    assert ns.Recipe(**recipe.model_dump()) == recipe
    of_its_own = type(recipe.network)(dimensions=dimensions)
    assert type(of_its_own)(**of_its_own.model_dump()) == of_its_own


def test_fcn_is_for_planes_and_says_what_is_for_volumes():
    with pytest.raises(InputError, match=r"for volumes choose unet, fusionnet, residual_symm"):
        ns.Recipe().changed({"network.kind": "fcn", "network.dimensions": 3})


@pytest.mark.parametrize("name", ["unet3d2016", "snemi2017"])
def test_a_preset_for_volumes_is_refused_on_a_plane(name: str):
    plane, paint = np.arange(4096.0).reshape(64, 64), np.zeros((64, 64), np.int32)
    paint[8:20, 8:20], paint[40:44] = 2, 1
    with pytest.raises(InputError, match=r"has axes YX: a 3D model needs a Z axis"):
        ns.train([ns.Image(plane, "YX")], [paint], ns.Recipe.preset(name), device="cpu")


def test_presets_build_the_networks_of_their_papers():
    kinds = {name: ns.Recipe.preset(name).network for name in PRESETS}
    assert kinds["fcn8"] == FCNRecipe(stride=8) and kinds["fusionnet"] == FusionNetRecipe()
    assert kinds["unet3d2016"].dimensions == 3 and kinds["unet3d2016"].depth == 3
    snemi = ns.Recipe.preset("snemi2017")
    assert snemi.encoding == "affinities" and snemi.target.long_range
    assert snemi.network == ResidualSymmetricRecipe(dimensions=3, depth=4, flat_levels=4, width=28)
    thick = ns.Image(np.zeros((8, 32, 32)), "ZYX", scale={"Z": 4.0, "Y": 1.0, "X": 1.0})
    assert for_thick_slices(snemi, thick) == snemi  # what is chosen stays


def test_tiles_of_thick_slices_keep_at_least_the_halo():
    """Else most of what is read along Z would be halo: the stride there is 1, in the plane 16."""
    network = ResidualSymmetricRecipe(dimensions=3, depth=4, flat_levels=4)
    geometry = tuple(axis.geometry for axis in levels_of(network))
    tile = plan_tiles((100, 400, 400), 96, geometry)[0]
    assert tile.kept_shape == (20, 80, 80) and tile.margin == (21, 144, 144)
    assert plan_tiles((96, 400, 400), 16, geometry)[0].kept_shape == (16, 16, 16)

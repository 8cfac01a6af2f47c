"""The geometry of U-Nets against what the networks themselves do."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from napari_scribe.networks import UNet, geometry_of, sides
from napari_scribe.networks.unet import Levels
from napari_scribe.recipe import UNet as Recipe

DEPTHS = 1, 2, 3, 4
PADDINGS = "same", "valid"
VOLUMES = [
    *((d, f, padding) for d in (1, 2) for f in range(d + 1) for padding in PADDINGS),
    (3, 1, "same"),
    (3, 3, "same"),
]
"""Depth, flat levels and padding; deeper valid ones are too large to be quick."""


def open_network(**recipe: Any) -> UNet:
    """A network that lets everything through: equal positive weights, nothing added."""
    network = UNet(Recipe(width=2, **recipe), 1, 1).double().eval()
    for module in network.modules():
        if isinstance(module, nn.modules.conv._ConvNd):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network


def seen(network: UNet, margin: int, axis: int) -> tuple[npt.NDArray[np.int_], range]:
    """Which lit input planes move which output planes, for one plane of each phase of the stride.

    Returns
    -------
    lit
        ``(n, 2)``: pairs of an input and an output plane, in coordinates of the output.
    planes
        Output planes that there are.
    """
    g = network.geometry[axis]
    shape = [other.input_size(1, halo=0) for other in network.geometry]
    shape[axis] = g.input_size(2 * margin + 2 * g.stride)
    x = torch.zeros(g.stride, 1, *shape, dtype=torch.float64)
    first = g.shrinkage + (margin // g.stride + 1) * g.stride
    for phase in range(g.stride):
        x[phase].select(axis + 1, first + phase).fill_(1)
    with torch.inference_mode():
        y = network(x).movedim(axis + 2, 1).flatten(2)
    phase, plane = torch.nonzero(y.amax(dim=2) > 0).numpy().T
    return np.stack([phase + first - g.shrinkage, plane], axis=1), range(y.shape[1])


def check_sight(network: UNet, axis: int) -> None:
    g = network.geometry[axis]
    pairs, planes = seen(network, margin=g.receptive_field + 1, axis=axis)
    assert pairs[:, 1].min() > 0 and pairs[:, 1].max() < planes.stop - 1  # nothing was cut off
    assert np.abs(pairs[:, 0] - pairs[:, 1]).max() == g.receptive_field


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("depth", DEPTHS)
def test_receptive_field_is_what_the_network_sees(depth: int, padding: str, axis: int):
    check_sight(open_network(depth=depth, padding=padding), axis)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize(("depth", "flat_levels", "padding"), VOLUMES)
def test_each_axis_of_a_volume_sees_as_far_as_said(
    depth: int, flat_levels: int, padding: str, axis: int
):
    check_sight(
        open_network(depth=depth, padding=padding, dimensions=3, flat_levels=flat_levels), axis
    )


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("depth", DEPTHS)
def test_what_a_tile_keeps_sees_no_farther_than_the_halo(depth: int, padding: str):
    network = open_network(depth=depth, padding=padding)
    g = network.geometry[0]
    pairs, _ = seen(network, margin=g.receptive_field + 1, axis=0)
    source, row = pairs.T
    start = row // g.stride * g.stride
    before, after = (start - source).max(), (source - (start + g.stride - 1)).max()
    assert before <= g.halo
    if padding == "same":  # what `valid` gives needs no care: it saw real pixels only
        assert max(before, after) == g.border <= g.halo


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("depth", DEPTHS)
def test_shifting_by_the_stride_shifts_the_output(depth: int, padding: str):
    torch.manual_seed(0)
    network = UNet(Recipe(depth=depth, width=2, padding=padding), 1, 1).double().eval()
    g = network.geometry[0]
    reach = g.border
    x = torch.randn(1, 1, g.input_size(2 * reach + 4 * g.stride), g.input_size(1)).double()
    with torch.inference_mode():
        still, moved = network(x), network(x.roll(g.stride, dims=2))
    n = still.shape[2]
    inner = slice(-(-reach // g.stride) * g.stride + g.stride, n - reach)
    assert inner.stop > inner.start
    expected = still[:, :, inner.start - g.stride : inner.stop - g.stride]
    torch.testing.assert_close(moved[:, :, inner], expected)
    for step in range(1, g.stride):
        with torch.inference_mode():
            between = network(x.roll(step, dims=2))
        other = still[:, :, inner.start - step : inner.stop - step]
        assert not torch.allclose(between[:, :, inner], other)


def test_known_numbers():
    """The halos that the design promises, and the sizes of the U-Net paper."""
    halves = [geometry_of(Recipe(depth=depth)) for depth in (2, 3, 4)]
    assert [g.border for g, _ in halves] == [22, 46, 94]
    paper, same = geometry_of(Recipe(depth=4, padding="valid"))
    assert paper == same == Levels((2,) * 4, (2,) * 5, "valid").geometry
    assert paper.takes(572) and paper.output_size(572) == 388
    assert paper.shrinkage == paper.halo == 92


def test_flat_levels_are_one_pixel_deep():
    z, y, x = geometry_of(Recipe(depth=3, dimensions=3, flat_levels=2))
    assert z == Levels((1, 1, 2), (0, 0, 2, 2)).geometry
    assert y == x == geometry_of(Recipe(depth=3))[0]
    assert (z.stride, y.stride) == (2, 8)
    assert z.halo == geometry_of(Recipe(depth=1))[0].halo


def test_sides_are_alike_in_length_not_in_pixels():
    thick = geometry_of(Recipe(depth=3, dimensions=3, flat_levels=2))
    assert sides(96, thick) == (24, 96, 96)
    assert sides(33, thick) == (9, 33, 33)
    assert sides(33, geometry_of(Recipe(depth=3, dimensions=3))) == (33, 33, 33)
    assert sides(33, geometry_of(Recipe())) == (33, 33)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("kept", [1, 2, 7, 16, 33])
def test_input_size_is_the_smallest_that_is_enough(depth: int, padding: str, kept: int):
    g, _ = geometry_of(Recipe(depth=depth, padding=padding))
    size = g.input_size(kept)
    assert g.takes(size)
    assert size - 2 * g.halo >= kept
    assert not any(g.takes(n) for n in range(kept + 2 * g.halo, size))


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("flat_levels", [0, 1, 2])
def test_3d_sizes(flat_levels: int, padding: str):
    recipe = Recipe(depth=2, width=2, padding=padding, dimensions=3, flat_levels=flat_levels)
    network = UNet(recipe, 2, 3).eval()
    shape = [g.input_size(kept) for g, kept in zip(network.geometry, (1, 3, 6), strict=True)]
    with torch.inference_mode():
        y = network(torch.zeros(1, 2, *shape))
    expected = [g.output_size(n) for g, n in zip(network.geometry, shape, strict=True)]
    assert y.shape == (1, 3, *expected)
    with pytest.raises(ValueError):
        network(torch.zeros(1, 2, *shape[:-1], shape[-1] + 1))

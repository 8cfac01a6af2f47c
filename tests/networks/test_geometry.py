"""The geometry that is worked out against what the network itself does."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from napari_scribe.networks import Geometry, UNet, geometry_of
from napari_scribe.recipe import UNet as Recipe

DEPTHS = 1, 2, 3, 4
PADDINGS = "same", "valid"


def open_network(depth: int, padding: str, dimensions: int = 2) -> UNet:
    """A network that lets everything through: equal positive weights, nothing added."""
    recipe = Recipe(depth=depth, width=2, padding=padding, dimensions=dimensions)
    network = UNet(recipe, 1, 1).double().eval()
    for module in network.modules():
        if isinstance(module, nn.modules.conv._ConvNd):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network


def seen(network: UNet, margin: int, axis: int) -> tuple[npt.NDArray[np.int_], range]:
    """Which lit input rows move which output rows, for one row of each phase of the stride.

    Returns
    -------
    lit
        ``(n, 2)``: pairs of an input row and an output row, in coordinates of the output.
    rows
        Output rows that there are.
    """
    g = network.geometry
    size, across = g.input_size(2 * margin + 2 * g.stride), g.input_size(1)
    x = torch.zeros(g.stride, 1, size, across, dtype=torch.float64)
    first = g.shrinkage + (margin // g.stride + 1) * g.stride
    for phase in range(g.stride):
        x[phase, :, first + phase] = 1
    with torch.inference_mode():
        y = network(x if axis == 0 else x.mT)
    y = y if axis == 0 else y.mT
    phase, row = torch.nonzero(y.amax(dim=(1, 3)) > 0).numpy().T
    return np.stack([phase + first - g.shrinkage, row], axis=1), range(y.shape[2])


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("depth", DEPTHS)
def test_receptive_field_is_what_the_network_sees(depth: int, padding: str, axis: int):
    network = open_network(depth, padding)
    g = network.geometry
    pairs, rows = seen(network, margin=g.receptive_field + 1, axis=axis)
    assert pairs[:, 1].min() > 0 and pairs[:, 1].max() < rows.stop - 1  # nothing was cut off
    assert np.abs(pairs[:, 0] - pairs[:, 1]).max() == g.receptive_field


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("depth", DEPTHS)
def test_what_a_tile_keeps_sees_no_farther_than_the_halo(depth: int, padding: str):
    network = open_network(depth, padding)
    g = network.geometry
    pairs, _ = seen(network, margin=g.receptive_field + 1, axis=0)
    source, row = pairs.T
    start = row // g.stride * g.stride
    before, after = (start - source).max(), (source - (start + g.stride - 1)).max()
    assert before <= g.halo
    if padding == "same":  # what `valid` gives needs no care: it saw real pixels only
        assert max(before, after) == g.aligned_reach <= g.halo


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("depth", DEPTHS)
def test_shifting_by_the_stride_shifts_the_output(depth: int, padding: str):
    torch.manual_seed(0)
    network = UNet(Recipe(depth=depth, width=2, padding=padding), 1, 1).double().eval()
    g = network.geometry
    reach = g.aligned_reach if padding == "same" else 0
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


def test_one_pixel_in_3d_moves_a_cube():
    network = open_network(1, "same", dimensions=3)
    g = network.geometry
    size = g.input_size(2 * g.receptive_field + 2)
    for place in (size // 2, size // 2 + 1):
        x = torch.zeros(1, 1, size, size, size, dtype=torch.float64)
        x[..., place, place, place] = 1
        with torch.inference_mode():
            at = torch.nonzero(network(x)[0, 0] > 0)
        for axis in range(3):
            low, high = int(at[:, axis].min()), int(at[:, axis].max())
            assert place - low <= g.receptive_field and high - place <= g.receptive_field
            assert max(place - low, high - place) == g.receptive_field
            assert len(at) == (high - low + 1) ** 3


def test_known_numbers():
    """The halos that the design promises, and the sizes of the U-Net paper."""
    assert [Geometry(d, 2, valid=False).aligned_reach for d in (2, 3, 4)] == [22, 46, 94]
    paper = Geometry(4, 2, valid=True)
    assert paper.takes(572) and paper.output_size(572) == 388
    assert paper.shrinkage == paper.halo == 92
    assert geometry_of(Recipe(depth=4, padding="valid")) == paper


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("depth", DEPTHS)
def test_takes_and_output_size_against_forward_passes(depth: int, padding: str):
    """What fits gives the size that is foretold; what does not fit is refused, not cropped."""
    network = UNet(Recipe(depth=depth, width=2, padding=padding), 1, 1).eval()
    g = network.geometry
    across = g.input_size(1)
    for size in range(1, g.input_size(1) + 2 * g.stride + 1):
        for shape in ((size, across), (across, size)):
            x = torch.zeros(1, 1, *shape)
            if not g.takes(size):
                with pytest.raises(ValueError, match=str(size)):
                    network(x)
                continue
            with torch.inference_mode():
                y = network(x)
            assert y.shape[2:] == tuple(g.output_size(n) for n in shape)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("kept", [1, 2, 7, 16, 33])
def test_input_size_is_the_smallest_that_is_enough(depth: int, padding: str, kept: int):
    g = geometry_of(Recipe(depth=depth, padding=padding))
    size = g.input_size(kept)
    assert g.takes(size)
    assert size - 2 * g.halo >= kept
    assert not any(g.takes(n) for n in range(kept + 2 * g.halo, size))


@pytest.mark.parametrize("padding", PADDINGS)
def test_3d_sizes(padding: str):
    network = UNet(Recipe(depth=1, width=2, padding=padding, dimensions=3), 2, 3).eval()
    g = network.geometry
    shape = [g.input_size(1), g.input_size(3), g.input_size(6)]
    with torch.inference_mode():
        y = network(torch.zeros(1, 2, *shape))
    assert y.shape == (1, 3, *map(g.output_size, shape))
    with pytest.raises(ValueError):
        network(torch.zeros(1, 2, shape[0] + 1, *shape[1:]))

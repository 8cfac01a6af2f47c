"""The U-Net: its parts against the papers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_scribe.networks import UNet
from napari_scribe.networks.blocks import crop_center, memory_format, placed
from napari_scribe.recipe import UNet as Recipe


def test_the_network_of_the_paper():
    """23 convolutions, features doubled from 64 to 1024 (Ronneberger et al. 2015, figure 1)."""
    network = UNet(Recipe(depth=4, width=64, padding="valid"), 1, 2)
    kinds = nn.Conv2d, nn.ConvTranspose2d
    convolutions = [m for m in network.modules() if isinstance(m, kinds)]
    assert len(convolutions) == 23
    assert [m.out_channels for m in network.encoder.modules() if isinstance(m, nn.Conv2d)] == [
        64, 64, 128, 128, 256, 256, 512, 512, 1024, 1024,
    ]  # fmt: skip
    assert [j.up.in_channels for j in network.joins] == [1024, 512, 256, 128]
    assert network.head.kernel_size == (1, 1)


def test_weights_have_the_names_and_shapes_of_kept_models():
    """Models that were saved before there were flat levels still fit."""
    state = UNet(Recipe(dimensions=3, depth=1, width=2), 1, 4).state_dict()
    convolutions = {k: tuple(v.shape) for k, v in state.items() if v.ndim == 5}
    assert convolutions == {
        "encoder.0.0.0.weight": (2, 1, 3, 3, 3),
        "encoder.0.1.0.weight": (2, 2, 3, 3, 3),
        "encoder.1.0.0.weight": (4, 2, 3, 3, 3),
        "encoder.1.1.0.weight": (4, 4, 3, 3, 3),
        "joins.0.up.weight": (4, 2, 2, 2, 2),
        "decoder.0.0.0.weight": (2, 4, 3, 3, 3),
        "decoder.0.1.0.weight": (2, 2, 3, 3, 3),
        "head.weight": (4, 2, 1, 1, 1),
    }
    assert len(state) - len(convolutions) == 2 + 6 * 5  # biases, batch normalizations


def test_flat_levels_look_within_slices():
    network = UNet(Recipe(dimensions=3, depth=2, width=2, flat_levels=1), 1, 1)
    widths = [module.kernel_size for module in network.modules() if isinstance(module, nn.Conv3d)]
    assert widths == [(1, 3, 3)] * 2 + [(3, 3, 3)] * 6 + [(1, 3, 3)] * 2 + [(1, 1, 1)]
    assert [pool.kernel_size for pool in network.pools] == [(1, 2, 2), (2, 2, 2)]
    assert [join.up.stride for join in network.joins] == [(2, 2, 2), (1, 2, 2)]


@pytest.mark.parametrize("dimensions", [2, 3])
def test_every_weight_takes_part(dimensions: int):
    torch.manual_seed(0)
    network = UNet(Recipe(dimensions=dimensions, depth=2, width=2), 2, 3)
    network(torch.randn(2, 2, *(8,) * dimensions)).square().sum().backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not silent


def test_he_initialisation_keeps_the_variance():
    torch.manual_seed(0)
    network = UNet(Recipe(depth=2, width=32), 1, 1)
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 5000:
            fan = module.in_channels * module.weight[0, 0].numel()
            assert module.weight.std().item() == pytest.approx((2 / fan) ** 0.5, rel=0.05), name
            assert module.bias is None or not module.bias.any()


def test_skips_are_cropped_around_their_centre():
    x = torch.arange(10.0).reshape(1, 1, 10, 1).expand(1, 1, 10, 6)
    cropped = crop_center(x, torch.Size([4, 2]))
    assert cropped.shape == (1, 1, 4, 2)
    assert cropped[0, 0, :, 0].tolist() == [3, 4, 5, 6]
    assert crop_center(x, x.shape[2:]) is x


def test_the_decoder_works_on_little_more_than_is_kept():
    """On what two convolutions of each level see, rounded out to pixels of the next."""
    network = UNet(Recipe(depth=3, width=2), 1, 1).eval()
    taken: list[int] = []
    for level in network.decoder:
        level.register_forward_pre_hook(lambda _, given: taken.append(given[0].shape[-1]))
    with torch.inference_mode():
        network(torch.zeros(1, 1, 64 + 96, 64 + 96), (48, 48))
    assert taken == [16 + 2 * 4, 32 + 2 * 3, 64 + 2 * 2]


@pytest.mark.parametrize("dimensions", [2, 3])
def test_placing_changes_the_layout_and_nothing_else(dimensions: int):
    torch.manual_seed(0)
    network = UNet(Recipe(dimensions=dimensions, depth=1, width=4), 2, 1).eval()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    x = torch.randn(1, 2, *(8,) * dimensions)
    with torch.inference_mode():
        plain = network(x)
        there = placed(network, dimensions, torch.device("cpu"))
        again = there(x.contiguous(memory_format=memory_format(dimensions)))
    assert there is network
    layout = memory_format(dimensions)
    assert network.decoder[0][0][0].weight.is_contiguous(memory_format=layout)
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    torch.testing.assert_close(again, plain, rtol=1e-4, atol=1e-5)

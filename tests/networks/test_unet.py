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

"""Networks with random weights, and models around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from napari_scribe.model import Model, build_network
from napari_scribe.networks import UNet
from napari_scribe.networks.per_image import PER_IMAGE
from napari_scribe.normalization import Normalization
from napari_scribe.recipe import Recipe
from napari_scribe.targets import encoding_of


def _randomize(network: UNet, seed: int) -> UNet:
    """Give weights and the statistics of batch normalization random values."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for module in network.modules():
            if isinstance(module, nn.modules.conv._ConvNd):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.normal_(module.bias, std=0.3)
            elif isinstance(module, nn.modules.batchnorm._BatchNorm):
                nn.init.normal_(module.weight, mean=1, std=0.3)
                nn.init.normal_(module.bias, std=0.3)
                nn.init.normal_(module.running_mean, std=0.3)
                nn.init.uniform_(module.running_var, 0.5, 2)
            elif isinstance(module, PER_IMAGE):
                nn.init.normal_(module.weight, mean=1, std=0.3)
                nn.init.normal_(module.bias, std=0.3)
    return network.eval()


def _balance(network: UNet, n_channels: int) -> None:
    """Shift and stretch the answers to noise, so that about half of them is a yes."""
    generator = torch.Generator().manual_seed(0)  # else the answers depend on the tests before
    pixels = torch.rand(1, n_channels, *(48,) * network.dimensions, generator=generator)
    pixels = pixels.repeat_interleave(2, dim=-1)
    window = (..., *(slice(0, g.input_size(16)) for g in network.geometry))
    pixels = pixels.repeat(1, 1, *(3,) * network.dimensions)[window]
    with torch.no_grad():
        logits = network(pixels).transpose(0, 1).flatten(1)
        gain = 3 / logits.std(dim=1)
        network.head.weight *= gain.reshape(-1, *(1,) * (network.dimensions + 1))
        network.head.bias.sub_(logits.median(dim=1).values).mul_(gain)


def _random_model(
    task: str = "objects", n_channels: int = 1, painted: tuple[int, ...] = (), **network: Any
) -> Model:
    """Make a small model that was never trained."""
    recipe = Recipe(task=task, network={"depth": 2, "width": 4, **network})
    coder = encoding_of(recipe, painted)
    net = _randomize(build_network(recipe, n_channels, coder), seed=1)
    _balance(net, n_channels)
    return Model(
        network=net,
        recipe=recipe,
        channels=tuple(range(n_channels)),
        image_channels=n_channels,
        normalization=Normalization(dtype="uint16", floor=1.0),
        painted=painted,
        parameters={"min_size": 1.0, "peak": 0.0, "foreground": 0.5} if task == "objects" else {},
    )


@pytest.fixture(scope="session")
def randomize() -> Callable[[UNet, int], UNet]:
    """Give a network random weights."""
    return _randomize


@pytest.fixture(scope="session")
def random_model() -> Callable[..., Model]:
    """Make a model that was never trained."""
    return _random_model


@pytest.fixture(scope="session")
def model() -> Model:
    """A small model that was never trained."""
    return _random_model()

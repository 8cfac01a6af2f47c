"""Normalize the features of a network by the statistics of an image, the same for all its tiles.

Instance and group normalization take their statistics from what the network sees at once. Tiles
would each have their own, and their answers would not fit together. So the statistics are measured
once, on a sample of the image, and are then constants: the network becomes one with batch
normalization, which is exact in tiles and is folded into the convolutions.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

from .blocks import NORM

PER_IMAGE = nn.InstanceNorm2d, nn.InstanceNorm3d, nn.GroupNorm
"""Layers that take their statistics from the image."""
AnyModule = TypeVar("AnyModule", bound=nn.Module)


def depends_on_image(network: nn.Module) -> bool:
    """Return whether a network normalizes its features by statistics of the image it sees."""
    return any(isinstance(layer, PER_IMAGE) for layer in network.modules())


def with_statistics_of(network: AnyModule, sample: Tensor) -> AnyModule:
    """Return a copy of a network whose features are normalized by the statistics of a sample.

    Parameters
    ----------
    network
        It is not changed. A network that does not depend on the image is returned as it is.
    sample
        Pieces of one image, ``(n, C, *spatial)``. The statistics are those of all of them together.
        With one piece, the copy answers to it as the network itself does.
    """
    if not depends_on_image(network):
        return network
    fixed = copy.deepcopy(network).eval()
    layers = [(name, m) for name, m in fixed.named_modules() if isinstance(m, PER_IMAGE)]
    for name, layer in layers:
        fixed.set_submodule(name, _Measured(layer, sample.ndim - 2))
    with torch.no_grad():
        fixed(sample.to(next(network.parameters()).device))
    for name, _ in layers:
        measured = fixed.get_submodule(name)
        assert isinstance(measured, _Measured)
        fixed.set_submodule(name, measured.constant)
    return fixed


class _Measured(nn.Module):
    """Measure what is about to be normalized, then normalize it by that.

    Parameters
    ----------
    layer
        The layer that this one stands for.
    dimensions
        Number of spatial axes.
    """

    def __init__(self, layer: nn.Module, dimensions: int) -> None:
        super().__init__()
        assert isinstance(layer, PER_IMAGE)
        if isinstance(layer, nn.GroupNorm):
            n_features, self.n_groups = layer.num_channels, layer.num_groups
        else:
            n_features = self.n_groups = layer.num_features
        self.constant = NORM[dimensions](n_features, eps=layer.eps).to(layer.weight.device).eval()
        self.constant.weight, self.constant.bias = layer.weight, layer.bias

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalized features of ``(n, C, *spatial)``."""
        variances, means = torch.var_mean(x, dim=(0, *range(2, x.ndim)), correction=0)
        means, variances = (v.reshape(self.n_groups, -1) for v in (means, variances))
        mean = means.mean(dim=1, keepdim=True)
        variance = (variances + (means - mean) ** 2).mean(dim=1, keepdim=True)
        self.constant.running_mean = mean.expand_as(means).flatten()
        self.constant.running_var = variance.expand_as(means).flatten()
        normalized: Tensor = self.constant(x)
        return normalized

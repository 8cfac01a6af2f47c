"""Build FusionNet, Quan et al. 2016: residual blocks within a U-Net whose skips are summed."""

from __future__ import annotations

from torch import nn

from ..recipe import FusionNet as FusionNetRecipe
from .blocks import Layers
from .symmetric import Kernel, Residual, Symmetric, without_activation
from .unet import Levels

RADIUS = 5
"""Pixels that the five convolutions of a level see to either side."""


class FusionNet(Symmetric):
    """Contract and expand an image by residual blocks; skipped features are added.

    Each level is a convolution, a residual block of three convolutions, and a convolution.

    Parameters
    ----------
    recipe
        Dimensions, depth, width and normalization.
    channels_in, channels_out
        Channels of the input image and of the answer (logits).

    Notes
    -----
    https://arxiv.org/abs/1612.05360
    """

    def __init__(self, recipe: FusionNetRecipe, channels_in: int, channels_out: int) -> None:
        super().__init__()
        d, depth = recipe.dimensions, recipe.depth
        convolution = Layers(normalization=recipe.normalization)

        def module(kernel: Kernel, n_in: int, n_out: int) -> nn.Module:
            block = [convolution(kernel, n_out, n_out) for _ in range(3)]
            block[-1] = without_activation(block[-1])
            return nn.Sequential(
                convolution(kernel, n_in, n_out),
                Residual(block, nn.ReLU(inplace=True)),
                convolution(kernel, n_out, n_out),
            )

        self.build(
            levels=(Levels((2,) * depth, (RADIUS,) * (depth + 1)),) * d,
            kernels=[(3,) * d] * (depth + 1),
            widths=[recipe.width * 2**level for level in range(depth + 1)],
            channels_in=channels_in,
            channels_out=channels_out,
            module=module,
        )

"""Build the residual symmetric U-Net, Lee et al. 2017, for stacks of thick slices."""

from __future__ import annotations

from torch import nn

from ..recipe import ResidualSymmetric as ResidualSymmetricRecipe
from .blocks import Layers
from .symmetric import Kernel, Residual, Symmetric, without_activation
from .unet import Levels

FEATURES = 28, 36, 48, 64, 80, 96
"""Features of each level if the width is the first of these; the paper has the first five."""
EMBEDDING = 5
"""Width of the convolutions before and after all levels, within slices."""
MODULE_RADIUS = 3
"""Pixels that the three convolutions of a module see to either side."""


class ResidualSymmetric(Symmetric):
    """Contract and expand a volume by residual modules; skipped features are added.

    Each module is a convolution and a residual block of two convolutions. The finest level looks
    within slices only, all others look at three slices. Pooling is within slices first.

    Parameters
    ----------
    recipe
        Dimensions, depth, width, normalization and flat levels.
    channels_in, channels_out
        Channels of the input image and of the answer (logits).

    Notes
    -----
    https://arxiv.org/abs/1706.00120
    """

    def __init__(
        self, recipe: ResidualSymmetricRecipe, channels_in: int, channels_out: int
    ) -> None:
        super().__init__()
        levels = levels_of(recipe)
        plain = Layers(normalization=recipe.normalization)

        def convolution(kernel: Kernel, n_in: int, n_out: int) -> nn.Sequential:
            layers = without_activation(plain(kernel, n_in, n_out))
            return nn.Sequential(*layers, nn.ELU(inplace=True))

        def module(kernel: Kernel, n_in: int, n_out: int) -> nn.Module:
            block = [
                convolution(kernel, n_out, n_out),
                without_activation(convolution(kernel, n_out, n_out)),
            ]
            return nn.Sequential(
                convolution(kernel, n_in, n_out), Residual(block, nn.ELU(inplace=True))
            )

        widths = [round(recipe.width * n / FEATURES[0]) for n in FEATURES[: recipe.depth + 1]]
        in_plane = (1, EMBEDDING, EMBEDDING)[-recipe.dimensions :]
        self.build(
            levels=levels,
            kernels=[
                tuple(1 if axis.radii[level] == 0 else 3 for axis in levels)
                for level in range(recipe.depth + 1)
            ],
            widths=widths,
            channels_in=widths[0],
            channels_out=channels_out,
            module=module,
            first=convolution(in_plane, channels_in, widths[0]),
            last=convolution(in_plane, widths[0], widths[0]),
        )


def levels_of(recipe: ResidualSymmetricRecipe) -> tuple[Levels, ...]:
    """Return the levels of the network that a recipe describes, one entry per spatial axis."""
    depth, n_flat = recipe.depth, recipe.flat_levels
    coarser = (MODULE_RADIUS,) * depth
    # Those of the finest level include the convolutions before and after all levels.
    plane = Levels((2,) * depth, (MODULE_RADIUS + EMBEDDING // 2, *coarser))
    if recipe.dimensions == 2:
        return plane, plane
    finest = 0 if n_flat else MODULE_RADIUS
    return (
        Levels((1,) * n_flat + (2,) * (depth - n_flat), (finest, *coarser)),
        plane,
        plane,
    )

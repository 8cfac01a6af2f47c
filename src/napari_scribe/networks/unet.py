"""The U-Net, Ronneberger et al. 2015, and its 3D sibling, Cicek et al. 2016."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from ..recipe import UNet as UNetRecipe
from .blocks import CONVOLUTION, POOL, DoubleConvolution, Join, initialize
from .geometry import Geometry, geometry_of


class UNet(nn.Module):
    """Contracting and expanding path with skip connections by concatenation.

    Parameters
    ----------
    recipe
        Dimensions, depth, width and padding.
    channels_in, channels_out
        Channels of the input image and of the answer (logits).

    Notes
    -----
    https://arxiv.org/abs/1505.04597 and, in 3D, https://arxiv.org/abs/1606.06650.
    """

    def __init__(self, recipe: UNetRecipe, channels_in: int, channels_out: int) -> None:
        super().__init__()
        d, valid = recipe.dimensions, recipe.padding == "valid"
        self.dimensions: int = d
        self.geometry: Geometry = geometry_of(recipe)
        widths = [recipe.width * 2**level for level in range(recipe.depth + 1)]
        self.encoder = nn.ModuleList(
            DoubleConvolution(d, a, b, valid)
            for a, b in zip([channels_in, *widths], widths, strict=False)
        )
        self.pool = POOL[d](2)
        self.joins = nn.ModuleList(Join(d, w) for w in widths[-2::-1])
        self.decoder = nn.ModuleList(DoubleConvolution(d, 2 * w, w, valid) for w in widths[-2::-1])
        self.head = CONVOLUTION[d](widths[0], channels_out, 1)
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(N, channels_out, *spatial)`` of images ``(N, channels_in, *spatial)``.

        Raises
        ------
        ValueError
            If the network does not take images of this size: see `Geometry.takes`.
        """
        if not all(self.geometry.takes(n) for n in x.shape[2:]):
            raise ValueError(f"This network takes no images of {tuple(x.shape[2:])} px.")
        skips = []
        for level in self.encoder[:-1]:
            x = level(x)
            skips.append(x)
            x = self.pool(x)
        x = self.encoder[-1](x)
        for join, level in zip(self.joins, self.decoder, strict=True):
            x = level(join(x, skips.pop()))
        return cast(Tensor, self.head(x))

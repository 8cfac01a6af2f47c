"""The U-Net, Ronneberger et al. 2015, and its 3D sibling, Cicek et al. 2016."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from ..recipe import UNet as UNetRecipe
from .blocks import CONVOLUTION, POOL, Convolution, DoubleConvolution, Join, crop, initialize
from .geometry import Geometry, geometry_of


class UNet(nn.Module):
    """Contracting and expanding path with skip connections by concatenation.

    Parameters
    ----------
    recipe
        Dimensions, depth, width, padding and flat levels.
    channels_in, channels_out
        Channels of the input image and of the answer (logits).

    Notes
    -----
    https://arxiv.org/abs/1505.04597 and, in 3D, https://arxiv.org/abs/1606.06650; flat levels for
    thick slices as in nnU-Net, https://arxiv.org/abs/1904.08128.
    """

    def __init__(self, recipe: UNetRecipe, channels_in: int, channels_out: int) -> None:
        super().__init__()
        d = recipe.dimensions
        convolution = Convolution(recipe.padding == "valid", recipe.normalization == "batch")
        self.dimensions: int = d
        self.geometry: tuple[Geometry, ...] = geometry_of(recipe)
        # Per level and axis. Two convolutions that see `radius` together are 1 + radius wide.
        kernels = [
            tuple(1 + r for r in radii)
            for radii in zip(*(g.radii for g in self.geometry), strict=True)
        ]
        factors = list(zip(*(g.factors for g in self.geometry), strict=True))
        widths = [recipe.width * 2**level for level in range(recipe.depth + 1)]
        self.encoder = nn.ModuleList(
            DoubleConvolution(convolution, k, a, b)
            for k, a, b in zip(kernels, [channels_in, *widths[:-1]], widths, strict=True)
        )
        self.pools = nn.ModuleList(POOL[d](f) for f in factors)
        up = list(zip(factors, kernels, widths, strict=False))[::-1]
        self.joins = nn.ModuleList(Join(f, w) for f, _, w in up)
        self.decoder = nn.ModuleList(DoubleConvolution(convolution, k, 2 * w, w) for _, k, w in up)
        self.head = CONVOLUTION[d](widths[0], channels_out, 1)
        initialize(self)

    def forward(self, x: Tensor, margin: Sequence[int] | None = None) -> Tensor:
        """Logits ``(N, channels_out, *spatial)`` of images ``(N, channels_in, *spatial)``.

        Parameters
        ----------
        margin
            Pixels per axis that are cropped off either side of the answer. The decoder does not
            work on what only they need.

        Raises
        ------
        ValueError
            If the network does not take images of this size: see `Geometry.takes`.
        """
        if not all(g.takes(n) for g, n in zip(self.geometry, x.shape[2:], strict=True)):
            raise ValueError(f"This network takes no images of {tuple(x.shape[2:])} px.")
        margins = margin or (0,) * self.dimensions
        crops = [g.crops(m) for g, m in zip(self.geometry, margins, strict=True)]
        coarsest, *upsampled, last = zip(*crops, strict=True)
        skips = []
        for level, pool in zip(self.encoder[:-1], self.pools, strict=True):
            x = level(x)
            skips.append(x)
            x = pool(x)
        x = crop(self.encoder[-1](x), coarsest)
        for join, level, cut in zip(self.joins, self.decoder, upsampled, strict=True):
            x = level(join(x, skips.pop(), cut))
        return crop(cast(Tensor, self.head(x)), last)

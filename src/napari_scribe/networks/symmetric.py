"""Build what symmetric encoder-decoders with summed skip connections have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from torch import Tensor, nn

from .base import Network
from .blocks import CONVOLUTION, POOL, TRANSPOSED, crop, crop_center, initialize, set_to_zero
from .unet import Levels, contract, crops_of

Kernel = tuple[int, ...]
"""Width of a convolution along each axis."""
MakeModule = Callable[[Kernel, int, int], nn.Module]
"""Build what one level does: ``(kernel, channels in, channels out) -> module``."""


class Symmetric(Network):
    """Contract and expand an image; skipped features are added, so each level mirrors itself.

    A subclass builds its levels by `build`.

    Attributes
    ----------
    levels
        Factors and radii of the levels, one entry per spatial axis.
    """

    levels: tuple[Levels, ...]

    def build(
        self,
        levels: tuple[Levels, ...],
        kernels: Sequence[Kernel],
        widths: Sequence[int],
        channels_in: int,
        channels_out: int,
        module: MakeModule,
        first: nn.Module | None = None,
        last: nn.Module | None = None,
    ) -> None:
        """Build the layers.

        Parameters
        ----------
        levels
            Factors and radii of the levels, one entry per spatial axis. The radii of the finest
            level include those of `first` and `last`.
        kernels, widths
            Kernel and number of features of each level, the finest first.
        channels_in, channels_out
            Channels of what the finest level gets, and of the answer (logits).
        module
            Builds what a level does, on the way down and on the way up.
        first, last
            What comes before the finest level, and after it.
        """
        d = self.dimensions = len(levels)
        self.levels, self.geometry = levels, tuple(axis.geometry for axis in levels)
        factors = list(zip(*(axis.factors for axis in levels), strict=True))
        up = list(zip(factors, kernels, widths, widths[1:], strict=False))[::-1]
        self.first = first or nn.Identity()
        self.encoder = nn.ModuleList(
            module(k, a, b)
            for k, a, b in zip(kernels, (channels_in, *widths), widths, strict=False)
        )
        self.pools = nn.ModuleList(POOL[d](f) for f in factors)
        self.ups = nn.ModuleList(
            TRANSPOSED[d](below, w, kernel_size=f, stride=f) for f, _, w, below in up
        )
        self.decoder = nn.ModuleList(module(k, w, w) for _, k, w, _ in up)
        self.last = last or nn.Identity()
        self.head = CONVOLUTION[d](widths[0], channels_out, 1)
        initialize(self)

    def forward(self, x: Tensor, margin: Sequence[int] | None = None) -> Tensor:
        """Return logits ``(N, channels_out, *spatial)`` of images ``(N, channels_in, *spatial)``.

        Parameters
        ----------
        margin
            Pixels per axis that are cropped off either side of the answer. The decoder skips what
            only these pixels need.

        Raises
        ------
        ValueError
            If the network does not take images of this size: see `Geometry.takes`.
        """
        self.check_size(x)
        coarsest, upsampled, rest = crops_of(self.levels, margin)
        x, skips = contract(self.first(x), self.encoder, self.pools)
        x = crop(self.encoder[-1](x), coarsest)
        for up, level, cut in zip(self.ups, self.decoder, upsampled, strict=True):
            finer = crop(up(x), cut)
            x = level(finer + crop_center(skips.pop(), finer.shape[2:]))
        return crop(cast(Tensor, self.head(self.last(x))), rest)

    def answer_zero(self) -> None:
        """Set the weights so that the network answers 0 to everything until it is trained."""
        set_to_zero(self.head)


class Residual(nn.Module):
    """Add the input of some layers to their output, and apply an activation to the sum."""

    def __init__(self, layers: Sequence[nn.Module], activation: nn.Module) -> None:
        super().__init__()
        self.layers, self.activation = nn.Sequential(*layers), activation

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the same shape."""
        return cast(Tensor, self.activation(x + self.layers(x)))


def without_activation(layer: nn.Module) -> nn.Sequential:
    """Return a convolution as `blocks.Layers` builds it, without its activation."""
    assert isinstance(layer, nn.Sequential)
    return nn.Sequential(*list(layer)[:-1])

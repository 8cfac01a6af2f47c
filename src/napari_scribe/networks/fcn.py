"""Build the fully convolutional networks of Long et al. 2015: FCN-32s, FCN-16s and FCN-8s."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from ..recipe import FCN as FCNRecipe
from .base import Network
from .blocks import Layers, crop, initialize, set_to_zero
from .geometry import Convolve, Down, Geometry, Join, Step, Up

CONVOLUTIONS = 2, 2, 3, 3, 3
"""Convolutions of each stage, as in VGG-16; each stage halves the image."""
FEATURES = 1, 2, 4, 8, 8
"""Features of each stage, as multiples of the width."""
BOTTOM_FEATURES = 16
"""Features of the two layers at the bottom. The paper has 64, from a network for photographs."""
COARSEST = 1 << len(CONVOLUTIONS)
"""Pixels per side of a pixel at the bottom."""


class FCN(Network):
    """Score each class on coarse maps, and add up the scores from coarse to fine.

    Every stage from the chosen stride on has its own scores. Coarser scores are upsampled by
    transposed convolutions that begin as bilinear interpolation, and added to the finer ones.

    Parameters
    ----------
    recipe
        Stride of the finest scores, width, normalization, and kernel at the bottom.
    channels_in, channels_out
        Channels of the input image and of the answer (logits).

    Notes
    -----
    https://arxiv.org/abs/1411.4038
    """

    def __init__(self, recipe: FCNRecipe, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.dimensions = 2
        convolution = Layers(normalization=recipe.normalization)
        self.stride: int = recipe.stride
        self.geometry = (_geometry(recipe),) * 2
        widths = [channels_in, *(recipe.width * n for n in FEATURES)]
        deep = recipe.width * BOTTOM_FEATURES
        self.stages = nn.ModuleList()
        for n, before, after in zip(CONVOLUTIONS, widths, widths[1:], strict=False):
            channels = [before] + [after] * n
            layers = [convolution((3, 3), a, b) for a, b in pairwise(channels)]
            self.stages.append(nn.Sequential(*layers, nn.MaxPool2d(2)))
        self.bottom = nn.Sequential(
            convolution((recipe.bottom, recipe.bottom), widths[-1], deep),
            convolution((1, 1), deep, deep),
            nn.Conv2d(deep, channels_out, 1),
        )
        finer = widths[-2 : -2 - n_skips(recipe.stride) : -1]
        self.scores = nn.ModuleList(nn.Conv2d(n, channels_out, 1) for n in finer)
        self.ups = nn.ModuleList(_upsample(2, channels_out) for _ in finer)
        self.last = _upsample(recipe.stride, channels_out)
        initialize(self)
        for layer in (*self.ups, self.last):
            assert isinstance(layer, nn.ConvTranspose2d)
            _make_bilinear(layer)

    def forward(self, x: Tensor, margin: Sequence[int] | None = None) -> Tensor:
        """Return logits ``(N, channels_out, *spatial)`` of images ``(N, channels_in, *spatial)``.

        Parameters
        ----------
        margin
            Pixels per axis that are cropped off either side of the answer. The last upsampling
            skips most of them.

        Raises
        ------
        ValueError
            If the network does not take images of this size: see `Geometry.takes`.
        """
        self.check_size(x)
        margins = margin or (0, 0)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        scores = self.bottom(features.pop())
        for up, score in zip(self.ups, self.scores, strict=True):
            scores = up(scores) + score(features.pop())
        # The last upsampling needs half a coarse pixel beyond what is kept.
        coarse = [max(0, m - self.stride // 2) // self.stride for m in margins]
        rest = [m - self.stride * c for m, c in zip(margins, coarse, strict=True)]
        return crop(cast(Tensor, self.last(crop(scores, coarse))), rest)

    def answer_zero(self) -> None:
        """Set the weights so that the network answers 0 to everything until it is trained."""
        set_to_zero(self.bottom[-1], *self.scores)


def n_skips(stride: int) -> int:
    """Return how many stages above the bottom have scores: 2 for a stride of 8."""
    return (COARSEST // stride).bit_length() - 1


def _geometry(recipe: FCNRecipe) -> Geometry:
    """Return the geometry along each axis."""
    steps: list[Step] = []
    outputs = []
    for n in CONVOLUTIONS:
        steps += [Convolve(n), Down(2)]
        outputs.append(len(steps))
    steps.append(Convolve(recipe.bottom // 2))
    for output in outputs[-2 : -2 - n_skips(recipe.stride) : -1]:
        steps += [Up(2, taps=1), Join(output)]
    return Geometry.of_steps([*steps, Up(recipe.stride, taps=1)])


def _upsample(factor: int, channels: int) -> nn.ConvTranspose2d:
    """Return a transposed convolution for each channel that makes pixels `factor` times finer.

    Each pixel is made of the two coarse ones nearest to it along each axis.
    """
    return nn.ConvTranspose2d(
        channels,
        channels,
        kernel_size=2 * factor,
        stride=factor,
        padding=factor // 2,
        groups=channels,
        bias=False,
    )


def _make_bilinear(layer: nn.ConvTranspose2d) -> None:
    """Set the weights of a transposed convolution to those of bilinear interpolation.

    Weights on the meta device are skipped, as in `initialize`.
    """
    if layer.weight.is_meta:
        return
    width = layer.kernel_size[0]
    at = torch.arange(width, device=layer.weight.device) - (width - 1) / 2
    triangle = 1 - at.abs() / (width // 2)
    with torch.no_grad():
        layer.weight.copy_(torch.outer(triangle, triangle).expand_as(layer.weight))

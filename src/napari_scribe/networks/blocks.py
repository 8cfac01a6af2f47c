"""Build the parts that networks are made of, in 2D and 3D."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

AnyModule = TypeVar("AnyModule", bound=nn.Module)
_Layer = Callable[..., nn.Module]
CONVOLUTION: dict[int, _Layer] = {2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED: dict[int, _Layer] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
NORM = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
POOL = {2: nn.MaxPool2d, 3: nn.MaxPool3d}


@dataclass(frozen=True)
class Convolution:
    """Build the convolutions of a network; those that are ``valid`` have no padding."""

    valid: bool
    is_normalized: bool

    def __call__(self, kernel: Sequence[int], channels_in: int, channels_out: int) -> nn.Module:
        """Return a convolution as wide as `kernel` along each axis, with normalization and ReLU."""
        dimensions, norm = len(kernel), self.is_normalized
        padding = tuple(0 if self.valid else width // 2 for width in kernel)
        layer = CONVOLUTION[dimensions](
            channels_in, channels_out, kernel, padding=padding, bias=not norm
        )
        return nn.Sequential(
            layer, *([NORM[dimensions](channels_out)] if norm else []), nn.ReLU(inplace=True)
        )


class DoubleConvolution(nn.Sequential):
    """Convolve, normalize and apply ReLU, twice: one level of a U-Net."""

    def __init__(
        self, convolution: Convolution, kernel: Sequence[int], channels_in: int, channels_out: int
    ) -> None:
        super().__init__(
            convolution(kernel, channels_in, channels_out),
            convolution(kernel, channels_out, channels_out),
        )


class Upsample(nn.Module):
    """Upsample the coarse features and concatenate them with the skipped ones, cropped alike."""

    def __init__(self, factors: Sequence[int], channels: int) -> None:
        super().__init__()
        upsampling = TRANSPOSED[len(factors)]
        self.up = upsampling(2 * channels, channels, kernel_size=factors, stride=factors)

    def forward(self, coarse: Tensor, skipped: Tensor, margin: Sequence[int]) -> Tensor:
        """Upsample ``(N, 2C, *s)``, crop a margin off it, and join it with ``(N, C, *t)``."""
        up = crop(cast(Tensor, self.up(coarse)), margin)
        return torch.cat([crop_center(skipped, up.shape[2:]), up], dim=1)


def memory_format(dimensions: int) -> torch.memory_format:
    """Return the memory layout in which convolutions are fastest: channels last."""
    return torch.channels_last if dimensions == 2 else torch.channels_last_3d


def placed(network: AnyModule, dimensions: int, device: torch.device | None = None) -> AnyModule:
    """Move a network to a device, with its weights laid out for speed."""
    layout = {"memory_format": memory_format(dimensions)}
    return network.to(device=device, **layout)  # type: ignore[call-overload, no-any-return]


def crop(x: Tensor, margin: Sequence[int]) -> Tensor:
    """Crop ``(N, C, *s)`` by a margin on either side of each axis."""
    for axis, m in enumerate(margin, start=2):
        if m:
            x = x.narrow(axis, m, x.shape[axis] - 2 * m)
    return x


def crop_center(x: Tensor, shape: torch.Size) -> Tensor:
    """Crop ``(N, C, *s)`` to ``(N, C, *shape)`` around its centre."""
    if x.shape[2:] == shape:
        return x
    for axis, m in enumerate(shape, start=2):
        x = x.narrow(axis, (x.shape[axis] - m) // 2, m)
    return x


def initialize(network: nn.Module) -> None:
    """Initialize weights as He et al. do (https://arxiv.org/abs/1502.01852): Gaussian, for ReLU.

    Weights on the meta device are skipped: they have no values, and torch would load its compiler.
    """
    for module in network.modules():
        if isinstance(module, nn.modules.conv._ConvNd) and not module.weight.is_meta:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)

"""The parts that networks are made of, in 2D and 3D."""

from __future__ import annotations

from typing import TypeVar, cast

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)
CONVOLUTION = {2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
NORM = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
POOL = {2: nn.MaxPool2d, 3: nn.MaxPool3d}


def conv_norm_relu(dimensions: int, channels_in: int, channels_out: int, valid: bool) -> nn.Module:
    """A 3-wide convolution, batch normalization and ReLU."""
    return nn.Sequential(
        CONVOLUTION[dimensions](
            channels_in, channels_out, 3, padding=0 if valid else 1, bias=False
        ),
        NORM[dimensions](channels_out),
        nn.ReLU(inplace=True),
    )


class DoubleConvolution(nn.Sequential):
    """Twice convolution, normalization and ReLU: one level of a U-Net."""

    def __init__(self, dimensions: int, channels_in: int, channels_out: int, valid: bool) -> None:
        super().__init__(
            conv_norm_relu(dimensions, channels_in, channels_out, valid),
            conv_norm_relu(dimensions, channels_out, channels_out, valid),
        )


class Join(nn.Module):
    """Upsample the coarse features and put them beside the skipped ones (cropped where valid)."""

    def __init__(self, dimensions: int, channels: int) -> None:
        super().__init__()
        self.up = TRANSPOSED[dimensions](2 * channels, channels, kernel_size=2, stride=2)

    def forward(self, coarse: Tensor, skipped: Tensor) -> Tensor:
        """Join ``(N, 2C, *s)`` and ``(N, C, *t)`` to ``(N, 2C, *2s)``."""
        up = cast(Tensor, self.up(coarse))
        return torch.cat([crop_center(skipped, up.shape[2:]), up], dim=1)


def memory_format(dimensions: int) -> torch.memory_format:
    """Channels last: what convolutions are fastest in."""
    return torch.channels_last if dimensions == 2 else torch.channels_last_3d


def placed(network: Network, dimensions: int, device: torch.device | None = None) -> Network:
    """A network on a device, its weights laid out for speed."""
    layout = {"memory_format": memory_format(dimensions)}
    return network.to(device=device, **layout)  # type: ignore[call-overload, no-any-return]


def crop_center(x: Tensor, shape: torch.Size) -> Tensor:
    """Crop ``(N, C, *s)`` to ``(N, C, *shape)`` around its centre."""
    if x.shape[2:] == shape:
        return x
    for axis, m in enumerate(shape, start=2):
        x = x.narrow(axis, (x.shape[axis] - m) // 2, m)
    return x


def initialize(network: nn.Module) -> None:
    """He initialisation (https://arxiv.org/abs/1502.01852): Gaussian, for ReLU."""
    for module in network.modules():
        if isinstance(module, nn.modules.conv._ConvNd):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)

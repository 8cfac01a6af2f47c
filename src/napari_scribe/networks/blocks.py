"""Build the parts that networks are made of, in 2D and 3D."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

AnyModule = TypeVar("AnyModule", bound=nn.Module)
_Layer = Callable[..., nn.Module]
CONVOLUTION: dict[int, _Layer] = {2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED: dict[int, _Layer] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
NORM: dict[int, _Layer] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
INSTANCE_NORM: dict[int, _Layer] = {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
POOL = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
MOST_GROUPS = 8
"""Largest number of groups of features that are normalized together."""
TAPS = {"bilinear": 1, "trilinear": 1, "bicubic": 2}
"""`Up.taps` of each kind of upsampling that interpolates; the others have none."""


@dataclass(frozen=True)
class Layers:
    """Build convolutions with what follows each of them.

    Parameters
    ----------
    padding
        ``same``, ``valid`` or ``full``: by how much a map is padded before each convolution, so
        that it keeps its size, shrinks or grows.
    normalization
        ``batch``, ``instance``, ``group`` or ``none``.
    """

    padding: str = "same"
    normalization: str = "batch"

    def __call__(self, kernel: Sequence[int], channels_in: int, channels_out: int) -> nn.Sequential:
        """Return a convolution as wide as `kernel` along each axis, with normalization and ReLU."""
        return nn.Sequential(
            self.convolution(kernel, channels_in, channels_out),
            *self.normalized(len(kernel), channels_out),
            nn.ReLU(inplace=True),
        )

    def convolution(self, kernel: Sequence[int], channels_in: int, channels_out: int) -> nn.Module:
        """Return a convolution by itself. It has a bias if no normalization follows it."""
        padding = {
            "same": tuple(width // 2 for width in kernel),
            "valid": (0,) * len(kernel),
            "full": tuple(width - 1 for width in kernel),
        }[self.padding]
        bias = self.normalization == "none"
        layer = CONVOLUTION[len(kernel)]
        return layer(channels_in, channels_out, kernel, padding=padding, bias=bias)

    def normalized(self, dimensions: int, channels: int) -> list[nn.Module]:
        """Return the normalization of a number of features: one layer, or none."""
        match self.normalization:
            case "batch":
                return [NORM[dimensions](channels)]
            case "instance":
                return [INSTANCE_NORM[dimensions](channels, affine=True)]
            case "group":
                groups = max(n for n in range(1, MOST_GROUPS + 1) if channels % n == 0)
                return [nn.GroupNorm(groups, channels)]
        return []


class DoubleConvolution(nn.Sequential):
    """Convolve, normalize and apply ReLU, twice: one level of a U-Net."""

    def __init__(
        self, layers: Layers, kernel: Sequence[int], channels_in: int, channels_out: int
    ) -> None:
        super().__init__(
            layers(kernel, channels_in, channels_out), layers(kernel, channels_out, channels_out)
        )


class ResidualBlock(nn.Module):
    """Add what two convolutions find to their input, He et al. 2015.

    A convolution of width 1 gives the input as many features as the sum has.

    Notes
    -----
    https://arxiv.org/abs/1512.03385
    """

    def __init__(
        self, layers: Layers, kernel: Sequence[int], channels_in: int, channels_out: int
    ) -> None:
        super().__init__()
        self.shortcut = _projection(layers, len(kernel), channels_in, channels_out)
        self.first = layers(kernel, channels_in, channels_out)
        self.second = nn.Sequential(
            layers.convolution(kernel, channels_out, channels_out),
            *layers.normalized(len(kernel), channels_out),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, channels_out, *t)`` of ``(N, channels_in, *s)``."""
        found = self.second(self.first(x))
        return F.relu(found + fitted(self.shortcut(x), found.shape[2:]))


class SharedBlock(nn.Module):
    """Use one convolution twice in a residual block, as LadderNet does: half the parameters.

    A convolution of width 1 comes first, so that both uses have as many features. Each use has a
    normalization of its own.

    Notes
    -----
    https://arxiv.org/abs/1810.07810
    """

    def __init__(
        self, layers: Layers, kernel: Sequence[int], channels_in: int, channels_out: int
    ) -> None:
        super().__init__()
        self.enter = _projection(layers, len(kernel), channels_in, channels_out)
        self.first = layers(kernel, channels_out, channels_out)
        self.second = nn.Sequential(
            Again(self.first[0]), *layers.normalized(len(kernel), channels_out)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, channels_out, *t)`` of ``(N, channels_in, *s)``."""
        entered = self.enter(x)
        found = self.second(self.first(entered))
        return F.relu(found + fitted(entered, found.shape[2:]))


class Again(nn.Module):
    """Apply a convolution that is a part of another module, which owns its weights."""

    def __init__(self, convolution: nn.Module) -> None:
        super().__init__()
        self._owned_elsewhere = (convolution,)  # in a tuple, so that torch does not list it twice

    @property
    def convolution(self) -> nn.Module:
        """Return the convolution."""
        return self._owned_elsewhere[0]

    def forward(self, x: Tensor) -> Tensor:
        """Return what the convolution answers."""
        return cast(Tensor, self.convolution(x))


BLOCKS: dict[str, Callable[[Layers, Sequence[int], int, int], nn.Module]] = {
    "plain": DoubleConvolution,
    "residual": ResidualBlock,
    "shared": SharedBlock,
}
"""What a level of a U-Net is made of, by its name in recipes."""


def _projection(
    layers: Layers, dimensions: int, channels_in: int, channels_out: int
) -> nn.Sequential:
    """Return a convolution of width 1 with normalization."""
    return nn.Sequential(
        layers.convolution((1,) * dimensions, channels_in, channels_out),
        *layers.normalized(dimensions, channels_out),
    )


class Upsample(nn.Module):
    """Upsample the coarse features and join them with the skipped ones, cropped alike.

    Parameters
    ----------
    factors
        By how much the size grows along each axis.
    channels
        Features of the result; the coarse map has twice as many.
    kind
        ``transposed``: a transposed convolution; else the interpolation, after a convolution of
        width 1. Both are linear and could change places, but this one is for the coarse pixels,
        of which there are few.
    skips
        ``concatenate`` or ``add`` the skipped features, or take ``none``.
    """

    def __init__(
        self,
        factors: Sequence[int],
        channels: int,
        kind: str = "transposed",
        skips: str = "concatenate",
    ) -> None:
        super().__init__()
        self.skips = skips
        d, factors = len(factors), tuple(factors)
        self.up: nn.Module
        if kind == "transposed":
            self.up = TRANSPOSED[d](2 * channels, channels, kernel_size=factors, stride=factors)
        else:
            self.up = nn.Sequential(
                CONVOLUTION[d](2 * channels, channels, 1),
                nn.Upsample(scale_factor=factors, mode=kind),
            )

    def forward(self, coarse: Tensor, skipped: Tensor, margin: Sequence[int]) -> Tensor:
        """Upsample ``(N, 2C, *s)``, crop a margin off it, and join it with ``(N, C, *t)``.

        The result has ``2C`` channels if features are concatenated, else ``C``. It is as large as
        the smaller of the two, without skipped features, too: sizes are those of every U-Net.
        """
        up = crop(cast(Tensor, self.up(coarse)), margin)
        smaller = torch.Size(map(min, up.shape[2:], skipped.shape[2:]))
        skipped, up = crop_center(skipped, smaller), crop_center(up, smaller)
        match self.skips:
            case "concatenate":
                return torch.cat([skipped, up], dim=1)
            case "add":
                return skipped + up
        return up


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


def fitted(x: Tensor, shape: torch.Size) -> Tensor:
    """Crop ``(N, C, *s)`` to ``(N, C, *shape)`` around its centre, or pad it with 0."""
    around = [(m - n) // 2 for n, m in zip(x.shape[2:], shape, strict=True)]
    # torch wants the last axis first, and crops where the padding is negative.
    return F.pad(x, [side for m in reversed(around) for side in (m, m)]) if any(around) else x


def set_to_zero(*layers: nn.Module) -> None:
    """Set all weights and biases of some layers to 0."""
    with torch.no_grad():
        for layer in layers:
            for parameter in layer.parameters():
                parameter.zero_()


def initialize(network: nn.Module) -> None:
    """Initialize weights as He et al. do (https://arxiv.org/abs/1502.01852): Gaussian, for ReLU.

    A transposed convolution as wide as its stride begins with the same weights for each of the fine
    pixels that a coarse one becomes: as nearest-neighbour upsampling, without a checkerboard
    (Aitken et al. 2017, https://arxiv.org/abs/1707.02937). Training is free to make them differ.
    Weights on the meta device are skipped: they have no values, and torch would load its compiler.
    """
    for module in network.modules():
        if isinstance(module, nn.modules.conv._ConvNd) and not module.weight.is_meta:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.transposed:
                weights = module.weight.detach().flatten(2)
                alike = weights[:, :, :1].clone().expand_as(weights)
                with torch.no_grad():
                    module.weight.copy_(alike.reshape(module.weight.shape))
            if module.bias is not None:
                nn.init.zeros_(module.bias)

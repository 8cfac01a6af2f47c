"""Follow the size of an image through a network, without computing anything."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .base import CONVOLUTIONS, Network
from .blocks import Upsample

TRANSPOSED = nn.ConvTranspose2d, nn.ConvTranspose3d
POOLS = nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool2d, nn.AvgPool3d


@dataclass(frozen=True)
class Stage:
    """Describe the map that a layer gives.

    Parameters
    ----------
    layer
        What the layer does, such as "convolution 3 x 3".
    channels
        Number of features.
    shape
        Pixels along each spatial axis.
    """

    layer: str
    channels: int
    shape: tuple[int, ...]


def stages_of(network: Network, shape: Sequence[int], channels: int = 1) -> list[Stage]:
    """Return what each layer of a network gives for an image, in the order of the work.

    Parameters
    ----------
    network
        It is not changed. It may have been built on the meta device, where weights take no memory.
    shape, channels
        Pixels along each spatial axis of the image, and its channels.

    Raises
    ------
    ValueError
        If the network does not take images of this size.
    """
    stages: list[Stage] = []

    def note(layer: nn.Module, _given: Any, answer: Tensor) -> None:
        stages.append(Stage(_in_words(layer), answer.shape[1], tuple(answer.shape[2:])))

    copied = copy.deepcopy(network).to("meta").eval()
    for layer in copied.modules():
        if _in_words(layer):
            layer.register_forward_hook(note)
    copied(torch.empty(1, channels, *shape, device="meta"))
    return stages


def _in_words(layer: nn.Module) -> str:
    """Return what a layer does to the size of a map; empty if that is nothing."""
    if isinstance(layer, CONVOLUTIONS):
        return f"convolution {' x '.join(map(str, layer.kernel_size))}"
    if isinstance(layer, POOLS):
        return "pooling"
    if isinstance(layer, (*TRANSPOSED, nn.Upsample)):
        return "upsampling"
    return "join" if isinstance(layer, Upsample) else ""

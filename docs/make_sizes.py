"""Print the table of docs/networks/sizes.md: sizes through a U-Net with each kind of padding.

``python docs/make_sizes.py`` for the network of the paper; ``--depth 2 --size 64`` for another one.
Nothing is computed: the size of an image is followed through the network.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from napari_scribe.networks import Network, UNet
from napari_scribe.networks.base import CONVOLUTIONS
from napari_scribe.networks.blocks import Upsample
from napari_scribe.recipe import UNet as Recipe

PADDINGS = "same", "valid", "full"
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
        A network on the meta device, where weights take no memory. It is of no use after that.
    shape, channels
        Pixels along each spatial axis of the image, and its channels.

    Raises
    ------
    ValueError
        If the network does not take images of this size.
    """
    stages: list[Stage] = []

    def note(layer: nn.Module, _given: Any, answer: Tensor) -> None:
        stages.append(Stage(in_words(layer), answer.shape[1], tuple(answer.shape[2:])))

    for layer in network.modules():
        if in_words(layer):
            layer.register_forward_hook(note)
    network.eval()(torch.empty(1, channels, *shape, device="meta"))
    return stages


def in_words(layer: nn.Module) -> str:
    """Return what a layer does to the size of a map; empty if that is nothing."""
    if isinstance(layer, CONVOLUTIONS):
        return f"convolution {' x '.join(map(str, layer.kernel_size))}"
    if isinstance(layer, POOLS):
        return "pooling"
    if isinstance(layer, (*TRANSPOSED, nn.Upsample)):
        return "upsampling"
    return "join" if isinstance(layer, Upsample) else ""


def table(depth: int, width: int, size: int) -> str:
    """Return the table as Markdown.

    Parameters
    ----------
    size
        The side of the image. Each network gets the smallest one from there on that it takes.
    """
    columns = []
    for padding in PADDINGS:
        with torch.device("meta"):  # nothing is computed
            network = UNet(Recipe(depth=depth, width=width, padding=padding), 1, 2)
        geometry = network.geometry[0]
        side = geometry.input_size(size - 2 * geometry.shrinkage, geometry.shrinkage)
        stages = stages_of(network, (side, side))
        answer = Stage("answer", 2, (geometry.output_size(side),))
        columns.append([Stage("image", 1, (side,)), *stages, answer])
    lines = [
        f"| layer | features | {' | '.join(PADDINGS)} |",
        f"|---|---|{'---|' * len(PADDINGS)}",
    ]
    for row in zip(*columns, strict=True):
        sizes = " | ".join(str(stage.shape[0]) for stage in row)
        lines.append(f"| {row[0].layer} | {row[0].channels} | {sizes} |")
    return "\n".join(lines)


def main() -> None:
    """Read the options and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--size", type=int, default=572)
    options = parser.parse_args()
    print(table(options.depth, options.width, options.size))


if __name__ == "__main__":
    main()

"""Say what a network costs before it is trained: its parameters, its halo, and what a tile takes.

Nothing is timed. The network is built with shapes and no numbers, and multiplications are counted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.modules.conv import _ConvNd

from ..describe import per_axis
from ..memory import size_in_words
from ..model import outline_network
from ..networks import Network
from ..recipe import Recipe
from .speed.tile_size import bytes_of_tile
from .tiles import plan_tiles


@dataclass(frozen=True)
class Cost:
    """Hold what a network costs.

    Parameters
    ----------
    parameters
        How many it has.
    halo
        Pixels per spatial axis that a tile is read with around what it keeps.
    tile
        Side of what a tile keeps, in pixels.
    tile_bytes
        Memory for a tile in float32, by estimate.
    work
        Multiplications for each pixel that a tile keeps, those in its halo counted.
    """

    parameters: int
    halo: tuple[int, ...]
    tile: int
    tile_bytes: int
    work: float

    @property
    def parameters_in_words(self) -> str:
        """Return the number of parameters, such as ``0.48 M``."""
        return f"{self.parameters / 1e6:.2f} M"

    @property
    def times_default(self) -> str:
        """Return how many times the work of the default network each pixel takes."""
        times = self.work / cost_of(Recipe()).work
        return f"{times:.0f}" if times >= 10 else f"{times:.2g}"

    def in_words(self) -> str:
        """Describe the costs in a line."""
        about = size_in_words(float(f"{self.tile_bytes:.2g}"))
        return (
            f"{self.parameters_in_words} parameters, halo {per_axis(self.halo)}. About {about} of "
            f"memory for a tile of {self.tile} px; work per pixel {self.times_default} x that of "
            "the default U-Net."
        )


@lru_cache(maxsize=64)
def cost_of(recipe: Recipe) -> Cost:
    """Return what the network of a recipe costs for images with one channel."""
    network = outline_network(recipe, 1).eval()
    shape = [recipe.tile] * network.dimensions
    tile, *_ = plan_tiles(shape, recipe.tile, network.geometry)
    return Cost(
        parameters=sum(p.numel() for p in network.parameters()),
        halo=tuple(g.halo for g in network.geometry),
        tile=recipe.tile,
        tile_bytes=bytes_of_tile(recipe.network, tile, torch.float32),
        work=multiplications(network, tile.read_shape, tile.margin) / math.prod(tile.kept_shape),
    )


def multiplications(network: Network, shape: Sequence[int], margin: Sequence[int]) -> int:
    """Count the multiplications of all convolutions of a network on the meta device.

    Parameters
    ----------
    shape
        Shape of the input, ``(*spatial)``, in pixels.
    margin
        Pixels per axis that are cropped off either side of the answer.
    """
    total = 0

    def count(layer: _ConvNd, inputs: tuple[Tensor, ...], answer: Tensor) -> None:
        nonlocal total
        # Each value of a transposed convolution's input, or of another one's answer, is worth as
        # many multiplications as there are weights for one channel.
        values = inputs[0] if layer.transposed else answer
        total += values.numel() * layer.weight[0].numel()

    layers = [layer for layer in network.modules() if isinstance(layer, _ConvNd)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with torch.no_grad():
        network(torch.empty(1, 1, *shape, device="meta"), margin)
    for hook in hooks:
        hook.remove()
    return total

"""Count what tiles cost: pixels read, and arithmetic done, for each pixel of the result.

Nothing is timed: the multiplications of the convolutions are counted. 1 is what a pixel costs in an
image without any borders. Without the margin that the decoder leaves out, the arithmetic would be
the first number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from common import cost

from napari_scribe.inference.cost import multiplications
from napari_scribe.inference.tiles import plan_tiles
from napari_scribe.model import outline_network
from napari_scribe.networks import Network
from napari_scribe.recipe import Recipe

SIDES = {2: (128, 256, 512, 1024, 2048), 3: (48, 64, 96, 128, 192)}
NETWORKS = ((2, 3), (2, 4), (3, 2), (3, 3))


def main() -> None:
    print("| network | halo | tile | pixels read / kept | arithmetic |")
    print("|---|---|---|---|---|")
    for dimensions, depth in NETWORKS:
        recipe = Recipe().changed({"network.dimensions": dimensions, "network.depth": depth})
        network = outline_network(recipe, 1).eval()
        halo, stride = network.geometry[0].halo, network.geometry[0].stride
        alone = _per_pixel(network, [8 * stride] * dimensions, [0] * dimensions)
        for side in SIDES[dimensions]:
            (tile,) = plan_tiles([side] * dimensions, side, network.geometry)
            done = _per_pixel(network, tile.read_shape, tile.margin) / alone
            what = f"{dimensions}D, depth {depth} | {halo} | {side}"
            print(f"| {what} | {cost([tile]):.2f} | {done:.2f} |")


def _per_pixel(network: Network, shape: Sequence[int], margin: Sequence[int]) -> float:
    """Count the multiplications for each pixel of the result."""
    total = multiplications(network, shape, margin)
    return total / math.prod(n - 2 * m for n, m in zip(shape, margin, strict=True))


if __name__ == "__main__":
    main()

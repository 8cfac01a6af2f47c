"""Print the table of docs/networks/sizes.md: sizes through a U-Net with each kind of padding.

``python docs/make_sizes.py`` for the network of the paper; ``--depth 2 --size 64`` for another one.
"""

from __future__ import annotations

import argparse

import torch

from napari_scribe.networks import UNet
from napari_scribe.networks.sizes import Stage, stages_of
from napari_scribe.recipe import UNet as Recipe

PADDINGS = "same", "valid", "full"


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

"""Print a table of all presets: their network, its size, and what its tiles cost."""

from __future__ import annotations

import torch

from napari_scribe.inference.tiles import cost, plan_tiles
from napari_scribe.model import build_network
from napari_scribe.recipe import PRESETS, Recipe
from napari_scribe.targets import encoding_of


def main() -> None:
    print("| preset | parameters | steps of sizes (px) | halo (px) | read per kept, tile |")
    print("|---|---|---|---|---|")
    for name in PRESETS:
        recipe = Recipe.preset(name)
        with torch.device("meta"):  # shapes alone
            network = build_network(recipe, 1, encoding_of(recipe))
        n_parameters = sum(p.numel() for p in network.parameters())
        strides, halos = (
            " x ".join(str(getattr(g, what)) for g in network.geometry)
            for what in ("stride", "halo")
        )
        tiles = plan_tiles((4096,) * recipe.network.dimensions, recipe.tile, network.geometry)
        kept = " x ".join(map(str, tiles[0].kept_shape))
        print(
            f"| `{name}` | {n_parameters / 1e6:.2f} M | {strides} | {halos} "
            f"| {cost(tiles[:1]):.1f}, {kept} |"
        )


if __name__ == "__main__":
    main()
